"""What services ask of storage, as Protocols: the only part of storage that services may import.

A :class:`Unit` is one connection, inside a transaction or not. Repositories hold no state: each
method takes the unit it works in first, so a service decides what belongs to one transaction and
the statements of a request can be counted. One module per concern stands beside this one.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol

__all__ = ["Database", "Unit"]


class Unit(Protocol):
    """One connection to the system of record; opaque to services."""

    @property
    def statements(self) -> int:
        """Number of SQL statements sent through this unit so far."""
        ...


class Database(Protocol):
    """The system of record.

    ``begin`` gives a unit whose writes become visible together when the block ends without an
    error, and not at all otherwise. ``read`` gives a unit where each statement stands alone;
    ``alone`` does, too, for a write that is one statement, and so needs no begin and commit.
    ``snapshot`` gives a read-only unit that sees one moment, for answers made of several
    statements. All raise ``errors.Unavailable`` when no connection can be had in 5 seconds,
    or when the connection breaks; nothing is retried.
    """

    def begin(self) -> AbstractAsyncContextManager[Unit]:
        """Open a transaction."""
        ...

    def read(self) -> AbstractAsyncContextManager[Unit]:
        """Open a unit for single reads."""
        ...

    def alone(self) -> AbstractAsyncContextManager[Unit]:
        """Open a unit where each statement is a transaction of its own."""
        ...

    def snapshot(self) -> AbstractAsyncContextManager[Unit]:
        """Open a read-only transaction that sees one moment (repeatable read)."""
        ...
