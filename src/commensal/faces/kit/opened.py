"""Streams over something that was opened for them: a transaction, a file."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack

__all__ = ["OpenedStream"]


class OpenedStream:
    """Chunks; what was opened for them (``stack``) is closed with them, also when none was taken."""

    def __init__(self, chunks: AsyncGenerator[bytes, None], stack: AsyncExitStack) -> None:
        self._chunks = chunks
        self._stack = stack

    def __aiter__(self) -> OpenedStream:
        return self

    async def __anext__(self) -> bytes:
        return await anext(self._chunks)

    async def aclose(self) -> None:
        """End the reading and give the connection back."""
        async with self._stack:
            await self._chunks.aclose()
