"""Who calls our own API: a credential of any door, in that door's header, or a script of the portal's pages.

A script sends ``X-Commensal-Form``, the token that the forms of its page carry, beside the session cookie of the
browser; the cookie alone opens nothing here.
"""

from __future__ import annotations

from commensal.core.principals import Door, Principal
from commensal.errors import Unauthenticated
from commensal.faces.kit.browser import script_session
from commensal.faces.kit.credentials import Presented, all_presented
from commensal.faces.kit.request import Request
from commensal.services.identity import anonymous

__all__ = ["authenticate"]


async def authenticate(request: Request) -> Principal:
    """Return the caller; anonymous without a credential. Raises Unauthenticated for one that is not valid."""
    seen: set[tuple[str, str]] = set()
    failure: Unauthenticated | None = None
    for presented in all_presented(request.scope["headers"]):
        key = (presented.login, presented.secret)
        if key in seen:  # one header can belong to two doors; the service looks in all of them at once
            continue
        seen.add(key)
        try:
            return await _check(request, presented)
        except Unauthenticated as error:
            failure = failure or error
    if failure is not None:
        raise failure
    session = script_session(request)
    if session is not None:
        return await _browser(request, session)
    return anonymous(Door.API, address=request.address, request_id=request.request_id, route=request.exchange.template)


async def _browser(request: Request, session: str) -> Principal:
    found = await request.services.identity.session(
        session,
        door=Door.API,
        address=request.address,
        request_id=request.request_id,
        route=request.exchange.template,
    )
    if found is None:
        raise Unauthenticated("Your session is over, or this page is older than it: load the page again.")
    return found


async def _check(request: Request, presented: Presented) -> Principal:
    identity = request.services.identity
    template = request.exchange.template
    if presented.kind == "basic":
        return await identity.authenticate_basic(
            Door.API,
            presented.login,
            presented.secret,
            address=request.address,
            request_id=request.request_id,
            route=template,
        )
    return await identity.authenticate(
        Door.API, presented.secret, address=request.address, request_id=request.request_id, route=template
    )
