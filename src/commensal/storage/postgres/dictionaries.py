"""The site's dictionary in PostgreSQL, in versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import asyncpg
import msgspec

from commensal.errors import AlreadyExists
from commensal.storage.ports import Unit
from commensal.storage.ports.dictionaries import Reshaped, StoredDictionary
from commensal.storage.postgres.database import pg
from commensal.storage.postgres.record_versions import add_versions

__all__ = ["PgDictionaries"]

_COUNT = """
insert into counters (project, type, n, change)
select project, type, n, 1 from unnest($1::bigint[], $2::text[], $3::bigint[]) as w (project, type, n)
 order by project, type
on conflict (project, type) do update set n = counters.n + excluded.n, change = counters.change + 1
returning project, type, change
"""
_RESHAPE = """
update records r set type = w.type, label = w.label, props = w.props::jsonb, extra = w.extra::jsonb,
  version = r.version + 1, change = w.change, updated = $7
from unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[])
  as w (seq, type, label, props, extra, change) where r.seq = w.seq
"""
_TOMBSTONES = """
insert into tombstones (project, type, change, seq, uuid, at)
select w.project, w.type, w.change, w.seq, w.uuid, $6
from unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[], $5::uuid[]) as w (project, type, change, seq, uuid)
"""
_CUT = """
update links set name = 'commensal.' || links.name from unnest($1::bigint[], $2::text[]) as w (src, name)
where links.src = w.src and links.name = w.name
"""
_BACK = """
update links set name = substr(links.name, 11) from unnest($1::bigint[], $2::text[]) as w (src, name)
where links.src = w.src and links.name = w.name
  and not exists (
    select from links o where o.src = links.src and o.name = substr(links.name, 11) and o.dst = links.dst)
"""
_SETTLE = (
    "update links l set src_type = r.type from records r where r.seq = l.src and l.src_type <> r.type",
    "update links l set dst_type = r.type from records r where r.seq = l.dst and l.dst_type <> r.type",
    "update members m set record_type = r.type from records r where r.seq = m.record and m.record_type <> r.type",
)
_SETTLE_DELETED = (
    (
        "update deleted_records t set type = w.new from unnest($1::text[], $2::text[]) as w (old, new) "
        "where t.type = w.old"
    ),
    (
        "update deleted_links t set src_type = w.new from unnest($1::text[], $2::text[]) as w (old, new) "
        "where t.src_type = w.old"
    ),
    (
        "update deleted_links t set dst_type = w.new from unnest($1::text[], $2::text[]) as w (old, new) "
        "where t.dst_type = w.old"
    ),
    (
        "update deleted_members t set record_type = w.new from unnest($1::text[], $2::text[]) as w (old, new) "
        "where t.record_type = w.old"
    ),
)


class PgDictionaries:
    """Implements ``ports.dictionaries.DictionaryStore``."""

    async def version(self, unit: Unit) -> int:
        """See the port."""
        return int(await pg(unit).value("select coalesce(max(version), 0) from dictionaries") or 0)

    async def load(self, unit: Unit, version: int) -> StoredDictionary | None:
        """See the port."""
        row = await pg(unit).row(
            "select version, hash, source, shipped, body, roles, applied_by, applied from dictionaries "
            "where version = $1",
            version,
        )
        return None if row is None else StoredDictionary(*row)

    async def lock(self, unit: Unit) -> None:
        """See the port: every write locks its project's row, which this table lock forbids."""
        await pg(unit).run("lock table projects in exclusive mode")

    async def add(self, unit: Unit, stored: StoredDictionary) -> None:
        """See the port."""
        await pg(unit).run(
            "insert into dictionaries (version, hash, source, shipped, body, roles, applied_by, applied) "
            "values ($1, $2, $3, $4, $5, $6, $7, $8)",
            stored.version,
            stored.hash,
            stored.source,
            stored.shipped,
            stored.body,
            stored.roles,
            stored.applied_by,
            stored.applied,
        )

    async def strict_projects(self, unit: Unit) -> set[int]:
        """See the port."""
        return {row["seq"] for row in await pg(unit).rows("select seq from projects where mode = 'strict'")}

    async def reshape(self, unit: Unit, rows: Sequence[Reshaped], who: int | None, door: str, at: datetime) -> None:
        """See the port."""
        own = pg(unit)
        deltas: dict[tuple[int, str], int] = {}
        for row in rows:
            new, old = (row.record.project, row.type), (row.record.project, row.record.type)
            deltas[new] = deltas.get(new, 0) + 1
            deltas[old] = deltas.get(old, 0) - 1
        counted = await own.rows(_COUNT, [key[0] for key in deltas], [key[1] for key in deltas], list(deltas.values()))
        changes = {(row["project"], row["type"]): row["change"] for row in counted}
        try:
            await own.run(
                _RESHAPE,
                [row.record.seq for row in rows],
                [row.type for row in rows],
                [row.label for row in rows],
                [msgspec.json.encode(row.props).decode() for row in rows],
                [None if row.extra == {} else msgspec.json.encode(row.extra).decode() for row in rows],
                [changes[row.record.project, row.type] for row in rows],
                at,
            )
        except asyncpg.UniqueViolationError as error:
            raise AlreadyExists(
                f"Two records of one project would have the same name in one type; rename one first: {error}"
            ) from error
        gone = [row.record for row in rows if row.type != row.record.type]
        if gone:
            await own.run(
                _TOMBSTONES,
                [record.project for record in gone],
                [record.type for record in gone],
                [changes[record.project, record.type] for record in gone],
                [record.seq for record in gone],
                [record.uuid for record in gone],
                at,
            )
        cut = [(row.record.seq, name) for row in rows for name in dict.fromkeys(row.cut)]
        if cut:
            await own.run(_CUT, [src for src, _ in cut], [name for _, name in cut])
        back = [(row.record.seq, name) for row in rows for name in dict.fromkeys(row.back)]
        if back:
            await own.run(_BACK, [src for src, _ in back], [name for _, name in back])
        await add_versions(own, [row.record.seq for row in rows], who=who, door=door, action="dictionary", at=at)

    async def settle(self, unit: Unit, types: Mapping[str, str]) -> None:
        """See the port."""
        own = pg(unit)
        for sql in _SETTLE:
            await own.run(sql)
        if types:
            for sql in _SETTLE_DELETED:
                await own.run(sql, list(types), list(types.values()))
