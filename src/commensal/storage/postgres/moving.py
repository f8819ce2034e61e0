"""Moving records and files to another project."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import asyncpg

from commensal.errors import AlreadyExists
from commensal.storage.ports import Unit
from commensal.storage.postgres.database import pg
from commensal.storage.postgres.files import FILE_COUNTER
from commensal.storage.postgres.record_versions import add_versions

__all__ = ["PgMoving"]

_TAKEN = """
select m.type || ' ' || m.submitter_id from records m
  join records r on r.project = $2 and r.type = m.type and r.sid_folded = m.sid_folded where m.seq = any($1::bigint[])
union all
select 'file ' || m.path from files m join files f on f.project = $2 and f.path = m.path
 where m.record = any($1::bigint[]) or m.seq = any($3::bigint[])
"""

#: Both projects' counters, and those of records that stay and lose a link; locked in order.
_COUNT = f"""
with moving as (select seq, type from records where seq = any($1::bigint[])),
cut as (select distinct s.seq, s.type from links l join records s on s.seq = l.src
  where l.dst = any($1::bigint[]) and not l.src = any($1::bigint[])),
files as (select count(*) as n from files where record = any($1::bigint[]) or seq = any($4::bigint[])),
wanted as (select project, type, sum(n)::bigint as n from (
    select $2::bigint as project, type, -1 as n from moving union all select $3::bigint, type, 1 from moving
    union all select $2::bigint, type, 0 from cut
    union all select p, '{FILE_COUNTER}', 0 from unnest(array[$2, $3]::bigint[]) as p, files where files.n > 0) t
  group by project, type),
counted as (insert into counters (project, type, n, change)
  select project, type, n, 1 from wanted order by project, type
  on conflict (project, type) do update set n = counters.n + excluded.n, change = counters.change + 1
  returning project, type, change)
select project, type, change, (select array_agg(seq) from cut) as cut from counted
"""  # noqa: S608 - a fixed name

_CHANGES = "unnest($4::bigint[], $5::text[], $6::bigint[]) as w (project, type, change)"
_TOMBSTONES = f"""
insert into tombstones (project, type, change, seq, uuid, at)
select $2, r.type, w.change, r.seq, r.uuid, $3 from records r
  join {_CHANGES} on w.project = $2 and w.type = r.type where r.seq = any($1::bigint[])
"""  # noqa: S608 - fixed text
_RECORDS = f"""
update records r set project = $2, version = r.version + 1, change = w.change, updated = $3
from {_CHANGES} where r.seq = any($1::bigint[]) and w.project = $2 and w.type = r.type
"""  # noqa: S608 - fixed text
_TOUCH = f"""
update records r set version = r.version + 1, change = w.change, updated = $3
from {_CHANGES} where r.seq = any($1::bigint[]) and w.project = $2 and w.type = r.type
"""  # noqa: S608 - fixed text
_CUT = """
delete from links l where (l.src = any($1::bigint[]) and not l.dst = any($1::bigint[]) and l.dst <> $2)
   or (l.dst = any($1::bigint[]) and not l.src = any($1::bigint[]))
"""
_LINKS = """
update links l set project = $3, dst_project = $3, dst = case when l.dst = $2 then $3 else l.dst end
 where l.src = any($1::bigint[])
"""
_FILES = f"""
with moving as (select seq, uuid from files where record = any($1::bigint[]) or seq = any($7::bigint[])),
changed as (select w.project, w.change from {_CHANGES} where w.type = '{FILE_COUNTER}'),
tombs as (insert into tombstones (project, type, change, seq, uuid, at)
  select $2, '{FILE_COUNTER}', c.change, m.seq, m.uuid, $8 from moving m join changed c on c.project = $2)
update files f set project = $3, change = c.change, updated = $8,
  authz = nullif(array_remove(f.authz, '/open'), '{{}}'), acl = array_remove(f.acl, '*') from changed c
 where c.project = $3 and f.seq in (select seq from moving)
"""  # noqa: S608 - fixed text


#: A text that is no uuid is never cast: CASE decides first.
_NAMED = """
select distinct f.seq from records r
  join files f on f.project = $2 and f.uuid = case
    when lower(right(r.props->>'object_id', 36)) ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
    then right(r.props->>'object_id', 36)::uuid end
 where r.seq = any($1::bigint[]) and r.props ? 'object_id' and not exists (
   select from records o where o.project = $2 and o.props ? 'object_id'
     and lower(right(o.props->>'object_id', 36)) = f.uuid::text and o.seq <> all($1::bigint[]))
"""


class PgMoving:
    """Implements ``ports.deletion.MoveStore``."""

    async def named_files(self, unit: Unit, seqs: Sequence[int], project: int) -> list[int]:
        """See the port."""
        return [row["seq"] for row in await pg(unit).rows(_NAMED, seqs, project)]

    async def taken(self, unit: Unit, seqs: Sequence[int], project: int, files: Sequence[int] = ()) -> list[str]:
        """See the port."""
        return [row[0] for row in await pg(unit).rows(_TAKEN, seqs, project, files)]

    async def move(
        self,
        unit: Unit,
        seqs: Sequence[int],
        files: Sequence[int],
        source: int,
        target: int,
        who: int | None,
        door: str,
        at: datetime,
    ) -> int:
        """See the port."""
        own = pg(unit)
        counted = await own.rows(_COUNT, seqs, source, target, files)
        changes = (
            [row["project"] for row in counted],
            [row["type"] for row in counted],
            [row["change"] for row in counted],
        )
        touched = counted[0]["cut"] if counted else None
        await own.run(_TOMBSTONES, seqs, source, at, *changes)
        await own.run(_CUT, seqs, source)
        await own.run(_RECORDS, seqs, target, at, *changes)
        await own.run(_LINKS, seqs, source, target)
        try:
            moved = await own.run(_FILES, seqs, source, target, *changes, files, at)
        except asyncpg.UniqueViolationError as error:  # stored since ``taken`` looked: files lock no project
            raise AlreadyExists("Nothing was moved: a file of that path was stored there at this moment.") from error
        await own.run("update record_versions set project = $2 where seq = any($1::bigint[])", seqs, target)
        await own.run("update members set record_project = $2 where record = any($1::bigint[])", seqs, target)
        await add_versions(own, seqs, who=who, door=door, action="move", at=at)
        if touched:
            await own.run(_TOUCH, touched, source, at, *changes)
            await add_versions(own, touched, who=who, door=door, action="update", at=at)
        return moved
