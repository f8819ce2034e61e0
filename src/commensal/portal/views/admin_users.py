"""For site admins: accounts and invitations."""

from __future__ import annotations

from commensal.errors import CommensalError, NotFound, Unauthenticated
from commensal.faces.face import Route
from commensal.faces.kit.answers import Respond
from commensal.faces.kit.request import Request
from commensal.portal.forms import Form, read_form
from commensal.portal.pages import Paging, addresses, done, page_of
from commensal.portal.views.admin_frame import SMALL, admin_only, admin_page

__all__ = ["ROUTES"]

HERE = "/portal/admin/users"


async def _users(
    request: Request,
    *,
    status: int = 200,
    form: Form | None = None,
    link: str = "",
    link_title: str = "",
    link_text: str = "",
) -> Respond:
    identity, principal = request.services.identity, request.principal
    search = request.query_params.get("search", "").strip()
    offset, limit = page_of(request)
    users, total = await identity.list_users(principal, search, offset=offset, limit=limit)
    return admin_page(
        request,
        "users",
        status=status,
        users=users,
        paging=Paging(offset, limit, total),
        address=addresses(request),
        search=search,
        invitations=await identity.list_invitations(principal),
        form=(form or Form()).shown(),
        link=link,
        link_title=link_title,
        link_text=link_text,
    )


async def users_page(request: Request) -> Respond:
    """List accounts."""
    return await _users(request)


async def invite(request: Request) -> Respond:
    """Invite somebody; without a mail server, show the link once."""
    form = await read_form(request)
    if not form.require(email="Type an e-mail address."):
        return await _users(request, status=422, form=form)
    try:
        invitation = await request.services.identity.invite(
            request.principal, form.text("email"), name=form.text("name")
        )
    except Unauthenticated:
        raise
    except CommensalError as error:
        return await _users(request, status=error.status, form=form.refuse(error))
    if request.services.mail.configured:
        return done(request, HERE, f"The invitation to {invitation.email} is on its way.")
    return await _users(
        request,
        link=invitation.link,
        link_title=f"Invitation of {invitation.email}",
        link_text="Pass this link on; it is not shown again.",
    )


async def withdraw(request: Request) -> Respond:
    """Make an invitation void."""
    form = await read_form(request)
    await request.services.identity.withdraw_invitation(request.principal, form.whole("id", 1, (1 << 63) - 1) or 0)
    return done(request, HERE, "The invitation is withdrawn.")


def _number(request: Request) -> int:
    return int(request.params["user"])


async def _change(request: Request, change: str) -> Respond:
    form = await read_form(request)
    identity, principal, user = request.services.identity, request.principal, _number(request)
    found = await identity.user(principal, user)
    if user == principal.user and change in ("deactivate", "admin"):
        return done(request, HERE, "You cannot do this to your own account; ask another site admin.", "bad")
    try:
        if change == "deactivate":
            await identity.deactivate(principal, user)
            sentence = f"{found.email} is deactivated."
        elif change == "activate":
            await identity.activate(principal, user)
            sentence = f"{found.email} is active again."
        else:
            await identity.set_site_admin(principal, user, site_admin=form.ticked("on"))
            sentence = f"{found.email} is {'now' if form.ticked('on') else 'no longer'} a site admin."
    except (Unauthenticated, NotFound):
        raise
    except CommensalError as error:
        return done(request, HERE, error.message, "bad")
    return done(request, HERE, sentence)


async def deactivate(request: Request) -> Respond:
    """Switch an account off."""
    return await _change(request, "deactivate")


async def activate(request: Request) -> Respond:
    """Switch an account on."""
    return await _change(request, "activate")


async def set_admin(request: Request) -> Respond:
    """Make an account a site admin, or an ordinary one."""
    return await _change(request, "admin")


async def reset_link(request: Request) -> Respond:
    """Make a link that sets a new password, to hand over."""
    await read_form(request)
    identity, principal = request.services.identity, request.principal
    found = await identity.user(principal, _number(request))
    try:
        link = await identity.reset_link(principal, found.seq)
    except Unauthenticated:
        raise
    except CommensalError as error:
        return done(request, HERE, error.message, "bad")
    if request.services.mail.configured:
        return done(request, HERE, f"A password link is on its way to {found.email}.")
    return await _users(
        request,
        link=link,
        link_title=f"New password for {found.email}",
        link_text="Pass this link on; it works for an hour and is not shown again.",
    )


ROUTES = (
    Route("GET", HERE, admin_only(users_page), "Accounts", access="anonymous"),
    Route("POST", f"{HERE}/invite", admin_only(invite), "Invite", access="anonymous", body_limit=SMALL),
    Route("POST", f"{HERE}/withdraw", admin_only(withdraw), "Withdraw", access="anonymous", body_limit=SMALL),
    Route(
        "POST",
        f"{HERE}/{{user:int}}/deactivate",
        admin_only(deactivate),
        "Switch off",
        access="anonymous",
        body_limit=SMALL,
    ),
    Route(
        "POST", f"{HERE}/{{user:int}}/activate", admin_only(activate), "Switch on", access="anonymous", body_limit=SMALL
    ),
    Route(
        "POST",
        f"{HERE}/{{user:int}}/admin",
        admin_only(set_admin),
        "Site admin or not",
        access="anonymous",
        body_limit=SMALL,
    ),
    Route(
        "POST",
        f"{HERE}/{{user:int}}/reset",
        admin_only(reset_link),
        "Password link",
        access="anonymous",
        body_limit=SMALL,
    ),
)
