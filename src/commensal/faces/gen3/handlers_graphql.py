"""The GraphQL routes over HTTP (contracts/gen3.md 5.1)."""

from __future__ import annotations

from commensal.faces.gen3.graphql import execute
from commensal.faces.kit.answers import Answer, Respond
from commensal.faces.kit.bodies import read_bytes
from commensal.faces.kit.request import Request

__all__ = ["getschema", "query"]

_LONGEST = 4_000_000


async def query(request: Request) -> Respond:
    """Answer a query."""
    status, body = await execute.answer(await read_bytes(request, _LONGEST), request.principal, request.services)
    return Answer(body, status=status, media_type="application/json")


async def getschema(request: Request) -> Respond:
    """Show the schema as the answer to an introspection query."""
    return Answer(await execute.getschema(request.services), media_type="application/json")
