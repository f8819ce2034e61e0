"""The listening sockets: bound by the supervisor, so a worker that dies takes no waiting connection with it."""

from __future__ import annotations

import errno
import socket

from commensal.errors import SetupError

__all__ = ["bind"]

BACKLOG = 2048


def bind(host: str, port: int, option: str = "--port") -> list[socket.socket]:
    """Return listening sockets for a host (one for each of its addresses) and port; port 0 takes any free one."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        raise SetupError(f"--host {host}: {error.strerror or error}") from None
    addresses = list(dict.fromkeys((family, address) for family, _, _, _, address in found))
    sockets: list[socket.socket] = []
    try:
        for family, address in addresses:
            where = (address[0], sockets[0].getsockname()[1], *address[2:]) if sockets and port == 0 else address
            sock = _bind_one(family, where, host, port, option, optional=bool(sockets))
            if sock is not None:
                sockets.append(sock)
    except SetupError:
        for sock in sockets:
            sock.close()
        raise
    return sockets


def _bind_one(
    family: int, address: tuple[object, ...], host: str, port: int, option: str, *, optional: bool
) -> socket.socket | None:
    try:
        sock = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        if optional or error.errno == errno.EAFNOSUPPORT:
            return None
        raise SetupError(f"--host {host}: {error.strerror}") from None
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            raise SetupError(
                f"Port {port} of {host} is in use by another program: stop it, or choose another port with {option}."
            ) from None
        if error.errno == errno.EACCES:
            raise SetupError(
                f"Port {port} needs more rights than this account has: choose a port above 1023 with {option}."
            ) from None
        if error.errno == errno.EADDRNOTAVAIL:
            if optional:
                return None
            raise SetupError(f"--host {host}: this machine has no such address.") from None
        raise SetupError(f"--host {host} {option} {port}: {error.strerror}") from None
    return sock
