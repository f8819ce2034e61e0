"""The Gen3 door: keys, submission, export, dictionary and GraphQL as a Gen3 commons speaks them (contracts/gen3.md)."""

from __future__ import annotations

from commensal.core.principals import Door
from commensal.faces.face import Face
from commensal.faces.gen3.caller import authenticate
from commensal.faces.gen3.errors import encode_error
from commensal.faces.gen3.routes import ROUTES

__all__ = ["FACE"]

FACE = Face(
    name="gen3",
    door=Door.GEN3,
    title="Gen3",
    prefixes=(
        "/user",
        "/api/v0",
        "/api/submission",
        "/api/_status",
        "/api/_version",
        "/peregrine",
        "/index",
        "/ga4gh",
        "/wts",
        "/mds",
        "/mds-admin",
    ),
    routes=ROUTES,
    encode_error=encode_error,
    authenticate=authenticate,
    security={"bearer": {"type": "http", "scheme": "bearer", "description": "Access token of an API key"}},
    description=(
        "What the `gen3` Python SDK and scripts for Gen3 commons speak. Save an API key of your profile page as "
        '`credentials.json`; `Gen3Auth(refresh_file="credentials.json")` needs no other address.'
    ),
)
