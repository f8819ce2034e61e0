"""Browsing a project's files: one level of its folders at a time, and what stands at given paths."""

from __future__ import annotations

from collections.abc import Sequence

from commensal.core.folders import ORDERS, FileEntry, FolderPage, check_prefix
from commensal.core.permissions import Right
from commensal.core.principals import Principal
from commensal.core.projects import Project
from commensal.errors import Malformed
from commensal.services.audit import Audit
from commensal.services.guard import Guard
from commensal.storage.ports import Database
from commensal.storage.ports.folders import FolderStore

__all__ = ["Folders"]

#: Most entries of one page, and most paths of one look-up.
LIMIT = 1_000
_SEARCH = 200


class Folders:
    """See the module."""

    def __init__(self, *, database: Database, store: FolderStore, guard: Guard, audit: Audit) -> None:
        self._database = database
        self._store = store
        self._guard = guard
        self._audit = audit

    async def level(
        self,
        principal: Principal,
        project: Project,
        *,
        folder: str = "",
        search: str = "",
        order: str = "path",
        descending: bool = False,
        offset: int = 0,
        limit: int = 100,
    ) -> FolderPage:
        """Return a page of what stands directly in a folder; with ``search``, files of any depth by part of the path.

        Needs ``read``. A folder that holds nothing is empty, not an error. Raises Malformed, Forbidden.
        """
        if order not in ORDERS:
            raise Malformed(f"Files are ordered by {', '.join(ORDERS)}.", field="order")
        if "\x00" in search:
            raise Malformed("The search holds a zero character.", field="search")
        async with self._database.read() as unit:
            await self._guard.require(unit, principal, Right.READ, project=project)
            page = await self._store.level(
                unit,
                project.seq,
                prefix=check_prefix(folder),
                search=search.strip()[:_SEARCH],
                order=order,
                descending=descending,
                offset=offset,
                limit=min(limit, LIMIT),
                private=await self._guard.sees_private(unit, principal, project),
            )
        await self._audit.read(principal, "file.list", program=project.program, project=project, n=len(page.entries))
        return page

    async def at(self, principal: Principal, project: Project, paths: Sequence[str]) -> list[FileEntry]:
        """Return the files that stand at these paths (at most 1,000), in any order; needs ``read``."""
        if len(paths) > LIMIT:
            raise Malformed(f"Ask for at most {LIMIT:,} paths at a time.", field="path")
        asked = [path for path in paths if "\x00" not in path]
        async with self._database.read() as unit:
            await self._guard.require(unit, principal, Right.READ, project=project)
            private = await self._guard.sees_private(unit, principal, project)
            found = await self._store.at(unit, project.seq, asked, private=private)
        await self._audit.read(principal, "file.list", program=project.program, project=project, n=len(found))
        return found
