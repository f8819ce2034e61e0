"""A small site: services on a fresh database, and people in it."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from commensal.core.audit import AuditEvent, AuditFilter
from commensal.core.principals import Door, Principal, PrincipalKind
from commensal.core.projects import Program, Project
from commensal.services.audit import Audit
from commensal.services.catalog import Catalog
from commensal.services.grants import Grants
from commensal.services.groups import Groups
from commensal.services.guard import Guard
from commensal.storage.postgres.audit import PgAuditStore
from commensal.storage.postgres.catalog import PgProgramStore, PgProjectStore
from commensal.storage.postgres.catalog_objects import PgCollectionStore, PgObjectStore
from commensal.storage.postgres.database import PgDatabase
from commensal.storage.postgres.grants import PgGrantStore, PgGroupStore

_numbers = itertools.count(1)


@dataclass
class MovableClock:
    """A clock that stands still until it is moved."""

    at: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))

    def __call__(self) -> datetime:
        return self.at

    def move(self, **span: float) -> None:
        self.at += timedelta(**span)

    def monotonic(self) -> float:
        return self.at.timestamp()


OPERATOR = Principal(PrincipalKind.OPERATOR, Door.CLI)
ANONYMOUS = Principal(PrincipalKind.ANONYMOUS, Door.API, address="203.0.113.9")


async def make_user(database: PgDatabase, name: str = "", *, site_admin: bool = False) -> Principal:
    """Write an account and return the caller behind it."""
    email = f"{name or 'person'}{next(_numbers)}@example.org"
    async with database.begin() as unit:
        seq = await unit.value(
            "insert into users (uuid, email, email_folded, site_admin) values ($1, $2, $3, $4) returning seq",
            uuid4(),
            email,
            email,
            site_admin,
        )
    return Principal(PrincipalKind.USER, Door.API, user=seq, email=email, site_admin=site_admin, address="192.0.2.1")


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
async def audit_database(dsn: str) -> AsyncIterator[PgDatabase]:
    pool = PgDatabase(dsn, size=2)
    yield pool
    await pool.close()


@pytest.fixture
def audit(audit_database: PgDatabase, clock: MovableClock) -> Audit:
    return Audit(database=audit_database, store=PgAuditStore(), now=clock)


@pytest.fixture
def guard(audit: Audit, clock: MovableClock) -> Guard:
    return Guard(grants=PgGrantStore(), audit=audit, anonymous=True, now=clock, monotonic=clock.monotonic)


@dataclass
class Site:
    """The services of one site, and shortcuts to fill it."""

    database: PgDatabase
    audit: Audit
    guard: Guard
    catalog: Catalog
    groups: Groups
    grants: Grants
    clock: MovableClock

    async def user(self, name: str = "", *, site_admin: bool = False) -> Principal:
        return await make_user(self.database, name, site_admin=site_admin)

    async def program(self, code: str = "") -> Program:
        return await self.catalog.add_program(OPERATOR, code or f"PROG{next(_numbers)}")

    async def project(self, program: Program, code: str = "", **more: Any) -> Project:
        return await self.catalog.add_project(OPERATOR, program, code or f"J{next(_numbers)}", **more)

    async def holder(self, role: str, target: str | Program | Project) -> Principal:
        user = await self.user(role)
        await self.grants.grant(OPERATOR, user.email, role, target)
        return user

    async def record(self, project: Project, name: str = "", type_: str = "sample") -> int:
        """Write a row of the table of records: the catalog reads it, others write it."""
        async with self.database.begin() as unit:
            seq = await unit.value("select nextval('commensal_seq')")
            await unit.run(
                "insert into records (project, type, seq, uuid, submitter_id, sid_folded, change, created, updated) "
                "values ($1, $2, $3, $4, $5, $5, 1, now(), now())",
                project.seq,
                type_,
                seq,
                uuid4(),
                name or f"r{seq}",
            )
            await unit.run(
                "insert into counters (project, type, n) values ($1, $2, 1) "
                "on conflict (project, type) do update set n = counters.n + 1",
                project.seq,
                type_,
            )
        return seq

    async def events(self, action: str | None = None) -> list[AuditEvent]:
        await self.audit.flush()
        return await self.audit.tail(OPERATOR, 1000, AuditFilter(action=action))


def build_site(database: PgDatabase, audit: Audit, guard: Guard, clock: MovableClock, **more: Any) -> Site:
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
        **more,
    )
    groups = Groups(database=database, store=PgGroupStore(), guard=guard, audit=audit, now=clock, **more)
    grants = Grants(
        database=database, store=PgGrantStore(), groups=groups, catalog=catalog, guard=guard, audit=audit, now=clock
    )
    return Site(database, audit, guard, catalog, groups, grants, clock)


@pytest.fixture
def site(database: PgDatabase, audit: Audit, guard: Guard, clock: MovableClock) -> Site:
    return build_site(database, audit, guard, clock)
