"""``__schema`` and ``__type`` inside a query: selections over the introspection values."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any

from graphql import FieldNode, FragmentDefinitionNode, FragmentSpreadNode, InlineFragmentNode, SelectionSetNode

from commensal.errors import TooLarge
from commensal.faces.gen3.graphql.introspection import introspection
from commensal.faces.gen3.graphql.types import Ref, SchemaModel
from commensal.faces.gen3.graphql.values import Absent, from_literal

__all__ = ["MOST_VALUES", "Reflection"]

#: The schema of a large dictionary has about 400,000 values; nested ways through it have without end.
MOST_VALUES = 1_500_000

_TYPENAMES = {
    "types": "__Type",
    "queryType": "__Type",
    "mutationType": "__Type",
    "subscriptionType": "__Type",
    "directives": "__Directive",
    "fields": "__Field",
    "interfaces": "__Type",
    "possibleTypes": "__Type",
    "enumValues": "__EnumValue",
    "inputFields": "__InputValue",
    "ofType": "__Type",
    "type": "__Type",
    "args": "__InputValue",
}
_STRING = Ref.parse("String")
_BLANK: Mapping[str, Any] = {
    "description": None, "fields": None, "inputFields": None, "interfaces": None, "enumValues": None,
    "possibleTypes": None,
}  # fmt: skip
Wanted = Callable[[Any], bool]


class Reflection:
    """One for each schema; the values are made at the first question."""

    def __init__(self, model: SchemaModel) -> None:
        self.model = model

    @cached_property
    def schema(self) -> dict[str, Any]:
        """The value of ``__schema``."""
        return introspection(self.model)

    @cached_property
    def types(self) -> dict[str, dict[str, Any]]:
        """The values of types by name."""
        return {one["name"]: one for one in self.schema["types"]}

    def answer(
        self,
        nodes: list[FieldNode],
        fragments: Mapping[str, FragmentDefinitionNode],
        variables: Mapping[str, Any],
        wanted: Wanted,
    ) -> str:
        """Return the JSON text of ``__schema`` or ``__type``. Raises TooLarge for endless nesting."""
        sets = [node.selection_set for node in nodes]
        walk = _Walk(self, fragments, wanted)
        if nodes[0].name.value == "__schema":
            return json.dumps(walk.object(self.schema, "__Schema", sets), separators=(",", ":"), ensure_ascii=False)
        name: Any = None
        for argument in nodes[0].arguments or ():
            name = from_literal(self.model, _STRING, argument.value, variables)
        found = None if name is Absent else self.types.get(name)
        if found is None:
            return "null"
        return json.dumps(walk.object(found, "__Type", sets), separators=(",", ":"), ensure_ascii=False)


class _Walk:
    def __init__(self, reflection: Reflection, fragments: Mapping[str, FragmentDefinitionNode], wanted: Wanted) -> None:
        self.reflection = reflection
        self.fragments = fragments
        self.wanted = wanted
        self.values = 0
        self.plans: dict[tuple[str, tuple[int, ...]], list[tuple[str, str, list[SelectionSetNode | None]]]] = {}

    def plan(
        self, kind: str, sets: Iterable[SelectionSetNode | None]
    ) -> list[tuple[str, str, list[SelectionSetNode | None]]]:
        """Return key, name and inner selections of the fields that are asked of a type."""
        listed = list(sets)
        mark = (kind, tuple(map(id, listed)))
        found = self.plans.get(mark)
        if found is None:
            fields: dict[str, tuple[str, list[SelectionSetNode | None]]] = {}
            self._collect(kind, listed, fields)
            found = self.plans[mark] = [(key, name, inner) for key, (name, inner) in fields.items()]
        return found

    def _collect(
        self,
        kind: str,
        sets: Iterable[SelectionSetNode | None],
        fields: dict[str, tuple[str, list[SelectionSetNode | None]]],
    ) -> None:
        for selections in sets:
            for node in selections.selections if selections is not None else ():
                if not self.wanted(node):
                    continue
                if isinstance(node, FieldNode):
                    name = node.name.value
                    key = node.alias.value if node.alias is not None else name
                    fields.setdefault(key, (name, []))[1].append(node.selection_set)
                elif isinstance(node, InlineFragmentNode):
                    if node.type_condition is None or node.type_condition.name.value == kind:
                        self._collect(kind, [node.selection_set], fields)
                elif isinstance(node, FragmentSpreadNode):
                    fragment = self.fragments[node.name.value]
                    if fragment.type_condition.name.value == kind:
                        self._collect(kind, [fragment.selection_set], fields)

    def object(self, value: Mapping[str, Any], kind: str, sets: Iterable[SelectionSetNode | None]) -> dict[str, Any]:
        """Return what is asked of one introspection value."""
        plan = self.plan(kind, sets)
        self.values += len(plan)
        if self.values > MOST_VALUES:
            raise TooLarge("This question about the schema is too large; ask for __type(name: …) of single types.")
        if kind == "__Type" and "fields" not in value:
            # A reference: its parts are those of the type of that name.
            value = self.reflection.types.get(value.get("name") or "", {**_BLANK, **value})
        made: dict[str, Any] = {}
        for key, name, inner in plan:
            if name == "__typename":
                made[key] = kind
                continue
            part = value.get(name)
            inside = _TYPENAMES.get(name)
            if part is None or inside is None:
                made[key] = part
            elif isinstance(part, list):
                made[key] = [self.object(one, inside, inner) for one in part]
            else:
                made[key] = self.object(part, inside, inner)
        return made
