"""The outermost step: it gives the request its id and writes down how the answer went."""

from __future__ import annotations

import os
import re
import time
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from commensal.faces.kit.exchange import Exchange
from commensal.server.edge import Edge
from commensal.storage.postgres.database import counting

__all__ = ["observe", "redacted"]

_SECRET_PARAMETERS = frozenset({"token", "secret", "password", "key", "code"})
_FIXED = [
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
]
_NO_STORE = (b"cache-control", b"no-store")


def redacted(query: bytes) -> str:
    """Return the names in a query string without their values."""
    if not query:
        return ""
    names = [part.partition(b"=")[0][:40].decode("ascii", "replace") for part in query.split(b"&")[:20]]
    return "&".join(f"{re.sub(r'[^A-Za-z0-9_.%[]-]', '_', name)}=…" for name in names)


def _shown_path(scope: Scope, exchange: Exchange) -> str:
    if any(name in _SECRET_PARAMETERS for name in exchange.params):
        return exchange.template
    return scope["path"][:300]


def observe(app: ASGIApp, edge: Edge) -> ASGIApp:
    """Make the exchange; add the headers that every answer has; count, time and log."""
    log = edge.log
    metrics = edge.metrics
    support_contact = edge.settings.support_contact

    async def step(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        exchange = Exchange(os.urandom(8).hex(), edge.services, time.perf_counter())
        exchange.support_contact = support_contact
        scope["commensal"] = exchange
        request_id = exchange.request_id.encode()

        async def send_on(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
                headers: list[tuple[bytes, bytes]] = [*message["headers"], (b"x-request-id", request_id), *_FIXED]
                headers.extend(exchange.headers)
                principal = exchange.principal
                private = exchange.no_store or (principal is not None and principal.signed_in)
                if private and not any(name == b"cache-control" for name, _ in headers):
                    headers.append(_NO_STORE)
                message["headers"] = headers
            else:
                exchange.sent += len(message.get("body", b""))
            await send(message)

        with counting() as statements:
            try:
                await app(scope, receive, send_on)
            finally:
                seconds = time.perf_counter() - exchange.started
                metrics.request(exchange, scope["method"], seconds, statements.n)
                if exchange.route is None or not exchange.route.hidden:
                    _write(log, scope, exchange, seconds, statements.n)

    return step


def _write(log: Any, scope: Scope, exchange: Exchange, seconds: float, statements: int) -> None:
    fields: dict[str, Any] = {
        "request_id": exchange.request_id,
        "method": scope["method"],
        "path": _shown_path(scope, exchange),
        "status": exchange.status or 499,
        "ms": round(seconds * 1000, 1),
        "bytes": exchange.sent,
        "door": exchange.door.value,
        "address": exchange.address,
        "statements": statements,
    }
    if scope["query_string"]:
        fields["query"] = redacted(scope["query_string"])
    if exchange.principal is not None:
        fields["who"] = exchange.principal.label
    if exchange.error_id:
        fields["error_id"] = exchange.error_id
    if exchange.failure is not None:
        log.error("request", **fields, exc_info=exchange.failure)
    else:
        log.info("request", **fields)
