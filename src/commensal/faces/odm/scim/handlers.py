"""Users and groups: list, show, make, change, remove."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast

from commensal.core.users import fold_email
from commensal.errors import Malformed, NotFound
from commensal.faces.kit.answers import Answer, Respond, empty, json_bytes
from commensal.faces.kit.bodies import read_json
from commensal.faces.kit.request import Request
from commensal.faces.odm.scim.errors import SCIM_TYPE, ScimRefusal
from commensal.faces.odm.scim.filters import parse_filter
from commensal.faces.odm.scim.patches import Change, group_patch, truth, user_patch, word
from commensal.services.scim import UNCHANGED, GroupResource, UserResource

__all__ = [
    "change_group",
    "change_user",
    "create_group",
    "create_user",
    "delete_group",
    "delete_user",
    "get_group",
    "get_user",
    "list_groups",
    "list_users",
]

_CORE = "urn:ietf:params:scim:schemas:core:2.0:"
_LIST = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
#: Resources of a page where nothing is said, and at most.
_PAGE, _MOST = 100, 1000

#: What can be filtered by, and how the service calls it.
_USER_FILTER = {
    "username": "email",
    "emails": "email",
    "emails.value": "email",
    "displayname": "name",
    "externalid": "external_id",
    "id": "seq",
    "active": "active",
}
_GROUP_FILTER = {"displayname": "name", "externalid": "external_id", "id": "seq"}


def _send(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Respond:
    return Answer(json_bytes(value), status=status, media_type=SCIM_TYPE, headers=headers or {})


def _user(found: UserResource) -> dict[str, Any]:
    user = found.user
    made: dict[str, Any] = {
        "schemas": [f"{_CORE}User"],
        "id": str(user.seq),
        "userName": user.email,
        "displayName": user.label,
        "active": user.active,
        "emails": [{"type": "work", "value": user.email, "primary": True}],
        "meta": {"resourceType": "User", "created": user.created},
    }
    if found.external_id is not None:
        made["externalId"] = found.external_id
    return made


def _group(request: Request, found: GroupResource) -> dict[str, Any]:
    group = found.group
    meta: dict[str, Any] = {"resourceType": "Group"}
    if group.created is not None:
        meta["created"] = group.created
    made: dict[str, Any] = {
        "schemas": [f"{_CORE}Group"],
        "id": str(group.seq),
        "displayName": group.name,
        "meta": meta,
    }
    if found.external_id is not None:
        made["externalId"] = found.external_id
    if found.members is not None:
        made["members"] = [
            {
                "value": str(one.user),
                "display": one.name or one.email,
                "$ref": request.link(f"/api/v1/scim/Users/{one.user}"),
            }
            for one in found.members
        ]
    return made


def _whole(query: Mapping[str, str], name: str, default: int, least: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    if not re.fullmatch(r"-?[0-9]{1,9}", text):
        raise ScimRefusal("invalidValue", f"{name} must be a whole number, not {text[:40]!r}.")
    return max(least, int(text))


def _conditions(query: Mapping[str, str], allowed: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = dict(parse_filter(query.get("filter"), allowed))
    for name, value in found.items():
        if (name == "active") is not isinstance(value, bool):
            raise ScimRefusal("invalidFilter", "active is compared with true or false, all else with texts in quotes.")
    if "seq" in found:
        found["seq"] = int(found["seq"]) if re.fullmatch(r"[0-9]{1,18}", found["seq"]) else -1
    return found


def _paging(query: Mapping[str, str]) -> tuple[int, int]:
    """Return (startIndex from 1, count); numbers below the least count as it (RFC 7644, 3.4.2.4)."""
    return _whole(query, "startIndex", 1, 1), min(_whole(query, "count", _PAGE, 0), _MOST)


def _page(resources: list[dict[str, Any]], total: int, start: int) -> Respond:
    return _send(
        {
            "schemas": [_LIST],
            "totalResults": total,
            "startIndex": start,
            "itemsPerPage": len(resources),
            "Resources": resources,
        }
    )


def _number(request: Request, what: str) -> int:
    text = request.params["id"]
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise NotFound(f"There is no {what} {text[:40]!r}.")
    return int(text)


def _with_members(query: Mapping[str, str]) -> bool:
    return "members" not in [part.strip().lower() for part in query.get("excludedAttributes", "").split(",")]


async def _body(request: Request) -> dict[str, Any]:
    try:
        body = await read_json(request)
    except Malformed as error:
        raise ScimRefusal("invalidSyntax", error.message) from None
    if not isinstance(body, dict):
        raise ScimRefusal("invalidSyntax", "The body must be an object.")
    return cast("dict[str, Any]", body)


# --- users ------------------------------------------------------------------------------------------


async def list_users(request: Request) -> Respond:
    """List active accounts; site admins."""
    query = request.query_params
    start, count = _paging(query)
    conditions = _conditions(query, _USER_FILTER)
    found, total = await request.services.scim.users(request.principal, **conditions, offset=start - 1, limit=count)
    return _page([_user(one) for one in found], total, start)


async def get_user(request: Request) -> Respond:
    """Show an account; site admins."""
    return _send(_user(await request.services.scim.user(request.principal, _number(request, "user"))))


def _email(body: Mapping[str, Any]) -> str:
    """Return the address of an account: its userName, its one e-mail, or both when they are the same."""
    emails = body.get("emails")
    if emails is not None and (not isinstance(emails, list) or len(cast("list[Any]", emails)) > 1):
        raise ScimRefusal("invalidValue", "emails must be a list of one e-mail.")
    given = [body["userName"]] if body.get("userName") is not None else []
    given += [one.get("value") if isinstance(one, dict) else one for one in cast("list[Any]", emails or [])]
    texts = [word(one, "userName and the value of an e-mail") for one in given]
    if not texts:
        raise ScimRefusal("invalidValue", "Name the e-mail address of the account as userName.")
    if len({fold_email(text) for text in texts}) > 1:
        raise ScimRefusal("invalidValue", "userName must be the e-mail address: with it people sign in.")
    return texts[0]


async def create_user(request: Request) -> Respond:
    """Add an account, or change the one with this address; site admins."""
    body = await _body(request)
    external, name = body.get("externalId"), body.get("displayName")
    found = await request.services.scim.save_user(
        request.principal,
        _email(body),
        name=None if name is None else word(name, "displayName"),
        external_id=None if external is None else word(external, "externalId"),
        active=truth(body.get("active", True), "active"),
    )
    return _send(_user(found), 201, {"location": request.link(f"/api/v1/scim/Users/{found.user.seq}")})


def _values(change: Change) -> dict[str, Any]:
    """Return the attributes that accounts and groups have in common, as the services call them."""
    made: dict[str, Any] = {"external_id": UNCHANGED}
    if "displayName" in change.values:
        made["name"] = word(change.values["displayName"], "displayName")
    if "externalId" in change.values:
        value = change.values["externalId"]
        made["external_id"] = None if value is None else word(value, "externalId")
    return made


async def change_user(request: Request) -> Respond:
    """Change displayName, externalId and active of an account; site admins."""
    seq = _number(request, "user")
    change = user_patch(await _body(request))
    values = _values(change)
    if "active" in change.values:
        values["active"] = truth(change.values["active"], "active")
    if "userName" in change.values:
        was = await request.services.scim.user(request.principal, seq)
        if fold_email(word(change.values["userName"], "userName")) != fold_email(was.user.email):
            raise ScimRefusal("mutability", "userName is the e-mail address of the account, which stays.")
    return _send(_user(await request.services.scim.change_user(request.principal, seq, **values)))


async def delete_user(request: Request) -> Respond:
    """Switch an account off; site admins."""
    await request.services.scim.change_user(request.principal, _number(request, "user"), active=False)
    return empty(204)


# --- groups -----------------------------------------------------------------------------------------


async def list_groups(request: Request) -> Respond:
    """List the groups that the caller is in, or made; site admins see all."""
    query = request.query_params
    start, count = _paging(query)
    conditions = _conditions(query, _GROUP_FILTER)
    found, total = await request.services.scim.groups(
        request.principal, **conditions, members=_with_members(query), offset=start - 1, limit=count
    )
    return _page([_group(request, one) for one in found], total, start)


async def get_group(request: Request) -> Respond:
    """Show a group."""
    found = await request.services.scim.group(
        request.principal, _number(request, "group"), members=_with_members(request.query_params)
    )
    return _send(_group(request, found))


async def create_group(request: Request) -> Respond:
    """Make a group with the caller in it."""
    body = await _body(request)
    if body.get("members"):
        raise ScimRefusal("invalidValue", "Make the group without members, and add them by PATCH.")
    external = body.get("externalId")
    found = await request.services.scim.add_group(
        request.principal,
        word(body.get("displayName"), "displayName"),
        external_id=None if external is None else word(external, "externalId"),
    )
    return _send(_group(request, found), 201, {"location": request.link(f"/api/v1/scim/Groups/{found.group.seq}")})


async def change_group(request: Request) -> Respond:
    """Change name and members of a group, all or nothing; its maker and site admins."""
    change = group_patch(await _body(request))
    await request.services.scim.change_group(
        request.principal,
        _number(request, "group"),
        **_values(change),
        add=change.add,
        remove=change.remove,
        replace=change.replace,
    )
    return empty(204)


async def delete_group(request: Request) -> Respond:
    """Remove a group; its maker and site admins."""
    await request.services.scim.delete_group(request.principal, _number(request, "group"))
    return empty(204)
