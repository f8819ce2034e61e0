"""Deletion and undelete: rows leave the live tables whole and can come back whole within 30 days."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, timedelta
from typing import Any
from uuid import UUID

from commensal.core.hanging import hanging_types, loses_required_link, those_that_hang
from commensal.core.permissions import Right
from commensal.core.principals import Principal
from commensal.core.projects import Program, Project
from commensal.core.records import Deletion as DeletionRow
from commensal.core.records import ProjectRow, Record
from commensal.errors import Conflict, InvalidRows, NotEmpty, NotFound, Problem
from commensal.services.audit import Audit
from commensal.services.clock import Clock, utc_now
from commensal.services.dictionaries import Dictionaries
from commensal.services.guard import Guard
from commensal.storage.ports import Database, Unit
from commensal.storage.ports.deletion import DeletionStore, NewDeletion, Removed
from commensal.storage.ports.records import RecordReads, RecordWrites

__all__ = ["KEEP", "Deletion", "DeletionCheck", "going_with", "new_deletion"]

#: How long a deletion can be brought back.
KEEP = timedelta(days=30)

#: Says why some records must never be deleted (signed reports and their genomes); an empty list allows it.
DeletionCheck = Callable[[Unit, Sequence[Record]], Awaitable[list[Problem]]]


class Deletion:
    """What every door but Gen3's entity route deletes with."""

    def __init__(
        self,
        *,
        database: Database,
        store: DeletionStore,
        reads: RecordReads,
        writes: RecordWrites,
        dictionaries: Dictionaries,
        guard: Guard,
        audit: Audit,
        now: Clock = utc_now,
    ) -> None:
        self._database = database
        self._store = store
        self._reads = reads
        self._writes = writes
        self._dictionaries = dictionaries
        self._guard = guard
        self._audit = audit
        self._now = now
        #: Other services add theirs.
        self.checks: list[DeletionCheck] = []

    # --- records and files ------------------------------------------------------------------------

    async def delete_records(
        self, principal: Principal, project: Project | int, refs: Sequence[UUID | int]
    ) -> DeletionRow:
        """Delete records with the results, fields and files that hang below them; needs ``delete``.

        Other records that point at them lose that link; where it is required in a strict project, they are named in
        InvalidRows and nothing is deleted. Raises NotFound when one of ``refs`` is not in the project.
        """
        async with self._database.begin() as unit:
            return await self.delete_records_in(unit, principal, project, refs)

    async def delete_records_in(
        self, unit: Unit, principal: Principal, project: Project | int, refs: Sequence[UUID | int]
    ) -> DeletionRow:
        """Do as :meth:`delete_records` inside a caller's transaction."""
        row = await self._locked(unit, principal, project)
        asked = await self._asked(unit, row, refs)
        going = await going_with(self._store, self._dictionaries, unit, row, asked)
        await self._refuse(unit, row, going)
        title = asked[0].shown if len(asked) == 1 else f"{len(asked)} records of {row.project_id}"
        new = new_deletion(principal, "records", title, row, self._now().astimezone(UTC))
        removed = await self._store.remove_records(unit, new, [one.seq for one in going], files=True)
        await self._audit.write(
            unit, principal, "records.delete", project=row.project, target=title, n=len(going),
            details={"deletion": removed.id},
        )  # fmt: skip
        return _row(removed, new)

    async def delete_files(
        self, principal: Principal, project: Project | int, files: Sequence[int], *, title: str = ""
    ) -> DeletionRow:
        """Delete files by number; the records that describe them stay. Needs ``delete``."""
        async with self._database.begin() as unit:
            return await self.delete_files_in(unit, principal, project, files, title=title)

    async def delete_files_in(
        self, unit: Unit, principal: Principal, project: Project | int, files: Sequence[int], *, title: str = ""
    ) -> DeletionRow:
        """Do as :meth:`delete_files` inside a caller's transaction."""
        row = await self._locked(unit, principal, project)
        if not await self._store.files_in(unit, files, row.seq):
            raise NotFound("There is no such file in this project.")
        new = new_deletion(
            principal, "files", title or f"{len(files)} files of {row.project_id}", row, self._now().astimezone(UTC)
        )
        removed = await self._store.remove_files(unit, new, files)
        await self._audit.write(
            unit, principal, "files.delete", project=row.project, target=new.title, n=len(files),
            details={"deletion": removed.id},
        )  # fmt: skip
        return _row(removed, new)

    # --- projects and programs --------------------------------------------------------------------

    async def delete_project(
        self, principal: Principal, project: Project | int, *, cascade: bool = False
    ) -> DeletionRow:
        """Delete a project; needs ``manage`` on its program, and ``delete`` on it when something is inside.

        Without ``cascade`` one that holds records or files is refused (NotEmpty). Index records without bytes of ours,
        which the deletion of data files leaves, go along.
        """
        async with self._database.begin() as unit:
            return await self.delete_project_in(unit, principal, project, cascade=cascade)

    async def delete_project_in(
        self, unit: Unit, principal: Principal, project: Project | int, *, cascade: bool = False
    ) -> DeletionRow:
        """Do as :meth:`delete_project` inside a caller's transaction."""
        row = await self._project(unit, project)
        await self._guard.require(unit, principal, Right.MANAGE, program=row.program)
        records, files = await self._store.contents(unit, [row.seq])
        if records or files:
            if not cascade:
                raise NotEmpty(
                    f"The project {row.project_id} still holds {records} records and {files} files; delete them first."
                )
            await self._guard.require(unit, principal, Right.DELETE, project=row.project)
            await self._check_all(unit, row)
        new = new_deletion(principal, "project", row.project_id, row, self._now().astimezone(UTC))
        removed = await self._store.remove_projects(unit, new, [row.seq], None)
        await self._audit.write(
            unit, principal, "project.delete", program=row.program, project=row.seq, target=row.project_id,
            n=sum(removed.counts.values()), details={"deletion": removed.id},
        )  # fmt: skip
        return _row(removed, new)

    async def delete_program(self, principal: Principal, program: Program, *, cascade: bool = False) -> DeletionRow:
        """Delete a program; needs a site admin, or with ``cascade`` ``manage`` and ``delete`` on it.

        Without ``cascade`` one that holds projects or catalog objects is refused (NotEmpty).
        """
        async with self._database.begin() as unit:
            if cascade:
                await self._guard.require(unit, principal, Right.MANAGE | Right.DELETE, program=program)
            else:
                await self._guard.require_site_admin(unit, principal, "program.delete")
            projects = await self._store.lock_projects(unit, await self._store.projects_of(unit, program.seq))
            objects = await self._store.catalog_objects_of(unit, program.seq)
            if (projects or objects) and not cascade:
                raise NotEmpty(
                    f"The program {program.code} still holds {len(projects)} projects and {objects} catalog objects; "
                    "delete them first."
                )
            for seq in projects if self.checks else ():
                row = await self._writes.project_by_seq(unit, seq, lock="none")
                if row is not None:
                    await self._check_all(unit, row)
            new = NewDeletion(
                kind="program",
                title=program.code,
                program=program.seq,
                project=None,
                who=principal.user,
                who_label=principal.label,
                door=str(principal.door),
                at=self._now().astimezone(UTC),
            )
            removed = await self._store.remove_projects(unit, new, projects, program.seq)
            await self._audit.write(
                unit, principal, "program.delete", program=program.seq, target=program.code,
                n=sum(removed.counts.values()), details={"deletion": removed.id},
            )  # fmt: skip
            return _row(removed, new)

    # --- and back ---------------------------------------------------------------------------------

    async def list(self, principal: Principal) -> list[DeletionRow]:
        """Return what was deleted within 30 days and can be brought back, newest first; for site admins."""
        async with self._database.read() as unit:
            await self._guard.require_site_admin(unit, principal, "deletions.list")
            return await self._store.list(unit, self._now() - KEEP)

    async def undelete(self, principal: Principal, number: int) -> DeletionRow:
        """Bring a deletion back whole; for site admins.

        Raises NotFound when there is none of this number or its 30 days are over, Conflict that names what has taken
        the place of something in it, or what else must come back first.
        """
        async with self._database.begin() as unit:
            await self._guard.require_site_admin(unit, principal, "deletions.undelete")
            found = await self._store.find(unit, number, lock=True)
            now = self._now().astimezone(UTC)
            if found is None or found.purged is not None or found.at < now - KEEP:
                raise NotFound(f"There is no deletion {number} that can be brought back (they are kept for 30 days).")
            if found.restored is not None:
                raise Conflict(f"The deletion {number} was brought back already.")
            await self._store.lock_projects(unit, await self._store.projects_in(unit, number))
            used = await self._dictionaries.current(unit)
            single = [
                (node.name, link.name)
                for node in used.dictionary.all_types()
                for link in node.links
                if not link.many_targets
            ]
            taken = await self._store.in_the_way(unit, number, single)
            if taken:
                raise Conflict(
                    f"The deletion {number} ({found.title}) cannot be brought back: {'; '.join(taken[:10])}"
                    + (f"; and {len(taken) - 10} more." if len(taken) > 10 else ".")
                )
            await self._store.restore(unit, number, principal.user, str(principal.door), now)
            await self._audit.write(
                unit, principal, "deletions.undelete", program=found.program, project=found.project,
                target=found.title, n=sum(found.counts.values()), details={"deletion": number},
            )  # fmt: skip
        return found

    async def purge(self, *, keep: timedelta = KEEP) -> int:
        """Forget what was deleted longer ago than ``keep``; return how many deletions. For the daily job."""
        now = self._now().astimezone(UTC)
        async with self._database.begin() as unit:
            return await self._store.purge(unit, now - keep, now)

    # --- helpers ----------------------------------------------------------------------------------

    async def _project(self, unit: Unit, project: Project | int) -> ProjectRow:
        seq = project if isinstance(project, int) else project.seq
        row = await self._writes.project_by_seq(unit, seq, lock="update")
        if row is None:
            raise NotFound("There is no such project.")
        return row

    async def _locked(self, unit: Unit, principal: Principal, project: Project | int) -> ProjectRow:
        row = await self._project(unit, project)
        await self._guard.require(unit, principal, Right.DELETE, project=row.project)
        return row

    async def _asked(self, unit: Unit, row: ProjectRow, refs: Sequence[UUID | int]) -> list[Record]:
        return await asked_records(self._reads, unit, row, refs)

    async def _check_all(self, unit: Unit, row: ProjectRow) -> None:
        if not self.checks:
            return
        async for chunk in self._reads.stream(unit, row.seq):
            await self._check(unit, [one.record for one in chunk])

    async def _check(self, unit: Unit, records: Sequence[Record]) -> None:
        problems: list[Problem] = []
        for check in self.checks:
            problems += await check(unit, records)
        if problems:
            raise InvalidRows(f"Nothing was deleted. {problems[0]}", problems)

    async def _refuse(self, unit: Unit, row: ProjectRow, going: Sequence[Record]) -> None:
        """Refuse what must never go, and what others in a strict project cannot be without."""
        await self._check(unit, going)
        if not row.strict:
            return
        dictionary = (await self._dictionaries.at(unit, row.dictionary)).dictionary
        seqs = {record.seq for record in going}
        dependents = [one for one in await self._store.dependents(unit, list(seqs)) if one.record not in seqs]
        if not dependents:
            return
        kept: dict[int, dict[str, int]] = {}
        for link in await self._store.links_from(unit, list({one.record for one in dependents})):
            if link.dst not in seqs:
                names = kept.setdefault(link.src, {})
                names[link.name] = names.get(link.name, 0) + 1
        problems = [
            Problem(
                f"needs its link {one.name} to what would be deleted; delete it too, or link it elsewhere.",
                code="required_link",
                field=one.name,
                record=f"{one.type.removeprefix('commensal.')} {one.submitter_id}",
            )
            for one in dependents
            if (node := dictionary.find(one.type)) is not None
            and loses_required_link(node, one.name, kept.get(one.record, {}))
        ]
        if problems:
            raise InvalidRows(f"Nothing was deleted: {len(problems)} records need these. {problems[0]}", problems)


async def asked_records(reads: RecordReads, unit: Unit, row: ProjectRow, refs: Sequence[UUID | int]) -> list[Record]:
    """Return the records that these uuids and numbers name; all of them must be in the project."""
    numbers = [ref for ref in refs if isinstance(ref, int)]
    uuids = [str(ref) for ref in refs if not isinstance(ref, int)]
    found = await reads.by_seqs(unit, numbers) if numbers else []
    found += await reads.by_uuids(unit, uuids) if uuids else []
    known: set[Any] = {one.seq for one in found if one.project == row.seq}
    known |= {str(one.uuid) for one in found if one.project == row.seq}
    missing = [str(ref) for ref in refs if (ref if isinstance(ref, int) else str(ref)) not in known]
    if missing or not refs:
        raise NotFound(
            f"There is no record {', '.join(missing[:5])} in {row.project_id}." if missing else "Name a record."
        )
    return list({one.seq: one for one in found}.values())


async def going_with(
    store: DeletionStore, dictionaries: Dictionaries, unit: Unit, row: ProjectRow, asked: Sequence[Record]
) -> list[Record]:
    """Return these records and what hangs below them."""
    dictionary = (await dictionaries.at(unit, row.dictionary)).dictionary
    seqs = {record.seq for record in asked}
    candidates = await store.below(unit, list(seqs), hanging_types(dictionary))
    others = [record.seq for record in candidates if record.seq not in seqs]
    links = await store.links_from(unit, others) if others else []
    return those_that_hang(seqs, candidates, links)


def new_deletion(
    principal: Principal, kind: str, title: str, row: ProjectRow, at: Any, transaction: int | None = None
) -> NewDeletion:
    """Return the head of a deletion inside a project."""
    return NewDeletion(
        kind=kind,
        title=title,
        program=row.program,
        project=row.seq,
        who=principal.user,
        who_label=principal.label,
        door=str(principal.door),
        at=at,
        transaction=transaction,
    )


def _row(removed: Removed, new: NewDeletion) -> DeletionRow:
    return DeletionRow(
        id=removed.id,
        kind=new.kind,
        title=new.title,
        program=new.program,
        project=new.project,
        who_label=new.who_label,
        door=new.door,
        counts=removed.counts,
        at=new.at,
        restored=None,
        purged=None,
    )
