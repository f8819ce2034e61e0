"""Moving records and files to another project: uuid, number and history stay (design, hub)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from uuid import UUID

from commensal.core.conformity import StoredRow, breaches, suspects
from commensal.core.permissions import Right
from commensal.core.principals import Principal
from commensal.core.projects import Project
from commensal.core.puts import Put, PutResult
from commensal.core.records import ProjectRow, Record
from commensal.errors import AlreadyExists, Invalid, InvalidRows, NotFound, Problem, Unavailable
from commensal.services.audit import Audit
from commensal.services.clock import Clock, utc_now
from commensal.services.deletion import asked_records, going_with
from commensal.services.dictionaries import Dictionaries
from commensal.services.guard import Guard
from commensal.services.records import LOCKS, Records
from commensal.storage.ports import Database, Unit
from commensal.storage.ports.deletion import DeletionStore, MoveStore
from commensal.storage.ports.records import Clash, RecordReads, RecordWrites

__all__ = ["Moved", "Moving"]


@dataclass(frozen=True, slots=True)
class Moved:
    """What went along: records and files, with what hangs below; ``cut``: links that were cut, as sentences."""

    records: int
    files: int
    cut: tuple[str, ...] = ()


class Moving:
    """One transaction from project to project."""

    def __init__(
        self,
        *,
        database: Database,
        store: DeletionStore,
        moves: MoveStore,
        reads: RecordReads,
        writes: RecordWrites,
        dictionaries: Dictionaries,
        guard: Guard,
        audit: Audit,
        now: Clock = utc_now,
    ) -> None:
        self._database = database
        self._store = store
        self._moves = moves
        self._reads = reads
        self._writes = writes
        self._dictionaries = dictionaries
        self._guard = guard
        self._audit = audit
        self._now = now

    async def move_and_change(
        self, principal: Principal, records: Records, source: Project, target: Project, put: Put
    ) -> PutResult:
        """Move a record (``put.uuid``) and change it there, both or neither; raises as ``move`` and ``Records.put``."""
        ref = put.uuid if isinstance(put.uuid, UUID) else UUID(put.uuid)
        done: list[PutResult] = []
        for lock in LOCKS:

            async def change(unit: Unit, lock: str = lock) -> None:
                done[:] = await records.put_in(unit, principal, target, [put], update_only=True, lock=lock)

            try:
                await self.move(principal, source, target, [ref], also=change)
            except Clash:
                continue
            return done[0]
        raise Unavailable("Others are writing the same records at this moment; nothing was written, try again.")

    async def move(
        self,
        principal: Principal,
        source: Project | int,
        target: Project | int,
        refs: Sequence[UUID | int] = (),
        *,
        files: Sequence[int] = (),
        also: Callable[[Unit], Awaitable[object]] | None = None,
    ) -> Moved:
        """Move records (with the results, fields and files below them) and files (by number) to another project.

        Files, also index records without bytes of ours, that only data files among these records name go along.

        Needs ``delete`` in ``source`` and ``create`` in ``target``. Links that would then cross projects are refused
        by name when one of the projects is strict (InvalidRows), and cut when both are open. Raises AlreadyExists for
        a name that the target has already, NotFound for what is not in the source, InvalidRows for records of an open
        project that the dictionary does not allow in a strict one. ``also`` is done in the same transaction, last.
        """
        if not refs and not files:
            raise Invalid("Name what is to be moved.")
        here, there = _seq(source), _seq(target)
        if here == there:
            raise Invalid("The two projects are the same.", field="target")
        async with self._database.begin() as unit:
            await self._store.lock_projects(unit, [here, there])
            old, new = await self._row(unit, here), await self._row(unit, there)
            await self._guard.require(unit, principal, Right.DELETE, project=old.project)
            await self._guard.require(unit, principal, Right.CREATE, project=new.project)
            if files and not await self._store.files_in(unit, files, old.seq):
                raise NotFound(f"There is no such file in {old.project_id}.")
            asked = await asked_records(self._reads, unit, old, refs) if refs else []
            going = await going_with(self._store, self._dictionaries, unit, old, asked) if asked else []
            seqs = [record.seq for record in going]
            if seqs:
                files = list({*files, *await self._moves.named_files(unit, seqs, old.seq)})
            names = {one.seq: f"{one.type.removeprefix('commensal.')} {one.submitter_id}" for one in going}
            crossing = await self._crossing(unit, old, names)
            if crossing and (old.strict or new.strict):
                raise InvalidRows(
                    f"Nothing was moved: {len(crossing)} links would lead from one project to another. {crossing[0]}",
                    crossing,
                )
            if new.strict and not old.strict:
                await self._refuse_breaches(unit, new, going)
            taken = await self._moves.taken(unit, seqs, there, files)
            if taken:
                raise AlreadyExists(
                    f"Nothing was moved: {new.project_id} has already {', '.join(taken[:5])}"
                    + (f" and {len(taken) - 5} more." if len(taken) > 5 else ".")
                )
            now = self._now().astimezone(UTC)
            moved = await self._moves.move(unit, seqs, files, here, there, principal.user, str(principal.door), now)
            for row, action in ((old, "records.move_out"), (new, "records.move_in")):
                await self._audit.write(
                    unit, principal, action, project=row.project, target=row.project_id, n=len(seqs) + moved,
                    details={"from": old.project_id, "to": new.project_id},
                )  # fmt: skip
            if also is not None:
                await also(unit)
        return Moved(len(seqs), moved, tuple(str(problem) for problem in crossing))

    async def _row(self, unit: Unit, seq: int) -> ProjectRow:
        row = await self._writes.project_by_seq(unit, seq, lock="update")
        if row is None:
            raise NotFound("There is no such project.")
        return row

    async def _refuse_breaches(self, unit: Unit, new: ProjectRow, going: Sequence[Record]) -> None:
        """Refuse records that lack, or hold, what the dictionary binds in a strict project."""
        plans = (await self._dictionaries.at(unit, new.dictionary)).plans
        links: dict[int, list[tuple[str, str]]] = {}
        for link in await self._store.links_from(unit, [record.seq for record in going]):
            links.setdefault(link.src, []).append((link.name, link.dst_type))
        by_type: dict[str, list[StoredRow]] = {}
        for record in going:
            by_type.setdefault(record.type, []).append(StoredRow(record, links.get(record.seq, [])))
        problems: list[Problem] = []
        for type_name, rows in by_type.items():
            plan = plans.stored(type_name)
            if plan is None or plan.node.system:
                continue
            odd = suspects(rows, plan)
            for place, row in enumerate(rows):
                found = breaches(row, plan, strict=True, suspect=place in odd)
                shown = f"{plan.label} {row.record.submitter_id}"
                problems += [
                    Problem(sentence, code="strict", field=key, record=shown) for key, sentence in found.sentences()
                ]
        if problems:
            raise InvalidRows(
                f"Nothing was moved: {new.project_id} is strict, and the dictionary does not allow these records "
                f"there as they are. {problems[0]}",
                problems,
            )

    async def _crossing(self, unit: Unit, old: ProjectRow, names: Mapping[int, str]) -> list[Problem]:
        """Return the links between what moves (``names``: how people call it, by number) and what stays."""
        seqs, going = list(names), set(names)
        found = [
            Problem(
                f"its link {link.name} leads to {link.dst_type.removeprefix('commensal.')} {link.dst_submitter_id}, "
                "which stays.",
                code="crossing_link",
                field=link.name,
                record=names.get(link.src),
            )
            for link in await self._store.links_from(unit, seqs)
            if link.dst not in going and link.dst != old.seq
        ]
        found += [
            Problem(
                f"stays, and its link {one.name} leads to what moves.",
                code="crossing_link",
                field=one.name,
                record=f"{one.type.removeprefix('commensal.')} {one.submitter_id}",
            )
            for one in await self._store.dependents(unit, seqs)
            if one.record not in going
        ]
        return found


def _seq(project: Project | int) -> int:
    return project if isinstance(project, int) else project.seq
