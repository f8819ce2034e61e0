"""API keys, access tokens, the caller, public keys (contracts/gen3.md 3)."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast
from urllib.parse import parse_qs

import msgspec

from commensal.core.permissions import Right
from commensal.core.principals import CredentialKind, Door
from commensal.errors import BadRequest, Malformed, NotFound
from commensal.faces.gen3.users import authz_of, user_values
from commensal.faces.kit.answers import Respond, empty, json_answer
from commensal.faces.kit.bodies import read_bytes
from commensal.faces.kit.request import Request
from commensal.services.tokens import issuer_of

__all__ = [
    "credential_kinds",
    "delete_key",
    "exchange_key",
    "jwks",
    "jwt_keys",
    "list_keys",
    "new_key",
    "openid_configuration",
    "user",
]

_SMALL = 100_000


async def _given(request: Request) -> dict[str, Any]:
    """Return the members of a body: JSON whatever its type says, unless it is a form."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        form = await request.form(max_files=0, max_fields=20)
        return {key: str(value) for key, value in form.items()}
    data = await read_bytes(request, _SMALL)
    if kind == "application/x-www-form-urlencoded" and not data.lstrip().startswith(b"{"):
        try:
            fields = parse_qs(data.decode("ascii"), keep_blank_values=True, max_num_fields=20)
        except (ValueError, UnicodeDecodeError):
            raise Malformed("The form cannot be read.") from None
        return {key: values[-1] if len(values) == 1 else values for key, values in fields.items()}
    if not data.strip():
        return {}
    try:
        value: object = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError, ValueError) as error:
        raise Malformed(f"The body is no valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise Malformed("The body must be a JSON object.")
    return cast("dict[str, Any]", value)


def _seconds(request: Request) -> int | None:
    text = request.query_params.get("expires_in")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit()) or len(text) > 12 or int(text) <= 0:
        raise BadRequest(f"expires_in must be a positive number of seconds, not {text[:40]!r}.")
    return int(text)


def _scopes(given: dict[str, Any]) -> list[str] | None:
    scope = given.get("scope")
    if scope is None:
        return None
    if isinstance(scope, str):
        return scope.replace(",", " ").split()
    if isinstance(scope, list) and all(isinstance(one, str) for one in cast("list[Any]", scope)):
        return cast("list[str]", scope)
    raise BadRequest("scope must be a list of texts.")


# --- keys -------------------------------------------------------------------------------------------


async def credential_kinds(request: Request) -> Respond:
    """List the kinds of credentials."""
    base = request.exchange.base
    return json_answer({"cdis": f"{base}/user/credentials/cdis", "api": f"{base}/user/credentials/api"})


async def new_key(request: Request) -> Respond:
    """Make an API key; the answer, saved, is ``credentials.json``."""
    given = await _given(request)
    made = await request.services.keys.make(
        request.principal,
        Door.GEN3,
        seconds=_seconds(request),
        scopes=_scopes(given),
        base_url=request.exchange.base or None,
    )
    return json_answer({"key_id": made.shown["key_id"], "api_key": made.shown["api_key"]})


def _expiry(moment: datetime | None) -> int:
    return 0 if moment is None else int(moment.timestamp())


async def list_keys(request: Request) -> Respond:
    """List the caller's keys that still work, latest expiry first."""
    keys = await request.services.keys.list(request.principal, door=Door.GEN3)
    live = [key for key in keys if key.revoked is None and key.kind is CredentialKind.API_KEY]
    live.sort(key=lambda key: _expiry(key.expires), reverse=True)
    return json_answer({"jtis": [{"jti": key.public_id, "exp": _expiry(key.expires)} for key in live]})


async def delete_key(request: Request) -> Respond:
    """End one of the caller's keys."""
    key_id = request.params["key_id"]
    mine = {key.public_id for key in await request.services.keys.list(request.principal, door=Door.GEN3)}
    if key_id not in mine:
        raise NotFound(f"API key not found with JTI {key_id}")
    await request.services.keys.revoke(request.principal, key_id, door=Door.GEN3)
    return empty(204)


async def exchange_key(request: Request) -> Respond:
    """Give an access token for an API key."""
    given = await _given(request)
    api_key = given.get("api_key")
    if not isinstance(api_key, str) or not api_key:
        raise BadRequest("Please provide an api_key in payload")
    seconds = _seconds(request)
    token = await request.services.keys.exchange(
        api_key,
        **({} if seconds is None else {"lifetime": seconds}),
        base_url=request.exchange.base or None,
        address=request.address,
        request_id=request.request_id,
        route=request.exchange.template,
    )
    return json_answer({"access_token": token})


# --- the caller -------------------------------------------------------------------------------------


async def user(request: Request) -> Respond:
    """Show the caller with what it may do where."""
    principal, services = request.principal, request.services
    page = await services.catalog.list_projects(principal, right=Right.READ, by_grant_only=True, limit=None)
    programs = await services.catalog.list_programs(principal)
    on_programs = await services.catalog.program_rights(principal, programs)
    held = [(f"/programs/{program.code}", on_programs[program.seq]) for program in programs]
    held += [
        (f"/programs/{project.program_code}/projects/{project.code}", page.rights[project.seq])
        for project in page.items
    ]
    authz = authz_of(held, site_admin=principal.site_admin, uploads=principal.user is not None)
    return json_answer(user_values(principal, authz, []))


# --- public keys ------------------------------------------------------------------------------------


async def jwks(request: Request) -> Respond:
    """Show the public keys as a JWK Set."""
    return json_answer(await request.services.keys.jwks())


async def jwt_keys(request: Request) -> Respond:
    """Show the public keys as pairs of name and PEM."""
    return json_answer({"keys": [list(pair) for pair in await request.services.keys.public_pems()]})


async def openid_configuration(request: Request) -> Respond:
    """Say who signs the tokens and where its keys are; signing in by OpenID Connect is not offered."""
    issuer = issuer_of(request.exchange.base)
    return json_answer(
        {
            "issuer": issuer,
            "jwks_uri": f"{issuer}/.well-known/jwks",
            "userinfo_endpoint": f"{issuer}/user",
            "id_token_signing_alg_values_supported": ["RS256"],
            "subject_types_supported": ["public"],
            "response_types_supported": [],
            "scopes_supported": ["openid", "user", "data", "fence"],
        }
    )
