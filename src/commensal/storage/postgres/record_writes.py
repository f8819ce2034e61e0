"""Writing records: bounded statements whatever the number of rows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, cast
from uuid import UUID

import asyncpg
import msgspec

from commensal.core.audit import AuditEvent
from commensal.core.names import fold, polly_form
from commensal.core.permissions import PublicLevel
from commensal.core.projects import Mode, Program, Project, ProjectKind
from commensal.core.records import ProjectRow, Record, StoredLink, Target, Write
from commensal.storage.ports import Unit
from commensal.storage.ports.records import Allocation, Clash, LookUp, Stamp, TransactionRow
from commensal.storage.postgres.audit import event_sql, event_values
from commensal.storage.postgres.database import PgUnit, ended_when_lost, pg
from commensal.storage.postgres.record_rows import (
    HEADER,
    LINK_COLUMNS,
    RECORD_COLUMNS,
    TRAILER,
    VERSION_COLUMNS,
    first_version_rows,
    link_rows,
    record_rows,
    snapshot,
    version_rows,
)

__all__ = ["RECORD_LIST", "PgRecordWrites", "copy_binary", "record_of"]

#: All columns of a record as ``record_of`` reads them. JSON null in ``extra`` is a value, SQL null is none.
RECORD_LIST = (
    "r.seq, r.uuid, r.project, r.type, r.submitter_id, r.label, r.state, r.props, "
    "coalesce(r.extra, '{}'::jsonb) as extra, r.version, r.change, r.created, r.updated"
)

_PROJECT = (
    "select p.*, g.code as program_code, g.uuid as program_uuid, g.title as program_title, "
    "g.listed as program_listed, g.home_of as program_home_of, g.made_by as program_made_by, "
    "g.properties as program_properties, g.created as program_created, g.updated as program_updated, "
    "(select max(version) from dictionaries) as dictionary from projects p join programs g on g.seq = p.program "
)
_LOCKS = {"none": "", "share": "for share of p", "update": "for update of p"}

#: ``whole`` names get their values; targets only what a link needs. The type is compared outside (``offset 0``):
#: while a table was never analysed, the planner takes (project, type) to be as selective as the unique name, and
#: would read all records of the type for each name. By uuid, it would read the whole table for a thousand of them.
#: The project comes out of a subquery: of a number that it knows, and that is younger than the statistics, the planner
#: believes that it has one record, and reads all of its records for each name.
_NAMED = "select * from records n where n.project = (select $1::bigint) and n.sid_folded = w.folded offset 0"
_LOOK_UP = f"""
select {RECORD_LIST}, r.sid_folded, true as whole
  from unnest($2::text[], $3::text[]) as w (type, folded) cross join lateral ({_NAMED}) r where r.type = w.type
union all
select r.seq, r.uuid, r.project, r.type, r.submitter_id, null, '', null, null, 0, 0, null, null, r.sid_folded, false
  from unnest($4::text[], $5::text[]) as w (type, folded) cross join lateral ({_NAMED}) r where r.type = w.type
union all
select {RECORD_LIST}, r.sid_folded, true as whole
  from unnest($6::uuid[]) as w (uuid) cross join lateral (select * from records n where n.uuid = w.uuid offset 0) r
"""  # noqa: S608 - fixed names
#: Many names have a statement of their own, whose kept plan was never made for a table of a few rows.
_MANY = 500
_LOOK_UP_MANY = f"{_LOOK_UP}/* many */"

_LINKS = """
select l.src, l.name, l.dst, l.dst_project, l.dst_type, l.src_type,
       coalesce(r.uuid, p.uuid, g.uuid)::text as dst_uuid, coalesce(r.submitter_id, p.code, g.code) as dst_name
  from links l left join records r on r.seq = l.dst
  left join projects p on p.seq = l.dst and l.dst_type = 'project'
  left join programs g on g.seq = l.dst and l.dst_type = 'program'
 where l.src = any($1::bigint[])
union all
select src, name, dst, dst_project, dst_type, src_type, null, null
  from links where dst = any($2::bigint[]) and name = any($3::text[])
"""

#: Parameters stand in subqueries so that their values change no estimate, and the plan is kept (110 us a request).
#: Not so in ``_LOOK_UP``: a plan kept from an empty table would read a project's every record for each name.
_COUNTERS = """
counted as (insert into counters (project, type, n, change)
  select $1, type, n, 1
    from unnest((select $2::text[]), (select $3::bigint[])) with ordinality as w (type, n, i) order by i
  on conflict (project, type) do update set n = counters.n + excluded.n, change = counters.change + 1
  returning type, change),
numbers as (select nextval('commensal_seq') as v from generate_series(1, (select $4::bigint))),
span as (select min(v) as low, max(v) as high, count(*) as n,
  case when max(v) - min(v) + 1 = count(*) then null else array_agg(v order by v) end as every from numbers)
"""
_RESULT = """
  (select array_agg(type order by type) from counted) as types,
  (select array_agg(change order by type) from counted) as changes,
  (select low from span) as low, (select high from span) as high, (select every from span) as every
"""
_ALLOCATE = f"with {_COUNTERS} select null::bigint as transaction, {_RESULT}"
_ALLOCATE_LOGGED = f"""
with logged as (insert into transactions
    (program, project, project_seq, role, state, submitter, submitter_name, door, is_dry_run)
  values ($5, $6, $7, $8, $9, $10, $11, $12, $13) returning id),
{_COUNTERS} select (select id from logged) as transaction, {_RESULT}
"""  # noqa: S608 - fixed text

#: ``extra`` comes as text: null removes it, else it is the new value.
_UPDATE = """
update records r set submitter_id = w.submitter_id, sid_folded = w.folded, label = w.label, state = w.state,
  props = w.props::jsonb, extra = w.extra::jsonb, version = w.version, change = w.change, updated = $10
from unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::int[],
  $9::bigint[]) as w (seq, submitter_id, folded, label, state, props, extra, version, change)
where r.seq = w.seq and r.version = w.version - 1
"""

#: The same with the versions of what was changed, for a few; gives how many were.
_UPDATE_FEW = f"""
with changed as ({_UPDATE} returning r.seq, r.project, r.type, r.version),
kept as (insert into record_versions (project, seq, n, type, who, door, transaction, action, at, after)
  select c.project, c.seq, c.version, c.type, $11, $12, $13, $14, $10, v.after::json
  from unnest($1::bigint[], $15::text[]) as v (seq, after) join changed c on c.seq = v.seq)
select count(*) from changed
"""  # noqa: S608 - fixed text

#: New records, their links and first versions in one statement: what few records cost is the way there and back.
_INSERT_FEW = """
with made as (insert into records
    (project, type, seq, uuid, submitter_id, sid_folded, label, state, props, extra, version, change, created, updated)
  select $1, type, seq, uuid, sid, folded, label, state, props::jsonb, extra::jsonb, 1, change, $2, $2
  from unnest($3::text[], $4::bigint[], $5::uuid[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[],
    $11::text[], $12::bigint[])
    as w (type, seq, uuid, sid, folded, label, state, props, extra, change)),
linked as (insert into links (project, src, src_type, name, dst_project, dst, dst_type)
  select $1, src, src_type, name, dst_project, dst, dst_type
  from unnest($13::bigint[], $14::text[], $15::text[], $16::bigint[], $17::bigint[], $18::text[])
    as w (src, src_type, name, dst_project, dst, dst_type))
insert into record_versions (project, seq, n, type, who, door, transaction, action, at, after)
select $1, seq, 1, type, $19, $20, $21, 'create', $2, after::json
from unnest($3::text[], $4::bigint[], $22::text[]) as w (type, seq, after)
"""

#: The same with the counters and the numbers: everything that a few new records need.
_CREATE_FEW_ROWS = """
counted as (insert into counters (project, type, n, change)
  select $1, type, n, 1
    from unnest((select $20::text[]), (select $21::bigint[])) with ordinality as w (type, n, i) order by i
  on conflict (project, type) do update set n = counters.n + excluded.n, change = counters.change + 1
  returning type, change),
numbers as (select i, nextval('commensal_seq') as seq from generate_series(1, (select cardinality($3::text[]))) i),
fresh as (select w.i, w.type, n.seq, w.uuid, w.sid, w.folded, w.label, w.state, w.props, w.extra, w.after, c.change
  from unnest((select $3::text[]), (select $4::uuid[]), (select $5::text[]), (select $6::text[]), (select $7::text[]),
    (select $8::text[]), (select $9::text[]), (select $10::text[]), (select $11::text[]))
    with ordinality as w (type, uuid, sid, folded, label, state, props, extra, after, i)
  join numbers n on n.i = w.i join counted c on c.type = w.type),
made as (insert into records
    (project, type, seq, uuid, submitter_id, sid_folded, label, state, props, extra, version, change, created, updated)
  select $1, type, seq, uuid, sid, folded, label, state, props::jsonb, extra::jsonb, 1, change, $2, $2 from fresh),
linked as (insert into links (project, src, src_type, name, dst_project, dst, dst_type)
  select $1, f.seq, f.type, l.name, l.dst_project, l.dst, l.dst_type
  from unnest((select $12::bigint[]), (select $13::text[]), (select $14::bigint[]), (select $15::bigint[]),
    (select $16::text[])) as l (place, name, dst_project, dst, dst_type) join fresh f on f.i = l.place),
kept as (insert into record_versions (project, seq, n, type, who, door, transaction, action, at, after)
  select $1, seq, 1, type, $17, $18, {transaction}, 'create', $2, after::json from fresh)
select seq, change, {transaction} as transaction from fresh order by i
"""
_CREATE_FEW = "with" + _CREATE_FEW_ROWS.format(transaction="$19::bigint")
_CREATE_FEW_LOGGED = """
with logged as (insert into transactions
    (program, project, project_seq, role, state, submitter, submitter_name, door, is_dry_run)
  values ($19, $22, $23, $24, $25, $26, $27, $28, $29) returning id),
""" + _CREATE_FEW_ROWS.format(transaction="(select id from logged)")  # noqa: S608 - fixed text

_DOCUMENT = (
    "insert into transaction_documents (transaction, name, doc_format, doc, response) "
    "values ($1, $2, $3, $4, $5::text::json)"
)
_DOCUMENT_TOLD = f"with kept as ({_DOCUMENT} returning transaction) {event_sql(6, 'kept')}"

#: Up to how many new records go as one statement instead of by COPY.
SMALL = 8
#: COPY data is made and sent in pieces of this many rows.
_PIECE = 250

_encode = msgspec.json.Encoder().encode


def record_of(row: asyncpg.Record) -> Record:
    """Return the record in a row of RECORD_LIST."""
    return Record(
        row["seq"],
        row["uuid"],
        row["project"],
        row["type"],
        row["submitter_id"],
        row["label"],
        row["state"],
        row["props"],
        row["extra"],
        row["version"],
        row["change"],
        row["created"],
        row["updated"],
    )


async def copy_binary(
    unit: PgUnit,
    table: str,
    columns: Sequence[str],
    pieces: Iterable[bytes],
    meanwhile: Callable[[], None] | None = None,
) -> None:
    """Send rows that are in COPY's binary form already.

    Pieces are made one by one, while the database works on the ones before, and other requests have their turn between
    them. ``meanwhile`` runs after the last.
    """
    unit.sent(f"copy {table}")

    async def source() -> AsyncIterator[bytes]:
        yield HEADER
        for piece in pieces:
            yield piece
            await asyncio.sleep(0)
        if meanwhile is not None:
            meanwhile()
        yield TRAILER

    with ended_when_lost(unit.raw):
        await unit.raw.copy_to_table(table, columns=list(columns), source=source(), format="binary")  # pyright: ignore[reportUnknownMemberType]


class PgRecordWrites:
    """Implements ``ports.records.RecordWrites``."""

    async def project_of(self, unit: Unit, program: str, project: str, *, lock: str = "share") -> ProjectRow | None:
        """See the port."""
        row = await pg(unit).row(
            _PROJECT + "where g.code_folded = $1 and p.polly_code = $2 " + _LOCKS[lock],
            fold(program),
            polly_form(project),
        )
        found = _project_row(row)
        return found if found is not None and fold(found.code) == fold(project) else None

    async def project_by_seq(self, unit: Unit, seq: int, *, lock: str = "share") -> ProjectRow | None:
        """See the port."""
        return _project_row(await pg(unit).row(_PROJECT + "where p.seq = $1 " + _LOCKS[lock], seq))

    async def project_by_uuid(self, unit: Unit, uuid: UUID, *, lock: str = "share") -> ProjectRow | None:
        """See the port."""
        return _project_row(await pg(unit).row(_PROJECT + "where p.uuid = $1 " + _LOCKS[lock], uuid))

    async def program_exists(self, unit: Unit, program: str) -> bool:
        """See the port."""
        return bool(await pg(unit).value("select 1 from programs where code_folded = $1", fold(program)))

    async def look_up(
        self,
        unit: Unit,
        project: int,
        whole: Mapping[str, Mapping[str, Any]],
        names: Mapping[str, Mapping[str, Any]],
        uuids: Sequence[str],
    ) -> LookUp:
        """See the port."""
        types, folded = _flat(whole)
        target_types, target_names = _flat(names)
        text = _LOOK_UP if len(types) + len(target_types) + len(uuids) < _MANY else _LOOK_UP_MANY
        rows = await pg(unit).rows(text, project, types, folded, target_types, target_names, uuids)
        found = LookUp([], [])
        for row in rows:
            found.targets.append(Target(row["seq"], str(row["uuid"]), row["type"], row["project"], row["submitter_id"]))
            if row["whole"]:
                found.records.append(record_of(row))
        return found

    async def links_of(
        self, unit: Unit, sources: Sequence[int], targets: Sequence[int], names: Sequence[str]
    ) -> tuple[list[StoredLink], list[tuple[int, str, str, int]]]:
        """See the port."""
        rows = await pg(unit).rows(_LINKS, sources, targets, names)
        own: list[StoredLink] = []
        others: list[tuple[int, str, str, int]] = []
        for row in rows:
            if row["dst_uuid"] is None:
                others.append((row["dst"], row["name"], row["src_type"], row["src"]))
            else:
                own.append(
                    StoredLink(
                        row["src"],
                        row["name"],
                        row["dst"],
                        row["dst_project"],
                        row["dst_type"],
                        row["dst_uuid"],
                        row["dst_name"],
                    )
                )
        return own, others

    async def allocate(
        self, unit: Unit, project: int, counts: Mapping[str, int], new: int, log: TransactionRow | None
    ) -> Allocation:
        """See the port."""
        types = sorted(counts)
        values: list[object] = [project, types, [counts[name] for name in types], new]
        if log is None:
            row = await pg(unit).row(_ALLOCATE, *values)
        else:
            row = await pg(unit).row(
                _ALLOCATE_LOGGED,
                *values,
                *_log_values(log),
            )
        assert row is not None
        every = row["every"]
        seqs = every if every is not None else range(row["low"] or 0, (row["high"] or -1) + 1)
        return Allocation(row["transaction"], dict(zip(row["types"] or (), row["changes"] or (), strict=True)), seqs)

    async def insert(
        self, unit: Unit, stamp: Stamp, writes: Sequence[Write], meanwhile: Callable[[], None] | None = None
    ) -> None:
        """See the port."""
        own = pg(unit)
        try:
            if len(writes) <= SMALL:
                if writes:
                    await _insert_few(own, stamp, writes)
                if meanwhile is not None:
                    meanwhile()
                return
            slices = [writes[start : start + _PIECE] for start in range(0, len(writes), _PIECE)]
            texts: list[list[bytes]] = []

            def records() -> Iterator[bytes]:
                for part in slices:
                    rows, props = record_rows(stamp, part)
                    texts.append(props)
                    yield rows

            await copy_binary(own, "records", RECORD_COLUMNS, records())
        except asyncpg.UniqueViolationError as error:
            raise Clash(str(error)) from error
        versions = (first_version_rows(stamp, part, props) for part, props in zip(slices, texts, strict=True))
        await copy_binary(own, "record_versions", VERSION_COLUMNS, versions, meanwhile)
        if any(write.added for write in writes):
            await copy_binary(own, "links", LINK_COLUMNS, (link_rows(stamp, part) for part in slices))

    async def create(
        self,
        unit: Unit,
        stamp: Stamp,
        counts: Mapping[str, int],
        writes: Sequence[Write],
        log: TransactionRow | None = None,
    ) -> tuple[int | None, Sequence[tuple[int, int]]]:
        """See the port."""
        links = [(place, name, target) for place, write in enumerate(writes, 1) for name, target in write.added]
        types = sorted(counts)
        logged = (stamp.transaction,) if log is None else _log_values(log)
        try:
            rows = await pg(unit).rows(
                _CREATE_FEW if log is None else _CREATE_FEW_LOGGED,
                stamp.project,
                stamp.at,
                [write.type for write in writes],
                [write.uuid for write in writes],
                [write.submitter_id for write in writes],
                [write.folded for write in writes],
                [write.label for write in writes],
                [write.state for write in writes],
                [_encode(write.props).decode() for write in writes],
                [None if write.extra == {} else _encode(write.extra).decode() for write in writes],
                [snapshot(write).decode() for write in writes],
                [place for place, _, _ in links],
                [name for _, name, _ in links],
                [target.project for _, _, target in links],
                [target.seq for _, _, target in links],
                [target.type for _, _, target in links],
                stamp.who,
                stamp.door,
                logged[0],
                types,
                [counts[name] for name in types],
                *logged[1:],
            )
        except asyncpg.UniqueViolationError as error:
            raise Clash(str(error)) from error
        return rows[0]["transaction"], [(row["seq"], row["change"]) for row in rows]

    async def update(self, unit: Unit, stamp: Stamp, writes: Sequence[Write], action: str = "update") -> None:
        """See the port."""
        if not writes:
            return
        own = pg(unit)
        values: list[object] = [
            [write.seq for write in writes],
            [write.submitter_id for write in writes],
            [write.folded for write in writes],
            [write.label for write in writes],
            [write.state for write in writes],
            [_encode(write.props).decode() for write in writes],
            [None if write.extra == {} else _encode(write.extra).decode() for write in writes],
            [write.version for write in writes],
            [stamp.changes[write.type] for write in writes],
            stamp.at,
        ]
        few = len(writes) <= SMALL
        try:
            if few:
                texts = [snapshot(write).decode() for write in writes]
                more = (stamp.who, stamp.door, stamp.transaction, action, texts)
                changed = await own.value(_UPDATE_FEW, *values, *more)
            else:
                changed = await own.run(_UPDATE, *values)
            if changed != len(writes):
                raise Clash("a record was changed or deleted in between")
            removed = [(write.seq, name, dst) for write in writes for name, dst in write.removed]
            if removed:
                await own.run(
                    "delete from links using unnest($1::bigint[], $2::text[], $3::bigint[]) as w (src, name, dst) "
                    "where links.src = w.src and links.name = w.name and links.dst = w.dst",
                    *(list(column) for column in zip(*removed, strict=True)),
                )
            links = link_rows(stamp, writes)
            if links:
                await copy_binary(own, "links", LINK_COLUMNS, [links])
            if not few:
                await copy_binary(own, "record_versions", VERSION_COLUMNS, [version_rows(stamp, writes, action)])
        except asyncpg.UniqueViolationError as error:
            raise Clash(str(error)) from error

    async def log_document(
        self,
        unit: Unit,
        transaction: int,
        name: str | None,
        doc_format: str,
        doc: str,
        response: str,
        event: AuditEvent | None = None,
    ) -> None:
        """See the port."""
        values = (transaction, name, doc_format, doc, response)
        if event is None:
            await pg(unit).run(_DOCUMENT, *values)
        else:
            await pg(unit).run(_DOCUMENT_TOLD, *values, *event_values(event))

    async def known_codes(self, unit: Unit, polly: Sequence[str], uuids: Sequence[str]) -> set[str]:
        """See the port."""
        rows = await pg(unit).rows(
            "select code, uuid::text as uuid from projects "
            "where polly_code = any($1::text[]) or uuid = any($2::uuid[])",
            polly,
            uuids,
        )
        return {fold(cast("str", row["code"])) for row in rows} | {cast("str", row["uuid"]) for row in rows}


def _log_values(log: TransactionRow) -> tuple[object, ...]:
    return (
        log.program,
        log.project,
        log.project_seq,
        log.role,
        log.state,
        log.submitter,
        log.submitter_name,
        log.door,
        log.is_dry_run,
    )


async def _insert_few(own: PgUnit, stamp: Stamp, writes: Sequence[Write]) -> None:
    links = [(write, name, target) for write in writes for name, target in write.added]
    await own.run(
        _INSERT_FEW,
        stamp.project,
        stamp.at,
        [write.type for write in writes],
        [write.seq for write in writes],
        [write.uuid for write in writes],
        [write.submitter_id for write in writes],
        [write.folded for write in writes],
        [write.label for write in writes],
        [write.state for write in writes],
        [_encode(write.props).decode() for write in writes],
        [None if write.extra == {} else _encode(write.extra).decode() for write in writes],
        [stamp.changes[write.type] for write in writes],
        [write.seq for write, _, _ in links],
        [write.type for write, _, _ in links],
        [name for _, name, _ in links],
        [target.project for _, _, target in links],
        [target.seq for _, _, target in links],
        [target.type for _, _, target in links],
        stamp.who,
        stamp.door,
        stamp.transaction,
        [snapshot(write).decode() for write in writes],
    )


def _flat(names: Mapping[str, Mapping[str, Any]]) -> tuple[list[str], list[str]]:
    types: list[str] = []
    folded: list[str] = []
    for type_name, wanted in names.items():
        types += [type_name] * len(wanted)
        folded += wanted
    return types, folded


def _project_row(row: asyncpg.Record | None) -> ProjectRow | None:
    if row is None:
        return None
    project = Project(
        seq=row["seq"],
        uuid=row["uuid"],
        program=row["program"],
        program_code=row["program_code"],
        code=row["code"],
        polly_code=row["polly_code"],
        title=row["title"],
        kind=ProjectKind(row["kind"]),
        mode=Mode(row["mode"]),
        public_level=PublicLevel(row["public_level"]),
        state=row["state"],
        released=row["released"],
        properties=row["properties"],
        extra=row["extra"],
        made_by=row["made_by"],
        change=row["change"],
        created=row["created"],
        updated=row["updated"],
    )
    program = Program(
        seq=row["program"],
        uuid=row["program_uuid"],
        code=row["program_code"],
        title=row["program_title"],
        listed=row["program_listed"],
        home_of=row["program_home_of"],
        made_by=row["program_made_by"],
        properties=row["program_properties"],
        created=row["program_created"],
        updated=row["program_updated"],
    )
    return ProjectRow(project, program, row["dictionary"] or 0)
