"""Connections: what a lost connection looks like to a request."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from commensal.errors import Unavailable
from commensal.storage.postgres.database import PgDatabase, counting


async def _kill(dsn: str, pid: int) -> None:
    other = await asyncpg.connect(dsn)
    await other.execute("select pg_terminate_backend($1)", pid)
    await other.close()


async def test_copy_ends_when_its_connection_is_lost(dsn: str, database: PgDatabase) -> None:
    async with database.begin() as unit:
        await unit.run("create table many (n bigint, text text)")

    async def write() -> None:
        async with database.begin() as unit:
            pid = await unit.value("select pg_backend_pid()")
            asyncio.get_running_loop().call_later(0.3, lambda: asyncio.ensure_future(_kill(dsn, pid)))
            await unit.copy("many", ["n", "text"], ((number, "x" * 1000) for number in range(10**7)))

    with pytest.raises(Unavailable):
        await asyncio.wait_for(write(), 60)
    async with database.read() as unit:  # the pool gives a new connection, and nothing was written
        assert await unit.value("select count(*) from many") == 0


async def test_copy_that_is_cancelled_is_cancelled(database: PgDatabase) -> None:
    async with database.begin() as unit:
        await unit.run("create table many (n bigint, text text)")

    async def write() -> None:
        async with database.begin() as unit:
            await unit.copy("many", ["n", "text"], ((number, "x" * 1000) for number in range(10**7)))

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(write(), 0.3)
    async with database.read() as unit:
        assert await unit.value("select count(*) from many") == 0


async def test_a_killed_statement_is_unavailable_and_the_pool_recovers(dsn: str, database: PgDatabase) -> None:
    async def write() -> None:
        async with database.begin() as unit:
            await _kill(dsn, await unit.value("select pg_backend_pid()"))
            await unit.value("select 1")

    with pytest.raises(Unavailable):
        await write()
    async with database.read() as unit:
        assert await unit.value("select 1") == 1


async def test_counting_counts_every_statement(database: PgDatabase) -> None:
    with counting() as count:
        async with database.begin() as unit:
            await unit.run("create temp table t (n int)")
            await unit.copy("t", ["n"], [(1,), (2,)])
            assert await unit.value("select count(*) from t") == 2
    assert count.n == 3
