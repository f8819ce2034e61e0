"""Versions made inside PostgreSQL, for changes that are made there too (move, undelete, another dictionary)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from commensal.storage.postgres.database import PgUnit

__all__ = ["add_versions"]

_ADD = """
insert into record_versions (project, seq, n, type, who, door, transaction, action, at, after)
select r.project, r.seq, r.version, r.type, $2, $3, $4, $5, $6, (
    jsonb_build_object('submitter_id', r.submitter_id, 'state', r.state, 'props', r.props)
    || case when r.label is null then '{}' else jsonb_build_object('label', r.label) end
    || case when r.extra is null then '{}' else jsonb_build_object('extra', r.extra) end
    || coalesce((select jsonb_build_object('links', jsonb_object_agg(name, uuids)) from (
         select l.name, jsonb_agg(coalesce(d.uuid, p.uuid, g.uuid) order by l.dst) as uuids
           from links l left join records d on d.seq = l.dst
           left join projects p on p.seq = l.dst and l.dst_type = 'project'
           left join programs g on g.seq = l.dst and l.dst_type = 'program'
          where l.src = r.seq group by l.name) as named having count(*) > 0), '{}'))::json
  from records r where r.seq = any($1::bigint[])
"""


async def add_versions(
    unit: PgUnit,
    seqs: Sequence[int],
    *,
    who: int | None,
    door: str,
    action: str,
    at: datetime,
    transaction: int | None = None,
) -> None:
    """Add the version of each record as it stands now, whose number the record has already."""
    await unit.run(_ADD, seqs, who, door, transaction, action, at)
