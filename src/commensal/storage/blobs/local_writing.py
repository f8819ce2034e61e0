"""A stream on its way to a file: blocks written in threads, one while the next comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Awaitable, Callable

from commensal.core.finishing import to_its_end

__all__ = ["pump", "write_all"]


async def pump(
    chunks: AsyncIterable[bytes],
    write: Callable[[list[bytes]], Awaitable[None]],
    *,
    block: int,
    take: Callable[[int], None],
    begun: list[bytes] | None = None,
) -> None:
    """Hand a stream to ``write`` in lists of at least ``block`` bytes, in order; what came before a break, too.

    ``take`` hears the size of each chunk before it is taken, and raises when there are too many bytes. ``begun``:
    chunks that came, and were taken, before. When this ends, in any way, nothing is being written any more.
    """
    waiting: list[bytes] = [] if begun is None else begun
    gathered = sum(map(len, waiting))
    writing: asyncio.Future[None] | None = None

    async def finish() -> None:
        if writing is not None:
            await writing
        if waiting:
            await write(waiting)

    try:
        async for chunk in chunks:
            take(len(chunk))
            waiting.append(chunk)
            gathered += len(chunk)
            if gathered >= block:
                if writing is not None:
                    await asyncio.shield(writing)
                writing = asyncio.ensure_future(write(waiting))
                waiting, gathered = [], 0
    finally:
        await to_its_end(finish())


def write_all(write: Callable[[memoryview], int], blocks: list[bytes]) -> None:
    """Write blocks whole by a function that may take less than it is given."""
    for block in blocks:
        view = memoryview(block)
        while view:
            view = view[write(view) :]
