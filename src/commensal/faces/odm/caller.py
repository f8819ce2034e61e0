"""Who calls the ODM door: an access token or an API token, in every combination that its client sends."""

from __future__ import annotations

from commensal.core.principals import Door, Principal
from commensal.errors import Unauthenticated
from commensal.faces.kit.credentials import header
from commensal.faces.kit.request import Request
from commensal.services.identity import anonymous

__all__ = ["NOT_AUTHENTICATED", "authenticate"]

NOT_AUTHENTICATED = (
    "User is not authenticated: send a valid access token in the header Authorization (Authorization: Bearer TOKEN) "
    "or an API token in the header Genestack-API-Token. Both are made on your profile page."
)


def _credential(request: Request) -> str | None:
    """Return the secret that counts; "" for an empty bearer, None when there is none.

    A bearer token comes first, whatever stands beside it. An Authorization of another kind counts only where there
    is no API token: the documented samples send one key in both headers, without a scheme (contracts/odm.md).
    """
    headers = request.scope["headers"]
    authorization = header(headers, b"authorization") or ""
    scheme, _, rest = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    token = header(headers, b"genestack-api-token") or ""
    if token:
        word, _, rest = token.partition(" ")  # the samples have a line that adds the word here, too
        return rest.strip() if word.lower() == "bearer" else token
    return authorization if authorization and not rest.strip() else None


async def authenticate(request: Request) -> Principal:
    """Return the caller; anonymous without a credential. Raises Unauthenticated for one that is not valid."""
    exchange = request.exchange
    about = {"address": request.address, "request_id": request.request_id, "route": exchange.template}
    secret = _credential(request)
    if secret is None:
        return anonymous(Door.ODM, **about)
    if not secret:
        raise Unauthenticated(NOT_AUTHENTICATED)
    return await request.services.identity.authenticate(Door.ODM, secret, **about)
