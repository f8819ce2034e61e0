"""What the transaction log asks of storage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from commensal.storage.ports import Unit
from commensal.storage.ports.records import TransactionRow

__all__ = ["LoggedDocument", "LoggedTransaction", "TransactionStore"]


@dataclass(frozen=True, slots=True)
class LoggedDocument:
    """A document of a transaction as it was sent."""

    name: str | None
    doc_format: str
    doc: str


@dataclass(frozen=True, slots=True)
class LoggedTransaction:
    """A row of the transaction log; ``committed_by`` is the number of the transaction that did it for real."""

    id: int
    program: str
    project: str
    role: str
    state: str
    is_dry_run: bool
    closed: bool
    committed_by: int | None


class TransactionStore(Protocol):
    """The transaction log."""

    async def add(self, unit: Unit, log: TransactionRow) -> int:
        """Begin a log and return its number."""
        ...

    async def add_document(
        self, unit: Unit, transaction: int, name: str | None, doc_format: str, doc: str, response: str | None
    ) -> None:
        """Add a document with its answer (None: not there yet)."""
        ...

    async def find(
        self, unit: Unit, program: str, project: str, transaction: int, *, lock: bool = False
    ) -> LoggedTransaction | None:
        """Return a log of a project (any case), locked when asked."""
        ...

    async def documents(self, unit: Unit, transaction: int) -> list[LoggedDocument]:
        """Return the documents of a transaction, in the order in which they were sent."""
        ...

    async def committed(self, unit: Unit, transaction: int, by: int) -> None:
        """Write down which transaction did it for real."""
        ...

    async def close(self, unit: Unit, transaction: int) -> None:
        """Forbid to commit."""
        ...

    async def set_state(self, unit: Unit, transaction: int, state: str, response: str | None = None) -> None:
        """Set the state of a pending transaction and the answer of its documents."""
        ...

    async def touch(self, unit: Unit, transactions: Sequence[int], at: datetime) -> None:
        """Say that these pending transactions are still being worked on."""
        ...

    async def abandon(self, unit: Unit, before: datetime) -> int:
        """Mark as ERRORED what is pending and was not touched since; return how many."""
        ...

    async def set_project_state(self, unit: Unit, project: int, state: str, *, released: bool, at: datetime) -> None:
        """Set where a project is in its life."""
        ...
