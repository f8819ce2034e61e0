"""What the services of work orders ask of storage; the number of statements of a method does not depend on rows."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from commensal.core.lineage import Kinds
from commensal.core.permissions import Scope
from commensal.core.work_orders import Job, JobPrototype, OrderKind, Prototype, WorkOrder
from commensal.storage.ports import Unit

__all__ = ["OrderFilter", "OrderPrototypeStore", "Viewer", "WorkOrderStore"]


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who asks: he sees orders of what is inside the scope, and all of prototypes whose work he does."""

    user: int | None
    everything: bool
    scope: Scope


@dataclass(frozen=True, slots=True)
class OrderFilter:
    """Which orders; what is None does not limit.

    ``target``: the number of a sample or project; ``own``: only those of prototypes whose work the viewer does.
    """

    kind: OrderKind
    uuid: UUID | None = None
    job: UUID | None = None
    target: int | None = None
    prototype: int | None = None
    own: bool = False
    not_status: str | None = None
    shuffled: bool = False


class OrderPrototypeStore(Protocol):
    """What orders are made from."""

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
        """Return a page of prototypes in order of making; those of this uuid, or of this name, where given."""
        ...

    async def known(self, unit: Unit, uuids: Collection[UUID]) -> set[UUID]:
        """Return which of these are prototypes of sample orders."""
        ...

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
        """Make a prototype, or change the one with this number, with all its users and parts; False: name taken."""
        ...

    async def users_by(self, unit: Unit, numbers: Sequence[int], emails_folded: Sequence[str]) -> dict[int, str]:
        """Return the folded addresses of those active accounts, by number."""
        ...

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
        """Return a page of job prototypes in order of making."""
        ...

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
        """Make a job prototype, or change the one with this number; False: the prototype has one of this name."""
        ...

    async def delete(self, unit: Unit, uuid: UUID, *, job: bool) -> None:
        """Remove a prototype with all orders, or a job prototype."""
        ...


class WorkOrderStore(Protocol):
    """Orders and their jobs."""

    async def members(self, unit: Unit, kinds: Kinds, project: int, scope: Scope) -> list[tuple[int, bool]]:
        """Return the samples of a project, or members of a collection, with whether they are inside a scope."""
        ...

    async def add(self, unit: Unit, prototype: int, target: int, *, who: int | None, at: datetime) -> tuple[UUID, bool]:
        """Make an order with its jobs unless it is there; return its uuid, and whether it is new."""
        ...

    async def add_parts(
        self, unit: Unit, prototype: int, project: int, samples: Sequence[int], *, who: int | None, at: datetime
    ) -> None:
        """Make the orders that a group's order is made of, those that are missing with their jobs, and link them."""
        ...

    async def orders(
        self, unit: Unit, kinds: Kinds, viewer: Viewer, only: OrderFilter, *, offset: int, limit: int
    ) -> tuple[list[WorkOrder], int]:
        """Return a page of the orders that a viewer sees with jobs or links, in order of making, and the total."""
        ...

    async def result_of(self, unit: Unit, kinds: Kinds, result: UUID, sample: UUID) -> int | None:
        """Return the number of an analysis result that hangs on this sample."""
        ...

    async def change_job(self, unit: Unit, job: Job, *, result: int | None, at: datetime) -> None:
        """Store what a job is now; ``result``: the number of its analysis result."""
        ...

    async def delete_job(self, unit: Unit, job: UUID) -> None:
        """Remove a job."""
        ...
