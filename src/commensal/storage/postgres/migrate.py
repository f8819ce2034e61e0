"""Bring the database to this program's schema, on start, under a lock.

The usual start finds the schema current with one query and never imports alembic, which is what
keeps a restart under two seconds.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import asyncpg

from commensal.errors import DatabaseTooNew, SetupError

__all__ = ["HEAD", "MINIMUM_SERVER", "current_revision", "migrate"]

#: The newest revision that this program knows; a test compares it with the versions folder.
HEAD = "0010"
#: PostgreSQL 15 is the floor (``unique nulls not distinct``, ``merge``).
MINIMUM_SERVER = 150_000
_LOCK = 0x636F6D6D656E73  # "commens": one migration at a time on one database


async def current_revision(connection: asyncpg.Connection) -> str | None:
    """Return the revision of the database, None when it is empty."""
    if await connection.fetchval("select to_regclass('alembic_version')") is None:
        return None
    return await connection.fetchval("select version_num from alembic_version")


def _upgrade(dsn: str) -> None:
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import Connection
    from sqlalchemy.exc import DBAPIError
    from sqlalchemy.ext.asyncio import create_async_engine
    from sqlalchemy.pool import NullPool

    async def connect() -> Any:
        return await asyncpg.connect(dsn)

    async def go() -> None:
        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        engine = create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=NullPool)

        def run(connection: Connection) -> None:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

        async with engine.connect() as connection:
            await connection.run_sync(run)
            await connection.commit()
        await engine.dispose()

    try:
        asyncio.run(go())
    except DBAPIError as error:
        reason = error.orig.__cause__ if error.orig is not None else None
        if isinstance(reason, asyncpg.PostgresError):
            raise reason from error  # callers know the driver's errors, not those of two layers above it
        raise


async def migrate(dsn: str) -> bool:
    """Apply what is missing; return whether anything was.

    Raises ``DatabaseTooNew`` when the database was written by a newer program and ``SetupError``
    when the server is older than PostgreSQL 15 or its encoding is not UTF-8.
    """
    connection = await asyncpg.connect(dsn)
    try:
        version = int(await connection.fetchval("select current_setting('server_version_num')"))
        if version < MINIMUM_SERVER:
            raise SetupError(f"commensal needs PostgreSQL 15 or newer; this server is {version // 10000}.")
        if await connection.fetchval("select current_setting('server_encoding')") != "UTF8":
            raise SetupError("commensal needs a database with encoding UTF8: create it with ENCODING 'UTF8'.")
        revision = await current_revision(connection)
        if revision == HEAD:
            return False
        if revision is not None and revision > HEAD:
            raise DatabaseTooNew(
                f"This database has schema {revision}; this program knows {HEAD} at most. "
                "Install the newer commensal, or restore a backup made before the upgrade."
            )
        await connection.execute("select pg_advisory_lock($1)", _LOCK)
        try:
            if await current_revision(connection) == HEAD:
                return False
            await asyncio.to_thread(_upgrade, dsn)
        finally:
            await connection.execute("select pg_advisory_unlock($1)", _LOCK)
        return True
    finally:
        await connection.close()
