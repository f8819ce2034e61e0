"""Answers: small ASGI callables that send one status, a few headers and bytes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Callable, Iterable, Mapping
from typing import Any, Protocol

import msgspec
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

__all__ = ["Answer", "Respond", "StreamAnswer", "empty", "json_answer", "json_bytes", "redirect", "text_answer"]

_encoder = msgspec.json.Encoder(decimal_format="number", uuid_format="canonical")

Headers = Mapping[str, str] | Iterable[tuple[str, str]]


class Respond(Protocol):
    """Anything that can send an answer (Starlette's responses can, too)."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        ...


def _pairs(headers: Headers) -> list[tuple[str, str]]:
    pairs: Iterable[Any] = headers.items() if isinstance(headers, Mapping) else headers
    return [(str(name), str(value)) for name, value in pairs]


def _raw(headers: Headers) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in _pairs(headers)]


def json_bytes(value: Any) -> bytes:
    """Encode a value as JSON in UTF-8 (dates as RFC 3339, uuids with dashes)."""
    return _encoder.encode(value)


class Answer:
    """A whole body in memory."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, body: bytes = b"", *, status: int = 200, media_type: str = "", headers: Headers = ()) -> None:
        self.body = body
        self.status = status
        self.headers = _raw(headers)
        if media_type:
            self.headers.append((b"content-type", media_type.encode("latin-1")))
        if status >= 200 and status not in (204, 304):
            self.headers.append((b"content-length", b"%d" % len(body)))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": self.body})


def _stays() -> bool:
    return False


class StreamAnswer:
    """A body that is made while it is sent; memory stays flat.

    ``length`` gives Content-Length when it is known. The stream is closed when the client goes away.
    """

    __slots__ = ("chunks", "headers", "status")

    def __init__(
        self,
        chunks: AsyncIterable[bytes],
        *,
        status: int = 200,
        media_type: str = "",
        length: int | None = None,
        headers: Headers = (),
    ) -> None:
        self.chunks = chunks
        self.status = status
        self.headers = _raw(headers)
        if media_type:
            self.headers.append((b"content-type", media_type.encode("latin-1")))
        if length is not None:
            self.headers.append((b"content-length", b"%d" % length))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, chunk by chunk; a HEAD request gets the headers alone."""
        chunks = aiter(self.chunks)
        gone: Callable[[], bool] = scope.get("commensal.gone", _stays)
        try:
            await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
            if scope["method"] != "HEAD":
                async for chunk in chunks:
                    if chunk:
                        await send({"type": "http.response.body", "body": chunk, "more_body": True})
                    if gone():
                        await asyncio.sleep(0)
                        raise ClientDisconnect
            await send({"type": "http.response.body", "body": b""})
        finally:
            close = getattr(chunks, "aclose", None)
            if close is not None:
                await close()


def json_answer(value: Any, status: int = 200, headers: Headers = ()) -> Answer:
    """Answer with a value as JSON."""
    return Answer(_encoder.encode(value), status=status, media_type="application/json", headers=headers)


def text_answer(text: str, status: int = 200, media_type: str = "text/plain; charset=utf-8") -> Answer:
    """Answer with text in UTF-8."""
    return Answer(text.encode(), status=status, media_type=media_type)


def empty(status: int = 204, headers: Headers = ()) -> Answer:
    """Answer without a body."""
    return Answer(b"", status=status, headers=headers)


def redirect(location: str, status: int = 302, headers: Headers = ()) -> Answer:
    """Send the client to another address."""
    return Answer(b"", status=status, headers=[*_pairs(headers), ("location", location)])
