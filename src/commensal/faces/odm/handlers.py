"""The four operations on files, as user and as curator."""

from __future__ import annotations

from collections.abc import AsyncIterator

from commensal.errors import Forbidden, NotFound
from commensal.faces.kit.answers import Answer, Respond, json_answer
from commensal.faces.kit.negotiation import prefer
from commensal.faces.kit.request import Request
from commensal.faces.odm.download import send_file
from commensal.faces.odm.errors import NotDownloadable
from commensal.faces.odm.wire import LIMIT, accession, file_object, include_contents, nodes, number, table

__all__ = ["CURATOR_PATH", "check_curator", "download_file", "get_file", "list_files"]

CURATOR_PATH = "/api/v1/as-curator"
_TSV = "text/tab-separated-values"
_NO_OBJECT = "Object with the accession {} could not be found."


async def check_curator(request: Request) -> None:
    """Refuse ``as-curator`` to those who are not in the group Curator."""
    if not request.exchange.template.startswith(CURATOR_PATH):
        return
    if not await request.services.groups.is_curator(request.principal):
        await request.services.audit.refusal(request.principal, "as-curator")
        raise Forbidden(
            "This needs membership of the group Curator: everyone who may create records somewhere. "
            "Use the same address with as-user to read."
        )


async def list_files(request: Request) -> Respond:
    """List files as JSON, or as a table of text for ``Accept: text/tab-separated-values``."""
    await check_curator(request)
    query = request.query_params
    limit = number(query, "pageLimit", LIMIT, LIMIT)
    offset = number(query, "pageOffset", 0, None)
    page = await request.services.file_search.search(
        request.principal, nodes(query), offset=offset, limit=limit, contents=include_contents(query)
    )
    objects = [file_object(file) for file in page.items]
    if prefer(request.headers.get("accept"), ("application/json", _TSV)) == _TSV:
        return Answer(table(objects), media_type=f"{_TSV}; charset=utf-8", headers=[("x-total-count", str(page.total))])
    pagination = {"count": len(objects), "total": page.total, "offset": offset, "limit": limit}
    return json_answer({"meta": {"pagination": pagination}, "data": objects})


async def get_file(request: Request) -> Respond:
    """Give one file's metadata."""
    await check_curator(request)
    contents = include_contents(request.query_params)
    seq = accession(request.params["id"])
    try:
        if seq is None:
            raise NotFound("")
        file = await request.services.file_search.find(request.principal, seq, contents=contents)
    except NotFound:
        raise NotFound(_NO_OBJECT.format(request.params["id"])) from None
    return json_answer(file_object(file))


async def download_file(request: Request) -> Respond:
    """Send a file's bytes, or for HEAD what they are.

    Metadata needs ``read``, bytes ``download``: who has only the first gets 403 here, which the client knows as
    ForbiddenException.
    """
    await check_curator(request)
    services, principal = request.services, request.principal
    seq = accession(request.params["id"])
    absent = NotFound(_NO_OBJECT.format(request.params["id"]))
    if seq is None:
        raise absent
    try:
        found = await services.file_search.find(principal, seq)
        project = await services.catalog.project(principal, found.project)
        file = await services.files.get(principal, project, seq=seq)
    except NotFound:
        if await services.file_search.is_something_else(principal, seq):
            raise NotDownloadable(
                f"{request.params['id']} cannot be downloaded: it is no file, or a file without bytes here."
            ) from None
        raise absent from None

    async def open_(start: int, length: int) -> AsyncIterator[bytes]:
        try:
            return await services.files.open(principal, project, file, start, length)
        except NotFound as error:
            raise NotDownloadable(f"{request.params['id']} cannot be downloaded: {error.message}") from None

    return await send_file(request, file, open_)
