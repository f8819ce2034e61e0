"""What services ask of whoever fetches foreign addresses. Only imports do, and only from hosts on a list."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Fetcher", "Incoming"]


@dataclass(frozen=True, slots=True)
class Incoming:
    """An answer that is coming in: ``size`` in bytes and ``name`` of the file as announced, None when not."""

    name: str | None
    size: int | None
    media_type: str
    chunks: AsyncIterator[bytes]


class Fetcher(Protocol):
    """Gets bytes from other servers, within limits of size, time and pace."""

    def check(self, address: str) -> None:
        """Raise Malformed for what is no http(s) address, or has credentials in it; Forbidden for one that is not on
        the list. Nothing is looked up or connected.
        """
        ...

    def open(self, address: str, *, limit: int | None = None) -> AbstractAsyncContextManager[Incoming]:
        """Send a GET and give its answer; redirects (three at most) are checked as the address itself is.

        ``limit``: most bytes, at most the fetcher's own. Raises, also while the chunks are read, Malformed and
        Forbidden as ``check``, ``errors.Unavailable`` for a server that cannot be reached, breaks off or is too slow,
        TooLarge, and Invalid for any other answer than 200.
        """
        ...
