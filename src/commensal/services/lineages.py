"""Reading along the tree: programs, projects, samples, analysis results and fields, by uuid, by names, in pages.

Each thing comes with all that it hangs on, in a number of statements that does not depend on how many there are.
Who may read is the project's matter; a private result and its fields are shown only to those who hold a grant.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from commensal.core.catalog import ItemPage
from commensal.core.lineage import Address, Kinds, Lineage, kinds_of
from commensal.core.permissions import Right, Scope
from commensal.core.principals import Principal
from commensal.core.projects import Program
from commensal.core.records import Record
from commensal.errors import NotFound
from commensal.services.audit import Audit
from commensal.services.dictionaries import Dictionaries, InUse
from commensal.services.guard import Guard
from commensal.services.turns import Turns
from commensal.storage.ports import Database, Unit
from commensal.storage.ports.catalog import ProgramView
from commensal.storage.ports.lineages import (
    FieldFilter,
    LineageReads,
    ProjectsFilter,
    ResultFilter,
    SampleFilter,
    WithResults,
)

#: Streams of one caller, and of all, that a process answers at the same time; others wait.
AT_ONCE = 2
TOGETHER = 4

__all__ = ["FieldFilter", "Lineages", "ProjectsFilter", "ResultFilter", "SampleFilter", "WithResults"]


class Lineages:
    """What reads the tree, for doors whose addresses follow it."""

    def __init__(
        self, *, database: Database, reads: LineageReads, dictionaries: Dictionaries, guard: Guard, audit: Audit
    ) -> None:
        self._database = database
        self._reads = reads
        self._dictionaries = dictionaries
        self._guard = guard
        self._audit = audit
        self._turns = Turns(AT_ONCE, TOGETHER)

    # --- one thing --------------------------------------------------------------------------------

    async def project(self, principal: Principal, uuid: UUID, *, right: Right = Right.READ) -> Lineage:
        """Return a project or collection with its program. Raises NotFound, Forbidden, Unauthenticated."""
        async with self._database.read() as unit:
            await self._guard.access(unit, principal)
            found = await self._reads.of_projects(unit, uuid=uuid)
            return await self._allowed(unit, principal, found[0] if found else None, right, "project.read")

    async def sample(
        self, principal: Principal, uuid: UUID, *, right: Right = Right.READ, shown: int | None = None
    ) -> Lineage:
        """Return a sample, as ``project`` does.

        ``shown`` is the number of a sample that the caller may read with its results whatever their project says:
        another service has found so (a work order that is the caller's to do).
        """
        async with self._database.read() as unit:
            await self._guard.access(unit, principal)
            found = await self._reads.of_sample(unit, await self._kinds(unit), uuid)
            action = "sample.read"
            return await self._allowed(unit, principal, found, right, action, shown=shown)

    async def samples_by(self, principal: Principal, uuids: Sequence[UUID], *, right: Right) -> list[Lineage]:
        """Return those samples that exist; the caller must hold the right on the projects of all. Raises Forbidden."""
        async with self._database.read() as unit:
            await self._guard.access(unit, principal)
            found = await self._reads.of_samples(unit, await self._kinds(unit), uuids)
            for one in {lineage.place.seq: lineage for lineage in found}.values():
                await self._guard.require(unit, principal, right, project=one.place)
        return found

    async def sample_numbers(self, principal: Principal, uuids: Sequence[UUID]) -> list[int]:
        """Return the numbers of those samples that exist, readable or not: for taking them out of a collection."""
        async with self._database.read() as unit:
            await self._guard.require_signed_in(unit, principal)
            found = await self._reads.of_samples(unit, await self._kinds(unit), uuids)
        return [one.sample.seq for one in found if one.sample is not None]

    async def result(
        self, principal: Principal, uuid: UUID, *, right: Right = Right.READ, shown: int | None = None
    ) -> Lineage:
        """Return an analysis result of a sample, project or collection, as ``sample`` does."""
        async with self._database.read() as unit:
            await self._guard.access(unit, principal)
            found = await self._reads.of_result(unit, await self._kinds(unit), uuid)
            action = "result.read"
            return await self._allowed(unit, principal, found, right, action, shown=shown)

    async def field(
        self, principal: Principal, uuid: UUID, *, right: Right = Right.READ, shown: int | None = None
    ) -> Lineage:
        """Return a field of a result, as ``sample`` does."""
        async with self._database.read() as unit:
            await self._guard.access(unit, principal)
            found = await self._reads.of_field(unit, await self._kinds(unit), uuid)
            action = "result.read"
            return await self._allowed(unit, principal, found, right, action, shown=shown)

    async def find(self, principal: Principal, address: Address, *, right: Right = Right.READ) -> Lineage:
        """Return what an address of names leads to, as ``project`` does; the project that it names must be readable.

        A sample is looked for among all members of the collection or project.
        """
        if address.project is None:
            return Lineage(await self.program(principal, address.program))
        async with self._database.read() as unit:
            access = await self._guard.access(unit, principal)
            granted = access.scope(Right.READ, by_grant_only=True)
            found = await self._reads.named(unit, await self._kinds(unit), address, granted)
            return await self._allowed(unit, principal, found, right, "project.read")

    async def _allowed(
        self,
        unit: Unit,
        principal: Principal,
        found: Lineage | None,
        right: Right,
        action: str,
        *,
        shown: int | None = None,
    ) -> Lineage:
        if found is None:
            raise NotFound("There is no such thing.")
        place = found.place
        ordered = shown is not None and found.sample is not None and found.sample.seq == shown
        if found.through is not None:
            await self._guard.require(unit, principal, Right.READ, project=found.through)
        if not ordered or right != Right.READ:
            await self._guard.require(unit, principal, right, project=place)
        if found.settings.private and not ordered:
            await self._guard.require(unit, principal, Right.READ, project=place, by_grant_only=True)
        lowest = found.field or found.result or found.sample
        await self._audit.read(
            principal, action, project=place, target=place.project_id if lowest is None else str(lowest.uuid)
        )
        return found

    async def program(self, principal: Principal, ref: UUID | str) -> Program:
        """Return a program by uuid, or by title or code, if the caller may know of it; raises NotFound."""
        async with self._database.read() as unit:
            view = await self._view(unit, principal)
            by_uuid = isinstance(ref, UUID)
            found = await self._reads.program_by(unit, uuid=ref if by_uuid else None, name=None if by_uuid else ref)
            if found is not None:
                rows, _ = await self._reads.programs(unit, view, uuid=found.uuid, name=None, offset=0, limit=1)
                found = rows[0] if rows else None
            if found is None:
                raise NotFound("There is no such program.")
        await self._audit.read(principal, "program.read", program=found, target=found.code)
        return found

    async def rights(self, principal: Principal, found: Lineage) -> Right:
        """Return all rights that the caller holds on the project, or program, of a lineage; refuses nothing."""
        async with self._database.read() as unit:
            return await self._guard.rights(unit, principal, program=found.program, project=found.project)

    # --- pages ------------------------------------------------------------------------------------

    async def programs(
        self, principal: Principal, *, uuid: UUID | None = None, title: str | None = None, offset: int, limit: int
    ) -> ItemPage[Program]:
        """Return a page of the programs that the caller may know of, in order of making; ``title`` without case."""
        async with self._database.read() as unit:
            view = await self._view(unit, principal)
            found, total = await self._reads.programs(unit, view, uuid=uuid, name=title, offset=offset, limit=limit)
        await self._audit.read(principal, "program.list", n=len(found))
        return ItemPage(tuple(found), total, offset, limit)

    async def projects(
        self, principal: Principal, only: ProjectsFilter, *, offset: int, limit: int
    ) -> ItemPage[Lineage]:
        """Return a page of the projects and collections that the caller may read, in order of making."""
        async with self._database.read() as unit:
            scope = await self._guard.scope(unit, principal, Right.READ)
            found, total = await self._reads.projects(unit, scope, only, offset=offset, limit=limit)
        await self._audit.read(principal, "project.list", n=len(found))
        return ItemPage(tuple(found), total, offset, limit)

    async def samples(self, principal: Principal, only: SampleFilter, *, offset: int, limit: int) -> ItemPage[Lineage]:
        """Return a page of the samples that the caller may read, in order of making."""
        async with self._database.read() as unit:
            scope = await self._guard.scope(unit, principal, Right.READ)
            found, total = await self._reads.samples(
                unit, await self._kinds(unit), scope, only, offset=offset, limit=limit
            )
        await self._audit.read(principal, "sample.list", n=len(found))
        return ItemPage(tuple(found), total, offset, limit)

    async def results(self, principal: Principal, only: ResultFilter, *, offset: int, limit: int) -> ItemPage[Lineage]:
        """Return a page of the results that the caller may read, in order of making."""
        async with self._database.read() as unit:
            scope, granted = await self._scopes(unit, principal)
            found, total = await self._reads.results(
                unit, await self._kinds(unit), scope, granted, only, offset=offset, limit=limit
            )
        await self._audit.read(principal, "result.list", n=len(found))
        return ItemPage(tuple(found), total, offset, limit)

    async def fields(self, principal: Principal, only: FieldFilter, *, offset: int, limit: int) -> ItemPage[Lineage]:
        """Return a page of the fields that the caller may read, in order of making."""
        async with self._database.read() as unit:
            scope, granted = await self._scopes(unit, principal)
            found, total = await self._reads.fields(
                unit, await self._kinds(unit), scope, granted, only, offset=offset, limit=limit
            )
        await self._audit.read(principal, "result.list", n=len(found))
        return ItemPage(tuple(found), total, offset, limit)

    # --- with their results -----------------------------------------------------------------------

    @asynccontextmanager
    async def with_results(
        self, principal: Principal, found: Lineage
    ) -> AsyncGenerator[AsyncIterator[list[tuple[int, WithResults]]]]:
        """Open a stream of the readable samples of a project or collection with their results and fields.

        ``found`` has been read by this caller; use as ``async with … as stream: async for samples in stream``, each a
        list of (project number, sample with its results). One moment is seen, and memory stays flat.
        """
        # Each holds a connection while its reader takes the answer, and needs another now and then.
        async with self._turns.of(principal.user), self._database.snapshot() as unit:
            scope, granted = await self._scopes(unit, principal)
            await self._guard.require(unit, principal, Right.READ, project=found.place)
            yield self._reads.with_results(
                unit, await self._kinds(unit), scope, granted, project=found.place.seq, collection=found.is_collection
            )

    async def places(self, principal: Principal, seqs: Sequence[int]) -> dict[int, Lineage]:
        """Return projects with their programs by number, those that the caller may read."""
        async with self._database.read() as unit:
            scope = await self._guard.scope(unit, principal, Right.READ)
            return {
                one.place.seq: one
                for one in await self._reads.of_projects(unit, seqs=seqs)
                if scope.covers(
                    program=one.program.seq, project=one.place.seq, public_level=int(one.place.public_level)
                )
            }

    async def results_of(self, principal: Principal, found: Lineage) -> WithResults:
        """Return the readable results, with fields, of a sample, or of a project itself, that this caller has read."""
        async with self._database.read() as unit:
            await self._guard.require(unit, principal, Right.READ, project=found.place)
            _, granted = await self._scopes(unit, principal)
            kinds = await self._kinds(unit)
            if found.sample is None:
                return await self._reads.results_of(unit, kinds, granted, project=found.place.seq)
            made = await self._reads.results_of(unit, kinds, granted, sample=found.sample.seq)
        return WithResults(found.sample, made.results)

    async def module_counts(self, principal: Principal, found: Lineage) -> tuple[int, dict[str, int]]:
        """Return the number of readable samples of a project or collection, and how many have results, by module."""
        async with self._database.read() as unit:
            await self._guard.require(unit, principal, Right.READ, project=found.place)
            scope, granted = await self._scopes(unit, principal)
            return await self._reads.module_counts(
                unit,
                await self._kinds(unit),
                scope,
                granted,
                project=found.place.seq,
                collection=found.is_collection,
            )

    async def versions(self, principal: Principal, found: Lineage) -> list[tuple[Any, Any, dict[str, Any]]]:
        """Return (since, until, state) of each version of a sample that this caller has read, oldest first."""
        record: Record | None = found.sample
        if record is None:
            raise NotFound("There is no such sample.")
        async with self._database.read() as unit:
            await self._guard.require(unit, principal, Right.READ, project=found.place)
            return await self._reads.metadata_versions(unit, record.seq)

    # --- helpers ----------------------------------------------------------------------------------

    async def dictionary(self) -> InUse:
        """Return the dictionary in use, by which records are shown."""
        return await self._dictionaries.current()

    async def _kinds(self, unit: Unit) -> Kinds:
        return kinds_of((await self._dictionaries.current(unit)).dictionary)

    async def _scopes(self, unit: Unit, principal: Principal) -> tuple[Scope, Scope]:
        access = await self._guard.access(unit, principal)
        return access.scope(Right.READ), access.scope(Right.READ, by_grant_only=True)

    async def _view(self, unit: Unit, principal: Principal) -> ProgramView:
        access = await self._guard.access(unit, principal)
        return ProgramView(
            everything=access.site_admin,
            listed=principal.signed_in,
            seen=await self._guard.seen_programs(unit, principal),
            only_program=access.only_program,
        )
