"""The Pangea door: organizations, libraries, samples, results and their files (contracts/pangea.md)."""

from __future__ import annotations

from commensal.core.principals import Door
from commensal.faces.face import Face
from commensal.faces.pangea.caller import authenticate
from commensal.faces.pangea.errors import encode_error
from commensal.faces.pangea.routes import ROUTES

__all__ = ["FACE"]

FACE = Face(
    name="pangea",
    door=Door.PANGEA,
    title="Pangea",
    prefixes=("/api", "/pangea-storage"),
    routes=ROUTES,
    encode_error=encode_error,
    authenticate=authenticate,
    security={
        "Token": {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": "`Token ` and the token of your profile page, or of `auth/token/login`",
        }
    },
    description=(
        "What the `pangea_api` Python client speaks. A program is an organization, a project a library, a collection "
        "another sample group; samples, analysis results and fields are records, and a library's title, a sample's "
        "name and a result's module lead to them. Lists come in pages of 100 with absolute links; refusals are 403."
    ),
)
