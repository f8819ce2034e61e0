"""Metadata documents over HTTP (contracts/gen3.md 8)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any, cast

from commensal import __version__
from commensal.core.metadata_documents import MOST, document_filters
from commensal.errors import Invalid, InvalidRows, Problem
from commensal.faces.kit.answers import Answer, Respond, StreamAnswer, empty, json_answer, json_bytes, text_answer
from commensal.faces.kit.bodies import read_json
from commensal.faces.kit.paging import query_bool, query_int
from commensal.faces.kit.request import Request
from commensal.services.metadata_documents import FoundDocuments

__all__ = [
    "add_aliases",
    "add_index_path",
    "batch",
    "create",
    "delete",
    "delete_aliases",
    "delete_index_path",
    "get",
    "index_paths",
    "search",
    "set_aliases",
    "status",
    "update",
    "version",
]

_NOT_FILTERS = frozenset({"data", "limit", "offset"})
_ALIASES = "/aliases"


def document_answer(text: str, status: int = 200) -> Answer:
    """Answer with a document as it is stored."""
    return Answer(text.encode(), status=status, media_type="application/json")


async def status(request: Request) -> Respond:
    """Say that the service answers."""
    return json_answer({"status": "OK", "timestamp": datetime.now(UTC)})


async def version(request: Request) -> Respond:
    """Show the version."""
    return text_answer(__version__)


# --- documents --------------------------------------------------------------------------------------


async def search(request: Request) -> Respond:
    """List GUIDs, or (``data=true``) documents by GUID."""
    query = request.query_params
    filters = document_filters((key, value) for key, value in query.multi_items() if key not in _NOT_FILTERS)
    found: FoundDocuments = await request.services.metadata_documents.search(
        request.principal,
        filters,
        limit=query_int(query, "limit", 10, high=MOST, clip=True),
        offset=query_int(query, "offset", 0),
    )
    if not query_bool(query, "data"):
        return json_answer(found.guids)
    return StreamAnswer(_as_object(found), media_type="application/json")


async def _as_object(found: FoundDocuments) -> AsyncIterator[bytes]:
    before = b"{"
    async for piece in found.documents():
        for guid, text in piece:
            yield before + json_bytes(guid) + b":" + text.encode()
            before = b","
    yield b"{}" if before == b"{" else b"}"


async def get(request: Request) -> Respond:
    """Show a document by GUID or alias, or the aliases of one."""
    service = request.services.metadata_documents
    name = request.params["guid"]
    if name.endswith(_ALIASES):
        return await _aliases(request, name.removesuffix(_ALIASES))
    return document_answer(await service.get(request.principal, name))


async def aliases(request: Request) -> Respond:
    """Show the aliases of a document."""
    return await _aliases(request, request.params["guid"])


async def _aliases(request: Request, name: str) -> Respond:
    guid, found = await request.services.metadata_documents.aliases(request.principal, name)
    return json_answer({"guid": guid, "aliases": found})


async def batch(request: Request) -> Respond:
    """Write many documents."""
    body = await read_json(request)
    if not isinstance(body, list):
        raise Invalid('The body must be a list of {"guid": …, "data": {…}}.')
    documents: list[tuple[str, Any]] = []
    problems: list[Problem] = []
    for row, item in enumerate(cast("list[Any]", body), 1):
        one = cast("dict[str, Any]", item) if isinstance(item, dict) else {}
        guid, data = one.get("guid"), one.get("data")
        if isinstance(guid, str) and isinstance(data, dict):
            documents.append((guid, data))
        else:
            field = "data" if isinstance(guid, str) else "guid"
            problems.append(
                Problem("an object with 'guid' (text) and 'data' (an object) is needed", "invalid", row, field=field)
            )
    if problems:
        raise InvalidRows("Nothing was written.", problems)
    result = await request.services.metadata_documents.put_many(
        request.principal, documents, overwrite=query_bool(request.query_params, "overwrite", default=True)
    )
    return json_answer(
        {
            "created": result.created,
            "updated": result.updated,
            "conflict": result.conflict,
            "bad_input": result.bad_input,
        },
        201,
    )


async def create(request: Request) -> Respond:
    """Write a document, or give one its aliases."""
    guid = request.params["guid"]
    if guid.endswith(_ALIASES):
        return await _add_aliases(request, guid.removesuffix(_ALIASES))
    text, made = await request.services.metadata_documents.put(
        request.principal, guid, await read_json(request), overwrite=query_bool(request.query_params, "overwrite")
    )
    return document_answer(text, 201 if made else 200)


async def update(request: Request) -> Respond:
    """Replace a document or lay keys over it, or set its aliases."""
    guid = request.params["guid"]
    if guid.endswith(_ALIASES):
        return await _set_aliases(request, guid.removesuffix(_ALIASES))
    text = await request.services.metadata_documents.update(
        request.principal, guid, await read_json(request), merge=query_bool(request.query_params, "merge")
    )
    return document_answer(text)


async def delete(request: Request) -> Respond:
    """Remove a document, or take its aliases from it."""
    guid, found, alias = request.params["guid"].partition(_ALIASES)
    if found and (not alias or alias.startswith("/")):
        return await _delete_aliases(request, guid, alias[1:] or None)
    return document_answer(await request.services.metadata_documents.delete(request.principal, request.params["guid"]))


# --- aliases ----------------------------------------------------------------------------------------


async def _given_aliases(request: Request) -> Sequence[Any]:
    body = await read_json(request)
    given: Any = cast("dict[str, Any]", body).get("aliases") if isinstance(body, dict) else body
    if given is None and isinstance(body, dict):
        return []
    if not isinstance(given, list):
        raise Invalid('The body must be {"aliases": ["…", …]}.', field="aliases")
    return cast("list[Any]", given)


async def add_aliases(request: Request) -> Respond:
    """Give a document its aliases."""
    return await _add_aliases(request, request.params["guid"])


async def _add_aliases(request: Request, guid: str) -> Respond:
    given = await _given_aliases(request)
    made = await request.services.metadata_documents.add_aliases(request.principal, guid, given)
    return json_answer({"guid": guid, "aliases": made}, 201)


async def set_aliases(request: Request) -> Respond:
    """Set the aliases of a document."""
    return await _set_aliases(request, request.params["guid"])


async def _set_aliases(request: Request, guid: str) -> Respond:
    given = await _given_aliases(request)
    merge = query_bool(request.query_params, "merge")
    made = await request.services.metadata_documents.set_aliases(request.principal, guid, given, merge=merge)
    return json_answer({"guid": guid, "aliases": made}, 201)


async def delete_aliases(request: Request) -> Respond:
    """Take one alias, or all, from a document."""
    return await _delete_aliases(request, request.params["guid"], request.params.get("alias"))


async def _delete_aliases(request: Request, guid: str, alias: str | None) -> Respond:
    await request.services.metadata_documents.delete_aliases(request.principal, guid, alias)
    return empty(204)


# --- listed paths -----------------------------------------------------------------------------------


async def index_paths(request: Request) -> Respond:
    """List the paths that were declared as indexed."""
    return json_answer(await request.services.metadata_documents.index_paths(request.principal))


async def add_index_path(request: Request) -> Respond:
    """Declare a path as indexed."""
    path = request.params["path"]
    return json_answer(await request.services.metadata_documents.add_index_path(request.principal, path), 201)


async def delete_index_path(request: Request) -> Respond:
    """Take a path from the list."""
    await request.services.metadata_documents.delete_index_path(request.principal, request.params["path"])
    return empty(204)
