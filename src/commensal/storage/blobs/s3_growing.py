"""Objects that grow at their end in S3: parts of one size, and a rest that is too short to be one.

S3 takes no part below 5 MiB but the last. So what a request leaves over stands in an object of its own, headed by the
number of the part that it begins: once that part is there, the rest is void, whatever broke in between.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Callable
from typing import Protocol

from commensal.core.finishing import to_its_end
from commensal.errors import CommensalError, StateConflict, TooLarge
from commensal.storage.ports.blobs import Part

__all__ = ["GrowingObject", "S3Requests", "piece_size"]

_MIB = 1024 * 1024
_PIECE = 8 * _MIB
#: S3 takes 10,000 parts.
_PIECES = 9_000
#: Bytes of one request that must be checked as a whole before any is kept; they wait in memory.
_CHECKED = 64 * _MIB
_AHEAD = 2
_HEAD = 8


def piece_size(size: int) -> int:
    """Return the size of the parts of an object of ``size`` bytes: at least 8 MiB, whole MiB."""
    return max(_PIECE, -(-size // (_PIECES * _MIB)) * _MIB)


class S3Requests(Protocol):
    """What is needed of the store."""

    async def list_parts(self, handle: str) -> list[Part]:
        """Return the parts that are here."""
        ...

    async def send_part(self, handle: str, number: int, data: bytes) -> Part:
        """Store one part."""
        ...

    async def read_rest(self, handle: str, length: int | None = None) -> tuple[bytes, int] | None:
        """Return the first bytes of the rest (None: all) and how many it has; None when there is none."""
        ...

    async def write_rest(self, handle: str, data: bytes) -> None:
        """Store the rest."""
        ...


class GrowingObject:
    """One of them while it is worked on."""

    def __init__(self, requests: S3Requests, handle: str) -> None:
        self._requests = requests
        self._handle = handle
        self.parts: list[Part] = []
        self._waiting = bytearray()
        self._running: deque[asyncio.Task[Part]] = deque()
        self._failure: CommensalError | None = None

    async def look(self) -> int:
        """Find the parts that stand one after another from the first; return their bytes and the rest's."""
        await self._look_at_parts()
        found = await self._requests.read_rest(self._handle, _HEAD)
        here = sum(part.size for part in self.parts)
        if found is not None and int.from_bytes(found[0]) == len(self.parts) + 1:
            here += found[1] - _HEAD
        return here

    async def _look_at_parts(self) -> None:
        self.parts = []
        for number, part in enumerate(await self._requests.list_parts(self._handle), 1):
            if part.number != number:  # one failed while the next was on its way: that comes again
                break
            self.parts.append(part)

    async def grow(
        self, start: int, chunks: AsyncIterable[bytes], *, size: int, check: Callable[[], None] | None
    ) -> int:
        """See ``ports.blobs.Blobs``."""
        await self._look_at_parts()
        found = await self._requests.read_rest(self._handle)
        if found is not None and int.from_bytes(found[0][:_HEAD]) == len(self.parts) + 1:
            self._waiting += found[0][_HEAD:]
        parts, rest = len(self.parts), len(self._waiting)
        here = sum(part.size for part in self.parts) + rest
        if here != start:
            raise StateConflict(f"The upload has {here:,} bytes, so it goes on from there.", field="offset")
        if check is not None:
            chunks = await _checked(chunks, check)
        piece = piece_size(size)
        try:
            async for chunk in chunks:
                if start + len(chunk) > size:
                    raise TooLarge(f"More bytes came than the {size:,} that were announced.")
                start += len(chunk)
                self._waiting += chunk
                while len(self._waiting) >= piece:
                    await self._send(piece)
        finally:
            await to_its_end(self._finish(last=start == size, parts=parts, rest=rest))
        return start

    async def _send(self, n: int) -> None:
        while len(self._running) >= _AHEAD:
            await self._sent()
        data = bytes(self._waiting[:n])
        number = len(self.parts) + len(self._running) + 1
        self._running.append(asyncio.create_task(self._requests.send_part(self._handle, number, data)))
        del self._waiting[:n]

    async def _sent(self) -> None:
        sending = self._running[0]
        await asyncio.wait((sending,))  # a cancelled request does not cancel what is on its way
        self._running.popleft()
        try:
            part = sending.result()
        except CommensalError as error:
            self._failure = self._failure or error
            raise
        if self._failure is None:
            self.parts.append(part)

    async def _finish(self, *, last: bool, parts: int, rest: int) -> None:
        """Keep what is left over: as the last part, which may be short, or as the rest."""
        while self._running:
            with contextlib.suppress(CommensalError):
                await self._sent()
        if self._failure is not None:  # what follows a part that failed would stand in the wrong place
            raise self._failure
        if last and (self._waiting or not self.parts):
            await self._send(len(self._waiting))
            await self._sent()
        elif self._waiting and (len(self.parts) != parts or len(self._waiting) != rest):
            head = (len(self.parts) + 1).to_bytes(_HEAD)
            await self._requests.write_rest(self._handle, head + bytes(self._waiting))


async def _checked(chunks: AsyncIterable[bytes], check: Callable[[], None]) -> AsyncIterable[bytes]:
    """Hold a stream until it was checked: a part that was sent cannot be taken back."""
    data = bytearray()
    async for chunk in chunks:
        data += chunk
        if len(data) > _CHECKED:
            raise TooLarge(f"A request with a checksum may bring at most {_CHECKED:,} bytes here: send smaller pieces.")
    check()

    async def again() -> AsyncIterator[bytes]:
        for start in range(0, len(data), _MIB):
            yield bytes(data[start : start + _MIB])

    return again()
