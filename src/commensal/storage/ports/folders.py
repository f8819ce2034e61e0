"""What browsing a project's files asks of the system of record."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from commensal.core.folders import FileEntry, FolderPage
from commensal.storage.ports import Unit

__all__ = ["FolderStore"]


class FolderStore(Protocol):
    """One level of a project's files, and look-ups by path. One statement each."""

    async def level(
        self,
        unit: Unit,
        project: int,
        *,
        prefix: str,
        search: str,
        order: str,
        descending: bool,
        offset: int,
        limit: int,
        private: bool = True,
    ) -> FolderPage:
        """Return the folders and files directly below ``prefix`` (empty, or ended by a slash).

        With ``search``: all files below it whose path has this text, without case, and no folders. ``order`` is one
        of ``core.folders.ORDERS``; equal ones stand by path (byte order). ``private``: with those of private records.
        """
        ...

    async def at(self, unit: Unit, project: int, paths: Sequence[str], *, private: bool = True) -> list[FileEntry]:
        """Return the files that stand at these paths; ``private`` as above."""
        ...
