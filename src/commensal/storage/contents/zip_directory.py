"""The central directory of a zip archive, one entry at a time (APPNOTE 6.3.10, sections 4.3 and 4.4).

Our own reader, because an archive is foreign input: memory stays flat whatever the directory claims, reading
stops where the tree is full, and it costs a third of the standard library's time.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from commensal.storage.contents.block_reader import BlockReader
from commensal.storage.contents.limits import Unparsable

__all__ = ["DEFLATED", "STORED", "Member", "data_start", "members"]

STORED = 0
DEFLATED = 8

_END = struct.Struct("<4s4H2LH")
_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_ENTRY = struct.Struct("<4s4B4HL2L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_MAX_COMMENT = 65535
_U16, _U32 = 0xFFFF, 0xFFFFFFFF
_ENCRYPTED = 0x1 | 0x40 | 0x2000
_UTF8 = 0x800
_PIECE = 1024 * 1024


@dataclass(slots=True)
class Member:
    """One entry: sizes in bytes, ``offset`` of its local header in the file, ``limit`` where the directory begins."""

    name: str
    folder: bool
    method: int
    encrypted: bool
    crc: int
    packed: int
    size: int
    offset: int
    limit: int


def members(file: BlockReader) -> Iterator[Member]:
    """Yield the entries in the directory's order. Raises Unparsable where the file contradicts itself."""
    count, size, offset, end = _end(file)
    start = end - size
    # Bytes before the archive (a self-extracting program) move every offset by the same amount.
    moved = start - offset
    if start < 0 or moved < 0:
        raise Unparsable("zip: the directory is not where the archive says")
    at, buffer, inside = start, b"", 0
    for _ in range(count):
        if len(buffer) - inside < _ENTRY.size:
            buffer, inside = buffer[inside:] + file.at(at, min(_PIECE, end - at)), 0
            at = min(at + _PIECE, end)
        if len(buffer) - inside < _ENTRY.size:
            raise Unparsable("zip: the directory is shorter than it says")
        fields = _ENTRY.unpack_from(buffer, inside)
        if fields[0] != b"PK\x01\x02":
            raise Unparsable("zip: a broken directory entry")
        length, extra, comment = fields[12:15]
        whole = _ENTRY.size + length + extra + comment
        if len(buffer) - inside < whole:
            buffer, inside = buffer[inside:] + file.at(at, min(_PIECE, end - at)), 0
            at = min(at + _PIECE, end)
        if len(buffer) - inside < whole:
            raise Unparsable("zip: the directory is shorter than it says")
        name_at = inside + _ENTRY.size
        raw = buffer[name_at : name_at + length]
        more = buffer[name_at + length : name_at + length + extra]
        inside += whole
        yield _member(fields, raw, more, moved, start)


def _end(file: BlockReader) -> tuple[int, int, int, int]:
    """Entries, bytes and claimed offset of the directory, and where it really ends."""
    # Nearly always there is no comment: one small read is tried first.
    for tail in (_END.size, _END.size + _MAX_COMMENT):
        begin = max(0, file.size - tail)
        data = file.at(begin, file.size - begin)
        found = data.rfind(b"PK\x05\x06")
        while found >= 0 and len(data) - found < _END.size:
            found = data.rfind(b"PK\x05\x06", 0, found)
        if found >= 0:
            break
    else:
        raise Unparsable("zip: no end of the directory")
    end = begin + found
    _, disk, disk2, here, count, size, offset, _ = _END.unpack_from(data, found)
    if (disk or disk2 or here != count) and not _is64(file, end):
        raise Unparsable("zip: a part of an archive in several files")
    if _is64(file, end):
        return _end64(file, end)
    return count, size, offset, end


def _is64(file: BlockReader, end: int) -> bool:
    return end >= _LOCATOR.size and file.at(end - _LOCATOR.size, 4) == b"PK\x06\x07"


def _end64(file: BlockReader, end: int) -> tuple[int, int, int, int]:
    locator = end - _LOCATOR.size
    _, _, at, _ = _LOCATOR.unpack(file.at(locator, _LOCATOR.size))
    # Looked for directly before its locator first: the offset is wrong when bytes stand before the archive.
    for place in (locator - _END64.size, at):
        if 0 <= place <= locator - _END64.size:
            record = file.at(place, _END64.size)
            if record[:4] == b"PK\x06\x06":
                _, _, _, _, disk, disk2, here, count, size, offset = _END64.unpack(record)
                if disk or disk2 or here != count:
                    raise Unparsable("zip: a part of an archive in several files")
                return count, size, offset, place
    raise Unparsable("zip: no 64-bit end of the directory")


def _member(fields: tuple[int, ...], raw: bytes, more: bytes, moved: int, limit: int) -> Member:
    system, flags, method, crc, packed, size, offset = (
        fields[2], fields[5], fields[6], fields[9], fields[10], fields[11], fields[18],
    )  # fmt: skip
    if _U32 in (packed, size, offset):
        packed, size, offset = _wide(more, packed, size, offset)
    name = _name(raw, more, utf8=bool(flags & _UTF8))
    if system == 0 and "/" not in name:
        name = name.replace("\\", "/")  # written by old programs on Windows
    if offset + moved + _LOCAL.size + packed > limit:
        raise Unparsable("zip: a member that reaches beyond the archive")
    return Member(name, name.endswith("/"), method, bool(flags & _ENCRYPTED), crc, packed, size, offset + moved, limit)


def _extras(more: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 4 <= len(more):
        tag, length = struct.unpack_from("<HH", more, at)
        yield tag, more[at + 4 : at + 4 + length]
        at += 4 + length


def _wide(more: bytes, packed: int, size: int, offset: int) -> tuple[int, int, int]:
    for tag, body in _extras(more):
        if tag == 1:
            numbers = [value for (value,) in struct.iter_unpack("<Q", body[: len(body) // 8 * 8])]
            try:
                if size == _U32:
                    size = numbers.pop(0)
                if packed == _U32:
                    packed = numbers.pop(0)
                if offset == _U32:
                    offset = numbers.pop(0)
            except IndexError:
                raise Unparsable("zip: a broken 64-bit entry") from None
    return packed, size, offset


def _name(raw: bytes, more: bytes, *, utf8: bool) -> str:
    if utf8:
        return raw.decode("utf-8", "replace")
    if raw.isascii():
        return raw.decode("ascii")
    for tag, body in _extras(more):
        if tag == 0x7075 and len(body) > 5:  # the name again, in UTF-8
            return body[5:].decode("utf-8", "replace")
    try:
        return raw.decode("utf-8")  # many programs write it and forget the flag
    except UnicodeDecodeError:
        return raw.decode("cp437")


def data_start(file: BlockReader, member: Member) -> int:
    """Return where the bytes of a member begin, from its local header. Raises Unparsable."""
    header = file.at(member.offset, _LOCAL.size)
    if len(header) < _LOCAL.size or header[:4] != b"PK\x03\x04":
        raise Unparsable("zip: a member without a header")
    fields = _LOCAL.unpack(header)
    start = member.offset + _LOCAL.size + fields[9] + fields[10]
    if start + member.packed > member.limit:
        raise Unparsable("zip: a member that reaches beyond the archive")
    return start
