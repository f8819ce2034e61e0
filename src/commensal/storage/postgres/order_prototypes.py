"""What work orders are made from, in PostgreSQL."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from commensal.core.work_orders import JobPrototype, OrderKind, Prototype
from commensal.storage.ports import Unit
from commensal.storage.postgres.database import PgUnit, pg

__all__ = ["PROTOTYPE_LIST", "PgOrderPrototypes", "prototype_at"]

#: A prototype ``t`` as ``prototype_at`` reads it.
PROTOTYPE_LIST = (
    "t.seq, t.uuid, t.kind, t.name, t.description, t.made_by, t.created, t.updated, "
    "array(select u.user_seq from work_order_users u where u.prototype = t.seq order by 1), "
    "array(select q.uuid from work_order_parts o join work_order_prototypes q on q.seq = o.part "
    "where o.prototype = t.seq order by q.seq)"
)
_PROTOTYPES = f"""
with hit as (select t.seq from work_order_prototypes t where t.kind = $1
  and ($2::uuid is null or t.uuid = $2) and ($3::text is null or t.name_folded = $3)),
page as (select seq from hit order by seq offset $4 limit $5)
select (select count(*) from hit), {PROTOTYPE_LIST}
from page join work_order_prototypes t on t.seq = page.seq order by t.seq
"""  # noqa: S608 - our own text
_JOBS = """
with hit as (select j.seq from job_order_prototypes j join work_order_prototypes t on t.seq = j.prototype
  where ($1::uuid is null or j.uuid = $1) and ($2::text is null or j.name_folded = $2)
  and ($3::uuid is null or t.uuid = $3)),
page as (select seq from hit order by seq offset $4 limit $5)
select (select count(*) from hit), j.seq, j.uuid, t.uuid, j.name, j.description, m.uuid, j.resources_needed,
  j.created, j.updated
from page join job_order_prototypes j on j.seq = page.seq join work_order_prototypes t on t.seq = j.prototype
left join catalog_objects m on m.seq = j.pipeline_module order by j.seq
"""


def prototype_at(row: asyncpg.Record, at: int) -> Prototype:
    """Return the prototype whose columns (``PROTOTYPE_LIST``) begin at a place of a row."""
    seq, uuid, kind, name, description, made_by, created, updated, users, parts = row[at : at + 10]
    return Prototype(
        seq, uuid, OrderKind(kind), name, description, made_by, created, updated, tuple(users), tuple(parts)
    )


class PgOrderPrototypes:
    """Implements ``ports.work_orders.OrderPrototypeStore``."""

    async def prototypes(
        self,
        unit: Unit,
        kind: OrderKind,
        *,
        uuid: UUID | None = None,
        name_folded: str | None = None,
        offset: int = 0,
        limit: int = 1,
    ) -> tuple[list[Prototype], int]:
        """See the port."""
        rows = await pg(unit).rows(_PROTOTYPES, kind, uuid, name_folded, offset, limit)
        return [prototype_at(row, 1) for row in rows], rows[0][0] if rows else 0

    async def known(self, unit: Unit, uuids: Collection[UUID]) -> set[UUID]:
        """See the port."""
        rows = await pg(unit).rows(
            "select uuid from work_order_prototypes where uuid = any($1::uuid[]) and kind = $2",
            list(uuids),
            OrderKind.SAMPLE,
        )
        return {row[0] for row in rows}

    async def put_prototype(
        self,
        unit: Unit,
        kind: OrderKind,
        *,
        seq: int | None,
        uuid: UUID,
        name: str,
        name_folded: str,
        description: str,
        users: Collection[int],
        parts: Collection[UUID],
        who: int | None,
        at: datetime,
    ) -> bool:
        """See the port."""
        p = pg(unit)
        if seq is None:
            made = await p.value(
                "insert into work_order_prototypes (uuid, kind, name, name_folded, description, made_by, created, "
                "updated) values ($1, $2, $3, $4, $5, $6, $7, $7) on conflict do nothing returning seq",
                uuid,
                kind,
                name,
                name_folded,
                description,
                who,
                at,
            )
        else:
            made = await _unless_taken(
                p,
                "update work_order_prototypes set name = $2, name_folded = $3, description = $4, updated = $5 "
                "where seq = $1 returning seq",
                seq,
                name,
                name_folded,
                description,
                at,
            )
        if made is None:
            return False
        await p.run("delete from work_order_users where prototype = $1", made)
        await p.run("insert into work_order_users select $1, unnest($2::bigint[])", made, sorted(users))
        await p.run("delete from work_order_parts where prototype = $1", made)
        await p.run(
            "insert into work_order_parts select $1, seq from work_order_prototypes where uuid = any($2::uuid[])",
            made,
            sorted(parts),
        )
        return True

    async def users_by(self, unit: Unit, numbers: Sequence[int], emails_folded: Sequence[str]) -> dict[int, str]:
        """See the port."""
        rows = await pg(unit).rows(
            "select seq, email_folded from users where active and (seq = any($1::bigint[]) or email_folded = any($2))",
            list(numbers),
            list(emails_folded),
        )
        return {row[0]: row[1] for row in rows}

    async def job_prototypes(
        self,
        unit: Unit,
        *,
        uuid: UUID | None = None,
        name_folded: str | None = None,
        prototype: UUID | None = None,
        offset: int = 0,
        limit: int = 1,
    ) -> tuple[list[JobPrototype], int]:
        """See the port."""
        rows = await pg(unit).rows(_JOBS, uuid, name_folded, prototype, offset, limit)
        return [JobPrototype(*row[1:]) for row in rows], rows[0][0] if rows else 0

    async def put_job_prototype(
        self,
        unit: Unit,
        *,
        seq: int | None,
        uuid: UUID,
        prototype: UUID,
        name: str,
        name_folded: str,
        description: str,
        pipeline_module: UUID | None,
        resources_needed: Any,
        at: datetime,
    ) -> bool:
        """See the port."""
        p = pg(unit)
        module = "(select seq from catalog_objects where uuid = $5)"
        content = (name, name_folded, description, pipeline_module, resources_needed, at)
        if seq is None:
            made = await p.value(
                "insert into job_order_prototypes (uuid, prototype, name, name_folded, description, pipeline_module, "  # noqa: S608
                "resources_needed, created, updated) "
                f"select $1, t.seq, $2, $3, $4, {module}, $6, $7, $7 from work_order_prototypes t where t.uuid = $8 "
                "on conflict do nothing returning seq",
                uuid,
                *content,
                prototype,
            )
        else:
            made = await _unless_taken(
                p,
                "update job_order_prototypes set name = $2, name_folded = $3, description = $4, "  # noqa: S608
                f"pipeline_module = {module}, resources_needed = $6, updated = $7 where seq = $1 returning seq",
                seq,
                *content,
            )
        return made is not None

    async def delete(self, unit: Unit, uuid: UUID, *, job: bool) -> None:
        """See the port."""
        table = "job_order_prototypes" if job else "work_order_prototypes"
        await pg(unit).run(f"delete from {table} where uuid = $1", uuid)  # noqa: S608 - one of two names


async def _unless_taken(p: PgUnit, sql: str, *values: object) -> int | None:
    """Return the value of an update, None where it breaks a unique name; the transaction goes on."""
    try:
        async with p.raw.transaction():
            return await p.value(sql, *values)
    except asyncpg.UniqueViolationError:
        return None
