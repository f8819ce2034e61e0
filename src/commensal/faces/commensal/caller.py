"""Who calls our own API: a credential of any door, in that door's header."""

from __future__ import annotations

from commensal.core.principals import Door, Principal
from commensal.errors import Unauthenticated
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
    return anonymous(Door.API, address=request.address, request_id=request.request_id, route=request.exchange.template)


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
