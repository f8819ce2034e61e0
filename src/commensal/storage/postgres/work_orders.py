"""Work orders and their jobs in PostgreSQL."""

# ruff: noqa: S608 - only our own text is put into statements

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from commensal.core.lineage import Kinds
from commensal.core.permissions import Scope
from commensal.core.work_orders import ERROR, PENDING, SUCCESS, WORKING, Job, OrderKind, OrderLink, WorkOrder
from commensal.storage.ports import Unit
from commensal.storage.ports.work_orders import OrderFilter, Viewer
from commensal.storage.postgres.database import pg
from commensal.storage.postgres.order_prototypes import PROTOTYPE_LIST, prototype_at
from commensal.storage.postgres.scope import scope_sql

__all__ = ["PgWorkOrders"]

#: Where the columns of the prototype begin in a row of an order.
_PROTOTYPE_AT = 9
#: Whether the account in ``{0}`` does the work of prototype ``t``.
_DOES = "(t.made_by = {0} or exists (select from work_order_users u where u.prototype = t.seq and u.user_seq = {0}))"
_STATE = (
    f"select case when bool_or(j.status = '{ERROR}') then '{ERROR}' "
    f"when coalesce(bool_and(j.status = '{PENDING}'), true) then '{PENDING}' "
    f"when bool_and(j.status = '{SUCCESS}') then '{SUCCESS}' else '{WORKING}' end from job_orders j"
)
#: What the target of an order ``w`` is, as ``d``, with its project ``p``; the parameter: stored types of samples.
_TARGET = {
    OrderKind.SAMPLE: "join records d on d.seq = w.target and d.type = any({0}::text[]) "
    "join projects p on p.seq = d.project",
    OrderKind.GROUP: "join projects p on p.seq = w.target and cardinality({0}::text[]) > 0 "
    "cross join lateral (select p.uuid) d",
}
_JOBS = """
select j.work_order, j.uuid, w.uuid, j.name, j.description, j.status, m.uuid, a.uuid, j.resources_needed,
  j.resources_used, j.created, j.updated
from job_orders j join work_orders w on w.seq = j.work_order left join catalog_objects m on m.seq = j.pipeline_module
left join records a on a.seq = j.analysis_result where j.work_order = any($1::bigint[]) order by j.seq
"""
#: Orders (prototype ``t``, target ``x``) that are missing, and their jobs; $3 who, $4 when.
_ADD = """
with made as (insert into work_orders (uuid, prototype, target, made_by, created, updated)
  select gen_random_uuid(), t, x, $3, $4, $4 from ({}) wanted on conflict do nothing returning seq, uuid, prototype),
jobs as (insert into job_orders (uuid, work_order, name, description, pipeline_module, resources_needed, created,
  updated) select gen_random_uuid(), m.seq, j.name, j.description, j.pipeline_module, j.resources_needed, $4, $4
  from made m join job_order_prototypes j on j.prototype = m.prototype order by m.seq, j.seq)
"""


class PgWorkOrders:
    """Implements ``ports.work_orders.WorkOrderStore``."""

    async def members(self, unit: Unit, kinds: Kinds, project: int, scope: Scope) -> list[tuple[int, bool]]:
        """See the port."""
        inside, values = scope_sql(scope, 3)
        rows = await pg(unit).rows(
            f"select r.seq, {inside} from records r join projects p on p.seq = r.project "
            "where r.project = $1 and r.type = any($2::text[]) union "
            f"select r.seq, {inside} from members m join records r on r.seq = m.record "
            "join projects p on p.seq = r.project where m.collection = $1 and r.type = any($2::text[]) order by 1",
            project,
            kinds.sample,
            *values,
        )
        return [(row[0], row[1]) for row in rows]

    async def add(self, unit: Unit, prototype: int, target: int, *, who: int | None, at: datetime) -> tuple[UUID, bool]:
        """See the port."""
        own = "select uuid, false from work_orders where prototype = $1 and target = $2"
        source = "select $1::bigint as t, $2::bigint as x"
        row = await pg(unit).row(f"{_ADD.format(source)} select uuid, true from made union all {own}",
            prototype, target, who, at)  # fmt: skip
        if row is None:  # made by another transaction meanwhile
            row = await pg(unit).row(own, prototype, target)
            assert row is not None
        return row[0], row[1]

    async def add_parts(
        self, unit: Unit, prototype: int, project: int, samples: Sequence[int], *, who: int | None, at: datetime
    ) -> None:
        """See the port."""
        source = (
            "select o.part as t, x from work_order_parts o cross join unnest($2::bigint[]) x where o.prototype = $1 "
            "order by 1, 2"
        )
        targets = list(samples)
        await pg(unit).value(f"{_ADD.format(source)} select count(*) from made", prototype, targets, who, at)
        await pg(unit).run(
            "insert into work_order_links select g.seq, w.seq from work_orders g "
            "join work_order_parts o on o.prototype = g.prototype "
            "join work_orders w on w.prototype = o.part and w.target = any($3::bigint[]) "
            "where g.prototype = $1 and g.target = $2 on conflict do nothing",
            prototype,
            project,
            targets,
        )

    async def orders(
        self, unit: Unit, kinds: Kinds, viewer: Viewer, only: OrderFilter, *, offset: int, limit: int
    ) -> tuple[list[WorkOrder], int]:
        """See the port."""
        values: list[object] = [offset, limit, kinds.sample, viewer.user]
        does = "true" if viewer.everything else _DOES.format("$4::bigint")
        wanted = [does if only.own else ""]
        if not only.own:
            inside, more = scope_sql(viewer.scope, 5)
            values += more
            wanted = [f"({inside} or {does})"]

        def add(text: str, value: object) -> None:
            values.append(value)
            wanted.append(text.format(f"${len(values)}"))

        add("t.kind = {}::text", only.kind)
        if only.uuid is not None:
            add("w.uuid = {}::uuid", only.uuid)
        if only.job is not None:
            add("w.seq = (select j.work_order from job_orders j where j.uuid = {}::uuid)", only.job)
        if only.target is not None:
            add("w.target = {}::bigint", only.target)
        if only.prototype is not None:
            add("w.prototype = {}::bigint", only.prototype)
        if only.not_status is not None:
            of = "j.work_order = w.seq"
            if only.kind is OrderKind.GROUP:
                of = "j.work_order in (select l.work_order from work_order_links l where l.group_order = w.seq)"
            add(f"({_STATE} where {of}) <> {{}}::text", only.not_status)
        source = f"work_orders w join work_order_prototypes t on t.seq = w.prototype {_TARGET[only.kind].format('$3')}"
        rows = await pg(unit).rows(
            # $4 is named also where everything is seen: its type must be known.
            f"with hit as (select w.seq from {source} where {' and '.join(wanted)} "
            "and ($4::bigint is null or true)), "
            f"page as (select seq from hit order by {'random()' if only.shuffled else 'seq'} offset $1 limit $2) "
            "select (select count(*) from hit), w.seq, w.uuid, w.priority, w.description, d.uuid, p.seq, w.created, "
            f"w.updated, {PROTOTYPE_LIST} from {source} where w.seq in (select seq from page) order by w.seq",
            *values,
        )
        found: list[WorkOrder] = []
        for row in rows:
            _, seq, uuid, priority, description, target, project, created, updated = row[:_PROTOTYPE_AT]
            of = prototype_at(row, _PROTOTYPE_AT)
            found.append(WorkOrder(seq, uuid, of, of.name, priority, description, target, project, created, updated))
        if found:
            complete = self._with_jobs if only.kind is OrderKind.SAMPLE else self._with_links
            found = await complete(unit, kinds, viewer, found)
        return found, rows[0][0] if rows else 0

    async def _with_jobs(self, unit: Unit, _: Kinds, _viewer: Viewer, orders: list[WorkOrder]) -> list[WorkOrder]:
        jobs: dict[int, list[Job]] = {one.seq: [] for one in orders}
        for row in await pg(unit).rows(_JOBS, list(jobs)):
            jobs[row[0]].append(Job(*row[1:]))
        return [
            replace(one, jobs=tuple(jobs[one.seq]), states=tuple(job.status for job in jobs[one.seq])) for one in orders
        ]

    async def _with_links(self, unit: Unit, kinds: Kinds, viewer: Viewer, orders: list[WorkOrder]) -> list[WorkOrder]:
        """Return the orders with those of their parts that the viewer sees, and with the states of all."""
        inside, values = scope_sql(viewer.scope, 4)
        seen = "true" if viewer.everything else f"({inside} or {_DOES.format('$3::bigint')})"
        rows = await pg(unit).rows(
            f"select l.group_order, w.uuid, t.name, d.uuid, d.submitter_id, ({_STATE} where j.work_order = w.seq), "
            f"{seen} and ($3::bigint is null or true) "
            "from work_order_links l join work_orders w on w.seq = l.work_order "
            f"join work_order_prototypes t on t.seq = w.prototype {_TARGET[OrderKind.SAMPLE].format('$2')} "
            "where l.group_order = any($1::bigint[]) order by w.seq",
            [one.seq for one in orders],
            kinds.sample,
            viewer.user,
            *([] if viewer.everything else values),
        )
        links: dict[int, list[OrderLink]] = {one.seq: [] for one in orders}
        states: dict[int, list[str]] = {one.seq: [] for one in orders}
        for row in rows:
            states[row[0]].append(row[5])
            if row[6]:
                links[row[0]].append(OrderLink(row[1], row[2], row[3], row[4], row[5]))
        return [replace(one, links=tuple(links[one.seq]), states=tuple(states[one.seq])) for one in orders]

    async def result_of(self, unit: Unit, kinds: Kinds, result: UUID, sample: UUID) -> int | None:
        """See the port."""
        return await pg(unit).value(
            "select a.seq from records a join links l on l.src = a.seq join records d on d.seq = l.dst and d.uuid = $3 "
            "where a.uuid = $1 and a.type = any($2::text[])",
            result,
            kinds.result,
            sample,
        )

    async def change_job(self, unit: Unit, job: Job, *, result: int | None, at: datetime) -> None:
        """See the port."""
        await pg(unit).run(
            "with j as (update job_orders set name = $2, description = $3, status = $4, resources_needed = $5, "
            "resources_used = $6, analysis_result = $7, updated = $8, "
            "pipeline_module = (select seq from catalog_objects where uuid = $9) where uuid = $1 returning work_order) "
            "update work_orders w set updated = $8 from j where w.seq = j.work_order",
            job.uuid,
            job.name,
            job.description,
            job.status,
            job.resources_needed,
            job.resources_used,
            result,
            at,
            job.pipeline_module,
        )

    async def delete_job(self, unit: Unit, job: UUID) -> None:
        """See the port."""
        await pg(unit).run("delete from job_orders where uuid = $1", job)
