"""The head of a request: how large and how slow it may be, and whom it names."""

from __future__ import annotations

import asyncio
import re
import socket
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from commensal.server import protocol
from tests.running import Running


def answers(commons: Running, data: bytes) -> list[bytes]:
    """Return the status lines that come back on one connection."""
    with socket.create_connection(("127.0.0.1", commons.port), timeout=20) as connection:
        received = b""
        try:
            connection.sendall(data)
            while piece := connection.recv(65_536):
                received += piece
        except ConnectionError:
            pass
    return re.findall(rb"HTTP/1\.1 [^\r]*", received)


@pytest.mark.parametrize("head", [b"X: " + b"a" * 2_000_000, b"\r\n".join([b"X-Y: z"] * 200_000)], ids=["one", "many"])
def test_a_head_without_end_is_refused_before_it_costs_anything(commons: Running, head: bytes):
    found = answers(commons, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + head)
    assert found in ([b"HTTP/1.1 431 Request Header Fields Too Large"], [])  # [] : cut while it was still sending
    assert commons.client.get("/healthz").status_code == 200


def test_large_bodies_and_many_requests_on_one_connection_are_no_large_head(commons: Running):
    body = b" " * 300_000
    post = b"POST /commensal/v1/access-token HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body)
    with socket.create_connection(("127.0.0.1", commons.port), timeout=20) as connection:
        for _ in range(4):
            connection.sendall(post + body)
            received = b""
            while b"\r\n\r\n" not in received:
                received += connection.recv(65_536)
            head, _, rest = received.partition(b"\r\n\r\n")
            length = int(re.search(rb"content-length: (\d+)", head.lower())[1])  # pyright: ignore[reportOptionalSubscript]
            while len(rest) < length:
                rest += connection.recv(65_536)
            assert received.startswith(b"HTTP/1.1 4")
            assert not received.startswith(b"HTTP/1.1 431")
    gets = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" * 9
    last = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    assert answers(commons, gets + last) == [b"HTTP/1.1 200 OK"] * 10


def test_two_hosts_are_refused(commons: Running):
    request = b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: other.example\r\nConnection: close\r\n\r\n"
    assert answers(commons, request) == [b"HTTP/1.1 400 Bad Request"]


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nX: "])
async def test_a_head_that_does_not_end_gives_its_connection_back(monkeypatch: pytest.MonkeyPatch, sent: bytes):
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.1)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("there is no request")

    config = uvicorn.Config(app, lifespan="off", log_config=None)
    config.load()
    state = ServerState()
    server = await asyncio.get_running_loop().create_server(
        lambda: protocol.Protocol(config=config, server_state=state, app_state={}), "127.0.0.1", 0
    )
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(sent)
        assert (await asyncio.wait_for(reader.read(), 10)).startswith(b"HTTP/1.1 408 ")
        writer.close()
    assert not state.connections
