"""The answer that sends stored bytes: whole or one range, conditional, safe in a browser."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

from commensal.faces.kit.answers import Respond, StreamAnswer, empty
from commensal.faces.kit.disposition import STORED_BYTES_HEADERS, content_disposition
from commensal.faces.kit.ranges import RangeNotSatisfiable, content_range, parse_range
from commensal.faces.kit.request import Request

__all__ = ["decide", "is_known", "stored_bytes"]

Open = Callable[[int, int], Awaitable[AsyncIterator[bytes]]]


async def decide(open_: Open) -> None:
    """Raise what a caller would get who asks for bytes; send none."""
    await (await open_(0, 0)).aclose()  # type: ignore[attr-defined]


def is_known(request: Request, tag: str) -> bool:
    """Tell whether If-None-Match names a tag; compared weakly (RFC 9110, 13.1.2): who compresses makes tags weak."""
    known = request.headers.get("if-none-match", "").strip()
    return known == "*" or tag in [part.strip().removeprefix("W/") for part in known.split(",")]


async def stored_bytes(request: Request, open_: Open, *, size: int, name: str, media_type: str, etag: str) -> Respond:
    """Answer a GET or HEAD for stored bytes.

    ``open_(start, length)`` decides and gives the stream; it is awaited before the answer begins, so a
    refusal still has its status. ``etag`` is the sha256; If-None-Match, If-Range and Range are honoured.
    """
    tag = f'"{etag}"'
    headers = [
        ("etag", tag),
        ("accept-ranges", "bytes"),
        ("content-disposition", content_disposition(name)),
        *(pair for pair in STORED_BYTES_HEADERS if pair[0] != "x-content-type-options"),
    ]
    if is_known(request, tag):
        await decide(open_)
        return empty(304, headers)
    wanted = request.headers.get("range")
    condition = request.headers.get("if-range")
    if condition is not None and condition.strip() != tag:
        wanted = None
    try:
        part = parse_range(wanted, size)
    except RangeNotSatisfiable:
        await decide(open_)
        request.exchange.add_header("Content-Range", content_range(None, size))
        raise
    start, length = (0, size) if part is None else (part.start, part.length)
    chunks = await open_(start, length)
    if part is not None:
        headers.append(("content-range", content_range(part, size)))
    return StreamAnswer(
        chunks, status=200 if part is None else 206, media_type=media_type, length=length, headers=headers
    )
