"""What rights ask of storage: grants and groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from commensal.core.groups import GrantRow, Group, Member
from commensal.storage.ports import Unit
from commensal.storage.ports.people import Viewer

__all__ = ["GrantStore", "GroupStore", "HeldGrant"]


@dataclass(frozen=True, slots=True)
class HeldGrant:
    """A grant that a user holds, by himself or by a group."""

    role: str
    program: int
    project: int | None
    until: datetime | None


class GrantStore(Protocol):
    """Grants."""

    async def held_by(self, unit: Unit, user: int, now: datetime) -> list[HeldGrant]:
        """Return the grants in force of a user and of the groups he is in; one statement."""
        ...

    async def add(
        self,
        unit: Unit,
        *,
        user: int | None,
        group: int | None,
        role: str,
        program: int,
        project: int | None,
        made_by: int | None,
        made: datetime,
        until: datetime | None,
    ) -> tuple[int, bool]:
        """Give a role, or set the end of the same grant given before; return its number and whether it is new."""
        ...

    async def remove(self, unit: Unit, ids: Sequence[int]) -> None:
        """Take grants away."""
        ...

    async def of(
        self, unit: Unit, *, program: int, project: int | None, user: int | None, group: int | None, role: str | None
    ) -> list[GrantRow]:
        """Return the grants on exactly this program or project, of one holder and role where given."""
        ...

    async def on_project(self, unit: Unit, *, program: int, project: int) -> list[GrantRow]:
        """Return the grants that hold on a project: its own, and those on its program."""
        ...

    async def get(self, unit: Unit, grant: int) -> GrantRow | None:
        """Return one grant."""
        ...

    async def lock_program(self, unit: Unit, program: int) -> None:
        """Make other changes of this program's grants wait until the transaction ends."""
        ...

    async def owners(self, unit: Unit, program: int, now: datetime, *, without: Sequence[int]) -> int:
        """Count the active users who own a program by a grant in force without end, leaving out these grants."""
        ...

    async def user_by_email(self, unit: Unit, email_folded: str) -> tuple[int, str] | None:
        """Return number and e-mail of an account."""
        ...


class GroupStore(Protocol):
    """Groups and their members."""

    async def add(
        self, unit: Unit, *, uuid: UUID, name: str, name_folded: str, made_by: int | None, created: datetime
    ) -> Group | None:
        """Make a group; None when the name is taken."""
        ...

    async def find(self, unit: Unit, *, seq: int | None = None, name_folded: str | None = None) -> Group | None:
        """Return a group by number or name."""
        ...

    async def list(
        self, unit: Unit, *, search: str, offset: int, limit: int, member: int | None = None
    ) -> tuple[list[Group], int]:
        """Return a page of groups by name, with the total; of one user where ``member`` is given."""
        ...

    async def rename(self, unit: Unit, group: int, *, name: str, name_folded: str) -> bool:
        """Give a group another name; False when it is taken."""
        ...

    async def orphaned(self, unit: Unit, group: int, users: Sequence[int] | None) -> str | None:
        """Return the code of a program that only these members of a group (None: all) own by a grant without end.

        Locks the programs that the group owns, as every change of an owner does.
        """
        ...

    async def delete(self, unit: Unit, group: int) -> None:
        """Remove a group with its memberships and grants."""
        ...

    async def members(self, unit: Unit, group: int) -> list[Member]:
        """Return the members of a group by e-mail."""
        ...

    async def add_members(
        self, unit: Unit, group: int, users: Sequence[int], *, added_by: int | None, added: datetime
    ) -> int:
        """Add users; return how many were not members before."""
        ...

    async def remove_members(self, unit: Unit, group: int, users: Sequence[int]) -> int:
        """Take users out; return how many were members."""
        ...

    async def users_by_email(self, unit: Unit, emails_folded: Sequence[str]) -> dict[str, int]:
        """Return the numbers of accounts by folded e-mail; unknown ones are absent."""
        ...

    async def curators(
        self, unit: Unit, roles: Sequence[str], now: datetime, *, viewer: Viewer | None = None
    ) -> list[Member]:
        """Return the active users who hold one of these roles somewhere, and all site admins.

        ``viewer``: only those whom he sees.
        """
        ...

    async def grants_of(self, unit: Unit, group: int, now: datetime) -> list[tuple[str, int, int | None]]:
        """Return (role, program, project) of the grants in force of a group."""
        ...
