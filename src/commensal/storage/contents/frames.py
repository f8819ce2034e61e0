"""Messages between the server and the separate process, over one pair of sockets."""

from __future__ import annotations

import socket
import struct

__all__ = ["Closed", "receive", "receive_with_files", "send"]

_HEAD = struct.Struct("!cQ")


class Closed(Exception):
    """The other side is gone, or sent what is no message."""


def send(sock: socket.socket, kind: bytes, body: bytes = b"", files: list[int] | None = None) -> None:
    """Send one message of a one-letter ``kind``, with open descriptors. Raises OSError."""
    head = _HEAD.pack(kind, len(body))
    if files:
        sent = socket.send_fds(sock, [head], files)
        head = head[sent:]
    sock.sendall(head + body if len(body) < 65536 else head)
    if len(body) >= 65536:
        sock.sendall(body)


def _exactly(sock: socket.socket, count: int) -> bytes:
    data = bytearray(count)
    view = memoryview(data)
    while view:
        got = sock.recv_into(view)
        if got == 0:
            raise Closed("the connection ended")
        view = view[got:]
    return bytes(data)


def receive(sock: socket.socket, limit: int) -> tuple[bytes, bytes]:
    """Return kind and body of the next message. Raises Closed (also for more than ``limit`` bytes), TimeoutError."""
    kind, length = _HEAD.unpack(_exactly(sock, _HEAD.size))
    if length > limit:
        raise Closed("a message that is too long")
    return kind, _exactly(sock, length)


def receive_with_files(sock: socket.socket, limit: int) -> tuple[bytes, bytes, list[int]]:
    """As :func:`receive`, with the descriptors that came along."""
    head, files, _, _ = socket.recv_fds(sock, _HEAD.size, 4)
    if not head:
        raise Closed("the connection ended")
    kind, length = _HEAD.unpack(head + _exactly(sock, _HEAD.size - len(head)))
    if length > limit:
        raise Closed("a message that is too long")
    return kind, _exactly(sock, length), files
