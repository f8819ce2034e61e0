"""A small site with the open dictionary: two programs, three projects, and callers with different rights."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from commensal.core.principals import Door, Principal, PrincipalKind
from commensal.faces.gen3.graphql.execute import Endpoint
from commensal.services.audit import Audit
from commensal.services.dictionaries import Dictionaries
from commensal.services.graph import GraphQueries
from commensal.services.guard import Guard
from commensal.storage.postgres.audit import PgAuditStore
from commensal.storage.postgres.database import PgDatabase
from commensal.storage.postgres.dictionaries import PgDictionaries
from commensal.storage.postgres.grants import PgGrantStore
from commensal.storage.postgres.graph.reads import PgGraphReads
from commensal.storage.postgres.records import PgRecords

AT = datetime(2026, 1, 31, 12, 0, 0, 250_000, tzinfo=UTC)
ADMIN = Principal(PrincipalKind.USER, Door.GEN3, user=1, email="admin@example.org", site_admin=True)
ANONYMOUS = Principal(PrincipalKind.ANONYMOUS, Door.GEN3)


@dataclass
class Site:
    """Writes rows as the other services do, and asks."""

    database: PgDatabase
    guard: Guard
    endpoint: Endpoint
    audit: Audit
    numbers: dict[str, int] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    next: int = 50_000

    def seq(self, name: str, uuid: UUID) -> int:
        self.next += 1
        self.numbers[name] = self.next
        self.ids[name] = str(uuid)
        return self.next

    async def program(self, code: str, *, listed: bool = True) -> None:
        uuid = uuid4()
        async with self.database.begin() as unit:
            await unit.run(
                "insert into programs (seq, uuid, code, code_folded, title, title_folded, listed, properties) "
                "values ($1, $2, $3, $4, $3, $4, $5, $6)",
                *(self.seq(code, uuid), uuid, code, code.casefold(), listed, {"dbgap_accession_number": "phs1"}),
            )

    async def project(self, program: str, code: str, *, level: int = 0, kind: str = "study") -> None:
        uuid = uuid4()
        async with self.database.begin() as unit:
            await unit.run(
                "insert into projects (seq, uuid, program, code, polly_code, title, public_level, kind) "
                "values ($1, $2, $3, $4, lower($4), $5, $6, $7)",
                *(self.seq(code, uuid), uuid, self.numbers[program], code, f"The {code}", level, kind),
            )

    async def record(
        self, project: str, kind: str, name: str, links: dict[str, str] | None = None, extra: Any = None, **props: Any
    ) -> None:
        uuid = uuid4()
        place = self.numbers[project]
        async with self.database.begin() as unit:
            await unit.run(
                "insert into records (project, type, seq, uuid, submitter_id, sid_folded, props, extra, change, "
                "created, updated) values ($1, $2, $3, $4, $5, $6, $7, $8, 1, $9, $9)",
                *(place, kind, self.seq(name, uuid), uuid, name, name.casefold(), props, extra, AT),
            )
            await unit.run(
                "insert into counters (project, type, n) values ($1, $2, 1) on conflict (project, type) "
                "do update set n = counters.n + 1",
                *(place, kind),
            )
            for link, target in (links or {}).items():
                found = await unit.row("select type, project from records where seq = $1", self.numbers[target])
                there = ("project", self.numbers[target]) if found is None else (found["type"], found["project"])
                await unit.run(
                    "insert into links (project, src, src_type, name, dst_project, dst, dst_type) "
                    "values ($1, $2, $3, $4, $5, $6, $7)",
                    *(place, self.numbers[name], kind, link, there[1], self.numbers[target], there[0]),
                )

    async def user(self, *grants: tuple[str, str, str | None]) -> Principal:
        """Make an account with grants (role, program, project)."""
        email = f"u{uuid4().hex[:8]}@example.org"
        async with self.database.begin() as unit:
            seq = await unit.value(
                "insert into users (uuid, email, email_folded) values ($1, $2, $2) returning seq", uuid4(), email
            )
            for role, program, project in grants:
                await unit.run(
                    "insert into grants (user_seq, role, program, project) values ($1, $2, $3, $4)",
                    *(seq, role, self.numbers[program], None if project is None else self.numbers[project]),
                )
        self.guard.forget()
        return Principal(PrincipalKind.USER, Door.GEN3, user=seq, email=email)

    async def send(self, body: bytes, caller: Principal = ADMIN) -> tuple[int, Any]:
        status, answer = await self.endpoint.answer(body, caller)
        return status, json.loads(answer)

    async def ask(self, query: str, variables: Any = None, caller: Principal = ADMIN) -> Any:
        """Return the data of a query that is right."""
        status, answer = await self.send(json.dumps({"query": query, "variables": variables}).encode(), caller)
        assert status == 200, answer
        assert set(answer) == {"data"}
        return answer["data"]

    async def refused(self, query: str, variables: Any = None, caller: Principal = ADMIN) -> list[str]:
        """Return the errors of a query that is wrong."""
        status, answer = await self.send(json.dumps({"query": query, "variables": variables}).encode(), caller)
        assert status == 400, answer
        assert all(isinstance(error, str) for error in answer["errors"])
        return answer["errors"]


@pytest.fixture
async def site(database: PgDatabase) -> Site:
    """An empty site with the open dictionary."""
    audit = Audit(database=database, store=PgAuditStore())
    guard = Guard(grants=PgGrantStore(), audit=audit)
    graph = GraphQueries(database=database, reads=PgGraphReads(), guard=guard, audit=audit)
    dictionaries = Dictionaries(
        database=database, store=PgDictionaries(), records=PgRecords(), guard=guard, audit=audit
    )
    return Site(database, guard, Endpoint(graph, dictionaries), audit)


@pytest.fixture
async def mice(site: Site) -> Site:
    """Subjects and samples in three projects: ``lab-A`` closed, ``lab-B`` counted by all, ``pub-C`` read by all."""
    await site.program("lab")
    await site.program("pub", listed=False)
    await site.project("lab", "A")
    await site.project("lab", "B", level=1)
    await site.project("pub", "C", level=2)
    for code, n in (("A", 3), ("B", 6), ("C", 2)):
        for number in range(n):
            name = f"{code}-mouse{number}"
            await site.record(code, "subject", name, {"projects": code}, organism="mouse" if number % 2 else "rat")
            await site.record(code, "sample", f"{code}-s{number}", {"subjects": name}, tissue="liver")
    return site
