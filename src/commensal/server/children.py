"""Child processes of the supervisor: a line of JSON in, lines of JSON out, restarted when they die."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

import msgspec

from commensal.storage.embedded.process import die_with_parent

__all__ = ["Child"]

#: Secrets that children get by pipe, and that must not stand in their environment.
_SECRET_VARIABLES = ("COMMENSAL_MASTER_KEY", "COMMENSAL_DATABASE", "COMMENSAL_SMTP")
#: A child that lived this long is restarted at once.
SETTLED_SECONDS = 10.0
MAX_BACKOFF = 30.0


class Child:
    """One child process and its restarts. ``output`` is the file descriptor with its lines."""

    def __init__(self, module: str, *, pass_fds: Sequence[int] = ()) -> None:
        self._module = module
        self._pass_fds = tuple(pass_fds)
        self._process: subprocess.Popen[bytes] | None = None
        self._buffer = b""
        self._failures = 0
        self._started = 0.0
        self.retry_at = 0.0
        self.output = -1
        self.ready = False

    @property
    def pid(self) -> int:
        """The process id; 0 when there is none."""
        return self._process.pid if self._process is not None else 0

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def status(self) -> int | None:
        """The exit status, None while it lives."""
        return None if self._process is None else self._process.poll()

    def start(self) -> None:
        """Start the process; it waits for its configuration. Call from the main thread."""
        self.close()
        read_end, write_end = os.pipe()
        environment = {k: v for k, v in os.environ.items() if k not in _SECRET_VARIABLES}
        environment["COMMENSAL_STATUS_FD"] = str(write_end)
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", self._module],
                stdin=subprocess.PIPE,
                stdout=sys.stderr.fileno(),
                pass_fds=(*self._pass_fds, write_end),
                env=environment,
                start_new_session=True,
                preexec_fn=die_with_parent(signal.SIGTERM),
            )
        finally:
            os.close(write_end)
        os.set_blocking(read_end, False)
        self.output = read_end
        self._started = time.monotonic()
        self.ready = False

    def configure(self, values: dict[str, Any]) -> None:
        """Send the configuration; the pipe stays open as a sign of life."""
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.write(msgspec.json.encode(values) + b"\n")
                self._process.stdin.flush()

    def lines(self) -> list[dict[str, Any]]:
        """Return what the child has said since the last call."""
        if self.output < 0:
            return []
        while True:
            try:
                data = os.read(self.output, 65536)
            except BlockingIOError:
                break
            if not data:
                os.close(self.output)
                self.output = -1
                break
            self._buffer += data
        *whole, self._buffer = self._buffer.split(b"\n")
        return [msgspec.json.decode(line) for line in whole if line]

    def note_death(self) -> float:
        """Plan the restart; returns the seconds until then."""
        lived = time.monotonic() - self._started
        self._failures = 0 if lived > SETTLED_SECONDS else self._failures + 1
        wait = 0.0 if self._failures <= 1 else min(0.5 * 2 ** (self._failures - 2), MAX_BACKOFF)
        self.retry_at = time.monotonic() + wait
        return wait

    def signal(self, number: int) -> None:
        """Send a signal if the process lives."""
        if self.running and self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    def close(self) -> None:
        """Give up the pipes of a process that ended."""
        if self.output >= 0:
            os.close(self.output)
            self.output = -1
        self._buffer = b""
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
