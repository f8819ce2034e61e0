"""A site with the identity services on a fresh database; a second process of it on a pool of its own."""

from __future__ import annotations

import itertools
import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from argon2 import PasswordHasher

from commensal.core.principals import Door, Principal
from commensal.core.users import User
from commensal.services.audit import Audit
from commensal.services.catalog import Catalog
from commensal.services.grants import Grants
from commensal.services.groups import Groups
from commensal.services.guard import Guard
from commensal.services.identity import Identity, anonymous, build_identity, home_program_of, operator
from commensal.services.invited_grants import InvitedGrants
from commensal.services.keys import Keys
from commensal.services.mail import Mail
from commensal.services.passwords import Passwords
from commensal.storage.postgres.audit import PgAuditStore
from commensal.storage.postgres.catalog import PgProgramStore, PgProjectStore
from commensal.storage.postgres.catalog_objects import PgCollectionStore, PgObjectStore
from commensal.storage.postgres.credentials import PgCredentials, PgSigningKeys
from commensal.storage.postgres.database import PgDatabase
from commensal.storage.postgres.grants import PgGrantStore, PgGroupStore
from commensal.storage.postgres.mail import PgOutbox
from commensal.storage.postgres.users import PgInvitations, PgSignInFailures, PgUsers

PASSWORD = "grey heron by the weir"
MASTER_KEY = os.urandom(32)
#: argon2 at its lowest cost: these tests ask what is decided, not how long it takes.
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)

_numbers = itertools.count(1)


@dataclass
class MovableClock:
    """A clock that stands still until it is moved; also the processes' own tick."""

    at: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))

    def __call__(self) -> datetime:
        return self.at

    def move(self, **span: float) -> None:
        self.at += timedelta(**span)

    def ticks(self) -> float:
        return self.at.timestamp()


@dataclass
class Site:
    """The services of one process."""

    database: PgDatabase
    identity: Identity
    keys: Keys
    audit: Audit
    guard: Guard
    mail: Mail
    catalog: Catalog
    grants: Grants
    pools: tuple[PgDatabase, ...]

    async def person(self, *, site_admin: bool = False, password: str = PASSWORD) -> User:
        """Add an account."""
        return await self.identity.add_user(
            operator(), f"person{next(_numbers)}@example.org", name="A Person", password=password, site_admin=site_admin
        )

    async def signed_in(self, user: User, password: str = PASSWORD, *, address: str = "192.0.2.7") -> Principal:
        """Sign in with a browser and return the caller behind the session's cookie."""
        principal = await self.identity.sign_in(user.email, password, door=Door.PORTAL, address=address)
        secret, _ = await self.identity.open_session(principal)
        session = await self.identity.session(secret, address=address)
        assert session is not None
        return session

    async def events(self, action: str = "") -> list[tuple[str, str, str, int | None]]:
        """Return (action, result, target, who) of what is in the audit."""
        await self.audit.flush()
        async with self.database.read() as unit:
            rows = await unit.rows(
                "select action, result, target, who from audit_events where $1 in ('', action) order by id", action
            )
        return [tuple(row) for row in rows]


def make_site(
    dsn: str,
    clock: MovableClock,
    *,
    registration: str = "open",
    smtp_url: str | None = None,
    tls: ssl.SSLContext | None = None,
    master_key: bytes = MASTER_KEY,
    hasher: PasswordHasher = CHEAP,
) -> Site:
    """Build the services of one process; its pools open at first need."""
    database, aside = PgDatabase(dsn, size=4), PgDatabase(dsn, size=2)
    audit = Audit(database=aside, store=PgAuditStore(), now=clock)
    guard = Guard(grants=PgGrantStore(), audit=audit, now=clock, monotonic=clock.ticks)
    catalog = Catalog(
        database=database,
        programs=PgProgramStore(),
        projects=PgProjectStore(),
        collections=PgCollectionStore(),
        objects=PgObjectStore(),
        grants=PgGrantStore(),
        guard=guard,
        audit=audit,
        now=clock,
    )
    grants = Grants(
        database=database,
        store=PgGrantStore(),
        groups=Groups(database=database, store=PgGroupStore(), guard=guard, audit=audit, now=clock),
        catalog=catalog,
        guard=guard,
        audit=audit,
        now=clock,
    )
    mail = Mail(database=database, outbox=PgOutbox(), smtp_url=smtp_url, now=clock, tls=tls)
    identity, keys = build_identity(
        database=database,
        users=PgUsers(),
        credentials=PgCredentials(),
        failures=PgSignInFailures(),
        invitations=PgInvitations(),
        signing_keys=PgSigningKeys(),
        guard=guard,
        audit=audit,
        mail=mail,
        master_key=master_key,
        base_url="http://localhost:8080",
        registration=registration,
        home_program=home_program_of(catalog),
        grants=InvitedGrants(grants=grants, catalog=catalog),
        passwords=Passwords(hasher),
        now=clock,
        ticks=clock.ticks,
    )
    return Site(database, identity, keys, audit, guard, mail, catalog, grants, (database, aside))


Build = Callable[..., Awaitable[Site]]


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
async def build(dsn: str, clock: MovableClock) -> AsyncIterator[Build]:
    """Make one process of the site; each has pools of its own."""
    async with AsyncExitStack() as stack:

        async def make(**how: Any) -> Site:
            site = make_site(dsn, clock, **how)
            for pool in site.pools:
                stack.push_async_callback(pool.close)
            return site

        yield make


@pytest.fixture
async def site(build: Build) -> Site:
    return await build()


@pytest.fixture
async def other(build: Build) -> Site:
    """Another process on the same database."""
    return await build()


@pytest.fixture
def nobody() -> Principal:
    """A caller without a credential."""
    return anonymous(Door.PORTAL, address="203.0.113.5")
