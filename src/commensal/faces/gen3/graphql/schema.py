"""The validator's schema. It only says yes or no; values are checked by ``values`` and answers made by storage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLBoolean,
    GraphQLField,
    GraphQLFloat,
    GraphQLID,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInt,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLString,
)

from commensal.core.dictionary import Dictionary
from commensal.faces.gen3.graphql.describe import describe
from commensal.faces.gen3.graphql.types import INPUT, INTERFACE, SCALAR, Argument, Field, Named, Ref, SchemaModel

__all__ = ["graphql_schema", "schema_of"]

_SCALARS: dict[str, Any] = {
    "String": GraphQLString,
    "Int": GraphQLInt,
    "Float": GraphQLFloat,
    "Boolean": GraphQLBoolean,
    "ID": GraphQLID,
}


def schema_of(dictionary: Dictionary) -> GraphQLSchema:
    """Return the schema of a dictionary as graphql-core knows it."""
    return graphql_schema(describe(dictionary))


def graphql_schema(model: SchemaModel) -> GraphQLSchema:
    """Return the schema that a model describes; fields that share their arguments share them here too."""
    made: dict[str, Any] = dict(_SCALARS)
    shared: dict[int, dict[str, GraphQLArgument]] = {}

    def ref(of: Ref) -> Any:
        if of.of is None:
            return made[of.name]
        return GraphQLList(ref(of.of)) if of.kind == "LIST" else GraphQLNonNull(ref(of.of))

    def arguments(given: Mapping[str, Argument]) -> dict[str, GraphQLArgument]:
        found = shared.get(id(given))
        if found is None:
            found = shared[id(given)] = {name: GraphQLArgument(ref(one.type)) for name, one in given.items()}
        return found

    def fields(given: Mapping[str, Field]) -> dict[str, GraphQLField]:
        return {name: GraphQLField(ref(one.type), arguments(one.arguments)) for name, one in given.items()}

    def inputs(named: Named) -> dict[str, GraphQLInputField]:
        return {name: GraphQLInputField(ref(one.type)) for name, one in named.inputs.items()}

    for name, named in model.types.items():
        if named.kind == SCALAR:
            continue
        if named.kind == INTERFACE:
            made[name] = GraphQLInterfaceType(name, lambda named=named: fields(named.fields))
        elif named.kind == INPUT:
            made[name] = GraphQLInputObjectType(name, lambda named=named: inputs(named))
        else:
            made[name] = GraphQLObjectType(
                name,
                lambda named=named: fields(named.fields),
                interfaces=lambda named=named: [made[one] for one in named.interfaces],
            )
    return GraphQLSchema(query=made["Root"], types=[one for name, one in made.items() if name not in _SCALARS])
