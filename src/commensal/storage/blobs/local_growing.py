"""Objects that grow at their end on the local disk: ``<folder>/parts/<handle>/whole``, renamed when they are whole.

Whoever writes holds a lock on the file (flock), which ends with its process: two never write at once, and nobody
writes any more to what has become a stored object.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
from collections.abc import AsyncIterable, Callable
from pathlib import Path

from commensal.core.finishing import to_its_end
from commensal.errors import NotFound, StateConflict, TooLarge, Unavailable
from commensal.storage.blobs.local_folders import append_file, disk_errors, make_folder, sync_folder, write_back
from commensal.storage.blobs.local_writing import pump, write_all

__all__ = ["GrowingFiles"]

_NO_UPLOAD = "There is no such upload, or it has ended."


class GrowingFiles:
    """The open ones. ``room``: called now and then while bytes come; raises NoSpace."""

    def __init__(self, folder: Path, *, block: int, room: Callable[[], None]) -> None:
        self._folder = folder
        self._block = block
        self._room = room

    def whole(self, handle: str) -> Path:
        """Return the file of one object."""
        return self._folder / handle / "whole"

    def begin(self, handle: str) -> None:
        """Open an object; blocks."""
        make_folder(self._folder / handle)
        os.close(os.open(self.whole(handle), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        sync_folder(self._folder / handle)

    def size(self, handle: str) -> int:
        """Return how many bytes are here; blocks."""
        try:
            return self.whole(handle).stat().st_size
        except FileNotFoundError:
            raise NotFound(_NO_UPLOAD) from None

    async def grow(
        self,
        handle: str,
        start: int,
        chunks: AsyncIterable[bytes],
        *,
        size: int,
        check: Callable[[], None] | None,
    ) -> int:
        """See ``ports.blobs.Blobs``."""
        with disk_errors():
            file = self._open(handle, start)
        try:
            if check is None:
                return await self._write(file, start, chunks, size)
            return await self._write_checked(file, handle, start, chunks, size, check)
        finally:
            os.close(file)

    def _open(self, handle: str, start: int) -> int:
        try:
            file = os.open(self.whole(handle), os.O_RDWR)
        except FileNotFoundError:
            raise NotFound(_NO_UPLOAD) from None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            here = os.fstat(file).st_size
            if here != start:
                raise StateConflict(f"The upload has {here:,} bytes, so it goes on from there.", field="offset")
            os.lseek(file, start, os.SEEK_SET)
        except BlockingIOError:
            os.close(file)
            raise StateConflict("Another request is sending bytes of this upload.") from None
        except BaseException:
            os.close(file)
            raise
        return file

    async def _write(self, file: int, start: int, chunks: AsyncIterable[bytes], size: int) -> int:
        """Write all that comes; what came before a cut is written, and safe, too."""
        end = start

        def take(n: int) -> None:
            nonlocal end
            if end + n > size:
                raise TooLarge(f"More bytes came than the {size:,} that were announced.")
            end += n

        async def write(blocks: list[bytes]) -> None:
            await asyncio.to_thread(self._put, file, blocks)

        try:
            await pump(chunks, write, block=self._block, take=take)
        finally:
            with disk_errors():
                await to_its_end(asyncio.to_thread(os.fsync, file))
        return end

    def _put(self, file: int, blocks: list[bytes]) -> None:
        self._room()
        with disk_errors():
            write_all(lambda view: os.write(file, view), blocks)
            end = os.lseek(file, 0, os.SEEK_CUR)
            write_back(file, end - sum(map(len, blocks)), end)

    async def _write_checked(
        self,
        file: int,
        handle: str,
        start: int,
        chunks: AsyncIterable[bytes],
        size: int,
        check: Callable[[], None],
    ) -> int:
        """Write aside first: bytes that nobody has checked never stand in the object, not even after a crash."""
        aside = self._folder / handle / "checked"
        with disk_errors():
            beside = os.open(aside, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            end = await self._write(beside, start, chunks, size)
            check()
            with disk_errors():
                await to_its_end(asyncio.to_thread(_append, beside, file))
        finally:
            os.close(beside)
            with contextlib.suppress(FileNotFoundError):
                aside.unlink()
        return end

    def end(self, handle: str, settle: Callable[[Path], None]) -> None:
        """Let ``settle`` give the whole file its place; blocks. Raises NotFound, Unavailable (it still grows)."""
        try:
            file = os.open(self.whole(handle), os.O_RDWR)
        except FileNotFoundError:
            raise NotFound(_NO_UPLOAD) from None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.fsync(file)
            settle(self.whole(handle))
        except BlockingIOError:
            raise Unavailable("Bytes of this upload are still being written.", retry_after=1) from None
        finally:
            os.close(file)


def _append(source: int, target: int) -> None:
    os.lseek(source, 0, os.SEEK_SET)
    append_file(source, target)
    os.fsync(target)
