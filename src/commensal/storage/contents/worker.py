"""One separate process, seen from the server: started, given one file at a time, ended.

Everything here blocks and runs in a thread. What the process says is checked as if it had been taken over.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from dataclasses import asdict
from typing import Any, Literal

import msgspec

from commensal.errors import NoSpace, Unavailable
from commensal.storage.contents.child import ANSWER
from commensal.storage.contents.frames import Closed, receive, send
from commensal.storage.contents.limits import Limits
from commensal.storage.ports.contents import UNPARSED, ContentsResult, Fetch

__all__ = ["Worker"]

_ENVIRONMENT = {
    "LC_ALL": "C.UTF-8",
    "PATH": os.defpath,
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "HDF5_USE_FILE_LOCKING": "FALSE",
    "HDF5_PLUGIN_PRELOAD": "::",  # HDF5's own way to say: never load a plugin
}
_START_SECONDS = 30.0
_MOST_ASKED = 8 * 1024 * 1024
#: A tree in JSON takes at most this: the limit of text in UTF-8, and some 150 bytes for each node.
_MOST_ANSWERED = 192 * 1024 * 1024
#: Ends that say nothing about the file: somebody, or the kernel short of memory, ended the process.
_FROM_OUTSIDE = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)


class _Node(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    type: Literal["group", "dataset", "file", "folder", "h5"]
    path: str
    children: list[_Node] | msgspec.UnsetType = msgspec.UNSET
    shape: list[int] | msgspec.UnsetType = msgspec.UNSET
    dtype: str | msgspec.UnsetType = msgspec.UNSET
    size: int | msgspec.UnsetType = msgspec.UNSET
    truncated: bool | msgspec.UnsetType = msgspec.UNSET


_decoder = msgspec.json.Decoder(_Node)


class _Late(Exception):
    pass


class Worker:
    """A running process. Any method may raise Unavailable; then, and after :meth:`kill`, it is of no more use."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.files = 0
        self.usable = True
        self.used = time.monotonic()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self._sock = ours
        command = [sys.executable, "-I", "-m", "commensal.storage.contents.child"]
        try:
            self._process = subprocess.Popen(
                [*command, str(os.getpid()), json.dumps(asdict(limits))],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env=_ENVIRONMENT,
                start_new_session=True,
            )
        except OSError as error:
            ours.close()
            raise Unavailable(f"The reader of contents cannot start: {error.strerror}.", retry_after=30) from error
        finally:
            theirs.close()
        try:
            self._sock.settimeout(_START_SECONDS)
            kind, body = receive(self._sock, 65536)
            if kind != b"R":
                raise Closed("not ready")
            self.confinement = ", ".join(json.loads(body))
        except (Closed, OSError, ValueError) as error:
            self.kill()
            raise Unavailable("The reader of contents did not start on this machine.", retry_after=30) from error

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def kill(self) -> None:
        """End the process at once; safe to call from any thread, and twice."""
        self.usable = False
        self._process.kill()
        self._process.wait()
        self._sock.close()

    def probe(self, paths: list[str], pids: list[int], address: tuple[str, int]) -> list[str]:
        """Return which of the forbidden things the process could do (``sandbox.attempts``)."""
        send(self._sock, b"P", json.dumps({"paths": paths, "pids": pids, "address": address}).encode())
        _, body = receive(self._sock, 65536)
        return json.loads(body)

    def read(self, source: int | Fetch, name: str, size: int, temporary: int) -> ContentsResult:
        """Have one file parsed; ``source`` and ``temporary`` stay the caller's. See ``ports.contents``."""
        self.files += 1
        remote = not isinstance(source, int)
        job = json.dumps({"name": name, "size": size, "remote": remote}).encode()
        files = [temporary, source] if isinstance(source, int) else [temporary]
        self._left = self.limits.wall_seconds
        try:
            self._sock.settimeout(self._left)
            send(self._sock, b"J", job, files)
            kind, body = self._answer(source if remote else None, size)
            result = self._result(kind, body)
        except _Late:
            self.kill()
            result = ContentsResult(UNPARSED, f"took more than {self.limits.wall_seconds:g} s")
        except (Closed, BrokenPipeError, ConnectionResetError):
            result = self._ended()
        except OSError as error:
            if not self.usable:  # the socket was closed under us
                raise Unavailable("The reader of contents was stopped.", retry_after=30) from error
            self.kill()
            raise
        except BaseException:
            self.kill()
            raise
        self.used = time.monotonic()
        if not result.parsed:
            self.usable = False
        return result

    def _answer(self, fetch: Any, size: int) -> tuple[bytes, bytes]:
        """Serve requests for bytes until the answer comes; the time limit counts the process's time only."""
        served = 0
        while True:
            began = time.monotonic()
            try:
                self._sock.settimeout(max(self._left, 0.001))
                kind, body = receive(self._sock, _MOST_ANSWERED)
            except TimeoutError:
                raise _Late from None
            self._left -= time.monotonic() - began
            if kind != b"Q":
                return kind, body
            start, end = struct.unpack("!QQ", body) if len(body) == 16 else (1, 0)
            served += max(0, end - start)
            # Reading over and over costs money on S3: twice the file and a little is more than any parse needs.
            if fetch is None or not start <= end <= size or end - start > _MOST_ASKED or served > 2 * size + 2**26:
                self.kill()
                return b"E", b"asked for bytes that it cannot need"
            data = fetch(start, end)
            self._sock.settimeout(max(self._left, 1.0))
            send(self._sock, b"B", data)

    def _result(self, kind: bytes, body: bytes) -> ContentsResult:
        if kind == b"N":
            raise NoSpace("The disk has no room to unpack the file. Ask whoever runs this server.", retry_after=300)
        if kind == b"T" and len(body) >= ANSWER.size:
            nodes, count, truncated = ANSWER.unpack_from(body)
            tree = body[ANSWER.size :]
            try:
                _decoder.decode(tree)
            except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
                return ContentsResult(UNPARSED, "the parser sent something that is no tree")
            if b"\\u0000" in tree:  # PostgreSQL refuses it; an honest tree holds none (tree.clean)
                return ContentsResult(UNPARSED, "the parser sent something that is no tree")
            return ContentsResult(tree, None, nodes, truncated, count)
        return ContentsResult(UNPARSED, body.decode("utf-8", "replace") if kind == b"E" else "no answer")

    def _ended(self) -> ContentsResult:
        try:
            status = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            status = 0
        self.kill()
        if status < 0 and -status in _FROM_OUTSIDE:
            raise Unavailable("The reader of contents was ended from outside.", retry_after=30)
        reason = f"the parser ended by {signal.Signals(-status).name}" if status < 0 else "the parser ended"
        return ContentsResult(UNPARSED, reason)
