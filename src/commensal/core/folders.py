"""A project's files as folders: what stands below a prefix of their paths, one level at a time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from commensal.errors import Malformed

__all__ = ["ORDERS", "FileEntry", "Folder", "FolderPage", "check_prefix"]

#: What a level can be ordered by; folders always stand before files.
ORDERS = ("path", "size", "updated")


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder directly below a prefix: ``path`` ends with a slash; ``files`` and ``size`` (bytes) of all below."""

    path: str
    name: str
    files: int
    size: int
    updated: datetime


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A file as a list shows it; ``size`` in bytes, ``md5`` as hex text, ``here``: whether bytes are stored."""

    seq: int
    uuid: UUID
    path: str
    name: str
    size: int | None
    md5: str
    media_type: str
    state: str
    here: bool
    updated: datetime


@dataclass(frozen=True, slots=True)
class FolderPage:
    """A page of one level. ``total`` counts its entries; ``files`` and ``size`` (bytes) all files below that match."""

    entries: tuple[Folder | FileEntry, ...]
    total: int
    files: int
    size: int


def check_prefix(prefix: str) -> str:
    """Return a folder's path: empty, or ended by one slash. Raises Malformed for what no path can begin with."""
    if len(prefix) > 1_100 or "\x00" in prefix or any("\ud800" <= letter <= "\udfff" for letter in prefix):
        raise Malformed("This is no folder of a project.", field="folder")
    prefix = prefix.strip("/")
    return f"{prefix}/" if prefix else ""
