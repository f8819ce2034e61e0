"""Random kill -9 under load: no acknowledged commit is lost, no batch is half there."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import time

import asyncpg
import psutil

TORTURE = bool(os.environ.get("COMMENSAL_TORTURE"))
ROUNDS = 20 if TORTURE else 4
BATCH = 5000 if TORTURE else 1000
LOST = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, asyncio.TimeoutError)


class Load:
    """Writers that remember what the server acknowledged, and connect again for ever."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self.rows: set[int] = set()
        self.batches: set[int] = set()
        self.done = asyncio.Event()
        self.number = 0

    def next(self) -> int:
        self.number += 1
        return self.number

    async def insert(self, connection: asyncpg.Connection) -> None:
        number = self.next()
        await connection.execute("insert into rows values ($1)", number)
        self.rows.add(number)

    async def copy(self, connection: asyncpg.Connection) -> None:
        number = self.next()
        copy = asyncio.ensure_future(
            connection.copy_records_to_table("batches", records=[(number, i) for i in range(BATCH)])
        )
        # asyncpg waits for ever when the connection is lost while its send buffer is full: end that wait.
        lost = copy.get_loop().create_future()
        connection.add_termination_listener(lambda _: lost.done() or lost.set_result(None))
        await asyncio.wait({copy, lost}, return_when=asyncio.FIRST_COMPLETED)
        if not copy.done():
            copy.cancel()
        try:
            await copy
        except asyncio.CancelledError:
            raise ConnectionError("lost during COPY") from None
        self.batches.add(number)

    async def work(self, write) -> None:
        while not self.done.is_set():
            try:
                connection = await asyncpg.connect(self.dsn, timeout=10)
                try:
                    while not self.done.is_set():
                        await write(connection)
                finally:
                    connection.terminate()
            except LOST:
                await asyncio.sleep(0.02)


def victims(server, choice):
    postmaster = psutil.Process(server.pid)
    children = postmaster.children()
    backends = [child for child in children if "commensal_app" in " ".join(child.cmdline())]
    if choice == "backend" and backends:
        return [choice_of(backends)]
    return [postmaster, *children] if choice == "all" else [postmaster]


choice_of = random.Random(20).choice


async def torment(server, kinds):
    load = Load(server.app_dsn)
    workers = [asyncio.create_task(load.work(load.insert)) for _ in range(3)]
    workers.append(asyncio.create_task(load.work(load.copy)))
    back = []
    for kind in kinds:
        rows, batches = len(load.rows), len(load.batches)
        while len(load.rows) < rows + 50 or len(load.batches) < batches + 2:
            await asyncio.sleep(0.01)
            assert not any(worker.done() for worker in workers)
        await asyncio.sleep(choice_of([0.0, 0.1, 0.3, 0.6]))
        killed, targets = time.monotonic(), victims(server, kind)
        postmaster_too = server.pid in [process.pid for process in targets]
        for process in targets:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)
        # Backends without their postmaster still answer for a moment: wait for the restart, then for an answer.
        while not await asyncio.to_thread(server.ensure) and postmaster_too:
            await asyncio.sleep(0.02)
        seen = len(load.rows)
        while len(load.rows) <= seen + 3:
            await asyncio.to_thread(server.ensure)
            await asyncio.sleep(0.02)
            assert not any(worker.done() for worker in workers)
        back.append(time.monotonic() - killed)
    load.done.set()
    await asyncio.gather(*workers)
    return load, back


async def stored(dsn):
    connection = await asyncpg.connect(dsn)
    try:
        rows = {row["n"] for row in await connection.fetch("select n from rows")}
        batches = await connection.fetch(
            "select batch, count(*) as rows, count(distinct n) as one from batches group by 1"
        )
        return rows, {row["batch"]: (row["rows"], row["one"]) for row in batches}
    finally:
        await connection.close()


def test_no_acknowledged_commit_is_lost(play):
    def scenario(kit):
        folder = kit.ready()
        server = kit.server(folder)
        server.start()
        try:
            kit.query(server.app_dsn, "create table rows (n int primary key)")
            kit.query(server.app_dsn, "create table batches (batch int, n int)")
            kinds = [("postmaster", "backend", "all", "postmaster")[i % 4] for i in range(ROUNDS)]
            load, back = asyncio.run(torment(server, kinds))
            rows, batches = asyncio.run(stored(server.app_dsn))
            assert not load.rows - rows
            assert not load.batches - set(batches)
            assert set(batches.values()) == {(BATCH, BATCH)}
            print(f"{len(load.rows)} rows, {len(load.batches)} batches, back after {max(back):.2f} s at most")
        finally:
            server.stop()
        with kit.server(folder) as again:
            assert asyncio.run(stored(again.app_dsn)) == (rows, batches)

    play(scenario)
