"""A project's settings: public level, strict or open, title and description."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from commensal.core.permissions import PublicLevel, Right
from commensal.core.projects import Mode
from commensal.errors import CommensalError, Invalid, InvalidRows, Problem, Unauthenticated
from commensal.faces.face import Route
from commensal.faces.kit.answers import Respond
from commensal.faces.kit.request import Request
from commensal.portal.caller import person_only
from commensal.portal.forms import Form, read_form
from commensal.portal.pages import done
from commensal.portal.views.project_frame import OpenProject, open_project, project_page

__all__ = ["ROUTES"]

_SMALL = 262_144
_LEVELS = (
    ("none", "Nobody else", "Only who holds a role here."),
    ("aggregate", "Counts", "Everybody sees how many records there are."),
    ("read", "Records", "Everybody reads metadata."),
    ("download", "All data", "Everybody reads metadata and downloads files."),
)


def _description(opened: OpenProject) -> str:
    extra = opened.project.extra
    return str(extra.get("description") or "") if isinstance(extra, Mapping) else ""


def _settings(
    request: Request,
    opened: OpenProject,
    *,
    status: int = 200,
    form: Form | None = None,
    violations: Sequence[Problem] = (),
) -> Respond:
    return project_page(
        request,
        "project_settings.html",
        opened,
        "settings",
        status=status,
        levels=_LEVELS,
        description=_description(opened),
        violations=violations,
        form=(form or Form()).shown(),
    )


async def settings_page(request: Request) -> Respond:
    """Show the settings."""
    return _settings(request, await open_project(request, Right.MANAGE))


async def set_level(request: Request) -> Respond:
    """Set what everybody may do."""
    form = await read_form(request)
    opened = await open_project(request, Right.MANAGE)
    level = PublicLevel.parse(form.text("level"))
    try:
        if level is None:
            raise Invalid("Choose one of the four levels.")
        await request.services.catalog.set_public_level(request.principal, opened.project, level)
    except Unauthenticated:
        raise
    except CommensalError as error:
        return _settings(request, opened, status=error.status, form=Form(message=error.message))
    return done(request, f"{opened.here}/settings", "The public level is set.")


async def set_mode(request: Request) -> Respond:
    """Make the project strict or open; what stands in the way is shown by record and field."""
    form = await read_form(request)
    opened = await open_project(request, Right.MANAGE)
    mode = Mode.STRICT if form.text("mode") == Mode.STRICT.value else Mode.OPEN
    try:
        await request.services.catalog.set_mode(request.principal, opened.project, mode)
    except Unauthenticated:
        raise
    except InvalidRows as error:
        return _settings(request, opened, status=error.status, violations=error.problems)
    except CommensalError as error:
        return _settings(request, opened, status=error.status, form=Form(message=error.message))
    return done(request, f"{opened.here}/settings", f"The project is {mode.value} now.")


async def set_about(request: Request) -> Respond:
    """Change title and description."""
    form = await read_form(request)
    opened = await open_project(request, Right.MANAGE)
    if not form.require(title="Give the project a title."):
        return _settings(request, opened, status=422, form=form)
    extra = opened.project.extra
    changes: dict[str, object] = {"title": form.text("title")}
    if extra is None or isinstance(extra, Mapping):
        kept = {name: value for name, value in (extra or {}).items() if name != "description"}
        if form.text("description"):
            kept["description"] = form.text("description").replace("\r\n", "\n")
        changes["extra"] = kept or None
    try:
        await request.services.catalog.update_project(request.principal, opened.project, **changes)
    except Unauthenticated:
        raise
    except CommensalError as error:
        return _settings(request, opened, status=error.status, form=form.refuse(error))
    return done(request, f"{opened.here}/settings", "Saved.")


_SETTINGS = "/portal/projects/{project}/settings"

ROUTES = (
    Route("GET", _SETTINGS, person_only(settings_page), "Settings of a project", access="anonymous"),
    Route("POST", f"{_SETTINGS}/level", person_only(set_level), "Public level", access="anonymous", body_limit=_SMALL),
    Route("POST", f"{_SETTINGS}/mode", person_only(set_mode), "Strict or open", access="anonymous", body_limit=_SMALL),
    Route(
        "POST",
        f"{_SETTINGS}/about",
        person_only(set_about),
        "Title and description",
        access="anonymous",
        body_limit=_SMALL,
    ),
)
