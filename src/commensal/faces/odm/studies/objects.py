"""Lists of objects, single ones, their versions, edits and publishing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from commensal.core.files_query import Node
from commensal.core.studies import Found, Kind, ObjectQuery, Publication
from commensal.errors import Malformed, NotFound
from commensal.faces.kit.answers import Answer, Respond, json_answer
from commensal.faces.kit.bodies import read_json
from commensal.faces.kit.negotiation import prefer
from commensal.faces.kit.request import Request
from commensal.faces.odm import wire as files_wire
from commensal.faces.odm.handlers import CURATOR_PATH, check_curator
from commensal.faces.odm.studies import wire

__all__ = [
    "change",
    "files_by_study",
    "get_object",
    "get_task",
    "get_version",
    "list_linked",
    "list_objects",
    "list_of_group",
    "list_of_sample",
    "list_versions",
    "publish",
    "samples_by_study",
    "send_page",
    "studies_by_files",
    "study_by",
    "validation_summary",
]

_TSV = "text/tab-separated-values"
#: Most objects of a bare array, which has no pages.
_MOST = 100_000


async def send_page(request: Request, query: ObjectQuery) -> Respond:
    """Send a page of objects: JSON, or a table of text for ``Accept: text/tab-separated-values``."""
    parameters = request.query_params
    wire.check_format(parameters)
    how = wire.details(parameters, curator=_as_curator(request))
    limit = files_wire.number(parameters, "pageLimit", files_wire.LIMIT, files_wire.LIMIT)
    offset = files_wire.number(parameters, "pageOffset", 0, None)
    page = await request.services.studies.search(request.principal, query, offset=offset, limit=limit)
    declared = await request.services.studies.declared(query.kind)
    objects = [wire.shown(one, query.kind, how, declared) for one in page.items]
    if prefer(request.headers.get("accept"), ("application/json", _TSV)) == _TSV:
        return _table(objects, wire.first_keys(query.kind), page.total)
    pagination = {"count": len(objects), "total": page.total, "offset": offset, "limit": limit}
    return json_answer({"meta": {"pagination": pagination}, "data": objects})


def _as_curator(request: Request) -> bool:
    return request.exchange.template.startswith(CURATOR_PATH)


def _table(objects: list[dict[str, Any]], first: tuple[str, ...], total: int) -> Respond:
    return Answer(
        files_wire.table(objects, first),
        media_type=f"{_TSV}; charset=utf-8",
        headers=[("x-total-count", str(total))],
    )


async def _send(request: Request, kind: Kind, found: Found) -> Respond:
    parameters = request.query_params
    wire.check_format(parameters)
    how = wire.details(parameters, curator=_as_curator(request))
    declared = await request.services.studies.declared(kind, found.type)
    return json_answer(wire.shown(found, kind, how, declared))


Handler = Callable[[Request], Awaitable[Respond]]


def list_objects(kind: Kind) -> Handler:
    """Return the handler of a list."""

    async def handler(request: Request) -> Respond:
        await check_curator(request)
        return await send_page(request, wire.object_query(kind, request.query_params))

    return handler


def list_linked(kind: Kind, by: Kind) -> Handler:
    """Return the handler of a list of objects that belong together with those that filter and query find."""

    async def handler(request: Request) -> Respond:
        await check_curator(request)
        query = ObjectQuery(kind, linked=ObjectQuery(by, nodes=wire.nodes(request.query_params)))
        return await send_page(request, query)

    return handler


def list_of_group(kind: Kind) -> Handler:
    """Return the handler of the objects of a group, by pages."""

    async def handler(request: Request) -> Respond:
        await check_curator(request)
        seq = wire.known(request.params["id"], f"{kind} group")
        await request.services.study_links.object(request.principal, seq, f"{kind}Group")
        return await send_page(request, ObjectQuery(kind, group=seq))

    return handler


def list_of_sample(kind: Kind) -> Handler:
    """Return the handler of the libraries or preparations of a sample: a bare array."""

    async def handler(request: Request) -> Respond:
        await check_curator(request)
        seq = wire.known(request.params["id"], "sample")
        found = await request.services.studies.find(request.principal, Kind.SAMPLE, seq)
        return await _bare(request, ObjectQuery(kind, linked=ObjectQuery(Kind.SAMPLE, only=found.seq)))

    return handler


async def _bare(request: Request, query: ObjectQuery) -> Respond:
    wire.check_format(request.query_params)
    how = wire.details(request.query_params, curator=_as_curator(request))
    page = await request.services.studies.search(request.principal, query, limit=_MOST)
    declared = await request.services.studies.declared(query.kind)
    return json_answer([wire.shown(one, query.kind, how, declared) for one in page.items])


async def samples_by_study(request: Request) -> Respond:
    """List the samples of a study."""
    await check_curator(request)
    seq = wire.known(request.params["id"], "study")
    await request.services.studies.find(request.principal, Kind.STUDY, seq)
    return await send_page(request, ObjectQuery(Kind.SAMPLE, project=seq))


async def studies_by_files(request: Request) -> Respond:
    """List the studies with files that filter, query and the keys of structure find."""
    await check_curator(request)
    found: list[Node] = files_wire.nodes(request.query_params)
    return await send_page(request, ObjectQuery(Kind.STUDY, files=tuple(found)))


def get_object(kind: Kind) -> Handler:
    """Return the handler of one object."""

    async def handler(request: Request) -> Respond:
        await check_curator(request)
        seq = wire.known(request.params["id"], str(kind))
        return await _send(request, kind, await request.services.studies.find(request.principal, kind, seq))

    return handler


def list_versions(kind: Kind) -> Handler:
    """Return the handler of an object's versions."""

    async def handler(request: Request) -> Respond:
        await check_curator(request)
        seq = wire.known(request.params["id"], str(kind))
        found = await request.services.studies.versions(request.principal, kind, seq)
        return json_answer(
            [
                {
                    "author": one.author,
                    "message": one.message,
                    "timestamp": wire.milliseconds(one.at),
                    "version": str(one.n),
                }
                for one in found
            ]
        )

    return handler


def get_version(kind: Kind) -> Handler:
    """Return the handler of an object as one of its versions has it."""

    async def handler(request: Request) -> Respond:
        await check_curator(request)
        seq, text = wire.known(request.params["id"], str(kind)), request.params["version"]
        if not (text.isascii() and text.isdigit() and len(text) <= 10):
            raise NotFound(f"{request.params['id']} has no version {text[:40]!r}.")
        return await _send(
            request, kind, await request.services.studies.version(request.principal, kind, seq, int(text))
        )

    return handler


def change(kind: Kind) -> Handler:
    """Return the handler of an edit: the body's attributes are merged, null removes one."""

    async def handler(request: Request) -> Respond:
        await check_curator(request)
        seq = wire.known(request.params["id"], str(kind))
        body = await read_json(request)
        if not isinstance(body, dict):
            raise Malformed("The body must be an object: a map of attribute names to values.")
        return await _send(request, kind, await request.services.studies.change(request.principal, kind, seq, body))

    return handler


def study_by(kind: str) -> Handler:
    """Return the handler of the study of a sample or file."""

    async def handler(request: Request) -> Respond:
        await check_curator(request)
        seq = wire.known(request.params["id"], kind)
        ref = await request.services.study_links.object(request.principal, seq, kind)
        found = await request.services.studies.find(request.principal, Kind.STUDY, ref.project)
        return await _send(request, Kind.STUDY, found)

    return handler


async def files_by_study(request: Request) -> Respond:
    """List the files of a study: a bare array, or a table."""
    await check_curator(request)
    contents = files_wire.include_contents(request.query_params)
    seq = wire.known(request.params["id"], "study")
    await request.services.studies.find(request.principal, Kind.STUDY, seq)
    page = await request.services.file_search.search(request.principal, project=seq, limit=_MOST, contents=contents)
    objects = [files_wire.file_object(file) for file in page.items]
    if prefer(request.headers.get("accept"), ("application/json", _TSV)) == _TSV:
        return _table(objects, files_wire.FIRST, page.total)
    return json_answer(objects)


# --- publishing and checks --------------------------------------------------------------------------


def _task(publication: Publication) -> dict[str, Any]:
    moment = wire.milliseconds(publication.at)
    return {
        "id": f"GSF{publication.id}",
        "name": f"Publish versions of GSF{publication.project}",
        "status": "DONE",
        "application": "publish-versions",
        "startedAt": moment,
        "endedAt": moment,
        "createdBy": publication.author,
    }


async def publish(request: Request) -> Respond:
    """Name the current version of a study."""
    await check_curator(request)
    seq = wire.known(request.params["id"], "study")
    message = request.query_params.get("versionMessage", "")
    return json_answer(_task(await request.services.studies.publish(request.principal, seq, message)))


async def get_task(request: Request) -> Respond:
    """Show a task: it was done when it was started."""
    seq = wire.known(request.params["id"], "task")
    return json_answer(_task(await request.services.studies.publication(request.principal, seq)))


async def validation_summary(request: Request) -> Respond:
    """Count the values of samples that the dictionary does not take for the attributes that it declares."""
    await check_curator(request)
    seq = wire.known(request.params["id"], "study")
    groups: dict[int | None, dict[str, list[dict[str, Any]]]] = {}
    for one in await request.services.studies.invalid_values(request.principal, seq):
        text = one.value if isinstance(one.value, str) else files_wire.plain(one.value)
        error = {
            "errorType": "TYPE_NOT_MATCH",
            "errorMessage": f"The dictionary does not take this value for {one.key}.",
        }
        groups.setdefault(one.group, {}).setdefault(one.key, []).append(
            {"value": text, "count": one.count, "errors": [error]}
        )
    return json_answer(
        {
            "samples": [
                {
                    "groupAccession": "" if group is None else f"GSF{group}",
                    "attributes": [
                        {"attributeName": key, "attributeInvalidValues": values} for key, values in attributes.items()
                    ],
                }
                for group, attributes in groups.items()
            ]
        }
    )
