"""From a validated query and its variables to root fields of ``core.graph``.

A field that cannot be answered (unknown order, unknown link) is null and leaves a sentence among the errors; a value
of the wrong type refuses the whole query.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
)

from commensal.core.dictionary import NodeType
from commensal.core.graph.model import (
    AnyNodes,
    Count,
    DataNodes,
    Fixed,
    Form,
    LinkCount,
    Linked,
    LogCount,
    Logs,
    Neighbours,
    Nodes,
    Paging,
    Reached,
    Root,
    Selection,
    Table,
    Value,
)
from commensal.core.graph.paths import type_ways
from commensal.core.graph.properties import form_of, table_named
from commensal.errors import TooLarge
from commensal.faces.gen3.graphql.arguments import (
    NODE_FORMS,
    FieldError,
    forms_of,
    loose_where,
    orders,
    paging,
    where_of,
)
from commensal.faces.gen3.graphql.log_fields import log_field, log_orders, log_paging, log_where
from commensal.faces.gen3.graphql.node_types import node_types
from commensal.faces.gen3.graphql.reflect import Reflection
from commensal.faces.gen3.graphql.types import Field, Meaning, Named, Ref, SchemaModel
from commensal.faces.gen3.graphql.values import Absent, from_literal, literal_errors, printed

__all__ = ["Group", "Query", "translate"]

Fields = dict[str, list[FieldNode]]
_BOOLEAN = Ref.parse("Boolean!")


@dataclass(frozen=True, slots=True)
class Group:
    """An object of root fields (``viewer``)."""

    key: str
    items: tuple[Root | Fixed | Group, ...]


@dataclass(slots=True)
class Query:
    """What a query asks: root fields, ready values and groups in their order; errors of single fields."""

    items: tuple[Root | Fixed | Group, ...] = ()
    errors: list[str] = field(default_factory=list[str])
    #: Errors of values: the query is refused as a whole.
    refused: list[str] = field(default_factory=list[str])


def translate(
    model: SchemaModel,
    reflection: Reflection,
    operation: OperationDefinitionNode,
    fragments: Mapping[str, FragmentDefinitionNode],
    variables: Mapping[str, Any],
) -> Query:
    """Translate one operation of a document that the schema allows."""
    query = Query()
    work = _Translator(model, reflection, fragments, variables, query)
    query.items = work.root(work.collect(model.root, [operation.selection_set]), model.root)
    return query


def _null(key: str) -> Fixed:
    return Fixed(key, "null")


class _Translator:
    def __init__(
        self,
        model: SchemaModel,
        reflection: Reflection,
        fragments: Mapping[str, FragmentDefinitionNode],
        variables: Mapping[str, Any],
        query: Query,
    ) -> None:
        self.model = model
        self.dictionary = model.dictionary
        self.reflection = reflection
        self.fragments = fragments
        self.variables = variables
        self.query = query

    # --- selections -------------------------------------------------------------------------------

    def collect(self, named: Named, sets: Iterable[SelectionSetNode | None], found: Fields | None = None) -> Fields:
        """Return the fields asked of a type by the name they have in the answer."""
        fields: Fields = {} if found is None else found
        for selections in sets:
            for node in selections.selections if selections is not None else ():
                if not self._wanted(node):
                    continue
                if isinstance(node, FieldNode):
                    key = node.alias.value if node.alias is not None else node.name.value
                    fields.setdefault(key, []).append(node)
                elif isinstance(node, InlineFragmentNode):
                    condition = node.type_condition
                    if condition is None or self._applies(condition.name.value, named):
                        self.collect(named, [node.selection_set], fields)
                elif isinstance(node, FragmentSpreadNode):
                    fragment = self.fragments[node.name.value]
                    if self._applies(fragment.type_condition.name.value, named):
                        self.collect(named, [fragment.selection_set], fields)
        return fields

    @staticmethod
    def _applies(condition: str, named: Named) -> bool:
        return condition == named.name or condition in named.interfaces

    def _wanted(self, node: FieldNode | InlineFragmentNode | FragmentSpreadNode | Any) -> bool:
        for directive in node.directives or ():
            name = directive.name.value
            if name not in ("skip", "include"):
                continue
            value: Any = None
            for argument in directive.arguments or ():
                wrong = list(literal_errors(self.model, _BOOLEAN, argument.value))
                if wrong:
                    self._refuse_argument(argument.name.value, argument.value, wrong)
                    return False
                value = from_literal(self.model, _BOOLEAN, argument.value, self.variables)
            if value is Absent:
                value = None
            if (name == "skip" and value is True) or (name == "include" and value is not True):
                return False
        return True

    def _concrete(self, sets: Iterable[SelectionSetNode | None], found: set[str], seen: set[str]) -> set[str]:
        """Return the object types that fragments on an interface name."""
        for selections in sets:
            for node in selections.selections if selections is not None else ():
                if isinstance(node, InlineFragmentNode):
                    if node.type_condition is not None:
                        found.add(node.type_condition.name.value)
                    self._concrete([node.selection_set], found, seen)
                elif isinstance(node, FragmentSpreadNode) and node.name.value not in seen:
                    seen.add(node.name.value)
                    fragment = self.fragments[node.name.value]
                    found.add(fragment.type_condition.name.value)
                    self._concrete([fragment.selection_set], found, seen)
        return found

    # --- arguments --------------------------------------------------------------------------------

    def arguments(self, about: Field, node: FieldNode) -> dict[str, Any]:
        """Return the arguments of a field that have a value."""
        made: dict[str, Any] = {}
        for name, argument in about.arguments.items():
            if argument.default is not None:
                made[name] = int(argument.default)
        for given in node.arguments or ():
            argument = about.arguments[given.name.value]
            wrong = list(literal_errors(self.model, argument.type, given.value))
            if wrong:
                self._refuse_argument(argument.name, given.value, wrong)
                continue
            value = from_literal(self.model, argument.type, given.value, self.variables)
            if value is not Absent:
                made[argument.name] = value
        return made

    def _refuse_argument(self, name: str, value: Any, wrong: Sequence[str]) -> None:
        text = f'Argument "{name}" has invalid value {printed(value)}.\n' + "\n".join(wrong[:20])
        if text not in self.query.refused:
            self.query.refused.append(text)

    def _fail(self, key: str, error: FieldError | TooLarge) -> Fixed:
        self.query.errors.append(error.message if isinstance(error, TooLarge) else str(error))
        return _null(key)

    # --- root -------------------------------------------------------------------------------------

    def root(self, fields: Fields, named: Named) -> tuple[Root | Fixed | Group, ...]:
        """Translate the fields of ``Root`` or ``viewer``."""
        items: list[Root | Fixed | Group] = []
        for key, nodes in fields.items():
            try:
                items.append(self._root_field(key, nodes, named))
            except (FieldError, TooLarge) as error:
                items.append(self._fail(key, error))
        return tuple(items)

    def _root_field(self, key: str, nodes: list[FieldNode], named: Named) -> Root | Fixed | Group:
        name = nodes[0].name.value
        if name == "__typename":
            return Fixed(key, json.dumps(named.name))
        if name in ("__schema", "__type"):
            return Fixed(key, self.reflection.answer(nodes, self.fragments, self.variables, self._wanted))
        about = named.fields[name]
        sets = [node.selection_set for node in nodes]
        if about.meaning is Meaning.VIEWER:
            viewer = self.model.types["viewer"]
            return Group(key, self.root(self.collect(viewer, sets), viewer))
        arguments = self.arguments(about, nodes[0])
        node = about.about
        match about.meaning:
            case Meaning.NODES if node is not None:
                table = table_named(node.name)
                where = where_of(self.dictionary, node, arguments)
                order = orders(arguments, forms_of(node), node.name)
                return Nodes(key, node.name, table, self._show(node, sets), where, order, paging(arguments))
            case Meaning.COUNT if node is not None:
                orders(arguments, forms_of(node), node.name)
                return Count(key, node.name, table_named(node.name), where_of(self.dictionary, node, arguments))
            case Meaning.ANY_NODES:
                return self._any_nodes(key, arguments, sets)
            case Meaning.DATA_NODES:
                return self._data_nodes(key, arguments, sets)
            case Meaning.NODE_TYPES:
                shown = self.collect(self.model.types["NodeType"], sets)
                columns = {one: found[0].name.value for one, found in shown.items()}
                return Fixed(key, node_types(self.dictionary, arguments, columns))
            case Meaning.LOGS | Meaning.LOG_COUNT:
                return self._logs(key, about, arguments, sets)
            case _:
                raise TypeError(f"no root field: {about.name}")

    # --- rows -------------------------------------------------------------------------------------

    def _show(self, node: NodeType, sets: Sequence[SelectionSetNode | None]) -> tuple[Selection, ...]:
        """Return what is shown of rows of one type."""
        named = self.model.types[node.name]
        shown: list[Selection] = []
        for key, nodes in self.collect(named, sets).items():
            try:
                shown.append(self._shown(key, node, named, nodes))
            except (FieldError, TooLarge) as error:
                shown.append(self._fail(key, error))
        return tuple(shown)

    def _shown(self, key: str, node: NodeType, named: Named, nodes: list[FieldNode]) -> Selection:
        name = nodes[0].name.value
        if name in ("__typename", "type"):
            return Fixed(key, json.dumps(node.name))
        about = named.fields[name]
        if about.meaning is Meaning.VALUE:
            return self._value(key, node, name)
        arguments = self.arguments(about, nodes[0])
        sets = [one.selection_set for one in nodes]
        far, step = about.about, about.step
        match about.meaning:
            case Meaning.LINKED if far is not None and step is not None:
                where = where_of(self.dictionary, far, arguments)
                order = orders(arguments, forms_of(far), far.name)
                return Linked(key, step, self._show(far, sets), where, order, paging(arguments))
            case Meaning.LINK_COUNT if far is not None and step is not None:
                return LinkCount(key, step, where_of(self.dictionary, far, arguments))
            case Meaning.NEIGHBOURS:
                return Neighbours(key, self._any_nodes(key, arguments, sets))
            case Meaning.RELATED_CASES if far is not None:
                return self._related(key, node, far, arguments, sets)
            case _:
                return self._logs(key, about, arguments, sets)

    def _value(self, key: str, node: NodeType, name: str) -> Selection:
        prop = node.properties.get(name)
        if name == "id" or (name == "project_id" and node.name == "project"):
            return Value(key, name)
        if prop is None or table_named(node.name) is Table.NOTHING:
            return _null(key)
        if name in ("submitter_id", "project_id") and table_named(node.name) is not Table.RECORDS:
            return _null(key)
        return Value(key, name, form_of(node, prop))

    def _related(
        self, key: str, node: NodeType, case: NodeType, arguments: Mapping[str, Any], sets: Sequence[Any]
    ) -> Selection:
        if node.name == case.name or table_named(node.name) is not Table.RECORDS:
            return Fixed(key, "[]")
        where = where_of(self.dictionary, case, arguments)
        order = orders(arguments, forms_of(case), case.name)
        found = tuple(
            way
            for way in type_ways(self.dictionary, node.name, case.name)
            if all(step.table is Table.RECORDS for step in way)
        )
        return Reached(key, case.name, found, self._show(case, sets), where, order, paging(arguments))

    def _types(self, arguments: Mapping[str, Any]) -> list[NodeType]:
        """Return the types that ``of_type`` and ``category`` leave."""
        found = list(self.dictionary.types.values())
        if "of_type" in arguments:
            found = [node for node in found if node.name in arguments["of_type"]]
        if "category" in arguments:
            found = [node for node in found if node.category == arguments["category"]]
        return found

    def _any_nodes(self, key: str, arguments: Mapping[str, Any], sets: Sequence[SelectionSetNode | None]) -> AnyNodes:
        types = self._types(arguments)
        tables = {node.name: table_named(node.name) for node in types}
        named = self.model.types["Node"]
        base: list[Selection] = []
        for one, nodes in self.collect(named, sets).items():
            name = nodes[0].name.value
            base.append(Value(one, "type" if name == "__typename" else name))
        own = self._concrete(sets, {"project", "program"}, set())
        shows = tuple((node.name, self._show(node, sets)) for node in types if node.name in own)
        where = loose_where(arguments)
        if "project_id" in arguments or "submitter_id" in arguments:
            tables.pop("program", None)
        if "submitter_id" in arguments:
            tables.pop("project", None)
        return AnyNodes(
            key,
            tuple(name for name, table in tables.items() if table is Table.RECORDS),
            "project" in tables,
            "program" in tables,
            tuple(base),
            shows,
            where,
            orders(arguments, NODE_FORMS, "Node"),
            paging(arguments),
        )

    def _data_nodes(self, key: str, arguments: Mapping[str, Any], sets: Sequence[SelectionSetNode | None]) -> DataNodes:
        types = self.model.data_types
        if "of_type" in arguments:
            types = tuple(node for node in types if node.name in arguments["of_type"])
        if "type" in arguments:
            types = tuple(node for node in types if node.name == arguments["type"])
        forms = self._data_forms()
        shown: list[Selection] = []
        for one, nodes in self.collect(self.model.types["DataNode"], sets).items():
            name = nodes[0].name.value
            if name == "__typename":
                shown.append(Fixed(one, '"DataNode"'))
            else:
                shown.append(Value(one, name, forms.get(name, Form.TEXT)))
        order = orders(arguments, {**forms, **NODE_FORMS}, "DataNode")
        where = loose_where(arguments, forms)
        return DataNodes(key, tuple(node.name for node in types), tuple(shown), where, order, paging(arguments))

    def _data_forms(self) -> dict[str, Form]:
        """Return how the properties of data files are shown; one that differs between types is shown as text."""
        forms: dict[str, Form] = {}
        for node in self.model.data_types:
            for name, prop in node.properties.items():
                form = form_of(node, prop)
                other = forms.setdefault(name, form)
                if other is not form:
                    forms[name] = Form.SHOWN_TEXTS if other.many or form.many else Form.SHOWN
        return forms

    # --- transaction logs -------------------------------------------------------------------------

    def _logs(
        self, key: str, about: Field, arguments: Mapping[str, Any], sets: Sequence[SelectionSetNode | None]
    ) -> Logs | LogCount:
        where = log_where(arguments)
        order = log_orders(arguments)
        if about.meaning is Meaning.LOG_COUNT:
            return LogCount(key, where)
        last = arguments.get("last")
        paged: Paging = log_paging(arguments)
        named = self.model.types["TransactionLog"]
        show = tuple(
            log_field(self.model, self.collect, one, nodes, named) for one, nodes in self.collect(named, sets).items()
        )
        return Logs(key, show, where, order, paged, last if last is not None and last > 0 else None)
