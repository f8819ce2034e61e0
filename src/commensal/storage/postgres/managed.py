"""What a number is, in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence

from commensal.storage.ports import Unit
from commensal.storage.ports.managed import Thing
from commensal.storage.postgres.database import pg

__all__ = ["PgManaged"]

_THINGS = """
select t.*, p.program, p.public_level, coalesce(u.email, '') as owner from (
    select seq, 'project' as what, seq as project, '' as type, null::jsonb as extra, made_by, created
    from projects where seq = any($1)
    union all
    select f.seq, 'file', f.project, '', null, f.made_by, f.created from files f where f.seq = any($1)
    union all
    select r.seq, 'record', r.project, r.type, r.extra, v.who, r.created from records r
    left join record_versions v on v.seq = r.seq and v.n = 1 where r.seq = any($1)
) t join projects p on p.seq = t.project left join users u on u.seq = t.made_by order by t.seq
"""


class PgManaged:
    """See ``ports.managed.ManagedStore``."""

    async def things(self, unit: Unit, seqs: Sequence[int]) -> list[Thing]:
        """See ``ports.managed.ManagedStore``."""
        return [
            Thing(
                seq=row["seq"],
                what=row["what"],
                project=row["project"],
                program=row["program"],
                public_level=row["public_level"],
                type=row["type"],
                extra=row["extra"],
                owner=row["owner"],
                created=row["created"],
            )
            for row in await pg(unit).rows(_THINGS, list(seqs))
        ]

    async def members(self, unit: Unit, groups: Sequence[int], link: str) -> list[int]:
        """See ``ports.managed.ManagedStore``."""
        rows = await pg(unit).rows(
            "select distinct src from links where dst = any($1) and name = $2 and project = dst_project order by src",
            list(groups),
            link,
        )
        return [row["src"] for row in rows]
