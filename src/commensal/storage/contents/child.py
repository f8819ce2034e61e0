"""The program of the separate process: ``python -I -m commensal.storage.contents.child PARENT LIMITS``.

Standard input is a socket to the server. Per file: ``J`` (JSON name, size, remote; descriptors: temporary file, and the
file itself unless remote) comes in; ``Q`` (start, end) asks for bytes of a remote file and ``B`` brings them;
``T`` (tree), ``E`` (reason) or ``N`` (no room) goes out. ``P`` probes the confinement.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import struct
import sys

from commensal.storage.contents.frames import Closed, receive, receive_with_files, send
from commensal.storage.contents.limits import Limits, NoRoom, Unparsable
from commensal.storage.contents.sandbox import attempts, confine, leave_network

__all__ = ["ANSWER", "main"]

ANSWER = struct.Struct("!QQ?")
"""Before the JSON text in ``T``: nodes, bytes read, truncated."""

_MESSAGE = 16 * 1024 * 1024


def _job(sock: socket.socket, body: bytes, files: list[int], limits: Limits) -> tuple[bytes, bytes]:
    from commensal.storage.contents.block_reader import LOCAL_BLOCK, REMOTE_BLOCK, fetch_from_descriptor
    from commensal.storage.contents.parse import parse

    job = json.loads(body)
    count = 0

    def ask(start: int, end: int) -> bytes:
        send(sock, b"Q", struct.pack("!QQ", start, end))
        kind, data = receive(sock, _MESSAGE)
        if kind != b"B":
            raise Closed("no bytes came")
        return data

    inner = ask if job["remote"] else fetch_from_descriptor(files[1])

    def fetch(start: int, end: int) -> bytes:
        nonlocal count
        data = inner(start, end)
        count += len(data)
        return data

    try:
        block = REMOTE_BLOCK if job["remote"] else LOCAL_BLOCK
        tree = parse(fetch, job["name"], job["size"], files[0], limits, block)
        text = tree.json()
        return b"T", ANSWER.pack(tree.nodes, count, tree.truncated) + text
    except NoRoom as error:
        return b"N", str(error).encode()
    except Closed:
        raise
    except Unparsable as error:
        return b"E", str(error).encode("utf-8", "replace")
    except Exception as error:  # foreign bytes can bring any library to raise anything
        return b"E", f"{type(error).__name__}: {error}".encode("utf-8", "replace")


def _serve(sock: socket.socket, limits: Limits) -> None:
    while True:
        kind, body, files = receive_with_files(sock, _MESSAGE)
        if kind == b"P":
            probe = json.loads(body)
            worked = attempts(probe["paths"], probe["pids"], tuple(probe["address"]))
            send(sock, b"P", json.dumps(worked).encode())
            continue
        signal.setitimer(signal.ITIMER_PROF, limits.cpu_seconds)  # ends the process when it fires
        try:
            kind, body = _job(sock, body, files, limits)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            for file in files:
                os.close(file)
        send(sock, kind, body[: 4096 if kind == b"E" else None])


def main() -> None:
    """Load, take rights away, say so, then serve until the server closes the socket."""
    parent, settings = int(sys.argv[1]), json.loads(sys.argv[2])
    limits = Limits(**settings)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, fileno=0)

    from commensal.storage.contents.parse import parse_samples, samples

    files = samples()
    parse_samples(files, limits)
    words = confine(limits, parent, no_network=leave_network())
    send(sock, b"R", json.dumps(words).encode())
    with contextlib.suppress(Closed, OSError):
        _serve(sock, limits)
    os._exit(0)


if __name__ == "__main__":
    main()
