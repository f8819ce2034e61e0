"""Bytes on the local disk: one file a blob, written aside, synced, then renamed into place.

``<folder>/ab/cd/abcd…`` (a random key of 40 hex digits; two levels keep folders small), ``<folder>/tmp``
for what is being written, ``<folder>/parts`` for uploads that have not ended.
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
from collections.abc import AsyncIterable, AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import IO, TypeVar

from commensal.errors import NoSpace, NotFound, TooLarge, Unavailable
from commensal.storage.blobs.local_parts import PartFolders, sync_folder
from commensal.storage.ports.blobs import Part, Stored

__all__ = ["LocalBlobs"]

T = TypeVar("T")

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
        _settle(self._part, path)
        return Stored(key, self.size, self._md5.digest(), self._sha256.digest())

    def finish_part(self, folders: PartFolders, handle: str, number: int) -> Part:
        os.fsync(self._file.fileno())
        self._file.close()
        part = Part(number, self.size, self._md5.hexdigest())
        folders.place(self._part, handle, number, part.etag)
        return part

    def give_up(self) -> None:
        self._file.close()
        self._part.unlink(missing_ok=True)


def _settle(written: Path, path: Path) -> None:
    """Give a synced file its place, safe against a crash."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    written.replace(path)
    for folder in (path.parent, path.parent.parent, path.parent.parent.parent):
        sync_folder(folder)


class LocalBlobs:
    """See ``ports.blobs.Blobs``. ``min_free``: bytes of the disk that are never used."""

    def __init__(self, folder: Path | str, *, min_free: int = 0) -> None:
        self._folder = Path(folder)
        self._tmp = self._folder / "tmp"
        self._parts = PartFolders(self._folder / "parts")
        self._min_free = min_free

    @property
    def direct(self) -> None:
        """See ``ports.blobs.Blobs``: this server serves and takes the bytes."""
        return None

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
        return await self._write(chunks, limit, lambda writer: writer.finish(self.path(key), key))

    async def _write(self, chunks: AsyncIterable[bytes], limit: int | None, finish: Callable[[_Writer], T]) -> T:
        writer: _Writer | None = None
        try:
            writer = await asyncio.to_thread(self._begin, secrets.token_hex(20))
            await self._fill(writer, chunks, limit)
            return await asyncio.to_thread(finish, writer)
        except BaseException as error:
            if writer is not None:
                # Not awaited: a cancelled request must still leave nothing behind.
                with contextlib.suppress(OSError):
                    writer.give_up()
            if isinstance(error, OSError):
                raise _told(error) from error
            raise

    async def _fill(self, writer: _Writer, chunks: AsyncIterable[bytes], limit: int | None) -> None:
        """Write a stream, one block hashed and written while the next one comes."""
        waiting: list[bytes] = []
        gathered = 0
        total = 0
        looked = 0
        writing: asyncio.Task[None] | None = None
        try:
            async for chunk in chunks:
                waiting.append(chunk)
                gathered += len(chunk)
                total += len(chunk)
                if limit is not None and total > limit:
                    raise TooLarge(f"The file is larger than the {limit:,} bytes that are taken here.")
                if gathered >= BLOCK:
                    if writing is not None:
                        await writing
                    writing = asyncio.create_task(asyncio.to_thread(writer.write, b"".join(waiting)))
                    waiting, gathered = [], 0
                    if total - looked >= _LOOK:
                        looked = total
                        await asyncio.to_thread(self._room)
            if writing is not None:
                await writing
            if waiting:
                await asyncio.to_thread(writer.write, b"".join(waiting))
        finally:
            if writing is not None and not writing.done():
                # A thread cannot be stopped: the file is closed after it, not under it.
                await asyncio.wait((writing,))

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

    async def begin_incoming(self) -> str:
        """See ``ports.blobs.Blobs``."""
        return secrets.token_hex(20)

    async def take_incoming(self, handle: str) -> str:
        """See ``ports.blobs.Blobs``: nothing comes here but through this server, which uses ``put``."""
        if await self.size(handle) is None:
            raise NotFound("No bytes came for this upload.")
        return handle

    async def begin_parts(self) -> str:
        """See ``ports.blobs.Blobs``."""
        handle = secrets.token_hex(20)
        try:
            await asyncio.to_thread(self._parts.begin, handle)
        except OSError as error:
            raise _told(error) from error
        return handle

    async def put_part(
        self, handle: str, number: int, chunks: AsyncIterable[bytes], *, limit: int | None = None
    ) -> Part:
        """See ``ports.blobs.Blobs``."""
        self.path(handle)
        return await self._write(chunks, limit, lambda writer: writer.finish_part(self._parts, handle, number))

    async def list_parts(self, handle: str) -> list[Part]:
        """See ``ports.blobs.Blobs``."""
        self.path(handle)
        return await asyncio.to_thread(self._parts.parts, handle)

    async def join_parts(self, handle: str, parts: Sequence[Part]) -> str:
        """See ``ports.blobs.Blobs``. The parts go last, so that a crash in between loses nothing."""
        try:
            await asyncio.to_thread(self._join, handle, parts)
        except OSError as error:
            raise _told(error) from error
        return handle

    def _join(self, handle: str, parts: Sequence[Part]) -> None:
        path = self.path(handle)
        if not path.exists():
            self._tmp.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._room(sum(part.size for part in parts))
            written = self._tmp / f"{secrets.token_hex(20)}.part"
            try:
                self._parts.join(handle, parts, written)
                _settle(written, path)
            finally:
                written.unlink(missing_ok=True)
        self._parts.drop(handle)

    async def drop(self, handle: str) -> None:
        """See ``ports.blobs.Blobs``."""
        self.path(handle)
        await asyncio.to_thread(self._parts.drop, handle)

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


def _told(error: OSError) -> NoSpace | Unavailable:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return NoSpace(_NO_ROOM, retry_after=60)
    return Unavailable(f"The file could not be stored: {error.strerror}.", retry_after=30)
