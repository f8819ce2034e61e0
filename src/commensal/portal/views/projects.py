"""The projects one may see, and making new ones."""

from __future__ import annotations

from typing import Any

from commensal.core.permissions import Right
from commensal.core.projects import Mode, Program, ProjectKind
from commensal.errors import CommensalError, NotFound, Unauthenticated
from commensal.faces.face import Route
from commensal.faces.kit.answers import Respond
from commensal.faces.kit.request import Request
from commensal.portal.caller import person_only
from commensal.portal.forms import Form, read_form
from commensal.portal.listing import listed
from commensal.portal.pages import Paging, addresses, done, page_of, render
from commensal.portal.paths import project_path

__all__ = ["ROUTES"]

_SMALL = 65_536
KINDS = tuple(kind.value for kind in ProjectKind)


async def _manageable(request: Request) -> list[Program]:
    """Return the programs in which this person may make projects."""
    if request.principal.user is None:
        return []
    catalog = request.services.catalog
    programs: list[Program] = await catalog.list_programs(request.principal)
    held = await catalog.program_rights(request.principal, programs)
    return [program for program in programs if held[program.seq] & Right.MANAGE]


async def projects_page(request: Request) -> Respond:
    """List projects, with search, program and kind."""
    query = request.query_params
    search, program, kind = query.get("search", "").strip(), query.get("program", ""), query.get("kind", "")
    offset, limit = page_of(request)
    catalog, principal = request.services.catalog, request.principal
    programs: list[Program] = await catalog.list_programs(principal)
    try:
        page = await catalog.list_projects(
            principal,
            right=Right.AGGREGATE,
            search=search,
            program=program or None,
            kind=kind if kind in KINDS else None,
            collections=True,
            counts=True,
            order="title",
            offset=offset,
            limit=limit,
        )
        found, total = listed(page), page.total
    except NotFound:
        found, total = [], 0
    signed_in = principal.user is not None
    return render(
        request,
        "projects.html",
        title="Projects",
        projects=found,
        paging=Paging(offset, limit, total),
        address=addresses(request),
        search=search,
        program=program,
        kind=kind,
        programs=programs,
        kinds=KINDS,
        may_create=signed_in and (request.services.settings.self_service or bool(await _manageable(request))),
    )


async def _new_page(
    request: Request, *, status: int = 200, form: Form | None = None, program_form: Form | None = None
) -> Respond:
    programs = await _manageable(request)
    options = [(str(program.seq), _program_label(program, request.principal.user)) for program in programs]
    shown = form or Form({"program": _wanted(request, programs)})
    return render(
        request,
        "project_new.html",
        status=status,
        title="New project",
        programs=programs,
        program_options=options,
        kind_options=[(kind, kind) for kind in KINDS if kind != ProjectKind.COLLECTION.value],
        form=shown.shown(),
        program_form=(program_form or Form()).shown(),
    )


def _wanted(request: Request, programs: list[Program]) -> str:
    """Return the number of the program that the address names, if it is among those offered."""
    code = request.query_params.get("program", "")
    return next((str(program.seq) for program in programs if program.code == code), "")


def _program_label(program: Program, user: int | None) -> str:
    if program.home_of is not None:
        return "my home program" if program.home_of == user else f"home program {program.code}"
    return program.title if program.title == program.code else f"{program.title} ({program.code})"


async def new_project_page(request: Request) -> Respond:
    """Show the form for a new project."""
    return await _new_page(request)


async def new_project(request: Request) -> Respond:
    """Make a project."""
    form = await read_form(request)
    if not form.require(title="Give the project a title."):
        return await _new_page(request, status=422, form=form)
    program = form.whole("program", 1, (1 << 63) - 1)
    values: dict[str, Any] = {
        "title": form.text("title"),
        "kind": form.text("kind") or ProjectKind.STUDY.value,
        "mode": form.text("mode") or Mode.OPEN.value,
    }
    try:
        if program is None:
            raise NotFound("Choose the program that the project belongs to.", field="program")
        project = await request.services.catalog.add_project(
            request.principal, program, form.text("code") or None, **values
        )
    except Unauthenticated:
        raise
    except CommensalError as error:
        return await _new_page(request, status=error.status, form=form.refuse(error))
    return done(request, project_path(project), f"Project {project.project_id} is made.")


async def new_program(request: Request) -> Respond:
    """Open a program of one's own."""
    form = await read_form(request)
    if not form.require(program_title="Give the program a title."):
        return await _new_page(request, status=422, program_form=form)
    try:
        program = await request.services.catalog.open_own_program(request.principal, form.text("program_title"))
    except Unauthenticated:
        raise
    except CommensalError as error:
        refused = form.refuse(error, title="program_title", code="program_title")
        return await _new_page(request, status=error.status, program_form=refused)
    return done(
        request,
        f"/portal/new-project?program={program.code}",
        f"Program {program.title} is yours; now make its first project.",
    )


ROUTES = (
    Route("GET", "/portal/projects", projects_page, "Projects", access="anonymous"),
    Route("GET", "/portal/new-project", person_only(new_project_page), "Form for a new project", access="anonymous"),
    Route(
        "POST", "/portal/new-project", person_only(new_project), "Make a project", access="anonymous", body_limit=_SMALL
    ),
    Route(
        "POST", "/portal/new-program", person_only(new_program), "Open a program", access="anonymous", body_limit=_SMALL
    ),
)
