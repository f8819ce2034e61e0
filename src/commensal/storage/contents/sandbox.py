"""Rights that the separate process takes from itself before it sees a foreign file.

It needs none: the file, or a pipe to whoever fetches it, and one temporary file come as open descriptors.
What the system offers is used, and told (:func:`confine` returns it in words): another numeric account when
root started us, empty namespaces, Landlock, a list of system calls; limits everywhere.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import socket
import sys
from typing import Any

from commensal.storage.contents.limits import Limits
from commensal.storage.contents.system_calls import allow_only_parsing

__all__ = ["ACCOUNT", "attempts", "confine", "leave_network"]

ACCOUNT = 61184
"""Numeric user and group that no account entry has, for parsers started by root."""

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 4, 38
_CLONE_NEWUSER, _CLONE_NEWNET, _CLONE_NEWIPC = 0x10000000, 0x40000000, 0x08000000
_CAPABILITY_VERSION_3 = 0x20080522
# The same numbers on every machine: they came after the tables were joined.
_LANDLOCK_CREATE_RULESET, _LANDLOCK_RESTRICT_SELF = 444, 446
#: Rights over files that each Landlock version can take away: bits 0 to n-1.
_LANDLOCK_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
_OPEN_FILES = 16

_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def leave_network() -> bool:
    """Move into a network namespace without any interface; False where that is not allowed.

    The process must have one thread (worker.py tells numpy's libraries so): an ordinary user needs a user namespace.
    """
    if _libc is None:
        return False
    if os.geteuid() == 0:
        return _libc.unshare(_CLONE_NEWNET | _CLONE_NEWIPC) == 0
    return _libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET | _CLONE_NEWIPC) == 0


def confine(limits: Limits, parent: int, *, no_network: bool) -> list[str]:
    """Take every right away that can be taken; returns what worked, in words.

    ``parent``: the process that must outlive this one. Raises OSError when root's rights cannot be given up.
    """
    words: list[str] = []
    _limit(limits)
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(ACCOUNT)
        os.setuid(ACCOUNT)
        words.append(f"user id {ACCOUNT}")
    if no_network:
        words.append("empty network namespace")
    if _libc is not None:
        _drop_capabilities(_libc)
        _libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)  # nobody with our user id may look into this process
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)  # after the change of user, which resets it
        if os.getppid() != parent:
            os._exit(0)
        if _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0:
            version = _landlock(_libc)
            if version:
                words.append(f"Landlock {version}")
            if allow_only_parsing():
                words.append("system call filter")
    words.append("limits of time, memory and files")
    return words


def _limit(limits: Limits) -> None:
    # The life of the process; one file is stopped by a timer (child.py) and by the parent's clock.
    seconds = limits.cpu_seconds * 10
    wanted = {
        resource.RLIMIT_CPU: seconds,
        resource.RLIMIT_AS: limits.memory,
        resource.RLIMIT_FSIZE: limits.unpacked,
        resource.RLIMIT_NOFILE: _OPEN_FILES,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NPROC: 0,
    }
    for what, most in wanted.items():
        _, hard = resource.getrlimit(what)
        value = most if hard == resource.RLIM_INFINITY else min(most, hard)
        try:
            resource.setrlimit(what, (value, value))
        except (ValueError, OSError):
            if sys.platform == "linux":  # others do not know every limit
                raise


def _drop_capabilities(libc: Any) -> None:
    # An own user namespace gives all of them inside it.
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    libc.capset(header, (ctypes.c_uint32 * 6)())


def _landlock(libc: Any) -> int:
    """Allow nothing that Landlock knows; returns its version, 0 without it."""
    version = libc.syscall(_LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), 1)
    if version < 1:
        return 0
    rights = _LANDLOCK_FILE_RIGHTS[min(version, max(_LANDLOCK_FILE_RIGHTS))]
    network = 0b11 if version >= 4 else 0  # bind and connect by TCP
    scopes = 0b11 if version >= 6 else 0  # abstract sockets of, and signals to, anybody outside
    attributes = (ctypes.c_uint64 * 3)((1 << rights) - 1, network, scopes)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    ruleset = libc.syscall(_LANDLOCK_CREATE_RULESET, attributes, ctypes.c_size_t(size), 0)
    if ruleset < 0:
        return 0
    done = libc.syscall(_LANDLOCK_RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)
    return version if done == 0 else 0


def attempts(paths: list[str], pids: list[int], address: tuple[str, int]) -> list[str]:
    """Try what must not work and return what did: opening and writing ``paths``, signals, sockets, processes.

    An empty list is a good answer. Runs inside the confined process, so that tests and operators see it there.
    """
    worked: list[str] = []

    def attempt(what: str, action: Any) -> None:
        try:
            action()
        except (OSError, MemoryError):
            return
        worked.append(what)

    def connect() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as one:
            one.settimeout(2)
            one.connect(address)

    def datagram() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            one.sendto(b"x", address)

    def fork() -> None:
        if os.fork() == 0:
            os._exit(0)

    for path in paths:
        attempt(f"read {path}", lambda path=path: os.close(os.open(path, os.O_RDONLY)))
        attempt(f"write {path}", lambda path=path: os.close(os.open(path, os.O_WRONLY)))
        attempt(f"list {path}", lambda path=path: os.listdir(path))  # noqa: PTH208 - the plain call
        attempt(f"make below {path}", lambda path=path: os.mkdir(f"{path}/made"))  # noqa: PTH102
    for pid in pids:
        attempt(f"signal {pid}", lambda pid=pid: os.kill(pid, 0))
        attempt(f"limit {pid}", lambda pid=pid: resource.prlimit(pid, resource.RLIMIT_CORE))
        attempt(f"memory of {pid}", lambda pid=pid: os.close(os.open(f"/proc/{pid}/mem", os.O_RDONLY)))
    attempt("connect", connect)
    attempt("send a datagram", datagram)
    attempt("start a process", fork)
    return worked
