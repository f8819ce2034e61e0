"""What work orders are made from: made by site admins, and kept by their makers (contracts/pangea.md b11)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from commensal.core.catalog import ItemPage
from commensal.core.ids import is_uuid
from commensal.core.names import fold
from commensal.core.principals import Principal
from commensal.core.work_orders import JobPrototype, OrderKind, Prototype, fresh_uuid
from commensal.errors import AlreadyExists, Invalid, NotFound
from commensal.services.audit import Audit
from commensal.services.clock import Clock, utc_now
from commensal.services.guard import Guard
from commensal.storage.ports import Database, Unit
from commensal.storage.ports.work_orders import OrderPrototypeStore

__all__ = ["OrderPrototypes", "PrototypeChanges"]

_NAME = 200


@dataclass(frozen=True, slots=True)
class PrototypeChanges:
    """What a prototype shall be; None: as it is.

    ``users``: who does the work, by number or by e-mail address; ``parts``: prototypes of sample orders.
    """

    name: str | None = None
    description: str | None = None
    users: Sequence[int | str] | None = None
    parts: Sequence[UUID] | None = None


class OrderPrototypes:
    """Read: whoever is signed in. Write: site admins."""

    def __init__(
        self, *, database: Database, store: OrderPrototypeStore, guard: Guard, audit: Audit, now: Clock = utc_now
    ) -> None:
        self._database = database
        self._store = store
        self._guard = guard
        self._audit = audit
        self._now = now

    async def page(
        self,
        principal: Principal,
        kind: OrderKind,
        *,
        uuid: UUID | None = None,
        name: str | None = None,
        offset: int,
        limit: int,
    ) -> ItemPage[Prototype]:
        """Return a page of prototypes, in order of making; ``name`` without case."""
        async with self._database.read() as unit:
            await self._guard.require_signed_in(unit, principal, "work_order.read")
            folded = None if name is None else fold(name)
            found, total = await self._store.prototypes(
                unit, kind, uuid=uuid, name_folded=folded, offset=offset, limit=limit
            )
        return ItemPage(tuple(found), total, offset, limit)

    async def prototype(self, principal: Principal, kind: OrderKind, ref: str | UUID) -> Prototype:
        """Return a prototype by uuid or by name. Raises NotFound."""
        uuid = ref if isinstance(ref, UUID) else UUID(ref) if is_uuid(ref) else None
        name = None if uuid is not None or "\0" in str(ref) else str(ref)
        page = await self.page(principal, kind, uuid=uuid, name=name, offset=0, limit=1)
        if not page.items or (uuid is None and name is None):
            raise NotFound("There is no such prototype of work orders.")
        return page.items[0]

    async def put(
        self, principal: Principal, kind: OrderKind, changes: PrototypeChanges, before: Prototype | None = None
    ) -> Prototype:
        """Make a prototype, or change one. Raises Forbidden, AlreadyExists, Invalid."""
        if changes.name is not None or before is None:
            _check(changes.name or "")
        name = changes.name or (before.name if before is not None else "")
        description = changes.description if changes.description is not None else before.description if before else ""
        at = self._now()
        uuid = fresh_uuid(at) if before is None else before.uuid
        async with self._database.begin() as unit:
            await self._guard.require_site_admin(unit, principal, "work_order.prototype")
            users = before.users if changes.users is None and before else await self._users(unit, changes.users or ())
            parts = before.parts if changes.parts is None and before else changes.parts or ()
            if kind is OrderKind.SAMPLE and parts:
                raise Invalid("Only prototypes of group orders have parts.", field="work_order_protos")
            missing = set(parts) - await self._store.known(unit, parts) if parts else ()
            if missing:
                raise Invalid(f'Invalid pk "{min(missing)}" - object does not exist.', field="work_order_protos")
            stored = await self._store.put_prototype(
                unit, kind, seq=None if before is None else before.seq, uuid=uuid, name=name, name_folded=fold(name),
                description=description, users=users, parts=parts, who=principal.user, at=at,
            )  # fmt: skip
            if not stored:
                raise AlreadyExists(f"A prototype with the name {name!r} already exists.", field="name")
            await self._audit.write(
                unit, principal, "work_order.prototype", target=name, details={"kind": kind, "users": sorted(users)}
            )
            found, _ = await self._store.prototypes(unit, kind, uuid=uuid)
        return found[0]

    async def _users(self, unit: Unit, refs: Sequence[int | str]) -> tuple[int, ...]:
        """Return the accounts of numbers and addresses. Raises Invalid for one that does not exist."""
        numbers = [ref for ref in refs if isinstance(ref, int)]
        emails = [fold(ref.strip()) for ref in refs if isinstance(ref, str)]
        if any(not 0 <= number < 1 << 63 for number in numbers):
            raise Invalid("An account's number has at most 18 digits.", field="privileged_users")
        found = await self._store.users_by(unit, numbers, emails) if refs else {}
        missing = [str(one) for one in numbers if one not in found] + [
            one for one in emails if one not in found.values()
        ]
        if missing:
            raise Invalid(f'Invalid pk "{missing[0][:80]}" - object does not exist.', field="privileged_users")
        return tuple(found)

    async def delete(self, principal: Principal, prototype: Prototype) -> None:
        """Remove a prototype with all of its orders and jobs. Raises Forbidden."""
        async with self._database.begin() as unit:
            await self._guard.require_site_admin(unit, principal, "work_order.prototype")
            await self._store.delete(unit, prototype.uuid, job=False)
            await self._audit.write(
                unit, principal, "work_order.prototype", target=prototype.name, details={"deleted": True}
            )

    # --- jobs -------------------------------------------------------------------------------------

    async def job_page(
        self,
        principal: Principal,
        *,
        uuid: UUID | None = None,
        name: str | None = None,
        prototype: UUID | None = None,
        offset: int,
        limit: int,
    ) -> ItemPage[JobPrototype]:
        """Return a page of the jobs of prototypes, in order of making."""
        async with self._database.read() as unit:
            await self._guard.require_signed_in(unit, principal, "work_order.read")
            found, total = await self._store.job_prototypes(
                unit, uuid=uuid, name_folded=None if name is None else fold(name), prototype=prototype, offset=offset,
                limit=limit,
            )  # fmt: skip
        return ItemPage(tuple(found), total, offset, limit)

    async def job(self, principal: Principal, ref: str | UUID) -> JobPrototype:
        """Return a job prototype by uuid, or by name, of which the oldest is meant. Raises NotFound."""
        uuid = ref if isinstance(ref, UUID) else UUID(ref) if is_uuid(ref) else None
        name = None if uuid is not None or "\0" in str(ref) else str(ref)
        page = await self.job_page(principal, uuid=uuid, name=name, offset=0, limit=1)
        if not page.items or (uuid is None and name is None):
            raise NotFound("There is no such prototype of jobs.")
        return page.items[0]

    async def put_job(
        self,
        principal: Principal,
        prototype: UUID,
        name: str,
        *,
        description: str = "",
        pipeline_module: UUID | None = None,
        resources_needed: Any,
        before: JobPrototype | None = None,
    ) -> JobPrototype:
        """Make a job of a prototype, or write one anew; orders that exist keep the jobs that they have.

        Raises Forbidden, AlreadyExists, Invalid.
        """
        _check(name)
        at = self._now()
        uuid = fresh_uuid(at) if before is None else before.uuid
        async with self._database.begin() as unit:
            await self._guard.require_site_admin(unit, principal, "work_order.prototype")
            if not await self._store.known(unit, [prototype]):
                raise Invalid(f'Invalid pk "{prototype}" - object does not exist.', field="work_order_proto")
            seq = None
            if before is not None:
                seq = before.seq
            stored = await self._store.put_job_prototype(
                unit, seq=seq, uuid=uuid, prototype=prototype, name=name, name_folded=fold(name),
                description=description, pipeline_module=pipeline_module, resources_needed=resources_needed, at=at,
            )  # fmt: skip
            if not stored:
                raise AlreadyExists(f"This prototype has a job with the name {name!r}.", field="name")
            await self._audit.write(unit, principal, "work_order.prototype", target=name, details={"kind": "job"})
            found, _ = await self._store.job_prototypes(unit, uuid=uuid)
        return found[0]

    async def delete_job(self, principal: Principal, job: JobPrototype) -> None:
        """Remove a job of a prototype; orders that exist keep theirs. Raises Forbidden."""
        async with self._database.begin() as unit:
            await self._guard.require_site_admin(unit, principal, "work_order.prototype")
            await self._store.delete(unit, job.uuid, job=True)
            await self._audit.write(
                unit, principal, "work_order.prototype", target=job.name, details={"kind": "job", "deleted": True}
            )


def _check(name: str) -> None:
    if not name.strip() or len(name) > _NAME or not name.isprintable() or is_uuid(name):
        raise Invalid(f"A name needs 1 to {_NAME} printable characters, and is no uuid.", field="name")
