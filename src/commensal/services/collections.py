"""Collections: projects that name records of any project. A reader sees only the members he may read."""

from __future__ import annotations

from collections.abc import Sequence

from commensal.core.catalog import ItemPage, MemberRecord
from commensal.core.permissions import Right
from commensal.core.principals import Principal
from commensal.core.projects import Project, ProjectKind
from commensal.errors import Invalid, NotFound
from commensal.services.catalog_parts import CatalogParts
from commensal.storage.ports import Unit
from commensal.storage.ports.catalog import Ref

__all__ = ["Collections"]


class Collections(CatalogParts):
    """The part of the catalog that keeps the members of collections."""

    async def _collection(self, unit: Unit, principal: Principal, ref: Ref | Project, right: Right) -> Project:
        project = await self._project(unit, principal, ref, right)
        if project.kind != ProjectKind.COLLECTION:
            raise Invalid(f"{project.project_id} is no collection: it owns its records.", field="collection")
        return project

    async def add_members(
        self, principal: Principal, collection: Ref | Project, records: Sequence[int], *, right: Right = Right.READ
    ) -> int:
        """Add records (by number) to a collection; return how many were no members before.

        Needs ``update`` on the collection and ``right`` on each record's project. Raises NotFound, and
        adds nothing, when there is a record that does not exist or may not be read.
        """
        async with self._database.begin() as unit:
            project = await self._collection(unit, principal, collection, Right.UPDATE)
            scope = await self._guard.scope(unit, principal, right)
            wanted = sorted(set(records))
            found = await self._collections.readable(unit, wanted, scope)
            absent = [number for number in wanted if number not in found]
            if absent:
                shown = ", ".join(map(str, absent[:10])) + (", …" if len(absent) > 10 else "")
                raise NotFound(f"There is no record {shown} that you may read.", field="records")
            added = await self._collections.add(unit, project.seq, found, added_by=principal.user, added=self._now())
            await self._audit.write(
                unit, principal, "collection.add", project=project, target=project.project_id, n=added
            )
        return added

    async def remove_members(self, principal: Principal, collection: Ref | Project, records: Sequence[int]) -> int:
        """Take records out of a collection; return how many were members. Needs ``update`` on the collection.

        Nothing is needed on the records: who keeps a collection may drop what he can no longer read.
        """
        async with self._database.begin() as unit:
            project = await self._collection(unit, principal, collection, Right.UPDATE)
            removed = await self._collections.remove(unit, project.seq, sorted(set(records)))
            await self._audit.write(
                unit, principal, "collection.remove", project=project, target=project.project_id, n=removed
            )
        return removed

    async def list_members(
        self,
        principal: Principal,
        collection: Ref | Project,
        *,
        types: Sequence[str] | None = None,
        offset: int = 0,
        limit: int = 100,
    ) -> ItemPage[MemberRecord]:
        """Return a page of the members that the caller may read, by number; needs ``read`` on the collection."""
        async with self._database.read() as unit:
            project = await self._collection(unit, principal, collection, Right.READ)
            scope = await self._guard.scope(unit, principal, Right.READ)
            found, total = await self._collections.list(
                unit, project.seq, scope, types=types, offset=max(0, offset), limit=max(0, min(limit, 10_000))
            )
        await self._audit.read(principal, "collection.list", project=project, target=project.project_id, n=len(found))
        return ItemPage(tuple(found), total, offset, limit)

    async def collections_of(self, principal: Principal, record: int) -> list[Project]:
        """Return the collections that have a record, of those that the caller may read; none of a record he may not."""
        async with self._database.read() as unit:
            scope = await self._guard.scope(unit, principal, Right.READ)
            if not await self._collections.readable(unit, [record], scope):
                return []
            found = await self._collections.of_record(unit, record, scope)
        await self._audit.read(principal, "collection.of", target=str(record), n=len(found))
        return found
