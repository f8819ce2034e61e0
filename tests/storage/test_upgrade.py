"""A database of an earlier program, with data in it, is brought to this program's schema and used."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from commensal.core.principals import Door, Principal, PrincipalKind
from commensal.server.app import build_services
from commensal.server.settings import Settings
from commensal.storage.postgres import migrate as migrations
from commensal.storage.postgres.database import PgDatabase
from tests.conftest import with_database

#: The schemas that landed with an earlier program.
LANDED = ("0003",)
OPERATOR = Principal(kind=PrincipalKind.OPERATOR, door=Door.CLI)


def upgrade_to(dsn: str, revision: str) -> None:
    """Bring an empty database to an earlier schema."""
    from alembic import command
    from alembic.config import Config
    from sqlalchemy.ext.asyncio import create_async_engine
    from sqlalchemy.pool import NullPool

    async def go() -> None:
        config = Config()
        config.set_main_option("script_location", str(Path(migrations.__file__).parent / "migrations"))
        engine = create_async_engine(
            "postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(dsn), poolclass=NullPool
        )

        def run(connection: object) -> None:
            config.attributes["connection"] = connection
            command.upgrade(config, revision)

        async with engine.connect() as connection:
            await connection.run_sync(run)
            await connection.commit()
        await engine.dispose()

    asyncio.run(go())


@pytest.fixture(params=LANDED)
async def earlier(admin_dsn: str, request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """A database of an earlier schema with a project, a sample and a stored file."""
    name = f"commensal_test_{uuid.uuid4().hex[:12]}"
    admin = await asyncpg.connect(admin_dsn)
    await admin.execute(f'create database "{name}"')
    dsn = with_database(admin_dsn, name)
    try:
        await asyncio.to_thread(upgrade_to, dsn, request.param)
        old = await asyncpg.connect(dsn)
        program = await old.fetchval(
            "insert into programs (uuid, code, code_folded, title, title_folded) "
            "values (gen_random_uuid(), 'P', 'p', 'The program', 'the program') returning seq"
        )
        project = await old.fetchval(
            "insert into projects (uuid, program, code, polly_code, title) "
            "values (gen_random_uuid(), $1, 'J', 'j', 'The study') returning seq",
            program,
        )
        await old.execute("insert into blobs (key, sha256, md5, size) values ('k', $1, $2, 7)", b"\1" * 32, b"\2" * 16)
        extra = '{"ph": 61.0, "city": "Bern"}'
        await old.execute(
            "insert into files (uuid, project, path, name, size, md5, sha256, state, blob, extra) values "
            "(gen_random_uuid(), $1, 'a/old.csv', 'old.csv', 7, $2, $3, 'stored', 'k', $4)",
            project,
            b"\2" * 16,
            b"\1" * 32,
            extra,
        )
        await old.execute(
            "insert into records (seq, uuid, project, type, submitter_id, sid_folded, props, created, updated, change) "
            "values (nextval('commensal_seq'), gen_random_uuid(), $1, 'sample', 'S-1', 's-1', '{}', now(), now(), 1)",
            project,
        )
        await old.execute("insert into counters (project, type, n, change) values ($1, 'sample', 1, 1)", project)
        await old.close()
        yield dsn
    finally:
        await admin.execute(f'drop database if exists "{name}" with (force)')
        await admin.close()


async def test_what_an_earlier_program_wrote_is_there_and_can_be_used(earlier: str, tmp_path: Path) -> None:
    from commensal.core.files_query import parse_text
    from commensal.core.index_query import IndexQuery
    from commensal.core.studies import Kind

    assert await migrations.migrate(earlier)
    assert not await migrations.migrate(earlier)
    database, second = PgDatabase(earlier, size=4), PgDatabase(earlier, size=3)
    await database.open()
    await second.open()
    try:
        services = build_services(Settings(data=str(tmp_path)), database, second, b"0" * 32)
        await services.dictionaries.start(None)
        words = parse_text("61.0 AND Bern")
        assert words is not None
        page = await services.file_search.search(OPERATOR, [words])
        assert page.total == 1
        (record,) = await services.index.list(OPERATOR, IndexQuery())
        assert (record.file_name, record.size, record.authz) == ("old.csv", 7, ("/programs/P/projects/J",))
        assert record.hashes == {"md5": "02" * 16, "sha256": "01" * 32}
        assert (await services.index.get(OPERATOR, record.did)).did == record.did
        project = await services.catalog.project(OPERATOR, "P-J")
        await services.catalog.update_project(OPERATOR, project, title="Renamed")
        versions = await services.studies.versions(OPERATOR, Kind.STUDY, project.seq)
        assert len(versions) >= 1
        found = await services.lineages.projects(OPERATOR, _projects(), offset=0, limit=10)
        assert [one.place.title for one in found.items] == ["Renamed"]
    finally:
        await database.close()
        await second.close()


def _projects() -> object:
    from commensal.services.lineages import ProjectsFilter

    return ProjectsFilter()
