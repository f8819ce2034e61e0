"""What services ask of storage about e-mail that waits to be sent."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from commensal.storage.ports import Unit

__all__ = ["Letter", "Outbox"]


@dataclass(frozen=True, slots=True)
class Letter:
    """One plain-text message; ``attempts`` counts this one too."""

    id: int
    recipient: str
    subject: str
    body: str = field(repr=False)
    attempts: int


class Outbox(Protocol):
    """Messages that are written in the transaction that causes them and sent after it."""

    async def add(self, unit: Unit, recipient: str, subject: str, body: str, at: datetime) -> None:
        """Store a message that is due at once."""
        ...

    async def claim(self, unit: Unit, at: datetime, again: datetime, limit: int) -> list[Letter]:
        """Take messages that are due; another process may take them again from ``again`` on."""
        ...

    async def sent(self, unit: Unit, number: int, at: datetime) -> None:
        """Note that a message went out, and drop its body: it may hold a secret link."""
        ...

    async def failed(self, unit: Unit, number: int, error: str, again: datetime | None) -> None:
        """Note why a message did not go out and when to try again; None gives up and drops its body."""
        ...
