"""The end of the request path: the route, the caller, the limits of the body, the handler."""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from commensal.errors import BadRequest, NotFound, TooLarge, Unauthenticated, Unavailable
from commensal.faces.face import Face, MethodNotAllowed, Route
from commensal.faces.kit.answers import empty
from commensal.faces.kit.exchange import Exchange
from commensal.faces.kit.request import Request
from commensal.faces.kit.router import split_path
from commensal.server.edge import Edge

__all__ = ["BODY_PAUSE", "dispatch"]

#: Seconds without a byte after which a body that is still coming is given up.
BODY_PAUSE = 60.0
_SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


def _find(face: Face | None, scope: Scope, exchange: Exchange) -> Route | None:
    """Return the route; None when an OPTIONS request was for what is there (its answer lists the methods)."""
    if face is None:
        raise NotFound("There is nothing here.")
    match = face.router.match(scope["method"], split_path(scope["raw_path"]))
    if match.target is not None:
        exchange.route = match.target
        exchange.params = match.params
        return match.target
    if not match.allowed:
        raise NotFound("There is nothing here.")
    if scope["method"] == "OPTIONS":
        exchange.add_header("Allow", ", ".join((*match.allowed, "OPTIONS")))
        return None
    raise MethodNotAllowed(f"This address takes {', '.join(match.allowed)}, not {scope['method']}.", match.allowed)


def _limited(scope: Scope, receive: Receive, limit: int | None) -> Receive:
    """Refuse a body that is announced too long, cut one that becomes too long, give up one that stalls."""
    length: int | None = None
    chunked = False
    for key, value in scope["headers"]:
        if key == b"content-length":
            length = int(value) if value.isdigit() else None
        elif key == b"transfer-encoding":
            chunked = True
    if not chunked and not length:
        return receive
    if limit is not None and length is not None and length > limit:
        raise TooLarge(f"The body has {length:,} bytes; at most {limit:,} are taken here.")
    seen = 0

    async def receive_on() -> Message:
        nonlocal seen
        try:
            message = await asyncio.wait_for(receive(), BODY_PAUSE)
        except TimeoutError:
            raise BadRequest(f"No byte of the body came for {BODY_PAUSE:.0f} seconds.") from None
        seen += len(message.get("body", b""))
        if limit is not None and seen > limit:
            raise TooLarge(f"The body is longer than the {limit:,} bytes that are taken here.")
        return message

    return receive_on


def dispatch(edge: Edge) -> ASGIApp:
    """Return the app that finds the route and lets its handler answer."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        exchange: Exchange = scope["commensal"]
        face: Face | None = exchange.face
        route = _find(face, scope, exchange)
        if route is None or face is None:
            await empty(204)(scope, receive, send)
            return
        if scope["method"] not in _SAFE:
            if route.writes:
                edge.space.require()
            receive = _limited(scope, receive, route.body_limit)
        request = Request(scope, receive, send)
        if route.access == "open":
            await (await route.handler(request))(scope, receive, send)
            return
        if edge.services is None:
            raise Unavailable(edge.database_error)
        audit = edge.services.audit
        exchange.principal = await face.authenticate(request)
        if route.access == "signed-in" and not exchange.principal.signed_in:
            audit.unknown_caller(exchange.address, exchange.door)
            raise Unauthenticated("This needs a credential, and none was sent.")
        async with audit.request():  # all that is read for one request is one event
            answer = await route.handler(request)
            await answer(scope, receive, send)

    return app
