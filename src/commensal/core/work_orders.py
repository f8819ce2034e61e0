"""Work orders: what shall be computed for a sample, or for each sample of a group, and how far that is.

Source: contracts/pangea.md b11.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from commensal.core.ids import uuid7

__all__ = [
    "ERROR",
    "JOB_STATES",
    "PENDING",
    "SUCCESS",
    "WORKING",
    "Job",
    "JobPrototype",
    "OrderKind",
    "OrderLink",
    "Prototype",
    "WorkOrder",
    "fresh_uuid",
    "order_state",
]

PENDING, ERROR, WORKING, SUCCESS = "pending", "error", "working", "success"
JOB_STATES = (PENDING, ERROR, WORKING, SUCCESS)


class OrderKind(enum.StrEnum):
    """Of what an order is."""

    SAMPLE = "sample"
    GROUP = "group"


@dataclass(frozen=True, slots=True)
class Prototype:
    """What orders are made from. ``users``: numbers of the accounts that do the work; ``parts``: uuids, of groups."""

    seq: int
    uuid: UUID
    kind: OrderKind
    name: str
    description: str
    made_by: int | None
    created: datetime
    updated: datetime
    users: tuple[int, ...] = ()
    parts: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class JobPrototype:
    """A job that each order of a prototype has."""

    seq: int
    uuid: UUID
    prototype: UUID
    name: str
    description: str
    pipeline_module: UUID | None
    resources_needed: Any
    created: datetime
    updated: datetime


@dataclass(frozen=True, slots=True)
class Job:
    """One job of an order; ``result``: the analysis result that it made."""

    uuid: UUID
    work_order: UUID
    name: str
    description: str
    status: str
    pipeline_module: UUID | None
    result: UUID | None
    resources_needed: Any
    resources_used: Any
    created: datetime
    updated: datetime


@dataclass(frozen=True, slots=True)
class OrderLink:
    """An order of a sample within one of a group."""

    uuid: UUID
    name: str
    sample: UUID
    sample_name: str
    status: str


@dataclass(frozen=True, slots=True)
class WorkOrder:
    """One order. ``target`` is the uuid of its sample or group; it has jobs, or is made of others.

    ``links``: those of the others that the reader sees; ``states``: of all of them, or of the jobs.
    """

    seq: int
    uuid: UUID
    prototype: Prototype
    name: str
    priority: int
    description: str
    target: UUID
    project: int
    created: datetime
    updated: datetime
    states: tuple[str, ...] = ()
    jobs: tuple[Job, ...] = ()
    links: tuple[OrderLink, ...] = ()

    @property
    def status(self) -> str:
        """How far it is."""
        return order_state(self.states)

    @property
    def progress(self) -> dict[str, int]:
        """How many jobs (or orders) are in which state."""
        return dict(Counter(self.states))


def order_state(states: Iterable[str]) -> str:
    """Return the state of an order whose jobs are in these: an error anywhere, all the same, or else working."""
    found = set(states)
    if ERROR in found:
        return ERROR
    if found <= {PENDING}:
        return PENDING
    return SUCCESS if found == {SUCCESS} else WORKING


def fresh_uuid(now: datetime) -> UUID:
    """Return a uuid for something that is made now."""
    return uuid7(int(now.timestamp() * 1000))
