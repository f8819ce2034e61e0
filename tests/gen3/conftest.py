"""A commons with the generic dictionary and four callers: admin, writer, reader, nobody."""

from __future__ import annotations

import asyncio
import json
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from tests.conftest import make_data_base, with_database
from tests.running import Running, start_commons

PROGRAM = "CGCI"
SUBMISSION = "/api/v0/submission"
#: Roles on the program; the admin is a site admin.
ROLES = {"writer": "curator", "reader": "viewer", "nobody": None}


@dataclass
class Gen3:
    """A running commons, and how to call it as one of its users."""

    running: Running
    folder: Path
    dsn: str
    keys: dict[str, dict[str, Any]] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return self.running.url

    def key_file(self, who: str) -> Path:
        path = self.folder / f"{who}.json"
        if not path.exists():
            path.write_text(json.dumps(self.keys[who]))
        return path

    def token(self, who: str) -> str:
        if who not in self.tokens:
            answer = self.running.client.post("/user/credentials/cdis/access_token", json=self.keys[who])
            assert answer.status_code == 200, answer.text
            self.tokens[who] = answer.json()["access_token"]
        return self.tokens[who]

    def call(self, method: str, path: str, who: str | None = "admin", **more: Any) -> httpx.Response:
        headers = dict(more.pop("headers", {}))
        if who is not None:
            headers.setdefault("Authorization", f"bearer {self.token(who)}")
        if not path.startswith(("/user", "/api", "/peregrine", "/index", "/ga4gh", "/mds")):
            path = SUBMISSION + path
        return self.running.client.request(method, path, headers=headers, **more)

    def project(self, **properties: Any) -> str:
        """Make a project and return its path below the submission route."""
        code = "T" + uuid.uuid4().hex[:8]
        document = {"type": "project", "code": code, "name": code, "dbgap_accession_number": code, **properties}
        answer = self.call("PUT", f"/{PROGRAM}", json=document)
        assert answer.status_code == 200, answer.text
        return f"/{PROGRAM}/{code}"

    def put(self, project: str, documents: Any, who: str = "admin", status: int = 200, **more: Any) -> dict[str, Any]:
        answer = self.call(more.pop("method", "PUT"), project, who, json=documents, **more)
        assert answer.status_code == status, answer.text[:2000]
        return answer.json()

    def table(self, project: str, text: str | bytes, doc_format: str = "tsv", method: str = "PUT", **more: Any) -> Any:
        kind = "text/csv" if doc_format == "csv" else "text/tab-separated-values"
        content = text.encode() if isinstance(text, str) else text
        return self.call(method, project, content=content, headers={"Content-Type": kind}, **more)


def experiment(project: str, submitter_id: str = "e1", **more: Any) -> dict[str, Any]:
    return {"type": "experiment", "submitter_id": submitter_id, "projects": {"code": project.split("/")[2]}, **more}


def case(submitter_id: str, experiment: str = "e1", **more: Any) -> dict[str, Any]:
    return {"type": "case", "submitter_id": submitter_id, "experiments": {"submitter_id": experiment}, **more}


def run_sql(dsn: str, sql: str, *values: object) -> list[dict[str, Any]]:
    """Look at the database itself."""

    async def run() -> list[dict[str, Any]]:
        connection = await asyncpg.connect(dsn)
        try:
            return [dict(row) for row in await connection.fetch(sql, *values)]
        finally:
            await connection.close()

    return asyncio.run(run())


def fresh_database(admin_dsn: str, name: str) -> str:
    run_sql(admin_dsn, f'create database "{name}"')
    return with_database(admin_dsn, name)


def start_gen3(base: Path, dsn: str, dictionary: Path, *options: str, port: int | None = None) -> Gen3:
    """Start a commons on a database with a dictionary and make the four callers."""
    running = start_commons(
        base / "data", "--database", dsn, "--dictionary", str(dictionary), "--min-free", "1MB", *options, port=port
    )
    try:
        gen3 = Gen3(running, base, dsn)
        running.add_user("admin@example.org", "--site-admin")
        for who in ROLES:
            running.add_user(f"{who}@example.org")
        running.admin("program", "add", PROGRAM)
        for who, role in ROLES.items():
            if role:
                running.admin("grant", f"{who}@example.org", role, PROGRAM)
        for who in ("admin", *ROLES):
            gen3.keys[who] = running.key(f"{who}@example.org", "gen3")
    except BaseException:
        running.kill()
        raise
    return gen3


@pytest.fixture(scope="session")
def gen3_files(shared: Path) -> Path:
    """The folder of cases and goldens."""
    return shared / "acceptance" / "gen3"


@pytest.fixture(scope="session")
def gen3(admin_dsn: str, gen3_files: Path) -> Iterator[Gen3]:
    base = make_data_base()
    name = f"commensal_gen3_{uuid.uuid4().hex[:10]}"
    dsn = fresh_database(admin_dsn, name)
    made = None
    try:
        made = start_gen3(base, dsn, gen3_files / "golden" / "generic" / "dictionary_all.json.gz")
        yield made
        assert made.running.stop() == 0
    finally:
        if made is not None and made.running.process.poll() is None:
            made.running.kill()
        run_sql(admin_dsn, f'drop database if exists "{name}" with (force)')
        shutil.rmtree(base, ignore_errors=True)
