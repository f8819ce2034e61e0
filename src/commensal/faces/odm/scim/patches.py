"""Bodies of accounts and groups, and PATCH operations on them (RFC 7644, 3.5.2), as changes; pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from commensal.faces.odm.scim.errors import ScimRefusal

__all__ = ["Change", "group_patch", "member_ids", "truth", "user_patch", "word"]

_PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
_MEMBER_PATH = re.compile(r'members\[\s*value\s+eq\s+"([^"]{1,40})"\s*\]', re.IGNORECASE)
_FIXED = ("id", "meta", "schemas")
_MOST = 1000


@dataclass(slots=True)
class Change:
    """What a PATCH asks for. ``values``: ``displayName``, ``externalId``, ``active``, ``userName``."""

    values: dict[str, Any] = field(default_factory=dict[str, Any])
    add: set[int] = field(default_factory=set[int])
    remove: set[int] = field(default_factory=set[int])
    replace: set[int] | None = None


def word(value: Any, name: str) -> str:
    """Return a text; raises ScimRefusal for anything else."""
    if not isinstance(value, str):
        raise ScimRefusal("invalidValue", f"{name} must be a text.")
    return value


def truth(value: Any, name: str) -> bool:
    """Return a truth, also one that was written as a text."""
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if not isinstance(value, bool):
        raise ScimRefusal("invalidValue", f"{name} must be true or false.")
    return value


def _object(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ScimRefusal("invalidSyntax", f"{what} must be an object.")
    return cast("Mapping[str, Any]", value)


def _operations(body: Any) -> Iterator[tuple[str, str | None, Any]]:
    whole = _object(body, "The body")
    schemas, operations = whole.get("schemas"), whole.get("Operations")
    if not isinstance(schemas, list) or _PATCH not in schemas:
        raise ScimRefusal("invalidSyntax", f"schemas must name {_PATCH}.")
    if not isinstance(operations, list) or not operations or len(cast("list[Any]", operations)) > _MOST:
        raise ScimRefusal("invalidSyntax", f"Operations must be a list of 1 to {_MOST} operations.")
    for one in cast("list[Any]", operations):
        operation = _object(one, "An operation")
        op, path = operation.get("op"), operation.get("path")
        if not isinstance(op, str) or op.lower() not in ("add", "replace", "remove"):
            raise ScimRefusal("invalidSyntax", "op must be add, replace or remove.")
        if path is not None and not isinstance(path, str):
            raise ScimRefusal("invalidPath", "path must be a text.")
        if op.lower() == "remove" and path is None:
            raise ScimRefusal("noTarget", "remove needs a path.")
        yield op.lower(), path, operation.get("value")


def _named(path: str | None, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the attributes that an operation names; a value under a path may hold it once more under its name."""
    if path is None:
        yield from _object(value, "The value of an operation without a path").items()
    elif isinstance(value, dict) and path in value:
        yield path, cast("dict[str, Any]", value)[path]
    else:
        yield path, value


def _set(change: Change, known: Mapping[str, str], op: str, name: str, value: Any) -> bool:
    """Note a plain attribute; True when there is one of this name here. Attributes of other systems are left alone."""
    plain = name.lower()
    if plain in _FIXED:
        raise ScimRefusal("mutability", f"{name} cannot be changed.")
    if plain not in known:
        return False
    change.values[known[plain]] = None if op == "remove" else value
    return True


_USER = {"username": "userName", "displayname": "displayName", "externalid": "externalId", "active": "active"}
_GROUP = {"displayname": "displayName", "externalid": "externalId"}


def user_patch(body: Any) -> Change:
    """Return what a PATCH of an account asks for; raises ScimRefusal."""
    change = Change()
    for op, path, value in _operations(body):
        for name, one in _named(path, value):
            _set(change, _USER, op, name, one)
    return change


def group_patch(body: Any) -> Change:
    """Return what a PATCH of a group asks for; raises ScimRefusal."""
    change = Change()
    for op, path, value in _operations(body):
        member = _MEMBER_PATH.fullmatch(path) if path else None
        if member is not None:
            if op != "remove":
                raise ScimRefusal("invalidPath", "Members are added by the path members.")
            change.remove.add(_number(member[1]))
            continue
        for name, one in _named(path, value):
            if name.lower() != "members":
                _set(change, _GROUP, op, name, one)
                continue
            seqs = set() if one is None else member_ids(one)
            if op == "add":
                change.add |= seqs
                change.remove -= seqs
            elif op == "replace" or one is None:
                change.replace, change.add, change.remove = seqs, set(), set()
            else:
                change.remove |= seqs
                change.add -= seqs
    return change


def member_ids(value: Any) -> set[int]:
    """Return the numbers of members: of a list of objects with ``value``, or of one."""
    items = cast("list[Any]", value) if isinstance(value, list) else [value]
    return {_number(word(_object(item, "A member").get("value"), "value of a member")) for item in items}


def _number(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise ScimRefusal("invalidValue", f"{text[:40]!r} is the id of no user.")
    return int(text)
