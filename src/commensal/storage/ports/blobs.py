"""What services ask of the store of bytes."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

__all__ = ["Blobs", "DirectBlobs", "Form", "Part", "Stored"]


@dataclass(frozen=True, slots=True)
class Stored:
    """Bytes that were stored: the key to get them by, their number, and their digests."""

    key: str
    size: int
    md5: bytes
    sha256: bytes


@dataclass(frozen=True, slots=True)
class Part:
    """One part of an upload: number from 1, size in bytes, the store's ETag without quotes (hex MD5)."""

    number: int
    size: int
    etag: str


@dataclass(frozen=True, slots=True)
class Form:
    """A signed form: a POST of ``multipart/form-data`` to ``url`` with these fields, then the file as ``file``."""

    url: str
    fields: Mapping[str, str]


class DirectBlobs(Protocol):
    """Signed addresses of a store that serves bytes itself (S3 presigned URLs, Signature Version 4).

    Each carries one method and one object, ends after ``seconds`` (at most 604,800), and is useless when altered.
    """

    def get_address(self, key: str, seconds: int, *, name: str, media_type: str, method: str = "GET") -> str:
        """Return an address to GET (or HEAD) stored bytes from; the answer is an attachment of that name."""
        ...

    def put_address(self, incoming: str, seconds: int) -> str:
        """Return an address to PUT an incoming object to."""
        ...

    def part_address(self, handle: str, number: int, seconds: int) -> str:
        """Return an address to PUT one part to."""
        ...

    def form(self, incoming: str, seconds: int, *, limit: int) -> Form:
        """Return a form that takes an incoming object of at most ``limit`` bytes."""
        ...


class Blobs(Protocol):
    """Bytes by keys that the store makes: random, so nobody guesses one. Stored bytes never change.

    All methods raise Unavailable when the store cannot be reached, and NoSpace when it is full.
    """

    @property
    def direct(self) -> DirectBlobs | None:
        """Signed addresses of the store itself; None: this server serves and takes the bytes."""
        ...

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

    async def begin_incoming(self) -> str:
        """Return a handle for one object that will come by a signed address; nothing is kept for it yet."""
        ...

    async def take_incoming(self, handle: str) -> str:
        """Give what came a key that no signed address writes to, and return it. Again: the same key.

        Raises NotFound when nothing came.
        """
        ...

    async def begin_parts(self) -> str:
        """Open an upload in parts and return its handle."""
        ...

    async def put_part(
        self, handle: str, number: int, chunks: AsyncIterable[bytes], *, limit: int | None = None
    ) -> Part:
        """Store one part; the same number again replaces it. All or nothing, as ``put``."""
        ...

    async def list_parts(self, handle: str) -> list[Part]:
        """Return the parts that are here, by number. Raises NotFound for an upload that is not open."""
        ...

    async def join_parts(self, handle: str, parts: Sequence[Part]) -> str:
        """Make one object of these parts, in this order, and return its key. Again: the same key.

        Raises NotFound when neither the parts nor the joined object are here.
        """
        ...

    async def begin_growing(self) -> str:
        """Open an object that grows at its end and return its handle."""
        ...

    async def grown(self, handle: str) -> int:
        """Return how many bytes a growing object has. Raises NotFound for one that is not open."""
        ...

    async def grow(
        self,
        handle: str,
        start: int,
        chunks: AsyncIterable[bytes],
        *,
        size: int,
        check: Callable[[], None] | None = None,
    ) -> int:
        """Add a stream at the end, which must be at ``start``; return how many bytes there are then, safe on the disk.

        ``size`` is what the object has at its end. When the stream breaks, what came stays, and its error goes on.
        ``check`` is called after the last byte: when it raises, or the stream breaks, nothing of the stream stays.
        Raises StateConflict (the end is elsewhere, or somebody else is at work), TooLarge (bytes beyond ``size``),
        NoSpace, NotFound.
        """
        ...

    async def end_growing(self, handle: str) -> str:
        """Make what grew an object that never changes and return its key. Again: the same key.

        Raises NotFound when there is neither.
        """
        ...

    async def sweep(self, before: datetime, keep: Set[str]) -> int:
        """Remove what writes that never ended left behind, begun before this time; return how many.

        ``keep``: the handles of uploads that are open.
        """
        ...

    async def drop(self, handle: str) -> None:
        """Forget an incoming or growing object or an upload in parts with all that came; unknown is no error."""
        ...
