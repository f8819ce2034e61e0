"""What postmaster.pid says, whether its process is our server, and making a stale one harmless.

The file carries the key of the shared-memory block that keeps two servers from one cluster, so a
stale one is never deleted: its pid is replaced by ours. PostgreSQL takes the pid of its parent for
stale. In root's mode the cluster belongs to another account, so nothing here follows a link.
"""

from __future__ import annotations

import os
import signal
import stat
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from commensal.errors import SetupError
from commensal.storage.embedded.account import Account
from commensal.storage.embedded.process import run

__all__ = ["PidFile", "is_server_of", "read_pid_file", "stop_leftover"]

_SIGNALS = ((signal.SIGINT, 60.0), (signal.SIGQUIT, 10.0))
"""Fast shutdown, then the immediate one that recovers at the next start; SIGKILL is never sent."""


@dataclass(frozen=True, slots=True)
class PidFile:
    """The lines of postmaster.pid that matter; ``ready`` once the server takes connections."""

    pid: int
    port: str
    socket_folder: str
    ready: bool


def _open(cluster: Path, flags: int) -> int:
    fd = os.open(cluster / "postmaster.pid", flags | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    info = os.fstat(fd)
    if not stat.S_ISREG(info.st_mode) or info.st_nlink > 1:
        os.close(fd)
        raise SetupError(f"{cluster / 'postmaster.pid'} is not a plain file: look who made it, then remove it")
    return fd


def _lines(fd: int) -> list[str]:
    return os.pread(fd, 65536, 0).decode(errors="replace").split("\n")


def _pid(line: str) -> int | None:
    """The process of the first line; single-user mode writes its own with a minus."""
    try:
        pid = abs(int(line))
    except ValueError:
        return None
    return pid if 0 < pid < 2**31 else None


def read_pid_file(cluster: Path) -> PidFile | None:
    """The content of postmaster.pid in the cluster folder; None when there is none or it is not whole."""
    try:
        fd = _open(cluster, os.O_RDONLY)
    except OSError:
        return None
    try:
        lines = _lines(fd)
    finally:
        os.close(fd)
    pid = _pid(lines[0])
    if pid is None:
        return None
    lines += [""] * (8 - len(lines))
    return PidFile(pid, lines[3], lines[4], lines[7].strip() == "ready")


def is_server_of(cluster: Path, pid: int, account: Account) -> bool:
    """Whether ``pid`` is a live PostgreSQL of this account that works in this cluster folder."""
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE or process.name() != "postgres":
            return False
        if process.uids().real != account.uid:
            return False
        try:
            folder = process.cwd()
        except psutil.AccessDenied:
            folder = _ask_folder(pid, account)
        return bool(folder) and Path(folder).samefile(cluster)
    except (psutil.Error, OSError):
        return False


def _ask_folder(pid: int, account: Account) -> str:
    """The working folder of a process of ``account``, asked as that account.

    Root in a container usually has no right to trace, and then may not see it itself.
    """
    if not account.switch:
        return ""
    status, folder = run(["readlink", f"/proc/{pid}/cwd"], account)
    return "" if status else folder


def stop_leftover(cluster: Path, account: Account) -> None:
    """Stop a server that an earlier supervisor left, and make its pid file harmless.

    Signals only a process that :func:`is_server_of` accepts. Raises :class:`SetupError` when that
    server does not stop within 70 s.
    """
    try:
        fd = _open(cluster, os.O_RDWR)
    except FileNotFoundError:
        return
    try:
        lines = _lines(fd)
        pid = _pid(lines[0])
        if pid is None:  # empty or garbled: it holds no interlock that PostgreSQL could read
            (cluster / "postmaster.pid").unlink()
            return
        _stop(cluster, pid, account)
        if os.fstat(fd).st_nlink:  # a clean stop has removed it
            whole = "\n".join([str(os.getpid()), *lines[1:]]).encode()
            os.pwrite(fd, whole, 0)
            os.ftruncate(fd, len(whole))
    finally:
        os.close(fd)


def _stop(cluster: Path, pid: int, account: Account) -> None:
    for sig, seconds in _SIGNALS:
        if not is_server_of(cluster, pid, account):
            return
        os.kill(pid, sig)
        end = time.monotonic() + seconds
        while time.monotonic() < end and is_server_of(cluster, pid, account):
            time.sleep(0.05)
    if is_server_of(cluster, pid, account):
        raise SetupError(
            f"the PostgreSQL of an earlier run (process {pid}) does not stop: end it, or restart the machine"
        )
