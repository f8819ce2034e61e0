"""Groups: whoever is signed in may see them; makers and site admins change them."""

from __future__ import annotations

from commensal.core.groups import Group
from commensal.errors import CommensalError, Forbidden, Unauthenticated
from commensal.faces.face import Route
from commensal.faces.kit.answers import Respond
from commensal.faces.kit.request import Request
from commensal.portal.caller import person_only
from commensal.portal.forms import Form, read_form
from commensal.portal.pages import Paging, addresses, done, page_of, render

__all__ = ["ROUTES"]

_SMALL = 65_536
HERE = "/portal/groups"


def _may_change(request: Request, group: Group) -> bool:
    principal = request.principal
    return not group.computed and (principal.site_admin or group.made_by == principal.user)


async def _groups(request: Request, *, status: int = 200, form: Form | None = None) -> Respond:
    offset, limit = page_of(request, limit=50)
    search = request.query_params.get("search", "").strip()
    page = await request.services.groups.list_groups(request.principal, search=search, offset=offset, limit=limit)
    return render(
        request,
        "groups.html",
        status=status,
        title="Groups",
        groups=[(group, _may_change(request, group)) for group in page.items],
        search=search,
        paging=Paging(offset, limit, page.total),
        address=addresses(request),
        may_make=request.principal.site_admin or request.services.settings.self_service,
        form=(form or Form()).shown(),
    )


async def groups_page(request: Request) -> Respond:
    """List groups."""
    return await _groups(request)


async def add_group(request: Request) -> Respond:
    """Make a group."""
    form = await read_form(request)
    if not form.require(name="Give the group a name."):
        return await _groups(request, status=422, form=form)
    try:
        group = await request.services.groups.add(request.principal, form.text("name"))
    except Unauthenticated:
        raise
    except CommensalError as error:
        return await _groups(request, status=error.status, form=form.refuse(error))
    return done(request, f"{HERE}/{group.seq}", f"The group {group.name} is made; now add its members.")


async def _group(request: Request, group: Group, *, status: int = 200, form: Form | None = None) -> Respond:
    members = await request.services.groups.members(request.principal, group)
    return render(
        request,
        "group.html",
        status=status,
        title=group.name,
        group=group,
        members=members,
        may_change=_may_change(request, group),
        form=(form or Form()).shown(),
    )


async def _find(request: Request) -> Group:
    return await request.services.groups.group(request.principal, int(request.params["group"]))


async def group_page(request: Request) -> Respond:
    """Show the members of a group."""
    return await _group(request, await _find(request))


async def add_member(request: Request) -> Respond:
    """Add somebody to a group."""
    form = await read_form(request)
    group = await _find(request)
    if not form.require(email="Type an e-mail address."):
        return await _group(request, group, status=422, form=form)
    try:
        await request.services.groups.add_members(request.principal, group, [form.text("email")])
    except (Unauthenticated, Forbidden):
        raise
    except CommensalError as error:
        return await _group(request, group, status=error.status, form=form.refuse(error))
    return done(request, f"{HERE}/{group.seq}", f"{form.text('email')} is a member of {group.name}.")


async def remove_member(request: Request) -> Respond:
    """Take somebody out of a group."""
    form = await read_form(request)
    group = await _find(request)
    await request.services.groups.remove_members(request.principal, group, [form.text("email")])
    return done(request, HERE, f"{form.text('email')} is no longer a member of {group.name}.")


async def delete_group(request: Request) -> Respond:
    """Remove a group."""
    await read_form(request)
    group = await _find(request)
    await request.services.groups.delete(request.principal, group)
    return done(request, HERE, f"The group {group.name} is deleted; its roles ended.")


ROUTES = (
    Route("GET", HERE, person_only(groups_page), "Groups", access="anonymous"),
    Route("POST", HERE, person_only(add_group), "Make a group", access="anonymous", body_limit=_SMALL),
    Route("GET", f"{HERE}/{{group:int}}", person_only(group_page), "A group", access="anonymous"),
    Route(
        "POST",
        f"{HERE}/{{group:int}}/add",
        person_only(add_member),
        "Add a member",
        access="anonymous",
        body_limit=_SMALL,
    ),
    Route(
        "POST",
        f"{HERE}/{{group:int}}/remove",
        person_only(remove_member),
        "Remove a member",
        access="anonymous",
        body_limit=_SMALL,
    ),
    Route(
        "POST",
        f"{HERE}/{{group:int}}/delete",
        person_only(delete_group),
        "Delete a group",
        access="anonymous",
        body_limit=_SMALL,
    ),
)
