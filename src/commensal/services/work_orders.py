"""Work orders: what shall be computed for samples and groups, and who computes it (contracts/pangea.md b11).

Who may change a sample or group orders work for it. The work is done by the accounts that its prototype names, by the
prototype's maker and by site admins: they alone write jobs, and with an order they reach its sample, private or not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from commensal.core.catalog import ItemPage
from commensal.core.lineage import Kinds, Lineage, kinds_of
from commensal.core.permissions import Right
from commensal.core.principals import Principal
from commensal.core.work_orders import JOB_STATES, Job, OrderKind, Prototype, WorkOrder
from commensal.errors import Invalid, NotFound
from commensal.services.audit import Audit, is_site_admin
from commensal.services.clock import Clock, utc_now
from commensal.services.dictionaries import Dictionaries
from commensal.services.guard import Guard
from commensal.storage.ports import Database, Unit
from commensal.storage.ports.work_orders import OrderFilter, Viewer, WorkOrderStore

__all__ = ["OrderFilter", "Passage", "WorkOrders"]

#: What those who do the work may do in the project of their sample, within the sample.
_WORK = Right.AGGREGATE | Right.READ | Right.DOWNLOAD | Right.CREATE | Right.UPDATE
_LOOK = Right.AGGREGATE | Right.READ | Right.DOWNLOAD


@dataclass(frozen=True, slots=True)
class Passage:
    """A caller with the rights of an order: good for ``sample`` alone, which its user must check."""

    principal: Principal
    sample: UUID


class WorkOrders:
    """See the module."""

    def __init__(
        self,
        *,
        database: Database,
        store: WorkOrderStore,
        dictionaries: Dictionaries,
        guard: Guard,
        audit: Audit,
        now: Clock = utc_now,
    ) -> None:
        self._database = database
        self._store = store
        self._dictionaries = dictionaries
        self._guard = guard
        self._audit = audit
        self._now = now

    # --- ordering ---------------------------------------------------------------------------------

    async def order(self, principal: Principal, thing: Lineage, prototype: Prototype) -> tuple[UUID, bool]:
        """Order what a prototype says for a sample or group that this caller has read.

        Returns the order's uuid, and whether it is new: there is one for each prototype. For a group, the parts are
        ordered for all of its samples; asked again, for those that came since. Needs ``update`` on all of them.
        """
        at = self._now()
        async with self._database.begin() as unit:
            await self._guard.require(unit, principal, Right.UPDATE, project=thing.place)
            samples: list[int] = []
            if thing.sample is None:
                scope = await self._guard.scope(unit, principal, Right.UPDATE)
                members = await self._store.members(unit, await self._kinds(unit), thing.place.seq, scope)
                if not all(inside for _, inside in members):
                    raise await self._guard.refused(
                        principal, "work_order.add", project=thing.place,
                        sentence="Orders for a group need update on the libraries of all of its samples.",
                    )  # fmt: skip
                samples = [seq for seq, _ in members]
            target = thing.place.seq if thing.sample is None else thing.sample.seq
            uuid, new = await self._store.add(unit, prototype.seq, target, who=principal.user, at=at)
            if samples:
                await self._store.add_parts(unit, prototype.seq, target, samples, who=principal.user, at=at)
            await self._audit.write(
                unit, principal, "work_order.add", project=thing.place, target=str(uuid),
                details={"prototype": prototype.name},
            )  # fmt: skip
        return uuid, new

    # --- reading ----------------------------------------------------------------------------------

    async def page(self, principal: Principal, only: OrderFilter, *, offset: int, limit: int) -> ItemPage[WorkOrder]:
        """Return a page of the orders of what the caller may read, and of those whose work he does."""
        async with self._database.read() as unit:
            viewer = await self._viewer(unit, principal)
            found, total = await self._store.orders(
                unit, await self._kinds(unit), viewer, only, offset=offset, limit=limit
            )
        await self._audit.read(principal, "work_order.list", n=len(found))
        return ItemPage(tuple(found), total, offset, limit)

    async def get(self, principal: Principal, kind: OrderKind, uuid: UUID) -> WorkOrder:
        """Return an order. Raises NotFound for one that the caller does not see."""
        page = await self.page(principal, OrderFilter(kind, uuid=uuid), offset=0, limit=1)
        if not page.items:
            raise NotFound("There is no such work order.")
        return page.items[0]

    async def job(self, principal: Principal, uuid: UUID) -> tuple[WorkOrder, Job]:
        """Return a job with its order. Raises NotFound for one that the caller does not see."""
        page = await self.page(principal, OrderFilter(OrderKind.SAMPLE, job=uuid), offset=0, limit=1)
        for order in page.items:
            for job in order.jobs:
                if job.uuid == uuid:
                    return order, job
        raise NotFound("There is no such job.")

    # --- working ----------------------------------------------------------------------------------

    def does(self, principal: Principal, prototype: Prototype) -> bool:
        """Tell whether a caller does the work of a prototype."""
        if is_site_admin(principal):
            return True
        own = principal.user is not None and principal.only_program is None
        return own and (principal.user == prototype.made_by or principal.user in prototype.users)

    async def change_job(self, principal: Principal, uuid: UUID, changes: Mapping[str, Any]) -> tuple[WorkOrder, Job]:
        """Change a job: name, description, status, pipeline_module (a uuid), resources_needed, resources_used, result.

        ``changes["result"]`` is the uuid of an analysis result of the order's sample, or None. Raises Forbidden,
        Invalid.
        """
        order, job = await self.job(principal, uuid)
        after = replace(job, **changes)
        if after.status not in JOB_STATES:
            raise Invalid(f'"{after.status[:80]}" is not a valid choice.', field="status")
        async with self._database.begin() as unit:
            await self._require(principal, order, "work_order.work")
            number = None
            if after.result is not None:
                number = await self._store.result_of(unit, await self._kinds(unit), after.result, order.target)
                if number is None:
                    raise Invalid(f'Invalid pk "{after.result}" - object does not exist.', field="analysis_result")
            await self._store.change_job(unit, after, result=number, at=self._now())
            await self._audit.write(
                unit, principal, "work_order.work", target=str(uuid), details={"status": after.status}
            )
        return await self.job(principal, uuid)

    async def delete_job(self, principal: Principal, uuid: UUID) -> None:
        """Remove a job of an order. Raises Forbidden."""
        order, _ = await self.job(principal, uuid)
        async with self._database.begin() as unit:
            await self._require(principal, order, "work_order.work")
            await self._store.delete_job(unit, uuid)
            await self._audit.write(unit, principal, "work_order.work", target=str(uuid), details={"deleted": True})

    async def _require(self, principal: Principal, order: WorkOrder, action: str) -> None:
        if not self.does(principal, order.prototype):
            raise await self._guard.refused(
                principal, action, sentence="Only who does the work of its prototype may change this."
            )

    async def passage(self, principal: Principal, uuid: UUID, *, write: bool) -> Passage | None:
        """Return the caller with the rights that an order gives to who does its work; None for an order of a group.

        They are good for the order's sample alone, with its results: whoever uses them checks that first. Raises
        NotFound, and Forbidden for who does not do the work.
        """
        try:
            order = await self.get(principal, OrderKind.SAMPLE, uuid)
        except NotFound:
            await self.get(principal, OrderKind.GROUP, uuid)
            return None
        await self._require(principal, order, "work_order.reach")
        lent = (*principal.lent, (order.project, int(_WORK if write else _LOOK)))
        return Passage(replace(principal, lent=lent), order.target)

    # --- helpers ----------------------------------------------------------------------------------

    async def _viewer(self, unit: Unit, principal: Principal) -> Viewer:
        access = await self._guard.access(unit, principal)
        limited = principal.only_program is not None
        return Viewer(None if limited else principal.user, is_site_admin(principal), access.scope(Right.READ))

    async def _kinds(self, unit: Unit) -> Kinds:
        return kinds_of((await self._dictionaries.current(unit)).dictionary)
