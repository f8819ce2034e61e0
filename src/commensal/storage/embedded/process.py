"""Child processes that end with their parent, with a fixed environment."""

from __future__ import annotations

import ctypes
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

from commensal.storage.embedded.account import Account

__all__ = ["ENVIRONMENT", "die_with_parent", "run", "spawn"]

ENVIRONMENT = {"LC_ALL": "C", "TZ": "UTC", "PATH": os.defpath}
"""What PostgreSQL's programs see; the caller's locale and settings would change how a cluster is made."""

_PR_SET_PDEATHSIG = 1
# Loaded here: between fork and exec only a plain call is safe.
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def die_with_parent(sig: int = signal.SIGTERM) -> Callable[[], None]:
    """A ``preexec_fn`` that makes the kernel send ``sig`` to the child when its parent ends, however it ends.

    Linux only; elsewhere the function does nothing. The kernel watches the *thread* that made the
    child, so start the child from the main thread or one that lives as long as the process.
    """
    parent = os.getpid()

    def before_exec() -> None:
        if _libc is None:
            return
        _libc.prctl(_PR_SET_PDEATHSIG, int(sig))
        if os.getppid() != parent:  # the parent died before the call above took effect
            os.kill(os.getpid(), sig)

    return before_exec


class _Keeper:
    """One thread that lives as long as the process and starts children for threads that may end earlier."""

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[tuple[Callable[[], Any], queue.SimpleQueue[Any]]] = queue.SimpleQueue()
        threading.Thread(target=self._serve, name="postgres-keeper", daemon=True).start()

    def _serve(self) -> None:
        while True:
            call, reply = self._calls.get()
            try:
                reply.put((call(), None))
            except BaseException as error:
                reply.put((None, error))

    def call(self, function: Callable[[], Any]) -> Any:
        reply: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._calls.put((function, reply))
        value, error = reply.get()
        if error is not None:
            raise error
        return value


_keeper: _Keeper | None = None
_keeper_lock = threading.Lock()


def _forget_keeper() -> None:
    global _keeper, _keeper_lock
    _keeper, _keeper_lock = None, threading.Lock()


os.register_at_fork(after_in_child=_forget_keeper)


def _in_lasting_thread(function: Callable[[], Any]) -> Any:
    """Run ``function`` in the main thread if this is it, else in the keeper thread."""
    global _keeper
    if threading.current_thread() is threading.main_thread():
        return function()
    with _keeper_lock:
        if _keeper is None:
            _keeper = _Keeper()
    return _keeper.call(function)


def spawn(
    args: Sequence[str | Path], account: Account, sig: int, *, stdin: int | IO[bytes], stdout: int | IO[bytes]
) -> subprocess.Popen[bytes]:
    """Start a program of PostgreSQL as a direct child in a session of its own that gets ``sig`` when we end.

    No shell; standard error joins standard output.
    """
    before_exec = die_with_parent(sig)

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [str(arg) for arg in args],
            cwd="/",
            env=ENVIRONMENT,
            stdin=stdin,
            stdout=stdout,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=before_exec,
            user=account.uid if account.switch else None,
            group=account.gid if account.switch else None,
            extra_groups=[] if account.switch else None,
        )

    return _in_lasting_thread(start)


def run(args: Sequence[str | Path], account: Account, text: str = "") -> tuple[int, str]:
    """Run a program to its end with ``text`` as its input; returns its status and all it wrote."""
    child = spawn(args, account, signal.SIGTERM, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    output, _ = child.communicate(text.encode())
    return child.returncode, output.decode(errors="replace").strip()
