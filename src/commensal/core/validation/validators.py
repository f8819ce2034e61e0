"""The validators of a dictionary's types: the fast one decides, the slow one is asked about what it refused."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import jsonschema_rs
from jsonschema.exceptions import SchemaError
from jsonschema.validators import Draft4Validator

from commensal.core.dictionary import Dictionary, NodeType, nullable
from commensal.core.validation.messages import ErrorType, Explainer, FieldError, python_validator
from commensal.core.validation.schemas import FORMATS, allow_null, prepared
from commensal.errors import SetupError

__all__ = ["TypeValidator", "Validators", "compile_validators"]

_UNSTORABLE = "The document contains a text with half of a surrogate pair, which cannot be stored"


class TypeValidator:
    """Validates documents of one type, links included, as sent: ``{"type": …, "submitter_id": …, "<link>": …}``."""

    def __init__(self, node: NodeType) -> None:
        schema = prepared(nullable(node.schema))
        # Null for an optional link means "no such links"; the schema of a link does not say so.
        links = frozenset(link.name for link in node.links if link.name not in node.required)
        properties: dict[str, Any] = schema.get("properties", {})
        loose = {name: allow_null(value) if name in links else value for name, value in properties.items()}
        self.name = node.name
        self._fast = _fast({**schema, "properties": loose}, node.name)
        self._fast_all = _fast({"type": "array", "items": {**schema, "properties": loose}}, node.name)
        self._slow = Explainer(schema, links)
        self._properties = {name: value.schema for name, value in node.properties.items() if name in properties}
        self._compiled: dict[str, Any] = {}

    def is_valid(self, entity: Any) -> bool:
        """Tell whether a document may be stored as this type."""
        try:
            return self._fast.is_valid(entity)
        except (ValueError, TypeError, RecursionError):
            return False

    def errors(self, entity: Any) -> list[FieldError]:
        """Return what is wrong with a document; empty exactly if :meth:`is_valid`."""
        if self.is_valid(entity):
            return []
        found = self._slow.errors(entity)
        return found or [FieldError((), _UNSTORABLE, ErrorType.INVALID_VALUE)]

    def invalid_rows(self, entities: Sequence[Any]) -> list[int]:
        """Return the positions (from 0) of the documents that are not valid."""
        try:
            if self._fast_all.is_valid(entities if isinstance(entities, list) else list(entities)):
                return []
        except (ValueError, TypeError, RecursionError):
            pass
        test = self.is_valid
        return [row for row, entity in enumerate(entities) if not test(entity)]

    def first_invalid(self, entities: Sequence[Any]) -> int | None:
        """Return the position (from 0) of the first document that is not valid, or None."""
        test = self.is_valid
        return next((row for row, entity in enumerate(entities) if not test(entity)), None)

    def validate_property(self, key: str, value: Any) -> bool:
        """Tell whether a value that is not null is one that this property takes; False for unknown properties."""
        if value is None:
            return False
        validator = self._compiled.get(key)
        if validator is None:
            schema = self._properties.get(key)
            if schema is None:
                return False
            validator = self._compiled[key] = _fast(prepared(schema), f"{self.name}.{key}")
        try:
            return validator.is_valid(value)
        except (ValueError, TypeError, RecursionError):
            return False


class Validators:
    """The validators of every type of a dictionary, system types included, by stored name."""

    def __init__(self, dictionary: Dictionary) -> None:
        problems: list[str] = []
        self._types: dict[str, TypeValidator] = {}
        for node in dictionary.all_types():
            try:
                self._types[node.name] = TypeValidator(node)
            except SetupError as error:
                problems.append(f"  {error.message}")
        if problems:
            raise SetupError("The dictionary cannot be used:\n" + "\n".join(problems))

    def __getitem__(self, type_name: str) -> TypeValidator:
        """Return the validator of a type; KeyError for a type that the dictionary does not have."""
        return self._types[type_name]

    def is_valid(self, type_name: str, entity: Any) -> bool:
        """See :meth:`TypeValidator.is_valid`."""
        return self._types[type_name].is_valid(entity)

    def errors(self, type_name: str, entity: Any) -> list[FieldError]:
        """See :meth:`TypeValidator.errors`."""
        return self._types[type_name].errors(entity)

    def invalid_rows(self, type_name: str, entities: Sequence[Any]) -> list[int]:
        """See :meth:`TypeValidator.invalid_rows`."""
        return self._types[type_name].invalid_rows(entities)

    def first_invalid(self, type_name: str, entities: Sequence[Any]) -> int | None:
        """See :meth:`TypeValidator.first_invalid`."""
        return self._types[type_name].first_invalid(entities)

    def validate_property(self, type_name: str, key: str, value: Any) -> bool:
        """See :meth:`TypeValidator.validate_property`."""
        return self._types[type_name].validate_property(key, value)


def compile_validators(dictionary: Dictionary) -> Validators:
    """Return the validators of a dictionary; SetupError names every type whose schema is no JSON Schema."""
    return Validators(dictionary)


def _fast(schema: dict[str, Any], place: str) -> Any:
    try:
        if "patternProperties" in json.dumps(schema):
            # The libraries read regular expressions differently, and here the slow one cannot ask the fast one.
            return python_validator(schema)
        return jsonschema_rs.Draft4Validator(schema, validate_formats=True, formats=dict(FORMATS))
    except (jsonschema_rs.ValidationError, ValueError) as error:
        try:
            Draft4Validator.check_schema(schema)
        except SchemaError as wrong:
            path = "/".join(str(step) for step in wrong.absolute_path)
            msg = f"{place}: the schema is wrong at {path or 'its top'}: {wrong.message:.300}."
            raise SetupError(msg) from error
        # Right, but with a regular expression that only Python reads: slower, with the same answers.
        return python_validator(schema)
