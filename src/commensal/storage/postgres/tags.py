"""Tags in PostgreSQL: which things carry which."""

# ruff: noqa: S608 - only our own text is put into statements

from __future__ import annotations

from uuid import UUID

from commensal.core.lineage import Kinds
from commensal.core.permissions import Scope
from commensal.core.projects import CatalogObject
from commensal.storage.ports import Unit
from commensal.storage.postgres.catalog_objects import OBJECT_LIST, object_at
from commensal.storage.postgres.database import pg
from commensal.storage.postgres.scope import scope_sql

__all__ = ["PgTags"]

_PAGE = (
    f"with hit as (select o.* from tagged t join catalog_objects o on o.seq = t.{{}} where t.{{}} = $1 "
    "and o.kind = (select kind from catalog_objects c where c.seq = t.tag)), "
    "page as (select * from hit order by seq offset $2 limit $3) "
    f"select {OBJECT_LIST}, c.total from (select count(*) as total from hit) c left join page o on true order by o.seq"
)


class PgTags:
    """Implements ``ports.tags.TagStore``."""

    async def put(self, unit: Unit, tag: int, target: int, payload: str, who: int | None) -> None:
        """See the port."""
        await pg(unit).run(
            "insert into tagged (tag, target, payload, made_by) values ($1, $2, $3, $4) "
            "on conflict (tag, target) do update set payload = excluded.payload",
            tag,
            target,
            payload,
            who,
        )

    async def tags_of(self, unit: Unit, target: int, *, offset: int, limit: int) -> tuple[list[CatalogObject], int]:
        """See the port."""
        return await self._page(unit, _PAGE.format("tag", "target"), target, offset, limit)

    async def tags_with(self, unit: Unit, tag: int, *, offset: int, limit: int) -> tuple[list[CatalogObject], int]:
        """See the port."""
        return await self._page(unit, _PAGE.format("target", "tag"), tag, offset, limit)

    async def _page(
        self, unit: Unit, sql: str, number: int, offset: int, limit: int
    ) -> tuple[list[CatalogObject], int]:
        rows = await pg(unit).rows(sql, number, offset, limit)
        return [object_at(row) for row in rows if row["seq"] is not None], rows[0]["total"]

    async def random_samples(self, unit: Unit, kinds: Kinds, scope: Scope, tag: int, n: int) -> list[UUID]:
        """See the port."""
        inside, values = scope_sql(scope, 4)
        rows = await pg(unit).rows(
            "select s.uuid from tagged t join records s on s.seq = t.target join projects p on p.seq = s.project "
            f"where t.tag = $1 and s.type = any($2::text[]) and {inside} order by random() limit $3",
            tag,
            list(kinds.sample),
            n,
            *values,
        )
        return [row["uuid"] for row in rows]

    async def module_counts(
        self, unit: Unit, kinds: Kinds, scope: Scope, granted: Scope, tag: int, *, of_samples: bool
    ) -> tuple[int, dict[str, int]]:
        """See the port."""
        values: list[object] = [tag, list(kinds.sample), list(kinds.result)]
        inside, more = scope_sql(scope, len(values) + 1)
        values += more
        member, more = scope_sql(granted, len(values) + 1)
        values += more
        if of_samples:
            things = (
                "select s.seq from tagged t join records s on s.seq = t.target join projects p on p.seq = s.project "
                f"where t.tag = $1 and s.type = any($2::text[]) and {inside}"
            )
            results = (
                "join links l on l.dst = thing.seq join records a on a.seq = l.src and l.src_type = any($3::text[])"
            )
        else:
            things = f"select p.seq from tagged t join projects p on p.seq = t.target where t.tag = $1 and {inside}"
            results = (
                "join records a on a.project = thing.seq and a.type = any($3::text[]) and not exists "
                "(select from links l where l.src = a.seq and l.dst_type = any($2::text[]))"
            )
        rows = await pg(unit).rows(
            f"with thing as ({things}) select null as module, count(*) as n from thing union all ("
            f"select a.props->>'module', count(distinct thing.seq) from thing {results} "
            "join projects p on p.seq = a.project left join result_settings x on x.record = a.seq "
            f"where a.props ? 'module' and (not coalesce(x.private, false) or {member}) group by 1 order by 1)",
            *values,
        )
        return rows[0]["n"], {row["module"]: row["n"] for row in rows[1:]}
