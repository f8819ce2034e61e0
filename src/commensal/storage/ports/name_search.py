"""What the search by name asks of storage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from commensal.core.lineage import Kinds
from commensal.core.permissions import Scope
from commensal.core.projects import Program
from commensal.storage.ports import Unit
from commensal.storage.ports.catalog import ProgramView

__all__ = ["NameHits", "NameSearchStore"]


@dataclass(frozen=True, slots=True)
class NameHits:
    """What has these words in its name: samples by uuid, projects by number, programs."""

    samples: Sequence[UUID]
    projects: Sequence[int]
    programs: Sequence[Program]


class NameSearchStore(Protocol):
    """Search by the beginnings of words in names."""

    async def find(self, unit: Unit, kinds: Kinds, scope: Scope, view: ProgramView, text: str, limit: int) -> NameHits:
        """Return at most ``limit`` of each, with those whose name has all words of a text; three statements."""
        ...
