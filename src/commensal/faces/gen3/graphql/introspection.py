"""What the schema says about itself, in the shape that Gen3's clients were made for (contracts/gen3.md 5.1, 5.2)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from commensal.faces.gen3.graphql.types import INPUT, INTERFACE, OBJECT, SCALAR, Argument, Field, Ref, SchemaModel

__all__ = ["getschema", "introspection"]

Json = dict[str, Any]

_META: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("__Schema", OBJECT, ("types: [__Type!]!", "queryType: __Type!", "mutationType: __Type", "subscriptionType: __Type",
                          "directives: [__Directive!]!")),
    ("__Type", OBJECT, ("kind: __TypeKind!", "name: String", "description: String", "fields: [__Field!]",
                        "interfaces: [__Type!]", "possibleTypes: [__Type!]", "enumValues: [__EnumValue!]",
                        "inputFields: [__InputValue!]", "ofType: __Type")),
    ("__Field", OBJECT, ("name: String!", "description: String", "args: [__InputValue!]!", "type: __Type!",
                         "isDeprecated: Boolean!", "deprecationReason: String")),
    ("__InputValue", OBJECT, ("name: String!", "description: String", "type: __Type!", "defaultValue: String")),
    ("__EnumValue", OBJECT, ("name: String!", "description: String", "isDeprecated: Boolean!",
                             "deprecationReason: String")),
    ("__Directive", OBJECT, ("name: String!", "description: String", "locations: [__DirectiveLocation!]!",
                             "args: [__InputValue!]!")),
)  # fmt: skip
_ENUMS = (
    ("__TypeKind", ("SCALAR", "OBJECT", "INTERFACE", "UNION", "ENUM", "INPUT_OBJECT", "LIST", "NON_NULL")),
    ("__DirectiveLocation", (
        "QUERY", "MUTATION", "SUBSCRIPTION", "FIELD", "FRAGMENT_DEFINITION", "FRAGMENT_SPREAD", "INLINE_FRAGMENT",
        "SCHEMA", "SCALAR", "OBJECT", "FIELD_DEFINITION", "ARGUMENT_DEFINITION", "INTERFACE", "UNION", "ENUM",
        "ENUM_VALUE", "INPUT_OBJECT", "INPUT_FIELD_DEFINITION",
    )),
)  # fmt: skip
_DIRECTIVES = (
    ("include", "Directs the executor to include this field or fragment only when the `if` argument is true.",
     "Included when true."),
    ("skip", "Directs the executor to skip this field or fragment when the `if` argument is true.",
     "Skipped when true."),
)  # fmt: skip
_ENUM = "ENUM"


class _Writer:
    def __init__(self, kinds: Mapping[str, str]) -> None:
        self._kinds = kinds
        self._refs: dict[str, Json] = {}
        self._lists: dict[int, list[Json]] = {}

    def ref(self, ref: Ref) -> Json:
        """Return a type reference; equal ones are the same object."""
        key = str(ref)
        found = self._refs.get(key)
        if found is None:
            if ref.of is None:
                found = {"kind": self._kinds[ref.name], "name": ref.name, "ofType": None}
            else:
                found = {"kind": ref.kind, "name": None, "ofType": self.ref(ref.of)}
            self._refs[key] = found
        return found

    def inputs(self, arguments: Mapping[str, Argument]) -> list[Json]:
        """Return the arguments of a field; those that fields share are described once."""
        found = self._lists.get(id(arguments))
        if found is None:
            found = self._lists[id(arguments)] = [
                {"name": a.name, "description": a.description, "type": self.ref(a.type), "defaultValue": a.default}
                for a in arguments.values()
            ]
        return found

    def field(self, field: Field) -> Json:
        """Return one field."""
        return {
            "name": field.name,
            "description": field.description,
            "args": self.inputs(field.arguments),
            "type": self.ref(field.type),
            "isDeprecated": False,
            "deprecationReason": None,
        }


def _named(kind: str, name: str, description: str | None = None, **parts: object) -> Json:
    empty = {"fields": None, "inputFields": None, "interfaces": None, "enumValues": None, "possibleTypes": None}
    return {"kind": kind, "name": name, "description": description, **empty, **parts}


def introspection(model: SchemaModel) -> Json:
    """Return the value of ``__schema``."""
    kinds = {name: named.kind for name, named in model.types.items()}
    kinds.update({name: kind for name, kind, _ in _META}, **{name: _ENUM for name, _ in _ENUMS})
    write = _Writer(kinds)
    types: list[Json] = []
    for name, named in model.types.items():
        if named.kind == OBJECT:
            fields = [write.field(field) for field in named.fields.values()]
            interfaces = [write.ref(Ref("NAMED", one)) for one in named.interfaces]
            types.append(_named(OBJECT, name, named.description, fields=fields, interfaces=interfaces))
        elif named.kind == INTERFACE:
            fields = [write.field(field) for field in named.fields.values()]
            possible = [write.ref(Ref("NAMED", one)) for one in model.nodes]
            types.append(_named(INTERFACE, name, named.description, fields=fields, possibleTypes=possible))
        elif named.kind == INPUT:
            types.append(_named(INPUT, name, named.description, inputFields=write.inputs(named.inputs)))
        else:
            types.append(_named(SCALAR, name, named.description))
    types.extend(_meta(write))
    return {
        "queryType": {"name": "Root"},
        "mutationType": None,
        "subscriptionType": None,
        "types": types,
        "directives": [
            {
                "name": name,
                "description": told,
                "locations": ["FIELD", "FRAGMENT_SPREAD", "INLINE_FRAGMENT"],
                "args": [
                    {
                        "name": "if",
                        "description": when,
                        "type": write.ref(Ref.parse("Boolean!")),
                        "defaultValue": None,
                    }
                ],
            }
            for name, told, when in _DIRECTIVES
        ],
    }


def _meta(write: _Writer) -> Iterable[Json]:
    deprecated = {"includeDeprecated": Argument("includeDeprecated", Ref.parse("Boolean"), "false")}
    for name, kind, texts in _META:
        fields: list[Json] = []
        for text in texts:
            key, _, ref = text.partition(": ")
            taken = deprecated if name == "__Type" and key in ("fields", "enumValues") else {}
            fields.append(write.field(Field(key, Ref.parse(ref), taken)))
        yield _named(kind, name, fields=fields, interfaces=[])
    for name, values in _ENUMS:
        told = [
            {"name": value, "description": None, "isDeprecated": False, "deprecationReason": None} for value in values
        ]
        yield _named(_ENUM, name, enumValues=told)


def getschema(model: SchemaModel) -> bytes:
    """Return the body of ``getschema``: the whole introspection as JSON."""
    return msgspec.json.encode({"data": {"__schema": introspection(model)}})
