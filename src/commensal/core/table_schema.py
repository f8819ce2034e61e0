"""Table Schema (Frictionless Data, specs.frictionlessdata.io/table-schema) over metadata: inferred, and checked.

A schema is ``{"fields": [{"name", "type"[, "constraints"]}]}``; the types are those of JSON values.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, cast

__all__ = ["Inference", "breaches"]

#: Types from the narrowest on; a column has the first that takes all of its values.
_TYPES = ("boolean", "integer", "number", "string", "object", "array")


def _takes(kind: str, value: Any) -> bool:
    if isinstance(value, bool):
        return kind in ("boolean", "any")
    match kind:
        case "integer" | "year":
            return isinstance(value, int) or (isinstance(value, float) and value.is_integer())
        case "number":
            return isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))
        case "object" | "geojson":
            return isinstance(value, dict)
        case "array":
            return isinstance(value, list)
        case "boolean":
            return False
        case "any":
            return True
        case _:  # string, and what is written as text: date, datetime, …
            return isinstance(value, str)


class Inference:
    """Gathers the columns of many objects and the types that take their values."""

    def __init__(self) -> None:
        self._columns: dict[str, set[str]] = {}

    def see(self, metadata: Any) -> None:
        """Take in one object; null and what is no object say nothing."""
        if not isinstance(metadata, dict):
            return
        for name, value in cast("dict[str, Any]", metadata).items():
            types = self._columns.setdefault(name, set(_TYPES))
            if value is not None:
                # 2.0 is a number to whoever wrote it, though the specification lets it be an integer.
                types.intersection_update(
                    kind
                    for kind in _TYPES
                    if _takes(kind, value) and not (kind == "integer" and isinstance(value, float))
                )

    def schema(self) -> dict[str, Any]:
        """Return the schema; a column of several types is ``any``, one without values ``string``."""
        fields: list[dict[str, str]] = []
        for name, types in self._columns.items():
            kind = "string" if len(types) == len(_TYPES) else next((one for one in _TYPES if one in types), "any")
            fields.append({"name": name, "type": kind})
        return {"fields": fields}


def breaches(schema: Any, metadata: Any) -> Iterator[tuple[str, str, str]]:
    """Yield (field, code, sentence) of each value that a schema does not take; fields it does not name are free."""
    fields = cast("dict[str, Any]", schema).get("fields") if isinstance(schema, dict) else None
    values = cast("dict[str, Any]", metadata) if isinstance(metadata, dict) else {}
    for field in cast("list[Any]", fields) if isinstance(fields, list) else ():
        if not isinstance(field, dict):
            continue
        one = cast("dict[str, Any]", field)
        name, kind = str(one.get("name", "")), str(one.get("type", "string"))
        constraints = one.get("constraints")
        rules = cast("dict[str, Any]", constraints) if isinstance(constraints, dict) else {}
        value = values.get(name)
        if value is None:
            if rules.get("required") is True:
                yield name, "constraint-error", f'The field "{name}" is required.'
        elif not _takes(kind, value):
            yield name, "type-error", f'The value {_short(value)} of the field "{name}" is no {kind}.'
        else:
            yield from ((name, "constraint-error", text) for text in _broken(name, value, rules))


def _broken(name: str, value: Any, rules: Mapping[str, Any]) -> Iterator[str]:
    enum, least, most = rules.get("enum"), rules.get("minimum"), rules.get("maximum")
    if isinstance(enum, list) and value not in cast("list[Any]", enum):
        yield f'The value {_short(value)} of the field "{name}" is none of those that are allowed.'
    if isinstance(value, int | float):
        if isinstance(least, int | float) and value < least:
            yield f'The value {value} of the field "{name}" is less than {least}.'
        if isinstance(most, int | float) and value > most:
            yield f'The value {value} of the field "{name}" is more than {most}.'


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
