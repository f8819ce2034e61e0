"""What the steps of the request path share: the rules of this installation, worked out once."""

from __future__ import annotations

import ipaddress
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from commensal.errors import NoSpace
from commensal.faces.face import Face, Faces
from commensal.server.metrics import Metrics
from commensal.server.settings import Settings, is_loopback

__all__ = ["Edge", "FreeSpace", "host_name"]

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def host_name(host: str) -> str:
    """Return the name or address in a Host header, without port and brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower().rstrip(".")


class FreeSpace:
    """Whether the disks have room for another write; the file systems are asked at most once a second."""

    def __init__(self, folders: tuple[str, ...], limit: int) -> None:
        self._folders = folders
        self._limit = limit
        self._asked = -1.0
        self._enough = True
        self.free = 0

    @property
    def enough(self) -> bool:
        """Whether every folder's disk has at least the limit free."""
        now = time.monotonic()
        if now - self._asked >= 1.0:
            self._asked = now
            self.free = min((self._free(folder) for folder in self._folders), default=self._limit)
            self._enough = self.free >= self._limit
        return self._enough

    def require(self) -> None:
        """Raise NoSpace when a disk has less than the limit free."""
        if not self.enough:
            raise NoSpace(
                f"The disk of this server is almost full ({self.free // 1_000_000:,} MB free, at least "
                f"{self._limit // 1_000_000:,} MB must stay free): nothing can be written until there is room. "
                "Reading goes on.",
                retry_after=60,
            )

    @property
    def limit(self) -> int:
        """Bytes that must stay free."""
        return self._limit

    def _free(self, folder: str) -> int:
        try:
            return shutil.disk_usage(folder).free
        except OSError:
            return self._limit  # a folder that is not there yet fills no disk


@dataclass
class Edge:
    """One worker's edge. ``services`` is None until the database was reached for the first time."""

    settings: Settings
    faces: Faces
    metrics: Metrics
    space: FreeSpace
    services: Any = None
    ready: bool = False
    stopping: bool = False
    database_error: str = "The server is starting."
    polly: Face | None = None
    log: Any = None
    details: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def __post_init__(self) -> None:
        settings = self.settings
        self.set_faces(self.faces)
        self._networks: list[Network] = [ipaddress.ip_network(text) for text in settings.trusted_proxy]
        self._own = urlsplit(settings.url)
        self._own_netloc = self._own.netloc.lower()
        self._hosts = frozenset(settings.allowed_hosts)
        self._loopbacks: dict[str, bool] = {}

    def set_faces(self, faces: Faces) -> None:
        """Take the faces; some of them need the edge to be made, so they come after it."""
        self.faces = faces
        self.polly = faces.by_name.get("polly")

    def trusts(self, address: str) -> bool:
        """Tell whether X-Forwarded-* of this neighbour is believed."""
        if not self._networks:
            return False
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self._networks)

    def is_loopback(self, name: str) -> bool:
        """Tell whether a host name means this machine (remembered for the few names that occur)."""
        known = self._loopbacks.get(name)
        if known is None:
            known = is_loopback(name)
            if len(self._loopbacks) < 100:
                self._loopbacks[name] = known
        return known

    def base(self, scheme: str, host: str) -> str:
        """Return the address to make links with: the request's own host only where that is allowed."""
        if host == self._own_netloc and self.settings.base_url:
            return self.settings.url
        name = host_name(host)
        if host and (self.is_loopback(name) or name in self._hosts or host in self._hosts):
            return f"{scheme}://{host}"
        return self.settings.url
