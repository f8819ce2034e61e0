"""A small broken proxy in front of a store: passes on, answers 503, cuts answers short, or refuses."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Self

__all__ = ["BrokenProxy"]


class BrokenProxy:
    """``mode``: pass, refuse (connections end at once), busy (503), truncate (answers end after ``keep`` bytes)."""

    def __init__(self, port: int) -> None:
        self._target = port
        self.mode = "pass"
        self.keep = 200_000
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        await self.become("pass")

    async def become(self, mode: str) -> None:
        """Change the mode and end the connections that are open."""
        self.mode = mode
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def endpoint(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            if self.mode == "pass" or self.mode == "truncate":
                await self._pass(reader, writer)
            elif self.mode == "busy":
                await reader.readuntil(b"\r\n\r\n")
                writer.write(b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                await writer.drain()
        with contextlib.suppress(OSError):
            writer.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind_reader, behind_writer = await asyncio.open_connection("127.0.0.1", self._target)
        limit = self.keep if self.mode == "truncate" else None
        there = asyncio.create_task(_copy(reader, behind_writer, None))
        back = asyncio.create_task(_copy(behind_reader, writer, limit))
        self._tasks |= {there, back}
        for task in (there, back):
            task.add_done_callback(self._tasks.discard)
        try:
            await asyncio.wait((there, back), return_when=asyncio.FIRST_COMPLETED)
        finally:
            there.cancel()
            back.cancel()
            behind_writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, limit: int | None) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            if limit is not None:
                data = data[:limit]
                limit -= len(data)
            writer.write(data)
            await writer.drain()
            if limit == 0:
                return
