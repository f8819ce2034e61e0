"""The parent process: it owns the data folder, PostgreSQL, the sockets and the workers, and serves nothing itself.

It imports little, so that the workers' imports and the start of PostgreSQL run side by side. A worker
or PostgreSQL that dies is started again; SIGTERM or Ctrl-C ends everything in order: workers finish
what they are answering, then PostgreSQL is stopped cleanly. A second Ctrl-C ends the workers at once.
"""

from __future__ import annotations

import logging
import os
import selectors
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from typing import Any

from commensal.errors import SetupError
from commensal.server.children import Child
from commensal.server.settings import Settings
from commensal.storage.embedded import EmbeddedPostgres

__all__ = ["Supervisor"]

logger = logging.getLogger(__name__)

#: Seconds that workers get to finish requests; their own limit is 30.
STOP_SECONDS = 35.0
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

Tell = Callable[[str], None]


class _Database(threading.Thread):
    """Starts the embedded PostgreSQL and looks after it; ``wake`` is called when the start came to its end."""

    def __init__(self, postgres: EmbeddedPostgres, tell: Tell, wake: Callable[[], None]) -> None:
        super().__init__(name="postgres", daemon=True)
        self._postgres = postgres
        self._tell = tell
        self._wake = wake
        self._stopping = threading.Event()
        self.started = False
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self._postgres.start(self._tell)
        except BaseException as error:
            self.error = error
            self._wake()
            return
        self.started = True
        self._wake()
        told: str | None = None
        while not self._stopping.wait(1.0):
            try:
                if self._postgres.ensure(self._tell):
                    self._tell("PostgreSQL had stopped and runs again.")
            except Exception as error:  # the watch itself must go on
                self._tell(f"PostgreSQL cannot be watched: {error}")
            if self._postgres.last_error != told:
                told = self._postgres.last_error
                if told:
                    self._tell(f"PostgreSQL was not restarted: {told}")

    def stop(self) -> None:
        """Stop PostgreSQL cleanly; waits for a start that is still going on."""
        self._stopping.set()
        while self.is_alive() and not self.started and self.error is None:
            self._postgres.stop()
            self.join(0.1)
        self._postgres.stop()
        self.join(5)


class Supervisor:
    """One running commons. ``on_ready`` is called when the first worker answers."""

    def __init__(
        self,
        settings: Settings,
        master_key: bytes,
        sockets: list[tuple[socket.socket, bool]],
        postgres: EmbeddedPostgres | None,
        *,
        tell: Tell,
        on_ready: Callable[[], None],
        on_demo: Callable[[list[dict[str, str]]], None],
    ) -> None:
        self._settings = settings
        self._master_key = master_key
        self._sockets = sockets
        self._tell = tell
        self._on_ready = on_ready
        self._on_demo = on_demo
        self._metrics_folder = tempfile.mkdtemp(prefix="commensal-metrics-")
        fds = [sock.fileno() for sock, _ in sockets]
        self._workers = [Child("commensal.server.worker", pass_fds=fds) for _ in range(settings.workers)]
        self._prepare = Child("commensal.server.prepare")
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        self._database = _Database(postgres, tell, self._wake) if postgres is not None else None
        self._postgres = postgres
        self._signals: list[int] = []
        self._dsn: str | None = settings.database
        self._prepared = False
        self._announced = False
        self._failed: str | None = None

    def _wake(self) -> None:
        try:
            os.write(self._wake_write, b".")
        except OSError:
            pass

    # --- signals

    def _on_signal(self, number: int, _frame: Any) -> None:
        self._signals.append(number)

    def _catch_signals(self) -> None:
        for number in _STOP_SIGNALS:
            if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
                continue  # started by nohup
            signal.signal(number, self._on_signal)
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)

    # --- life

    def run(self) -> int:
        """Run until told to stop; returns 0. Raises SetupError, after all has ended, when the installation is wrong."""
        self._catch_signals()
        try:
            self._start_all()
            while not self._signals and self._failed is None:
                self._wait(0.5)
                self._step()
        finally:
            self._stop_all()
        if self._failed is not None:
            raise SetupError(self._failed)
        return 0

    def _start_all(self) -> None:
        for child in (*self._workers, self._prepare):
            child.start()
        if self._database is not None:
            self._database.start()
        else:
            self._configure_prepare()
        if self._settings.metrics_port is not None:
            self._serve_metrics(self._settings.metrics_port)

    def _configure_prepare(self) -> None:
        self._prepare.configure(
            {"settings": self._settings.encode(), "dsn": self._dsn, "master_key": self._master_key.hex()}
        )

    def _configure_worker(self, number: int) -> None:
        self._workers[number].configure(
            {
                "settings": self._settings.encode(),
                "dsn": self._dsn,
                "master_key": self._master_key.hex(),
                "sockets": [(sock.fileno(), secure) for sock, secure in self._sockets],
                "metrics_folder": self._metrics_folder,
                "number": number,
            }
        )

    def _wait(self, seconds: float) -> None:
        """Sleep until a child says something, a signal comes, or the time is over."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._wake_read, selectors.EVENT_READ)
            for child in (*self._workers, self._prepare):
                if child.output >= 0:
                    selector.register(child.output, selectors.EVENT_READ)
            selector.select(seconds)
        try:
            os.read(self._wake_read, 4096)
        except BlockingIOError:
            pass

    def _step(self) -> None:
        database = self._database
        if database is not None and self._dsn is None:
            if database.error is not None:
                error = database.error
                if not isinstance(error, SetupError):
                    raise error
                self._failed = error.message
                return
            if database.started and self._postgres is not None:
                self._dsn = self._postgres.app_dsn
                self._configure_prepare()
        self._hear_prepare()
        for number, child in enumerate(self._workers):
            self._hear_worker(child)
            if not child.running:
                self._revive(number, child)

    def _hear_prepare(self) -> None:
        for line in self._prepare.lines():
            kind = line["kind"]
            if kind == "prepared":
                self._prepared = True
                for number in range(len(self._workers)):
                    self._configure_worker(number)
            elif kind == "demo":
                self._on_demo(line["accounts"])
            elif kind == "note":
                if line["text"]:
                    self._tell(line["text"])
            elif kind == "error":
                self._failed = line["text"]
        if self._prepare.status is not None and not self._prepared and self._failed is None:
            self._failed = f"The database could not be prepared (status {self._prepare.status}); see the log above."

    def _hear_worker(self, child: Child) -> None:
        for line in child.lines():
            if line["kind"] == "ready":
                child.ready = True
                if not self._announced:
                    self._announced = True
                    self._on_ready()
            elif line["kind"] == "note":
                self._tell(line["text"])
            elif line["kind"] == "error":
                self._failed = line["text"]

    def _revive(self, number: int, child: Child) -> None:
        """Start a worker again that ended by itself: at once, then after 0.5, 1, 2, … 30 seconds."""
        if child.retry_at == 0.0:
            self._forget_metrics(child.pid)
            wait = child.note_death()
            self._tell(
                f"Worker {number} (process {child.pid}) ended with status {child.status}; starting another"
                + (f" in {wait:.1f} s." if wait else ".")
            )
        if time.monotonic() >= child.retry_at:
            child.retry_at = 0.0
            child.start()
            if self._prepared:
                self._configure_worker(number)

    def _forget_metrics(self, pid: int) -> None:
        """Remove the gauges of a worker that is gone; its counters stay in the sum."""
        for name in os.listdir(self._metrics_folder):  # noqa: PTH208 - names are all that is needed
            if name.startswith("gauge_live") and name.endswith(f"_{pid}.db"):
                os.unlink(os.path.join(self._metrics_folder, name))  # noqa: PTH108, PTH118

    def _serve_metrics(self, port: int) -> None:
        from commensal.server.metrics import FOLDER_VARIABLE
        from commensal.server.metrics_port import serve_metrics

        os.environ[FOLDER_VARIABLE] = self._metrics_folder
        serve_metrics(port)

    # --- end

    def _stop_all(self) -> None:
        for sock, _ in self._sockets:
            sock.close()
        self._prepare.signal(signal.SIGKILL)
        alive = [child for child in self._workers if child.running]
        if alive and self._announced and self._failed is None:
            self._tell("Stopping: finishing requests in flight (Ctrl-C again ends them at once).")
        for child in alive:
            child.signal(signal.SIGTERM)
        seen = len(self._signals)
        end = time.monotonic() + STOP_SECONDS
        while any(child.running for child in self._workers):
            self._wait(0.05)
            for child in self._workers:
                for line in child.lines():
                    if line["kind"] == "error" and self._failed is None:
                        self._failed = line["text"]
            if len(self._signals) > seen or time.monotonic() > end:
                for child in self._workers:
                    child.signal(signal.SIGKILL)
        while self._prepare.running:
            time.sleep(0.01)
        if self._database is not None and self._database.ident is not None:
            self._database.stop()
        for child in (*self._workers, self._prepare):
            child.close()
        signal.set_wakeup_fd(-1)
        shutil.rmtree(self._metrics_folder, ignore_errors=True)
        if sys.stdout.isatty() and self._announced and self._failed is None:
            self._tell("Stopped.")
