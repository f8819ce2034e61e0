"""Files down and up through the own API against nginx on the same disk: one of 1 GiB, and 1,000 of 1 MiB.

``python -m benchmarks.transfers --dsn DSN [--mib 1024] [--files 1000]``. The floor is nginx (sendfile down, WebDAV PUT
up, no digests) where it is installed or ``NGINX`` names it; else a plain server in this file that uses sendfile and
writes without digests. Everything on this machine: client, server, floor and database share its cores. Each figure is
the median of some runs that alternate with the floor's; CPU seconds are those of the server's process.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from tests.conftest import make_data_base
from tests.running import ADMIN, Running, free_port, start_commons

_MIB = 1024 * 1024
_ROUNDS = 5
_FILES = "/commensal/v1/projects/B-transfers/files"


class _Connection:
    """One connection that throws away what comes."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=300)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = bytearray(4 * _MIB)

    def get(self, path: str, headers: str) -> int:
        self._socket.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}\r\n".encode())
        return self._answer((200,))

    def send(self, method: str, path: str, headers: str, block: bytes, times: int) -> int:
        size = len(block) * times
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {size}\r\n{headers}\r\n"
        self._socket.sendall(head.encode())
        for _ in range(times):
            self._socket.sendall(block)
        self._answer((200, 201, 204))
        return size

    def _answer(self, statuses: tuple[int, ...]) -> int:
        data = b""
        while (end := data.find(b"\r\n\r\n")) < 0:
            more = self._socket.recv(65_536)
            assert more, "the connection was closed"
            data += more
        head = data[:end].lower()
        assert int(head[9:12]) in statuses, data[:500]
        at = head.find(b"content-length:")
        length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        left = length - (len(data) - end - 4)
        while left > 0:
            n = self._socket.recv_into(self._buffer)
            assert n, "the connection was closed"
            left -= n
        return length

    def close(self) -> None:
        self._socket.close()


# --- floors


async def _plain(port: int, folder: Path) -> None:
    """A server that knows GET by sendfile and PUT to a file, and nothing else."""
    loop = asyncio.get_running_loop()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            method, path = head.decode().split(" ")[:2]
            file = folder / path.lstrip("/")
            if method == "GET":
                with file.open("rb") as source:
                    writer.write(f"HTTP/1.1 200 OK\r\ncontent-length: {file.stat().st_size}\r\n\r\n".encode())
                    await writer.drain()
                    await loop.sendfile(writer.transport, source)
                continue
            left = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
            with file.open("wb", buffering=0) as target:
                while left:
                    block = await reader.read(min(left, _MIB))
                    target.write(block)
                    left -= len(block)
            writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    server = await asyncio.start_server(serve, "127.0.0.1", port, limit=4 * _MIB)
    await server.serve_forever()


def _nginx_conf(folder: Path, port: int) -> str:
    return (
        f"daemon off; master_process off; pid {folder}/pid; error_log stderr error;\n"
        "events { worker_connections 64; }\n"
        f"http {{ access_log off; sendfile on; tcp_nopush on; client_max_body_size 0; root {folder}/files;\n"
        + "".join(
            f"{name}_temp_path {folder}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        + f"server {{ listen 127.0.0.1:{port}; location / {{ dav_methods PUT; create_full_put_path on; }} }} }}\n"
    )


class _Floor:
    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        (folder / "files").mkdir(parents=True)
        nginx = os.environ.get("NGINX") or shutil.which("nginx")
        self.name = "nginx" if nginx else "plain sendfile server"
        command = [sys.executable, "-m", "benchmarks.transfers", "--plain", str(self.port), str(folder / "files")]
        if nginx:
            (folder / "nginx.conf").write_text(_nginx_conf(folder, self.port))
            command = [nginx, "-p", str(folder), "-c", str(folder / "nginx.conf")]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                assert time.monotonic() < end, f"{self.name} does not start"
                time.sleep(0.05)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(20)


# --- rows


def _cpu(pids: list[int]) -> float:
    return sum(sum(psutil.Process(pid).cpu_times()[:2]) for pid in pids)


class _Row:
    """One thing done by us and by the floor, in turns."""

    def __init__(self, name: str, *, unit: str = "MB/s") -> None:
        self.name = name
        self.unit = unit

    def run(self, ours: Callable[[], int], floor: Callable[[], int], pids: tuple[list[int], list[int]], rounds: int):
        rates: tuple[list[float], list[float]] = ([], [])
        cpu: tuple[list[float], list[float]] = ([], [])
        for turn in range(rounds + 1):
            for which, work in enumerate((ours, floor)):
                before, began = _cpu(pids[which]), time.perf_counter()
                done = work()
                took = time.perf_counter() - began
                if turn:  # the first one warms up
                    rates[which].append(done / took)
                    cpu[which].append((_cpu(pids[which]) - before) / done * 1024**3)
        scale = 1e6 if self.unit == "MB/s" else _MIB
        ours_rate, floor_rate = (statistics.median(found) / scale for found in rates)
        ours_cpu, floor_cpu = (statistics.median(found) for found in cpu)
        print(
            f"{self.name:38} {ours_rate:8,.0f} {self.unit}, floor {floor_rate:8,.0f}, "
            f"ratio {ours_rate / floor_rate:.2f}; "
            f"CPU s/GiB {ours_cpu:.2f} (floor {floor_cpu:.2f})",
            flush=True,
        )


def _memory(running: Running) -> float:
    return sum(psutil.Process(pid).memory_info().rss for pid in running.workers()) / _MIB


def _rows(running: Running, floor: _Floor, folder: Path, mib: int, files: int, rounds: int) -> None:
    token = running.bearer(ADMIN)
    for path, body in (
        ("programs", {"code": "B", "title": "Benchmarks"}),
        ("programs/B/projects", {"code": "transfers", "title": "Transfers"}),
    ):
        running.client.post(f"/commensal/v1/{path}", json=body, headers=token).raise_for_status()
    auth = "".join(f"{name}: {value}\r\n" for name, value in token.items())
    here, there = _Connection(running.port), _Connection(floor.port)
    block = os.urandom(_MIB)
    pids = (running.workers(), [floor.process.pid])
    made = 0

    def fresh() -> bytes:
        """Other bytes each time: the same ones again would be stored once."""
        nonlocal made
        made += 1
        return made.to_bytes(8) + block[8:]

    print(f"floor: {floor.name}; worker {_memory(running):.0f} MiB resident", flush=True)
    _Row(f"up {mib:,} MiB").run(
        lambda: here.send("PUT", f"{_FILES}/big-{made}", auth, fresh(), mib),
        lambda: there.send("PUT", "/big", "", block, mib),
        pids,
        rounds,
    )

    def tus() -> int:
        import base64

        values = ",".join(
            f"{key} {base64.b64encode(value.encode()).decode()}"
            for key, value in (("project", "B-transfers"), ("filename", f"tus-{made}"))
        )
        spoken = {**token, "Tus-Resumable": "1.0.0"}
        begun = running.client.post(
            "/commensal/v1/uploads",
            headers={**spoken, "Upload-Length": str(mib * _MIB), "Upload-Metadata": values},
        )
        begun.raise_for_status()
        head = f"{auth}Tus-Resumable: 1.0.0\r\nContent-Type: application/offset+octet-stream\r\nUpload-Offset: 0\r\n"
        return here.send("PATCH", begun.headers["location"].removeprefix(running.url), head, fresh(), mib)

    _Row(f"up {mib:,} MiB by tus, one request").run(
        tus, lambda: there.send("PUT", "/big", "", block, mib), pids, rounds
    )
    name = running.client.get(_FILES, params={"prefix": "big-"}, headers=token).json()["items"][0]["path"]
    _Row(f"down {mib:,} MiB").run(
        lambda: here.get(f"{_FILES}/{name}", auth), lambda: there.get("/big", ""), pids, rounds
    )
    signed = running.client.get(f"/commensal/v1/projects/B-transfers/addresses/{name}", headers=token).json()["url"]
    _Row(f"down {mib:,} MiB by a signed address").run(
        lambda: here.get(signed.removeprefix(running.url), ""), lambda: there.get("/big", ""), pids, rounds
    )
    print(f"worker {_memory(running):.0f} MiB resident", flush=True)

    def each(work: Callable[[int], int]) -> int:
        return sum(work(number) for number in range(files))

    turns = [0]

    def small_up() -> int:
        turns[0] += 1
        return each(lambda n: here.send("PUT", f"{_FILES}/small/{turns[0]}/{n}", auth, fresh(), 1))

    _Row(f"up {files:,} x 1 MiB", unit="files/s").run(
        small_up, lambda: each(lambda n: there.send("PUT", f"/small-{n}", "", block, 1)), pids, max(1, rounds // 2)
    )
    _Row(f"down {files:,} x 1 MiB", unit="files/s").run(
        lambda: each(lambda n: here.get(f"{_FILES}/small/1/{n}", auth)),
        lambda: each(lambda n: there.get(f"/small-{n}", "")),
        pids,
        max(1, rounds // 2),
    )
    here.close()
    there.close()


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--dsn", help="a fresh database; without one, the server starts its own")
    parser.add_argument("--mib", type=int, default=1024)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=_ROUNDS)
    parser.add_argument("--plain", nargs=2, metavar=("PORT", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.plain:
        asyncio.run(_plain(int(options.plain[0]), Path(options.plain[1])))
        return
    base = make_data_base()
    floor = running = None
    try:
        floor = _Floor(base / "floor")
        database = ("--database", options.dsn) if options.dsn else ()
        running = start_commons(base / "data", "--min-free", "1MB", *database)
        running.add_user(ADMIN, "--site-admin")
        _rows(running, floor, base, options.mib, options.files, options.rounds)
        assert running.stop() == 0
    finally:
        if running is not None and running.process.poll() is None:
            running.kill()
        if floor is not None:
            floor.stop()
        shutil.rmtree(base, ignore_errors=True)


if __name__ == "__main__":
    main()
