"""The Pangea door over HTTP, through a real ``commensal serve`` with two workers.

Rows: samples made one by one and samples read by their nested names by four keep-alive connections at once, with the
CPU seconds of server and database for 1,000 of them; five pages of 100 samples, the manifest of 500 samples with 100
results. On a busy machine the CPU seconds say more than the wall clock::

    python -m benchmarks pangea

With ``--mixed SECONDS`` instead: fifty clients at once that read, write, search, upload and download for so long;
errors, times of the answers, memory of the server.
"""

from __future__ import annotations

import argparse
import json
import selectors
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from benchmarks._measuring import Client, Meter, Spent
from benchmarks._pangea_mixed import prepare, run
from tests.conftest import make_data_base
from tests.running import ADMIN, Running, clean_environment, free_port

__all__ = ["main"]

SAMPLES, RESULTS, ROUNDS = 500, 100, 7


def serve(dsn: str, folder: Path) -> Running:
    """Start a commons whose access log goes into a file."""
    port = free_port()
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "commensal.cli", "serve", "--data", str(folder / "data"), "--port", str(port),
             "--database", dsn, "--workers", "2", "--min-free", "1MB"],
            env=clean_environment({"COMMENSAL_LOG": "info"}), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=log, text=True, start_new_session=True,
        )  # fmt: skip
    return Running(folder / "data", port, process, secure=False).wait_ready()


class Asker:
    """Makes requests of one caller."""

    def __init__(self, running: Running, token: str) -> None:
        self.running = running
        self.token = token

    def request(self, method: str, path: str, body: object = None) -> bytes:
        """Return a whole request."""
        data = b"" if body is None else json.dumps(body).encode()
        head = f"{method} /api/{quote(path, safe='/?=&:')} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json\r\n"
        head += f"Authorization: Token {self.token}\r\n"
        if data:
            head += f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n"
        return head.encode() + b"\r\n" + data

    def ask(self, client: Client, method: str, path: str, body: object = None) -> bytes:
        """Send one and return the body of its answer."""
        status, data = client.send(self.request(method, path, body))
        assert status in (200, 201), data
        return data


def four_at_once(port: int, requests: Iterator[bytes]) -> None:
    """Send all requests over four connections that ask again at once."""
    selector = selectors.DefaultSelector()
    open_ = 0
    for _ in range(4):
        client = Client(port)
        client.socket.sendall(next(requests))
        selector.register(client.socket, selectors.EVENT_READ, client)
        open_ += 1
    while open_:
        for key, _ in selector.select():
            status, body = key.data.receive()
            assert status in (200, 201), body
            following = next(requests, None)
            if following is None:
                selector.unregister(key.data.socket)
                key.data.close()
                open_ -= 1
            else:
                key.data.socket.sendall(following)


def line(name: str, n: int, spent: Spent) -> None:
    """Print the rate, and the CPU seconds for 1,000 requests."""
    cpu = f"CPU of 1,000: server {spent.server / n * 1000:.2f} s, database {spent.database / n * 1000:.2f} s"
    print(f"{name:<34} {n / spent.seconds:8,.0f} a second   {cpu}", flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dsn", required=True)
    parser.add_argument("--requests", type=int, default=4_000)
    parser.add_argument("--mixed", type=float, default=0.0, metavar="SECONDS")
    parser.add_argument("--clients", type=int, default=50)
    options = parser.parse_args()
    folder = make_data_base()
    running = serve(options.dsn, folder)
    try:
        running.add_user(ADMIN)
        token = running.key(ADMIN, "pangea")["token"]
        if options.mixed:
            meter, place = Meter(running.workers(), options.dsn), prepare(running.port, token, "mixed", SAMPLES)
            out = run(running.port, place, options.clients, options.mixed, meter.memory)
            print(out, out.routes(), *out.errors[:10], sep="\n", flush=True)
        else:
            measure(Asker(running, token), options.dsn, options.requests)
    finally:
        running.stop()
        shutil.rmtree(folder, ignore_errors=True)


def measure(asker: Asker, dsn: str, n: int) -> None:
    """Fill a library and read it."""
    client = Client(asker.running.port)
    org = json.loads(asker.ask(client, "POST", "organizations", {"name": "bench"}))["uuid"]
    libraries = {
        name: json.loads(
            asker.ask(client, "POST", "sample_groups", {"name": name, "organization": org, "is_library": True})
        )["uuid"]
        for name in ("many", "few")
    }

    def body(i: int) -> dict[str, object]:
        metadata = {"city": f"city{i % 17}", "ph": i % 14, "depth_m": i / 10, "host": "none"}
        return {"uuid": None, "name": f"s{i:06}", "library": libraries["many"], "metadata": metadata}

    four_at_once(asker.running.port, (asker.request("POST", "samples", body(i)) for i in range(200)))
    meter = Meter(asker.running.workers(), dsn)
    with meter.measured() as spent:
        four_at_once(asker.running.port, (asker.request("POST", "samples", body(i)) for i in range(200, 200 + n)))
    line("samples made, four at once", n, spent)
    paths = (f"nested/bench/sample_groups/many/samples/s{i * 7919 % n:06}" for i in range(n))
    with meter.measured() as spent:
        four_at_once(asker.running.port, (asker.request("GET", path) for path in paths))
    line("samples read by name, four at once", n, spent)

    names = [f"s{i:03}" for i in range(SAMPLES)]
    made = asker.ask(client, "POST", "bulk_samples", {"library": libraries["few"], "names": names})
    for uuid in json.loads(made)["uuids"][:RESULTS]:
        result = json.loads(asker.ask(client, "POST", "sample_ars", {"module_name": "m", "sample": uuid}))["uuid"]
        field = {"analysis_result": result, "name": "f", "stored_data": {"v": list(range(20))}}
        asker.ask(client, "POST", "sample_ar_fields", field)
    place = f"sample_groups/{libraries['few']}"
    for name, paths in (
        ("five pages of 100 samples", [f"{place}/samples?page={page}" for page in range(1, 6)]),
        (f"manifest, {SAMPLES} samples, {RESULTS} results", [f"{place}/manifest"]),
    ):
        times: list[float] = []
        for _ in range(ROUNDS):
            start = time.perf_counter()
            for path in paths:
                asker.ask(client, "GET", path)
            times.append(time.perf_counter() - start)
        print(f"{name:<34} {statistics.median(times):8.3f} s (best {min(times):.3f})", flush=True)
    client.close()


if __name__ == "__main__":
    main()
