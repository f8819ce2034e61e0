"""Credentials as they stand in headers, whatever door they were made for.

Each door has its own headers (design, "Identity in one place"); a face asks for those of its door, and
``/commensal/v1`` takes any. Reading never decides: the identity service does.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Literal

from commensal.core.principals import Door

__all__ = ["Presented", "all_presented", "basic", "bearer", "cookie", "header", "scheme_token"]

#: Longest credential that is looked at, in bytes; access tokens are about 1 kB.
MAX_CREDENTIAL = 16_384

RawHeaders = Iterable[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Presented:
    """A credential that a request carries, and the door whose header it stood in; ``login`` for Basic only."""

    door: Door
    kind: Literal["bearer", "token", "key", "cookie", "raw", "basic"]
    secret: str
    login: str = ""

    def __repr__(self) -> str:
        return f"Presented({self.door.value}, {self.kind})"


def header(headers: RawHeaders, name: bytes) -> str | None:
    """Return the first header of this lower-case name as text, None when absent or absurdly long."""
    for key, value in headers:
        if key == name:
            return None if len(value) > MAX_CREDENTIAL else value.decode("latin-1").strip()
    return None


def scheme_token(headers: RawHeaders, scheme: str) -> str | None:
    """Return what follows a scheme in Authorization (``Token abc`` → ``abc``); schemes have no case."""
    value = header(headers, b"authorization")
    if value is None:
        return None
    found, _, rest = value.partition(" ")
    return rest.strip() or None if found.lower() == scheme.lower() else None


def bearer(headers: RawHeaders) -> str | None:
    """Return a bearer token."""
    return scheme_token(headers, "bearer")


def basic(headers: RawHeaders) -> tuple[str, str] | None:
    """Return login and password of HTTP Basic (RFC 7617, UTF-8); None when absent or broken."""
    value = scheme_token(headers, "basic")
    if value is None:
        return None
    try:
        login, colon, password = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return (login, password) if colon else None


def cookie(headers: RawHeaders, name: str) -> str | None:
    """Return a cookie's value."""
    for key, value in headers:
        if key != b"cookie" or len(value) > MAX_CREDENTIAL:
            continue
        for part in value.decode("latin-1").split(";"):
            found, equals, text = part.strip().partition("=")
            if equals and found == name:
                return _unquoted(name, text)
    return None


def _unquoted(name: str, text: str) -> str:
    if not text.startswith('"'):
        return text
    try:
        return SimpleCookie(f"{name}={text}")[name].value
    except (CookieError, KeyError):
        return text


_SCHEMES = frozenset({"bearer", "token", "basic"})


def all_presented(headers: RawHeaders) -> list[Presented]:
    """Return every credential that a request carries, each under the doors it may belong to."""
    headers = list(headers)
    found: list[Presented] = []
    value = header(headers, b"authorization")
    if value:
        scheme, _, rest = value.partition(" ")
        rest = rest.strip()
        if scheme.lower() == "bearer" and rest:
            found += [Presented(Door.GEN3, "bearer", rest), Presented(Door.ODM, "bearer", rest)]
        elif scheme.lower() == "token" and rest:
            found.append(Presented(Door.PANGEA, "token", rest))
        elif scheme.lower() == "basic":
            pair = basic(headers)
            if pair is not None:
                found.append(Presented(Door.OPAL, "basic", pair[1], pair[0]))
        if scheme.lower() not in _SCHEMES and not rest:
            found += [Presented(Door.POLLY, "raw", value), Presented(Door.ODM, "raw", value)]
    key = header(headers, b"x-api-key")
    if key:
        found.append(Presented(Door.POLLY, "key", key))
    refresh = cookie(headers, "refreshToken")
    if refresh:
        found.append(Presented(Door.POLLY, "cookie", refresh))
    token = header(headers, b"genestack-api-token")
    if token:
        found.append(Presented(Door.ODM, "token", token))
    return found
