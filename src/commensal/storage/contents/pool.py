"""Contents trees for the server: a small pool of warm separate processes behind ``ports.contents``."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from commensal.errors import NoSpace, Unavailable
from commensal.storage.contents.limits import Limits
from commensal.storage.contents.worker import Worker
from commensal.storage.ports.contents import ContentsResult, OpenSource, has_contents

__all__ = ["ContentsPool"]


class _Job:
    def __init__(self) -> None:
        self.worker: Worker | None = None
        self.cancelled = False


class ContentsPool:
    """See ``ports.contents.ContentsReader``.

    ``folder``: where unpacked HDF5 files are put for the time of one parse, without a name (None: the system's
    folder for such files). A process is started at the first file (0.3 s: it loads h5py), kept for the next ones,
    replaced after ``files_each`` files or any that failed, and ended after ``idle_seconds`` without work.
    """

    def __init__(
        self,
        folder: Path | str | None = None,
        *,
        workers: int = 1,
        limits: Limits | None = None,
        files_each: int = 100,
        idle_seconds: float = 60.0,
    ) -> None:
        self.limits = limits or Limits()
        self._folder = folder
        self._files_each = files_each
        self._idle_seconds = idle_seconds
        self._lock = threading.Lock()
        self._idle: list[Worker] = []
        self._all: set[Worker] = set()
        self._closed = False
        self._confinement = "not known before the first file"
        # Processes are started by these threads and end with them (the kernel watches the thread).
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="contents")

    async def read(self, open_source: OpenSource, name: str, size: int) -> ContentsResult:
        """See ``ports.contents.ContentsReader``. When cancelled, the process is ended at once."""
        if not has_contents(name):
            raise ValueError(f"no contents are made for {name!r}")
        if self._closed:
            raise Unavailable("The server is stopping.")
        job = _Job()
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._threads, self._read, job, open_source, name, size)
        except asyncio.CancelledError:
            job.cancelled = True
            if job.worker is not None:
                job.worker.kill()
            raise
        finally:
            loop.call_later(self._idle_seconds + 0.1, self._end_idle)

    async def check(self) -> str:
        """Start a process and return :meth:`confinement`, for the lines that ``serve`` prints. Raises Unavailable."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._threads, lambda: self._give_back(self._take()))
        loop.call_later(self._idle_seconds + 0.1, self._end_idle)
        return self._confinement

    def confinement(self) -> str:
        """See ``ports.contents.ContentsReader``; known once a process has run."""
        return self._confinement

    def close(self) -> None:
        """End all processes; files being parsed raise Unavailable. Blocks for some milliseconds."""
        with self._lock:
            self._closed = True
            workers = list(self._all)
        for worker in workers:
            worker.kill()
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _read(self, job: _Job, open_source: OpenSource, name: str, size: int) -> ContentsResult:
        if job.cancelled:
            raise Unavailable("The request was given up.")
        source = open_source()
        try:
            with self._temporary() as temporary:
                worker = job.worker = self._take()
                try:
                    return worker.read(source, name, size, temporary.fileno())
                finally:
                    job.worker = None
                    self._give_back(worker)
        finally:
            if isinstance(source, int):
                os.close(source)

    def _temporary(self) -> tempfile._TemporaryFileWrapper[bytes]:
        try:
            return tempfile.TemporaryFile(dir=self._folder, buffering=0)  # pyright: ignore[reportReturnType]
        except OSError as error:
            raise NoSpace(f"No temporary file can be made: {error.strerror}.", retry_after=60) from error

    def _take(self) -> Worker:
        while True:
            with self._lock:
                if self._closed:
                    raise Unavailable("The server is stopping.")
                worker = self._idle.pop() if self._idle else None
            if worker is None:
                break
            if worker.alive:
                return worker
            self._end(worker)
        worker = Worker(self.limits)
        with self._lock:
            self._all.add(worker)
            self._confinement = worker.confinement
            closed = self._closed
        if closed:
            self._end(worker)
            raise Unavailable("The server is stopping.")
        return worker

    def _give_back(self, worker: Worker) -> None:
        if worker.usable and worker.files < self._files_each:
            with self._lock:
                if not self._closed:
                    self._idle.append(worker)
                    return
        self._end(worker)

    def _end(self, worker: Worker) -> None:
        with contextlib.suppress(OSError):
            worker.kill()
        with self._lock:
            self._all.discard(worker)

    def _end_idle(self) -> None:
        before = time.monotonic() - self._idle_seconds
        with self._lock:
            old = [worker for worker in self._idle if worker.used <= before]
            self._idle = [worker for worker in self._idle if worker.used > before]
        for worker in old:
            self._end(worker)
