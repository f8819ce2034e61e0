"""Folders and files of a store on the local disk: for their owner alone, and safe against a crash."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from commensal.errors import NoSpace, Unavailable
from commensal.storage.blobs.local_writing import write_all

__all__ = ["NO_ROOM", "append_file", "disk_errors", "make_folder", "settle_file", "sync_folder", "write_back"]

_COPY = 256 * 1024 * 1024
NO_ROOM = "The disk for files is full: the file was not stored. Ask whoever runs this server to make room."


@contextlib.contextmanager
def disk_errors() -> Iterator[None]:
    """Turn the disk's errors into the family's: NoSpace, Unavailable."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise NoSpace(NO_ROOM, retry_after=60) from error
        raise Unavailable(f"The file could not be stored: {error.strerror}.", retry_after=30) from error


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, safe against a crash; what is made is for its owner alone (0700)."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    # ``parents=True`` would leave the folders above with the usual rights.
    folder.mkdir(mode=0o700, exist_ok=True)
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder safe."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def settle_file(written: Path, path: Path) -> None:
    """Give a synced file its place two folders below the store, safe against a crash."""
    make_folder(path.parent)
    written.replace(path)
    sync_folder(path.parent)


def write_back(file: int, start: int, end: int) -> None:
    """Let the disk begin with bytes that were written, so that less is left for the sync at the end."""
    advise = getattr(os, "posix_fadvise", None)
    if advise is not None:
        advise(file, start, end - start, os.POSIX_FADV_DONTNEED)


def append_file(source: int, target: int) -> None:
    """Copy from where one file stands to its end to where another stands; in the kernel, or sharing blocks."""
    copy = getattr(os, "copy_file_range", None)
    while copy is not None:
        try:
            if copy(source, target, _COPY) == 0:
                return
        except OSError as error:
            if error.errno not in (errno.EXDEV, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL):
                raise
            break
    while block := os.read(source, 1024 * 1024):
        write_all(lambda view: os.write(target, view), [block])
