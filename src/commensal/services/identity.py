"""The identity service: who is calling, accounts, and how people come in.

One class for faces and portal, in four layers: ``authentication`` (credentials, sign-in, sessions),
``accounts``, ``sign_up`` and, here, its background work. Keys are made by ``keys.Keys``.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import timedelta

from commensal.core.principals import Door, Principal, PrincipalKind
from commensal.core.users import User
from commensal.errors import Unavailable
from commensal.services.audit import Audit
from commensal.services.catalog import Catalog
from commensal.services.clock import Clock, utc_now
from commensal.services.guard import Guard
from commensal.services.identity_parts import HomeProgram, IdentityParts, InvitationGrants
from commensal.services.keys import Keys
from commensal.services.live_credentials import LiveCredentials
from commensal.services.mail import Mail
from commensal.services.passwords import Passwords
from commensal.services.sealed import MasterKey
from commensal.services.sign_up import SignUp
from commensal.services.tokens import Signer
from commensal.storage.ports import Database, Unit
from commensal.storage.ports.credentials import Credentials, SigningKeys
from commensal.storage.ports.users import Invitations, SignInFailures, Users

__all__ = ["Identity", "anonymous", "build_identity", "home_program_of", "operator", "system"]

_log = logging.getLogger(__name__)
_CLEAN_EVERY = 3_600.0
_KEEP = timedelta(days=1)


def anonymous(door: Door, *, address: str = "", request_id: str = "", route: str = "") -> Principal:
    """Return the caller of a request without a credential."""
    return Principal(kind=PrincipalKind.ANONYMOUS, door=door, address=address, request_id=request_id, route=route)


def operator(route: str = "") -> Principal:
    """Return whoever works at the console of the server: everything is allowed, and audited as such."""
    return Principal(kind=PrincipalKind.OPERATOR, door=Door.CLI, route=route)


def system(route: str = "") -> Principal:
    """Return the server itself, for background work."""
    return Principal(kind=PrincipalKind.SYSTEM, door=Door.SYSTEM, route=route)


class Identity(SignUp):
    """See the module; ``run`` is its background task, one in each process."""

    async def clean(self) -> None:
        """Remove sessions, links and failures that ended more than a day ago."""
        before = self._parts.now() - _KEEP
        async with self._parts.database.begin() as unit:
            await self._parts.credentials.purge(unit, before)
            await self._parts.failures.purge(unit, before)

    async def run(self) -> None:
        """Write times of last use and clean up, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._parts.live.run())
            tasks.create_task(self._cleaning())

    async def _cleaning(self) -> None:
        while True:
            try:
                await self.clean()
            except Unavailable:
                _log.warning("Old sessions could not be removed; this is tried again in an hour.")
            await asyncio.sleep(_CLEAN_EVERY)

    async def flush(self) -> None:
        """Write what is still to be written, on a stop."""
        await self._parts.live.flush()


def home_program_of(catalog: Catalog) -> HomeProgram:
    """Return what makes the home program of a user at first need, for the Opal keys that name none."""

    async def home(unit: Unit, user: User) -> int:
        holder = Principal(kind=PrincipalKind.USER, door=Door.OPAL, user=user.seq, email=user.email, name=user.name)
        return (await catalog.home_project_in(unit, holder)).program

    return home


def build_identity(
    *,
    database: Database,
    users: Users,
    credentials: Credentials,
    failures: SignInFailures,
    invitations: Invitations,
    signing_keys: SigningKeys,
    guard: Guard,
    audit: Audit,
    mail: Mail,
    master_key: bytes,
    base_url: str,
    home_program: HomeProgram,
    registration: str = "invite",
    grants: InvitationGrants | None = None,
    passwords: Passwords | None = None,
    now: Clock = utc_now,
    ticks: Callable[[], float] = time.monotonic,
) -> tuple[Identity, Keys]:
    """Return the identity service and the keys service of one process, which share what they remember.

    ``master_key`` has 32 bytes; ``base_url`` is the site's address as people reach it; ``registration`` is
    ``open``, ``invite`` or ``closed``. Call ``Keys.check`` at the start: a wrong master key is told there.
    """
    master = MasterKey(master_key)
    parts = IdentityParts(
        database=database,
        users=users,
        credentials=credentials,
        failures=failures,
        invitations=invitations,
        guard=guard,
        audit=audit,
        mail=mail,
        live=LiveCredentials(database=database, credentials=credentials, now=now, ticks=ticks),
        base_url=base_url,
        registration=registration,
        grants=grants,
        passwords=passwords or Passwords(),
        now=now,
    )
    signer = Signer(database=database, keys=signing_keys, master_key=master, now=now, ticks=ticks)
    return Identity(parts, signer), Keys(parts, signer, master_key=master, home_program=home_program)
