"""Deletion by moving rows into ``deleted_*`` twins, and back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import asyncpg

from commensal.core.records import Deletion, Record, StoredLink
from commensal.storage.ports import Unit
from commensal.storage.ports.deletion import Dependent, NewDeletion, Removed
from commensal.storage.postgres.database import PgUnit, pg
from commensal.storage.postgres.files import FILE_COUNTER
from commensal.storage.postgres.record_versions import add_versions
from commensal.storage.postgres.record_writes import RECORD_LIST, record_of
from commensal.storage.postgres.undelete import PgUndelete, columns_of

__all__ = ["PgDeletion"]

_BELOW = f"""
with recursive below (seq) as (
  select unnest($1::bigint[])
  union select l.src from below b join links l on l.dst = b.seq where l.src_type = any($2::text[]))
select {RECORD_LIST} from records r join below using (seq) order by r.seq
"""  # noqa: S608 - fixed names

_DEPENDENTS = """
select l.dst, l.name, r.seq, r.uuid::text, r.type, r.submitter_id, r.project
  from links l join records r on r.seq = l.src where l.dst = any($1::bigint[]) order by r.seq, l.name
"""

_LINKS_FROM = """
select l.src, l.name, l.dst, l.dst_project, l.dst_type, coalesce(r.uuid::text, '') as uuid,
       coalesce(r.submitter_id, '') as submitter_id
  from links l left join records r on r.seq = l.dst where l.src = any($1::bigint[])
"""

#: The two ways to say which records go: by number, or all of some projects.
_BY_SEQ: Final = ("r.seq = any($1::bigint[])", "l.src = any($1::bigint[]) or l.dst = any($1::bigint[])")
_BY_PROJECT: Final = (
    "r.project = any($1::bigint[])",
    "l.src in (select r.seq from records r where r.project = any($1::bigint[]))",
)

#: Counters of what goes, and of records outside that lose a link; locked in order.
_COUNT = """
with gone as (select r.seq, r.project, r.type from records r where {gone}),
touched as (select distinct s.seq, s.project, s.type from gone join links l on l.dst = gone.seq
  join records s on s.seq = l.src where not exists (select from gone g where g.seq = s.seq)),
wanted as (select project, type, sum(n)::bigint as n from (
    select project, type, -1 as n from gone union all select project, type, 0 from touched) t group by project, type),
counted as (insert into counters (project, type, n, change)
  select project, type, n, 1 from wanted order by project, type
  on conflict (project, type) do update set n = counters.n + excluded.n, change = counters.change + 1
  returning project, type, change)
select project, type, change, -n as n, (select array_agg(seq) from touched) as touched
  from counted join wanted using (project, type)
"""

_REMOVE = """
with gone as (delete from records r where {gone} returning *),
kept as (insert into deleted_records ({records}, deletion) select {records}, $2 from gone),
tombs as (insert into tombstones (project, type, change, seq, uuid, at)
  select gone.project, gone.type, w.change, gone.seq, gone.uuid, $6 from gone
  join unnest($3::bigint[], $4::text[], $5::bigint[]) as w (project, type, change) using (project, type)),
cut as (delete from links l where {linked} returning *),
kept_links as (insert into deleted_links ({links}, deletion) select {links}, $2 from cut),
left_out as (delete from members m where m.record in (select seq from gone) returning *),
kept_members as (insert into deleted_members ({members}, deletion) select {members}, $2 from left_out)
insert into record_versions (project, seq, n, type, who, door, transaction, action, at, after)
select project, seq, version + 1, type, $7, $8, $9, 'delete', $6, null from gone
"""

_TOUCH = """
update records r set version = version + 1, change = w.change, updated = $5
from unnest($2::bigint[], $3::text[], $4::bigint[]) as w (project, type, change)
where r.seq = any($1::bigint[]) and r.project = w.project and r.type = w.type
"""

_REMOVE_FILES = """
with chosen as (select f.seq, f.project from files f where {files}),
counted as (insert into counters (project, type, n, change)
  select distinct project, '{counter}', 0, 1 from chosen order by project
  on conflict (project, type) do update set change = counters.change + 1 returning project, change),
gone as (delete from files f where f.seq in (select seq from chosen) returning *),
kept as (insert into deleted_files ({columns}, deletion) select {columns}, $2 from gone),
aliases as (delete from file_aliases a where a.file in (select seq from gone) returning *),
kept_aliases as (insert into deleted_file_aliases ({aliases}, deletion) select {aliases}, $2 from aliases),
tombs as (insert into tombstones (project, type, change, seq, uuid, at)
  select gone.project, '{counter}', counted.change, gone.seq, gone.uuid, $3 from gone join counted using (project))
select count(*) from gone
"""

_NEW = """
insert into deletions (kind, program, project, title, who, who_label, door, at)
values ($1, $2, $3, $4, $5, $6, $7, $8) returning id
"""


class PgDeletion(PgUndelete):
    """Implements ``ports.deletion.DeletionStore``."""

    # --- what would go ----------------------------------------------------------------------------

    async def below(self, unit: Unit, seqs: Sequence[int], types: Sequence[str]) -> list[Record]:
        """See the port."""
        return [record_of(row) for row in await pg(unit).rows(_BELOW, seqs, types)]

    async def dependents(self, unit: Unit, seqs: Sequence[int]) -> list[Dependent]:
        """See the port."""
        return [Dependent(*row) for row in await pg(unit).rows(_DEPENDENTS, seqs)]

    async def links_from(self, unit: Unit, seqs: Sequence[int]) -> list[StoredLink]:
        """See the port."""
        return [StoredLink(*row) for row in await pg(unit).rows(_LINKS_FROM, seqs)]

    async def contents(self, unit: Unit, projects: Sequence[int]) -> tuple[int, int]:
        """See the port."""
        row = await pg(unit).row(
            "select (select count(*) from records where project = any($1::bigint[])), "
            "(select count(*) from files where project = any($1::bigint[]) and blob is not null)",
            projects,
        )
        assert row is not None
        return row[0], row[1]

    async def projects_of(self, unit: Unit, program: int) -> list[int]:
        """See the port."""
        # A project that is just being made holds the program: it is waited for, and seen.
        await pg(unit).value("select seq from programs where seq = $1 for update", program)
        rows = await pg(unit).rows("select seq from projects where program = $1 order by seq", program)
        return [row["seq"] for row in rows]

    async def files_in(self, unit: Unit, files: Sequence[int], project: int) -> bool:
        """See the port."""
        sql = "select count(*) from files where seq = any($1::bigint[]) and project = $2"
        return int(await pg(unit).value(sql, files, project)) == len(set(files))

    async def catalog_objects_of(self, unit: Unit, program: int) -> int:
        """See the port."""
        return int(await pg(unit).value("select count(*) from catalog_objects where program = $1", program))

    async def lock_projects(self, unit: Unit, seqs: Sequence[int]) -> list[int]:
        """See the port."""
        rows = await pg(unit).rows(
            "select seq from projects where seq = any($1::bigint[]) order by seq for update", seqs
        )
        return [row["seq"] for row in rows]

    # --- removing ---------------------------------------------------------------------------------

    async def remove_records(self, unit: Unit, new: NewDeletion, seqs: Sequence[int], *, files: bool) -> Removed:
        """See the port."""
        own = pg(unit)
        number = await _begin(own, new)
        counts = await _remove(own, new, number, _BY_SEQ, seqs)
        if files:
            n = await _remove_files(own, new, number, "f.record = any($1::bigint[])", seqs)
            counts = counts | ({"file": n} if n else {})
        return await _finish(own, number, counts)

    async def remove_files(self, unit: Unit, new: NewDeletion, seqs: Sequence[int]) -> Removed:
        """See the port."""
        own = pg(unit)
        number = await _begin(own, new)
        n = await _remove_files(own, new, number, "f.seq = any($1::bigint[])", seqs)
        return await _finish(own, number, {"file": n})

    async def remove_projects(
        self, unit: Unit, new: NewDeletion, projects: Sequence[int], program: int | None
    ) -> Removed:
        """See the port."""
        own = pg(unit)
        number = await _begin(own, new)
        counts = await _remove(own, new, number, _BY_PROJECT, projects)
        files = await _remove_files(own, new, number, "f.project = any($1::bigint[])", projects)
        if files:
            counts["file"] = files
        await _take(own, "members", number, "collection = any($1::bigint[])", projects)
        await _take(own, "grants", number, "project = any($1::bigint[])", projects)
        await _take(own, "projects", number, "seq = any($1::bigint[])", projects)
        counts["project"] = len(projects)
        if program is not None:
            await _take(own, "grants", number, "program = $1", program)
            await _take(
                own,
                "catalog_object_versions",
                number,
                "seq in (select seq from catalog_objects where program = $1)",
                program,
            )
            await _take(own, "catalog_objects", number, "program = $1", program)
            await _take(own, "programs", number, "seq = $1", program)
            counts["program"] = 1
        return await _finish(own, number, counts)

    # --- listing and purging ----------------------------------------------------------------------

    async def list(self, unit: Unit, since: datetime) -> list[Deletion]:
        """See the port."""
        rows = await pg(unit).rows(
            "select * from deletions where at >= $1 and restored is null and purged is null order by at desc, id desc",
            since,
        )
        return [_deletion(row) for row in rows]

    async def find(self, unit: Unit, number: int, *, lock: bool = False) -> Deletion | None:
        """See the port."""
        row = await pg(unit).row("select * from deletions where id = $1" + (" for update" if lock else ""), number)  # noqa: S608
        return None if row is None else _deletion(row)


async def _begin(own: PgUnit, new: NewDeletion) -> int:
    return int(
        await own.value(_NEW, new.kind, new.program, new.project, new.title, new.who, new.who_label, new.door, new.at)
    )


async def _finish(own: PgUnit, number: int, counts: dict[str, int]) -> Removed:
    await own.run("update deletions set counts = $2 where id = $1", number, counts)
    return Removed(number, counts)


async def _remove(
    own: PgUnit, new: NewDeletion, number: int, how: tuple[str, str], values: Sequence[int]
) -> dict[str, int]:
    gone, linked = how
    rows = await own.rows(_COUNT.format(gone=gone), values)
    changes = ([row["project"] for row in rows], [row["type"] for row in rows], [row["change"] for row in rows])
    columns = await columns_of(own)
    sql = _REMOVE.format(
        gone=gone, linked=linked, records=columns["records"], links=columns["links"], members=columns["members"]
    )
    await own.run(sql, values, number, *changes, new.at, new.who, new.door, new.transaction)
    touched = rows[0]["touched"] if rows else None
    if touched:
        await own.run(_TOUCH, touched, *changes, new.at)
        await add_versions(
            own, touched, who=new.who, door=new.door, action="update", at=new.at, transaction=new.transaction
        )
    counts: dict[str, int] = {}
    for row in rows:
        if row["n"]:
            counts[row["type"]] = counts.get(row["type"], 0) + row["n"]
    return counts


async def _remove_files(own: PgUnit, new: NewDeletion, number: int, which: str, values: Sequence[int]) -> int:
    columns = await columns_of(own)
    sql = _REMOVE_FILES.format(
        files=which, counter=FILE_COUNTER, columns=columns["files"], aliases=columns["file_aliases"]
    )
    return int(await own.value(sql, values, number, new.at))


async def _take(own: PgUnit, table: str, number: int, which: str, value: object) -> None:
    columns = (await columns_of(own))[table]
    await own.run(
        f"with gone as (delete from {table} where {which} returning *) "  # noqa: S608 - fixed names
        f"insert into deleted_{table} ({columns}, deletion) select {columns}, $2 from gone",
        value,
        number,
    )


def _deletion(row: asyncpg.Record) -> Deletion:
    return Deletion(
        id=row["id"],
        kind=row["kind"],
        title=row["title"],
        program=row["program"],
        project=row["project"],
        who_label=row["who_label"],
        door=row["door"],
        counts=row["counts"],
        at=row["at"],
        restored=row["restored"],
        purged=row["purged"],
    )
