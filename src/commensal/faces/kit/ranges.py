"""Byte ranges of RFC 9110, 14: one range a request; several are answered with the whole."""

from __future__ import annotations

import re
from dataclasses import dataclass

from commensal.errors import BadRequest

__all__ = ["ByteRange", "RangeNotSatisfiable", "content_range", "parse_range"]

_RANGE = re.compile(r"bytes\s*=\s*(?:([0-9]{1,19})\s*-\s*([0-9]{0,19})|-\s*([0-9]{1,19}))\s*", re.IGNORECASE)


class RangeNotSatisfiable(BadRequest):
    """The range begins behind the last byte (416); ``size`` is what the whole has."""

    code = "range_not_satisfiable"
    status = 416

    def __init__(self, size: int) -> None:
        super().__init__(f"The range lies outside the {size} bytes of this file.")
        self.size = size


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Bytes ``start`` to ``end``, both included."""

    start: int
    end: int

    @property
    def length(self) -> int:
        """Number of bytes."""
        return self.end - self.start + 1


def parse_range(header: str | None, size: int) -> ByteRange | None:
    """Return the range that a Range header asks of ``size`` bytes; None: answer with the whole.

    ``bytes=0-99``, ``bytes=100-`` (to the end) and ``bytes=-100`` (the last 100). A header that is
    broken, of another unit, or with several ranges is ignored, as RFC 9110 allows.
    """
    found = _RANGE.fullmatch(header) if header else None
    if found is None:
        return None
    first, last, suffix = found.groups()
    if suffix is not None:
        length = min(int(suffix), size)
        if length == 0:
            raise RangeNotSatisfiable(size)
        return ByteRange(size - length, size - 1)
    start = int(first)
    end = min(int(last), size - 1) if last else size - 1
    if last and int(last) < start:
        return None
    if start >= size:
        raise RangeNotSatisfiable(size)
    return ByteRange(start, end)


def content_range(part: ByteRange | None, size: int) -> str:
    """Return the Content-Range header of a part, or of a refusal (``bytes */100``)."""
    return f"bytes */{size}" if part is None else f"bytes {part.start}-{part.end}/{size}"
