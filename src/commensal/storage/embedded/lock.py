"""The lock that makes one supervisor the owner of a data folder."""

from __future__ import annotations

import errno
import fcntl
import os
import time
import weakref
from pathlib import Path

from commensal.errors import FolderInUse, SetupError, WrongOwner

__all__ = ["FolderLock", "is_locked"]

_RETRY_SECONDS = 0.5
"""A command that only looks (:func:`is_locked`) holds the lock for an instant; a start outlasts that."""

_held: weakref.WeakSet[FolderLock] = weakref.WeakSet()


class FolderLock:
    """An exclusive flock on one file, for the life of this process, never inherited by children."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd: int | None = None

    @property
    def held(self) -> bool:
        """Whether this object holds the lock."""
        return self._fd is not None

    def acquire(self) -> None:
        """Take the lock or raise :class:`FolderInUse`, which names the process that has it."""
        if self._fd is not None:
            return
        fd = _open(self.path)
        end = time.monotonic() + _RETRY_SECONDS
        while not _try_lock(fd, fcntl.LOCK_EX):
            if time.monotonic() > end:
                owner = os.pread(fd, 20, 0).decode(errors="replace").strip()
                os.close(fd)
                who = f" (process {owner})" if owner.isdigit() else ""
                raise FolderInUse(
                    f"another commensal{who} uses the data folder {self.path.parent}: "
                    "stop it, or choose another folder with --data"
                )
            time.sleep(0.02)
        os.pwrite(fd, f"{os.getpid():<10}\n".encode(), 0)
        os.ftruncate(fd, 11)
        self._fd = fd
        _held.add(self)

    def release(self) -> None:
        """Give the lock back; a second call does nothing."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
            _held.discard(self)


def is_locked(path: Path) -> bool:
    """Whether somebody, this process included, holds the lock on ``path``. False when there is no file."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except PermissionError:
        raise WrongOwner(f"{path.parent} belongs to another account: run this command as that account") from None
    try:
        return not _try_lock(fd, fcntl.LOCK_SH)
    finally:
        os.close(fd)


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except PermissionError:
        raise WrongOwner(f"{path} cannot be opened by this account: start as the account that owns it") from None
    except OSError as error:
        raise SetupError(f"{path} cannot be opened: {error.strerror}") from error


def _try_lock(fd: int, kind: int) -> bool:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in (errno.ENOLCK, errno.EOPNOTSUPP):
            raise SetupError("the file system of the data folder has no file locks: choose a local disk") from error
        raise
    return True


def _drop_in_child() -> None:
    # A forked child shares the open file and with it the lock: closing its copy leaves ours in force.
    for lock in list(_held):
        lock.release()


os.register_at_fork(after_in_child=_drop_in_child)
