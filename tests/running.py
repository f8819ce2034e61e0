"""A real `commensal serve` for tests: its own process, a free port, a data folder of its own."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
from typer.testing import CliRunner

from commensal.cli import app
from commensal.storage.embedded import die_with_parent

ADMIN = "admin@example.org"
PASSWORD = "correct horse battery"
START_SECONDS = 60.0


def free_port() -> int:
    """A port of the loopback interface that nobody uses at this moment."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment without options of commensal, which would change what a test starts."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("COMMENSAL_") or k == "COMMENSAL_PG_BIN"}
    return {**kept, "COMMENSAL_LOG": "warning", **(extra or {})}


def run_commensal(
    *args: str | Path, environment: Mapping[str, str] | None = None, check: bool = True, timeout: float = 120
) -> subprocess.CompletedProcess[str]:
    """Run one command to its end."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "commensal.cli", *map(str, args)],
        env=clean_environment(environment),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    if check and done.returncode != 0:
        raise AssertionError(f"commensal {args} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return done


class Running:
    """One server. ``lines`` is all that it has said so far, standard output and error together."""

    def __init__(self, data: Path, port: int, process: subprocess.Popen[str], *, secure: bool) -> None:
        self.data = data
        self.port = port
        self.process = process
        self.url = f"{'https' if secure else 'http'}://127.0.0.1:{port}"
        self.lines: list[str] = []
        self.client = httpx.Client(base_url=self.url, timeout=30, verify=False)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    @property
    def output(self) -> str:
        return "\n".join(self.lines)

    def wait_ready(self, seconds: float = START_SECONDS) -> Running:
        """Wait until /healthz is 200."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.process.poll() is not None:
                self._reader.join(5)
                raise AssertionError(f"serve ended with {self.process.returncode}:\n{self.output}")
            try:
                # both: another program may have taken the port in between
                if self.client.get("/healthz").status_code == 200 and "is ready at" in self.output:
                    return self
            except httpx.TransportError:
                pass
            time.sleep(0.02)
        raise AssertionError(f"serve is not ready after {seconds} s:\n{self.output}")

    def wait_line(self, pattern: str, seconds: float = 30) -> re.Match[str]:
        """Wait until the server has said something that matches."""
        end = time.monotonic() + seconds
        while True:
            for line in list(self.lines):
                if found := re.search(pattern, line):
                    return found
            if time.monotonic() > end:
                raise AssertionError(f"no line matches {pattern!r}:\n{self.output}")
            time.sleep(0.02)

    def children(self) -> list[tuple[int, str]]:
        """(pid, command line) of the supervisor's living children."""
        import psutil

        found = []
        for child in psutil.Process(self.process.pid).children():
            try:
                if child.status() != psutil.STATUS_ZOMBIE:
                    found.append((child.pid, " ".join(child.cmdline())))
            except psutil.NoSuchProcess:
                continue
        return found

    def workers(self) -> list[int]:
        return [pid for pid, command in self.children() if "commensal.server.worker" in command]

    def postgres(self) -> int:
        return next(pid for pid, command in self.children() if "/postgres -D" in command)

    def stop(self, seconds: float = 60) -> int:
        """Stop it as a service manager does; returns its status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.wait(seconds)

    def wait(self, seconds: float = 60) -> int:
        status = self.process.wait(seconds)
        self._reader.join(5)
        self.client.close()
        return status

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(30)
        self._reader.join(5)

    # --- accounts and keys, made at the console of the same data folder

    def admin(self, *args: str) -> str:
        """Run an admin command beside this server and return what it said; in this process, which saves imports."""
        with ThreadPoolExecutor(1) as thread:  # the command runs an event loop of its own
            return thread.submit(self._admin, args).result()

    def _admin(self, args: Sequence[str]) -> str:
        result = CliRunner().invoke(app, ["admin", "--data", str(self.data), *args], catch_exceptions=True)
        if result.exit_code != 0:
            raise AssertionError(f"admin {args} ended with {result.exit_code}: {result.output} {result.exception!r}")
        return result.output

    def add_user(self, email: str, *options: str, password: str = PASSWORD) -> str:
        self.admin("user", "add", email, "--password", password, *options)
        return email

    def key(self, email: str, door: str, *options: str) -> dict[str, Any]:
        return json.loads(self.admin("key", "new", email, "--door", door, *options))

    def bearer(self, email: str) -> dict[str, str]:
        """Headers with an ODM access token of somebody, good on our own API too."""
        return {"Authorization": f"Bearer {self.key(email, 'odm')['access_token']}"}


def start_commons(
    data: Path,
    *args: str,
    environment: Mapping[str, str] | None = None,
    port: int | None = None,
    wait: bool = True,
) -> Running:
    """Start `commensal serve` on a data folder; ready when this returns, unless ``wait`` is False."""
    port = port or free_port()
    options: Sequence[str] = args if "--workers" in args else (*args, "--workers", "1")
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "commensal.cli", "serve", "--data", str(data), "--port", str(port), *options],
        env=clean_environment(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        # a fixture that fails after this line stops nothing: the end of the test run does
        preexec_fn=die_with_parent() if threading.current_thread() is threading.main_thread() else None,
    )
    running = Running(data, port, process, secure="--tls" in args)
    if wait:
        try:
            running.wait_ready()
        except BaseException:
            running.kill()
            raise
    return running
