"""Errors of our family in the face's own body; anything else becomes a 500 without detail."""

from __future__ import annotations

import os

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from commensal.errors import CommensalError, TooManyRequests, Unavailable
from commensal.faces.face import Failure, MethodNotAllowed, plain_error
from commensal.faces.kit.exchange import Exchange
from commensal.server.edge import Edge

__all__ = ["encode_errors"]


def encode_errors(app: ASGIApp, edge: Edge) -> ASGIApp:
    """Answer what was raised; an error after the answer began cuts the connection, so nobody takes it for whole."""

    async def step(scope: Scope, receive: Receive, send: Send) -> None:
        exchange: Exchange = scope["commensal"]
        began = False

        async def send_on(message: Message) -> None:
            nonlocal began
            began = True
            await send(message)

        try:
            await app(scope, receive, send_on)
        except ClientDisconnect:
            return
        except CommensalError as error:
            if began:
                exchange.failure = error
                raise
            await _answer(error, exchange, scope, receive, send)
        except Exception as error:
            exchange.error_id = os.urandom(6).hex()
            exchange.failure = error
            if began:
                raise
            failure = Failure(exchange.error_id, exchange.support_contact)
            await _answer(failure, exchange, scope, receive, send)

    return step


async def _answer(error: CommensalError, exchange: Exchange, scope: Scope, receive: Receive, send: Send) -> None:
    if isinstance(error, TooManyRequests | Unavailable):
        exchange.add_header("Retry-After", str(error.retry_after))
    elif isinstance(error, MethodNotAllowed):
        exchange.add_header("Allow", ", ".join(error.allowed))
    exchange.no_store = True
    encode = exchange.face.encode_error if exchange.face is not None else plain_error
    await encode(error, exchange)(scope, receive, send)
