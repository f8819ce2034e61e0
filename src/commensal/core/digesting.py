"""Digests of a stream, each made in a thread of its own beside whatever else happens to the blocks."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterable, AsyncIterator

__all__ = ["Digesting", "digested"]

_THREAD_WORTH = 65_536


class Digesting:
    """Size, MD5 and SHA-256 of the blocks so far. Blocks of 1 MiB and more are worth their threads."""

    __slots__ = ("_hashes", "_running", "size")

    def __init__(self) -> None:
        self._hashes = (hashlib.md5(usedforsecurity=False), hashlib.sha256())
        self._running: tuple[asyncio.Future[None], ...] = ()
        self.size = 0

    async def add(self, block: bytes) -> None:
        """Take a block, which is digested while the caller goes on; waits for the one before."""
        await self.settle()
        self.size += len(block)
        if len(block) < _THREAD_WORTH:
            for one in self._hashes:
                one.update(block)
            return
        loop = asyncio.get_running_loop()
        # hashlib lets go of the interpreter's lock: the two really run side by side.
        self._running = tuple(loop.run_in_executor(None, one.update, block) for one in self._hashes)

    def add_here(self, block: bytes) -> None:
        """Take a block and digest it before this returns, for callers that have a thread of their own."""
        self.size += len(block)
        for one in self._hashes:
            one.update(block)

    async def settle(self) -> None:
        """Wait until every block is digested."""
        running, self._running = self._running, ()
        if running:
            await asyncio.gather(*running)

    async def digests(self) -> tuple[bytes, bytes]:
        """Return MD5 and SHA-256 of all blocks."""
        await self.settle()
        return self.settled()

    def settled(self) -> tuple[bytes, bytes]:
        """Return MD5 and SHA-256 of all blocks; ``settle`` went before."""
        md5, sha256 = self._hashes
        return md5.digest(), sha256.digest()


async def digested(
    chunks: AsyncIterable[bytes], digesting: Digesting, *, block: int = 2_097_152
) -> AsyncIterator[bytes]:
    """Pass a stream on in larger blocks, digested on the way; what came before a break is passed on, too."""
    waiting: list[bytes] = []
    gathered = 0
    broken: BaseException | None = None
    try:
        async for chunk in chunks:
            waiting.append(chunk)
            gathered += len(chunk)
            if gathered >= block:
                joined, waiting, gathered = b"".join(waiting), [], 0
                await digesting.add(joined)
                yield joined
    except GeneratorExit:
        raise
    except BaseException as error:
        broken = error
    if waiting:
        joined = b"".join(waiting)
        await digesting.add(joined)
        yield joined
    if broken is not None:
        raise broken
