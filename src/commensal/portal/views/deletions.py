"""Deleting records and projects, and bringing back what was deleted."""

from __future__ import annotations

from commensal.core.permissions import Right
from commensal.core.projects import Project
from commensal.core.records import Deletion, Record
from commensal.errors import CommensalError, NotFound, Unauthenticated
from commensal.faces.face import Route
from commensal.faces.kit.answers import Respond
from commensal.faces.kit.request import Request
from commensal.portal.caller import person_only
from commensal.portal.formats import plural
from commensal.portal.forms import read_form
from commensal.portal.listing import shown_type
from commensal.portal.pages import done
from commensal.portal.paths import project_path
from commensal.portal.views.admin_frame import SMALL, admin_only, admin_page

__all__ = ["ROUTES"]

HERE = "/portal/admin/deletions"


def _contents(deletion: Deletion) -> str:
    """Return what a deletion took, in words."""
    return ", ".join(plural(n, shown_type(name), shown_type(name)) for name, n in deletion.counts.items() if n)


async def delete_record(request: Request) -> Respond:
    """Delete a record with what hangs below it."""
    await read_form(request)
    services, principal = request.services, request.principal
    project: Project = await services.catalog.project(principal, request.params["project"], right=Right.DELETE)
    record: Record = await services.records.get(principal, request.params["record"])
    if record.project != project.seq:
        raise NotFound("There is no such record in this project.")
    try:
        deletion: Deletion = await services.deletion.delete_records(principal, project, [record.seq])
    except Unauthenticated:
        raise
    except CommensalError as error:
        problems = " ".join(str(problem) for problem in getattr(error, "problems", ())[:3])
        return done(
            request, f"{project_path(project)}/records/{record.uuid}", f"{error.message} {problems}".strip(), "bad"
        )
    sentence = f"Deleted: {_contents(deletion)}. A site admin can bring it back for 30 days (deletion {deletion.id})."
    return done(request, f"{project_path(project)}?type={record.type}", sentence)


async def delete_project(request: Request) -> Respond:
    """Delete a project with all that is in it, after its id was typed."""
    form = await read_form(request)
    services, principal = request.services, request.principal
    project: Project = await services.catalog.project(principal, request.params["project"], right=Right.MANAGE)
    here = f"{project_path(project)}/settings"
    if form.text("project_id") != project.project_id:
        return done(request, here, f"Nothing was deleted: type {project.project_id} to confirm.", "bad")
    try:
        deletion: Deletion = await services.deletion.delete_project(principal, project, cascade=True)
    except Unauthenticated:
        raise
    except CommensalError as error:
        return done(request, here, error.message, "bad")
    sentence = f"{project.project_id} is deleted. A site admin can bring it back for 30 days (deletion {deletion.id})."
    return done(request, "/portal/projects", sentence)


async def deletions_page(request: Request) -> Respond:
    """List what can be brought back."""
    found: list[Deletion] = await request.services.deletion.list(request.principal)
    rows = [(one, _contents(one)) for one in found if one.restored is None]
    return admin_page(request, "deletions", deletions=rows)


async def undelete(request: Request) -> Respond:
    """Bring a deletion back."""
    await read_form(request)
    number = int(request.params["deletion"])
    try:
        deletion: Deletion = await request.services.deletion.undelete(request.principal, number)
    except Unauthenticated:
        raise
    except CommensalError as error:
        return done(request, HERE, error.message, "bad")
    return done(request, HERE, f"{deletion.title} is back.")


_PROJECT = "/portal/projects/{project}"

ROUTES = (
    Route(
        "POST",
        f"{_PROJECT}/records/{{record:uuid}}/delete",
        person_only(delete_record),
        "Delete a record",
        access="anonymous",
        body_limit=SMALL,
    ),
    Route(
        "POST",
        f"{_PROJECT}/settings/delete",
        person_only(delete_project),
        "Delete a project",
        access="anonymous",
        body_limit=SMALL,
    ),
    Route("GET", HERE, admin_only(deletions_page), "Deleted", access="anonymous"),
    Route(
        "POST",
        f"{HERE}/{{deletion:int}}/undelete",
        admin_only(undelete),
        "Bring back",
        access="anonymous",
        body_limit=SMALL,
    ),
)
