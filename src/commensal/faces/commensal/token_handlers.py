"""Exchange of a Gen3 API key, which opens nothing by itself, for an access token."""

from __future__ import annotations

import msgspec

from commensal.faces.kit.answers import Respond, json_answer
from commensal.faces.kit.bodies import read_struct
from commensal.faces.kit.request import Request

__all__ = ["access_token"]


class ApiKey(msgspec.Struct):
    """Body of ``POST access-token``."""

    api_key: str


async def access_token(request: Request) -> Respond:
    """Exchange an API key."""
    body = await read_struct(request, ApiKey, limit=20_000)
    request.exchange.no_store = True
    token = await request.services.keys.exchange(
        body.api_key, address=request.address, request_id=request.request_id, route=request.exchange.template
    )
    return json_answer({"access_token": token})
