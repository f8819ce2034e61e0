"""For site admins: programs and the audit."""

from __future__ import annotations

from commensal.core.audit import AuditFilter
from commensal.core.principals import DOORS
from commensal.errors import CommensalError, Unauthenticated
from commensal.faces.face import Route
from commensal.faces.kit.answers import Respond
from commensal.faces.kit.request import Request
from commensal.portal.forms import Form, read_form
from commensal.portal.pages import done
from commensal.portal.views.admin_frame import SMALL, admin_only, admin_page

__all__ = ["ROUTES"]

PROGRAMS = "/portal/admin/programs"
EVENTS = 200


async def _programs(request: Request, *, status: int = 200, form: Form | None = None) -> Respond:
    programs = await request.services.catalog.list_programs(request.principal, homes=True)
    return admin_page(request, "programs", status=status, programs=programs, form=(form or Form()).shown())


async def programs_page(request: Request) -> Respond:
    """List programs."""
    return await _programs(request)


async def add_program(request: Request) -> Respond:
    """Make a program."""
    form = await read_form(request)
    if not form.require(code="Give the program a code."):
        return await _programs(request, status=422, form=form)
    try:
        program = await request.services.catalog.add_program(
            request.principal, form.text("code"), title=form.text("program_title") or None
        )
    except Unauthenticated:
        raise
    except CommensalError as error:
        return await _programs(request, status=error.status, form=form.refuse(error, title="program_title"))
    return done(request, PROGRAMS, f"Program {program.code} is made.")


async def audit_page(request: Request) -> Respond:
    """Show the newest events."""
    query = request.query_params
    only = AuditFilter(
        who=query.get("who", "").strip() or None,
        door=query.get("door") or None,
        action=query.get("action", "").strip() or None,
        result=query.get("result") or None,
    )
    events = await request.services.audit.tail(request.principal, EVENTS, only)
    doors = [("", "any"), *((door.value, door.value) for door in DOORS)]
    return admin_page(request, "audit", events=events, only=only, door_options=doors)


ROUTES = (
    Route("GET", PROGRAMS, admin_only(programs_page), "Programs", access="anonymous"),
    Route("POST", PROGRAMS, admin_only(add_program), "Make a program", access="anonymous", body_limit=SMALL),
    Route("GET", "/portal/admin/audit", admin_only(audit_page), "Audit", access="anonymous"),
)
