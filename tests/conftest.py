"""Fixtures for every test: a real PostgreSQL, and a fresh database cloned from a migrated template for each test."""

from __future__ import annotations

import asyncio
import os
import shutil
import stat
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

from commensal.storage.postgres.database import PgDatabase
from commensal.storage.postgres.migrate import migrate

TORTURE = os.environ.get("COMMENSAL_TORTURE") == "1"
SHARED = Path(os.environ.get("COMMENSAL_SHARED", Path(__file__).resolve().parents[2] / "shared"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not TORTURE:
        for item in items:
            if item.get_closest_marker("torture"):
                item.add_marker(pytest.mark.skip(reason="large counts: run make torture"))


@pytest.fixture(scope="session")
def torture() -> bool:
    """Whether this run uses the large counts."""
    return TORTURE


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real input; tests that need it skip where it is absent."""
    if not SHARED.is_dir():
        pytest.skip("real input is not here (set COMMENSAL_SHARED)")
    return SHARED


def make_data_base() -> Path:
    """Make a folder that every account can pass: as root, PostgreSQL runs under another account."""
    folder = Path(tempfile.mkdtemp(prefix="commensal-test-"))
    folder.chmod(stat.S_IRWXU | stat.S_IXGRP | stat.S_IXOTH | stat.S_IRGRP | stat.S_IROTH)
    return folder


@pytest.fixture
def data_base() -> Iterator[Path]:
    """A folder to put data folders in, removed afterwards."""
    folder = make_data_base()
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def with_database(dsn: str, name: str) -> str:
    """Return a DSN that names another database."""
    head, _, tail = dsn.partition("?")
    start = head.index("//") + 2
    slash = head.find("/", start)
    base = head if slash < 0 else head[:slash]
    return f"{base}/{name}" + (f"?{tail}" if tail else "")


@pytest.fixture(scope="session")
def admin_dsn() -> Iterator[str]:
    """A DSN of a role that may create databases: COMMENSAL_TEST_DSN, else an embedded server of this session."""
    given = os.environ.get("COMMENSAL_TEST_DSN")
    if given:
        yield given
        return
    from commensal.storage.embedded import DataFolder, EmbeddedPostgres

    base = make_data_base()
    folder = DataFolder(base / "data")
    folder.prepare()
    server = EmbeddedPostgres(folder, options={"max_connections": "120"})
    server.start()
    try:
        yield server.admin_dsn("postgres")
    finally:
        server.stop()
        shutil.rmtree(base, ignore_errors=True)


@pytest.fixture(scope="session")
def template_database(admin_dsn: str) -> Iterator[str]:
    """A migrated, empty database that tests clone."""
    name = f"commensal_template_{uuid.uuid4().hex[:10]}"

    async def make() -> None:
        connection = await asyncpg.connect(admin_dsn)
        await connection.execute(f'create database "{name}"')
        await connection.close()
        await migrate(with_database(admin_dsn, name))

    async def drop() -> None:
        connection = await asyncpg.connect(admin_dsn)
        await connection.execute(f'drop database if exists "{name}" with (force)')
        await connection.close()

    asyncio.run(make())
    yield name
    asyncio.run(drop())


@pytest.fixture
async def dsn(admin_dsn: str, template_database: str) -> AsyncIterator[str]:
    """The DSN of a fresh database with this program's schema."""
    name = f"commensal_test_{uuid.uuid4().hex[:12]}"
    connection = await asyncpg.connect(admin_dsn)
    await connection.execute(f'create database "{name}" template "{template_database}"')
    try:
        yield with_database(admin_dsn, name)
    finally:
        await connection.execute(f'drop database if exists "{name}" with (force)')
        await connection.close()


@pytest.fixture
async def database(dsn: str) -> AsyncIterator[PgDatabase]:
    """An open pool on a fresh database."""
    pool = PgDatabase(dsn, size=5)
    await pool.open()
    yield pool
    await pool.close()
