"""Objects, access, bulk requests and service info of DRS 1.5 (contracts/gen3.md 3.5, 7.1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast
from urllib.parse import urlsplit

from commensal import __version__
from commensal.core.index import IndexRecord
from commensal.core.index_query import IndexQuery
from commensal.errors import BadRequest, CommensalError, Forbidden, Malformed, Unauthenticated
from commensal.faces.gen3.data.wire import MOST, by_status, id_list, seconds_of
from commensal.faces.gen3.drs import wire
from commensal.faces.kit.answers import Answer, Respond, empty, json_answer
from commensal.faces.kit.bodies import decode_json, read_bytes
from commensal.faces.kit.paging import query_int
from commensal.faces.kit.request import Request

__all__ = [
    "access",
    "access_many",
    "access_without_id",
    "authorizations",
    "authorizations_many",
    "by_rest",
    "get_object",
    "get_objects",
    "list_objects",
    "preflight",
    "service_info",
]

_SMALL = 4_000_000
#: Most objects of one page.
_PAGE = 1_024
#: Browsers of any origin may read; none of these routes reads a cookie.
_ANY_ORIGIN = (("access-control-allow-origin", "*"),)
_PREFLIGHT = (
    *_ANY_ORIGIN,
    ("access-control-allow-methods", "GET, POST, OPTIONS"),
    ("access-control-allow-headers", "authorization, content-type"),
    ("access-control-max-age", "3600"),
)


async def preflight(request: Request) -> Respond:
    """Let a browser's page of any origin ask, without credentials of the browser's own."""
    return empty(204, _PREFLIGHT)


def _answer(value: Any, status: int = 200) -> Answer:
    return json_answer(value, status, _ANY_ORIGIN)


def _is_preflight(request: Request) -> bool:
    """A browser asks whether it may (Fetch, 4.8): no caller who wants authorizations sends this header."""
    return "access-control-request-method" in request.headers


async def _body(request: Request, *, needed: bool = True) -> dict[str, Any]:
    data = await read_bytes(request, _SMALL)
    if not data.strip() and not needed:
        return {}
    value = decode_json(data)
    if not isinstance(value, dict):
        raise Malformed("Request is malformed: the body must be a JSON object.")
    given = cast("dict[str, Any]", value)
    if given.get("passports"):
        raise BadRequest("GA4GH Passports are not understood here: send `Authorization: bearer …`.")
    return given


def _shown(request: Request, record: IndexRecord, aliases: Sequence[str] = ()) -> dict[str, Any]:
    services = request.services
    return wire.object_values(
        record, base=request.exchange.base, anonymous=services.settings.anonymous, aliases=aliases
    )


# --- objects ----------------------------------------------------------------------------------------


async def get_object(request: Request) -> Respond:
    """Show an object; by POST, too."""
    if request.method == "POST":
        await _body(request, needed=False)
    record = await request.services.index.get(request.principal, request.params["object_id"])
    return _answer(_shown(request, record))


async def list_objects(request: Request) -> Respond:
    """List objects by id."""
    query = request.query_params
    limit = query_int(query, "limit", 100, high=_PAGE)
    form = query.get("form", "all")
    if form not in ("object", "bundle", "all"):
        raise Malformed("form must be object, bundle or all.", field="form")
    if form == "bundle" or limit == 0:
        return _answer({"drs_objects": []})
    page = query_int(query, "page", 0)
    records = await request.services.index.list(
        request.principal, IndexQuery(limit=limit, start=query.get("start") or None, offset=page * limit)
    )
    return _answer({"drs_objects": [_shown(request, record) for record in records]})


async def _resolve(request: Request) -> tuple[list[str], dict[str, IndexRecord]]:
    given = await _body(request)
    if "bulk_object_ids" not in given:
        raise Malformed("Request is malformed. Missing bulk object ids.")
    ids = id_list(given["bulk_object_ids"], "bulk_object_ids")
    found = await request.services.index.many(request.principal, list(dict.fromkeys(ids))) if ids else []
    return ids, {str(record.file.uuid): record for record in found} | {record.did: record for record in found}


def _bulk(ids: Sequence[str], found: dict[str, Any]) -> Answer:
    """Answer with what was found, under the name of Gen3's index and under that of DRS 1.5."""
    resolved = [found[name] for name in ids if name in found]
    missing = [name for name in ids if name not in found]
    values = wire.bulk_answer(len(ids), "resolved_drs_objects", resolved, {404: missing} if missing else {})
    return _answer({**values, "resolved_drs_object": resolved})


async def get_objects(request: Request) -> Respond:
    """Show many objects."""
    ids, found = await _resolve(request)
    return _bulk(ids, {name: _shown(request, record) for name, record in found.items()})


async def authorizations(request: Request) -> Respond:
    """Say how a caller shows who it is, for one object."""
    if _is_preflight(request):
        return await preflight(request)
    record = await request.services.index.get(request.principal, request.params["object_id"])
    return _answer(_authorizations(request, record))


def _authorizations(request: Request, record: IndexRecord) -> dict[str, Any]:
    anonymous = request.services.settings.anonymous
    return wire.authorizations(record, base=request.exchange.base, anonymous=anonymous)


async def authorizations_many(request: Request) -> Respond:
    """Say it for many objects."""
    if _is_preflight(request):
        return await preflight(request)
    ids, found = await _resolve(request)
    return _bulk(ids, {name: _authorizations(request, record) for name, record in found.items()})


# --- access -----------------------------------------------------------------------------------------


async def access(request: Request) -> Respond:
    """Answer with an address of the bytes, by the access id of an object's access method."""
    if request.method == "POST":
        await _body(request, needed=False)
    try:
        url = await request.services.downloads.address(
            request.principal,
            request.params["object_id"],
            base=request.exchange.base,
            seconds=seconds_of(request.query_params.get("expires_in")),
            protocol=request.params["access_id"],
        )
    except Forbidden as error:  # as a download of the door
        raise Unauthenticated(error.message) from error
    return _answer({"url": url})


async def access_many(request: Request) -> Respond:
    """Answer with the addresses of many objects."""
    given = await _body(request)
    if "bulk_object_access_ids" not in given:
        raise Malformed("Request is malformed. Missing bulk object access ids.")
    pairs = wire.access_pairs(given["bulk_object_access_ids"])
    seconds = seconds_of(request.query_params.get("expires_in"))
    ids: dict[str, list[str]] = {}
    for name, access_id in pairs:
        ids.setdefault(access_id, []).append(name)
    if len(ids) > 10:
        raise Malformed("A request may name at most 10 different access ids.")
    resolved: list[dict[str, Any]] = []
    failed: dict[int, list[str]] = {}
    for access_id, names in ids.items():
        answers: dict[str, str | CommensalError] = await request.services.downloads.addresses(
            request.principal, names, base=request.exchange.base, seconds=seconds, protocol=access_id
        )
        resolved += [
            {"drs_object_id": name, "drs_access_id": access_id, "url": url, "headers": []}
            for name, url in answers.items()
            if isinstance(url, str)
        ]
        for code, guids in by_status(answers, {403: 401}).items():
            failed.setdefault(code, []).extend(guids)
    status = 200 if resolved or not failed else max(failed, key=lambda code: len(failed[code]))
    return _answer(wire.bulk_answer(len(pairs), "resolved_drs_object_access_urls", resolved, failed), status)


async def access_without_id(request: Request) -> Respond:
    """Refuse a request that names no access method."""
    raise BadRequest("Access ID/Protocol is required.")


# --- the service ------------------------------------------------------------------------------------


async def service_info(request: Request) -> Respond:
    """Say what this service is."""
    settings = request.services.settings
    base = request.exchange.base
    return _answer(
        wire.service_info(
            base=base,
            host=urlsplit(base).hostname or "localhost",
            version=__version__,
            contact=settings.support_contact,
            most=MOST,
            stats=await request.services.index.stats(request.principal),
        )
    )


async def by_rest(request: Request) -> Respond:
    """Serve ids that hold slashes (``<prefix>/<uuid>``): the router gives everything after ``objects/``."""
    rest = request.params["rest"].split("/")
    if len(rest) > 2 and rest[-2] == "access":
        if request.method == "OPTIONS":
            return await preflight(request)
        request.params["object_id"], request.params["access_id"] = "/".join(rest[:-2]), rest[-1]
        return await access(request)
    request.params["object_id"] = "/".join(rest)
    return await (authorizations(request) if request.method == "OPTIONS" else get_object(request))
