"""Turns a type's schema into what the two validators are given: JSON Schema Draft 4 keywords and nothing else.

Both validators see the same schema, and where the libraries read a keyword differently, one of them decides for both
(see :mod:`commensal.core.validation.messages`), so they cannot disagree.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, cast

from jsonschema import FormatChecker
from jsonschema.validators import Draft4Validator

__all__ = ["FORMATS", "allow_null", "is_rfc3339", "prepared"]

_PLAIN = frozenset(
    {
        *("type", "enum", "required", "format", "pattern", "minLength", "maxLength", "uniqueItems", "multipleOf"),
        *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minItems", "maxItems"),
        *("minProperties", "maxProperties"),
    },
)
_SCHEMA = frozenset({"items", "additionalItems", "additionalProperties", "not"})
_SCHEMA_LIST = frozenset({"allOf", "anyOf", "oneOf"})
_SCHEMA_MAP = frozenset({"properties", "patternProperties", "dependencies"})

_DATE_TIME = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt]([01]\d|2[0-3]):([0-5]\d):([0-5]\d)(\.\d+)?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)",
    re.ASCII,
)


def is_rfc3339(text: str) -> bool:
    """Tell whether a text is a date-time of RFC 3339, 5.6, with a real calendar day; leap seconds are refused."""
    found = _DATE_TIME.fullmatch(text)
    if found is None:
        return False
    try:
        datetime.fromisoformat(found[1])
    except ValueError:
        return False
    return True


def _library(name: str) -> Callable[[str], bool]:
    checker = FormatChecker((name,))
    return lambda text: checker.conforms(text, name)


#: The formats that are checked, by one function for both validators. All others mean nothing in Draft 4.
FORMATS: Mapping[str, Callable[[str], bool]] = {
    "date-time": is_rfc3339,
    **{
        name: _library(name)
        for name in ("email", "ipv4", "ipv6", "regex")
        if name in Draft4Validator.FORMAT_CHECKER.checkers
    },
}


def prepared(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema with its Draft 4 keywords only, in their order (errors are listed in that order)."""
    out: dict[str, Any] = {}
    for key, value in schema.items():
        if key in _PLAIN:
            if (key != "format" or value in FORMATS) and (key != "required" or _names(value)):
                out[key] = _once(cast("list[Any]", value)) if isinstance(value, list) else value
        elif key in _SCHEMA:
            out[key] = _deep(value)
        elif key in _SCHEMA_LIST and isinstance(value, list):
            out[key] = [_deep(item) for item in cast("list[Any]", value)]
        elif key in _SCHEMA_MAP and isinstance(value, dict):
            out[key] = {name: _deep(item) for name, item in cast("dict[str, Any]", value).items()}
    return out


def allow_null(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema that takes null besides what it took."""
    return {"anyOf": [{"type": "null"}, dict(schema)]}


def _deep(value: Any) -> Any:
    if isinstance(value, dict):
        return prepared(cast("dict[str, Any]", value))
    if isinstance(value, list):
        return [_deep(item) for item in cast("list[Any]", value)]
    return value


def _once(values: list[Any]) -> list[Any]:
    """Drop what is listed twice: Draft 4 forbids it in lists, and real dictionaries have it."""
    seen: dict[tuple[str, Any], Any] = {}
    for value in values:
        if isinstance(value, bool):
            key: tuple[str, Any] = ("bool", value)
        elif isinstance(value, list | dict):
            key = ("json", json.dumps(value, sort_keys=True))
        else:
            key = ("plain", value)
        seen.setdefault(key, value)
    return list(seen.values())


def _names(value: object) -> bool:
    """Draft 4 wants a list with at least one name; an empty one, common in dictionaries, requires nothing."""
    return isinstance(value, list) and bool(cast("list[Any]", value))
