"""Packed streams: inflating in flat memory, and unpacking one HDF5 file into the temporary file."""

from __future__ import annotations

import errno
import io
import os
import zlib
from collections.abc import Iterator

from commensal.storage.contents.block_reader import LOCAL_BLOCK, STREAM_BLOCK, BlockReader, Fetch, fetch_from_descriptor
from commensal.storage.contents.hdf5 import looks_like_hdf5
from commensal.storage.contents.limits import Limits, NoRoom, Unparsable

__all__ = ["ChunkReader", "TooLargeToUnpack", "Unpacker", "inflate_gzip", "inflate_raw"]

_FEED = 64 * 1024
_OUT = 1024 * 1024


class TooLargeToUnpack(Exception):
    """An honest file inside an archive that needs more room than it gets: listed without its inside."""


def _feed(fetch: Fetch, start: int, end: int) -> Iterator[bytes]:
    for at in range(start, end, STREAM_BLOCK):
        stop = min(at + STREAM_BLOCK, end)
        block = fetch(at, stop)
        if len(block) != stop - at:
            raise Unparsable("the file is shorter than its size")
        for inside in range(0, len(block), _FEED):
            yield block[inside : inside + _FEED]


def inflate_raw(fetch: Fetch, start: int, end: int) -> Iterator[bytes]:
    """Yield what a deflated member of a zip archive holds, in pieces of at most 1 MiB. Raises Unparsable."""
    machine = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        for data in _feed(fetch, start, end):
            while data and not machine.eof:
                yield machine.decompress(data, _OUT)
                data = machine.unconsumed_tail
        while not machine.eof and (piece := machine.decompress(b"", _OUT)):
            yield piece
    except zlib.error as error:
        raise Unparsable(f"deflate: {error}") from error
    if not machine.eof:
        raise Unparsable("deflate: the data end too early")


def inflate_gzip(fetch: Fetch, size: int) -> Iterator[bytes]:
    """Yield what a gzip file holds: all its members one after the other (RFC 1952, 2.2), checked by their CRC.

    Zeros, or anything else that is no member, after the last one is ignored, as gzip itself does.
    """
    machine = zlib.decompressobj(zlib.MAX_WBITS | 16)
    between = done = False
    held = b""
    try:
        for piece in _feed(fetch, 0, size):
            data = held + piece
            held = b""
            while data and not done:
                if between:
                    if len(data) < 2:
                        held = data
                        break
                    if not data.startswith(b"\x1f\x8b"):
                        done = True
                        break
                    machine, between = zlib.decompressobj(zlib.MAX_WBITS | 16), False
                yield machine.decompress(data, _OUT)
                if machine.eof:
                    data, between = machine.unused_data, True
                else:
                    data = machine.unconsumed_tail
            if done:
                break
        while not machine.eof and (piece := machine.decompress(b"", _OUT)):
            yield piece
    except zlib.error as error:
        raise Unparsable(f"gzip: {error}") from error
    if not machine.eof:
        raise Unparsable("gzip: the data end too early")


class ChunkReader(io.RawIOBase):
    """A stream to read from front to end over pieces; raises Unparsable after ``limit`` bytes."""

    def __init__(self, chunks: Iterator[bytes], limit: int) -> None:
        super().__init__()
        self._chunks = chunks
        self._left = limit
        self._piece = memoryview(b"")

    def readable(self) -> bool:
        """Always true."""
        return True

    def read(self, size: int = -1, /) -> bytes:
        """Return exactly ``size`` bytes, fewer only at the end."""
        pieces: list[bytes] = []
        while size > 0:
            if not self._piece:
                chunk = next(self._chunks, None)
                if chunk is None:
                    break
                self._left -= len(chunk)
                if self._left < 0:
                    raise Unparsable("the archive inflates to more than the limit")
                self._piece = memoryview(chunk)
            part, self._piece = self._piece[:size], self._piece[size:]
            pieces.append(bytes(part))
            size -= len(part)
        return b"".join(pieces)


class Unpacker:
    """Unpacks HDF5 files, one after the other, into the file ``descriptor``; ``packed_size`` is the archive's.

    All together get ``Limits.unpacked`` bytes, so that an archive of a thousand bombs is one bomb.
    """

    def __init__(self, descriptor: int, limits: Limits, packed_size: int) -> None:
        self._descriptor = descriptor
        self._left = limits.unpacked
        self._limits = limits
        self._packed = packed_size

    def check(self, size: int) -> None:
        """Raise unless ``size`` more bytes have room: TooLargeToUnpack, or Unparsable for a bomb."""
        if size > self._left:
            if self._limits.unpacked - self._left + size > self._limits.ratio * self._packed:
                raise Unparsable("the archive is a bomb: it unpacks to far more than its size")
            raise TooLargeToUnpack

    def unpack(self, chunks: Iterator[bytes], size: int | None, crc: int | None = None) -> BlockReader | None:
        """Write ``chunks`` to the temporary file and return it; None when they do not begin like HDF5.

        ``size`` and ``crc`` (CRC-32) as the archive declares them, None where it does not: Unparsable when they lie.
        """
        if size is not None:
            self.check(size)
        start = b""
        for chunk in chunks:
            start += chunk
            if len(start) >= _FEED:
                break
        if not looks_like_hdf5(start):
            return None
        os.ftruncate(self._descriptor, 0)
        length = self._write(start, 0, size)
        found = zlib.crc32(start)
        for chunk in chunks:
            length = self._write(chunk, length, size)
            if crc is not None:
                found = zlib.crc32(chunk, found)
        if size is not None and length != size:
            raise Unparsable("a member has another size than the archive says")
        if crc is not None and found != crc:
            raise Unparsable("a member has another checksum than the archive says")
        return BlockReader(fetch_from_descriptor(self._descriptor), length, LOCAL_BLOCK)

    def _write(self, chunk: bytes, at: int, size: int | None) -> int:
        if size is not None and at + len(chunk) > size:
            raise Unparsable("a member is larger than the archive says")
        if len(chunk) > self._left:
            self.check(len(chunk))
        self._left -= len(chunk)
        view = memoryview(chunk)
        try:
            while view:
                written = os.pwrite(self._descriptor, view, at)
                view, at = view[written:], at + written
        except OSError as error:
            if error.errno == errno.EFBIG:
                raise TooLargeToUnpack from None
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise NoRoom(error.strerror) from error
            raise
        return at
