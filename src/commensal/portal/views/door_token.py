"""A short-lived access token of the Gen3 door for the scripts of the portal's own pages.

So pages that submit or query speak to the same routes as every other client, with the same rules and answers.
"""

from __future__ import annotations

from commensal.faces.face import Route
from commensal.faces.kit.answers import Respond, json_answer
from commensal.faces.kit.request import Request
from commensal.portal.caller import person_only
from commensal.portal.forms import read_form

__all__ = ["ROUTES", "TOKEN_PATH"]

TOKEN_PATH = "/portal/door-token"  # noqa: S105 - an address


async def door_token(request: Request) -> Respond:
    """Give a token that acts as the person who is signed in, for a few minutes, and ends with the session."""
    await read_form(request)
    token, seconds = await request.services.keys.session_token(request.principal, base_url=request.exchange.base)
    return json_answer({"access_token": token, "expires_in": seconds}, 200, {"cache-control": "no-store"})


ROUTES = (
    Route(
        "POST",
        TOKEN_PATH,
        person_only(door_token),
        "A token for the portal's scripts",
        access="anonymous",
        body_limit=4_096,
        writes=False,
    ),
)
