"""Our own API under ``/commensal/v1``: what no foreign API has, and what ``import --url`` needs."""

from __future__ import annotations

from commensal.core.principals import Door
from commensal.faces.commensal.bytes import BYTES_ROUTES
from commensal.faces.commensal.caller import authenticate
from commensal.faces.commensal.errors import encode_error
from commensal.faces.commensal.routes import ROUTES
from commensal.faces.commensal.transfer_handlers import TRANSFER_ROUTES
from commensal.faces.commensal.tus_handlers import TUS_ROUTES
from commensal.faces.face import Face

__all__ = ["FACE"]

FACE = Face(
    name="commensal",
    door=Door.API,
    title="commensal API",
    prefixes=("/commensal/v1",),
    routes=ROUTES + TRANSFER_ROUTES + TUS_ROUTES + BYTES_ROUTES,
    encode_error=encode_error,
    authenticate=authenticate,
    security={
        "bearer": {"type": "http", "scheme": "bearer", "description": "Gen3 or ODM access token"},
        "token": {"type": "apiKey", "in": "header", "name": "Authorization", "description": "`Token …` of Pangea"},
        "pollyKey": {"type": "apiKey", "in": "header", "name": "x-api-key", "description": "Polly key"},
        "odmToken": {"type": "apiKey", "in": "header", "name": "Genestack-API-Token", "description": "ODM API token"},
        "basic": {"type": "http", "scheme": "basic", "description": "Opal key"},
    },
    description=(
        "Programs, projects, records and files in our own words. Send the credential of any door in that door's "
        "header: `Authorization: Bearer …` (Gen3 access token, ODM access token), `Authorization: Token …` (Pangea), "
        "`x-api-key` (Polly), `Genestack-API-Token` (ODM), or HTTP Basic (Opal key). Scripts of the portal's own pages "
        "send `X-Commensal-Form` beside the session cookie. "
        'Errors are `{"error": {"code", "message", "problems"}}`.'
    ),
)
