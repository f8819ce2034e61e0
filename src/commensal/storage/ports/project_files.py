"""What services ask of storage about the files of a project that no field of an analysis result holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from commensal.core.files import File
from commensal.storage.ports import Unit

__all__ = ["ProjectFileReads"]


class ProjectFileReads(Protocol):
    """Files with bytes, but those that belong to a record of one of the ``fields`` types. One statement each."""

    async def page(
        self,
        unit: Unit,
        fields: Sequence[str],
        *,
        project: int,
        name: str | None = None,
        uuid: UUID | None = None,
        newest_first: bool = False,
        private: bool = True,
        offset: int,
        limit: int,
    ) -> tuple[list[File], int]:
        """Return a page of a project's files in order of making, and the total; ``name`` without case.

        ``private``: with those of private records.
        """
        ...

    async def by_uuid(self, unit: Unit, fields: Sequence[str], uuid: UUID) -> File | None:
        """Return a file of any project."""
        ...
