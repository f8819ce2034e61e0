"""What graph queries ask of storage."""

from __future__ import annotations

from typing import Protocol

from commensal.core.graph.model import Root
from commensal.core.permissions import Scope
from commensal.storage.ports import Unit

__all__ = ["GraphReads", "Prepared"]


class Prepared(Protocol):
    """A root field ready to be sent, as often as wanted and for any caller."""

    @property
    def key(self) -> str:
        """The name of the field in the answer."""
        ...

    @property
    def size(self) -> int:
        """About how many bytes it takes to remember."""
        ...


class GraphReads(Protocol):
    """Answers root fields, each by one statement."""

    def prepare(self, field: Root) -> Prepared:
        """Compile a root field; sends nothing."""
        ...

    async def any_private(self, unit: Unit) -> bool:
        """Tell whether there are private records at all."""
        ...

    async def answer(
        self,
        unit: Unit,
        prepared: Prepared,
        *,
        read: Scope,
        count: Scope,
        min_count: int,
        granted: Scope | None = None,
    ) -> str:
        """Return the field's value as JSON text; with ``granted``, private records outside of it are not there.

        ``read`` limits all rows; ``count`` are the projects in which a caller may count: where he may not read too,
        counts below ``min_count`` are hidden. Raises TooLarge when the answer is larger than the database can make.
        """
        ...
