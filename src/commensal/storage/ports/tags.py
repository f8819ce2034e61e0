"""What the tag service asks of the system of record."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from commensal.core.lineage import Kinds
from commensal.core.permissions import Scope
from commensal.core.projects import CatalogObject
from commensal.storage.ports import Unit

__all__ = ["TagStore"]


class TagStore(Protocol):
    """Which things carry which tags; one statement each."""

    async def put(self, unit: Unit, tag: int, target: int, payload: str, who: int | None) -> None:
        """Put a tag on a thing, or give it another payload there."""
        ...

    async def tags_of(self, unit: Unit, target: int, *, offset: int, limit: int) -> tuple[list[CatalogObject], int]:
        """Return a page of the tags that a thing carries, by number, and how many there are."""
        ...

    async def tags_with(self, unit: Unit, tag: int, *, offset: int, limit: int) -> tuple[list[CatalogObject], int]:
        """Return a page of the tags that carry a tag."""
        ...

    async def random_samples(self, unit: Unit, kinds: Kinds, scope: Scope, tag: int, n: int) -> Sequence[UUID]:
        """Return the uuids of at most ``n`` samples in a scope that carry a tag, drawn at random."""
        ...

    async def module_counts(
        self, unit: Unit, kinds: Kinds, scope: Scope, granted: Scope, tag: int, *, of_samples: bool
    ) -> tuple[int, dict[str, int]]:
        """Return how many samples (or projects) in a scope carry a tag, and how many of them have each module.

        Private results count only where ``granted`` has their project.
        """
        ...
