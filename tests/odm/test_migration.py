"""Files that were there before the search existed are found, and their trees are made."""

from __future__ import annotations

import asyncio
import uuid
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

import commensal.storage.postgres as postgres
from commensal.storage.postgres.migrate import migrate
from tests.conftest import with_database


def upgrade(dsn: str, revision: str) -> None:
    async def connect() -> Any:
        return await asyncpg.connect(dsn)

    async def go() -> None:
        config = Config()
        config.set_main_option("script_location", str(Path(postgres.__file__).parent / "migrations"))
        engine = create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=NullPool)

        def run(connection: Any) -> None:
            config.attributes["connection"] = connection
            command.upgrade(config, revision)

        async with engine.connect() as connection:
            await connection.run_sync(run)
            await connection.commit()
        await engine.dispose()

    asyncio.run(go())


@pytest.fixture
def old_dsn(admin_dsn: str):
    name = f"commensal_old_{uuid.uuid4().hex[:10]}"

    async def admin(sql: str) -> None:
        connection = await asyncpg.connect(admin_dsn)
        await connection.execute(sql)
        await connection.close()

    asyncio.run(admin(f'create database "{name}"'))
    yield with_database(admin_dsn, name)
    asyncio.run(admin(f'drop database if exists "{name}" with (force)'))


def test_files_that_are_there_already(old_dsn: str):
    upgrade(old_dsn, "0002")

    async def look() -> None:
        connection = await asyncpg.connect(old_dsn)
        await connection.execute("insert into blobs (key, sha256, md5, size) values ('k', '\\x01', '\\x02', 5)")
        for name in ("a.h5", "b.txt", "C.ZIP"):
            await connection.execute(
                "insert into files (uuid, project, path, name, size, md5, state, blob, extra) "
                "values (gen_random_uuid(), 1, $1, $1, 5, '\\x02', 'stored', 'k', "
                '\'{"tissue": "kidney", "age": [7, 61, 3]}\')',
                name,
            )
        await migrate(old_dsn)
        found = await connection.fetch(
            "select attrs->>'genestack:name', attrs->>'tissue' from file_search order by file"
        )
        assert [tuple(row) for row in found] == [("a.h5", "kidney"), ("b.txt", "kidney"), ("C.ZIP", "kidney")]
        # Of several numbers the least and the most; a single one is both.
        numbers = await connection.fetch(
            "select distinct key, value::integer, project, least, most from file_numbers "
            "where key <> 'commensal:md5' order by key, value"
        )
        assert [tuple(row) for row in numbers] == [
            ("age", 3, 1, True, False),
            ("age", 61, 1, False, True),
            ("commensal:size", 5, 1, True, True),
        ]
        jobs = await connection.fetch("select f.name from file_jobs j join files f on f.seq = j.file order by f.seq")
        assert [row[0] for row in jobs] == ["a.h5", "C.ZIP"]
        await connection.close()

    asyncio.run(look())
