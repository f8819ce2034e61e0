"""What services ask of storage about people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from commensal.core.people import Person
from commensal.storage.ports import Unit

__all__ = ["PeopleStore", "Viewer"]


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who looks: an account, who sees itself and all who belong to one of ``programs``; ``everybody``: all."""

    user: int | None
    programs: frozenset[int]
    everybody: bool = False


class PeopleStore(Protocol):
    """Accounts with their profiles and programs."""

    async def page(
        self,
        unit: Unit,
        viewer: Viewer,
        *,
        uuid: UUID | None = None,
        seq: int | None = None,
        program: int | None = None,
        offset: int = 0,
        limit: int = 100,
    ) -> tuple[list[Person], int]:
        """Return a page of the active accounts that a viewer sees, of those of a program where given, and the total.

        One statement; in order of making.
        """
        ...

    async def set_profile(self, unit: Unit, user: int, changes: Mapping[str, str]) -> None:
        """Lay changes over a profile."""
        ...
