"""Bytes in a bucket of any S3: whole objects and ranges by obstore, parts and signing by botocore.

``<prefix>/ab/cd/abcd…`` are stored bytes (random key of 40 hex digits), ``<prefix>/incoming/…`` is what came by a
signed PUT or form and was not looked at yet. An upload in parts is joined straight under its key: when it ends, the
signed addresses of its parts end with it. A signed PUT lives on, so what it wrote is copied away before it is read.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Callable, Sequence, Set
from datetime import datetime, timedelta
from typing import Any

from commensal.core.digesting import Digesting
from commensal.core.finishing import to_its_end
from commensal.errors import CommensalError, Malformed, NotFound, TooLarge
from commensal.storage.blobs.s3_client import S3Client, s3_error
from commensal.storage.blobs.s3_growing import GrowingObject
from commensal.storage.blobs.s3_place import S3Place
from commensal.storage.blobs.s3_signing import S3Addresses
from commensal.storage.ports.blobs import DirectBlobs, Part, Stored

__all__ = ["S3Blobs"]

BLOCK = 1024 * 1024
#: Objects up to this size go in one request; larger ones in pieces of this size, growing so that 10,000 suffice.
PIECE = 8 * 1024 * 1024
_PIECES_OF_A_SIZE = 1_000
#: Pieces of one stream on their way at the same time.
_AHEAD = 2
#: Largest object that S3 copies in one request.
_COPY_WHOLE = 5 * 1024**3
_COPY_PIECE = 1024**3
_COPIES = 4
_KEY = re.compile(r"[0-9a-f]{40}")
_HANDLE = re.compile(r"([0-9a-f]{40}):(.{1,1000})", re.DOTALL)


class S3Blobs:
    """See ``ports.blobs.Blobs``."""

    def __init__(self, place: S3Place, *, attempts: int = 4, retry: Any = None) -> None:
        """``attempts`` of each request of botocore's; ``retry``: obstore's RetryConfig."""
        self._client = S3Client(place, attempts=attempts)
        import obstore
        from obstore.store import S3Store

        self._obstore = obstore
        self._place = place
        config: Any = {
            "region": place.region,
            "access_key_id": place.access_key,
            "secret_access_key": place.secret_key,
            "virtual_hosted_style_request": place.endpoint is None,
        }
        if place.endpoint is not None:
            config["endpoint"] = place.endpoint
        if place.session_token is not None:
            config["session_token"] = place.session_token
        self._store: Any = S3Store(
            place.bucket,
            config=config,
            client_options={
                "allow_http": True,
                "timeout": timedelta(hours=24),
                "connect_timeout": timedelta(seconds=5),
            },
            retry_config=retry or {"max_retries": 4, "retry_timeout": timedelta(seconds=30)},
        )
        self._direct = S3Addresses(self._client, self._path, self._incoming_path)

    @property
    def direct(self) -> DirectBlobs:
        """See ``ports.blobs.Blobs``."""
        return self._direct

    def close(self) -> None:
        """Give connections back."""
        self._client.close()

    def _path(self, key: str) -> str:
        if not _KEY.fullmatch(key):
            raise NotFound("There are no such bytes.")
        return self._under(f"{key[:2]}/{key[2:4]}/{key}")

    def _incoming_path(self, handle: str) -> str:
        if not _KEY.fullmatch(handle):
            raise NotFound("There is no such upload.")
        return self._under(f"incoming/{handle}")

    def _under(self, name: str) -> str:
        return f"{self._place.prefix}/{name}" if self._place.prefix else name

    async def put(self, chunks: AsyncIterable[bytes], *, limit: int | None = None) -> Stored:
        """See ``ports.blobs.Blobs``."""
        key = secrets.token_hex(20)
        digesting = Digesting()
        upload: _Pieces | None = None
        try:
            async for piece in _pieces(chunks, limit):
                await digesting.add(piece)
                if upload is None and len(piece) < PIECE:
                    await self._put_whole(self._path(key), piece)
                else:
                    upload = upload or await _Pieces.begin(self._client, self._path(key))
                    await upload.add(piece)
            if upload is not None:
                await upload.finish()
        except BaseException:
            if upload is not None:
                await asyncio.shield(upload.give_up())
            raise
        if digesting.size == 0:
            await self._put_whole(self._path(key), b"")
        return Stored(key, digesting.size, *await digesting.digests())

    async def _put_whole(self, path: str, data: bytes) -> None:
        try:
            await self._obstore.put_async(self._store, path, data, use_multipart=False)
        except Exception as error:
            raise s3_error(error) from error

    async def get(self, key: str, start: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        """See ``ports.blobs.Blobs``. A store that sends fewer bytes than it has is Unavailable, never an end."""
        path = self._path(key)
        size = await self._size(path)
        if size is None:
            raise NotFound("The bytes of this file are not in the store.")
        left = max(0, size - start) if length is None else max(0, min(length, size - start))
        if left == 0:
            return
        try:
            options: Any = None if left == size else {"range": (start, start + left)}
            result = await self._obstore.get_async(self._store, path, options=options)
            async for block in result.stream(min_chunk_size=BLOCK):
                data = bytes(block)
                left -= len(data)
                for at in range(0, len(data), BLOCK):
                    yield data[at : at + BLOCK]
        except CommensalError:
            raise
        except Exception as error:
            raise s3_error(error) from error
        if left:
            raise s3_error(EOFError())

    async def size(self, key: str) -> int | None:
        """See ``ports.blobs.Blobs``."""
        return await self._size(self._path(key))

    async def _size(self, path: str) -> int | None:
        try:
            return (await self._obstore.head_async(self._store, path))["size"]
        except FileNotFoundError:
            return None
        except Exception as error:
            raise s3_error(error) from error

    async def delete(self, key: str) -> None:
        """See ``ports.blobs.Blobs``."""
        await self._delete(self._path(key))

    async def _delete(self, path: str) -> None:
        try:
            await self._obstore.delete_async(self._store, path)
        except FileNotFoundError:
            return
        except Exception as error:
            raise s3_error(error) from error

    async def keys(self) -> AsyncIterator[tuple[str, int]]:
        """See ``ports.blobs.Blobs``."""
        try:
            async for batch in self._obstore.list(self._store, prefix=self._place.prefix or None, chunk_size=1000):
                for entry in batch:
                    key = entry["path"].rpartition("/")[2]
                    if _KEY.fullmatch(key) and entry["path"] == self._path(key):
                        yield key, entry["size"]
        except CommensalError:
            raise
        except Exception as error:
            raise s3_error(error) from error

    async def begin_incoming(self) -> str:
        """See ``ports.blobs.Blobs``."""
        return secrets.token_hex(20)

    async def take_incoming(self, handle: str) -> str:
        """See ``ports.blobs.Blobs``: a copy inside the store."""
        source, target = self._incoming_path(handle), self._path(handle)
        size = await self._size(source)
        if size is None:
            if await self._size(target) is None:
                raise NotFound("No bytes came for this upload.")
            return handle
        if size <= _COPY_WHOLE:
            await self._client.send("copy_object", Key=target, CopySource=self._source(source))
        else:
            await self._copy_in_pieces(source, target, size)
        await self._delete(source)
        return handle

    def _source(self, path: str) -> dict[str, str]:
        return {"Bucket": self._place.bucket, "Key": path}

    async def _copy_in_pieces(self, source: str, target: str, size: int) -> None:
        """Copy what is too large for one request; S3 does it, some pieces at a time."""
        upload = (await self._client.send("create_multipart_upload", Key=target))["UploadId"]
        few = asyncio.Semaphore(_COPIES)

        async def piece(number: int, start: int) -> dict[str, Any]:
            async with few:
                answer = await self._client.send(
                    "upload_part_copy",
                    Key=target,
                    UploadId=upload,
                    PartNumber=number,
                    CopySource=self._source(source),
                    CopySourceRange=f"bytes={start}-{min(start + _COPY_PIECE, size) - 1}",
                )
            return {"PartNumber": number, "ETag": answer["CopyPartResult"]["ETag"]}

        try:
            async with asyncio.TaskGroup() as tasks:
                pieces = [
                    tasks.create_task(piece(number, start))
                    for number, start in enumerate(range(0, size, _COPY_PIECE), 1)
                ]
            made = [done.result() for done in pieces]
            await self._client.send(
                "complete_multipart_upload", Key=target, UploadId=upload, MultipartUpload={"Parts": made}
            )
        except BaseException as error:
            with contextlib.suppress(CommensalError):
                await to_its_end(self._client.send("abort_multipart_upload", Key=target, UploadId=upload))
            if isinstance(error, BaseExceptionGroup):
                raise error.exceptions[0] from error
            raise

    async def begin_parts(self) -> str:
        """See ``ports.blobs.Blobs``; the handle is the key and S3's upload id."""
        key = secrets.token_hex(20)
        answer = await self._client.send("create_multipart_upload", Key=self._path(key))
        return f"{key}:{answer['UploadId']}"

    def _open(self, handle: str) -> tuple[str, dict[str, str]]:
        found = _HANDLE.fullmatch(handle)
        if found is None:
            raise NotFound("There is no such upload, or it has ended.")
        return found[1], {"Key": self._path(found[1]), "UploadId": found[2]}

    async def put_part(
        self, handle: str, number: int, chunks: AsyncIterable[bytes], *, limit: int | None = None
    ) -> Part:
        """See ``ports.blobs.Blobs``. S3 takes a part whole, so it is held in memory: at most ``limit`` bytes."""
        self._open(handle)
        data = bytearray()
        async for chunk in chunks:
            data += chunk
            if limit is not None and len(data) > limit:
                raise TooLarge(f"The part is larger than the {limit:,} bytes that are taken here.")
        return await self.send_part(handle, number, bytes(data))

    async def send_part(self, handle: str, number: int, data: bytes) -> Part:
        """Store a part that is in memory."""
        _, names = self._open(handle)
        answer = await self._client.send("upload_part", PartNumber=number, Body=data, **names)
        return Part(number, len(data), str(answer["ETag"]).strip('"'))

    async def list_parts(self, handle: str) -> list[Part]:
        """See ``ports.blobs.Blobs``."""
        _, names = self._open(handle)
        parts: list[Part] = []
        more: dict[str, Any] = {}
        while True:
            answer = await self._client.send("list_parts", **names, **more)
            parts.extend(
                Part(part["PartNumber"], part["Size"], part["ETag"].strip('"')) for part in answer.get("Parts", ())
            )
            if not answer.get("IsTruncated"):
                return sorted(parts, key=lambda part: part.number)
            more = {"PartNumberMarker": answer["NextPartNumberMarker"]}

    async def join_parts(self, handle: str, parts: Sequence[Part]) -> str:
        """See ``ports.blobs.Blobs``. S3 takes an empty part as the last one only."""
        key, names = self._open(handle)
        try:
            await self.list_parts(handle)
        except NotFound:
            if await self._size(names["Key"]) is None:
                raise
            return key
        try:
            if not any(part.size for part in parts):
                await self._put_whole(names["Key"], b"")
                await self.drop(handle)
                return key
            await self._client.send(
                "complete_multipart_upload",
                MultipartUpload={"Parts": [{"PartNumber": p.number, "ETag": f'"{p.etag}"'} for p in parts]},
                **names,
            )
        except CommensalError as error:
            cause: Any = error.__cause__
            code = getattr(cause, "response", {}).get("Error", {}).get("Code", "")
            if code in ("InvalidPart", "InvalidPartOrder", "EntityTooSmall"):
                raise Malformed(
                    "The parts do not fit together: every part but the last needs 5 MiB at least, and the ETag that "
                    "its upload was answered with."
                ) from error
            # The answer was lost, or another process is joining: what counts is whether the object is there.
            if await self._size(names["Key"]) is None:
                raise
        return key

    async def begin_growing(self) -> str:
        """See ``ports.blobs.Blobs``; the handle is that of an upload in parts."""
        return await self.begin_parts()

    async def grown(self, handle: str) -> int:
        """See ``ports.blobs.Blobs``."""
        return await GrowingObject(self, handle).look()

    async def grow(
        self,
        handle: str,
        start: int,
        chunks: AsyncIterable[bytes],
        *,
        size: int,
        check: Callable[[], None] | None = None,
    ) -> int:
        """See ``ports.blobs.Blobs``."""
        return await GrowingObject(self, handle).grow(start, chunks, size=size, check=check)

    async def end_growing(self, handle: str) -> str:
        """See ``ports.blobs.Blobs``."""
        key, _ = self._open(handle)
        growing = GrowingObject(self, handle)
        try:
            await growing.look()
        except NotFound:
            if await self.size(key) is None:
                raise
        else:
            await self.join_parts(handle, growing.parts)
        await self._delete(self._incoming_path(key))
        return key

    async def read_rest(self, handle: str, length: int | None = None) -> tuple[bytes, int] | None:
        """Return the first bytes (None: all) of what a growing object has beside its parts, and how many it has."""
        path = self._incoming_path(self._open(handle)[0])
        size = await self._size(path)
        if size is None:
            return None
        try:
            options: Any = {"range": (0, min(size, length if length is not None else size))}
            return bytes(await (await self._obstore.get_async(self._store, path, options=options)).bytes_async()), size
        except Exception as error:
            raise s3_error(error) from error

    async def write_rest(self, handle: str, data: bytes) -> None:
        """Store what a growing object has beside its parts."""
        await self._put_whole(self._incoming_path(self._open(handle)[0]), data)

    async def sweep(self, before: datetime, keep: Set[str]) -> int:
        """See ``ports.blobs.Blobs``."""
        removed = 0
        keys = {handle.partition(":")[0] for handle in keep}
        more: dict[str, Any] = {"Prefix": self._under("")}
        while True:
            answer = await self._client.send("list_multipart_uploads", **more)
            for upload in answer.get("Uploads", ()):
                key, started = upload["Key"].rpartition("/")[2], upload["Initiated"]
                if _KEY.fullmatch(key) and key not in keys and started < before:
                    with contextlib.suppress(NotFound):
                        await self._client.send(
                            "abort_multipart_upload", Key=upload["Key"], UploadId=upload["UploadId"]
                        )
                    removed += 1
            if not answer.get("IsTruncated"):
                break
            more |= {"KeyMarker": answer["NextKeyMarker"], "UploadIdMarker": answer["NextUploadIdMarker"]}
        try:
            async for batch in self._obstore.list(self._store, prefix=self._under("incoming"), chunk_size=1000):
                for entry in batch:
                    if entry["last_modified"] < before and entry["path"].rpartition("/")[2] not in keys:
                        await self._delete(entry["path"])
                        removed += 1
        except CommensalError:
            raise
        except Exception as error:
            raise s3_error(error) from error
        return removed

    async def drop(self, handle: str) -> None:
        """See ``ports.blobs.Blobs``."""
        if _KEY.fullmatch(handle):
            await self._delete(self._incoming_path(handle))
            return
        key, names = self._open(handle)
        with contextlib.suppress(NotFound):
            await self._client.send("abort_multipart_upload", **names)
        await self._delete(self._incoming_path(key))


class _Pieces:
    """One large object on its way, a few pieces ahead."""

    def __init__(self, client: S3Client, path: str, upload: str) -> None:
        self._client = client
        self._names = {"Key": path, "UploadId": upload}
        self._running: deque[asyncio.Task[dict[str, Any]]] = deque()
        self._etags: list[str] = []
        self._number = 0

    @classmethod
    async def begin(cls, client: S3Client, path: str) -> _Pieces:
        return cls(client, path, (await client.send("create_multipart_upload", Key=path))["UploadId"])

    async def add(self, piece: bytes) -> None:
        if len(self._running) >= _AHEAD:
            self._etags.append((await self._running[0])["ETag"])
            self._running.popleft()
        self._number += 1
        sending = self._client.send("upload_part", PartNumber=self._number, Body=piece, **self._names)
        self._running.append(asyncio.create_task(sending))

    async def finish(self) -> None:
        while self._running:
            self._etags.append((await self._running[0])["ETag"])
            self._running.popleft()
        parts = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(self._etags, 1)]
        await self._client.send("complete_multipart_upload", MultipartUpload={"Parts": parts}, **self._names)

    async def give_up(self) -> None:
        await asyncio.gather(*self._running, return_exceptions=True)
        try:
            await self._client.send("abort_multipart_upload", **self._names)
        except CommensalError:
            return  # The store is away; what it keeps of an unfinished upload ends by its own rules.


async def _pieces(chunks: AsyncIterable[bytes], limit: int | None) -> AsyncIterator[bytes]:
    waiting = bytearray()
    total = 0
    sent = 0
    wanted = PIECE
    async for chunk in chunks:
        waiting += chunk
        total += len(chunk)
        if limit is not None and total > limit:
            raise TooLarge(f"The file is larger than the {limit:,} bytes that are taken here.")
        while len(waiting) >= wanted:
            yield bytes(waiting[:wanted])
            del waiting[:wanted]
            sent += 1
            if sent % _PIECES_OF_A_SIZE == 0:
                wanted *= 2
    if waiting:
        yield bytes(waiting)
