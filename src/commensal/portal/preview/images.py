"""Images that a browser may show: known by their first bytes, with width and height, so that no bomb is opened."""

from __future__ import annotations

import struct
from dataclasses import dataclass

__all__ = ["LARGEST_IMAGE", "MOST_PIXELS", "Picture", "picture_of"]

#: Largest image that a page shows, in bytes and in pixels: what a browser has to hold when it opens it.
LARGEST_IMAGE = 20_000_000
MOST_PIXELS = 100_000_000


@dataclass(frozen=True, slots=True)
class Picture:
    """What an image is: ``media_type`` by its first bytes, size in pixels (0: it could not be read)."""

    media_type: str
    width: int
    height: int

    @property
    def opens(self) -> bool:
        """Whether its size is known and small enough for any browser."""
        return 0 < self.width * self.height <= MOST_PIXELS


def picture_of(head: bytes) -> Picture | None:
    """Return what image these first bytes of a file begin, None for anything but PNG, JPEG, GIF and WebP."""
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return Picture("image/png", *_pair(">II", head, 16))
    if head.startswith((b"GIF87a", b"GIF89a")):
        return Picture("image/gif", *_pair("<HH", head, 6))
    if head.startswith(b"\xff\xd8\xff"):
        return Picture("image/jpeg", *_jpeg(head))
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return Picture("image/webp", *_webp(head))
    return None


def _pair(form: str, head: bytes, at: int) -> tuple[int, int]:
    try:
        width, height = struct.unpack_from(form, head, at)
    except struct.error:
        return 0, 0
    return width, height


def _jpeg(head: bytes) -> tuple[int, int]:
    """Walk the segments to the frame header (ITU T.81, B.2): its height, then its width."""
    at = 2
    while at + 4 <= len(head) and head[at] == 0xFF:
        mark = head[at + 1]
        if mark == 0xFF:
            at += 1
        elif 0xC0 <= mark <= 0xCF and mark not in (0xC4, 0xC8, 0xCC):
            height, width = _pair(">HH", head, at + 5)
            return width, height
        else:
            at += 2 + int.from_bytes(head[at + 2 : at + 4])
    return 0, 0


def _webp(head: bytes) -> tuple[int, int]:
    kind = head[12:16]
    if kind == b"VP8X" and len(head) >= 30:
        return 1 + int.from_bytes(head[24:27], "little"), 1 + int.from_bytes(head[27:30], "little")
    if kind == b"VP8L" and len(head) >= 25:
        bits = int.from_bytes(head[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 ":
        width, height = _pair("<HH", head, 26)
        return width & 0x3FFF, height & 0x3FFF
    return 0, 0
