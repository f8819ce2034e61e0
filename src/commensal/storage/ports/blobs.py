"""What services ask of the store of bytes."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Blobs", "Stored"]


@dataclass(frozen=True, slots=True)
class Stored:
    """Bytes that were stored: the key to get them by, their number, and their digests."""

    key: str
    size: int
    md5: bytes
    sha256: bytes


class Blobs(Protocol):
    """Bytes by keys that the store makes: random, so nobody guesses one. Stored bytes never change."""

    async def put(self, chunks: AsyncIterable[bytes], *, limit: int | None = None) -> Stored:
        """Store a stream and return what it was, once it is safe on the disk; memory stays flat.

        Raises TooLarge after ``limit`` bytes, NoSpace when the store is (nearly) full, and whatever the
        stream raises; in all these cases nothing is kept.
        """
        ...

    def get(self, key: str, start: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        """Yield ``length`` bytes (None: to the end) from ``start`` on. Raises NotFound for an unknown key."""
        ...

    async def size(self, key: str) -> int | None:
        """Return how many bytes are stored under a key; None when there are none."""
        ...

    async def delete(self, key: str) -> None:
        """Remove the bytes; an unknown key is no error."""
        ...

    def keys(self) -> AsyncIterator[tuple[str, int]]:
        """Yield every key with its size, in order."""
        ...
