"""Who holds which role on a project, and giving and taking roles."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

from commensal.core.permissions import RIGHT_MEANINGS, ROLES, Right
from commensal.core.projects import Project
from commensal.errors import CommensalError, Invalid, NotFound, Unauthenticated
from commensal.faces.face import Route
from commensal.faces.kit.answers import Respond
from commensal.faces.kit.request import Request
from commensal.portal.caller import person_only
from commensal.portal.forms import Form, read_form
from commensal.portal.pages import done
from commensal.portal.site import site_of
from commensal.portal.views.project_frame import OpenProject, open_project, project_page

__all__ = ["ROUTES"]

_SMALL = 65_536
_GROUP = "group:"
_ORDER = {role: number for number, role in enumerate(("owner", "manager", "clinician", "curator", "contributor"))}


def _role_text(role: str) -> str:
    """Return what a role adds, in a line."""
    held = ROLES[role]
    basis = {
        "counter": "",
        "viewer": "counter",
        "analyst": "viewer",
        "contributor": "analyst",
        "curator": "contributor",
        "manager": "curator",
        "owner": "manager",
        "clinician": "curator",
    }[role]
    added = [RIGHT_MEANINGS[right] for right in Right if right & held and not (basis and right & ROLES[basis])]
    text = "; ".join(added)
    return f"{basis}, and: {text}" if basis else text


_MEANINGS = {role: _role_text(role) for role in ROLES}


async def _program_rights(request: Request, opened: OpenProject) -> Right:
    program = await request.services.catalog.program(request.principal, opened.project.program)
    rights: dict[int, Right] = await request.services.catalog.program_rights(request.principal, [program])
    return rights[program.seq]


async def _members(request: Request, opened: OpenProject, *, status: int = 200, form: Form | None = None) -> Respond:
    grants = await request.services.grants.list_grants(request.principal, opened.project)
    on_program = bool(await _program_rights(request, opened) & Right.MANAGE)
    return project_page(
        request,
        "project_members.html",
        opened,
        "members",
        status=status,
        grants=sorted(grants, key=lambda grant: (grant.project is not None, _ORDER.get(grant.role, 9), grant.holder)),
        meanings=_MEANINGS,
        role_meanings=list(_MEANINGS.items()),
        role_options=[(role, role) for role in ROLES if not ROLES[role] & ~opened.rights] or [("viewer", "viewer")],
        may_manage_program=on_program,
        form=(form or Form()).shown(),
    )


async def members_page(request: Request) -> Respond:
    """Show who may do what."""
    return await _members(request, await open_project(request, Right.MANAGE))


def _end(request: Request, text: str) -> datetime | None:
    """Return the end of the named day in the site's time zone."""
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise Invalid("Give the last day as YYYY-MM-DD.", field="until") from None
    return datetime.combine(day + timedelta(days=1), time.min, site_of(request).zone)


async def _give(request: Request, form: Form, target: Project | str) -> str:
    """Give the role of a form; a name without @ is tried as a group's. Returns the holder's name."""
    holder = form.text("holder")
    if "@" not in holder and not holder.startswith(_GROUP):
        holder = _GROUP + holder
    row = await request.services.grants.grant(
        request.principal, holder, form.text("role"), target, until=_end(request, form.text("until"))
    )
    return row.holder


async def grant(request: Request) -> Respond:
    """Give a role to a person or a group."""
    form = await read_form(request)
    opened = await open_project(request, Right.MANAGE)
    if not form.require(holder="Type an e-mail address, or the name of a group."):
        return await _members(request, opened, status=422, form=form)
    whole = form.text("on") == "program"
    try:
        holder = await _give(request, form, opened.project.program_code if whole else opened.project)
    except Unauthenticated:
        raise
    except NotFound as error:
        form.problems["holder"] = error.message
        return await _members(request, opened, status=error.status, form=form)
    except CommensalError as error:
        return await _members(request, opened, status=error.status, form=form.refuse(error))
    place = f"all projects of {opened.project.program_code}" if whole else "this project"
    return done(request, f"{opened.here}/members", f"{holder} is {form.text('role')} of {place} now.")


async def revoke(request: Request) -> Respond:
    """Take a role away."""
    form = await read_form(request)
    opened = await open_project(request, Right.MANAGE)
    here = f"{opened.here}/members"
    try:
        await request.services.grants.revoke_id(request.principal, form.whole("grant", 1, (1 << 63) - 1) or 0)
    except Unauthenticated:
        raise
    except CommensalError as error:
        return done(request, here, error.message, "bad")
    return done(request, here, "The role is taken away; it ends at once.")


_MEMBERS = "/portal/projects/{project}/members"

ROUTES = (
    Route("GET", _MEMBERS, person_only(members_page), "Who may do what", access="anonymous"),
    Route("POST", f"{_MEMBERS}/grant", person_only(grant), "Give a role", access="anonymous", body_limit=_SMALL),
    Route("POST", f"{_MEMBERS}/revoke", person_only(revoke), "Take a role", access="anonymous", body_limit=_SMALL),
)
