"""Where a request comes from, and which address it may make links with."""

from __future__ import annotations

import re

from starlette.types import ASGIApp, Receive, Scope, Send

from commensal.errors import BadRequest, Forbidden
from commensal.faces.kit.answers import redirect
from commensal.faces.kit.exchange import Exchange
from commensal.server.edge import Edge, host_name

__all__ = ["demo_rule", "forwarded", "links", "one_host", "plain_http"]

_PROXY_HEADERS = (b"forwarded", b"via")
_HOST = re.compile(r"[a-z0-9._-]+(?::[0-9]{1,5})?|\[[0-9a-f:.]+\](?::[0-9]{1,5})?")


def header(scope: Scope, name: bytes) -> bytes | None:
    """Return the first header of this name (lower case), or None."""
    for key, value in scope["headers"]:
        if key == name:
            return value
    return None


def forwarded(app: ASGIApp, edge: Edge) -> ASGIApp:
    """Set the caller's address, and scheme and host as the caller sees them."""

    async def step(scope: Scope, receive: Receive, send: Send) -> None:
        exchange: Exchange = scope["commensal"]
        client = scope.get("client")
        exchange.address = client[0] if client else ""
        if edge.trusts(exchange.address):
            _believe(scope, exchange, edge)
        await app(scope, receive, send)

    return step


def _believe(scope: Scope, exchange: Exchange, edge: Edge) -> None:
    """Take over what a trusted proxy says; the caller is the last address that no trusted proxy has."""
    chain = b",".join(value for key, value in scope["headers"] if key == b"x-forwarded-for").decode("latin-1")
    addresses = [part.strip().strip("[]") for part in chain.split(",") if part.strip()]
    for address in reversed(addresses):
        exchange.address = address[:64]
        if not edge.trusts(address):
            break
    scheme = header(scope, b"x-forwarded-proto")
    if scheme in (b"http", b"https"):
        scope["scheme"] = scheme.decode()
    host = header(scope, b"x-forwarded-host")
    if host is not None:
        scope["headers"] = [(b"host", host), *(pair for pair in scope["headers"] if pair[0] != b"host")]


def links(app: ASGIApp, edge: Edge) -> ASGIApp:
    """Set the address that links are made with; a Host that is none is refused."""
    own = edge.settings.url

    async def step(scope: Scope, receive: Receive, send: Send) -> None:
        exchange: Exchange = scope["commensal"]
        raw = header(scope, b"host")
        host = raw.decode("latin-1").lower() if raw else ""
        exchange.base = edge.base(scope["scheme"], host) if _HOST.fullmatch(host) else own
        await app(scope, receive, send)

    return step


def one_host(app: ASGIApp, edge: Edge) -> ASGIApp:
    """Refuse requests with two Host headers (RFC 9112, 3.2): proxies differ in which one they read."""

    async def step(scope: Scope, receive: Receive, send: Send) -> None:
        if sum(1 for key, _ in scope["headers"] if key == b"host") > 1:
            raise BadRequest("The request names two hosts.")
        await app(scope, receive, send)

    return step


def demo_rule(app: ASGIApp, edge: Edge) -> ASGIApp:
    """In demo mode, refuse requests that came through a proxy or for another host than this machine."""
    if not edge.settings.demo:
        return app

    async def step(scope: Scope, receive: Receive, send: Send) -> None:
        for key, _ in scope["headers"]:
            if key in _PROXY_HEADERS or key.startswith(b"x-forwarded-"):
                raise BadRequest(
                    "This is a demo for one machine and answers no request that came through a proxy. "
                    "Start commensal without --demo to serve others."
                )
        host = header(scope, b"host")
        if host is not None and not edge.is_loopback(host_name(host.decode("latin-1"))):
            raise BadRequest("This is a demo for one machine: open it as http://127.0.0.1 or http://localhost.")
        await app(scope, receive, send)

    return step


def plain_http(app: ASGIApp, edge: Edge) -> ASGIApp:
    """Redirect or refuse requests over plain HTTP, as the installation says; ``/healthz`` is always answered."""
    rule = edge.settings.plain
    if rule == "allow":
        return app

    async def step(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["scheme"] != "http" or scope["path"] == "/healthz":
            await app(scope, receive, send)
            return
        if rule == "refuse":
            raise Forbidden("This server answers over https only.")
        target = scope["raw_path"].decode("latin-1")
        if scope["query_string"]:
            target += "?" + scope["query_string"].decode("latin-1")
        base = edge.settings.url
        if not edge.settings.base_url and edge.settings.secure:
            name = host_name((header(scope, b"host") or b"").decode("latin-1"))
            allowed = edge.is_loopback(name) or name in edge.settings.allowed_hosts
            base = f"https://{name}:{edge.settings.port}" if allowed else base
        await redirect(base + target, 308)(scope, receive, send)

    return step
