"""A request costs the same number of statements whatever it carries (architecture, "Constant-statement rule")."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from commensal.core.principals import Door, Principal, PrincipalKind
from commensal.faces.face import Faces
from commensal.faces.gen3 import FACE
from commensal.faces.kit.exchange import Exchange
from commensal.server.app import build_services
from commensal.server.chain import build_chain
from commensal.server.edge import Edge, FreeSpace
from commensal.server.settings import Settings
from commensal.storage.postgres.database import PgDatabase
from tests.records.conftest import load_dictionary
from tests.server.edge_kit import Log

OPERATOR = Principal(kind=PrincipalKind.OPERATOR, door=Door.CLI)
PROJECT = "/api/v0/submission/P/J"


class Counts:
    """Stands where the metrics stand: the number of statements of each request."""

    def __init__(self) -> None:
        self.last = 0

    def request(self, exchange: Exchange, method: str, seconds: float, statements: int) -> None:
        self.last = statements


class Door3:
    """The Gen3 door in this process, on a fresh database."""

    def __init__(self, client: httpx.AsyncClient, counts: Counts) -> None:
        self.client = client
        self.counts = counts

    async def __call__(self, method: str, path: str, status: int = 200, **more: Any) -> tuple[int, httpx.Response]:
        answer = await self.client.request(method, path, **more)
        assert answer.status_code == status, answer.text[:1000]
        return self.counts.last, answer


@pytest.fixture
async def door(database: PgDatabase, dsn: str, shared: Path, tmp_path: Path) -> AsyncIterator[Door3]:
    second = PgDatabase(dsn, size=3)
    settings = Settings(data=str(tmp_path))
    services = build_services(settings, database, second, b"0" * 32)
    generic = load_dictionary(shared / "acceptance" / "gen3" / "golden" / "generic" / "dictionary_all.json.gz")
    await services.dictionaries.start(generic, "generic")
    user = await services.identity.add_user(
        OPERATOR, "a@example.org", password="correct horse battery", site_admin=True
    )
    key = await services.keys.make(OPERATOR, Door.GEN3, user=user.seq, base_url="http://127.0.0.1")
    counts = Counts()
    edge = Edge(
        settings=settings, faces=Faces([FACE]), metrics=counts, space=FreeSpace((str(tmp_path),), 0),
        services=services, ready=True, log=Log(),
    )  # fmt: skip
    transport = httpx.ASGITransport(app=build_chain(edge))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        token = (await client.post("/user/credentials/cdis/access_token", json=key.shown)).json()["access_token"]
        client.headers["authorization"] = f"bearer {token}"
        made = Door3(client, counts)
        await made("PUT", "/api/v0/submission", json={"type": "program", "name": "P"})
        project = {"code": "J", "name": "J", "dbgap_accession_number": "J"}
        await made("PUT", "/api/v0/submission/P", json=project)
        await made("PUT", PROJECT, json={"type": "experiment", "submitter_id": "e", "projects": {"code": "J"}})
        yield made
    await second.close()


def cases(first: int, n: int, **more: Any) -> list[dict[str, Any]]:
    return [
        {"type": "case", "submitter_id": f"c{i}", "experiments": {"submitter_id": "e"}, **more}
        for i in range(first, first + n)
    ]


async def test_submission(door: Door3) -> None:
    single, _ = await door("PUT", PROJECT, json=cases(0, 1))
    assert single <= 6, "five, and what the caller holds"
    for more, status, path, bound in (
        ({}, 200, "", 10),
        ({"primary_site": "x"}, 200, "", 12),
        ({"nope": 1}, 400, "", 8),
        ({"primary_site": "y"}, 200, "/_dry_run", 8),
    ):
        few, _ = await door("PUT", PROJECT + path, status=status, json=cases(1, 100, **more))
        many, _ = await door("PUT", PROJECT + path, status=status, json=cases(1, 400, **more))
        # One more: what the caller holds is looked up once a second.
        assert many <= min(few + 1, bound), (more, path)


async def test_data_files(door: Door3) -> None:
    collection = {"type": "core_metadata_collection", "submitter_id": "cmc", "projects": {"code": "J"}}
    await door("PUT", PROJECT, json=collection)

    def files(first: int, n: int, **more: Any) -> list[dict[str, Any]]:
        return [
            {
                "type": "submitted_methylation", "submitter_id": f"f{i}", "file_name": f"f{i}", "file_size": i,
                "md5sum": f"{i:032x}", "data_category": "Methylation Data", "data_format": "IDAT",
                "data_type": "Methylation Intensity Values",
                "core_metadata_collections": {"submitter_id": "cmc"}, **more,
            }
            for i in range(first, first + n)
        ]  # fmt: skip

    for first, more, path, bound in (
        (1, {"urls": "s3://b/new"}, "", 24),
        (1, {"urls": "s3://b/other"}, "", 20),
        (1, {}, "/_dry_run", 12),
        (10_000, {}, "/_dry_run", 16),
    ):
        few, _ = await door("PUT", PROJECT + path, json=files(first, 20, **more))
        many, _ = await door("PUT", PROJECT + path, json=files(first + 20, 200, **more))
        assert many <= min(few + 1, bound), (first, more, path, few, many)
    without, _ = await door("PUT", PROJECT, json=cases(500, 100))
    assert without <= 10, "no data files, no statement for them"


async def test_reading_and_deleting(door: Door3) -> None:
    _, answer = await door("PUT", PROJECT, json=cases(0, 300))
    ids = [entity["id"] for entity in answer.json()["entities"]]
    for path in ("entities/{}", "export?ids={}", "export?ids={}&format=json", "export?ids={}&with_children=true"):
        one, _ = await door("GET", f"{PROJECT}/{path.format(ids[0])}")
        many, _ = await door("GET", f"{PROJECT}/{path.format(','.join(ids))}")
        assert many <= min(one + 1, 6), path
    few, _ = await door("DELETE", f"{PROJECT}/entities/{','.join(ids[:100])}")
    many, _ = await door("DELETE", f"{PROJECT}/entities/{','.join(ids[100:])}")
    assert many <= min(few + 1, 14)


@pytest.mark.parametrize("doc_format", ["tsv", "csv", "json"])
async def test_whole_types(door: Door3, doc_format: str) -> None:
    path = f"{PROJECT}/export?node_label=case&format={doc_format}"
    await door("PUT", PROJECT, json=cases(0, 1))
    one, _ = await door("GET", path)
    await door("PUT", PROJECT, json=cases(1, 500))
    many, answer = await door("GET", path)
    assert many <= min(one + 1, 6)
    found = len(json.loads(answer.text)["data"]) if doc_format == "json" else len(answer.text.splitlines()) - 1
    assert found == 501


async def test_lists(door: Door3) -> None:
    few = [(await door("GET", path))[0] for path in ("/api/v0/submission", "/api/v0/submission/P", "/user/user")]
    for n in range(20):
        body = {"code": f"K{n}", "name": "K", "dbgap_accession_number": "K"}
        await door("PUT", "/api/v0/submission/P", json=body)
        await door("PUT", "/api/v0/submission", json={"type": "program", "name": f"Q{n}"})
    many = [(await door("GET", path))[0] for path in ("/api/v0/submission", "/api/v0/submission/P", "/user/user")]
    assert all(after <= before + 1 for before, after in zip(few, many, strict=True))  # a look at the grants
    assert max(many) <= 8
