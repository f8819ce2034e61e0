"""Botocore for what it alone can do: uploads in parts, presigned addresses and forms; and errors made clear."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from commensal.errors import CommensalError, EngineMissing, NoSpace, NotFound, Unavailable
from commensal.storage.blobs.s3_place import S3Place

__all__ = ["S3Client", "s3_error"]

T = TypeVar("T")
#: Requests at the same time; more wait.
CONNECTIONS = 16
_GONE = frozenset({"NoSuchKey", "NoSuchUpload", "404", "NotFound", "NoSuchBucket"})
_FULL = frozenset({"QuotaExceeded", "EntityTooLarge", "507", "InsufficientStorage", "XMinioStorageFull"})


def s3_error(error: Exception) -> CommensalError:
    """Return the family's error for one of botocore or obstore; never with an address or key in its text."""
    response: Any = getattr(error, "response", None)
    code = str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""
    if code in _GONE or isinstance(error, FileNotFoundError):
        return NotFound("The bytes of this file are not in the store.")
    if code in _FULL:
        return NoSpace("The store of bytes is full: ask whoever runs this server to make room.", retry_after=60)
    if code in ("AccessDenied", "403", "InvalidAccessKeyId", "SignatureDoesNotMatch"):
        return Unavailable("The store of bytes refuses this server: its credentials are not valid there.")
    return Unavailable("The store of bytes does not answer as it should; try again in a moment.", retry_after=5)


class S3Client:
    """One botocore client; its blocking calls run in threads of its own."""

    def __init__(self, place: S3Place, *, attempts: int = 4) -> None:
        try:
            from botocore.config import Config
            from botocore.session import Session
        except ImportError:
            raise EngineMissing(
                "--blobs s3://… needs the packages obstore and botocore: pip install 'commensal[s3]'"
            ) from None
        self.place = place
        self._threads = ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="s3")
        session: Any = Session()
        self.client: Any = session.create_client(
            "s3",
            endpoint_url=place.endpoint,
            region_name=place.region,
            aws_access_key_id=place.access_key,
            aws_secret_access_key=place.secret_key,
            aws_session_token=place.session_token,
            config=Config(
                signature_version="s3v4",
                s3={"addressing_style": "path" if place.endpoint else "auto"},
                retries={"total_max_attempts": attempts, "mode": "standard"},
                connect_timeout=5,
                read_timeout=60,
                max_pool_connections=CONNECTIONS,
                # Other stores than Amazon's do not know its newer checksums; our own are checked instead.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                proxies={},
            ),
        )

    async def call(self, work: Callable[[], T]) -> T:
        """Run a blocking call in a thread; raises the family's errors."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except CommensalError:
            raise
        except Exception as error:
            raise s3_error(error) from error

    async def send(self, operation: str, **parameters: Any) -> dict[str, Any]:
        """Send one operation on our bucket (``upload_part``, …) and return its answer."""
        method = getattr(self.client, operation)
        return await self.call(lambda: method(Bucket=self.place.bucket, **parameters))

    def address(self, operation: str, seconds: int, method: str, **parameters: Any) -> str:
        """Return a presigned address (Signature Version 4) for one operation on our bucket."""
        return self.client.generate_presigned_url(
            operation,
            Params={"Bucket": self.place.bucket, **parameters},
            ExpiresIn=seconds,
            HttpMethod=method,
        )

    def close(self) -> None:
        """Give threads and connections back."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self.client.close()
