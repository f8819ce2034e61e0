"""The index over HTTP, through a real ``commensal serve``, against a floor measured in the same run.

Rows: records made one by one, read by GUID (one client, four clients), read in bulk, listed, and made in bulk through
the service. Ours and the floor (``_index_floor``) take turns, so that a busy machine weighs on both::

    python -m benchmarks index
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import asyncpg
import httpx

from benchmarks._measuring import Client, Meter, Spent, four_at_once, request_bytes
from commensal.core.index import NewIndexRecord
from commensal.core.principals import Door, Principal, PrincipalKind
from commensal.server.collector import calm_collector
from commensal.services.audit import Audit
from commensal.services.catalog import Catalog
from commensal.services.guard import Guard
from commensal.services.index import Index
from commensal.storage.postgres.audit import PgAuditStore
from commensal.storage.postgres.catalog import PgProgramStore, PgProjectStore
from commensal.storage.postgres.catalog_objects import PgCollectionStore, PgObjectStore
from commensal.storage.postgres.database import PgDatabase
from commensal.storage.postgres.deletion import PgDeletion
from commensal.storage.postgres.grants import PgGrantStore
from commensal.storage.postgres.index import PgIndexStore
from tests.conftest import make_data_base
from tests.running import Running, free_port, start_commons

__all__ = ["main"]


def record(n: int, code: str) -> dict[str, Any]:
    """A record as a lab's script makes it."""
    return {
        "form": "object",
        "size": 1000 + n,
        "file_name": f"f{n}.bam",
        "urls": [f"s3://bucket/f{n}.bam"],
        "hashes": {"md5": f"{random.getrandbits(128):032x}"},
        "acl": ["P1", "J1"],
        "authz": [f"/programs/LAB/projects/{code}"],
        "metadata": {"project_id": "P1-J1"},
    }


class Bench:
    """A commons, a floor, and what asks both."""

    def __init__(self, dsn: str, folder: Any) -> None:
        self.dsn = dsn
        self.running: Running = start_commons(folder / "data", "--database", dsn, "--min-free", "1MB")
        self.floor_port = free_port()
        self.floor_process: subprocess.Popen[bytes] | None = None
        self.token = ""

    def prepare(self) -> None:
        """Make an account and two projects; start the floor."""
        running = self.running
        running.add_user("user@example.org")
        running.admin("program", "add", "LAB")
        running.admin("grant", "user@example.org", "manager", "LAB")
        headers = running.bearer("user@example.org")
        for code in ("OURS", "FLOOR"):
            running.client.post("/commensal/v1/programs/LAB/projects", json={"code": code}, headers=headers)
        key = running.key("user@example.org", "gen3")
        answer = running.client.post("/user/credentials/cdis/access_token", json=key)
        self.token = answer.json()["access_token"]
        self.floor_process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks._index_floor", self.dsn, str(self.floor_port)]
        )
        for _ in range(200):
            with contextlib.suppress(httpx.TransportError):
                httpx.get(f"http://127.0.0.1:{self.floor_port}/")
                break
            time.sleep(0.05)
        self.ours = Meter(running.workers(), self.dsn)
        self.floor = Meter([self.floor_process.pid], self.dsn)

    def request(self, method: str, path: str, value: Any = None) -> bytes:
        """Return a request of the account."""
        body = b"" if value is None else json.dumps(value).encode()
        return request_bytes(method, f"/index{path}", body, token=self.token)

    def turns(self, ours: list[list[bytes]], floor: list[list[bytes]]) -> tuple[Spent, Spent, list[bytes]]:
        """Send the rounds of both alternately; return what each took, and our answers."""
        spent, answers = (Spent(), Spent()), list[bytes]()
        clients = Client(self.running.port), Client(self.floor_port)
        for mine, other in zip(ours, floor, strict=True):
            for place, (meter, requests) in enumerate(((self.ours, mine), (self.floor, other))):
                with meter.measured() as one:
                    for request in requests:
                        status, answer = clients[place].send(request)
                        assert status == 200, answer[:500]
                        if place == 0:
                            answers.append(answer)
                for name in ("seconds", "server", "database"):
                    setattr(spent[place], name, getattr(spent[place], name) + getattr(one, name))
        for client in clients:
            client.close()
        return *spent, answers

    def stop(self) -> None:
        """End what was started here."""
        if self.floor_process is not None:
            self.floor_process.terminate()
            self.floor_process.wait()
        if self.running.process.poll() is None:
            self.running.stop()


def line(name: str, n: int, ours: Spent, floor: Spent, unit: str, note: str) -> None:
    """Print one row: rates, ratio, milliseconds each, CPU milliseconds each of server + database."""
    rate, other = n / ours.seconds, n / floor.seconds

    def cpu(spent: Spent) -> str:
        return f"{spent.server / n * 1000:.2f}+{spent.database / n * 1000:.2f}"

    print(
        f"{name:26} {rate:9,.0f} {unit} ({1000 / rate:6.2f} ms)  floor {other:9,.0f}  ratio {rate / other:5.2f}  "
        f"CPU ms {cpu(ours)} floor {cpu(floor)}  {note}",
        flush=True,
    )


def run(bench: Bench, rounds: int, count: int, seconds: float) -> None:
    """All rows over HTTP."""

    def creations(code: str, make: Callable[[Any], bytes]) -> list[list[bytes]]:
        return [[make(record(turn * count + n, code)) for n in range(count)] for turn in range(rounds)]

    ours, floor, answers = bench.turns(
        creations("OURS", lambda value: bench.request("POST", "/index/", value)),
        creations("FLOOR", lambda value: bench.request("POST", "/index", value)),
    )
    line("make, one a request", rounds * count, ours, floor, "/s", "goal 1,000")
    dids = [json.loads(answer)["did"] for answer in answers]

    def both(requests: list[bytes], n: int) -> tuple[Spent, Spent]:
        spent = bench.turns([requests] * n, [requests] * n)
        return spent[0], spent[1]

    reads = [bench.request("GET", f"/index/{did}") for did in dids[:1000]]
    both(reads[:100], 1)
    line("read by GUID", rounds * len(reads), *both(reads, rounds), "/s", "goal 2,500")
    mine = four_at_once(bench.running.port, reads[0], seconds)
    other = four_at_once(bench.floor_port, reads[0], seconds)
    print(f"read by GUID, 4 clients    {mine:9,.0f} /s   floor {other:9,.0f}  ratio {mine / other:5.2f}  goal 4,000")
    for size, goal in ((100, "goal 3 ms"), (1000, "")):
        bulk = [bench.request("POST", "/bulk/documents", dids[:size])] * 20
        both(bulk[:5], 1)
        line(f"bulk read of {size}", rounds * len(bulk), *both(bulk, rounds), "/s", goal)
    page = bench.request("GET", "/index/?limit=100")
    client = Client(bench.running.port)
    took: list[float] = []
    for _ in range(50):
        start = time.perf_counter()
        assert client.send(page)[0] == 200
        took.append((time.perf_counter() - start) * 1000)
    client.close()
    print(f"list 100 of {len(dids):,}          p50 {sorted(took)[len(took) // 2]:6.2f} ms")


_COPY = """
insert into files (uuid, project, path, name, size, md5, state, change, baseid, urls, acl, metadata)
select gen_random_uuid(), $1, 'floor/' || $2::text || '/' || n, 'f' || n, n, decode(md5(n::text || $2::text), 'hex'),
  'registered', 1, gen_random_uuid()::text, array['s3://bucket/f' || n || '.bam'], array['P1', 'J1'],
  '{"project_id": "P1-J1"}'
from generate_series(1, $3::int) n
"""


async def bulk_create(dsn: str, rounds: int, size: int = 1000) -> None:
    """Records made 1,000 at a time by the service; the floor is one insert of as many rows made by the database."""
    database, second = PgDatabase(dsn, size=2), PgDatabase(dsn, size=1)
    audit = Audit(database=second, store=PgAuditStore())
    guard = Guard(grants=PgGrantStore(), audit=audit)
    catalog = Catalog(
        database=database, programs=PgProgramStore(), projects=PgProjectStore(), collections=PgCollectionStore(),
        objects=PgObjectStore(), grants=PgGrantStore(), guard=guard, audit=audit,
    )  # fmt: skip
    index = Index(
        database=database, store=PgIndexStore(), deletions=PgDeletion(), catalog=catalog, guard=guard, audit=audit
    )
    connection = await asyncpg.connect(dsn)
    user = await connection.fetchval("select seq from users where email = 'user@example.org'")
    project = await connection.fetchval("select seq from projects where code = 'FLOOR'")
    who = Principal(PrincipalKind.USER, Door.GEN3, user=user, email="user@example.org")
    calm_collector()  # as each worker of the server does
    ours = floor = 0.0
    for turn in range(rounds + 1):
        news: list[NewIndexRecord] = []
        for n in range(size):
            values = record(n, "OURS")
            values.pop("form")
            news.append(NewIndexRecord(**values))
        start = time.perf_counter()
        made = await index.create_many(who, news)
        took = time.perf_counter() - start
        assert len({one.did for one in made}) == size
        start = time.perf_counter()
        await connection.execute(_COPY, project, str(turn), size)
        if turn:  # the first one plans and warms up
            ours, floor = ours + took, floor + time.perf_counter() - start
    n = rounds * size
    print(f"make, 1,000 at a time      {n / ours:9,.0f} /s   floor {n / floor:9,.0f}  ratio {floor / ours:5.2f}  "
          f"goal 20,000")  # fmt: skip
    await connection.close()
    for pool in (database, second):
        await pool.close()


def main() -> None:
    """Read the options and run."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--dsn", required=True, help="an empty database")
    options.add_argument("--rounds", type=int, default=4)
    options.add_argument("--count", type=int, default=500, help="records made in a round")
    options.add_argument("--seconds", type=float, default=2.0)
    given = options.parse_args()
    folder = make_data_base()
    bench: Bench | None = None
    try:
        bench = Bench(given.dsn, folder)
        bench.prepare()
        run(bench, given.rounds, given.count, given.seconds)
        asyncio.run(bulk_create(given.dsn, given.rounds))
    finally:
        if bench is not None:
            bench.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
