"""What the file service asks of the system of record."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from commensal.core.audit import AuditEvent
from commensal.core.files import File
from commensal.core.projects import Project
from commensal.storage.ports import Unit
from commensal.storage.ports.blobs import Stored

__all__ = ["FileStore"]


class FileStore(Protocol):
    """Files and the blobs they name. One statement each; ``unused_blobs`` two, ``keep_blob`` two to four."""

    async def find(
        self,
        unit: Unit,
        *,
        project: int | None = None,
        path: str | None = None,
        uuid: UUID | None = None,
        seq: int | None = None,
        lock: bool = False,
    ) -> File | None:
        """Return a file by project and path, by uuid, or by number."""
        ...

    async def hold_project(self, unit: Unit, project: int) -> Project | None:
        """Return a project as it is now; it cannot be deleted, moved or changed before the unit ends."""
        ...

    async def keep_blob(self, unit: Unit, stored: Stored) -> str:
        """Note stored bytes and return the key to use: that of equal bytes known before, else this one.

        Equal bytes that are known to be damaged are replaced by these, for every file that named them.
        """
        ...

    async def put(
        self,
        unit: Unit,
        *,
        uuid: UUID,
        project: int,
        path: str,
        name: str,
        stored: Stored,
        blob: str,
        media_type: str,
        record: int | None,
        extra: Any,
        made_by: int | None,
        now: datetime,
    ) -> File:
        """Make the file at this path, or give it new bytes; raises the project's counter of file changes."""
        ...

    async def add(
        self,
        unit: Unit,
        *,
        uuid: UUID,
        project: Project,
        path: str,
        name: str,
        stored: Stored,
        media_type: str,
        record: int | None,
        extra: Any,
        made_by: int | None,
        now: datetime,
        event: AuditEvent,
    ) -> File | None:
        """Make a file at a path that has none, with its blob and its event; all of it, or nothing and None.

        None when the project is gone or belongs to another program, when something stands there by now, and when
        equal bytes are known to be damaged. A transaction that this is part of cannot go on after None.
        """
        ...

    async def list(
        self, unit: Unit, project: int, *, prefix: str, offset: int, limit: int, private: bool = True
    ) -> tuple[list[File], int]:
        """Return a page of a project's files by path (byte order), and how many there are.

        ``private``: with those of private records.
        """
        ...

    async def of_records(self, unit: Unit, records: Sequence[int]) -> list[File]:
        """Return the files that belong to these records, by path."""
        ...

    async def record(self, unit: Unit, project: int, type_name: str, sid_folded: str) -> int | None:
        """Return the number of a record of the project by type and folded submitter_id."""
        ...

    async def used(self, unit: Unit, program: int, *, alone: bool = False) -> int:
        """Return the bytes that the files of a program have together; ``alone``: one unit at a time is told."""
        ...

    async def damaged(self, unit: Unit, key: str) -> bool:
        """Tell whether stored bytes were found to be damaged or missing."""
        ...

    async def given_out(self, unit: Unit, key: str) -> bool:
        """Tell whether bytes may be given out by their key: a file has them (not a deleted one), undamaged."""
        ...

    async def at_paths(self, unit: Unit, project: int, paths: Sequence[str]) -> list[File]:
        """Return those files of a project that stand at these paths."""
        ...

    async def damaged_of(self, unit: Unit, keys: Sequence[str]) -> frozenset[str]:
        """Return those of some stored bytes that were found to be damaged or missing; no statement without keys."""
        ...

    async def unused_blobs(self, unit: Unit, limit: int) -> list[str]:
        """Forget blobs that no live or deleted file names and return their keys; none while a backup runs."""
        ...
