"""From a dictionary to the schema that Gen3's clients know (contracts/gen3.md 5.2, 5.3)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from commensal.core.dictionary import Dictionary, NodeType, Property
from commensal.core.graph.model import Step
from commensal.core.graph.properties import step_of
from commensal.faces.gen3.graphql.log_types import LOG_ARGUMENTS, LOG_TYPES, SCALARS
from commensal.faces.gen3.graphql.types import (
    INPUT,
    INTERFACE,
    OBJECT,
    Argument,
    Field,
    Meaning,
    Named,
    Ref,
    SchemaModel,
)

__all__ = ["NODE_FIELDS", "describe", "node_type_keys"]

#: Fields of the interface ``Node``.
NODE_FIELDS: tuple[str, ...] = ("id", "submitter_id", "type", "project_id", "created_datetime", "updated_datetime")

_SCALAR = {"boolean": "Boolean", "number": "Float", "integer": "Float", "array": "[String]"}
_NAME = re.compile(r"[_A-Za-z][_0-9A-Za-z]*")
_BASE_HEAD = (
    "id: String",
    "submitter_id: String",
    "ids: [String]",
    "quick_search: String",
    "first: Int",
    "offset: Int",
)
_BASE_TAIL = (
    *("created_before: String", "created_after: String", "updated_before: String", "updated_after: String"),
    *("order_by_asc: String", "order_by_desc: String"),
)
_GRAPH = (
    *("with_links: [String]", "with_links_any: [String]", "without_links: [String]"),
    *("with_path_to: [WithPathToInput]", "with_path_to_any: [WithPathToInput]", "without_path_to: [WithPathToInput]"),
)

Arguments = Mapping[str, Argument]


def _argument(text: str) -> Argument:
    name, _, rest = text.partition(": ")
    kind, _, default = rest.partition(" = ")
    return Argument(name, Ref.parse(kind), default or None)


def _arguments(*texts: str) -> dict[str, Argument]:
    return {argument.name: argument for argument in map(_argument, texts)}


_BASE = _arguments(*_BASE_HEAD, *_BASE_TAIL)
_BASE_10 = {**_BASE, "first": Argument("first", Ref.parse("Int"), "10")}


def scalar_of(prop: Property) -> str:
    """Return the type that a property has in the query language."""
    first = prop.types[0] if prop.types else "string"
    return _SCALAR.get(first, "String")


def _properties(node: NodeType) -> list[Property]:
    return [node.properties[name] for name in sorted(node.properties) if name not in ("id", "type")]


def node_type_keys(dictionary: Dictionary) -> list[str]:
    """Return the top-level keys of all types' schemas that are usable as names: the fields of ``NodeType``."""
    keys: dict[str, None] = {}
    for node in dictionary.types.values():
        for key in node.schema:
            if _NAME.fullmatch(key) and not key.startswith("__"):
                keys[key] = None
    return list(keys)


def describe(dictionary: Dictionary) -> SchemaModel:
    """Return the schema of a dictionary."""
    nodes = list(dictionary.types.values())
    arguments = {node.name: _node_arguments(node) for node in nodes}
    types: dict[str, Named] = {}
    roots = _root_fields(dictionary, nodes, arguments)
    viewer = Field("viewer", Ref.parse("viewer"), {}, Meaning.VIEWER)
    logs = [
        Field("transaction_log", Ref.parse("[TransactionLog]"), LOG_ARGUMENTS, Meaning.LOGS),
        Field("_transaction_log_count", Ref.parse("Int"), LOG_ARGUMENTS, Meaning.LOG_COUNT),
    ]
    types["Root"] = Named(OBJECT, "Root", _by_name([*logs, *roots, viewer]))
    for named in (*SCALARS, *LOG_TYPES):
        types[named.name] = named
    types["Node"] = Named(
        INTERFACE,
        "Node",
        _by_name(Field(name, Ref.parse("ID" if name == "id" else "String"), {}) for name in NODE_FIELDS),
        description="The query object that represents the psqlgraph.Node base",
    )
    for node in nodes:
        types[node.name] = _node_object(dictionary, node, arguments)
        types[f"NotPropertiesInput_{node.name}"] = Named(
            INPUT,
            f"NotPropertiesInput_{node.name}",
            inputs=_not_inputs(node),
        )
    types["WithPathToInput"] = _path_input(nodes)
    types["DataNode"] = Named(OBJECT, "DataNode", _data_fields(nodes))
    keys = node_type_keys(dictionary)
    types["NodeType"] = Named(OBJECT, "NodeType", _by_name(Field(key, Ref.parse("String"), {}) for key in keys))
    types["viewer"] = Named(OBJECT, "viewer", _by_name(roots))
    return SchemaModel(dictionary, types)


def _by_name(fields: Iterable[Field]) -> dict[str, Field]:
    return {field.name: field for field in fields}


def _not_inputs(node: NodeType) -> dict[str, Argument]:
    inputs = {prop.name: Argument(prop.name, Ref.parse(scalar_of(prop))) for prop in _properties(node)}
    if node.name == "project":
        inputs["project_id"] = _argument("project_id: String")
    return inputs


def _node_arguments(node: NodeType) -> Arguments:
    found = dict(_BASE)
    if "submitter_id" in node.properties:
        found["submitter_id"] = _argument("submitter_id: [String]")
    found.update(_arguments(*_GRAPH))
    for prop in _properties(node):
        if prop.name != "submitter_id":
            scalar = scalar_of(prop)
            text = scalar if scalar.startswith("[") else f"[{scalar}]"
            found[prop.name] = Argument(prop.name, Ref.parse(text))
    if node.name == "project":
        found["project_id"] = _argument("project_id: [String]")
    found["not"] = Argument("not", Ref.parse(f"[NotPropertiesInput_{node.name}]"))
    return found


def _node_object(dictionary: Dictionary, node: NodeType, arguments: Mapping[str, Arguments]) -> Named:
    fields = _by_name(
        Field(name, Ref.parse("ID" if name == "id" else "String"), {}, about=node) for name in NODE_FIELDS
    )
    for prop in _properties(node):
        if prop.name not in fields:
            fields[prop.name] = Field(prop.name, Ref.parse(scalar_of(prop)), {}, about=node)
    steps: dict[str, Step] = {}
    for link in node.links:
        if link.target in dictionary.types:
            steps[link.name] = step_of(link, forward=True)
    for backref, link in node.backrefs.items():
        if link.source in dictionary.types:
            steps[backref] = step_of(link, forward=False)
    for name, step in steps.items():
        far = dictionary.types[step.far]
        fields[name] = Field(name, Ref.parse(f"[{far.name}]"), arguments[far.name], Meaning.LINKED, far, step)
    for name, step in steps.items():
        count = f"_{name}_count"
        far = dictionary.types[step.far]
        fields[count] = Field(count, Ref.parse("Int"), arguments[node.name], Meaning.LINK_COUNT, far, step)
    fields["_transaction_logs_count"] = Field(
        "_transaction_logs_count", Ref.parse("Int"), LOG_ARGUMENTS, Meaning.LOG_COUNT
    )
    fields["_transaction_logs"] = Field("_transaction_logs", Ref.parse("[TransactionLog]"), LOG_ARGUMENTS, Meaning.LOGS)
    fields["_links"] = Field(
        "_links",
        Ref.parse("[Node]"),
        {**_BASE_10, **_arguments("project_id: String", "category: String")},
        Meaning.NEIGHBOURS,
    )
    case = dictionary.types.get("case")
    if case is not None and dictionary.settings.get("enable_case_cache", True):
        fields["_related_cases"] = Field(
            "_related_cases", Ref.parse("[case]"), arguments["case"], Meaning.RELATED_CASES, case
        )
    return Named(OBJECT, node.name, fields, interfaces=("Node",), node=node)


def _path_input(nodes: Iterable[NodeType]) -> Named:
    inputs = _arguments("id: String", "type: String!")
    # Where types differ in the kind of a property, or in ``not``, the last one stands.
    for node in nodes:
        for prop in _properties(node):
            inputs[prop.name] = Argument(prop.name, Ref.parse(scalar_of(prop)))
        inputs["not"] = Argument("not", Ref.parse(f"[NotPropertiesInput_{node.name}]"))
    return Named(INPUT, "WithPathToInput", inputs=inputs)


def _data_fields(nodes: Iterable[NodeType]) -> dict[str, Field]:
    fields: dict[str, Field] = {}
    for node in nodes:
        if node.is_data_file:
            for prop in _properties(node):
                fields[prop.name] = Field(prop.name, Ref.parse(scalar_of(prop)), {})
    for name in ("id", "type"):
        fields[name] = Field(name, Ref.parse("String"), {})
    return fields


def _root_fields(dictionary: Dictionary, nodes: list[NodeType], arguments: Mapping[str, Arguments]) -> list[Field]:
    narrow = _arguments("of_type: [String]", "project_id: String", "category: String")
    fields = [Field("node", Ref.parse("[Node]"), {**_BASE_10, **narrow}, Meaning.ANY_NODES)]
    for node in nodes:
        own = arguments[node.name]
        fields.append(Field(node.name, Ref.parse(f"[{node.name}]"), own, Meaning.NODES, node))
        count = f"_{node.name}_count"
        fields.append(Field(count, Ref.parse("Int"), own, Meaning.COUNT, node))
    data = {
        **_BASE_10,
        **{name: Argument(name, field.type) for name, field in _data_fields(nodes).items()},
        **_arguments("of_type: [String]"),
    }
    fields.append(Field("datanode", Ref.parse("[DataNode]"), data, Meaning.DATA_NODES))
    keys = node_type_keys(dictionary)
    kinds = {
        **_arguments("first: Int = 10", "order_by_asc: String", "order_by_desc: String"),
        **{key: Argument(key, Ref.parse("String")) for key in keys},
    }
    fields.append(Field("_node_type", Ref.parse("[NodeType]"), kinds, Meaning.NODE_TYPES))
    return fields
