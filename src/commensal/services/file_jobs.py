"""Contents trees made beside the requests: a queue in the database, a separate limited process for each file."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec

from commensal.core.contents_tree import index_tree
from commensal.errors import NotFound, Unavailable
from commensal.services.clock import Clock, utc_now
from commensal.storage.ports import Database
from commensal.storage.ports.blobs import Blobs
from commensal.storage.ports.contents import UNPARSED, ContentsReader, ContentsResult, has_contents
from commensal.storage.ports.file_search import ContentsStore, NewContents, PendingContents

__all__ = ["FileJobs"]

#: How often an idle process looks for files, in seconds.
IDLE = 1.0
#: A file that some process took comes back after this time if that process is gone; longer than any parse.
LEASE = timedelta(minutes=15)
LATER = timedelta(seconds=30)
FETCH_SECONDS = 30.0
#: A file whose parsing ended the whole process so often is given up.
ATTEMPTS = 5


class FileJobs:
    """Makes the tree of each file that has one; any number of processes share the queue."""

    def __init__(
        self,
        *,
        database: Database,
        store: ContentsStore,
        blobs: Blobs,
        reader: ContentsReader,
        close: Callable[[], None] = lambda: None,
        now: Clock = utc_now,
    ) -> None:
        self._database = database
        self._store = store
        self._blobs = blobs
        self._reader = reader
        self._close = close
        self._now = now

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            if not await self.work():
                await asyncio.sleep(IDLE * random.uniform(0.5, 1.5))  # noqa: S311 - spreads processes, no secret

    async def confinement(self) -> str:
        """Return in words what confines the process that parses files; for operators."""
        try:
            return await self._reader.check()
        except Unavailable as error:
            return f"none: {error.message}"

    def close(self) -> None:
        """End the separate processes; blocks for some milliseconds."""
        self._close()

    async def work(self) -> bool:
        """Make one tree; return whether a file was waiting. Of what fails for now, nothing is lost."""
        async with self._database.begin() as unit:
            job = await self._store.take(unit, again=self._now() + LEASE)
        if job is None:
            return False
        try:
            result = await self._read(job)
        except (Unavailable, NotFound) as error:  # the machine's fault, or bytes that are away
            if isinstance(error, Unavailable):
                async with self._database.begin() as unit:
                    await self._store.put_off(unit, job.seq, self._now() + LATER)
                return True
            result = ContentsResult(UNPARSED, error.message)
        contents = await asyncio.to_thread(_indexed, result)
        async with self._database.begin() as unit:
            await self._store.put(unit, job, contents)
        return True

    async def _read(self, job: PendingContents) -> ContentsResult:
        if not job.blob or not has_contents(job.name):
            return ContentsResult(UNPARSED, "no bytes")
        if job.attempts > ATTEMPTS:
            return ContentsResult(UNPARSED, f"given up after {ATTEMPTS} attempts")
        loop = asyncio.get_running_loop()

        async def piece(start: int, end: int) -> bytes:
            return b"".join([chunk async for chunk in self._blobs.get(job.blob, start, end - start)])

        def fetch(start: int, end: int) -> bytes:
            if end <= start:
                return b""
            waiting = asyncio.run_coroutine_threadsafe(piece(start, end), loop)
            try:
                return waiting.result(FETCH_SECONDS)
            except TimeoutError:  # a store that hangs, or a server that is stopping
                waiting.cancel()
                raise Unavailable("The store of bytes did not answer in time.") from None

        return await self._reader.read(lambda: fetch, job.name, job.size)


def _indexed(result: ContentsResult) -> NewContents:
    tree: dict[str, Any] = msgspec.json.decode(result.tree)
    index = index_tree(tree)
    return NewContents(result.tree, index.words, index.paths, index.lexemes, result.reason)
