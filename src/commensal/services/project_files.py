"""The files of a project that no field of an analysis result holds: what other doors stored there.

For doors that know files only as fields of results; the bytes are given by ``SignedBytes``.
"""

from __future__ import annotations

from uuid import UUID

from commensal.core.files import File
from commensal.core.lineage import Lineage, kinds_of
from commensal.core.permissions import Right
from commensal.core.principals import Principal
from commensal.errors import NotFound
from commensal.services.audit import Audit
from commensal.services.dictionaries import Dictionaries
from commensal.services.guard import Guard
from commensal.storage.ports import Database, Unit
from commensal.storage.ports.lineages import LineageReads
from commensal.storage.ports.project_files import ProjectFileReads

__all__ = ["ProjectFiles"]


class ProjectFiles:
    """See the module; needs ``read`` on the project."""

    def __init__(
        self,
        *,
        database: Database,
        reads: ProjectFileReads,
        lineages: LineageReads,
        dictionaries: Dictionaries,
        guard: Guard,
        audit: Audit,
    ) -> None:
        self._database = database
        self._reads = reads
        self._lineages = lineages
        self._dictionaries = dictionaries
        self._guard = guard
        self._audit = audit

    async def _fields(self, unit: Unit) -> tuple[str, ...]:
        return kinds_of((await self._dictionaries.current(unit)).dictionary).field

    async def page(
        self,
        principal: Principal,
        place: Lineage,
        *,
        name: str | None = None,
        uuid: UUID | None = None,
        offset: int,
        limit: int,
    ) -> tuple[list[File], int]:
        """Return a page of the files of a project in order of making, and the total; ``name`` without case.

        Raises Forbidden, Unauthenticated.
        """
        project = place.place
        async with self._database.read() as unit:
            await self._guard.require(unit, principal, Right.READ, project=project)
            fields = await self._fields(unit)
            private = await self._guard.sees_private(unit, principal, project)
            found = await self._reads.page(
                unit, fields, project=project.seq, name=name, uuid=uuid, private=private, offset=offset, limit=limit
            )
        await self._audit.read(principal, "file.list", project=project, n=len(found[0]))
        return found

    async def named(self, principal: Principal, place: Lineage, name: str) -> File:
        """Return the newest file of a project with a name, without case. Raises NotFound, Forbidden."""
        project = place.place
        async with self._database.read() as unit:
            await self._guard.require(unit, principal, Right.READ, project=project)
            fields = await self._fields(unit)
            private = await self._guard.sees_private(unit, principal, project)
            found, _ = await self._reads.page(
                unit, fields, project=project.seq, name=name, newest_first=True, private=private, offset=0, limit=1
            )
        return await self._told(principal, place, found[0] if found else None)

    async def find(self, principal: Principal, uuid: UUID) -> tuple[Lineage, File]:
        """Return a file by its uuid, and its project. Raises NotFound, Forbidden, Unauthenticated."""
        async with self._database.read() as unit:
            await self._guard.access(unit, principal)
            file = await self._reads.by_uuid(unit, await self._fields(unit), uuid)
            places = await self._lineages.of_projects(unit, seqs=[file.project]) if file is not None else []
            if not places:
                raise NotFound("There is no such file.")
            place = places[0].place
            await self._guard.require(unit, principal, Right.READ, project=place)
            if file is not None and file.private and not await self._guard.sees_private(unit, principal, place):
                raise NotFound("There is no such file.")
        return places[0], await self._told(principal, places[0], file)

    async def _told(self, principal: Principal, place: Lineage, file: File | None) -> File:
        if file is None:
            raise NotFound(f"There is no such file in project {place.place.project_id}.")
        await self._audit.read(principal, "file.read", project=place.place, target=file.path)
        return file
