"""Bytes on the local disk: one file a blob, written aside, synced, then renamed into place.

``<folder>/ab/cd/abcd…`` (a random key of 40 hex digits; two levels keep folders small), ``<folder>/tmp``
for what is being written, ``<folder>/parts`` for uploads that have not ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import secrets
import shutil
import threading
from collections.abc import AsyncIterable, AsyncIterator, Callable, Sequence, Set
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from commensal.core.digesting import Digesting
from commensal.core.finishing import to_its_end
from commensal.errors import NoSpace, NotFound, TooLarge
from commensal.storage.blobs.local_folders import (
    NO_ROOM,
    disk_errors,
    make_folder,
    settle_file,
    sync_folder,
    write_back,
)
from commensal.storage.blobs.local_growing import GrowingFiles
from commensal.storage.blobs.local_parts import PartFolders
from commensal.storage.blobs.local_writing import pump, write_all
from commensal.storage.ports.blobs import Part, Stored

__all__ = ["LocalBlobs"]

T = TypeVar("T")

#: Bytes that are read in one piece.
BLOCK = 1024 * 1024
#: Bytes gathered before they are digested and go to the disk in one piece.
WRITE_BLOCK = 2 * BLOCK
#: So many keys in a row begin alike, so that not every file makes, and syncs, folders of its own.
_ALIKE = 256
_KEY = re.compile(r"[0-9a-f]{40}")


class _Writer:
    """One blob being written; every method but ``write`` and ``digest`` blocks and runs in a thread."""

    def __init__(self, part: Path, room: Callable[[], None]) -> None:
        self._part = part
        self._room = room
        self._file = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        #: A cancelled request must not close the file under the thread that still writes into it.
        self._writing = threading.Lock()
        self._written = 0
        self._digesting = Digesting()
        self._digests = (b"", b"")

    async def write(self, chunks: list[bytes]) -> None:
        """Write and digest, side by side."""
        block = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        await self._digesting.add(block)
        await asyncio.to_thread(self._write, block)

    def _write(self, block: bytes) -> None:
        self._room()
        with self._writing, disk_errors():
            write_all(lambda view: os.write(self._file, view), [block])
            write_back(self._file, self._written, self._written + len(block))
            self._written += len(block)

    def take(self, chunks: list[bytes]) -> None:
        """Write and digest all there is, in this one thread: the disk works on it while it is digested."""
        with self._writing, disk_errors():
            write_all(lambda view: os.write(self._file, view), chunks)
            write_back(self._file, 0, sum(map(len, chunks)))
        for chunk in chunks:
            self._digesting.add_here(chunk)
        self._digests = self._digesting.settled()

    async def digest(self) -> None:
        """All came."""
        self._digests = await self._digesting.digests()

    def finish(self, path: Path, key: str) -> Stored:
        make_folder(path.parent)
        # The name first: one sync then makes both safe, and the folder's own has little left to do. Nobody knows the
        # key before this returns, so nobody reads what is not synced.
        self._part.replace(path)
        self._part = path
        self._close(sync=True)
        sync_folder(path.parent)
        return Stored(key, self._digesting.size, *self._digests)

    def finish_part(self, folders: PartFolders, handle: str, number: int) -> Part:
        self._close(sync=True)
        part = Part(number, self._digesting.size, self._digests[0].hex())
        folders.place(self._part, handle, number, part.etag)
        return part

    def _close(self, *, sync: bool) -> None:
        with self._writing:
            file, self._file = self._file, -1
        if file < 0:
            return
        try:
            if sync:
                os.fsync(file)
        finally:
            os.close(file)

    def give_up(self) -> None:
        self._close(sync=False)
        self._part.unlink(missing_ok=True)


def _given_up(beginning: asyncio.Future[_Writer]) -> None:
    if not beginning.cancelled() and beginning.exception() is None:
        with contextlib.suppress(OSError):
            beginning.result().give_up()


class LocalBlobs:
    """See ``ports.blobs.Blobs``. ``min_free``: bytes of the disk that are never used."""

    def __init__(self, folder: Path | str, *, min_free: int = 0) -> None:
        self._folder = Path(folder)
        self._tmp = self._folder / "tmp"
        self._parts = PartFolders(self._folder / "parts")
        self._growing = GrowingFiles(self._folder / "parts", block=WRITE_BLOCK, room=self._room)
        self._min_free = min_free
        self._lead = ""
        self._leads_left = 0

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

    def _new_key(self) -> str:
        if not self._leads_left:
            self._lead, self._leads_left = secrets.token_hex(2), _ALIKE
        self._leads_left -= 1
        return self._lead + secrets.token_hex(18)

    def _room(self, wanted: int = 0) -> None:
        if self._min_free and shutil.disk_usage(self._folder).free - wanted < self._min_free:
            raise NoSpace(NO_ROOM, retry_after=60)

    def _begin(self, key: str) -> _Writer:
        make_folder(self._tmp)
        self._room()
        return _Writer(self._tmp / f"{key}.part", self._room)

    async def _begun(self) -> _Writer:
        beginning = asyncio.ensure_future(asyncio.to_thread(self._begin, secrets.token_hex(20)))
        try:
            return await asyncio.shield(beginning)
        except asyncio.CancelledError:
            beginning.add_done_callback(_given_up)  # the thread goes on, and makes a file
            raise

    async def put(self, chunks: AsyncIterable[bytes], *, limit: int | None = None) -> Stored:
        """See ``ports.blobs.Blobs``."""
        key = self._new_key()
        return await self._write(chunks, limit, lambda writer: writer.finish(self.path(key), key))

    async def _write(self, chunks: AsyncIterable[bytes], limit: int | None, finish: Callable[[_Writer], T]) -> T:
        total = 0

        def take(n: int) -> None:
            nonlocal total
            total += n
            if limit is not None and total > limit:
                raise TooLarge(f"The file is larger than the {limit:,} bytes that are taken here.")

        begun: list[bytes] = []
        coming = aiter(chunks)
        async for chunk in coming:
            take(len(chunk))
            begun.append(chunk)
            if total >= WRITE_BLOCK:
                break
        else:
            return await self._write_small(begun, finish)
        writer: _Writer | None = None
        try:
            with disk_errors():
                writer = await self._begun()
            await pump(coming, writer.write, block=WRITE_BLOCK, take=take, begun=begun)
            await writer.digest()
            with disk_errors():
                return await asyncio.to_thread(finish, writer)
        except BaseException:
            if writer is not None:
                # Not awaited: a cancelled request must still leave nothing behind.
                with contextlib.suppress(OSError):
                    writer.give_up()
            raise

    async def _write_small(self, chunks: list[bytes], finish: Callable[[_Writer], T]) -> T:
        """Write what came whole in one thread: the way there and back costs more than what two threads would save."""
        made: list[_Writer] = []

        def write() -> T:
            made.append(self._begin(secrets.token_hex(20)))
            made[0].take(chunks)
            return finish(made[0])

        try:
            with disk_errors():
                return await to_its_end(asyncio.to_thread(write))
        except BaseException:
            for writer in made:
                with contextlib.suppress(OSError):
                    writer.give_up()
            raise

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
        handle = self._new_key()
        with disk_errors():
            await asyncio.to_thread(self._parts.begin, handle)
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
        with disk_errors():
            await asyncio.to_thread(self._join, handle, parts)
        return handle

    def _join(self, handle: str, parts: Sequence[Part]) -> None:
        path = self.path(handle)
        if not path.exists():
            make_folder(self._tmp)
            self._room(sum(part.size for part in parts))
            written = self._tmp / f"{secrets.token_hex(20)}.part"
            try:
                self._parts.join(handle, parts, written)
                settle_file(written, path)
            finally:
                written.unlink(missing_ok=True)
        self._parts.drop(handle)

    async def begin_growing(self) -> str:
        """See ``ports.blobs.Blobs``."""
        handle = self._new_key()
        with disk_errors():
            await asyncio.to_thread(self._growing.begin, handle)
        return handle

    async def grown(self, handle: str) -> int:
        """See ``ports.blobs.Blobs``."""
        self.path(handle)
        return await asyncio.to_thread(self._growing.size, handle)

    async def grow(
        self,
        handle: str,
        start: int,
        chunks: AsyncIterable[bytes],
        *,
        size: int,
        check: Callable[[], None] | None = None,
    ) -> int:
        """See ``ports.blobs.Blobs``."""
        self.path(handle)
        return await self._growing.grow(handle, start, chunks, size=size, check=check)

    async def end_growing(self, handle: str) -> str:
        """See ``ports.blobs.Blobs``."""
        with disk_errors():
            await asyncio.to_thread(self._end_growing, handle)
        return handle

    def _end_growing(self, handle: str) -> None:
        path = self.path(handle)
        if not path.exists():
            self._growing.end(handle, lambda whole: settle_file(whole, path))
        self._parts.drop(handle)

    async def drop(self, handle: str) -> None:
        """See ``ports.blobs.Blobs``."""
        self.path(handle)
        await asyncio.to_thread(self._parts.drop, handle)

    async def sweep(self, before: datetime, keep: Set[str]) -> int:
        """See ``ports.blobs.Blobs``."""
        return await asyncio.to_thread(self._sweep, before.timestamp(), keep)

    def _sweep(self, before: float, keep: Set[str]) -> int:
        removed = 0
        for folder, remove in ((self._tmp, Path.unlink), (self._folder / "parts", shutil.rmtree)):
            for entry in folder.iterdir() if folder.is_dir() else ():
                with contextlib.suppress(OSError):
                    if entry.name not in keep and entry.stat().st_mtime < before:
                        remove(entry)
                        removed += 1
        return removed
