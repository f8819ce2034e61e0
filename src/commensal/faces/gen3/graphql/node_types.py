"""``_node_type``: the dictionary itself, one row a type (contracts/gen3.md 5.2, 5.3)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import msgspec

from commensal.core.dictionary import Dictionary
from commensal.faces.gen3.graphql.arguments import FieldError
from commensal.faces.gen3.graphql.describe import node_type_keys

__all__ = ["node_types"]

_CONTROL = ("first", "order_by_asc", "order_by_desc")


def _text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode()


def _sort_text(name: str, row: Mapping[str, Any]) -> str:
    return _text(row.get(name)) or ""


def node_types(dictionary: Dictionary, arguments: Mapping[str, Any], columns: Mapping[str, str]) -> str:
    """Return the JSON list of the types that the arguments leave; what is no text is shown as JSON text.

    ``columns`` maps the names in the answer to fields.
    """
    rows = [
        node.schema
        for node in dictionary.types.values()
        if all(_text(node.schema.get(key)) == value for key, value in arguments.items() if key not in _CONTROL)
    ]
    keys = set(node_type_keys(dictionary))
    for argument in ("order_by_desc", "order_by_asc"):
        name = arguments.get(argument)
        if name is not None:
            if name not in keys:
                raise FieldError(f"Cannot order by {name} on NodeType")
            rows.sort(key=partial(_sort_text, str(name)), reverse=argument == "order_by_desc")
    first = arguments.get("first", 10)
    shown = [
        {key: "NodeType" if name == "__typename" else _text(row.get(name)) for key, name in columns.items()}
        for row in (rows[:first] if first > 0 else rows)
    ]
    return msgspec.json.encode(shown).decode()
