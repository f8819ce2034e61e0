"""The GraphQL routes over HTTP (contracts/gen3.md 5.1)."""

from __future__ import annotations

import asyncio

from commensal.errors import BadRequest
from commensal.faces.gen3.graphql import execute
from commensal.faces.kit.answers import Answer, Respond, json_answer
from commensal.faces.kit.bodies import read_bytes
from commensal.faces.kit.request import Request

__all__ = ["getschema", "query"]

_LONGEST = 4_000_000
#: After so many seconds it is watched whether the caller still waits.
_PATIENCE = 0.5


async def _gone(request: Request) -> None:
    """Return when the caller has gone away."""
    while True:
        try:
            message = await request.receive()
        except BadRequest:  # that no more of the body comes is right
            continue
        if message["type"] == "http.disconnect":
            return


async def query(request: Request) -> Respond:
    """Answer a query; one whose caller goes away is given up."""
    body = await read_bytes(request, _LONGEST)
    work = asyncio.ensure_future(execute.answer(body, request.principal, request.services))
    gone: asyncio.Future[None] | None = None
    try:
        await asyncio.wait({work}, timeout=_PATIENCE)
        if not work.done():
            gone = asyncio.ensure_future(_gone(request))
            await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            return json_answer({"message": "The caller went away before the query was answered."}, 400)
    finally:
        for task in (work, gone):
            if task is not None and not task.done():
                task.cancel()
                await asyncio.wait({task})
    status, answer = work.result()
    return Answer(answer, status=status, media_type="application/json")


async def getschema(request: Request) -> Respond:
    """Show the schema as the answer to an introspection query."""
    return Answer(await execute.getschema(request.services), media_type="application/json")
