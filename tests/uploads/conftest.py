"""Uploads on a small site, over the local disk and over a real S3."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from commensal.core.principals import Principal
from commensal.core.projects import Project
from commensal.services.files import Files
from commensal.services.growing_uploads import GrowingUploads
from commensal.services.scrub import Scrub
from commensal.services.signed_bytes import SignedBytes
from commensal.services.signing import Signer
from commensal.storage.blobs.local import LocalBlobs
from commensal.storage.blobs.s3 import S3Blobs
from commensal.storage.postgres.catalog import PgProjectStore
from commensal.storage.postgres.files import PgFileStore
from commensal.storage.postgres.scrub import PgScrub
from commensal.storage.postgres.uploads import PgUploads
from tests.blobs.conftest import gateway, place  # noqa: F401 - fixtures
from tests.rights.conftest import Site, audit, audit_database, clock, guard, site  # noqa: F401 - fixtures

MASTER_KEY = b"k" * 32
BASE = "http://commensal.test"


async def chunks(data: bytes, size: int = 65_536) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@dataclass
class Store:
    """What a test of uploads needs."""

    site: Site
    blobs: Any
    files: Files
    uploads: GrowingUploads
    bytes: SignedBytes
    scrub: Scrub
    project: Project
    writer: Principal

    async def read(self, path: str) -> bytes:
        file = await self.files.get(self.writer, self.project, path=path)
        return b"".join([block async for block in await self.files.open(self.writer, self.project, file)])

    async def paths(self) -> list[str]:
        files, _ = await self.files.list(self.writer, self.project)
        return [file.path for file in files]

    async def stored(self) -> list[str]:
        return [key async for key, _ in self.blobs.keys()]  # noqa: SIM118


async def make_store(site: Site, blobs: Any, *, quota: int = 0) -> Store:  # noqa: F811
    common: dict[str, Any] = {"database": site.database, "blobs": blobs, "audit": site.audit}
    files = Files(store=PgFileStore(), guard=site.guard, quota=quota, now=site.clock, **common)
    signer = Signer(MASTER_KEY, now=site.clock)
    program = await site.program()
    project = await site.project(program)
    return Store(
        site,
        blobs,
        files,
        GrowingUploads(
            store=PgUploads(), projects=PgProjectStore(), files=files, signer=signer, now=site.clock, **common
        ),
        SignedBytes(store=PgFileStore(), files=files, guard=site.guard, signer=signer, **common),
        Scrub(store=PgScrub(), guard=site.guard, now=site.clock, settle=0.0, **common),
        project,
        await site.holder("contributor", program),
    )


@pytest.fixture
async def local(site: Site, tmp_path: Path) -> Store:  # noqa: F811
    return await make_store(site, LocalBlobs(tmp_path / "blobs"))


@pytest.fixture(params=["local", "s3"])
async def store(request: pytest.FixtureRequest, site: Site, tmp_path: Path) -> AsyncIterator[Store]:  # noqa: F811
    """The same on both stores."""
    if request.param == "local":
        yield await make_store(site, LocalBlobs(tmp_path / "blobs"))
        return
    blobs = S3Blobs(request.getfixturevalue("place"))
    yield await make_store(site, blobs)
    blobs.close()


@pytest.fixture
async def s3(site: Site, place: Any) -> AsyncIterator[Store]:  # noqa: F811
    blobs = S3Blobs(place)
    yield await make_store(site, blobs)
    blobs.close()
