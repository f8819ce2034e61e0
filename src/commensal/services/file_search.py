"""Files found by attributes, words and inner structure, in every project that the caller may read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from commensal.core.files_query import Node
from commensal.core.permissions import Right
from commensal.core.principals import Principal
from commensal.errors import NotFound
from commensal.services.audit import Audit
from commensal.services.guard import Guard
from commensal.storage.ports import Database
from commensal.storage.ports.file_search import FileSearchStore, FoundFile

__all__ = ["FilePage", "FileSearch", "FoundFile"]

_LARGEST_SEQ = 2**63 - 1


@dataclass(frozen=True, slots=True)
class FilePage:
    """A page of files in the order of their accessions, and how many match in all."""

    items: tuple[FoundFile, ...]
    total: int


class FileSearch:
    """Lists and looks up files by accession; bytes are given by ``Files``."""

    def __init__(self, *, database: Database, store: FileSearchStore, guard: Guard, audit: Audit) -> None:
        self._database = database
        self._store = store
        self._guard = guard
        self._audit = audit

    async def search(
        self,
        principal: Principal,
        nodes: Sequence[Node] = (),
        *,
        offset: int = 0,
        limit: int = 100,
        contents: bool = False,
        project: int | None = None,
    ) -> FilePage:
        """Return a page of the files that match all nodes, among those the caller may read (in one project)."""
        async with self._database.read() as unit:
            scope = await self._guard.scope(unit, principal, Right.READ)
            found, total = await self._store.search(
                unit, scope, nodes, offset=offset, limit=limit, contents=contents, project=project
            )
        await self._audit.read(principal, "file.list", n=len(found))
        return FilePage(tuple(found), total)

    async def find(self, principal: Principal, seq: int, *, contents: bool = False) -> FoundFile:
        """Return a file by its number (the digits of its accession).

        Raises NotFound, also for what the caller may not read: that it exists is not told.
        """
        async with self._database.read() as unit:
            scope = await self._guard.scope(unit, principal, Right.READ)
            found = None
            if seq <= _LARGEST_SEQ:
                found = await self._store.find(unit, scope, seq, contents=contents)
        if found is None:
            raise NotFound(f"There is no file GSF{str(seq)[:40]} that you may see.")
        await self._audit.read(principal, "file.read", project=found.project, target=f"GSF{seq}")
        return found

    async def is_something_else(self, principal: Principal, seq: int) -> bool:
        """Tell whether a number that is no file belongs to a project or record that the caller may read."""
        if seq > _LARGEST_SEQ:
            return False
        async with self._database.read() as unit:
            scope = await self._guard.scope(unit, principal, Right.READ)
            return await self._store.something(unit, scope, seq)
