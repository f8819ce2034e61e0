"""Who calls the Gen3 door: a bearer access token; for the making of keys a portal session, too."""

from __future__ import annotations

from commensal.core.principals import Door, Principal
from commensal.errors import CredentialExpired, Unauthenticated
from commensal.faces.kit.credentials import bearer, cookie
from commensal.faces.kit.request import Request
from commensal.services.identity import anonymous

__all__ = ["TokenRefused", "authenticate"]

#: The only place of this door where the portal's session counts (contracts/gen3.md 3.1).
_SESSION_PLACE = "/user/credentials"
_SESSION = "commensal_session"


class TokenRefused(Unauthenticated):
    """A token was sent and is not valid; ``reason`` is what the list routes say of it (contracts/gen3.md 4.2)."""

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


def _refused(token: str, error: Unauthenticated) -> TokenRefused:
    if isinstance(error, CredentialExpired):
        reason = "Signature has expired"
    elif token.count(".") != 2:
        reason = "Not enough segments"
    else:
        reason = "Signature verification failed"
    return TokenRefused(error.message, reason)


async def authenticate(request: Request) -> Principal:
    """Return the caller; anonymous without a bearer token. Raises TokenRefused for one that is not valid."""
    exchange = request.exchange
    about = {"address": request.address, "request_id": request.request_id, "route": exchange.template}
    headers = request.scope["headers"]
    token = bearer(headers)
    if token is not None:
        try:
            return await request.services.identity.authenticate(Door.GEN3, token, **about)
        except Unauthenticated as error:
            raise _refused(token, error) from error
    if exchange.template.startswith(_SESSION_PLACE):
        name = f"__Host-{_SESSION}" if exchange.base.startswith("https:") else _SESSION
        secret = cookie(headers, name)
        if secret:
            found = await request.services.identity.session(secret, door=Door.GEN3, **about)
            if found is not None:
                return found
    return anonymous(Door.GEN3, **about)
