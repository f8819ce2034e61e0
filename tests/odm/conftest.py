"""A commons with files of every kind, and callers with different rights."""

from __future__ import annotations

import gzip
import io
import shutil
import sys
import time
import uuid
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import httpx
import numpy as np
import pytest

from tests.conftest import make_data_base, with_database
from tests.gen3.conftest import run_sql
from tests.odm.file_server import FileServer
from tests.running import Running, start_commons

FILES = "/api/v1/as-user/files"
#: Role on the program; the admin is a site admin, the reader may not download.
ROLES = {"curator": "curator", "analyst": "analyst", "reader": "viewer", "counter": "counter", "nobody": None}
#: Accounts without a grant: of tests that make studies of their own.
GUESTS = ("importer", "stranger")


@dataclass
class Odm:
    """A running commons; ``files`` maps names to accessions, ``bytes`` to content."""

    running: Running
    dsn: str
    remote: FileServer
    keys: dict[str, dict[str, Any]] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    bytes: dict[str, bytes] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return self.running.url

    def headers(self, who: str) -> dict[str, str]:
        return {"Genestack-API-Token": self.keys[who]["api_token"]}

    def get(self, path: str = "", who: str | None = "analyst", method: str = "GET", **more: Any) -> httpx.Response:
        headers = {**(self.headers(who) if who else {}), **more.pop("headers", {})}
        path = path if path.startswith("/api") else FILES + path
        return self.running.client.request(method, path, headers=headers, **more)

    def put(self, path: str, content: bytes, project: str = "LAB-ONE") -> str:
        bearer = {"Authorization": f"Bearer {self.keys['admin']['access_token']}"}
        place = f"/commensal/v1/projects/{project}/files/{path}"
        answer = self.running.client.put(place, content=content, headers=bearer)
        assert answer.status_code in (200, 201), answer.text
        name = path.rpartition("/")[2]
        self.files[name], self.bytes[name] = f"GSF{answer.json()['seq']}", content
        return self.files[name]

    def wait_contents(self, name: str, seconds: float = 60) -> dict[str, Any]:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = self.get(f"/{self.files[name]}?includeContents=true").json()
            if "contents" in found:
                return found["contents"]
            time.sleep(0.1)
        raise AssertionError(f"no contents of {name}: {self.running.output}")


def h5_with_loops() -> bytes:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        group = file.create_group("obs")
        group["seurat_clusters"] = np.arange(4, dtype="int32")
        group["again"] = file["/"]
        file["soft"] = h5py.SoftLink("/obs")
        file["away"] = h5py.ExternalLink("/etc/passwd", "/")
        file.create_group("empty")
    return buffer.getvalue()


def zip_with_h5(h5: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data/matrix.h5", h5)
        archive.writestr("read me.txt", "hello")
        archive.writestr("../escape.txt", "no")
    return buffer.getvalue()


def gz_of(data: bytes, name: str) -> bytes:
    buffer = io.BytesIO()
    with gzip.GzipFile(name, "wb", fileobj=buffer, mtime=0) as file:
        file.write(data)
    return buffer.getvalue()


def start_odm(base: Path, dsn: str, remote: FileServer) -> Odm:
    fetch = ("--allow-fetch", f"127.0.0.1:{remote.port}")
    running = start_commons(base / "data", "--database", dsn, "--min-free", "1MB", *fetch)
    try:
        odm = Odm(running, dsn, remote)
        running.add_user("admin@example.org", "--site-admin")
        running.admin("program", "add", "LAB")
        for who, role in ROLES.items():
            running.add_user(f"{who}@example.org")
            if role:
                running.admin("grant", f"{who}@example.org", role, "LAB")
        for who in GUESTS:
            running.add_user(f"{who}@example.org")
        for who in ("admin", *ROLES, *GUESTS):
            odm.keys[who] = running.key(f"{who}@example.org", "odm")
        for code in ("ONE", "TWO"):
            answer = running.client.post(
                "/commensal/v1/programs/LAB/projects",
                json={"code": code},
                headers={"Authorization": f"Bearer {odm.keys['admin']['access_token']}"},
            )
            assert answer.status_code == 201, answer.text
        h5 = h5_with_loops()
        odm.put("in/loops.h5", h5)
        odm.put("in/archive.zip", zip_with_h5(h5))
        odm.put("in/table.tsv.gz", gz_of(b"gene\tn\nBRCA1\t3\n", "table.tsv"))
        odm.put("in/plain.txt", bytes(range(256)) * 40)
        odm.put("in/empty.bin", b"")
        odm.put("in/fake.h5", b"this is no HDF5 file")
        odm.put('ünïcode; "name".txt'.replace('"', "'"), b"ok")
        odm.wait_contents("fake.h5")
        return odm
    except BaseException:
        running.kill()
        raise


@pytest.fixture(scope="session")
def odm(admin_dsn: str) -> Iterator[Odm]:
    base = make_data_base()
    name = f"commensal_odm_{uuid.uuid4().hex[:10]}"
    run_sql(admin_dsn, f'create database "{name}"')
    made = None
    remote = FileServer()
    try:
        made = start_odm(base, with_database(admin_dsn, name), remote)
        yield made
        assert made.running.stop() == 0
    finally:
        if made is not None and made.running.process.poll() is None:
            made.running.kill()
        remote.close()
        run_sql(admin_dsn, f'drop database if exists "{name}" with (force)')
        shutil.rmtree(base, ignore_errors=True)


@pytest.fixture(scope="session")
def own_python() -> Path:
    """The interpreter that our own client runs in."""
    return Path(sys.executable)
