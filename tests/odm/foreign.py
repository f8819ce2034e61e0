"""A foreign server that behaves as it is told: well, or as no server should."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

Behave = Callable[[asyncio.StreamWriter], Awaitable[None]]


def answer(body: bytes = b"", *, status: str = "200 OK", length: int | None = -1, **headers: str) -> Behave:
    """One whole answer; ``length`` -1: that of the body, None: none is said."""

    async def behave(writer: asyncio.StreamWriter) -> None:
        lines = [f"HTTP/1.1 {status}", "Connection: close"]
        if length is not None:
            lines.append(f"Content-Length: {len(body) if length == -1 else length}")
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        await writer.drain()

    return behave


def redirect(location: str, status: str = "302 Found") -> Behave:
    return answer(status=status, Location=location)


async def endless(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while not writer.is_closing():
        writer.write(b"x" * 65_536)
        await writer.drain()


async def silent(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
    await writer.drain()
    await asyncio.sleep(30)


async def trickling(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while not writer.is_closing():
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.02)


async def broken_chunks(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
    await writer.drain()


@dataclass
class Foreign:
    """``paths`` are what it does; ``asked`` holds the head of every request."""

    port: int = 0
    paths: dict[str, Behave] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    names: list[str | None] = field(default_factory=list)

    def url(self, path: str, host: str = "127.0.0.1", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}{path}"

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.asked.append(head)
            target = head.split(" ", 2)[1]
            await self.paths.get(target, answer(b"no", status="404 Not Found"))(writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def serving(tls: ssl.SSLContext | None = None) -> AsyncIterator[Foreign]:
    foreign = Foreign()
    if tls is not None:
        tls.sni_callback = lambda _socket, name, _context: foreign.names.append(name)
    server = await asyncio.start_server(foreign, "127.0.0.1", 0, ssl=tls)
    foreign.port = server.sockets[0].getsockname()[1]
    try:
        yield foreign
    finally:
        server.close()
