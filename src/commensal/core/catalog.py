"""Pages of the catalog, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from commensal.core.permissions import PublicLevel, Right
from commensal.core.projects import Project

__all__ = [
    "AVAILABILITY",
    "ItemPage",
    "MemberRecord",
    "ObjectVersion",
    "ProjectPage",
    "availability",
    "level_of_availability",
]

T = TypeVar("T")

#: The Gen3 project property that is written to, and read from, the public level.
AVAILABILITY = "availability_type"


@dataclass(frozen=True, slots=True)
class ItemPage(Generic[T]):
    """One page of a list; ``total`` is the length of the whole list."""

    items: tuple[T, ...]
    total: int
    offset: int
    limit: int


@dataclass(frozen=True, slots=True)
class ProjectPage:
    """One page of projects, with the rights held on each and, when asked for, its counts.

    ``rights`` and ``counts`` are by project number. ``counts`` maps record types to how many there
    are; None where the count is too small to be shown to this caller.
    """

    items: tuple[Project, ...]
    total: int
    offset: int
    limit: int
    rights: Mapping[int, Right] = field(default_factory=dict[int, Right])
    counts: Mapping[int, Mapping[str, int | None]] = field(default_factory=dict[int, Mapping[str, int | None]])


@dataclass(frozen=True, slots=True)
class MemberRecord:
    """A record that is a member of a collection; ``project`` and ``type`` are those of the record."""

    seq: int
    uuid: UUID
    project: int
    type: str
    submitter_id: str
    label: str | None
    added: datetime


@dataclass(frozen=True, slots=True)
class ObjectVersion:
    """A catalog object as it was from ``at`` on."""

    version: int
    name: str
    body: dict[str, Any]
    who: int | None
    at: datetime


def availability(level: PublicLevel) -> str:
    """Return Gen3's ``availability_type`` of a public level: Open from ``read`` on."""
    return "Open" if level >= PublicLevel.READ else "Restricted"


def level_of_availability(value: object, level: PublicLevel) -> PublicLevel:
    """Return the public level after ``availability_type`` was written over ``level``.

    Open raises it to ``read`` at least; another value takes rows and bytes back but leaves counts;
    a value that is absent or null changes nothing.
    """
    if value is None:
        return level
    if str(value).casefold() == "open":
        return max(level, PublicLevel.READ)
    return PublicLevel.AGGREGATE if level == PublicLevel.AGGREGATE else PublicLevel.NONE
