"""Bringing a deletion back whole, and forgetting it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import asyncpg

from commensal.errors import Conflict
from commensal.storage.ports import Unit
from commensal.storage.postgres.database import PgUnit, pg
from commensal.storage.postgres.files import FILE_COUNTER
from commensal.storage.postgres.record_versions import add_versions

__all__ = ["PgUndelete", "columns_of"]

#: Tables with a ``deleted_`` twin, in the order in which rows can come back (what is referred to first).
TABLES: Final = (
    *("programs", "catalog_objects", "catalog_object_versions", "projects", "grants"),
    *("links", "members", "files", "file_aliases"),
)
_COLUMNS = """
select c.relname, string_agg(a.attname, ', ' order by a.attnum) as names from pg_attribute a
  join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
 where c.relname = any($1::text[]) and n.nspname = current_schema() and a.attnum > 0 and not a.attisdropped
 group by c.relname
"""
_known: dict[str, str] = {}

#: What stands where a row should come back, or is missing for it; each select gives sentences.
_IN_THE_WAY = (
    (
        "select 'the name of ' || d.type || ' ' || d.submitter_id || ' is now that of the record ' || r.uuid "
        "from deleted_records d join records r on r.project = d.project and r.type = d.type "
        "and r.sid_folded = d.sid_folded where d.deletion = $1"
    ),
    (
        "select 'the id of ' || d.type || ' ' || d.submitter_id || ' (' || d.uuid || ') is now that of ' || r.type "
        "|| ' ' || r.submitter_id from deleted_records d join records r on r.uuid = d.uuid where d.deletion = $1 "
        "and (r.project, r.type, r.sid_folded) is distinct from (d.project, d.type, d.sid_folded)"
    ),
    (
        "select distinct 'the project it was in (number ' || d.project || ') is deleted itself' "
        "from deleted_records d where d.deletion = $1 "
        "and not exists (select from projects p where p.seq = d.project) "
        "and not exists (select from deleted_projects p where p.seq = d.project and p.deletion = $1)"
    ),
    (
        "select 'the file path ' || d.path || ' is now that of the file ' || f.uuid from deleted_files d "
        "join files f on f.project = d.project and f.path = d.path where d.deletion = $1"
    ),
    (
        "select 'the id of file ' || d.path || ' (' || d.uuid || ') is now that of the file ' || f.path "
        "from deleted_files d join files f on f.uuid = d.uuid where d.deletion = $1"
    ),
    (
        "select 'the alias ' || d.alias || ' is now that of the file ' || f.uuid from deleted_file_aliases d "
        "join file_aliases a on a.alias = d.alias join files f on f.seq = a.file where d.deletion = $1"
    ),
    (
        "select distinct 'the project of a file (number ' || d.project || ') is deleted itself' "
        "from deleted_files d where d.deletion = $1 and not exists (select from projects p where p.seq = d.project) "
        "and not exists (select from deleted_projects p where p.seq = d.project and p.deletion = $1)"
    ),
    (
        "select 'the code of project ' || d.code || ' is now that of project ' || p.code || ' (number ' || p.seq "
        "|| ')' from deleted_projects d join projects p on p.polly_code = d.polly_code where d.deletion = $1"
    ),
    (
        "select 'the id of project ' || d.code || ' is now that of project ' || p.code from deleted_projects d "
        "join projects p on p.uuid = d.uuid where d.deletion = $1 and p.polly_code <> d.polly_code"
    ),
    (
        "select distinct 'the program of project ' || d.code || ' is deleted itself' from deleted_projects d "
        "where d.deletion = $1 and not exists (select from programs g where g.seq = d.program) "
        "and not exists (select from deleted_programs g where g.seq = d.program and g.deletion = $1)"
    ),
    (
        "select 'the code, title or id of program ' || d.code || ' is now that of program ' || g.code "
        "from deleted_programs d join programs g on g.code_folded = d.code_folded or g.title_folded = d.title_folded "
        "or g.uuid = d.uuid where d.deletion = $1"
    ),
    (
        "select 'the record at the other end of a link ' || l.name || ' (number ' || e.seq || ') is deleted too"
        "' || coalesce(': bring deletion ' || (select max(x.deletion) from deleted_records x where x.seq = e.seq) "
        "|| ' back first', '') "
        "from deleted_links l cross join lateral (values (l.src, 'record'), (l.dst, l.dst_type)) as e (seq, type) "
        "where l.deletion = $1 and e.type not in ('project', 'program') "
        "and not exists (select from records r where r.seq = e.seq) "
        "and not exists (select from deleted_records x where x.seq = e.seq and x.deletion = $1)"
    ),
    (
        "select r.type || ' ' || r.submitter_id || ' points at another ' || l.dst_type || ' by ' || l.name || ' now' "
        "from deleted_links l join records r on r.seq = l.src join links now on now.src = l.src and now.name = l.name "
        "join unnest($2::text[], $3::text[]) as w (type, name) on w.type = l.src_type and w.name = l.name "
        "where l.deletion = $1"
    ),
)
_WAY = " union all ".join(
    f"({sql} and $2::text[] is not null and $3::text[] is not null limit 20)" for sql in _IN_THE_WAY
)

_COUNT = """
with back as (select project, type, count(*) as n from deleted_records where deletion = $1 group by project, type),
touched as (select distinct r.seq, r.project, r.type from deleted_links l join records r on r.seq = l.src
  where l.deletion = $1),
wanted as (select project, type, sum(n)::bigint as n from (
    select project, type, n from back union all select project, type, 0 from touched) t group by project, type),
counted as (insert into counters (project, type, n, change)
  select project, type, n, 1 from wanted order by project, type
  on conflict (project, type) do update set n = counters.n + excluded.n, change = counters.change + 1
  returning project, type, change)
select project, type, change, (select array_agg(seq) from touched) as touched from counted
"""
_RECORDS = """
with gone as (delete from deleted_records where deletion = $1 returning *)
insert into records (project, type, seq, uuid, submitter_id, sid_folded, label, state, props, extra, version, change,
  created, updated)
select gone.project, gone.type, gone.seq, gone.uuid, submitter_id, sid_folded, label, state, props, extra,
  version + 2, w.change, created, $5
from gone join unnest($2::bigint[], $3::text[], $4::bigint[]) as w (project, type, change) using (project, type)
returning seq
"""
_TOUCH = """
update records r set version = version + 1, change = w.change, updated = $5
from unnest($2::bigint[], $3::text[], $4::bigint[]) as w (project, type, change)
where r.seq = any($1::bigint[]) and r.project = w.project and r.type = w.type
"""
_FILES = f"""
with counted as (insert into counters (project, type, n, change)
  select distinct project, '{FILE_COUNTER}', 0, 1 from files where seq = any($1::bigint[]) order by project
  on conflict (project, type) do update set change = counters.change + 1 returning project, change)
update files f set change = counted.change from counted where f.project = counted.project and f.seq = any($1::bigint[])
"""  # noqa: S608 - a fixed name


async def columns_of(own: PgUnit) -> dict[str, str]:
    """Return the column lists of the tables that have a twin; asked once a process, migrations run before."""
    if not _known:
        rows = await own.rows(_COLUMNS, ["records", *TABLES])
        _known.update({row["relname"]: row["names"] for row in rows})
    return _known


class PgUndelete:
    """The part of ``ports.deletion.DeletionStore`` that brings back and forgets."""

    async def projects_in(self, unit: Unit, number: int) -> list[int]:
        """See the port."""
        rows = await pg(unit).rows(
            "select project from deleted_records where deletion = $1 union "
            "select project from deleted_files where deletion = $1 union "
            "select project from deleted_links where deletion = $1 order by 1",
            number,
        )
        return [row["project"] for row in rows]

    async def in_the_way(self, unit: Unit, number: int, single: Sequence[tuple[str, str]]) -> list[str]:
        """See the port."""
        rows = await pg(unit).rows(_WAY, number, [pair[0] for pair in single], [pair[1] for pair in single])
        return [row[0] for row in rows]

    async def restore(self, unit: Unit, number: int, who: int | None, door: str, at: datetime) -> None:
        """See the port."""
        try:
            await self._restore(unit, number, who, door, at)
        except asyncpg.UniqueViolationError as error:  # made since ``in_the_way`` looked
            raise Conflict(
                f"The deletion {number} cannot be brought back: at this moment something took the place of a part of "
                f"it ({error.as_dict().get('detail', '')})."
            ) from error

    async def _restore(self, unit: Unit, number: int, who: int | None, door: str, at: datetime) -> None:
        own = pg(unit)
        columns = await columns_of(own)
        for table in TABLES[:5]:
            await _back(own, table, columns[table], number)
        counted = await own.rows(_COUNT, number)
        changes = (
            [row["project"] for row in counted],
            [row["type"] for row in counted],
            [row["change"] for row in counted],
        )
        touched = counted[0]["touched"] if counted else None
        seqs = [row["seq"] for row in await own.rows(_RECORDS, number, *changes, at)]
        await _back(own, "links", columns["links"], number)
        await _back(own, "members", columns["members"], number)
        files = await _back(own, "files", columns["files"], number)
        if files:
            await _back(own, "file_aliases", columns["file_aliases"], number)
        if files:
            await own.run(_FILES, files)
        if touched:
            await own.run(_TOUCH, touched, *changes, at)
        await add_versions(own, seqs, who=who, door=door, action="undelete", at=at)
        if touched:
            await add_versions(own, touched, who=who, door=door, action="update", at=at)
        await own.run("update deletions set restored = $2 where id = $1", number, at)

    async def purge(self, unit: Unit, before: datetime, at: datetime) -> int:
        """See the port."""
        own = pg(unit)
        old = [
            row["id"]
            for row in await own.rows(
                "select id from deletions where at < $1 and restored is null and purged is null order by id for update",
                before,
            )
        ]
        if old:
            await own.run(
                "delete from record_versions v using deleted_records d where d.deletion = any($1::bigint[]) "
                "and v.seq = d.seq",
                old,
            )
            await own.run(
                "delete from project_versions v using deleted_projects d where d.deletion = any($1::bigint[]) "
                "and v.project = d.seq",
                old,
            )
            await own.run(
                "delete from metadata_documents m using deleted_projects d where d.deletion = any($1::bigint[]) "
                "and m.project = d.seq and not exists (select from files f where f.uuid = m.object)",
                old,
            )
            await own.run(
                "delete from work_orders w using (select seq from deleted_records where deletion = any($1::bigint[]) "
                "union all select seq from deleted_projects where deletion = any($1::bigint[])) d "
                "where w.target = d.seq",
                old,
            )
            await own.run(
                "delete from buckets b using deleted_programs d where d.deletion = any($1::bigint[]) "
                "and b.program = d.seq",
                old,
            )
            for table in ("records", *reversed(TABLES)):
                await own.run(f"delete from deleted_{table} where deletion = any($1::bigint[])", old)  # noqa: S608
            await own.run("update deletions set purged = $2 where id = any($1::bigint[])", old, at)
        return len(old)


async def _back(own: PgUnit, table: str, columns: str, number: int) -> list[int]:
    """Move the rows of one table back; what it refers to and is gone for good (a user's grant) stays away."""
    where = ""
    if table == "grants":
        where = (
            " where (user_seq is null or exists (select from users u where u.seq = user_seq)) "
            "and (group_seq is null or exists (select from groups g where g.seq = group_seq))"
        )
    key = "seq" if table == "files" else "1 as seq"
    rows = await own.rows(
        f"with gone as (delete from deleted_{table} where deletion = $1 returning *) "  # noqa: S608 - fixed names
        f"insert into {table} ({columns}) select {columns} from gone{where} "
        f"{'on conflict do nothing ' if table in ('members', 'grants') else ''}returning {key}",
        number,
    )
    return [row["seq"] for row in rows] if table == "files" else []
