"""Who calls: ``Authorization: Token …``, or ``?token=`` on the few reads that take it (contracts/pangea.md b1, b5)."""

from __future__ import annotations

from commensal.core.principals import Door, Principal
from commensal.errors import NotFound, Unauthenticated
from commensal.faces.kit.credentials import scheme_token
from commensal.faces.kit.request import Request
from commensal.faces.pangea.errors import BadToken
from commensal.services.identity import anonymous

__all__ = ["TOKEN_IN_ADDRESS", "authenticate"]

#: Tag of the routes that take the token with the address.
TOKEN_IN_ADDRESS = "reads that take ?token="  # noqa: S105 - a heading
#: Where a token is asked for, none is looked at.
_SIGN_IN = frozenset({("POST", "/api/auth/users/"), ("POST", "/api/auth/token/login")})


async def authenticate(request: Request) -> Principal:
    """Return the caller; anonymous without a token of this door's scheme. Raises BadToken for one that is not valid."""
    exchange = request.exchange
    about = {"address": request.address, "request_id": request.request_id, "route": exchange.template}
    route = exchange.route
    if (request.method, route.path) in _SIGN_IN:
        return anonymous(Door.PANGEA, **about)
    in_address = route.tag == TOKEN_IN_ADDRESS
    secret = scheme_token(request.scope["headers"], "token")
    if request.scope["query_string"]:
        query = request.query_params
        if query.get("format", "json") not in ("json", "api", "csv", "tar"):
            raise NotFound("There is no such format.")
        if secret is None and in_address:
            secret = query.get("token") or None
    if secret is None:
        return anonymous(Door.PANGEA, **about)
    try:
        return await request.services.identity.authenticate(Door.PANGEA, secret, **about)
    except Unauthenticated as error:
        raise BadToken(challenge=in_address) from error
