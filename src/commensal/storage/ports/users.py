"""What services ask of storage about accounts, invitations and failed sign-ins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from commensal.core.users import GivenRole, Invitation, User
from commensal.storage.ports import Unit

__all__ = ["Failures", "Invitations", "SignInFailures", "SignInRow", "Users"]


@dataclass(frozen=True, slots=True)
class Failures:
    """How often one account was tried in vain from one address, and when last."""

    n: int
    last: datetime


@dataclass(frozen=True, slots=True)
class SignInRow:
    """What a sign-in needs to know, from one statement."""

    user: User | None
    password: str | None
    failures: Failures | None


class Users(Protocol):
    """Accounts."""

    async def add(
        self, unit: Unit, *, uuid: UUID, email: str, folded: str, name: str, password: str | None, site_admin: bool
    ) -> User | None:
        """Add an account; None when the address is taken."""
        ...

    async def get(self, unit: Unit, seq: int) -> User | None:
        """Return the account of this number."""
        ...

    async def lock(self, unit: Unit, seq: int) -> User | None:
        """Return the account of this number and hold it against changes until the transaction ends."""
        ...

    async def by_email(self, unit: Unit, folded: str) -> User | None:
        """Return the account of this folded address."""
        ...

    async def by_uuid(self, unit: Unit, uuid: UUID) -> User | None:
        """Return the account of this uuid."""
        ...

    async def find(self, unit: Unit, search: str, *, offset: int, limit: int) -> tuple[list[User], int]:
        """Return accounts whose address or name contains a text (any case), by address, and how many there are."""
        ...

    async def for_sign_in(self, unit: Unit, folded: str, address: str) -> SignInRow:
        """Return account, password hash and failures in one statement."""
        ...

    async def signed_in(self, unit: Unit, seq: int, at: datetime, *, folded: str, address: str) -> None:
        """Note a sign-in that worked and forget the failures before it, in one statement."""
        ...

    async def set_password(self, unit: Unit, seq: int, password: str, *, raise_counter: bool) -> None:
        """Store a password hash; ``raise_counter`` ends the login token."""
        ...

    async def rehash(self, unit: Unit, seq: int, old: str, new: str) -> None:
        """Replace one hash of a password by another of the same password, unless it has changed since."""
        ...

    async def raise_login_counter(self, unit: Unit, seq: int) -> None:
        """Make the next login token differ from the present one."""
        ...

    async def set_active(self, unit: Unit, seq: int, *, active: bool) -> None:
        """Switch an account on, or off (which raises its login counter)."""
        ...

    async def set_site_admin(self, unit: Unit, seq: int, *, site_admin: bool) -> None:
        """Make an account a site admin or an ordinary one."""
        ...

    async def rename(self, unit: Unit, seq: int, name: str) -> None:
        """Change the name that people see."""
        ...

    async def other_site_admins(self, unit: Unit, seq: int) -> int:
        """Count the active site admins but this one."""
        ...


class SignInFailures(Protocol):
    """Failed sign-ins per account and address: how guessing is slowed in all processes at once."""

    async def get(self, unit: Unit, account: str, address: str) -> Failures | None:
        """Return the failures of an account from an address."""
        ...

    async def add(self, unit: Unit, account: str, address: str, at: datetime, *, forget_before: datetime) -> int:
        """Count one more, from one again when the last is older than ``forget_before``; return the number."""
        ...

    async def clear(self, unit: Unit, account: str, address: str) -> None:
        """Forget the failures of an account from an address."""
        ...

    async def purge(self, unit: Unit, before: datetime) -> None:
        """Forget all failures whose last is older."""
        ...


class Invitations(Protocol):
    """Invitations: at most one open one for each address and inviter."""

    async def put(
        self,
        unit: Unit,
        *,
        email: str,
        folded: str,
        name: str,
        sha256: bytes,
        grants: Sequence[GivenRole],
        made_by: int | None,
        made: datetime,
        expires: datetime,
    ) -> Invitation:
        """Store an invitation; an open one by the same inviter for the same address is replaced, so its link dies."""
        ...

    async def get(self, unit: Unit, number: int) -> Invitation | None:
        """Return one invitation."""
        ...

    async def peek(self, unit: Unit, sha256: bytes, at: datetime) -> Invitation | None:
        """Return the open invitation of a secret without using it."""
        ...

    async def use(self, unit: Unit, sha256: bytes, at: datetime) -> Invitation | None:
        """Use the open invitation of a secret; None when it is unknown, used or expired."""
        ...

    async def open_ones(self, unit: Unit, at: datetime, *, made_by: int | None) -> list[Invitation]:
        """Return the open invitations, of one maker or of all, newest first (1,000 at most)."""
        ...

    async def withdraw(self, unit: Unit, number: int) -> None:
        """Remove an invitation that was not used."""
        ...
