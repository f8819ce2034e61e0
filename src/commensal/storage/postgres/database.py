"""Connections: a pool of asyncpg connections, units that count their statements, and clear errors.

Statements are written by hand and sent by asyncpg as they are. Measured: a single-row select by
key takes 60 microseconds this way and 160 through SQLAlchemy Core on asyncpg
(docs/explanation/decisions.md).
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from typing import Any, cast

import asyncpg
import msgspec
from asyncpg.pool import PoolConnectionProxy

from commensal.errors import Malformed, NoSpace, NotFound, Unavailable
from commensal.storage.ports import Unit

__all__ = ["PgDatabase", "PgUnit", "StatementCount", "counting", "ended_when_lost", "pg", "still_there"]

#: How long a request waits for a connection before it is told to come back later (seconds).
WAIT_FOR_CONNECTION = 5.0
RETRY_CONNECTION = 0.1

Connection = asyncpg.Connection | PoolConnectionProxy

_LOST = (
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    ConnectionError,
    OSError,
    TimeoutError,
)


class StatementCount:
    """How many statements were sent while a ``counting`` block was open."""

    def __init__(self) -> None:
        self.n = 0
        self.texts: list[str] = []


_count: contextvars.ContextVar[StatementCount | None] = contextvars.ContextVar("statement_count", default=None)


@contextmanager
def counting() -> Iterator[StatementCount]:
    """Count the statements that this task sends; for tests, benchmarks and the request log."""
    count = StatementCount()
    token = _count.set(count)
    try:
        yield count
    finally:
        _count.reset(token)


@contextmanager
def still_there(what: str) -> Iterator[None]:
    """Say that what new rows belong to was deleted at the same moment, where the database refuses them for that."""
    try:
        yield
    except asyncpg.ForeignKeyViolationError as error:
        raise NotFound(f"The {what} was deleted in the meantime: nothing was written.") from error


@contextmanager
def ended_when_lost(connection: Connection) -> Iterator[None]:
    """End a COPY when its connection is lost: asyncpg alone would wait for ever for its send buffer to drain."""
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    ending: asyncio.TimerHandle | None = None
    ended = False

    def end() -> None:
        nonlocal ended
        ended = True
        if task is not None:
            task.cancel()

    def lost(_: object) -> None:
        nonlocal ending
        ending = loop.call_later(0.1, end)  # asyncpg's own error comes first where there is one

    connection.add_termination_listener(lost)
    try:
        yield
    except asyncio.CancelledError:
        if ended and task is not None:
            task.uncancel()
            raise asyncpg.ConnectionDoesNotExistError("the connection was lost during COPY") from None
        raise
    finally:
        if ending is not None:
            ending.cancel()
        with suppress(asyncpg.InterfaceError):  # a connection that is gone has no listeners left
            connection.remove_termination_listener(lost)


class PgUnit:
    """One connection; every method is one statement."""

    __slots__ = ("_connection", "statements")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.statements = 0

    def _counted(self, sql: str) -> None:
        self.statements += 1
        count = _count.get()
        if count is not None:
            count.n += 1
            count.texts.append(sql)

    async def rows(self, sql: str, *values: object) -> list[asyncpg.Record]:
        """Send one statement and return all its rows."""
        self._counted(sql)
        return cast("list[asyncpg.Record]", await self._connection.fetch(sql, *values))

    async def row(self, sql: str, *values: object) -> asyncpg.Record | None:
        """Send one statement and return its first row, or None."""
        self._counted(sql)
        return await self._connection.fetchrow(sql, *values)

    async def value(self, sql: str, *values: object) -> Any:
        """Send one statement and return the first column of its first row, or None."""
        self._counted(sql)
        return await self._connection.fetchval(sql, *values)

    async def run(self, sql: str, *values: object) -> int:
        """Send one statement and return how many rows it changed."""
        self._counted(sql)
        tag = await self._connection.execute(sql, *values)
        last = tag.rsplit(" ", 1)[-1]
        return int(last) if last.isdigit() else 0

    async def copy(self, table: str, columns: Sequence[str], records: Iterable[Sequence[object]]) -> None:
        """Write many rows by COPY (binary): one statement."""
        self._counted(f"copy {table}")
        with ended_when_lost(self._connection):
            await self._connection.copy_records_to_table(table, columns=list(columns), records=records)

    async def stream(self, sql: str, *values: object, chunk: int = 2_000) -> AsyncIterator[list[asyncpg.Record]]:
        """Send one statement and yield its rows in chunks through a server-side cursor (needs a transaction)."""
        self._counted(sql)
        statement = await self._connection.prepare(sql)
        cursor = await statement.cursor(*values)
        while rows := await cursor.fetch(chunk):
            yield rows

    @property
    def raw(self) -> Connection:
        """The connection itself, for hot paths that speak asyncpg (they count their own statements)."""
        return self._connection

    def sent(self, sql: str) -> None:
        """Count a statement that was sent through ``raw``."""
        self._counted(sql)


def pg(unit: Unit) -> PgUnit:
    """Return the PostgreSQL unit behind a port's opaque one."""
    if not isinstance(unit, PgUnit):
        raise TypeError(f"not a PostgreSQL unit: {unit!r}")
    return unit


_EMPTY = b"\x01{}"


def _encode_jsonb(value: object) -> bytes:
    return b"\x01" + msgspec.json.encode(value)


def _decode_jsonb(data: bytes) -> Any:
    if data == _EMPTY:  # free metadata, mostly
        return {}
    return msgspec.json.decode(memoryview(data)[1:])


async def _prepare(connection: Connection) -> None:
    # JSON goes in and out as Python values; hot paths ask for ::text and keep the bytes. The codecs are
    # binary (jsonb: a version byte before the text), because COPY takes no others.
    await connection.set_type_codec(
        "json", schema="pg_catalog", encoder=msgspec.json.encode, decoder=msgspec.json.decode, format="binary"
    )
    await connection.set_type_codec(
        "jsonb", schema="pg_catalog", encoder=_encode_jsonb, decoder=_decode_jsonb, format="binary"
    )


async def _nothing_to_reset(_: object) -> None:
    """Units leave no state of the session behind, and the usual reset costs a way there and back (70 us)."""


class PgDatabase:
    """The pool of one process.

    ``sessions``: whether a unit may leave state of its session behind (the sealer's lock), which is then
    reset when the connection goes back.
    """

    def __init__(self, dsn: str, *, size: int = 10, application: str = "commensal", sessions: bool = False) -> None:
        self._sessions = sessions
        self._dsn = dsn
        self._size = size
        self._application = application
        self._pool: asyncpg.Pool | None = None
        self._opening = asyncio.Lock()

    async def open(self) -> None:
        """Make the pool; later calls do nothing."""
        async with self._opening:
            if self._pool is None:
                self._pool = await asyncpg.create_pool(
                    self._dsn,
                    min_size=1,
                    max_size=self._size,
                    init=_prepare,
                    max_inactive_connection_lifetime=300,
                    statement_cache_size=400,
                    max_cacheable_statement_size=200_000,  # compiled graph queries can be long, and come again
                    reset=None if self._sessions else _nothing_to_reset,
                    server_settings={
                        "application_name": self._application,
                        "timezone": "UTC",
                        "jit": "off",
                        "statement_timeout": "600s",
                        "idle_in_transaction_session_timeout": "300s",
                    },
                )

    async def close(self) -> None:
        """Give all connections back, at most 5 seconds."""
        pool, self._pool = self._pool, None
        if pool is not None:
            try:
                await asyncio.wait_for(pool.close(), 5)
            except (TimeoutError, *_LOST):
                pool.terminate()

    async def _acquire(self) -> tuple[Any, Any]:
        """Get a connection, and keep trying while the server is away: nothing was sent yet, so that is safe."""
        while True:
            try:
                if self._pool is None:
                    await self.open()
                pool = self._pool
                if pool is None:
                    raise Unavailable("The server is stopping.")
                return pool, await pool.acquire()
            except (asyncpg.InterfaceError, TimeoutError):
                raise  # the pool is being closed, or the time is over
            except _LOST:
                await asyncio.sleep(RETRY_CONNECTION)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        try:
            async with asyncio.timeout(WAIT_FOR_CONNECTION):
                pool, connection = await self._acquire()
        except _LOST as error:
            raise Unavailable("The database cannot be reached right now; try again in a moment.") from error
        broken = False
        try:
            yield connection
        except asyncpg.DataError as error:
            # Class 22, or refused by asyncpg before it was sent: the request is wrong, not the server. A value of
            # another type than the column's is our own mistake.
            if isinstance(error.__cause__, TypeError):
                raise
            raise Malformed(
                "A value of the request cannot be stored or compared: a number is too large, or a text holds U+0000 or "
                "half of a surrogate pair."
            ) from error
        except asyncpg.DiskFullError as error:
            raise NoSpace("The database has no disk space left; nothing was written.") from error
        except (asyncpg.QueryCanceledError, asyncpg.LockNotAvailableError) as error:
            raise Unavailable("The database took too long; nothing was written.", retry_after=5) from error
        except (asyncpg.DeadlockDetectedError, asyncpg.SerializationError) as error:
            raise Unavailable("Another change came in between; nothing was written, try again.") from error
        except (
            asyncpg.PostgresConnectionError,
            asyncpg.InterfaceError,
            asyncpg.InternalClientError,  # what asyncpg raises when the server is killed in mid-protocol
            asyncpg.AdminShutdownError,
            asyncpg.CrashShutdownError,
            asyncpg.CannotConnectNowError,
            ConnectionError,
        ) as error:
            broken = True
            raise Unavailable(
                "The connection to the database broke; whether the last change was stored is not known."
            ) from error
        finally:
            with suppress(asyncpg.InterfaceError):  # the pool takes a lost connection back by itself
                if broken:
                    connection.terminate()
                try:
                    await pool.release(connection, timeout=5)
                except _LOST:
                    connection.terminate()

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[PgUnit]:
        """Open a transaction; see ``ports.Database``."""
        async with self._connection() as connection, connection.transaction():
            yield PgUnit(connection)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[PgUnit]:
        """Open a unit for single reads; see ``ports.Database``."""
        async with self._connection() as connection:
            yield PgUnit(connection)

    def alone(self) -> AbstractAsyncContextManager[PgUnit]:
        """Open a unit where each statement is a transaction of its own; see ``ports.Database``."""
        return self.read()

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[PgUnit]:
        """Open a read-only transaction that sees one moment; see ``ports.Database``."""
        async with self._connection() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
            yield PgUnit(connection)
