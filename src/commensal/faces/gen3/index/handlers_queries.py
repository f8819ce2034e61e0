"""The index as a whole: lists, searches by hash and address, bulk reads, GUIDs, health (contracts/gen3.md 7)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import unquote
from uuid import uuid4

import msgspec

from commensal.core.index import check_hashes
from commensal.errors import Malformed
from commensal.faces.gen3.index.wire import own_address, record_values, urls_of
from commensal.faces.kit.answers import Respond, json_answer
from commensal.faces.kit.bodies import read_struct
from commensal.faces.kit.paging import query_bool, query_int
from commensal.faces.kit.request import Request
from commensal.services.index import Index, IndexQuery, UrlQuery

__all__: list[str] = []

#: Most records of a page, and of one bulk answer.
PAGE = 1024
MOST = 20_000
MINTED = 10_000
LARGEST = 2**63 - 1
_TEXTS = ("file_name", "version", "uploader")
_LISTS = ("urls", "acl", "authz")
_OBJECTS = ("metadata", "urls_metadata")


def _index(request: Request) -> Index:
    return request.services.index


def _pairs(request: Request, name: str) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for text in request.query_params.getlist(name):
        key, colon, value = text.partition(":")
        if not (key and colon and value):
            raise Malformed(f"{name} must be written as key:value, not {text[:80]!r}.", field=name)
        pairs.append((key, value))
    return pairs


def _hashes(request: Request) -> list[tuple[str, str]]:
    pairs = _pairs(request, "hash")
    for kind, value in pairs:
        check_hashes({kind: value})
    return pairs


def _size(request: Request) -> int | None:
    if "size" not in request.query_params:
        return None
    return query_int(request.query_params, "size", 0, high=LARGEST)


def _ids(request: Request) -> tuple[str, ...] | None:
    given = [one for text in request.query_params.getlist("ids") for one in text.split(",") if one]
    if "ids" not in request.query_params:
        return None
    if len(given) > MOST:
        raise Malformed(f"ids names more than {MOST:,} records.", field="ids")
    return tuple(given)


def _list(request: Request, name: str) -> tuple[str, ...] | None:
    text = request.query_params.get(name)
    if text is None:
        return None
    return () if text == "null" else tuple(one for one in text.split(",") if one)


def _object(request: Request, name: str) -> dict[str, Any]:
    text = request.query_params.get(name)
    if text is None:
        return {}
    try:
        value: object = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError, ValueError):
        value = None
    if not isinstance(value, dict):
        raise Malformed(f"{name} must be a JSON object.", field=name)
    return cast("dict[str, Any]", value)


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in cast("list[object]", value))


def _is_flat(value: object) -> bool:
    """Tell whether a value is an object of texts."""
    return isinstance(value, dict) and all(isinstance(one, str) for one in cast("dict[str, object]", value).values())


def _urls_metadata(value: Mapping[str, Any], name: str) -> dict[str, dict[str, str]]:
    if not all(_is_flat(entry) for entry in value.values()):
        raise Malformed(f"{name} must be an object of objects of texts.", field=name)
    return dict(value)


def _without(request: Request) -> dict[str, Any]:
    """Return what records must not have."""
    given = _object(request, "negate_params")
    for name, value in given.items():
        good = (
            (name in _TEXTS and isinstance(value, str))
            or (name in _LISTS and _is_texts(value))
            or (name == "metadata" and _is_flat(value))
            or (name == "urls_metadata" and isinstance(value, dict))
        )
        if not good:
            raise Malformed(
                f"negate_params takes {', '.join(_TEXTS)} as text, {', '.join(_LISTS)} as lists of texts, and "
                f"{', '.join(_OBJECTS)} as objects of texts; not {name[:40]!r} as it is given.",
                field="negate_params",
            )
    if "urls_metadata" in given:
        given["urls_metadata"] = _urls_metadata(given["urls_metadata"], "negate_params")
    return given


def _own_dids(request: Request, urls: list[str]) -> tuple[list[str], list[str]]:
    """Return foreign addresses, and the GUIDs in those of bytes of our own."""
    head, _, tail = own_address(request.exchange.base, "{}").replace("%7B%7D", "{}").partition("{}")
    own = [url for url in urls if url.startswith(head) and url.endswith(tail)]
    return [url for url in urls if url not in own], [unquote(url[len(head) : -len(tail)]) for url in own]


def _query(request: Request) -> tuple[IndexQuery, int | None]:
    query = request.query_params
    ids = _ids(request)
    limit = query_int(query, "limit", max(100, len(ids or ())), high=PAGE if ids is None else MOST)
    page = query_int(query, "page", 0) if "page" in query else None
    foreign, own = _own_dids(request, query.getlist("url"))
    if own:
        ids = tuple(own if ids is None else set(own).intersection(ids))
    start = query.get("start")
    if start is not None and len(start) > 1000:
        raise Malformed("start must be a GUID.", field="start")
    found = IndexQuery(
        limit=limit,
        start=start or None,
        offset=limit * (page or 0),
        dids=ids,
        hashes=tuple(_hashes(request)),
        size=_size(request),
        urls=tuple(foreign),
        acl=_list(request, "acl"),
        authz=_list(request, "authz"),
        file_name=query.get("file_name"),
        version=query.get("version"),
        uploader=query.get("uploader"),
        metadata=dict(_pairs(request, "metadata")),
        urls_metadata=_urls_metadata(_object(request, "urls_metadata"), "urls_metadata"),
        without=_without(request),
    )
    return found, page


async def list_records(request: Request) -> Respond:
    """List records that meet a query."""
    query, page = _query(request)
    form = request.query_params.get("form", "object")
    if form not in ("object", "bundle", "all"):
        raise Malformed("form must be object, bundle or all.", field="form")
    found = [] if form == "bundle" or query.limit == 0 else await _index(request).list(request.principal, query)
    asked = request.query_params
    return json_answer(
        {
            "ids": None if "ids" not in asked else list(query.dids or ()),
            "records": [record_values(record, request.exchange.base) for record in found],
            "limit": query.limit,
            "start": query.start,
            "page": page,
            "size": query.size,
            "file_name": query.file_name,
            "version": query.version,
            "urls": asked.getlist("url"),
            "acl": query.acl,
            "authz": query.authz,
            "hashes": dict(query.hashes),
            "metadata": query.metadata,
            "urls_metadata": query.urls_metadata,
        }
    )


async def bulk_documents(request: Request) -> Respond:
    """Show many records by their GUIDs."""
    dids = await read_struct(request, list[str], limit=4_000_000)
    if not dids:
        raise Malformed("Send a list of GUIDs that is not empty.")
    found = await _index(request).many(request.principal, dids)
    return json_answer([record_values(record, request.exchange.base) for record in found])


async def urls(request: Request) -> Respond:
    """List the addresses of records by GUIDs, hashes or size."""
    ids, hashes, size = _ids(request), _hashes(request), _size(request)
    high = PAGE if ids is None else MOST
    limit = query_int(request.query_params, "limit", high, high=high)
    start = request.query_params.get("start")
    query = IndexQuery(limit=limit, start=start, dids=ids, hashes=tuple(hashes), size=size)
    found = await _index(request).list(request.principal, query)
    by_url: dict[str, dict[str, Any]] = {}
    for record in found:
        for url in urls_of(record, request.exchange.base):
            by_url.setdefault(url, {}).update(record.urls_metadata.get(url, {}))
    return json_answer({"urls": [{"url": url, "metadata": about} for url, about in by_url.items()]})


def _url_query(request: Request, **more: Any) -> UrlQuery:
    query = request.query_params
    name = "versioned" if "versioned" in query else "version"
    return UrlQuery(
        versioned=query_bool(query, name) if name in query else None,
        offset=query_int(query, "offset", 0),
        limit=query_int(query, "limit", 100, high=PAGE),
        **more,
    )


def _url_answer(request: Request, found: list[tuple[str, list[str]]]) -> Respond:
    wanted = [one for one in request.query_params.get("fields", "did,urls").split(",") if one]
    if not wanted or not set(wanted) <= {"did", "urls"}:
        raise Malformed("fields takes did and urls.", field="fields")
    return json_answer([{name: {"did": did, "urls": texts}[name] for name in wanted} for did, texts in found])


async def query_urls(request: Request) -> Respond:
    """Find records by a part of their addresses."""
    query = request.query_params
    asked = _url_query(request, include=query.get("include") or None, exclude=query.get("exclude") or None)
    return _url_answer(request, await _index(request).urls(request.principal, asked, base=request.exchange.base))


async def query_urls_metadata(request: Request) -> Respond:
    """Find records by what is said about their addresses."""
    query = request.query_params
    key = query.get("key")
    if not key:
        raise Malformed("key is missing: name a key of urls_metadata.", field="key")
    asked = _url_query(request, include=query.get("url") or None, key=key, value=query.get("value"))
    return _url_answer(request, await _index(request).urls(request.principal, asked, base=request.exchange.base))


async def stats(request: Request) -> Respond:
    """Count the records that the caller may read, and their bytes."""
    n, size = await _index(request).stats(request.principal)
    return json_answer({"fileCount": n, "totalFileSize": size})


async def dist(request: Request) -> Respond:
    """List other indexes that are asked for GUIDs unknown here: none."""
    return json_answer([])


async def mint(request: Request) -> Respond:
    """Make new GUIDs; nothing is stored."""
    count = query_int(request.query_params, "count", 1, low=0, high=MINTED)
    return json_answer({"guids": [str(uuid4()) for _ in range(count)]})


async def prefix(request: Request) -> Respond:
    """Tell the prefix of new GUIDs: none."""
    return json_answer({"prefix": ""})
