"""The Gen3 door over HTTP, through a real ``commensal serve``, against a floor measured in the same run.

Rows: records submitted in batches of 1,000 (JSON, TSV) and one by one, a type exported (32 columns, TSV and JSON),
graph queries. For each: ours, the floor (``_gen3_floor``: the least work over HTTP that gives the same answer), their
ratio, and the CPU seconds of server and database. Ours and floor take turns, so that a busy machine weighs on both::

    python -m benchmarks gen3
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from benchmarks._gen3_data import PROGRAM, case, dictionary, sample, seed, tsv
from benchmarks._measuring import Client, Meter, Spent, four_at_once, request_bytes
from benchmarks.graphql import QUERIES
from tests.conftest import make_data_base
from tests.running import Running, clean_environment, free_port

__all__ = ["main"]

SUBMISSION = "/api/v0/submission"
READ = {"r1k": 1_000, "r10k": 10_000, "r50k": 50_000}
QUERIED = ("simple first 100", "three levels of 100 cases", "count", "filtered count", "filter + order, first 100")
MOST_MEMORY = 20.0


class Bench:
    """A commons, a floor, and what asks both."""

    def __init__(self, dsn: str, folder: Path) -> None:
        self.dsn = dsn
        self.folder = folder
        self.running = self._serve()
        self.token = ""
        self.floor_port = free_port()
        self.floor_process: subprocess.Popen[bytes] | None = None

    def _serve(self) -> Running:
        (self.folder / "dictionary.json").write_text(json.dumps(dictionary()))
        port = free_port()
        # The access log is written as usual, into a file.
        with open(self.folder / "log", "wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "commensal.cli", "serve", "--data", str(self.folder / "data"),
                 "--port", str(port), "--database", self.dsn, "--workers", "1", "--min-free", "1MB",
                 "--dictionary", str(self.folder / "dictionary.json")],
                env=clean_environment({"COMMENSAL_LOG": "info"}), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=log, text=True, start_new_session=True,
            )  # fmt: skip
        return Running(self.folder / "data", port, process, secure=False).wait_ready()

    def prepare(self) -> None:
        """Make accounts, projects and the records that are read; start the floor."""
        running = self.running
        running.add_user("admin@example.org", "--site-admin")
        key = running.key("admin@example.org", "gen3")
        answer = running.client.post("/user/credentials/cdis/access_token", json=key)
        self.token = answer.json()["access_token"]
        client = httpx.Client(base_url=running.url + SUBMISSION, headers={"Authorization": f"bearer {self.token}"})
        client.put("/", json={"type": "program", "name": PROGRAM, "dbgap_accession_number": "b"}).raise_for_status()
        for code in ("OURS", "FLOOR", *READ):
            named = {"type": "project", "code": code, "name": code, "dbgap_accession_number": code}
            client.put(f"/{PROGRAM}", json=named).raise_for_status()
        for code in ("OURS", "FLOOR"):
            first = {"type": "experiment", "submitter_id": f"{code}-e0", "projects": {"code": code}}
            client.put(f"/{PROGRAM}/{code}", json=first).raise_for_status()
        client.close()
        asyncio.run(self._seed())
        self.floor_process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks._gen3_floor", self.dsn, str(self.floor_port)]
        )
        for _ in range(200):
            with contextlib.suppress(OSError, AssertionError):
                assert Client(self.floor_port).send(request_bytes("POST", "/learn"))[0] == 200
                break
            time.sleep(0.05)
        self.ours = Meter(running.workers(), self.dsn)
        self.floor = Meter([self.floor_process.pid], self.dsn)

    async def _seed(self) -> None:
        connection = await asyncpg.connect(self.dsn)
        try:
            numbers = {row["code"]: row["seq"] for row in await connection.fetch("select code, seq from projects")}
            for code, count in READ.items():
                await seed(connection, numbers[code], code, count)
            await connection.execute("vacuum analyze records, links, counters, projects")
        finally:
            await connection.close()

    def request(self, method: str, path: str, body: bytes = b"", kind: str = "application/json") -> bytes:
        """Return a request to the Gen3 door."""
        return request_bytes(method, SUBMISSION + path, body, kind, self.token)

    def stop(self) -> None:
        """End what was started here."""
        if self.floor_process is not None:
            self.floor_process.terminate()
            self.floor_process.wait()
        if self.running.process.poll() is None:
            self.running.stop()


def line(name: str, unit: str, n: int, ours: Spent, floor: Spent, note: str = "") -> None:
    """Print one row; CPU is for 1,000 units, in seconds: server + database."""
    rate, floor_rate = n / ours.seconds, n / floor.seconds

    def cpu(spent: Spent) -> str:
        return f"{spent.server / n * 1000:.4f}+{spent.database / n * 1000:.4f}"

    spent = ours.server + ours.database
    by_cpu = (floor.server + floor.database) / spent if spent else 0.0
    print(
        f"{name:34} {rate:10,.0f} {unit:6} floor {floor_rate:10,.0f}  ratio {rate / floor_rate:5.2f}  "
        f"CPU s/1000: {cpu(ours)} floor {cpu(floor)} ratio {by_cpu:5.2f}  {note}",
        flush=True,
    )


@contextlib.contextmanager
def _client(port: int) -> Iterator[Client]:
    client = Client(port)
    yield client
    client.close()


def _turns(
    bench: Bench, ours: Callable[[int, Client], None], floor: Callable[[int, Client], None], rounds: int
) -> tuple[Spent, Spent]:
    """Do both alternately; what a Spent holds then is the sum of the faster half of its rounds, scaled to all."""
    both: list[list[Spent]] = [[], []]
    with _client(bench.running.port) as mine, _client(bench.floor_port) as other:
        for turn in range(rounds):
            for place, (meter, work, client) in enumerate(((bench.ours, ours, mine), (bench.floor, floor, other))):
                with meter.measured() as spent:
                    work(turn, client)
                both[place].append(spent)
    return _sum(both[0]), _sum(both[1])


def _sum(parts: list[Spent]) -> Spent:
    total = Spent()
    fast = sorted(parts, key=lambda one: one.seconds)[: (len(parts) + 1) // 2]
    total.seconds = sum(part.seconds for part in fast) * len(parts) / len(fast)
    total.server = sum(part.server for part in parts)
    total.database = sum(part.database for part in parts)
    total.before, total.peak = parts[-1].before, max(part.peak for part in parts)
    return total


def _put(client: Client, request: bytes) -> None:
    status, answer = client.send(request)
    assert status == 200, answer[:500]


def submissions(bench: Bench, batches: int, rounds: int, size: int = 1_000) -> None:
    """Cases, then samples that link to them, as JSON and as TSV."""
    number = 0
    for kind, doc_format, make in (
        ("case", "json", case),
        ("sample", "json", sample),
        ("case", "tsv", case),
        ("sample", "tsv", sample),
    ):
        start = number if kind == "case" else number - batches * rounds * size
        media = "application/json" if doc_format == "json" else "text/tab-separated-values"
        bodies: dict[str, list[bytes]] = {}
        for code in ("OURS", "FLOOR"):
            bodies[code] = []
            for batch in range(batches * rounds):
                first = start + batch * size
                documents = [make(code, n) for n in range(first, first + size)]
                bodies[code].append(tsv(documents) if doc_format == "tsv" else json.dumps(documents).encode())
        if kind == "case":
            number += batches * rounds * size
        mine = [bench.request("PUT", f"/{PROGRAM}/OURS", body, media) for body in bodies["OURS"]]
        others = [request_bytes("PUT", "/submit", body, media) for body in bodies["FLOOR"]]

        def ours(turn: int, client: Client, mine: list[bytes] = mine) -> None:
            for request in mine[turn * batches : (turn + 1) * batches]:
                _put(client, request)

        def floor(turn: int, client: Client, others: list[bytes] = others) -> None:
            for request in others[turn * batches : (turn + 1) * batches]:
                _put(client, request)

        spent = _turns(bench, ours, floor, rounds)
        line(f"submit {kind}, {doc_format}, {size} a request", "rec/s", batches * rounds * size, *spent, "goal 30,000")


def singles(bench: Bench, count: int, rounds: int) -> None:
    """One record a request."""

    def requests(code: str, make: Callable[[bytes], bytes], turn: int) -> list[bytes]:
        first = 900_000 + turn * count
        return [make(json.dumps(case(code, n)).encode()) for n in range(first, first + count)]

    mine = [requests("OURS", lambda b: bench.request("PUT", f"/{PROGRAM}/OURS", b), turn) for turn in range(rounds)]
    others = [requests("FLOOR", lambda b: request_bytes("PUT", "/submit", b), turn) for turn in range(rounds)]
    spent = _turns(
        bench,
        lambda turn, client: [_put(client, one) for one in mine[turn]] and None,
        lambda turn, client: [_put(client, one) for one in others[turn]] and None,
        rounds,
    )
    line("submit one record a request", "/s", count * rounds, *spent, "goal 1,000")


def exports(bench: Bench, rounds: int) -> None:
    """All samples of the largest project."""
    code, count = list(READ.items())[-1]
    for doc_format in ("tsv", "json"):
        size = 0

        seen: list[float] = []

        def read(client: Client, request: bytes, meter: Meter, seen: list[float] = seen) -> None:
            nonlocal size
            size = 0
            memory: list[float] = []

            def take(data: bytes) -> None:
                nonlocal size
                size += len(data)
                if size >> 22 != (size - len(data)) >> 22:
                    memory.append(meter.memory())

            client.socket.sendall(request)
            status, _ = client.receive(take)
            assert status == 200
            seen.extend(memory)

        mine = bench.request("GET", f"/{PROGRAM}/{code}/export/?node_label=sample&format={doc_format}")
        other = request_bytes("GET", f"/export/{code}/{doc_format}")
        ours, floor = _turns(
            bench,
            lambda _, client: read(client, mine, bench.ours),  # noqa: B023 - called at once
            lambda _, client: read(client, other, bench.floor),  # noqa: B023
            rounds,
        )
        before = bench.ours.memory()
        seen.clear()
        with _client(bench.running.port) as client:
            read(client, mine, bench.ours)
        grown = max(seen, default=before) - before
        note = f"goal 300,000; memory {before:.0f} MB {grown:+.1f}" + (" NOT FLAT" if grown > MOST_MEMORY else "")
        line(f"export 32 columns, {doc_format}", "rec/s", count * rounds, ours, floor, note)


def queries(bench: Bench, seconds: float) -> None:
    """Graph queries: the median of one client, and for the simple one four at once."""
    for name in QUERIED:
        body = json.dumps({"query": QUERIES[name][0], "variables": {}}, separators=(",", ":")).encode()
        mine = bench.request("POST", "/graphql", body)
        other = request_bytes("POST", "/graphql", body)
        medians: list[float] = []
        spent: list[tuple[Spent, int]] = []
        for port, request, meter in (
            (bench.running.port, mine, bench.ours),
            (bench.floor_port, other, bench.floor),
        ):
            with _client(port) as client:
                for _ in range(20):
                    _put(client, request)
                took: list[float] = []
                with meter.measured() as one:
                    end = time.perf_counter() + seconds
                    while time.perf_counter() < end:
                        start = time.perf_counter()
                        _put(client, request)
                        took.append(time.perf_counter() - start)
                took.sort()
                medians.append(took[len(took) // 2] * 1000)
                spent.append((one, len(took)))
        cpu = " floor ".join(f"{one.server / n * 1000:.2f}+{one.database / n * 1000:.2f}" for one, n in spent)
        print(
            f"graphql {name:26} p50 {medians[0]:7.2f} ms   floor {medians[1]:7.2f} ms  ratio "
            f"{medians[1] / medians[0]:5.2f}  CPU ms: {cpu}  {QUERIES[name][3]}",
            flush=True,
        )
    body = json.dumps({"query": QUERIES["simple first 100"][0], "variables": {}}, separators=(",", ":")).encode()
    ours = four_at_once(bench.running.port, bench.request("POST", "/graphql", body), seconds)
    floor = four_at_once(bench.floor_port, request_bytes("POST", "/graphql", body), seconds)
    print(f"graphql simple, 4 clients {ours:10,.0f} /s   floor {floor:10,.0f}  ratio {ours / floor:5.2f}  goal 2,500")


def main() -> None:
    """Read the options and run."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--dsn", required=True, help="an empty database")
    options.add_argument("--rounds", type=int, default=4)
    options.add_argument("--batches", type=int, default=5, help="of 1,000 records in a round")
    options.add_argument("--singles", type=int, default=500, help="requests in a round")
    options.add_argument("--seconds", type=float, default=2.0)
    options.add_argument("--only", default="submit,single,export,graphql")
    options.add_argument("--stay", action="store_true", help="keep both servers up and say where they are")
    given = options.parse_args()
    folder = make_data_base()
    bench: Any = None
    try:
        bench = Bench(given.dsn, folder)
        bench.prepare()
        if given.stay:
            print(json.dumps({"port": bench.running.port, "floor": bench.floor_port, "token": bench.token,
                              "workers": bench.running.workers()}), flush=True)  # fmt: skip
            sys.stdin.read()
            return
        if "submit" in given.only:
            submissions(bench, given.batches, given.rounds)
        if "single" in given.only:
            singles(bench, given.singles, given.rounds)
        if "export" in given.only:
            exports(bench, given.rounds)
        if "graphql" in given.only:
            queries(bench, given.seconds)
    finally:
        if bench is not None:
            bench.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
