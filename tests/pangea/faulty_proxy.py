"""A small proxy between a client and the server that breaks what it is told to break."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

__all__ = ["FaultyProxy", "Seen"]


@dataclass(frozen=True)
class Seen:
    """A request; ``nth`` counts those with this method and path (without query), from 1."""

    method: str
    path: str
    nth: int
    headers: dict[str, str] = field(hash=False)

    @property
    def is_bytes(self) -> bool:
        return "/bytes/" in self.path

    @property
    def part(self) -> int:
        """The number of the part that is sent; 0 for anything else."""
        return int(self.path.rpartition("/")[2]) if "/parts/" in self.path else 0


#: What is done: ``""`` passes; ``busy`` answers 503, ``ended`` 403 as of an address that has ended; ``cut`` ends the
#: connection in the middle of the body that is sent; ``unheard`` drops the answer; ``flip`` changes a byte of the
#: body; a number ends the answer after so many bytes of its body; ``flip answer`` changes a byte of that.
Rule = Callable[[Seen], str | int]


class FaultyProxy:
    """Passes single requests on, each over a connection of its own, and does to them what ``rule`` says."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._lock = threading.Lock()
        self.rule: Rule = lambda _: ""
        self.seen: list[Seen] = []
        self.pause = 0.0
        self._now = 0
        #: How many requests with bytes were under way at the same time.
        self.at_once = 0
        threading.Thread(target=self._run, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listening.getsockname()[1]}"

    def begin(self, rule: Rule) -> None:
        """Forget what was seen, and follow another rule."""
        with self._lock:
            self.rule, self.seen, self.at_once = rule, [], 0

    def parts(self) -> list[int]:
        """The parts that were sent, in order of number, repeats included."""
        return sorted(one.part for one in self.seen if one.part and one.method == "PUT")

    def _run(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            self._one(client)

    def _one(self, client: socket.socket) -> None:
        head, _, body = _until(client, b"\r\n\r\n").partition(b"\r\n\r\n")
        if not head:
            return
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        with self._lock:
            path = target.partition("?")[0]
            nth = 1 + sum(one.method == method and one.path == path for one in self.seen)
            seen = Seen(method, path, nth, headers)
            self.seen.append(seen)
            self._now += seen.is_bytes
            self.at_once = max(self.at_once, self._now)
        try:
            # A client that is answered before it has sent all may miss the answer.
            wanted = int(headers.get("content-length", "0"))
            while len(body) < wanted:
                piece = client.recv(1 << 16)
                if not piece:
                    return
                body += piece
            time.sleep(self.pause)
        finally:  # before the answer, after which the client may send the next one at once
            with self._lock:
                self._now -= seen.is_bytes
        self._pass(client, "\r\n".join([first, *lines]), body, self.rule(seen))

    def _pass(self, client: socket.socket, head: str, body: bytes, fault: str | int) -> None:
        if fault in ("busy", "ended"):
            status = "503 Busy" if fault == "busy" else "403 Ended"
            client.sendall(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
            return
        if fault == "flip":
            body = _flipped(body)
        with socket.create_connection(("127.0.0.1", self._to)) as server:
            server.sendall(f"{head}\r\nConnection: close\r\n\r\n".encode("latin-1"))
            if fault == "cut":
                server.sendall(body[: len(body) // 2])
                return
            server.sendall(body)
            answer = _until(server, b"\r\n\r\n")
            if fault == "unheard":
                return
            answer_head, _, begun = answer.partition(b"\r\n\r\n")
            client.sendall(answer_head + b"\r\n\r\n")
            left = fault if isinstance(fault, int) else None
            while begun := begun or server.recv(1 << 16):
                if fault == "flip answer":
                    begun, fault = _flipped(begun), ""
                client.sendall(begun if left is None else begun[:left])
                left = None if left is None else max(0, left - len(begun))
                if left == 0:
                    return
                begun = b""


def _flipped(data: bytes) -> bytes:
    at = len(data) // 2
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def _until(sock: socket.socket, end: bytes) -> bytes:
    data = b""
    while end not in data:
        piece = sock.recv(1 << 16)
        if not piece:
            break
        data += piece
    return data
