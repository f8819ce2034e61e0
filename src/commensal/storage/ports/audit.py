"""What the audit asks of storage."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from commensal.core.audit import AuditEvent, AuditFilter, Seal
from commensal.storage.ports import Unit

__all__ = ["AuditStore", "SealStore", "SealedEvent"]

#: An event with the text of its details as stored, which is what is sealed.
SealedEvent = tuple[AuditEvent, str | None]


class AuditStore(Protocol):
    """Events in, events out."""

    async def add(self, unit: Unit, event: AuditEvent) -> int:
        """Write one event with its patients; one statement. Return its number."""
        ...

    async def add_many(self, unit: Unit, events: Sequence[AuditEvent]) -> None:
        """Write many events, none of which names patients, by one COPY."""
        ...

    async def add_unknown(self, unit: Unit, counts: Mapping[tuple[datetime, str, str], int]) -> None:
        """Add to the counts of unknown callers by (minute, address, door); one statement."""
        ...

    async def tail(self, unit: Unit, n: int, only: AuditFilter) -> list[AuditEvent]:
        """Return the newest ``n`` events that pass the filter, newest first; one statement."""
        ...

    async def of_patient(self, unit: Unit, patient: int, n: int) -> list[AuditEvent]:
        """Return the newest ``n`` events that name this record's patient fields, newest first."""
        ...


class SealStore(Protocol):
    """The chain of seals, and partitions."""

    async def elect(self, unit: Unit) -> bool:
        """Try to become the one sealer for as long as this unit's connection lives."""
        ...

    async def last_seal(self, unit: Unit) -> Seal | None:
        """Return the newest seal."""
        ...

    async def running(self, unit: Unit) -> frozenset[str]:
        """Return the names of all transactions that are open now, with or without a transaction number."""
        ...

    async def newest(self, unit: Unit) -> int:
        """Return the highest event number that is visible, 0 when there is none."""
        ...

    async def events(self, unit: Unit, *, above: int, up_to: int, also: Sequence[int]) -> list[SealedEvent]:
        """Return visible events numbered in (above, up_to], and those numbered in ``also``, by number."""
        ...

    async def add_seal(self, unit: Unit, seal: Seal) -> bool:
        """Write a seal and the head of the chain; return False when another process wrote this one."""
        ...

    async def head(self, unit: Unit) -> tuple[int, str] | None:
        """Return number and digest (hex) of the newest seal as noted apart from the seals."""
        ...

    def seals(self, unit: Unit) -> AsyncIterator[list[Seal]]:
        """Yield all seals in order, in chunks, from a server-side cursor."""
        ...

    def all_events(self, unit: Unit) -> AsyncIterator[list[SealedEvent]]:
        """Yield all events by number, in chunks, from a server-side cursor."""
        ...

    async def ensure_partitions(self, unit: Unit, months: Sequence[tuple[datetime, datetime]]) -> int:
        """Make the partitions for these spans that are absent, moving events that came before; return how many."""
        ...
