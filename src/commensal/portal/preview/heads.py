"""From the first bytes of a file to what a page shows of it: text, a table, an image, or a sentence why not."""

from __future__ import annotations

import codecs
import csv
import unicodedata
import zlib
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from commensal.portal.preview.images import LARGEST_IMAGE, Picture, picture_of

__all__ = ["GZIP_HEAD", "HEAD", "Preview", "preview_of"]

#: How much of a file is looked at, and shown as text, in bytes; of a .gz file, how many compressed ones.
HEAD = 65_536
GZIP_HEAD = 262_144
ROWS = 50
COLUMNS = 40
_CELL = 300
_LINE = 4_000
_BINARY = "This is no text, table or image that could be shown here: download the file to open it."
_IMAGE_WORDS = "This image has {}, more than is shown here: download the file to open it."

_MARKS = {"csv": ",", "tsv": "\t", "tab": "\t"}
_TYPES = {"text/csv": ",", "text/tab-separated-values": "\t", "text/tsv": "\t"}


@dataclass(frozen=True, slots=True)
class Preview:
    """What is shown. ``why`` says why nothing is; ``cut``: there is more in the file than shown.

    ``rows`` are those of a table, the first its header; ``columns`` counts all of its columns.
    """

    kind: Literal["text", "table", "image", "none"]
    why: str = ""
    text: str = ""
    rows: tuple[tuple[str, ...], ...] = ()
    columns: int = 0
    cut: bool = False
    picture: Picture | None = None


def preview_of(name: str, media_type: str, head: bytes, size: int) -> Preview:
    """Return what is shown of a file of ``size`` bytes that begins with ``head`` (``HEAD`` or ``GZIP_HEAD`` bytes)."""
    if size == 0:
        return Preview("none", "This file is empty.")
    ending = name.lower().rpartition(".")[2]
    cut = size > len(head)
    if ending == "gz" and head.startswith(b"\x1f\x8b"):
        head, more = _unpacked(head)
        cut = cut or more
        ending = name.lower()[:-3].rpartition(".")[2]
        media_type = ""
        if not head:
            return Preview("none", "The compressed data is damaged, or there is nothing in it.")
    else:
        picture = picture_of(head)
        if picture is not None:
            return _image(picture, size)
    if len(head) > HEAD:
        head, cut = head[:HEAD], True
    text = _decoded(head, cut=cut)
    if text is None:
        return Preview("none", _BINARY)
    mark = _MARKS.get(ending) or _TYPES.get(media_type.partition(";")[0].strip().lower())
    if mark is not None:
        table = _table(text, mark, cut=cut)
        if table is not None:
            return table
    return _text(text, cut=cut)


def _image(picture: Picture, size: int) -> Preview:
    if size > LARGEST_IMAGE:
        return Preview("none", _IMAGE_WORDS.format(f"{size / 1e6:.0f} MB"))
    if picture.width * picture.height == 0:
        return Preview("none", "The size of this image cannot be read: download the file to open it.")
    if not picture.opens:
        return Preview("none", _IMAGE_WORDS.format(f"{picture.width:,} × {picture.height:,} pixels"))
    return Preview("image", picture=picture)


def _unpacked(head: bytes) -> tuple[bytes, bool]:
    """Return the beginning of compressed text, at most ``HEAD`` bytes whatever it unpacks to, and whether more comes.

    A file of several members (bgzip) is read on from member to member.
    """
    made = bytearray()
    while head.startswith(b"\x1f\x8b") and len(made) < HEAD:
        member = zlib.decompressobj(31)
        try:
            made += member.decompress(head, HEAD - len(made))
        except zlib.error:
            break
        if not member.eof:
            return bytes(made), True
        head = member.unused_data
    return bytes(made), len(made) >= HEAD and bool(head)


def _decoded(head: bytes, *, cut: bool) -> str | None:
    """Return bytes as text: UTF-8, UTF-16 with its mark, or mostly plain Latin-1; None for what is no text."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        decoder = codecs.getincrementaldecoder("utf-16")("replace")
        return _readable(decoder.decode(head))
    if b"\x00" in head:
        return None
    try:
        return _readable(codecs.getincrementaldecoder("utf-8-sig")("strict").decode(head, not cut))
    except UnicodeDecodeError:
        plain = sum(byte < 128 for byte in head)
        return _readable(head.decode("latin-1")) if plain >= 0.9 * len(head) else None


def _readable(text: str) -> str | None:
    """Return text whose control characters are made visible; None when it has many of them."""
    odd = {letter for letter in set(text) if _odd(letter)}
    if not odd:
        return text
    if sum(text.count(letter) for letter in odd) > len(text) / 50:
        return None
    return text.translate({ord(letter): chr(0x2400 + ord(letter)) if ord(letter) < 32 else "�" for letter in odd})


def _odd(letter: str) -> bool:
    return letter not in "\t\n\r\f" and unicodedata.category(letter) in ("Cc", "Cs")


def _text(text: str, *, cut: bool) -> Preview:
    lines = text.splitlines()
    long = any(len(line) > _LINE for line in lines)
    shown = "\n".join(line if len(line) <= _LINE else f"{line[:_LINE]}…" for line in lines)
    return Preview("text", text=shown, cut=cut or long)


def _table(text: str, mark: str, *, cut: bool) -> Preview | None:
    """Return the first rows of a table; None for what is none. A last row that is cut off is left out."""
    quoting = csv.QUOTE_MINIMAL if mark == "," else csv.QUOTE_NONE
    try:
        read = csv.reader(text.splitlines(keepends=True), delimiter=mark, quoting=quoting)
        rows = list(islice(read, ROWS + 2))
    except csv.Error:
        return None
    if cut and 1 < len(rows) < ROWS + 2:
        rows.pop()
    rows = [row for row in rows if row]
    if not rows:
        return None
    columns = max(map(len, rows))
    more = len(rows) > ROWS + 1 or columns > COLUMNS
    shown = tuple(tuple(_clipped(cell) for cell in row[:COLUMNS]) for row in rows[: ROWS + 1])
    return Preview("table", rows=shown, columns=columns, cut=cut or more)


def _clipped(cell: str) -> str:
    return cell if len(cell) <= _CELL else f"{cell[:_CELL]}…"
