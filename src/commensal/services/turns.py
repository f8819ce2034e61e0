"""Turns at long reads, so that one caller, or slow clients, leave connections to the database for everybody else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from commensal.errors import Unavailable

__all__ = ["Turns"]

#: A caller who has no turn after so many seconds is told to come again.
PATIENCE = 60.0


class Turns:
    """Lets each caller have so many turns at a time, and all of them together no more than ``together``."""

    def __init__(self, most: int, together: int) -> None:
        self._most = most
        self._together = asyncio.Semaphore(together)
        self._gates: dict[int | None, tuple[asyncio.Semaphore, list[None]]] = {}

    @asynccontextmanager
    async def of(self, user: int | None) -> AsyncGenerator[None]:
        """Wait for a turn of a caller, and hold it. Raises Unavailable when none comes."""
        gate, here = self._gates.setdefault(user, (asyncio.Semaphore(self._most), []))
        here.append(None)
        try:
            async with _soon(gate), _soon(self._together):
                yield
        finally:
            here.pop()
            if not here:
                del self._gates[user]


@asynccontextmanager
async def _soon(gate: asyncio.Semaphore) -> AsyncGenerator[None]:
    try:
        async with asyncio.timeout(PATIENCE if gate.locked() else None):
            await gate.acquire()
    except TimeoutError:
        raise Unavailable("Too many long reads are under way; try again later.", retry_after=10) from None
    try:
        yield
    finally:
        gate.release()
