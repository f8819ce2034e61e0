"""Small GraphQL texts made from Python values."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from commensal.errors import Malformed

__all__ = ["literal", "page_query"]

_NAME = re.compile(r"[_A-Za-z][_0-9A-Za-z]*")


def literal(value: Any) -> str:
    """Return a value as a GraphQL literal: text, numbers, booleans, None, lists, and dicts as input objects."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_name(key)}: {literal(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(literal(item) for item in value) + "]"
    if value is None or isinstance(value, str | bool | int | float):
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    raise Malformed(f"{value!r} cannot stand in a query: give text, numbers, booleans, lists or dicts.")


def _name(text: Any) -> str:
    if not isinstance(text, str) or not _NAME.fullmatch(text):
        raise Malformed(f"{text!r} is no name of GraphQL.")
    return text


def page_query(node: str, fields: str | Sequence[str], arguments: Mapping[str, Any], *, first: int, offset: int) -> str:
    """Return the query of one page of a node's records, in the order of their ids."""
    wanted = fields if isinstance(fields, str) else " ".join(fields)
    given = {"order_by_asc": "id", **arguments, "first": first, "offset": offset}
    if "order_by_desc" in arguments:
        del given["order_by_asc"]
    listed = ", ".join(f"{_name(key)}: {literal(value)}" for key, value in given.items())
    return f"{{ {_name(node)}({listed}) {{ {wanted} }} }}"
