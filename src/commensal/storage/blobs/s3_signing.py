"""Presigned addresses and forms of S3 (Signature Version 4)."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import quote

from commensal.storage.blobs.s3_client import S3Client
from commensal.storage.ports.blobs import Form

__all__ = ["S3Addresses"]

_UNSAFE = re.compile(r"[^A-Za-z0-9 ._()-]")


def _disposition(name: str) -> str:
    """Return an attachment of this name (RFC 6266)."""
    plain = _UNSAFE.sub("_", name) or "download"
    if plain == name:
        return f'attachment; filename="{name}"'
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name.encode('utf-8', 'replace'), safe='')}"


class S3Addresses:
    """See ``ports.blobs.DirectBlobs``."""

    def __init__(self, client: S3Client, path: Callable[[str], str], incoming: Callable[[str], str]) -> None:
        self._client = client
        self._path = path
        self._incoming = incoming

    def get_address(self, key: str, seconds: int, *, name: str, media_type: str, method: str = "GET") -> str:
        """See ``ports.blobs.DirectBlobs``."""
        operation = "head_object" if method == "HEAD" else "get_object"
        return self._client.address(
            operation,
            seconds,
            method,
            Key=self._path(key),
            ResponseContentDisposition=_disposition(name),
            ResponseContentType=media_type,
        )

    def put_address(self, incoming: str, seconds: int) -> str:
        """See ``ports.blobs.DirectBlobs``."""
        return self._client.address("put_object", seconds, "PUT", Key=self._incoming(incoming))

    def part_address(self, handle: str, number: int, seconds: int) -> str:
        """See ``ports.blobs.DirectBlobs``."""
        key, _, upload = handle.partition(":")
        return self._client.address(
            "upload_part", seconds, "PUT", Key=self._path(key), UploadId=upload, PartNumber=number
        )

    def form(self, incoming: str, seconds: int, *, limit: int) -> Form:
        """See ``ports.blobs.DirectBlobs``."""
        made = self._client.client.generate_presigned_post(
            self._client.place.bucket,
            self._incoming(incoming),
            Conditions=[["content-length-range", 0, limit]],
            ExpiresIn=seconds,
        )
        return Form(made["url"], made["fields"])
