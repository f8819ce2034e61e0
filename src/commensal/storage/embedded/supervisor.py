"""One PostgreSQL server as a direct child of this process: start, watch, restart, stop.

Rules followed here: the server gets a fixed environment and an argument list without a shell; it
stops by itself when this process dies; it is restarted when it dies; it is never killed by SIGKILL,
not during a recovery either; only a process that is certainly our server gets a signal.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import quote

from commensal.errors import SetupError
from commensal.storage.embedded.binaries import Binaries, find_for_cluster, reachable
from commensal.storage.embedded.cluster import APP_ROLE, DATABASE, NO_SPACE, SUPERUSER, ensure_cluster, failure
from commensal.storage.embedded.layout import DataFolder, setup_error
from commensal.storage.embedded.lock import FolderLock
from commensal.storage.embedded.pidfile import read_pid_file, stop_leftover
from commensal.storage.embedded.process import spawn
from commensal.storage.embedded.secret import read_secret

__all__ = ["EmbeddedPostgres", "socket_dsn"]

logger = logging.getLogger(__name__)

Progress = Callable[[str], None]

LOG_LIMIT = 20_000_000
"""Bytes of pg.log before it becomes pg.log.1."""
MAX_BACKOFF = 30.0
"""Seconds between attempts when restarts keep failing."""

_FIXED = {
    "unix_socket_permissions": "0700",
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "logging_collector": "off",
    "log_destination": "stderr",
}
_DEFAULTS = {
    "listen_addresses": "",
    "jit": "off",
    "huge_pages": "off",
    "max_connections": "60",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "log_timezone": "UTC",
}
_NOT_OPTIONS = {*_FIXED, "unix_socket_directories", "data_directory", "hba_file", "ident_file", "external_pid_file"}
_STOP = ((signal.SIGINT, 60.0), (signal.SIGQUIT, 10.0))


def socket_dsn(user: str, password: str, database: str, socket_folder: str | Path, port: str = "") -> str:
    """The address of a database behind a socket, as libpq, asyncpg and SQLAlchemy read it."""
    host = quote(str(socket_folder), safe="")
    tail = f"&port={port}" if port not in ("", "5432") else ""
    return f"postgresql://{user}:{quote(password, safe='')}@/{quote(database, safe='')}?host={host}{tail}"


class EmbeddedPostgres:
    """A PostgreSQL that belongs to this process.

    ``options`` are server settings passed as ``-c``; the settings that keep data and rights safe
    cannot be changed. ``recovery_timeout``: seconds that a start may take after a crash. Methods may
    be called from any thread.
    """

    def __init__(
        self,
        folder: DataFolder,
        *,
        shared_buffers: str = "128MB",
        options: Mapping[str, str] | None = None,
        recovery_timeout: float = 600,
    ) -> None:
        refused = sorted(_NOT_OPTIONS & {name.lower() for name in options or {}})
        if refused:
            raise SetupError(f"the PostgreSQL setting {refused[0]} cannot be changed: it keeps data or rights safe")
        self.folder = folder
        self.recovery_timeout = recovery_timeout
        self.last_error: str | None = None
        """Why the latest restart failed; None while all is well."""
        self._settings = {**_DEFAULTS, "shared_buffers": shared_buffers, **(options or {}), **_FIXED}
        self._lock = FolderLock(folder.lock_file)
        self._server: Binaries | None = None
        self._binaries: Binaries | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._busy = threading.RLock()
        self._stopping = threading.Event()
        self._failures = 0
        self._retry_at = 0.0

    def __enter__(self) -> EmbeddedPostgres:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # What others need to know

    @property
    def running(self) -> bool:
        """Whether the server process lives (it may still be recovering)."""
        return self._child is not None and self._child.poll() is None

    @property
    def pid(self) -> int | None:
        """The process id of the server, None when none was started."""
        return self._child.pid if self._child else None

    @property
    def bin(self) -> Path:
        """The folder with ``psql``, ``pg_dump`` and the others, of the server's own version."""
        return self._known().folder

    @property
    def version(self) -> str:
        """The version of the server's programs, like ``18.4``."""
        return self._known().version

    @property
    def app_dsn(self) -> str:
        """The address for the program: an ordinary role that owns the database ``commensal``. Holds a password."""
        return self._dsn(APP_ROLE, self.folder.app_secret_file, DATABASE)

    def admin_dsn(self, database: str = DATABASE) -> str:
        """The address for the superuser, for backups only. Holds a password."""
        return self._dsn(SUPERUSER, self.folder.pg_secret_file, database)

    def _dsn(self, user: str, secret_file: Path, database: str) -> str:
        secret = read_secret(secret_file)
        if secret is None:
            raise SetupError(f"{secret_file} is missing: start the server once, which makes a new one")
        return socket_dsn(user, secret, database, self.folder.run, self._settings.get("port", ""))

    def _known(self) -> Binaries:
        if self._binaries is None:
            raise SetupError("the embedded PostgreSQL was not started")
        return self._binaries

    # Start, watch, stop

    def start(self, on_progress: Progress | None = None) -> None:
        """Start the server, and make the cluster first when there is none; returns when it takes connections.

        ``on_progress`` gets a short sentence when something takes long. Raises :class:`FolderInUse`,
        :class:`WrongOwner` or :class:`SetupError`; then nothing of it runs and the lock is free, but
        for a recovery over its time limit, which goes on until :meth:`stop`.
        """
        tell = on_progress or logger.info
        with self._busy:
            if self._child is not None:
                raise SetupError("this embedded PostgreSQL is already started")
            self._stopping.clear()
            self.folder.prepare()
            self._lock.acquire()
            try:
                folder = self.folder
                self._binaries = find_for_cluster(folder.pg, folder.path / "binaries.json")
                self._server = reachable(self._binaries, folder.account, folder.path / "postgresql")
                if not (folder.pg / "PG_VERSION").exists():
                    tell(f"making a new database with PostgreSQL {self._binaries.version}")
                self._clear_leftovers()
                ensure_cluster(folder, self._server)
                self._launch(tell)
            except BaseException as error:
                if not self.running:
                    self._child = None
                    self._lock.release()
                if isinstance(error, OSError):
                    raise setup_error(f"PostgreSQL cannot be started in {self.folder.path}", error) from error
                raise

    def ensure(self, on_progress: Progress | None = None) -> bool:
        """Restart the server if it died; call it about once a second. True when it was restarted.

        A restart that fails is tried again by later calls, after 1, 2, 4 … 30 s; its reason is in
        :attr:`last_error` and in the log. A call blocks while the server recovers.
        """
        with self._busy:
            if self._child is None or self._stopping.is_set():
                return False
            self._rotate_open_log()
            if self._child.poll() is None:
                return False
            if time.monotonic() < self._retry_at:
                return False
            logger.warning("PostgreSQL (process %s) ended with status %s", self._child.pid, self._child.returncode)
            try:
                self._clear_leftovers()
                self._launch(on_progress or logger.info)
            except (SetupError, OSError) as error:
                self.last_error = str(error)
                self._retry_at = time.monotonic() + min(2.0**self._failures, MAX_BACKOFF)
                self._failures = min(self._failures + 1, 10)
                logger.error("PostgreSQL was not restarted: %s", error)
                return False
            self._failures, self.last_error = 0, None
            return True

    def stop(self) -> None:
        """Stop the server cleanly and free the folder: SIGINT, after 60 s SIGQUIT, never SIGKILL.

        Stop whoever uses the database first. A second call does nothing.
        """
        self._stopping.set()  # ends a wait for a recovery in another thread
        with self._busy:
            child = self._child
            if child is not None:
                for sig, seconds in _STOP:
                    if child.poll() is not None:
                        break
                    child.send_signal(sig)
                    try:
                        child.wait(seconds)
                    except subprocess.TimeoutExpired:
                        continue
                if child.poll() is None:
                    logger.error("PostgreSQL (process %s) does not stop; the next start will end it", child.pid)
                self._child = None
            self._lock.release()

    # Inside

    def _clear_leftovers(self) -> None:
        if self.folder.pg.exists():
            stop_leftover(self.folder.pg, self.folder.account)
        for stale in self.folder.run.glob(".s.PGSQL.*"):
            stale.unlink(missing_ok=True)

    def _launch(self, tell: Progress) -> None:
        """Start the server process and wait until it is ready."""
        assert self._server is not None
        args: list[str | Path] = [self._server.program("postgres"), "-D", self.folder.pg, "-k", f'"{self.folder.run}"']
        for name, value in self._settings.items():
            args += ["-c", f"{name}={value}"]
        log = self.folder.pg_log
        if log.exists() and log.stat().st_size > LOG_LIMIT:
            log.replace(log.with_name("pg.log.1"))
        end = time.monotonic() + self.recovery_timeout
        while True:
            fd = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            with os.fdopen(fd, "ab") as output:
                begin = output.seek(0, os.SEEK_END)
                self._child = spawn(args, self.folder.account, signal.SIGINT, stdin=subprocess.DEVNULL, stdout=output)
            if self._wait_ready(self._child, end, begin, tell):
                return
            said = _read_from(log, begin)
            # Backends of a killed server leave one by one; until then its memory block is in use.
            if "shared memory block" in said and "in use" in said and time.monotonic() < end:
                self._stopping.wait(0.2)
                continue
            raise failure("PostgreSQL did not start", said, self.folder.path)

    def _wait_ready(self, child: subprocess.Popen[bytes], end: float, begin: int, tell: Progress) -> bool:
        """True when ready, False when the child ended; raises when the time is over or a stop was asked for."""
        started = time.monotonic()
        next_word = started + 2
        while child.poll() is None:
            state = read_pid_file(self.folder.pg)
            if state is not None and state.ready and state.pid == child.pid:
                return True
            now = time.monotonic()
            if self._stopping.is_set():
                raise SetupError("the start of PostgreSQL was interrupted by a stop")
            if now > end:
                raise SetupError(
                    f"PostgreSQL is not ready after {self.recovery_timeout:g} s; it may still be recovering, see "
                    f"{self.folder.pg_log}"
                )
            if now > next_word:
                words = _read_from(self.folder.pg_log, begin).splitlines()
                if any(NO_SPACE in word for word in words):  # it would start itself over and over
                    child.send_signal(signal.SIGINT)
                    child.wait(60)
                    return False
                tell(f"PostgreSQL is recovering ({now - started:.0f} s): {words[-1] if words else 'no word yet'}")
                next_word = now + 5
            time.sleep(0.005 if now - started < 0.5 else 0.02)
        return False

    def _rotate_open_log(self) -> None:
        """Keep the log of a long run small: the server holds the file open for appending, so it is emptied."""
        log = self.folder.pg_log
        try:
            if log.stat().st_size > LOG_LIMIT:
                shutil.copyfile(log, log.with_name("pg.log.1"))
                log.with_name("pg.log.1").chmod(0o600)
                os.truncate(log, 0)
        except OSError as error:
            logger.warning("the log %s was not rotated: %s", log, error)


def _read_from(log: Path, begin: int) -> str:
    """The end (at most 16 kB) of what was written to ``log`` after byte ``begin``."""
    with log.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(begin, size - 16_384))
        return file.read().decode(errors="replace")
