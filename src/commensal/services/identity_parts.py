"""What the parts of the identity service share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from commensal.core.principals import Principal
from commensal.core.users import GivenRole, User
from commensal.errors import NotFound
from commensal.services.audit import Audit, is_site_admin
from commensal.services.clock import Clock, utc_now
from commensal.services.guard import Guard
from commensal.services.live_credentials import LiveCredentials
from commensal.services.mail import Mail
from commensal.services.passwords import Passwords
from commensal.services.secret_text import digest
from commensal.storage.ports import Database, Unit
from commensal.storage.ports.credentials import Credentials
from commensal.storage.ports.users import Failures, Invitations, SignInFailures, Users

__all__ = ["HomeProgram", "IdentityPart", "IdentityParts", "InvitationGrants", "basic_account"]

#: Makes the home program of a user at first need and returns its number (``seq``); the Catalog's.
HomeProgram = Callable[[Unit, User], Awaitable[int]]


class InvitationGrants(Protocol):
    """What invitations ask of the grants service."""

    async def check(self, unit: Unit, principal: Principal, grants: Sequence[GivenRole]) -> None:
        """Raise ``Forbidden`` unless the caller may give all of these."""
        ...

    async def apply(self, unit: Unit, inviter: Principal, user: int, grants: Sequence[GivenRole]) -> None:
        """Give these to a user, as far as the inviter may still give them."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityParts:
    """Everything that identity is made of."""

    database: Database
    users: Users
    credentials: Credentials
    failures: SignInFailures
    invitations: Invitations
    guard: Guard
    audit: Audit
    mail: Mail
    live: LiveCredentials
    #: The address of the site as people reach it; links in mail begin with it.
    base_url: str
    #: ``open``, ``invite`` or ``closed``.
    registration: str = "invite"
    grants: InvitationGrants | None = None
    passwords: Passwords = field(default_factory=Passwords)
    now: Clock = utc_now


class IdentityPart:
    """The base of the parts: who may act on whose account."""

    def __init__(self, parts: IdentityParts) -> None:
        self._parts = parts

    async def _may_change(self, unit: Unit, principal: Principal, user: int, action: str) -> User:
        """Return an account that the caller may change: the own one, or any for site admins.

        A key that is bound to one program changes no account. Raises ``Unauthenticated``, ``Forbidden`` or
        ``NotFound``.
        """
        if principal.user != user or principal.only_program is not None:
            await self._parts.guard.require_site_admin(unit, principal, action)
        found = await self._parts.users.lock(unit, user)
        if found is None:
            raise NotFound("There is no such user.")
        return found

    async def _require_own_hand(self, principal: Principal, action: str) -> None:
        """Refuse keys: nobody makes credentials, or sets passwords, with a credential that can be stolen."""
        if not may_make_keys(principal):
            raise await self._parts.guard.refused(
                principal, action, sentence="A key cannot do this: sign in on the portal with your password."
            )


def may_make_keys(principal: Principal) -> bool:
    """Tell whether a caller may make credentials: proved by a password, a session, or a key with that scope."""
    if principal.user is None:
        return is_site_admin(principal)
    return principal.session or "credentials" in principal.scopes


def basic_account(login: str) -> str:
    """Return the name under which wrong passwords of an Opal login are counted; safe for any text."""
    return "opal:" + digest(login).hex()[:32]


def waits(failures: Failures | None, now: Clock) -> int:
    """Return how many seconds an account is still slowed for an address, 0 when it is not."""
    if failures is None or failures.n < FREE_TRIES:
        return 0
    delay = min(2 ** min(failures.n - FREE_TRIES + 1, 20), LONGEST_WAIT)
    left = delay - (now() - failures.last).total_seconds()
    return max(0, int(-(-left // 1)))


#: Wrong passwords or secrets that an account and address have before they are slowed.
FREE_TRIES = 10
#: The longest wait between two tries (seconds), and after how many quiet seconds all is forgotten.
LONGEST_WAIT = 900
FORGET_AFTER = 3_600
