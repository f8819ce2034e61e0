"""Records of the index: read, made, changed, deleted, versions, aliases (contracts/gen3.md 7)."""

from __future__ import annotations

from commensal.core.index import IndexRecord
from commensal.errors import Malformed
from commensal.faces.gen3.index.wire import (
    Aliases,
    Blank,
    Filled,
    NewRecord,
    RecordChanges,
    VersionsChanges,
    brief,
    changes_of,
    new_of,
    record_values,
)
from commensal.faces.kit.answers import Respond, empty, json_answer
from commensal.faces.kit.bodies import read_struct
from commensal.faces.kit.paging import query_bool
from commensal.faces.kit.request import Request
from commensal.services.index import Index

__all__: list[str] = []


def _index(request: Request) -> Index:
    return request.services.index


def _did(request: Request) -> str:
    """Return the GUID of the path, whose prefix may be a segment of its own."""
    params = request.params
    return f"{params['prefix']}/{params['did']}" if "prefix" in params else params["did"]


def _rev(request: Request) -> str:
    rev = request.query_params.get("rev")
    if not rev:
        raise Malformed("no revision specified")
    return rev


def _shown(request: Request, record: IndexRecord) -> Respond:
    return json_answer(record_values(record, request.exchange.base))


# --- one record


async def get_record(request: Request) -> Respond:
    """Show a record by its GUID."""
    return _shown(request, await _index(request).by_guid(request.principal, _did(request)))


async def resolve(request: Request) -> Respond:
    """Show a record by its GUID or an alias."""
    return _shown(request, await _index(request).get(request.principal, request.params["name"]))


async def add_record(request: Request) -> Respond:
    """Make a record."""
    body = await read_struct(request, NewRecord)
    record = await _index(request).create(request.principal, new_of(body), base=request.exchange.base)
    return json_answer(brief(record))


async def change_record(request: Request) -> Respond:
    """Change a record."""
    rev = _rev(request)
    body = await read_struct(request, RecordChanges)
    record = await _index(request).update(
        request.principal, _did(request), rev, changes_of(body), base=request.exchange.base
    )
    return json_answer(brief(record))


async def delete_record(request: Request) -> Respond:
    """Delete a record."""
    await _index(request).delete(request.principal, _did(request), _rev(request))
    return empty(200)


# --- blank records


async def add_blank(request: Request) -> Respond:
    """Make a record without size and hashes."""
    body = await read_struct(request, Blank)
    record = await _index(request).create_blank(
        request.principal,
        file_name=body.file_name or None,
        authz=tuple(body.authz or ()),
        did=body.did,
        uploader=body.uploader,
    )
    return json_answer(brief(record), 201)


async def fill_blank(request: Request) -> Respond:
    """Tell size and hashes of a blank record."""
    rev = _rev(request)
    body = await read_struct(request, Filled)
    record = await _index(request).fill_blank(
        request.principal,
        _did(request),
        rev,
        size=body.size,
        hashes=body.hashes,
        urls=body.urls,
        authz=body.authz,
        base=request.exchange.base,
    )
    return json_answer(brief(record))


async def add_blank_version(request: Request) -> Respond:
    """Make a blank record that is the next version of another one."""
    body = await read_struct(request, Blank)
    record = await _index(request).new_blank_version(
        request.principal,
        _did(request),
        file_name=body.file_name or None,
        authz=tuple(body.authz or ()),
        uploader=body.uploader,
        new_did=body.did,
    )
    return json_answer(brief(record), 201)


# --- versions


async def add_version(request: Request) -> Respond:
    """Make a record that is the next version of another one."""
    body = await read_struct(request, NewRecord)
    record = await _index(request).new_version(
        request.principal, _did(request), new_of(body), base=request.exchange.base
    )
    return json_answer(brief(record))


async def get_versions(request: Request) -> Respond:
    """Show all versions of a record, oldest first."""
    found = await _index(request).versions(request.principal, _did(request))
    return json_answer({str(n): record_values(record, request.exchange.base) for n, record in enumerate(found)})


async def change_versions(request: Request) -> Respond:
    """Change acl and authz of all versions of a record."""
    body = await read_struct(request, VersionsChanges)
    changed = await _index(request).update_versions(request.principal, _did(request), acl=body.acl, authz=body.authz)
    return json_answer([brief(record) for record in changed])


async def get_latest(request: Request) -> Respond:
    """Show the newest version of a record."""
    only = query_bool(request.query_params, "has_version")
    return _shown(request, await _index(request).latest(request.principal, _did(request), has_version=only))


# --- aliases


def _aliases(aliases: list[str]) -> Respond:
    return json_answer({"aliases": [{"value": alias} for alias in aliases]})


async def get_aliases(request: Request) -> Respond:
    """Show the aliases of a record."""
    return _aliases(await _index(request).aliases(request.principal, _did(request)))


async def add_aliases(request: Request) -> Respond:
    """Give a record more aliases."""
    body = await read_struct(request, Aliases)
    given = [alias.value for alias in body.aliases]
    return _aliases(await _index(request).add_aliases(request.principal, _did(request), given))


async def set_aliases(request: Request) -> Respond:
    """Give a record these aliases and no others."""
    body = await read_struct(request, Aliases)
    given = [alias.value for alias in body.aliases]
    return _aliases(await _index(request).set_aliases(request.principal, _did(request), given))


async def delete_aliases(request: Request) -> Respond:
    """Take aliases of a record away: one, or all."""
    name = request.params.get("alias")
    await _index(request).remove_aliases(request.principal, _did(request), name)
    text = f"Aliases for {_did(request)} deleted successfully." if name is None else f"Alias {name} deleted."
    return json_answer({"message": text})
