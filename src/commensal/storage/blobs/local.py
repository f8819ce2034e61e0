"""Bytes on the local disk: one file a blob, written aside, synced, then renamed into place.

``<folder>/ab/cd/abcd…`` (a random key of 40 hex digits; two levels keep folders small) and
``<folder>/tmp`` for what is being written.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import os
import re
import secrets
import shutil
import time
from collections.abc import AsyncIterable, AsyncIterator
from pathlib import Path
from typing import IO

from commensal.errors import NoSpace, NotFound, TooLarge, Unavailable
from commensal.storage.ports.blobs import Stored

__all__ = ["LocalBlobs"]

#: Bytes gathered before they go to the disk in one piece, and read in one piece.
BLOCK = 1024 * 1024
#: How often the free space is looked at while a stream is written (bytes).
_LOOK = 16 * BLOCK
_KEY = re.compile(r"[0-9a-f]{40}")
_NO_ROOM = "The disk for files is full: the file was not stored. Ask whoever runs this server to make room."


class _Writer:
    """One blob being written; every method blocks and runs in a thread."""

    def __init__(self, part: Path) -> None:
        self._part = part
        self._file: IO[bytes] = part.open("xb", buffering=0)
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._sha256 = hashlib.sha256()
        self.size = 0

    def write(self, block: bytes) -> None:
        view = memoryview(block)
        while view:
            view = view[self._file.write(view) :]
        self._md5.update(block)
        self._sha256.update(block)
        self.size += len(block)

    def finish(self, path: Path, key: str) -> Stored:
        os.fsync(self._file.fileno())
        self._file.close()
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._part.replace(path)
        for folder in (path.parent, path.parent.parent, path.parent.parent.parent):
            fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)
        return Stored(key, self.size, self._md5.digest(), self._sha256.digest())

    def give_up(self) -> None:
        self._file.close()
        self._part.unlink(missing_ok=True)


class LocalBlobs:
    """See ``ports.blobs.Blobs``. ``min_free``: bytes of the disk that are never used."""

    def __init__(self, folder: Path | str, *, min_free: int = 0) -> None:
        self._folder = Path(folder)
        self._tmp = self._folder / "tmp"
        self._min_free = min_free

    @property
    def folder(self) -> Path:
        """Where the files are."""
        return self._folder

    def path(self, key: str) -> Path:
        """Return the file of a key; raises NotFound for what is no key of ours."""
        if not _KEY.fullmatch(key):
            raise NotFound("There are no such bytes.")
        return self._folder / key[:2] / key[2:4] / key

    def _room(self, wanted: int = 0) -> None:
        if self._min_free and shutil.disk_usage(self._folder).free - wanted < self._min_free:
            raise NoSpace(_NO_ROOM, retry_after=60)

    def _begin(self, key: str) -> _Writer:
        self._tmp.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._room()
        return _Writer(self._tmp / f"{key}.part")

    async def put(self, chunks: AsyncIterable[bytes], *, limit: int | None = None) -> Stored:
        """See ``ports.blobs.Blobs``."""
        key = secrets.token_hex(20)
        writer: _Writer | None = None
        try:
            writer = await asyncio.to_thread(self._begin, key)
            await self._fill(writer, chunks, limit)
            return await asyncio.to_thread(writer.finish, self.path(key), key)
        except BaseException as error:
            if writer is not None:
                # Not awaited: a cancelled request must still leave nothing behind.
                with contextlib.suppress(OSError):
                    writer.give_up()
            if isinstance(error, OSError):
                if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                    raise NoSpace(_NO_ROOM, retry_after=60) from error
                raise Unavailable(f"The file could not be stored: {error.strerror}.", retry_after=30) from error
            raise

    async def _fill(self, writer: _Writer, chunks: AsyncIterable[bytes], limit: int | None) -> None:
        waiting: list[bytes] = []
        gathered = 0
        looked = 0
        async for chunk in chunks:
            waiting.append(chunk)
            gathered += len(chunk)
            if limit is not None and writer.size + gathered > limit:
                raise TooLarge(f"The file is larger than the {limit:,} bytes that are taken here.")
            if gathered >= BLOCK:
                await asyncio.to_thread(writer.write, b"".join(waiting))
                waiting, gathered = [], 0
                if writer.size - looked >= _LOOK:
                    looked = writer.size
                    await asyncio.to_thread(self._room)
        if waiting:
            await asyncio.to_thread(writer.write, b"".join(waiting))

    async def get(self, key: str, start: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        """See ``ports.blobs.Blobs``."""
        try:
            file = await asyncio.to_thread(self.path(key).open, "rb", 0)
        except FileNotFoundError:
            raise NotFound("The bytes of this file are not in the store.") from None
        try:
            file.seek(start)
            left = length
            while left is None or left > 0:
                block = await asyncio.to_thread(file.read, BLOCK if left is None else min(BLOCK, left))
                if not block:
                    return
                if left is not None:
                    left -= len(block)
                yield block
        finally:
            file.close()

    async def size(self, key: str) -> int | None:
        """See ``ports.blobs.Blobs``."""
        try:
            return (await asyncio.to_thread(self.path(key).stat)).st_size
        except FileNotFoundError:
            return None

    async def delete(self, key: str) -> None:
        """See ``ports.blobs.Blobs``."""
        await asyncio.to_thread(self.path(key).unlink, True)

    async def keys(self) -> AsyncIterator[tuple[str, int]]:
        """See ``ports.blobs.Blobs``; one folder of the first level at a time."""
        for number in range(256):
            for entry in await asyncio.to_thread(self._list, f"{number:02x}"):
                yield entry

    def _list(self, top: str) -> list[tuple[str, int]]:
        found: list[tuple[str, int]] = []
        base = self._folder / top
        if base.is_dir():
            for folder in base.iterdir():
                files = folder.iterdir() if folder.is_dir() else ()
                found.extend((file.name, file.stat().st_size) for file in files if _KEY.fullmatch(file.name))
        return sorted(found)

    def sweep(self, older_than: float = 86_400.0) -> int:
        """Remove what writes that never ended left behind, older than so many seconds; return how many."""
        removed = 0
        limit = time.time() - older_than
        if self._tmp.is_dir():
            for part in self._tmp.iterdir():
                with contextlib.suppress(OSError):
                    if part.stat().st_mtime < limit:
                        part.unlink()
                        removed += 1
        return removed
