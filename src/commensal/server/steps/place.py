"""Which face answers, and the refusal of requests that a foreign page made a browser send."""

from __future__ import annotations

import re
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from commensal.errors import Forbidden
from commensal.faces.kit.exchange import Exchange
from commensal.faces.kit.router import split_path
from commensal.server.edge import Edge

__all__ = ["choose_face", "cross_site", "polly_prefix"]

_POLLY = re.compile(rb"/[A-Za-z0-9.-]+\.elucidata\.io(?=/|$)", re.IGNORECASE)
_SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


def polly_prefix(app: ASGIApp, edge: Edge) -> ASGIApp:
    """Strip one leading segment ``*.elucidata.io`` and remember that the Polly face was asked for."""

    async def step(scope: Scope, receive: Receive, send: Send) -> None:
        raw: bytes = scope["raw_path"]
        if b".elucidata.io" in raw[:260].lower():
            found = _POLLY.match(raw)
            if found is not None:
                scope["raw_path"] = raw[found.end() :] or b"/"
                scope["path"] = "/" + scope["path"][1:].partition("/")[2]
                scope["commensal"].face = edge.polly or _NO_POLLY
        await app(scope, receive, send)

    return step


class _Absent:
    """Stands for the Polly face where it is not installed: its paths lead nowhere, not to another face."""


_NO_POLLY: Any = _Absent()


def choose_face(app: ASGIApp, edge: Edge) -> ASGIApp:
    """Find the face that owns the path. A path that cannot be read is answered by the face of its first segment."""
    faces = edge.faces

    async def step(scope: Scope, receive: Receive, send: Send) -> None:
        exchange: Exchange = scope["commensal"]
        if scope["raw_path"][:2] == b"//":
            # Clients that join an address and a path by a slash of their own (the Gen3 SDK's curl) send two.
            path = scope["raw_path"].lstrip(b"/")
            exchange.lead = "/" * (len(scope["raw_path"]) - len(path) - 1)
            scope["raw_path"] = b"/" + path
            scope["path"] = "/" + scope["path"].lstrip("/")
        face = exchange.face
        if face is _NO_POLLY:
            exchange.face = None
        elif face is None:
            # Only literal segments decide, so nothing needs to be decoded here.
            exchange.face = face = faces.owner(scope["raw_path"].decode("latin-1").split("/")[1:])
        if exchange.face is not None:
            exchange.door = exchange.face.door
        await app(scope, receive, send)

    return step


def cross_site(app: ASGIApp, edge: Edge) -> ASGIApp:
    """Refuse unsafe methods that carry a cookie or Basic and come from a page of another origin."""
    own = edge.settings.url.lower()

    async def step(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] not in _SAFE:
            _check(scope, own)
        await app(scope, receive, send)

    return step


def _check(scope: Scope, own: str) -> None:
    automatic = False
    origin: str | None = None
    site = b""
    for key, value in scope["headers"]:
        if key == b"cookie" or (key == b"authorization" and value[:6].lower() == b"basic "):
            automatic = True
        elif key == b"origin":
            origin = value.decode("latin-1").lower()
        elif key == b"sec-fetch-site":
            site = value.lower()
    if not automatic:
        return
    base = scope["commensal"].base.lower()
    if origin == "null" and site == b"same-origin":
        # Pages with Referrer-Policy: no-referrer send their own forms so (Fetch, "append a request Origin header").
        return
    if site == b"cross-site" or (origin is not None and origin not in (base, own)):
        raise Forbidden(
            "A page of another site sent this request with your browser's credentials; it was refused. "
            "Programs: leave out the Origin header, or send a token and no cookie."
        )


def segments_of(scope: Scope) -> list[str]:
    """Return the decoded segments of the path that is left."""
    return split_path(scope["raw_path"])
