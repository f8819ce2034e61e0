"""The parts of the schema that are the same for every dictionary: scalars and transaction logs (contracts 5.2, 5.5)."""

from __future__ import annotations

from typing import Final

from commensal.faces.gen3.graphql.types import OBJECT, SCALAR, Argument, Field, Meaning, Named, Ref

__all__ = ["LOG_ARGUMENTS", "LOG_TYPES", "SCALARS"]

# The descriptions are wire data: clients compare schemas.
SCALARS: Final = (
    Named(
        SCALAR,
        "ID",
        description=(
            "The `ID` scalar type represents a unique identifier, often used to refetch an object or as key for a "
            "cache. The ID type appears in a JSON response as a String; however, it is not intended to be "
            'human-readable. When expected as an input type, any string (such as `"4"`) or integer (such as `4`) '
            "input value will be accepted as an ID."
        ),
    ),
    Named(SCALAR, "Boolean", description="The `Boolean` scalar type represents `true` or `false`."),
    Named(
        SCALAR,
        "String",
        description=(
            "The `String` scalar type represents textual data, represented as UTF-8 character sequences. The String "
            "type is most often used by GraphQL to represent free-form human-readable text."
        ),
    ),
    Named(
        SCALAR,
        "Int",
        description=(
            "The `Int` scalar type represents non-fractional signed whole numeric values. Int can represent values "
            "between -(2^31 - 1) and 2^31 - 1 since represented in JSON as double-precision floating point numbers "
            "specifiedby [IEEE 754](http://en.wikipedia.org/wiki/IEEE_floating_point)."
        ),
    ),
    Named(
        SCALAR,
        "Float",
        description=(
            "The `Float` scalar type represents signed double-precision fractional values as specified by "
            "[IEEE 754](http://en.wikipedia.org/wiki/IEEE_floating_point). "
        ),
    ),
)

LOG_ARGUMENTS: Final = {
    name: Argument(name, Ref.parse(kind))
    for name, kind in (
        *(("id", "ID"), ("type", "String"), ("quick_search", "ID"), ("project_id", "[String]"), ("project", "String")),
        *(("program", "String"), ("order_by_asc", "String"), ("order_by_desc", "String")),
        *(("related_cases", "[String]"), ("first", "Int"), ("last", "Int"), ("offset", "Int")),
        *(("entities", "[String]"), ("is_dry_run", "Boolean"), ("closed", "Boolean"), ("committable", "Boolean")),
        *(("state", "String"), ("committed_by", "ID")),
    )
}
LOG_ARGUMENTS["committable"] = Argument(
    "committable",
    Ref.parse("Boolean"),
    description=(
        '(committable: true) means (is_dry_run: true) AND (closed: false) AND (state: "SUCCEEDED") AND (committed_by '
        "is None).  Note: committed_by is None cannot be represented in GraphQL, hence this argument."
    ),
)


def _type(name: str, *fields: str, description: str | None = None) -> Named:
    made: dict[str, Field] = {}
    for text in fields:
        key, _, kind = text.partition(": ")
        told = (
            "List of entities that depend on this entity such that the transaction failed."
            if key == "dependents"
            else None
        )
        made[key] = Field(key, Ref.parse(kind), {}, Meaning.VALUE, description=told)
    return Named(OBJECT, name, made, description=description)


LOG_TYPES: Final = (
    _type(
        "TransactionLog",
        *("id: ID", "is_dry_run: Boolean", "closed: Boolean", "committed_by: ID", "state: String", "type: String"),
        *("quick_search: ID", "submitter: String", "role: String", "program: String", "project: String"),
        *("created_datetime: String", "canonical_json: String", "project_id: String"),
        *("snapshots: [TransactionSnapshot]", "documents: [TransactionDocument]"),
        "related_cases: [TransactionResponseEntityRelatedCases]",
    ),
    _type(
        "TransactionSnapshot",
        *("id: ID", "transaction_id: Int", "action: String", "old_props: String", "new_props: String"),
    ),
    _type(
        "TransactionDocument",
        *("id: ID", "transaction_id: ID", "doc_format: String", "doc: String", "doc_size: Int", "name: String"),
        *("response_json: String", "response: TransactionResponse"),
    ),
    _type(
        "TransactionResponse",
        *("transaction_id: ID", "success: Boolean", "entity_error_count: Int", "transactional_error_count: Int"),
        *("code: Int", "message: String", "transactional_errors: Int", "created_entity_count: Int"),
        *("updated_entity_count: Int", "released_entity_count: Int", "cases_related_to_updated_entities_count: Int"),
        *("cases_related_to_created_entities_count: Int", "entities: [TransactionResponseEntity]"),
    ),
    _type(
        "TransactionResponseEntity",
        *("valid: Boolean", "action: String", "type: String", "id: String", "unique_keys: String"),
        *("related_cases: [TransactionResponseEntityRelatedCases]", "errors: [TransactionResponseError]"),
        "warnings: String",
    ),
    _type("TransactionResponseEntityRelatedCases", "id: String", "submitter_id: String"),
    _type(
        "TransactionResponseError",
        *("keys: [String]", "dependents: [GenericEntity]", "message: String", "type: String"),
    ),
    _type(
        "GenericEntity",
        *("id: String", "type: String"),
        description="Skeleton properties to reference generic entities",
    ),
)
