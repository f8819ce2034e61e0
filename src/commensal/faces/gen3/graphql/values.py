"""Values of arguments and variables: checked and made as Gen3's clients know it, with the same sentences.

A single value stands for a list of one. Null is the same as absent. Variables are converted (``"5"`` to a number,
5 to text), literals are not. Errors as in contracts/gen3.md 5.1.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from graphql import (
    BooleanValueNode,
    FloatValueNode,
    IntValueNode,
    ListValueNode,
    NullValueNode,
    ObjectValueNode,
    StringValueNode,
    ValueNode,
    VariableDefinitionNode,
    VariableNode,
    print_ast,
)

from commensal.faces.gen3.graphql.types import INPUT, Ref, SchemaModel

__all__ = ["Absent", "from_literal", "literal_errors", "printed", "variable_values"]

_INT_LIMIT = 2**31


class Absent:
    """The mark of a value that was not given."""


def _ref_of(node: Any) -> Ref:
    return Ref.parse(print_ast(node))


# --- literals -------------------------------------------------------------------------------------


def literal_errors(model: SchemaModel, ref: Ref, node: ValueNode | None) -> Iterator[str]:
    """Yield what is wrong with a value written in the query."""
    if ref.kind == "NON_NULL":
        if node is None or isinstance(node, NullValueNode):
            yield f'Expected "{ref}", found null.'
        elif ref.of is not None:
            yield from literal_errors(model, ref.of, node)
        return
    if node is None or isinstance(node, NullValueNode | VariableNode):
        return
    if ref.kind == "LIST" and ref.of is not None:
        if isinstance(node, ListValueNode):
            for number, item in enumerate(node.values):
                for error in literal_errors(model, ref.of, item):
                    yield f"In element #{number}: {error}"
        else:
            yield from literal_errors(model, ref.of, node)
        return
    named = model.types[ref.name]
    if named.kind == INPUT:
        if not isinstance(node, ObjectValueNode):
            yield f'Expected "{ref.name}", found not an object.'
            return
        given = {field.name.value: field.value for field in node.fields}
        for name in given:
            if name not in named.inputs:
                yield f'In field "{name}": Unknown field.'
        for name, argument in named.inputs.items():
            if name in given or argument.type.kind == "NON_NULL":
                for error in literal_errors(model, argument.type, given.get(name)):
                    yield f'In field "{name}": {error}'
        return
    if _literal(ref.name, node) is Absent:
        yield f'Expected type "{ref.name}", found {printed(node)}.'


def printed(node: ValueNode) -> str:
    """Return a value as the sentences show it, cut to 1,000 characters."""
    text = _print(node)
    return text if len(text) <= 1000 else text[:997] + "..."


def _print(node: ValueNode) -> str:
    if isinstance(node, ListValueNode):
        return f"[{', '.join(map(_print, node.values))}]"
    if isinstance(node, ObjectValueNode):
        return "{" + ", ".join(f"{field.name.value}: {_print(field.value)}" for field in node.fields) + "}"
    return json.dumps(node.value) if isinstance(node, StringValueNode) else print_ast(node)


def _literal(name: str, node: ValueNode) -> Any:
    if name == "Int":
        if isinstance(node, IntValueNode) and len(node.value) < 12 and -_INT_LIMIT < int(node.value) < _INT_LIMIT:
            return int(node.value)
    elif name == "Float":
        if isinstance(node, IntValueNode | FloatValueNode):
            return _number(node.value)
    elif name == "Boolean":
        if isinstance(node, BooleanValueNode):
            return node.value
    elif isinstance(node, StringValueNode) or (name == "ID" and isinstance(node, IntValueNode)):
        return _text(node.value)
    return Absent


def _text(value: str) -> str | type[Absent]:
    """Return a text that can be stored, and so looked for: none with U+0000 or half a surrogate pair."""
    if value.isascii():
        return Absent if "\0" in value else value
    try:
        value.encode()
    except UnicodeEncodeError:
        return Absent
    return Absent if "\0" in value else value


def _number(text: str) -> int | float | type[Absent]:
    try:
        value = int(text) if len(text) < 40 and text.lstrip("-").isdigit() else float(text)
    except (ValueError, OverflowError):
        return Absent
    return Absent if value in (float("inf"), float("-inf")) else value


def from_literal(model: SchemaModel, ref: Ref, node: ValueNode, variables: Mapping[str, Any]) -> Any:
    """Return the value of a literal that has no errors; ``Absent`` for null and for variables that are not set."""
    if isinstance(node, NullValueNode):
        return Absent
    if isinstance(node, VariableNode):
        return variables.get(node.name.value, Absent)
    if ref.kind == "NON_NULL" and ref.of is not None:
        return from_literal(model, ref.of, node, variables)
    if ref.kind == "LIST" and ref.of is not None:
        nodes = node.values if isinstance(node, ListValueNode) else [node]
        values = [from_literal(model, ref.of, item, variables) for item in nodes]
        return [value for value in values if value is not Absent]
    named = model.types[ref.name]
    if named.kind == INPUT and isinstance(node, ObjectValueNode):
        made: dict[str, Any] = {}
        for field in node.fields:
            argument = named.inputs[field.name.value]
            value = from_literal(model, argument.type, field.value, variables)
            if value is not Absent:
                made[argument.name] = value
        return made
    return _literal(ref.name, node)


# --- variables ------------------------------------------------------------------------------------


def variable_values(
    model: SchemaModel, definitions: tuple[VariableDefinitionNode, ...], given: Mapping[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """Return the values of an operation's variables, and what is wrong with those that were given."""
    values: dict[str, Any] = {}
    errors: list[str] = []
    for definition in definitions:
        name = definition.variable.name.value
        ref = _ref_of(definition.type)
        value = given.get(name)
        if value is None:
            if definition.default_value is not None:
                wrong = list(literal_errors(model, ref, definition.default_value))
                if wrong:
                    shown = printed(definition.default_value)
                    errors.append(
                        f'Variable "${name}" of type "{ref}" has invalid default value: {shown}.\n' + "\n".join(wrong)
                    )
                    continue
                made = from_literal(model, ref, definition.default_value, {})
                if made is not Absent:
                    values[name] = made
            elif ref.kind == "NON_NULL":
                errors.append(f'Variable "${name}" of required type "{ref}" was not provided.')
            continue
        wrong = list(_value_errors(model, ref, value))
        if wrong:
            errors.append(f'Variable "${name}" got invalid value {_json(value)}.\n' + "\n".join(wrong[:20]))
        else:
            values[name] = _from_value(model, ref, value)
    return values, errors


def _json(value: object) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=False)
    return text if len(text) <= 1000 else text[:997] + "..."


def _value_errors(model: SchemaModel, ref: Ref, value: Any) -> Iterator[str]:
    if ref.kind == "NON_NULL" and ref.of is not None:
        if value is None:
            yield f'Expected "{ref}", found null.'
        else:
            yield from _value_errors(model, ref.of, value)
        return
    if value is None:
        return
    if ref.kind == "LIST" and ref.of is not None:
        if isinstance(value, list):
            for number, item in enumerate(value):  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
                for error in _value_errors(model, ref.of, item):
                    yield f"In element #{number}: {error}"
        else:
            yield from _value_errors(model, ref.of, value)
        return
    named = model.types[ref.name]
    if named.kind == INPUT:
        if not isinstance(value, dict):
            yield f'Expected "{ref.name}", found not an object.'
            return
        for name in sorted(value):  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
            if name not in named.inputs:
                yield f'In field "{name}": Unknown field.'
        for name, argument in named.inputs.items():
            if name in value or argument.type.kind == "NON_NULL":
                for error in _value_errors(model, argument.type, value.get(name)):  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
                    yield f'In field "{name}": {error}'
        return
    if _converted(ref.name, value) is Absent:
        yield f'Expected type "{ref.name}", found {_json(value)}.'


def _from_value(model: SchemaModel, ref: Ref, value: Any) -> Any:
    if ref.kind == "NON_NULL" and ref.of is not None:
        return _from_value(model, ref.of, value)
    if ref.kind == "LIST" and ref.of is not None:
        items = value if isinstance(value, list) else [value]
        return [_from_value(model, ref.of, item) for item in items if item is not None]  # pyright: ignore[reportUnknownVariableType]
    named = model.types[ref.name]
    if named.kind == INPUT:
        return {
            name: _from_value(model, named.inputs[name].type, item) for name, item in value.items() if item is not None
        }
    return _converted(ref.name, value)


def _converted(name: str, value: Any) -> Any:
    if isinstance(value, dict | list):
        return Absent
    if name == "Boolean":
        return bool(value)
    if name in ("String", "ID"):
        if isinstance(value, bool):
            return "true" if value else "false"
        return _text(value if isinstance(value, str) else str(value))
    try:
        if name == "Float":
            number = value if isinstance(value, int | float) and not isinstance(value, bool) else float(value)
            return number if abs(number) < float("inf") else Absent
        try:
            whole = int(value)
        except ValueError:
            whole = int(float(value))
    except (ValueError, OverflowError):
        return Absent
    return whole if -_INT_LIMIT < whole < _INT_LIMIT else Absent
