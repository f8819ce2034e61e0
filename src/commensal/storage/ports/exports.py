"""What exports ask of storage."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from commensal.core.exported import Exported, ExportShape
from commensal.core.permissions import Scope
from commensal.core.tabular.copied import Cell
from commensal.storage.ports import Unit

__all__ = ["ExportStore"]


class ExportStore(Protocol):
    """Reading records for exports; each method is one statement."""

    async def any_private(self, unit: Unit, project: int) -> bool:
        """Tell whether a project has records that only a grant shows."""
        ...

    def rows(
        self, unit: Unit, project: int, shape: ExportShape
    ) -> AbstractAsyncContextManager[AsyncGenerator[bytes, None]]:
        """Stream all records of a type in order of id (needs a transaction).

        Each chunk holds whole lines; a line has, separated by U+001F, JSON values: id, submitter_id, the properties,
        and for each link of the shape the ids and the names of its targets, joined by commas (empty without one).
        """
        ...

    def cells(
        self, unit: Unit, project: int, shape: ExportShape, cells: Sequence[Cell]
    ) -> AbstractAsyncContextManager[AsyncGenerator[bytes, None]]:
        """Stream the same as lines of cells in COPY's text form: tabs between them, nothing for an absent value."""
        ...

    def objects(
        self, unit: Unit, project: int, project_id: str, shape: ExportShape, *, with_id: bool, keys: Mapping[str, str]
    ) -> AbstractAsyncContextManager[AsyncGenerator[bytes, None]]:
        """Stream the same as JSON objects of the Gen3 export, one a line; ``keys``: each link's target property."""
        ...

    async def by_ids(self, unit: Unit, project: int, ids: Sequence[str]) -> list[Exported]:
        """Return the records of a project that have these uuids, with their links, in order of id."""
        ...

    async def with_children(self, unit: Unit, project: int, ids: Sequence[str], limit: int) -> list[str]:
        """Return the uuids of these records and of all that link to them, directly or not, in the project."""
        ...

    async def counts(self, unit: Unit, scope: Scope, types: Sequence[str]) -> list[tuple[str, str, int]]:
        """Return (project id, type, number of records) inside the scope, from the counters."""
        ...
