"""Passwords kept in files of the data folder."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from commensal.errors import WrongOwner
from commensal.storage.embedded.layout import setup_error

__all__ = ["new_secret", "read_secret", "sync_folder", "write_secret"]


def new_secret() -> str:
    """A password of 256 bits in letters, digits, ``-`` and ``_``, so it needs no quoting anywhere."""
    return secrets.token_urlsafe(32)


def read_secret(path: Path) -> str | None:
    """The password in ``path``, or None when there is none yet."""
    try:
        return path.read_text().strip() or None
    except FileNotFoundError:
        return None
    except PermissionError:
        raise WrongOwner(f"{path} belongs to another account: run this as the account that owns it") from None


def write_secret(path: Path, secret: str) -> None:
    """Write ``secret`` to ``path`` (0600), whole or not at all, and on the disk before this returns."""
    part = path.with_name(path.name + ".part")
    try:
        part.unlink(missing_ok=True)
        fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            os.write(fd, secret.encode())
            os.fsync(fd)
        finally:
            os.close(fd)
        part.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise setup_error(f"{path} cannot be written", error) from error


def sync_folder(path: Path) -> None:
    """Put the names in a folder on the disk, so that a rename survives a power loss."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
