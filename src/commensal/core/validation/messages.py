"""The slow validator: says in words what is wrong with a document, as Gen3 clients expect it (contracts/gen3.md 4.5).

Words and order come from python-jsonschema's Draft 4 validator. Whether a keyword holds is, where the two libraries
differ, decided by the fast one.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any, cast

import jsonschema_rs
from jsonschema import FormatChecker
from jsonschema import validators as library
from jsonschema.exceptions import ValidationError
from jsonschema.validators import Draft4Validator

from commensal.core.validation.schemas import FORMATS

__all__ = ["ErrorType", "Explainer", "FieldError", "python_validator"]


class ErrorType(StrEnum):
    """Kinds of errors of an entity, as the wire names them (contracts/gen3.md 4.5)."""

    INVALID_LINK = "INVALID_LINK"
    INVALID_PERMISSIONS = "INVALID_PERMISSIONS"
    INVALID_TYPE = "INVALID_TYPE"
    INVALID_VALUE = "INVALID_VALUE"
    MISSING_PROPERTY = "MISSING_PROPERTY"
    NOT_FOUND = "NOT_FOUND"
    NOT_UNIQUE = "NOT_UNIQUE"
    ERROR = "ERROR"


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing wrong with a document.

    ``keys`` is what the wire shows: the property, dotted where it lies inside it, empty for unknown properties.
    ``fields`` always names the properties of the document that it is about.
    """

    keys: tuple[str, ...]
    message: str
    type: ErrorType
    fields: tuple[str, ...] = ()


def _finite(_checker: object, value: object) -> bool:
    """JSON has no NaN and no infinity."""
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and (isinstance(value, int) or math.isfinite(value))
    )


@lru_cache(maxsize=4096)
def _decider(text: str) -> jsonschema_rs.Draft4Validator | None:
    try:
        return jsonschema_rs.Draft4Validator(json.loads(text))
    except (jsonschema_rs.ValidationError, ValueError):
        return None


def _no_match(_validator: Any, value: Any, instance: Any, _schema: Any) -> Iterator[ValidationError]:
    """Say that a text does not match, without trying: Python's expressions may take for ever, the fast ones cannot."""
    yield ValidationError(f"{instance!r} does not match {value!r}")


def _decided(keyword: str, *beside: str) -> Any:
    """Return a keyword check that asks the fast validator, and takes the words of the slow one."""
    slow = Draft4Validator.VALIDATORS[keyword]
    words = _no_match if keyword == "pattern" else slow

    def check(validator: Any, value: Any, instance: Any, schema: Mapping[str, Any]) -> Iterator[ValidationError]:
        single = {keyword: value, **{key: schema[key] for key in beside if key in schema}}
        decider = _decider(json.dumps(single))
        if decider is None:
            yield from slow(validator, value, instance, schema)
            return
        try:
            holds = decider.is_valid(instance)
        except (ValueError, TypeError):
            holds = False
        if holds:
            return
        try:
            found = list(words(validator, value, instance, schema))
        except (ArithmeticError, ValueError):
            found = []
        yield from found or [ValidationError(f"{instance!r} does not satisfy {keyword} {value!r}")]

    return check


_formats = FormatChecker(())
for _name, _function in FORMATS.items():
    # A format says nothing about values that are no texts.
    _formats.checkers[_name] = (lambda value, test=_function: not isinstance(value, str) or test(value), ())

_extend: Any = library.extend  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
_Draft4: Any = _extend(
    Draft4Validator,
    {
        "pattern": _decided("pattern"),
        "multipleOf": _decided("multipleOf"),
        "enum": _decided("enum"),
        "uniqueItems": _decided("uniqueItems"),
        "minimum": _decided("minimum", "exclusiveMinimum"),
        "maximum": _decided("maximum", "exclusiveMaximum"),
    },
    type_checker=Draft4Validator.TYPE_CHECKER.redefine("number", _finite),
)


def python_validator(schema: Mapping[str, Any]) -> Any:
    """Return the slow validator of a prepared schema, with format checks."""
    return _Draft4(schema, format_checker=_formats)


class Explainer:
    """Writes the errors of documents of one type."""

    def __init__(self, schema: Mapping[str, Any], nullable_links: frozenset[str]) -> None:
        self._validator = python_validator(schema)
        self._nullable_links = nullable_links

    def errors(self, entity: Any) -> list[FieldError]:
        """Return every error of a document, in the order of the schema's keywords and properties."""
        if isinstance(entity, dict):
            document = cast("dict[str, Any]", entity)
            entity = {
                key: value for key, value in document.items() if value is not None or key not in self._nullable_links
            }
        found: list[FieldError] = []
        try:
            found.extend(_described(error) for error in self._validator.iter_errors(entity))
        except RecursionError:
            found.append(FieldError((), "The document is nested too deeply", ErrorType.INVALID_VALUE))
        return found


def _described(error: ValidationError) -> FieldError:
    message = error.message
    if error.context:
        message += ": " + " and ".join(child.message for child in error.context)
    path = [str(step) for step in error.absolute_path]
    fields = tuple(path[:1])
    keys: tuple[str, ...] = (".".join(path),) if path else ()
    if not path and isinstance(error.instance, dict):
        instance = cast("dict[str, Any]", error.instance)
        schema = cast("Mapping[str, Any]", error.schema)
        if error.validator == "required":
            missing = _missing(error)
            keys, fields = (missing,), (missing,)
        elif error.validator == "additionalProperties":
            fields = tuple(key for key in instance if key not in schema.get("properties", {}))
    if error.validator == "required":
        kind = ErrorType.MISSING_PROPERTY
    elif "is not of type" in message:
        kind = ErrorType.INVALID_VALUE
    else:
        kind = ErrorType.ERROR
    return FieldError(keys, message, kind, fields)


def _missing(error: ValidationError) -> str:
    """The name is only in the message, in Python's spelling of a text; find the one it belongs to."""
    for name in cast("list[str]", error.validator_value):
        if error.message == f"{name!r} is a required property":
            return name
    return error.message.split("'")[1]
