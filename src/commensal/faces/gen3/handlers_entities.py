"""Entities of a project: shown, deleted (contracts/gen3.md 4.7, 4.10)."""

from __future__ import annotations

from commensal.errors import Malformed
from commensal.faces.gen3.wire import entity_values
from commensal.faces.kit.answers import Respond, json_answer
from commensal.faces.kit.request import Request

__all__ = ["delete_entities", "delete_entities_as", "dry_run_delete", "get_entities"]


def _ids(request: Request) -> list[str]:
    return [one.strip() for one in request.params["ids"].split(",") if one.strip()]


async def get_entities(request: Request) -> Respond:
    """Show entities by id."""
    params = request.params
    project, records = await request.services.exports.entities(
        request.principal, params["program"], params["project"], _ids(request)
    )
    types = (await request.services.dictionaries.current()).dictionary.types
    return json_answer({"entities": [entity_values(project, record, types[record.type]) for record in records]})


async def _delete(request: Request, *, dry_run: bool) -> Respond:
    params = request.params
    fields = [one.strip() for one in request.query_params.get("fields", "").split(",") if one.strip()]
    result = await request.services.deletion.delete_entities(
        request.principal, params["program"], params["project"], _ids(request), dry_run=dry_run, fields=fields
    )
    return json_answer(result, result.code)


async def delete_entities(request: Request) -> Respond:
    """Delete entities by id."""
    return await _delete(request, dry_run=False)


async def dry_run_delete(request: Request) -> Respond:
    """Say what a deletion would do."""
    return await _delete(request, dry_run=True)


async def delete_entities_as(request: Request) -> Respond:
    """Delete entities by id; ``to_delete`` false asks to bring such a mark back, which here nothing carries."""
    word = request.params["to_delete"].lower()
    if word not in ("true", "false"):
        raise Malformed("Boolean value not one of [true, false]")
    if word == "false":
        raise Malformed("Deleted entities are brought back as a whole: ask a site admin (commensal admin undelete).")
    return await _delete(request, dry_run=False)
