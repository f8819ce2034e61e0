"""What belongs together: links between objects and between groups, and groups of studies."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import msgspec

from commensal.core.studies import DATA_TYPES, Kind, ObjectLink
from commensal.errors import Malformed
from commensal.faces.kit.answers import Respond, empty, json_answer
from commensal.faces.kit.bodies import read_struct
from commensal.faces.kit.request import Request
from commensal.faces.odm.handlers import check_curator
from commensal.faces.odm.studies.wire import check_format, known
from commensal.faces.odm.wire import number

__all__ = [
    "batch",
    "data_types",
    "delete_link",
    "groups_by_study",
    "join",
    "list_links",
    "pairs_of_group",
    "part",
    "possible_links",
    "save_links",
]

Handler = Callable[[Request], Awaitable[Respond]]
#: Links of a page where nothing is said, and at most.
_PAGE, _MOST = 1000, 2000


class _Link(msgspec.Struct, rename="camel"):
    first_id: str
    first_type: str
    second_id: str
    second_type: str


class _Batch(msgspec.Struct, rename="camel"):
    first_type: str
    first_ids: list[str]
    offset: Annotated[int, msgspec.Meta(ge=0)] | None = None
    limit: Annotated[int, msgspec.Meta(ge=0, le=_MOST)] | None = None


def _envelope(rows: list[ObjectLink], total: int, offset: int, limit: int) -> Respond:
    data = [
        {
            "firstId": f"GSF{one.first}",
            "firstType": one.first_type,
            "secondId": f"GSF{one.second}",
            "secondType": one.second_type,
        }
        for one in rows
    ]
    pagination = {"count": len(data), "total": total, "offset": offset, "limit": limit}
    return json_answer({"meta": {"pagination": pagination}, "data": data})


def _needed(request: Request, name: str) -> str:
    text = request.query_params.get(name)
    if not text:
        raise Malformed(f"The parameter {name} is needed: the accession of an object.", field=name)
    return text


async def list_links(request: Request) -> Respond:
    """List what belongs to an object."""
    await check_curator(request)
    query = request.query_params
    first = known(_needed(request, "firstId"), "object")
    second = known(query["secondId"], "object") if query.get("secondId") else None
    offset, limit = number(query, "offset", 0, None), number(query, "limit", _PAGE, _MOST)
    rows, total = await request.services.study_links.links(
        request.principal,
        [first],
        first_type=query.get("firstType"),
        second=second,
        second_type=query.get("secondType"),
        offset=offset,
        limit=limit,
    )
    return _envelope(rows, total, offset, limit)


async def batch(request: Request) -> Respond:
    """List what belongs to many objects of one type."""
    await check_curator(request)
    body = await read_struct(request, _Batch)
    offset = 0 if body.offset is None else body.offset
    limit = _PAGE if body.limit is None else body.limit
    rows, total = await request.services.study_links.links(
        request.principal,
        [known(text, "object") for text in body.first_ids],
        first_type=body.first_type,
        offset=offset,
        limit=limit,
    )
    return _envelope(rows, total, offset, limit)


async def save_links(request: Request) -> Respond:
    """Join objects, all or none."""
    await check_curator(request)
    body = await read_struct(request, list[_Link])
    links = [
        ObjectLink(known(one.first_id, "object"), one.first_type, known(one.second_id, "object"), one.second_type)
        for one in body
    ]
    await request.services.study_links.link(request.principal, links, again=False)
    return empty(201)


async def delete_link(request: Request) -> Respond:
    """Part two objects."""
    await check_curator(request)
    ends: list[tuple[int, str]] = []
    for name in ("first", "second"):
        seq, type_name = known(_needed(request, f"{name}Id"), "object"), request.query_params.get(f"{name}Type")
        if not type_name:
            type_name = (await request.services.study_links.object(request.principal, seq, *DATA_TYPES)).type
        ends.append((seq, type_name))
    await request.services.study_links.unlink(request.principal, ObjectLink(*ends[0], *ends[1]))
    return empty(204)


def _of_path(request: Request, child: str, parent: str) -> ObjectLink:
    source = known(request.params["source"], child)
    return ObjectLink(known(request.params["target"], parent), parent, source, child)


def join(child: str, parent: str) -> Handler:
    """Return the handler that links two objects, or two groups, named in the path."""

    async def handler(request: Request) -> Respond:
        await check_curator(request)
        await request.services.study_links.link(
            request.principal,
            [_of_path(request, child, parent)],
            attribute=request.query_params.get("linkingAttribute"),
        )
        return empty(204)

    return handler


def part(child: str, parent: str) -> Handler:
    """Return the handler that parts two objects, or two groups, named in the path."""

    async def handler(request: Request) -> Respond:
        await check_curator(request)
        await request.services.study_links.unlink(request.principal, _of_path(request, child, parent))
        return empty(204)

    return handler


async def data_types(request: Request) -> Respond:
    """List the types of objects."""
    await check_curator(request)
    return json_answer(DATA_TYPES)


async def possible_links(request: Request) -> Respond:
    """List which types may belong together."""
    await check_curator(request)
    found = request.services.study_links.pairs(request.query_params.get("type"))
    return json_answer([{"firstType": one, "secondType": two} for one, two in found])


def groups_by_study(kind: Kind) -> Handler:
    """Return the handler of a study's groups: a bare array."""

    async def handler(request: Request) -> Respond:
        await check_curator(request)
        check_format(request.query_params)
        seq = known(request.params["id"], "study")
        found = await request.services.study_links.groups(request.principal, seq, kind)
        return json_answer([{"itemId": f"GSF{group}", "metadata": metadata} for group, metadata in found])

    return handler


def pairs_of_group(kind: Kind) -> Handler:
    """Return the handler of the pairs of a group's libraries or preparations with their samples, by pages."""

    async def handler(request: Request) -> Respond:
        await check_curator(request)
        query = request.query_params
        offset, limit = number(query, "pageOffset", 0, None), number(query, "pageLimit", _MOST, _MOST)
        seq = known(request.params["id"], f"{kind} group")
        rows, total = await request.services.study_links.pairs_of_group(
            request.principal, seq, kind, offset=offset, limit=limit
        )
        data: list[dict[str, Any]] = [
            {f"{kind}Id": f"GSF{member}", "sampleId": f"GSF{sample}"} for member, sample in rows
        ]
        pagination = {"count": len(data), "total": total, "offset": offset, "limit": limit}
        return json_answer({"meta": {"pagination": pagination}, "data": data})

    return handler
