"""What account provisioning (SCIM) asks of the system of record beside accounts and groups themselves."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from commensal.core.groups import Group, Member
from commensal.core.users import User
from commensal.storage.ports import Unit
from commensal.storage.ports.people import Viewer

__all__ = ["ScimStore"]


class ScimStore(Protocol):
    """Every method is one statement. ``None`` among the conditions asks for nothing."""

    async def users(
        self,
        unit: Unit,
        *,
        seq: int | None,
        email_folded: str | None,
        name: str | None,
        external_id: str | None,
        active: bool | None,
        offset: int,
        limit: int,
    ) -> tuple[list[tuple[User, str | None]], int]:
        """Return a page of accounts by number with their external ids, and how many there are."""
        ...

    async def groups(
        self,
        unit: Unit,
        *,
        seq: int | None,
        name_folded: str | None,
        external_id: str | None,
        member: int | None,
        offset: int,
        limit: int,
    ) -> tuple[list[tuple[Group, str | None]], int]:
        """Return a page of groups by number with their external ids; with ``member``, those of a member or maker."""
        ...

    async def members(self, unit: Unit, groups: Sequence[int]) -> dict[int, list[Member]]:
        """Return the members of groups, by e-mail."""
        ...

    async def emails(
        self, unit: Unit, users: Sequence[int], viewer: Viewer, *, among: Collection[int] = ()
    ) -> dict[int, str]:
        """Return the addresses of accounts by number; those are absent that do not exist, or that ``viewer`` does not
        see and that are not ``among`` those he knows.
        """
        ...

    async def set_external_id(self, unit: Unit, resource: str, seq: int, external_id: str | None) -> None:
        """Keep, or with None forget, the name that another system has for an account or group."""
        ...
