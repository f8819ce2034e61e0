"""What the dictionary service asks of storage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from commensal.core.records import Record
from commensal.storage.ports import Unit

__all__ = ["DictionaryStore", "Reshaped", "StoredDictionary"]


@dataclass(frozen=True, slots=True)
class StoredDictionary:
    """One version of the site's dictionary. ``shipped``: it is the open one that came with the program."""

    version: int
    hash: str
    source: str
    shipped: bool
    body: Mapping[str, Any]
    roles: Mapping[str, Any] | None
    applied_by: str
    applied: datetime


@dataclass(frozen=True, slots=True)
class Reshaped:
    """What a record becomes.

    ``cut`` are links that the new dictionary does not declare: they get our prefix. ``back`` are links with our
    prefix that it declares: they lose it.
    """

    record: Record
    type: str
    label: str | None
    props: Mapping[str, Any]
    extra: Any
    cut: Sequence[str] = ()
    back: Sequence[str] = ()


class DictionaryStore(Protocol):
    """Versions of the site's dictionary; the highest is in use."""

    async def version(self, unit: Unit) -> int:
        """Return the version in use, 0 before the first."""
        ...

    async def load(self, unit: Unit, version: int) -> StoredDictionary | None:
        """Return one version."""
        ...

    async def lock(self, unit: Unit) -> None:
        """Wait for all running writes to end and keep new ones out until the transaction ends."""
        ...

    async def add(self, unit: Unit, stored: StoredDictionary) -> None:
        """Store a version."""
        ...

    async def strict_projects(self, unit: Unit) -> set[int]:
        """Return the numbers of the projects that are strict."""
        ...

    async def reshape(self, unit: Unit, rows: Sequence[Reshaped], who: int | None, door: str, at: datetime) -> None:
        """Give records another type, other properties and free metadata, in up to five statements.

        Counters, changes, tombstones and versions follow. Raises AlreadyExists when a name is taken in the new type.
        """
        ...

    async def settle(self, unit: Unit, types: Mapping[str, str]) -> None:
        """After the last ``reshape``: make links, members and what is deleted follow the types (old to new)."""
        ...
