"""The Pangea door in this process, with the number of statements of each request."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from commensal.core.principals import Door, Principal, PrincipalKind
from commensal.faces.face import Faces
from commensal.faces.kit.exchange import Exchange
from commensal.faces.pangea import FACE
from commensal.server.app import build_services
from commensal.server.chain import build_chain
from commensal.server.edge import Edge, FreeSpace
from commensal.server.settings import Settings
from commensal.services import Services
from commensal.storage.postgres.database import PgDatabase
from tests.server.edge_kit import Log

OPERATOR = Principal(kind=PrincipalKind.OPERATOR, door=Door.CLI)


class Counts:
    """Stands where the metrics stand."""

    def __init__(self) -> None:
        self.last = 0

    def request(self, exchange: Exchange, method: str, seconds: float, statements: int) -> None:
        self.last = statements


class InProcess:
    """A client of the door; ``statements`` of the last request."""

    def __init__(self, client: httpx.AsyncClient, counts: Counts, services: Services) -> None:
        self.client = client
        self.counts = counts
        self.services = services

    @property
    def statements(self) -> int:
        return self.counts.last

    async def __call__(self, method: str, path: str, status: int = 200, **more: Any) -> Any:
        answer = await self.client.request(method, path if path.startswith("http") else f"/api/{path}", **more)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text[:1000]}"
        return answer.json() if answer.content else None


@asynccontextmanager
async def in_process(
    database: PgDatabase,
    dsn: str,
    folder: Path,
    dictionary: dict[str, Any] | None = None,
    *,
    registration: str = "open",
) -> AsyncIterator[InProcess]:
    second = PgDatabase(dsn, size=3)
    settings = Settings(data=str(folder), anonymous=True, registration=registration)
    services = build_services(settings, database, second, b"0" * 32)
    await services.dictionaries.start(dictionary)
    user = await services.identity.add_user(OPERATOR, "a@example.org", password="correct horse battery")
    key = await services.keys.make(OPERATOR, Door.PANGEA, user=user.seq)
    counts = Counts()
    edge = Edge(
        settings=settings, faces=Faces([FACE]), metrics=counts, space=FreeSpace((str(folder),), 0),
        services=services, ready=True, log=Log(),
    )  # fmt: skip
    transport = httpx.ASGITransport(app=build_chain(edge))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        client.headers["authorization"] = f"Token {key.shown['token']}"
        yield InProcess(client, counts, services)
    await second.close()
