"""What the pipeline service asks of storage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from commensal.core.pipelines import PipelineModule
from commensal.core.projects import CatalogObject
from commensal.storage.ports import Unit

__all__ = ["ModuleFilter", "PipelineStore"]


@dataclass(frozen=True, slots=True)
class ModuleFilter:
    """Which modules; what is None does not limit. ``seqs``, ``uuids``: those among these."""

    uuid: UUID | None = None
    name: str | None = None
    pipeline: UUID | None = None
    seqs: Sequence[int] | None = None
    uuids: Sequence[UUID] | None = None


class PipelineStore(Protocol):
    """Pages of pipelines and modules of the site in order of making; one statement each."""

    async def pipelines(
        self, unit: Unit, *, uuid: UUID | None, name_folded: str | None, offset: int, limit: int
    ) -> tuple[list[CatalogObject], int]:
        """Return a page of pipelines, and how many there are."""
        ...

    async def modules(
        self, unit: Unit, only: ModuleFilter, *, offset: int, limit: int
    ) -> tuple[list[PipelineModule], int]:
        """Return a page of modules with their pipelines and neighbours, and how many there are."""
        ...

    async def module_named(self, unit: Unit, name_folded: str) -> PipelineModule | None:
        """Return the module whose object has this name (``core.pipelines.module_key``, folded)."""
        ...
