"""Submitting records to a project and exporting them, each type as one file."""

from __future__ import annotations

from contextlib import AsyncExitStack
from urllib.parse import quote

from commensal.core.permissions import Right
from commensal.core.projects import Project
from commensal.core.tabular.streams import stream_json, stream_table
from commensal.errors import BadRequest
from commensal.faces.face import Route
from commensal.faces.kit.answers import Respond, StreamAnswer
from commensal.faces.kit.opened import OpenedStream
from commensal.faces.kit.request import Request
from commensal.portal.caller import person_only
from commensal.portal.forms import Form
from commensal.portal.views.dictionary import fillable, template_path, tint_of
from commensal.portal.views.door_token import TOKEN_PATH
from commensal.portal.views.project_frame import OpenProject, open_project, project_page

__all__ = ["LARGEST", "ROUTES", "submission_page"]

#: What the page sends in one request (bytes): a little less than the route takes.
LARGEST = 67_000_000
_MEDIA = {
    "tsv": "text/tab-separated-values; charset=utf-8",
    "csv": "text/csv; charset=utf-8",
    "json": "application/json",
}


async def submit_page(request: Request) -> Respond:
    """Show where a file of records is checked and submitted."""
    opened = await open_project(request, Right.READ | Right.CREATE)
    return await submission_page(request, opened, Form())


async def submission_page(
    request: Request, opened: OpenProject, form: Form, outcome: object = None, *, status: int = 200
) -> Respond:
    """Make the page; ``form`` and ``outcome`` are those of its plain form, for browsers without scripts."""
    project = opened.project
    dictionary = (await request.services.dictionaries.current()).dictionary
    nodes = sorted((node for node in dictionary.types.values() if fillable(node)), key=lambda one: one.name)
    return project_page(
        request,
        "project_submit.html",
        opened,
        "submit",
        status=status,
        form=form,
        outcome=outcome,
        nodes=nodes,
        tint=tint_of,
        template_at=template_path,
        token_path=TOKEN_PATH,
        endpoint=f"/api/v0/submission/{quote(project.program_code, safe='')}/{quote(project.code, safe='')}",
        largest=LARGEST,
    )


async def export_type(request: Request) -> Respond:
    """Send all records of one type as a file, while they are read."""
    services, principal = request.services, request.principal
    form = request.query_params.get("format", "tsv").lower()
    if form not in _MEDIA:
        raise BadRequest(f"Records are exported as {', '.join(_MEDIA)}, not as {form[:40]!r}.")
    project: Project = await services.catalog.project(principal, request.params["project"], right=Right.READ)
    label = request.params["type"]
    async with AsyncExitStack() as opening:
        export = await opening.enter_async_context(
            services.exports.type(principal, project.program_code, project.code, label)
        )
        chunks = stream_json(export, with_id=True) if form == "json" else stream_table(export, form, with_id=True)
        # From here on the answer holds what was opened, and closes it when it has been sent.
        stack = opening.pop_all()
    name = f"{project.project_id}_{export.node.label}.{form}"
    return StreamAnswer(
        OpenedStream(chunks, stack),
        media_type=_MEDIA[form],
        headers={
            "content-disposition": f"attachment; filename*=UTF-8''{quote(name)}",
            "cache-control": "no-store",
            "x-content-type-options": "nosniff",
        },
    )


_PROJECT = "/portal/projects/{project}"

ROUTES = (
    Route("GET", f"{_PROJECT}/submit", person_only(submit_page), "Submit records", access="anonymous"),
    Route("GET", f"{_PROJECT}/export/{{type}}", export_type, "Export records of a type", access="anonymous"),
)
