"""The index service on a fresh database, with people who hold different rights."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from commensal.core.files import File
from commensal.core.index import NewIndexRecord, project_path
from commensal.core.own_links import OwnPlaces
from commensal.core.principals import Principal
from commensal.core.projects import Project
from commensal.services.index import Index
from commensal.storage.ports.blobs import Stored
from commensal.storage.postgres.deletion import PgDeletion
from commensal.storage.postgres.files import PgFileStore
from commensal.storage.postgres.index import PgIndexStore
from tests.conftest import make_data_base
from tests.gen3.conftest import fresh_database, run_sql
from tests.rights.conftest import OPERATOR, Site, audit, audit_database, clock, guard, site  # noqa: F401 - fixtures
from tests.running import Running, start_commons

MD5 = "0123456789abcdef0123456789abcdef"
BASE = "https://commons.example.org"


@pytest.fixture
def index(site: Site) -> Index:  # noqa: F811
    return Index(
        database=site.database,
        store=PgIndexStore(),
        deletions=PgDeletion(),
        catalog=site.catalog,
        guard=site.guard,
        audit=site.audit,
        own=OwnPlaces.of([BASE], []),
        places=("s3://own/store/",),
        now=site.clock,
    )


def new(*projects: Project, **more: Any) -> NewIndexRecord:
    values: dict[str, Any] = {"size": 5, "hashes": {"md5": MD5}, "authz": [project_path(one) for one in projects]}
    return NewIndexRecord(**{**values, **more})


async def stored_file(site: Site, project: Project, path: str, who: Principal | None = None) -> File:  # noqa: F811
    """A file with bytes as other doors store it."""
    from uuid import uuid4

    store = PgFileStore()
    stored = Stored(key=f"k-{path}", size=7, md5=b"\1" * 16, sha256=path.encode().ljust(32, b"\0")[:32])
    async with site.database.begin() as unit:
        key = await store.keep_blob(unit, stored)
        return await store.put(
            unit, uuid=uuid4(), project=project.seq, path=path, name=path.rpartition("/")[2], stored=stored, blob=key,
            media_type="text/plain", record=None, extra=None, made_by=None if who is None else who.user,
            now=site.clock(),
        )  # fmt: skip


# --- a running commons

#: Roles on project SHUT; everybody may read PUB. The admin is a site admin.
ROLES = {"curator": "curator", "reader": "viewer", "counter": "counter", "nobody": None}


@dataclass
class Commons:
    """A server where anonymous callers see what is public, with a project that is and one that is not."""

    running: Running
    keys: dict[str, dict[str, Any]] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    said_plain: str = ""

    def path(self, code: str) -> str:
        return f"/programs/LAB/projects/{code}"

    def call(self, method: str, path: str, who: str | None = "curator", **more: Any) -> httpx.Response:
        if who is not None and who not in self.tokens:
            answer = self.running.client.post("/user/credentials/cdis/access_token", json=self.keys[who])
            self.tokens[who] = answer.json()["access_token"]
        headers = {} if who is None else {"Authorization": f"bearer {self.tokens[who]}"}
        return self.running.client.request(method, f"/index{path}", headers=headers, **more)

    def add(self, code: str = "SHUT", who: str = "curator", **more: Any) -> dict[str, Any]:
        body = {"form": "object", "size": 5, "hashes": {"md5": MD5}, "urls": [], "authz": [self.path(code)], **more}
        answer = self.call("POST", "/index/", who, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def put_file(self, code: str, path: str, content: bytes) -> str:
        answer = self.running.client.put(
            f"/commensal/v1/projects/LAB-{code}/files/{path}",
            content=content,
            headers=self.running.bearer("admin@example.org"),
        )
        assert answer.status_code == 201, answer.text
        return answer.json()["uuid"]


@pytest.fixture(scope="module")
def commons(admin_dsn: str) -> Iterator[Commons]:
    base, name = make_data_base(), f"commensal_index_{uuid.uuid4().hex[:10]}"
    running = None
    try:
        dsn = fresh_database(admin_dsn, name)
        running = start_commons(base / "data", "--database", dsn, "--min-free", "1MB", "--anonymous", "on")
        made = Commons(running)
        running.add_user("admin@example.org", "--site-admin")
        running.admin("program", "add", "LAB")
        admin = running.bearer("admin@example.org")
        for code, level in (("PUB", "read"), ("SHUT", "none")):
            answer = running.client.post(
                "/commensal/v1/programs/LAB/projects", json={"code": code, "public": level}, headers=admin
            )
            assert answer.status_code == 201, answer.text
        for who, role in ROLES.items():
            running.add_user(f"{who}@example.org")
            if role:
                running.admin("grant", f"{who}@example.org", role, "LAB-SHUT")
        running.admin("grant", "curator@example.org", "curator", "LAB-PUB")
        for who in ("admin", *ROLES):
            made.keys[who] = running.key(f"{who}@example.org", "gen3")
        yield made
        assert running.stop() == 0
    finally:
        if running is not None and running.process.poll() is None:
            running.kill()
        run_sql(admin_dsn, f'drop database if exists "{name}" with (force)')
        shutil.rmtree(base, ignore_errors=True)


__all__ = ["OPERATOR"]
