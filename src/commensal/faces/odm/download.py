"""The bytes of a file, whole or one range (contracts/odm.md, "Download and HEAD")."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC
from email.utils import format_datetime

from commensal.core.files import File
from commensal.errors import Malformed
from commensal.faces.kit.answers import Respond, StreamAnswer, empty
from commensal.faces.kit.disposition import STORED_BYTES_HEADERS, content_disposition
from commensal.faces.kit.ranges import ByteRange, RangeNotSatisfiable, content_range
from commensal.faces.kit.request import Request
from commensal.faces.kit.stored import decide, is_known

__all__ = ["send_file", "wanted_range"]

Open = Callable[[int, int], Awaitable[AsyncIterator[bytes]]]

_UNIT = re.compile(r"\s*bytes\s*=(.*)", re.IGNORECASE | re.DOTALL)
_SPEC = re.compile(r"\s*(?:([0-9]+)\s*-\s*([0-9]*)|-\s*([0-9]+))\s*")


def wanted_range(header: str | None, size: int) -> ByteRange | None:
    """Return the range of a Range header, None for the whole.

    Another unit is ignored, and an empty file has no ranges. Raises Malformed for several ranges or a broken one,
    RangeNotSatisfiable for one that begins behind the end.
    """
    found = _UNIT.fullmatch(header) if header else None
    if found is None:
        return None
    if "," in found[1]:
        raise Malformed("Supplying several ranges is not supported: ask for one range at a time.", field="Range")
    spec = _SPEC.fullmatch(found[1]) if len(found[1]) <= 100 else None
    if spec is None:
        raise Malformed(f"The range {found[0].strip()[:60]!r} cannot be read; bytes=0-1023 is one.", field="Range")
    first, last, suffix = spec.groups()
    if first and last and int(last) < int(first):
        raise Malformed(f"The range {found[0].strip()[:60]!r} ends before it begins.", field="Range")
    if size == 0:
        return None
    if suffix is not None:
        if int(suffix) == 0:
            raise RangeNotSatisfiable(size)
        return ByteRange(max(0, size - int(suffix)), size - 1)
    if int(first) >= size:
        raise RangeNotSatisfiable(size)
    return ByteRange(int(first), min(int(last), size - 1) if last else size - 1)


def _headers(file: File) -> list[tuple[str, str]]:
    modified = file.updated.astimezone(UTC).replace(microsecond=0)
    return [
        ("etag", f'"{file.sha256 or file.md5 or file.uuid}"'),
        ("last-modified", format_datetime(modified, usegmt=True)),
        ("accept-ranges", "bytes"),
        ("content-disposition", content_disposition(file.name)),
        *(pair for pair in STORED_BYTES_HEADERS if pair[0] != "x-content-type-options"),
    ]


async def send_file(request: Request, file: File, open_: Open) -> Respond:
    """Answer a GET or HEAD; ``open_(start, length)`` decides about rights before the answer begins."""
    headers = _headers(file)
    tag, size = headers[0][1], file.size or 0
    if is_known(request, tag):
        await decide(open_)
        return empty(304, headers)
    condition = request.headers.get("if-range")
    part = None
    if condition is None or condition.strip() in (tag, headers[1][1]):
        try:
            part = wanted_range(request.headers.get("range"), size)
        except RangeNotSatisfiable:
            await decide(open_)
            request.exchange.add_header("Content-Range", content_range(None, size))
            raise
    start, length = (0, size) if part is None else (part.start, part.length)
    chunks = await open_(start, length)
    if part is not None:
        headers.append(("content-range", content_range(part, size)))
    return StreamAnswer(
        chunks,
        status=200 if part is None else 206,
        media_type="application/octet-stream",
        length=length,
        headers=headers,
    )
