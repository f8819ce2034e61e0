"""Organizations: programs under the names of this door (contracts/pangea.md b4)."""

from __future__ import annotations

from commensal.core.lineage import Lineage
from commensal.errors import AlreadyExists, NotFound
from commensal.faces.face import Route
from commensal.faces.kit.answers import Respond, empty, json_answer
from commensal.faces.kit.request import Request
from commensal.faces.pangea import found
from commensal.faces.pangea.asked import Given, envelope, filter_uuid, page_of, read_body
from commensal.faces.pangea.errors import FieldErrors, told
from commensal.faces.pangea.wire import organization, person

__all__ = ["ORGANIZATION_ROUTES"]

_TAKEN = "organization with this name already exists."
_NO_MEMBER = "Insufficient permissions to add user to organization."


async def list_organizations(request: Request) -> Respond:
    """List the organizations of which the caller may know."""
    page = page_of(request)
    rows = await request.services.lineages.programs(
        request.principal,
        uuid=filter_uuid(request, "uuid"),
        title=request.query_params.get("name") or None,
        **page.window,
    )
    return json_answer(envelope(request, page, [organization(one) for one in rows.items], rows.total))


async def make_organization(request: Request) -> Respond:
    """Make an organization; its maker owns it."""
    given = Given(await read_body(request))
    name = given.text("name", required=True, blank=False)
    given.check()
    with told(taken=_TAKEN):
        program = await request.services.catalog.open_own_program(request.principal, name or "")
    return json_answer(organization(program), 201)


async def show(request: Request, one: Lineage) -> Respond:
    """Show an organization."""
    return json_answer(organization(one.program))


async def change(request: Request, one: Lineage) -> Respond:
    """Rename an organization."""
    given = Given(await read_body(request), partial=request.method == "PATCH")
    name = given.text("name", required=True, blank=False)
    given.check()
    with told(taken=_TAKEN):
        program = await request.services.catalog.update_program(request.principal, one.program.seq, title=name)
    return json_answer(organization(program))


async def _delete(request: Request, one: Lineage) -> None:
    await request.services.deletion.delete_program(request.principal, one.program, cascade=True)


async def delete(request: Request, one: Lineage) -> Respond:
    """Delete an organization with all that is in it."""
    await _delete(request, one)
    return empty(204)


async def delete_nested(request: Request, one: Lineage) -> Respond:
    """Delete it, and answer with JSON, which the client reads."""
    await _delete(request, one)
    return json_answer({"status": "success"})


async def list_members(request: Request, one: Lineage) -> Respond:
    """List who is given a role in an organization."""
    page = page_of(request)
    rows = await request.services.people.of_program(request.principal, one.program, **page.window)
    return json_answer(envelope(request, page, [person(each) for each in rows.items], rows.total))


async def add_member(request: Request, one: Lineage) -> Respond:
    """Make somebody (by number, or by e-mail address) a member: a manager of the program."""
    given = Given(await read_body(request))
    user = given.text("user", required=True, blank=False)
    given.check()
    user = user or ""
    absent = FieldErrors({"user": [f'Invalid pk "{user[:80]}" - object does not exist.']})
    email = user
    if "@" not in user:
        if not (user.isascii() and user.isdigit()):
            raise FieldErrors({"user": [f"Incorrect type. Expected pk value, received {type(user).__name__}."]})
        with told(forbidden=_NO_MEMBER):
            email = await request.services.people.address_of(request.principal, one.program, int(user[:19]))
        if email is None:
            raise absent
    with told(forbidden=_NO_MEMBER):
        try:
            await request.services.grants.grant(request.principal, email, "manager", one.program)
        except NotFound:
            raise absent from None
        except AlreadyExists:
            pass
    return json_answer({"status": "success"})


ORGANIZATION_ROUTES: tuple[Route, ...] = (
    Route("GET", "/api/organizations", list_organizations, "List organizations", access="anonymous"),
    Route("POST", "/api/organizations", make_organization, "Make an organization"),
    Route("GET", "/api/organizations/{uuid}", found.doing(found.organization, show), "Show", access="anonymous"),
    Route(("PUT", "PATCH"), "/api/organizations/{uuid}", found.doing(found.organization, change), "Rename"),
    Route("DELETE", "/api/organizations/{uuid}", found.doing(found.organization, delete), "Delete, with all in it"),
    Route("GET", "/api/organizations/{uuid}/users", found.doing(found.organization, list_members), "Members"),
    Route("POST", "/api/organizations/{uuid}/users", found.doing(found.organization, add_member), "Add a member"),
    Route("GET", "/api/nested/{org}", found.doing(found.nested, show), "Show by name", access="anonymous"),
    Route(("PUT", "PATCH"), "/api/nested/{org}", found.doing(found.nested, change), "Rename"),
    Route("DELETE", "/api/nested/{org}", found.doing(found.nested, delete_nested), "Delete, with all in it"),
)
