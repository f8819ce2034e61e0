"""Who opened a page: the session's owner, else nobody in particular; and pages for signed-in people only."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from commensal.core.principals import Door, Principal
from commensal.errors import Unauthenticated
from commensal.faces.kit.answers import Respond
from commensal.faces.kit.request import Request
from commensal.portal.session import session_secret
from commensal.services.identity import anonymous

__all__ = ["View", "authenticate", "one_event", "person_only"]

View = Callable[[Request], Awaitable[Respond]]


async def authenticate(request: Request) -> Principal:
    """Return the caller of a page by the session cookie; a cookie that is over counts as none."""
    template = request.exchange.template
    secret = session_secret(request)
    if secret:
        found = await request.services.identity.session(
            secret, door=Door.PORTAL, address=request.address, request_id=request.request_id, route=template
        )
        if found is not None:
            return found
    return anonymous(Door.PORTAL, address=request.address, request_id=request.request_id, route=template)


def person_only(view: View) -> View:
    """Let only signed-in people open a page; others go to the sign-in page, and come back."""

    async def guarded(request: Request) -> Respond:
        if request.principal.user is None:
            raise Unauthenticated("Sign in to open this page.")
        return await view(request)

    return guarded


def one_event(view: View) -> View:
    """Make one event of the audit of all that a page reads."""

    async def told(request: Request) -> Respond:
        async with request.services.audit.request():
            return await view(request)

    return told
