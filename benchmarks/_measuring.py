"""A keep-alive HTTP client that costs next to nothing, and the CPU seconds and memory of other processes."""

from __future__ import annotations

import asyncio
import contextlib
import selectors
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import asyncpg
import psutil

__all__ = ["Client", "Meter", "Spent", "four_at_once", "request_bytes"]


def request_bytes(method: str, path: str, body: bytes = b"", kind: str = "application/json", token: str = "") -> bytes:
    """Return a whole request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", "Accept: application/json"]
    if token:
        lines.append(f"Authorization: bearer {token}")
    if body:
        lines += [f"Content-Type: {kind}", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


class Client:
    """One connection; answers have a Content-Length or are chunked."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=120)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, request: bytes) -> tuple[int, bytes]:
        """Send a whole request; return status and body (of a chunked answer: with its chunk heads)."""
        self.socket.sendall(request)
        return self.receive()

    def receive(self, on_data: Callable[[bytes], None] | None = None) -> tuple[int, bytes]:
        """Read one answer. With ``on_data`` a chunked body is handed on and not kept."""
        data = b""
        while (end := data.find(b"\r\n\r\n")) < 0:
            more = self.socket.recv(1 << 18)
            assert more, "the connection was closed"
            data += more
        head, rest = data[:end].lower(), data[end + 4 :]
        status = int(head[9:12])
        if status == 204:  # has no body, and no header that says so
            return status, b""
        at = head.find(b"content-length:")
        if at >= 0:
            length = int(head[at + 15 :].split(b"\r\n", 1)[0])
            parts, have = [rest], len(rest)
            while have < length:
                more = self.socket.recv(1 << 18)
                assert more, "the connection was closed"
                parts.append(more)
                have += len(more)
            return status, b"".join(parts)
        assert b"transfer-encoding: chunked" in head, head
        kept: list[bytes] = []
        take = on_data or kept.append
        tail = rest[-7:]
        take(rest)
        while not tail.endswith(b"0\r\n\r\n"):
            more = self.socket.recv(1 << 18)
            assert more, "the connection was closed"
            take(more)
            tail = (tail + more)[-7:]
        return status, b"".join(kept)

    def close(self) -> None:
        """Close the connection."""
        self.socket.close()


def four_at_once(port: int, request: bytes, seconds: float) -> float:
    """Return answers a second of four connections that ask again at once."""
    selector = selectors.DefaultSelector()
    clients = [Client(port) for _ in range(4)]
    for client in clients:
        selector.register(client.socket, selectors.EVENT_READ, client)
        client.socket.sendall(request)
    done, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        for key, _ in selector.select():
            status, _ = key.data.receive()
            assert status == 200
            done += 1
            key.data.socket.sendall(request)
    took = time.perf_counter() - start
    for client in clients:
        client.receive()
        client.close()
    return done / took


@dataclass
class Spent:
    """What a piece of work took: seconds of wall clock, CPU seconds of the server and of the database, memory in MB."""

    seconds: float = 0.0
    server: float = 0.0
    database: float = 0.0
    before: float = 0.0
    peak: float = 0.0
    memory: list[float] = field(default_factory=list[float])


class Meter:
    """Reads the clocks of a server's processes and of the backends that work for one database."""

    def __init__(self, servers: list[int], dsn: str) -> None:
        self._servers = [psutil.Process(pid) for pid in servers]
        self._dsn = dsn

    def memory(self) -> float:
        """Return the resident memory of the server in MB."""
        return sum(process.memory_info().rss for process in self._servers) / 1e6

    def _server(self) -> float:
        return sum(sum(process.cpu_times()[:2]) for process in self._servers)

    def _backends(self) -> dict[int, float]:
        async def pids() -> list[int]:
            connection = await asyncpg.connect(self._dsn)
            try:
                rows = await connection.fetch(
                    "select pid from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
                )
                return [row["pid"] for row in rows]
            finally:
                await connection.close()

        found: dict[int, float] = {}
        for pid in asyncio.run(pids()):
            with contextlib.suppress(psutil.Error):
                found[pid] = sum(psutil.Process(pid).cpu_times()[:2])
        return found

    @contextlib.contextmanager
    def measured(self):
        """Measure what is done within the block; other servers on the same database must be idle."""
        spent = Spent(before=self.memory())
        database, server, start = self._backends(), self._server(), time.perf_counter()
        yield spent
        spent.seconds = time.perf_counter() - start
        spent.server = self._server() - server
        after = self._backends()
        spent.database = sum(value - database.get(pid, 0.0) for pid, value in after.items())
        spent.peak = max([self.memory(), *spent.memory])
