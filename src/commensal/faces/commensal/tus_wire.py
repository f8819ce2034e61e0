"""The headers of tus 1.0: read strictly, and the statuses of its own."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from email.utils import format_datetime
from typing import Any

from commensal.core.uploads import Upload
from commensal.errors import BadRequest, Malformed, NotFound
from commensal.faces.kit.request import Request

__all__ = [
    "CHECKSUMS",
    "STREAM_TYPE",
    "VERSION",
    "ChecksumMismatch",
    "Gone",
    "check_stream_type",
    "check_version",
    "checksum_of",
    "http_date",
    "metadata_of",
    "number_of",
    "upload_values",
]

VERSION = "1.0.0"
STREAM_TYPE = "application/offset+octet-stream"
CHECKSUMS = ("md5", "sha1", "sha256")
#: Longest Upload-Metadata that is taken.
_METADATA = 8_192
_KEY = re.compile(r"[!-+\--~]+")
#: Largest size of a file: what S3 takes, and beyond what a disk has.
_LARGEST = 5 * 1024**4


class _WrongVersion(BadRequest):
    """Another version of tus (412)."""

    code = "tus_version"
    status = 412


class _WrongType(BadRequest):
    """Another media type than bytes at an offset (415)."""

    code = "media_type"
    status = 415


class ChecksumMismatch(BadRequest):
    """Other bytes than the request's checksum says (460): none of them was kept."""

    code = "checksum_mismatch"
    status = 460


class Gone(NotFound):
    """An upload that has ended (410)."""

    code = "gone"
    status = 410


def check_version(request: Request) -> None:
    """Raise for a request that does not speak tus 1.0."""
    given = request.headers.get("tus-resumable")
    if given != VERSION:
        request.exchange.add_header("Tus-Version", VERSION)
        raise _WrongVersion(f"This speaks tus {VERSION}: send the header Tus-Resumable: {VERSION}.")


def check_stream_type(request: Request) -> None:
    """Raise unless the body is announced as bytes at an offset."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != STREAM_TYPE:
        raise _WrongType(f"Bytes of an upload come as Content-Type: {STREAM_TYPE}.")


def number_of(request: Request, name: str) -> int:
    """Return a header that counts bytes; raises Malformed."""
    text = request.headers.get(name)
    if text is None or not re.fullmatch(r"[0-9]{1,15}", text) or int(text) > _LARGEST:
        raise Malformed(f"{name} must be a number of bytes from 0 to {_LARGEST:,}.", field=name)
    return int(text)


def metadata_of(request: Request) -> tuple[str, dict[str, str]]:
    """Return Upload-Metadata as sent, and its values; raises Malformed."""
    text = request.headers.get("upload-metadata", "").strip()
    if len(text) > _METADATA:
        raise Malformed(f"Upload-Metadata has at most {_METADATA:,} characters.", field="Upload-Metadata")
    found: dict[str, str] = {}
    for pair in text.split(",") if text else ():
        key, _, value = pair.strip().partition(" ")
        if not _KEY.fullmatch(key) or key in found:
            raise Malformed(
                f"Upload-Metadata: the key {key[:50]!r} is empty, or stands twice.", field="Upload-Metadata"
            )
        try:
            found[key] = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, ValueError):
            raise Malformed(f"Upload-Metadata: the value of {key} is no Base64 of UTF-8 text.", field=key) from None
    return text, found


def checksum_of(
    request: Request, chunks: AsyncIterator[bytes]
) -> tuple[AsyncIterator[bytes], Callable[[], None] | None]:
    """Return the body, and what raises ChecksumMismatch after its end where Upload-Checksum says otherwise."""
    given = request.headers.get("upload-checksum")
    if given is None:
        return chunks, None
    name, _, text = given.strip().partition(" ")
    if name not in CHECKSUMS:
        raise Malformed(f"Upload-Checksum takes {', '.join(CHECKSUMS)}.", field="Upload-Checksum")
    made = hashlib.new(name, usedforsecurity=False)
    try:
        wanted = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        wanted = b""
    if len(wanted) != made.digest_size:
        raise Malformed("Upload-Checksum is a name, a space and the digest in Base64.", field="Upload-Checksum")

    async def summed() -> AsyncIterator[bytes]:
        async for chunk in chunks:
            made.update(chunk)
            yield chunk

    def check() -> None:
        if not hmac.compare_digest(made.digest(), wanted):
            raise ChecksumMismatch(f"The {name} of these bytes is another one: none of them was kept, send them again.")

    return summed(), check


def http_date(moment: datetime) -> str:
    """Return a time as headers have it."""
    return format_datetime(moment.replace(microsecond=0), usegmt=True)


def upload_values(upload: Upload, offset: int) -> dict[str, Any]:
    """Return what is known of an upload, for its sender."""
    return {
        "uuid": upload.uuid,
        "state": upload.state.value,
        "offset": offset,
        "size": upload.size,
        "project": upload.project,
        "path": upload.path,
        "file": upload.file if upload.state.value == "available" else None,
        "error": upload.error,
        "created": upload.created,
        "expires": upload.expires,
    }
