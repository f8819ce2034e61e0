"""Which addresses may be fetched: the list of ``--allow-fetch``, and what counts as a private address."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from commensal.errors import Forbidden, Malformed

__all__ = ["Allowed", "Place", "entry_for", "is_public", "parse_allowed", "read_address"]

_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9_-]{1,63}(?<!-))*")
_DEFAULT_PORTS = {"http": 80, "https": 443}
#: Longest address that is taken; signed ones have about 2,000 characters.
ADDRESS_LENGTH = 8_000
_GLOBAL_IPV6 = ipaddress.IPv6Network("2000::/3")
#: IPv6 networks whose addresses stand for an IPv4 address, by the place of its last bit.
_EMBEDDED = ((ipaddress.IPv6Network("64:ff9b::/96"), 0), (ipaddress.IPv6Network("2002::/16"), 80))


@dataclass(frozen=True, slots=True)
class Allowed:
    """One entry of the list: ``host`` in lower case (``wide``: any name below it), ``port`` None: 80 and 443."""

    host: str
    port: int | None
    wide: bool = False

    def covers(self, place: Place) -> bool:
        """Tell whether an address is meant by this entry."""
        if place.port != (self.port if self.port is not None else _DEFAULT_PORTS[place.scheme]):
            return False
        return place.host.endswith(f".{self.host}") if self.wide else place.host == self.host


@dataclass(frozen=True, slots=True)
class Place:
    """A checked address, taken apart: ``host`` in lower case without brackets, ``target`` is path and query."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def netloc(self) -> str:
        """Host and port as the Host header has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def shown(self) -> str:
        """Scheme, host and path for people: never the query, which may hold a signature."""
        return f"{self.scheme}://{self.netloc}{self.target.partition('?')[0]}"


def _host(text: str) -> str | None:
    """Return a host in the form in which it is compared, None for what is none."""
    name = text.lower().rstrip(".")
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        pass
    if not name.isascii():
        try:
            name = name.encode("idna").decode()
        except UnicodeError:
            return None
    if len(name) > 253 or not _NAME.fullmatch(name):
        return None
    # What some resolvers read as a number of an IPv4 address (2130706433, 0x7f.1) is no name.
    return None if re.fullmatch(r"[0-9]+|0x[0-9a-f]*", name.rpartition(".")[2]) else name


def parse_allowed(text: str) -> Allowed:
    """Read ``HOST``, ``HOST:PORT``, ``[IPv6]:PORT`` or ``*.DOMAIN``; raises ValueError."""
    found = re.fullmatch(r"(\*\.)?(\[[^\]]+\]|[^:\[\]/@\s]+)(?::([0-9]{1,5}))?", text)
    host = _host(found[2].strip("[]")) if found else None
    port = int(found[3]) if found and found[3] else None
    wide = bool(found and found[1])
    if host is None or (port is not None and not 0 < port < 65_536) or (wide and (":" in host or "." not in host)):
        raise ValueError(
            f"{text!r} is no host to fetch from: write names or addresses like data.example.org, "
            "*.example.org or 10.0.0.5:8080, with commas between them"
        )
    return Allowed(host, port, wide)


def read_address(address: str) -> Place:
    """Take an address apart; raises Malformed for anything but http(s) without credentials."""
    shown = re.sub(r"[^\x21-\x7e]", "?", address.partition("?")[0])[:200]
    if len(address) > ADDRESS_LENGTH or any(c.isspace() or not c.isprintable() or c == "\\" for c in address):
        raise Malformed(f"The link {shown!r} is too long, or has spaces or signs that a link cannot have.")
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        raise Malformed(f"The link {shown!r} cannot be read.") from None
    if parts.scheme not in _DEFAULT_PORTS:
        raise Malformed(f"The link {shown!r} is neither an http nor an https address; others are not fetched.")
    if "@" in parts.netloc:
        raise Malformed("A link must not hold credentials: leave out what stands before the @.")
    host = _host(parts.hostname or "")
    if host is None:
        raise Malformed(f"The link {shown!r} has no valid host.")
    target = quote(parts.path, safe="/%:@!$&'()*+,;=~-._") or "/"
    if parts.query:
        target += "?" + quote(parts.query, safe="/%:@!$&'()*+,;=~-._?")
    if len(target) > ADDRESS_LENGTH:
        raise Malformed(f"The link {shown!r} is too long: at most {ADDRESS_LENGTH:,} characters when it is encoded.")
    return Place(parts.scheme, host, _DEFAULT_PORTS[parts.scheme] if port is None else port, target)


def entry_for(place: Place, allowed: Sequence[Allowed]) -> Allowed:
    """Return the entry that allows an address, a named host before a pattern; raises Forbidden."""
    found = [entry for entry in allowed if entry.covers(place)]
    if not found:
        raise Forbidden(
            f"This server does not fetch from {place.netloc}: it is not on its list of hosts to import from "
            "(--allow-fetch). Send the file itself instead, or ask whoever runs this server to add the host."
        )
    return min(found, key=lambda entry: entry.wide)


def is_public(address: str) -> bool:
    """Tell whether an IP address lies in the public Internet, also seen through IPv6 forms of IPv4 addresses."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
        else:
            for network, shift in _EMBEDDED:
                if ip in network:
                    return ipaddress.IPv4Address(int(ip) >> shift & 0xFFFFFFFF).is_global
            # Nothing else is given out for the Internet: not ::127.0.0.1, not the old site-local fec0::/10.
            if ip not in _GLOBAL_IPV6:
                return False
    return ip.is_global and not ip.is_multicast
