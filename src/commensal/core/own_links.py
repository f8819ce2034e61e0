"""Links into our own store: what an address in client data that points at this commons means.

Source: design, "Own-bytes rule": such a link is honoured only when it means a file of the same project.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import unquote, urlsplit
from uuid import UUID

from commensal.core.ids import is_uuid
from commensal.core.names import parse_accession

__all__ = ["OwnLink", "OwnPlaces"]

_PORTS = {"http": 80, "https": 443}
_UUID_LENGTH = 36
#: The beginning of an address that is of another scheme for certain: nothing before it, and nothing in it, is dropped.
_FOREIGN = re.compile(r"(?!https?:)[a-z][a-z0-9+.-]*:", re.IGNORECASE | re.ASCII)
#: Paths of ours that mean a file, and what their last part is.
_PATHS: tuple[tuple[re.Pattern[str], Literal["seq", "uuid", "key"]], ...] = (
    (re.compile(r"/api/v1/as-(?:user|curator)/files/([^/]+)/download/?"), "seq"),
    (re.compile(r"/+user/data/download/((?:[^/]+/)?[^/]+)/?"), "uuid"),
    (re.compile(r"/ga4gh/drs/v1/objects/((?:[^/]+/)?[^/]+?)(?:/access/[^/]+)?/?"), "uuid"),
    (re.compile(r"/commensal/v1/bytes/files/([^/]+)/[^/]+"), "key"),
)


@dataclass(frozen=True, slots=True)
class OwnLink:
    """A link that points here: to a file by number, by uuid, or by the key of its bytes; or to none at all."""

    seq: int | None = None
    uuid: UUID | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True)
class OwnPlaces:
    """Where this commons is: ``servers`` by (host, port), and the object ``stores`` by (host, port, path prefix)."""

    servers: frozenset[tuple[str, int]] = frozenset()
    stores: tuple[tuple[str, int, str], ...] = field(default=())

    @staticmethod
    def server(address: str) -> tuple[str, int] | None:
        """Return host and port of an http(s) address, None for another."""
        if _FOREIGN.match(address) is not None:  # most are s3://, and a split costs 20 times as much
            return None
        try:
            parts = urlsplit(address)
            port = parts.port
        except ValueError:
            return None
        if parts.scheme not in _PORTS or not parts.hostname:
            return None
        return parts.hostname.lower().rstrip("."), port or _PORTS[parts.scheme]

    @classmethod
    def of(cls, addresses: Iterable[str], stores: Iterable[str]) -> OwnPlaces:
        """Return the places of these addresses of servers, and of stores with the prefix of their keys."""
        servers = {found for address in addresses if (found := cls.server(address)) is not None}
        places: list[tuple[str, int, str]] = []
        for store in stores:
            found = cls.server(store)
            if found is not None:
                places.append((*found, unquote(urlsplit(store).path).strip("/")))
        return cls(frozenset(servers), tuple(places))

    def link(self, address: str, base: str = "") -> OwnLink | None:
        """Return what a link of ours means; None for one that points elsewhere.

        ``base``: one more address under which this commons is known.
        """
        found = self.server(address)
        if found is None:
            return None
        path = urlsplit(address).path
        for host, port, prefix in self.stores:
            plain = unquote(path).strip("/")
            if found == (host, port) and (plain == prefix or plain.startswith(f"{prefix}/") or not prefix):
                return OwnLink(key=plain[len(prefix) :].strip("/").rpartition("/")[2])
        if found not in self.servers and found != self.server(base):
            return None
        for pattern, kind in _PATHS:
            matched = pattern.fullmatch(path)
            if matched is not None:
                text = unquote(matched[1])
                if kind == "key":
                    return OwnLink(key=text)
                if kind == "seq":
                    return OwnLink(seq=parse_accession(text))
                end = text[-_UUID_LENGTH:]  # a GUID may have a prefix
                return OwnLink(uuid=UUID(end) if is_uuid(end) else None)
        return OwnLink()
