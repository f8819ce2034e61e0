"""Records for the doors other than Gen3 and for the portal: put, get, find, list, count, versions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

import msgspec

from commensal.core.conformity import breaches, suspects
from commensal.core.entities import NOTHING, Entity, Reading, read_entities
from commensal.core.free_metadata import read, refuse_unstorable
from commensal.core.ids import is_uuid
from commensal.core.names import fold
from commensal.core.permissions import Right
from commensal.core.plans import TypePlan
from commensal.core.principals import Principal
from commensal.core.projects import Project, ProjectKind
from commensal.core.puts import Put, PutResult, stored_type, to_entity
from commensal.core.records import Linked, Page, ProjectRow, Record, RecordVersion
from commensal.errors import BadRequest, InvalidRows, NotFound, Problem, Unavailable
from commensal.services.audit import Audit
from commensal.services.clock import Clock, utc_now
from commensal.services.dictionaries import Dictionaries
from commensal.services.guard import Guard
from commensal.services.record_pipeline import prepare, rules_for, write
from commensal.storage.ports import Database, Unit
from commensal.storage.ports.records import Clash, RecordReads, RecordWrites

__all__ = ["Records"]

#: Most records that one page shows.
PAGE_LIMIT = 10_000
#: How a put locks its project, attempt by attempt (as ``services.submission``).
LOCKS = ("share", "share", "update", "update")


class Records:
    """One project's records as every door sees them."""

    def __init__(
        self,
        *,
        database: Database,
        reads: RecordReads,
        writes: RecordWrites,
        dictionaries: Dictionaries,
        guard: Guard,
        audit: Audit,
        now: Clock = utc_now,
    ) -> None:
        self._database = database
        self._reads = reads
        self._writes = writes
        self._dictionaries = dictionaries
        self._guard = guard
        self._audit = audit
        self._now = now

    # --- writing ----------------------------------------------------------------------------------

    async def put(
        self,
        principal: Principal,
        project: Project | int,
        items: Sequence[Put],
        *,
        create_only: bool = False,
        update_only: bool = False,
    ) -> list[PutResult]:
        """Write records, all or none, in one transaction and a bounded number of statements.

        Needs ``create`` for new records and ``update`` for changed ones. Raises InvalidRows that names every bad item
        by its place (``row`` from 1) and field. ``update_only`` refuses items that are not there yet.
        """
        for attempt, lock in enumerate(LOCKS):
            try:
                async with self._database.begin() as unit:
                    return await self.put_in(
                        unit, principal, project, items, create_only=create_only, update_only=update_only, lock=lock,
                        unseen=create_only and not attempt,
                    )  # fmt: skip
            except Clash:
                continue
        raise Unavailable("Others are writing the same records at this moment; nothing was written, try again.")

    async def add(
        self, principal: Principal, project: UUID, items: Sequence[Put]
    ) -> tuple[ProjectRow, list[PutResult]]:
        """Make new records in the project of this uuid, all or none; returns the project, with its program, too.

        Raises NotFound for no project, or a collection, which has no records of its own, and as ``put``.
        """
        for attempt, lock in enumerate(LOCKS):
            try:
                async with self._database.begin() as unit:
                    await self._guard.access(unit, principal)
                    row = await self._writes.project_by_uuid(unit, project, lock=lock)
                    if row is None or row.project.kind is ProjectKind.COLLECTION:
                        raise NotFound("There is no such project.")
                    done = await self._put(
                        unit, principal, row, items, create_only=True, update_only=False, unseen=not attempt
                    )
                    return row, done
            except Clash:
                continue
        raise Unavailable("Others are writing the same records at this moment; nothing was written, try again.")

    async def put_in(
        self,
        unit: Unit,
        principal: Principal,
        project: Project | int,
        items: Sequence[Put],
        *,
        create_only: bool = False,
        update_only: bool = False,
        lock: str = "share",
        unseen: bool = False,
    ) -> list[PutResult]:
        """Do as :meth:`put` inside a caller's transaction. Raises ``Clash`` when another writer was faster: begin
        the whole transaction again. ``lock`` is that of the project's row: ``update`` keeps other writers out.
        ``unseen``, for a first try with ``create_only``: a name that is taken is a Clash, which saves a look.
        """
        row = await self._project(unit, project, lock=lock)
        return await self._put(
            unit, principal, row, items, create_only=create_only, update_only=update_only, unseen=unseen
        )

    async def _put(
        self,
        unit: Unit,
        principal: Principal,
        row: ProjectRow,
        items: Sequence[Put],
        *,
        create_only: bool,
        update_only: bool,
        unseen: bool,
    ) -> list[PutResult]:
        held = await self._guard.rights(unit, principal, project=row.project)
        if not held & (Right.CREATE | Right.UPDATE):
            await self._guard.require(unit, principal, Right.CREATE, project=row.project)
        used = await self._dictionaries.at(unit, row.dictionary)
        rules = rules_for(principal, row, create_only=create_only, relaxed=None)
        problems: list[Problem] = []
        reading = Reading()
        groups: dict[str, tuple[TypePlan, list[Entity]]] = {}
        for index, item in enumerate(items):
            entity = to_entity(index, item, used.plans)
            if isinstance(entity, str):
                problems.append(Problem(entity, row=index + 1, field="type", record=item.submitter_id))
                continue
            reading.entities.append(entity)
            groups.setdefault(entity.type, (entity.plan, []))[1].append(entity)
        if _suspicious(items):
            _refuse_unstorable(items)
        read_entities(reading, groups, row, relaxed=rules.relaxed, create_only=create_only, suspicious=False)
        await prepare(self._writes, unit, row, reading, rules, used.plans, unseen=unseen)
        needed = Right(0)
        for entity in reading.entities:
            needed |= Right.CREATE if entity.action == "create" else Right.UPDATE if entity.action else Right(0)
            if update_only and entity.action == "create":
                entity.error(["submitter_id"], "There is no such record in this project.", "NOT_FOUND")
        if needed:
            await self._guard.require(unit, principal, needed, project=row.project)
        problems += _problems(reading)
        if problems:
            problems.sort(key=lambda problem: problem.row or 0)
            count = len({problem.row for problem in problems})
            raise InvalidRows(
                f"{count} of {len(items)} records cannot be written; nothing was changed. {problems[0]}", problems
            )
        now = self._now().astimezone(UTC)
        await write(self._writes, unit, row, reading.entities, principal, now, None)
        changed = sum(1 for entity in reading.entities if not entity.unchanged)
        if changed:
            await self._audit.write(
                unit, principal, "records.put", project=row.project, target=row.project_id, n=changed
            )
        return [_done(entity, now) for entity in reading.entities]

    # --- reading ----------------------------------------------------------------------------------

    async def get(self, principal: Principal, ref: UUID | int | str, *, right: Right = Right.READ) -> Record:
        """Return a record by uuid or number; NotFound when there is none."""
        async with self._database.read() as unit:
            record = await self._one(unit, ref)
            row = await self._project(unit, record.project, lock="none")
            await self._guard.require(unit, principal, right, project=row.project)
            if await self._hidden(unit, principal, row.project, [record.seq]):
                await self._guard.require(unit, principal, Right.READ, project=row.project, by_grant_only=True)
        await self._audit.read(principal, "records.read", project=row.project, target=str(record.uuid))
        return record

    async def many(self, principal: Principal, refs: Sequence[UUID | int]) -> list[Record]:
        """Return those of these records (uuids or numbers) that exist and that the caller may read."""
        async with self._database.read() as unit:
            seqs = [ref for ref in refs if isinstance(ref, int)]
            uuids = [str(ref) for ref in refs if isinstance(ref, UUID)]
            found = await self._reads.by_seqs(unit, seqs) if seqs else []
            found += await self._reads.by_uuids(unit, uuids) if uuids else []
            access = await self._guard.access(unit, principal)
            scope, granted = access.scope(Right.READ), access.scope(Right.READ, by_grant_only=True)
            projects = await self._reads.projects(unit, list({record.project for record in found}))
            allowed, own = (
                {
                    seq
                    for seq, (program, level) in projects.items()
                    if one.covers(program=program, project=seq, public_level=level)
                }
                for one in (scope, granted)
            )
            asked = [record.seq for record in found if record.project in allowed - own]
            hidden = await self._reads.private_among(unit, asked) if asked else set[int]()
        return [record for record in found if record.project in allowed and record.seq not in hidden]

    async def find(
        self, principal: Principal, project: Project | int, type_name: str, submitter_id: str
    ) -> Record | None:
        """Return the record of this type (or role) and name in a project, or None."""
        found = await self.find_many(principal, project, type_name, [submitter_id])
        return found[0] if found else None

    async def find_many(
        self, principal: Principal, project: Project | int, type_name: str, submitter_ids: Sequence[str]
    ) -> list[Record]:
        """Return the records of this type (or all that a role reads) and these names, in any order."""
        async with self._database.read() as unit:
            row = await self._readable(unit, principal, project)
            types = await self._types(unit, [type_name])
            folded = [fold(name) for name in submitter_ids]
            found = await self._reads.by_names(unit, row.seq, types, folded)
            hidden = await self._hidden(unit, principal, row.project, [record.seq for record in found])
            found = [record for record in found if record.seq not in hidden]
        await self._audit.read(principal, "records.read", project=row.project, n=len(found))
        return found

    async def page(
        self,
        principal: Principal,
        project: Project | int,
        types: Sequence[str] | None = None,
        *,
        search: str = "",
        offset: int = 0,
        limit: int = 50,
    ) -> Page:
        """Return one page of a project's records, of some types or roles (None: all), in order of making.

        ``search`` is a piece of the submitter_id or the label, without case.
        """
        offset, limit = max(0, offset), max(1, min(limit, PAGE_LIMIT))
        async with self._database.read() as unit:
            row = await self._readable(unit, principal, project)
            names = None if types is None else await self._types(unit, types)
            rows, total = await self._reads.page(unit, row.seq, names, search=search, offset=offset, limit=limit)
            hidden = await self._hidden(unit, principal, row.project, [record.seq for record in rows])
            rows = [record for record in rows if record.seq not in hidden]
        await self._audit.read(principal, "records.list", project=row.project, n=len(rows))
        return Page(rows, total, offset, limit)

    async def counts(self, principal: Principal, project: Project | int) -> dict[str, int | None]:
        """Return the number of records by stored type; None where it is too small for a caller who may only count."""
        async with self._database.read() as unit:
            row = await self._project(unit, project, lock="none")
            held = await self._guard.require(unit, principal, Right.AGGREGATE, project=row.project)
            found = await self._reads.counts(unit, [row.seq])
        return {name: self._guard.shown(held, n) for name, n in found.get(row.seq, {}).items()}

    async def links(self, principal: Principal, project: Project | int, record: Record) -> list[Linked]:
        """Return what a record is linked with, both ways: links that start here first."""
        async with self._database.read() as unit:
            row = await self._of(unit, principal, project, record)
            found = (await self._reads.links(unit, [record.seq])).get(record.seq, [])
            hidden = await self._hidden(unit, principal, row.project, [record.seq, *(one.seq for one in found)])
        return [] if record.seq in hidden else [one for one in found if one.seq not in hidden]

    async def links_of(
        self, principal: Principal, project: Project | int, records: Sequence[Record]
    ) -> dict[int, list[Linked]]:
        """Return the same for many records of one project, by their numbers; one statement."""
        async with self._database.read() as unit:
            row = await self._readable(unit, principal, project)
            if any(record.project != row.seq for record in records):
                raise NotFound("There is no such record in this project.")
            found = await self._reads.links(unit, [record.seq for record in records])
            every = [*found, *(one.seq for links in found.values() for one in links)]
            hidden = await self._hidden(unit, principal, row.project, every)
        return {
            seq: [one for one in links if one.seq not in hidden] for seq, links in found.items() if seq not in hidden
        }

    async def versions(self, principal: Principal, project: Project | int, record: Record) -> list[RecordVersion]:
        """Return a record's history, oldest first, with what it was before and after each step."""
        async with self._database.read() as unit:
            row = await self._of(unit, principal, project, record)
            if await self._hidden(unit, principal, row.project, [record.seq]):
                await self._guard.require(unit, principal, Right.READ, project=row.project, by_grant_only=True)
            return await self._reads.versions(unit, record.seq)

    async def metadata(self, record: Record) -> Any:
        """Return a record's metadata as doors show it: set properties and free metadata as one value."""
        node = (await self._dictionaries.current()).dictionary.find(record.type)
        if node is None:
            extra = record.extra
            return {**cast("dict[str, Any]", extra), **record.props} if isinstance(extra, dict) else extra
        return read(node, record.props, record.extra)

    # --- strict -----------------------------------------------------------------------------------

    async def strict_violations(self, unit: Unit, project: Project) -> list[Problem]:
        """Return everything in a project that the dictionary would refuse if it were strict, by record and field.

        Reads as a stream, in flat memory but for the problems; ``unit`` must be in a transaction.
        """
        plans = (await self._dictionaries.current(unit)).plans
        problems: list[Problem] = []
        async for chunk in self._reads.stream(unit, project.seq):
            for start, end in _runs([row.record.type for row in chunk]):
                rows = chunk[start:end]
                plan = plans.stored(rows[0].record.type)
                if plan is None or plan.node.system:
                    continue
                odd = suspects(rows, plan)
                for position, row in enumerate(rows):
                    found = breaches(row, plan, strict=True, suspect=position in odd)
                    shown = f"{plan.label} {row.record.submitter_id}"
                    problems += [
                        Problem(sentence, code="strict", field=key, record=shown) for key, sentence in found.sentences()
                    ]
        return problems

    # --- helpers ----------------------------------------------------------------------------------

    async def _project(self, unit: Unit, project: Project | int, *, lock: str = "share") -> ProjectRow:
        seq = project if isinstance(project, int) else project.seq
        row = await self._writes.project_by_seq(unit, seq, lock=lock)
        if row is None:
            raise NotFound("There is no such project.")
        return row

    async def _readable(self, unit: Unit, principal: Principal, project: Project | int) -> ProjectRow:
        row = await self._project(unit, project, lock="none")
        await self._guard.require(unit, principal, Right.READ, project=row.project)
        return row

    async def _of(self, unit: Unit, principal: Principal, project: Project | int, record: Record) -> ProjectRow:
        row = await self._readable(unit, principal, project)
        if record.project != row.seq:
            raise NotFound("There is no such record in this project.")
        return row

    async def _hidden(self, unit: Unit, principal: Principal, project: Project, seqs: Sequence[int]) -> set[int]:
        """Return which of these records of a readable project the caller has no grant to see; mostly no statement."""
        if not seqs:
            return set()
        held = await self._guard.rights(unit, principal, project=project, by_grant_only=True)
        return set() if held & Right.READ else await self._reads.private_among(unit, seqs)

    async def _one(self, unit: Unit, ref: UUID | int | str) -> Record:
        if isinstance(ref, str) and not is_uuid(ref):
            raise NotFound(f"There is no record {ref[:80]!r}.")
        found = await (
            self._reads.by_seqs(unit, [ref]) if isinstance(ref, int) else self._reads.by_uuids(unit, [str(ref)])
        )
        if not found:
            raise NotFound(f"There is no record {ref}.")
        return found[0]

    async def _types(self, unit: Unit, names: Sequence[str]) -> list[str]:
        """Return stored type names; a role stands for all types it reads, an unknown name for itself."""
        dictionary = (await self._dictionaries.current(unit)).dictionary
        found: dict[str, None] = {}
        for name in names:
            role = dictionary.roles.get(name)
            if role is not None:
                found.update(dict.fromkeys(role.read))
            else:
                found[stored_type(dictionary, name) or name] = None
        return list(found)


def _done(entity: Entity, now: datetime) -> PutResult:
    before = entity.before
    return PutResult(
        entity.seq,
        UUID(entity.uuid),
        entity.type,
        entity.submitter_id,
        entity.action == "create",
        not entity.unchanged,
        now if before is None else before.created,
        now if before is None or not entity.unchanged else before.updated,
        entity.label,
        entity.state,
        entity.props,
        entity.extra,
        entity.version if before is None or not entity.unchanged else before.version,
    )


def _suspicious(items: Sequence[Put]) -> bool:
    try:
        encoded = msgspec.json.encode(items)
    except (UnicodeEncodeError, TypeError, ValueError, OverflowError, RecursionError):
        return True
    return b"\\u0000" in encoded or b"null" in encoded


def _refuse_unstorable(items: Sequence[Put]) -> None:
    """Refuse U+0000, half surrogate pairs and what is no JSON value (design, "Free metadata" 6)."""
    for place, item in enumerate(items, 1):
        label = None if item.label is NOTHING else item.label
        metadata = None if item.metadata is NOTHING else item.metadata
        texts = (("submitter_id", item.submitter_id), ("label", label), *item.properties.items())
        for name, value in (*texts, ("metadata", metadata)):
            try:
                refuse_unstorable(value)
            except BadRequest as error:
                raise type(error)(f"Row {place}: {error.message}", field=name) from error


def _problems(reading: Reading) -> list[Problem]:
    problems = [
        Problem(
            error.message,
            code=error.type.lower(),
            row=entity.index + 1,
            field=error.keys[0] if error.keys else None,
            record=entity.submitter_id or None,
        )
        for entity in reading.entities
        for error in entity.errors
    ]
    for error in reading.transactional:
        message = error if isinstance(error, str) else error.message
        problems.append(Problem(message, code="not_unique", row=1, field="submitter_id"))
    return problems


def _runs(names: Sequence[str]) -> list[tuple[int, int]]:
    """Return the (start, end) of stretches of equal names."""
    runs: list[tuple[int, int]] = []
    start = 0
    for place in range(1, len(names) + 1):
        if place == len(names) or names[place] != names[start]:
            runs.append((start, place))
            start = place
    return runs
