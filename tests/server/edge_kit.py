"""The request path in this process, with a face of the test's own and no database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx

from commensal.core.principals import Door, Principal, PrincipalKind
from commensal.errors import CommensalError, Conflict, Invalid, NoSpace, TooManyRequests, Unauthenticated
from commensal.faces.face import Face, Faces, Route
from commensal.faces.kit.answers import Answer, Respond, StreamAnswer, json_answer
from commensal.faces.kit.bodies import read_bytes
from commensal.faces.kit.exchange import Exchange
from commensal.faces.kit.request import Request
from commensal.server.chain import build_chain
from commensal.server.edge import Edge, FreeSpace
from commensal.server.settings import Settings

SECRET_DETAIL = "postgresql://user:hunter2@db"


class Log:
    """Keeps what is logged."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []

    def info(self, event: str, **fields: Any) -> None:
        self.events.append((event, fields))

    warning = error = info


class Counted:
    """Stands where the metrics stand."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, int]] = []

    def request(self, exchange: Exchange, method: str, seconds: float, statements: int) -> None:
        self.seen.append((method, exchange.status))


class Audit:
    """Counts callers without a valid credential."""

    def __init__(self) -> None:
        self.unknown: list[tuple[str, Door]] = []

    def unknown_caller(self, address: str, door: Door) -> None:
        self.unknown.append((address, door))

    @asynccontextmanager
    async def request(self) -> AsyncIterator[None]:
        yield


class Services:
    def __init__(self) -> None:
        self.audit = Audit()


def principal(kind: PrincipalKind = PrincipalKind.ANONYMOUS) -> Principal:
    return Principal(kind=kind, door=Door.API)


async def authenticate(request: Request) -> Principal:
    value = request.headers.get("authorization")
    if value == "Bearer good" or "session" in request.cookies:
        return principal(PrincipalKind.USER)
    if value is not None and not value.startswith("Basic "):
        raise Unauthenticated("This token is not known here.")
    return principal()


async def echo(request: Request) -> Respond:
    body = await read_bytes(request) if request.method not in ("GET", "HEAD") else b""
    return json_answer(
        {
            "params": request.params,
            "base": request.link("/x"),
            "address": request.address,
            "scheme": request.url.scheme,
            "size": len(body),
            "id": request.request_id,
        }
    )


async def fail(request: Request) -> Respond:
    raise RuntimeError(SECRET_DETAIL)


async def half(request: Request) -> Respond:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"first"
        raise RuntimeError(SECRET_DETAIL)

    return StreamAnswer(chunks())


ERRORS: dict[str, CommensalError] = {
    "conflict": Conflict("It is there."),
    "invalid": Invalid("No.", field="name"),
    "slow": TooManyRequests("Slow down.", retry_after=7),
    "space": NoSpace("Full.", retry_after=60),
}


async def error(request: Request) -> Respond:
    raise ERRORS[request.params["name"]]


def encode(problem: CommensalError, exchange: Exchange) -> Respond:
    return Answer(f"{problem.status} {problem.message}".encode(), status=problem.status, media_type="text/x-own")


FACE = Face(
    name="own",
    door=Door.GEN3,
    title="Own",
    prefixes=("/own",),
    encode_error=encode,
    authenticate=authenticate,
    routes=(
        Route("GET", "/own/echo/{a}/{rest:path}", echo, "Echo", access="open"),
        Route(("POST", "PUT"), "/own/echo", echo, "Echo", access="anonymous", body_limit=1000),
        Route("POST", "/own/query", echo, "A query", access="open", writes=False),
        Route("POST", "/own/stream", echo, "No limit", access="open", body_limit=None),
        Route("GET", "/own/me", echo, "Signed in", access="signed-in"),
        Route("GET", "/own/fail", fail, "A defect", access="open"),
        Route("GET", "/own/half", half, "A defect in the middle", access="open"),
        Route("GET", "/own/error/{name}", error, "An error", access="open"),
        Route("GET", "/own/secret/{token}", echo, "A link with a secret", access="open"),
    ),
)
POLLY = replace(
    FACE,
    name="polly",
    door=Door.POLLY,
    prefixes=("/polly-only",),
    routes=(Route("GET", "/polly-only/echo/{a}", echo, "Echo", access="open"),),
)


class Site:
    """One request path and what it noted."""

    def __init__(self, *, min_free: int = 0, faces: tuple[Face, ...] = (FACE, POLLY), **settings: Any) -> None:
        self.log = Log()
        self.counted = Counted()
        self.services = Services()
        self.edge = Edge(
            settings=Settings(data="/nowhere", support_contact="help@example.org", **settings),
            faces=Faces(faces),
            metrics=self.counted,  # type: ignore[arg-type]
            space=FreeSpace(("/",), min_free),
            services=self.services,
            ready=True,
            log=self.log,
        )
        self.app = build_chain(self.edge)

    def client(self, address: str = "198.51.100.9", base: str = "http://testserver") -> httpx.AsyncClient:
        transport = httpx.ASGITransport(app=self.app, client=(address, 1234), raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url=base)
