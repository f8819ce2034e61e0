"""Reading records."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import asyncpg

from commensal.core.conformity import StoredRow
from commensal.core.names import fold
from commensal.core.records import Linked, Record, RecordVersion
from commensal.storage.ports import Unit
from commensal.storage.postgres.database import pg
from commensal.storage.postgres.private_records import private_among
from commensal.storage.postgres.record_writes import RECORD_LIST, record_of

__all__ = ["PgRecords"]

_ALL = "where r.project = $1 and ($2::text[] is null or r.type = any($2)) "
_MATCHING = _ALL + "and (r.sid_folded like $5 escape '\\' or lower(r.label) like $5 escape '\\') "
_ORDER = "order by r.seq offset $3 limit $4"
_PAGE = f"select {RECORD_LIST} from records r {_ALL}{_ORDER}"  # noqa: S608 - fixed names
_PAGE_MATCHING = f"select {RECORD_LIST} from records r {_MATCHING}{_ORDER}"  # noqa: S608 - fixed names
_TOTAL = (
    "select coalesce(sum(n), 0)::bigint from counters r "
    "where r.project = $1 and ($2::text[] is null or r.type = any($2))"
)
_TOTAL_MATCHING = f"select count(*) from records r {_MATCHING.replace('$5', '$3')}"  # noqa: S608 - fixed text

_LINKED = """
select l.src as here, true as forward, l.name, l.dst as seq, l.dst_project as project, l.dst_type as type,
       coalesce(r.uuid, p.uuid, g.uuid) as uuid, coalesce(r.submitter_id, p.code, g.code) as submitter_id,
       coalesce(r.label, p.title, g.title) as label
  from links l left join records r on r.seq = l.dst
  left join projects p on p.seq = l.dst and l.dst_type = 'project'
  left join programs g on g.seq = l.dst and l.dst_type = 'program'
 where l.src = any($1::bigint[])
union all
select l.dst, false, l.name, l.src, l.project, l.src_type, r.uuid, r.submitter_id, r.label
  from links l join records r on r.seq = l.src where l.dst = any($1::bigint[])
order by forward desc, name, seq
"""

_VERSIONS = """
select v.n, v.action, v.at, v.who, coalesce(u.name, u.email, '') as who_name, v.door, v.transaction,
       lag(v.after) over (order by v.n) as before, v.after
  from record_versions v left join users u on u.seq = v.who where v.seq = $1 order by v.n
"""

_STREAM = f"""
select {RECORD_LIST}, l.names, l.types from records r
  left join lateral (select array_agg(name order by name, dst) as names, array_agg(dst_type order by name, dst) as types
    from links where src = r.seq) l on true
 where $1::bigint is null or r.project = $1 order by r.project, r.type, r.seq
"""  # noqa: S608 - fixed names


class PgRecords:
    """Implements ``ports.records.RecordReads``."""

    async def private_among(self, unit: Unit, seqs: Sequence[int]) -> set[int]:
        """See the port."""
        return await private_among(unit, seqs)

    async def by_seqs(self, unit: Unit, seqs: Sequence[int]) -> list[Record]:
        """See the port."""
        return [
            record_of(row)
            for row in await pg(unit).rows(f"select {RECORD_LIST} from records r where seq = any($1::bigint[])", seqs)  # noqa: S608
        ]

    async def by_uuids(self, unit: Unit, uuids: Sequence[str]) -> list[Record]:
        """See the port."""
        return [
            record_of(row)
            for row in await pg(unit).rows(f"select {RECORD_LIST} from records r where uuid = any($1::uuid[])", uuids)  # noqa: S608
        ]

    async def by_names(self, unit: Unit, project: int, types: Sequence[str], folded: Sequence[str]) -> list[Record]:
        """See the port."""
        sql = (
            f"select {RECORD_LIST} from records r "  # noqa: S608 - fixed names
            "where project = $1 and type = any($2::text[]) and sid_folded = any($3::text[])"
        )
        return [record_of(row) for row in await pg(unit).rows(sql, project, types, folded)]

    async def projects(self, unit: Unit, seqs: Sequence[int]) -> dict[int, tuple[int, int]]:
        """See the port."""
        sql = "select seq, program, public_level from projects where seq = any($1::bigint[])"
        return {row["seq"]: (row["program"], row["public_level"]) for row in await pg(unit).rows(sql, seqs)}

    async def page(
        self,
        unit: Unit,
        project: int,
        types: Sequence[str] | None,
        *,
        search: str = "",
        offset: int = 0,
        limit: int = 50,
    ) -> tuple[list[Record], int]:
        """See the port."""
        own = pg(unit)
        if search:
            escaped = fold(search).replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
            pattern = f"%{escaped}%"
            rows = await own.rows(_PAGE_MATCHING, project, types, offset, limit, pattern)
            total = await own.value(_TOTAL_MATCHING, project, types, pattern)
        else:
            rows = await own.rows(_PAGE, project, types, offset, limit)
            total = await own.value(_TOTAL, project, types)
        return [record_of(row) for row in rows], int(total)

    async def counts(self, unit: Unit, projects: Sequence[int]) -> dict[int, dict[str, int]]:
        """See the port."""
        found: dict[int, dict[str, int]] = {}
        sql = (
            "select project, type, n from counters where project = any($1::bigint[]) and n > 0 "
            'order by type collate "C"'
        )
        for row in await pg(unit).rows(sql, projects):
            found.setdefault(row["project"], {})[row["type"]] = row["n"]
        return found

    async def links(self, unit: Unit, seqs: Sequence[int]) -> dict[int, list[Linked]]:
        """See the port."""
        found: dict[int, list[Linked]] = {}
        for row in await pg(unit).rows(_LINKED, seqs):
            linked = Linked(
                row["name"], row["forward"], row["seq"], row["uuid"], row["project"], row["type"], row["submitter_id"],
                row["label"],
            )  # fmt: skip
            found.setdefault(row["here"], []).append(linked)
        return found

    async def versions(self, unit: Unit, seq: int) -> list[RecordVersion]:
        """See the port."""
        return [
            RecordVersion(
                row["n"],
                row["action"],
                row["at"],
                row["who"],
                row["who_name"],
                row["door"],
                row["transaction"],
                row["before"],
                row["after"],
            )
            for row in await pg(unit).rows(_VERSIONS, seq)
        ]

    async def stream(self, unit: Unit, project: int | None = None) -> AsyncIterator[list[StoredRow]]:
        """See the port."""
        async for rows in pg(unit).stream(_STREAM, project):
            yield [StoredRow(record_of(row), _pairs(row)) for row in rows]


def _pairs(row: asyncpg.Record) -> list[tuple[str, str]]:
    names = row["names"]
    return [] if names is None else list(zip(names, row["types"], strict=True))
