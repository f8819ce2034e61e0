"""Groups of users, and grants as they are shown to who manages them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

__all__ = ["CURATOR", "GrantRow", "Group", "Member"]

#: The computed group: everyone who holds ``create`` somewhere. It has no row and cannot be edited.
CURATOR = "Curator"


@dataclass(frozen=True, slots=True)
class Group:
    """A site-wide set of users; ``seq`` is 0 and ``computed`` set for ``Curator``."""

    seq: int
    uuid: UUID
    name: str
    made_by: int | None
    created: datetime | None
    members: int = 0
    computed: bool = False


@dataclass(frozen=True, slots=True)
class Member:
    """A user as a member of a group."""

    user: int
    uuid: UUID
    email: str
    name: str


@dataclass(frozen=True, slots=True)
class GrantRow:
    """A role given to a user or a group on a program, or on one project of it."""

    id: int
    role: str
    program: int
    project: int | None
    user: int | None
    group: int | None
    holder: str
    made_by: int | None
    made: datetime
    until: datetime | None
