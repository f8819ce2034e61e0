"""The table of SCIM."""

from __future__ import annotations

from commensal.faces.face import Body, Parameter, Route
from commensal.faces.odm.scim import handlers
from commensal.faces.odm.scim.errors import SCIM_TYPE

__all__ = ["SCIM_ROUTES"]

_ERROR = {"type": "object", "properties": {"status": {"type": "string"}, "detail": {"type": "string"}}}
_400 = Body("The request breaks a rule; `scimType` says which.", schema=_ERROR, media_type=SCIM_TYPE)
_403 = Body("You may not do this.", schema=_ERROR, media_type=SCIM_TYPE)
_404 = Body("There is no such account or group, or none that you may see.", schema=_ERROR, media_type=SCIM_TYPE)
_409 = Body("The name is taken, or a rule of the site forbids it.", schema=_ERROR, media_type=SCIM_TYPE)
_401 = "No valid credential."
_ID = Parameter("id", "Number of the account or group.", "path", required=True, example="1000")
_EXCLUDED = Parameter("excludedAttributes", "`members`: without members.")
_PAGING = (
    Parameter("startIndex", "The first one of the page, from 1.", schema={"type": "integer", "default": 1}),
    Parameter("count", "Most of the page, up to 1,000.", schema={"type": "integer", "default": 100}),
)
_USER = {
    "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
    "id": "1000",
    "userName": "ada@example.org",
    "displayName": "Ada",
    "active": True,
    "emails": [{"type": "work", "value": "ada@example.org", "primary": True}],
}
_GROUP = {
    "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
    "id": "1001",
    "displayName": "Nephrology",
    "members": [{"value": "1000", "display": "Ada", "$ref": "https://commons.example.org/api/v1/scim/Users/1000"}],
}
_PATCH = {
    "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
    "Operations": [{"op": "replace", "value": {"displayName": "Ada L."}}],
}
_LIMIT = 8 * 1024 * 1024


def _page(example: object) -> Body:
    body = {"totalResults": 1, "startIndex": 1, "itemsPerPage": 1, "Resources": [example]}
    return Body("A page.", media_type=SCIM_TYPE, example=body)


def _one(example: object) -> Body:
    return Body("The resource.", media_type=SCIM_TYPE, example=example)


def _sent(example: object) -> Body:
    return Body("The resource or its changes.", media_type=SCIM_TYPE, example=example)


_USERS, _GROUPS = "/api/v1/scim/Users", "/api/v1/scim/Groups"
_REFUSED = {400: _400, 401: _401, 403: _403}

SCIM_ROUTES: tuple[Route, ...] = (
    Route(
        "GET",
        _USERS,
        handlers.list_users,
        "List accounts",
        "Those that are switched on, by number. For site admins.",
        (
            Parameter("filter", "Comparisons with `eq`, joined by `and`.", example='userName eq "ada@example.org"'),
            *_PAGING,
        ),
        answers={200: _page(_USER), **_REFUSED},
        tag="Accounts (SCIM)",
    ),
    Route(
        "POST",
        _USERS,
        handlers.create_user,
        "Add an account",
        "An account with this address is changed. It has no password: a site admin makes a reset link.",
        body=_sent(_USER),
        answers={201: _one(_USER), 409: _409, **_REFUSED},
        tag="Accounts (SCIM)",
        body_limit=_LIMIT,
    ),
    Route(
        "GET",
        f"{_USERS}/{{id}}",
        handlers.get_user,
        "Show an account",
        parameters=(_ID,),
        answers={200: _one(_USER), 404: _404, **_REFUSED},
        tag="Accounts (SCIM)",
    ),
    Route(
        "PATCH",
        f"{_USERS}/{{id}}",
        handlers.change_user,
        "Change an account",
        "`displayName`, `externalId` and `active`; what is not known here is left alone.",
        (_ID,),
        _sent(_PATCH),
        {200: _one(_USER), 404: _404, 409: _409, **_REFUSED},
        tag="Accounts (SCIM)",
        body_limit=_LIMIT,
    ),
    Route(
        "DELETE",
        f"{_USERS}/{{id}}",
        handlers.delete_user,
        "Switch an account off",
        parameters=(_ID,),
        answers={204: "It is off.", 404: _404, 409: _409, **_REFUSED},
        tag="Accounts (SCIM)",
    ),
    Route(
        "GET",
        _GROUPS,
        handlers.list_groups,
        "List groups",
        "Those that you are in or made, `Curator` first; site admins see all.",
        (Parameter("filter", "Comparisons with `eq`.", example='displayName eq "Curator"'), _EXCLUDED, *_PAGING),
        answers={200: _page(_GROUP), **_REFUSED},
        tag="Groups (SCIM)",
    ),
    Route(
        "POST",
        _GROUPS,
        handlers.create_group,
        "Make a group",
        "You are its maker and first member; others are added by PATCH.",
        body=_sent({"displayName": "Nephrology"}),
        answers={201: _one(_GROUP), 409: _409, **_REFUSED},
        tag="Groups (SCIM)",
        body_limit=_LIMIT,
    ),
    Route(
        "GET",
        f"{_GROUPS}/{{id}}",
        handlers.get_group,
        "Show a group",
        parameters=(_ID, _EXCLUDED),
        answers={200: _one(_GROUP), 404: _404, **_REFUSED},
        tag="Groups (SCIM)",
    ),
    Route(
        "PATCH",
        f"{_GROUPS}/{{id}}",
        handlers.change_group,
        "Change a group",
        "`displayName`, `externalId` and `members`, all or nothing. `Curator` is computed and cannot be changed.",
        (_ID,),
        _sent(_PATCH),
        {204: "It is changed.", 404: _404, 409: _409, **_REFUSED},
        tag="Groups (SCIM)",
        body_limit=_LIMIT,
    ),
    Route(
        "DELETE",
        f"{_GROUPS}/{{id}}",
        handlers.delete_group,
        "Remove a group",
        "The roles that were given to it go, too.",
        (_ID,),
        answers={204: "It is gone.", 404: _404, 409: _409, **_REFUSED},
        tag="Groups (SCIM)",
    ),
)
