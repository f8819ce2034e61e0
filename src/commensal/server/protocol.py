"""HTTP/1.1 of one connection: uvicorn's, with limits on how long and how large the head of a request may be.

Without them, callers who never finish their headers hold connections for ever, and a head of many megabytes, which the
parser joins piece by piece, takes a worker for seconds.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

__all__ = ["HEAD_BYTES", "HEAD_SECONDS", "Protocol"]

#: Largest head of a request; what a read brings at once (up to 256 kB) is taken in any case.
HEAD_BYTES = 262_144
#: Seconds from the first byte of a head (of a new connection: from its beginning) to its end.
HEAD_SECONDS = 30.0


class Protocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._head = 0
        self._head_ends: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._head_is_over()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes; a head that goes on and on is refused with 431."""
        super().data_received(data)
        if self._head_ends is None:
            return
        self._head += len(data)
        if self._head > HEAD_BYTES and not self.transport.is_closing():
            self._refuse(b"431 Request Header Fields Too Large")

    def on_message_begin(self) -> None:
        """Begin to wait for the end of this head."""
        self._wait_for_head()
        super().on_message_begin()
        # Uvicorn lets an answer be made to its end for a caller who has gone: answers that are long ask this.
        self.scope["commensal.gone"] = self.transport.is_closing  # pyright: ignore[reportGeneralTypeIssues]

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._head_is_over()
        super().on_headers_complete()

    def _wait_for_head(self) -> None:
        self._head = 0
        if self._head_ends is None:
            self._head_ends = self.loop.call_later(HEAD_SECONDS, self._refuse, b"408 Request Timeout")

    def _head_is_over(self) -> None:
        if self._head_ends is not None:
            self._head_ends.cancel()
            self._head_ends = None

    def _refuse(self, status: bytes) -> None:
        self._head_is_over()
        if self.cycle is None or self.cycle.response_complete:  # else another answer is on its way on this connection
            self.transport.write(b"HTTP/1.1 " + status + b"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        self.transport.close()
