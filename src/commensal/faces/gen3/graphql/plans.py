"""A request body to a plan: parsed, limited, validated, translated and compiled once, then remembered.

Plans are remembered by the whole body (query and variables); bodies with other variables share the parsed and
validated query. Statements depend on the shape of a query only, so the database knows them too.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, cast

import msgspec
from graphql import (
    DocumentNode,
    ExecutableDefinitionsRule,
    FieldsOnCorrectTypeRule,
    FragmentDefinitionNode,
    FragmentsOnCompositeTypesRule,
    GraphQLSyntaxError,
    KnownArgumentNamesRule,
    KnownDirectivesRule,
    KnownFragmentNamesRule,
    KnownTypeNamesRule,
    LoneAnonymousOperationRule,
    NoFragmentCyclesRule,
    NoUndefinedVariablesRule,
    NoUnusedFragmentsRule,
    NoUnusedVariablesRule,
    OperationDefinitionNode,
    OperationType,
    OverlappingFieldsCanBeMergedRule,
    PossibleFragmentSpreadsRule,
    ProvidedRequiredArgumentsRule,
    ScalarLeafsRule,
    UniqueArgumentNamesRule,
    UniqueFragmentNamesRule,
    UniqueInputFieldNamesRule,
    UniqueOperationNamesRule,
    UniqueVariableNamesRule,
    VariablesAreInputTypesRule,
    VariablesInAllowedPositionRule,
    parse,
    validate,
)

from commensal.core.dictionary import Dictionary
from commensal.core.graph.model import Fixed, Root
from commensal.errors import TooLarge
from commensal.faces.gen3.graphql.describe import describe
from commensal.faces.gen3.graphql.introspection import getschema
from commensal.faces.gen3.graphql.limits import MOST_BYTES, check_document, check_text
from commensal.faces.gen3.graphql.messages import syntax_error, validation_error
from commensal.faces.gen3.graphql.reflect import Reflection
from commensal.faces.gen3.graphql.schema import graphql_schema
from commensal.faces.gen3.graphql.translate import Group, translate
from commensal.faces.gen3.graphql.values import variable_values
from commensal.services.graph import Prepared

__all__ = ["Plan", "Refused", "Schema"]

_RULES = [
    *(ExecutableDefinitionsRule, UniqueOperationNamesRule, LoneAnonymousOperationRule, KnownTypeNamesRule),
    *(FragmentsOnCompositeTypesRule, VariablesAreInputTypesRule, ScalarLeafsRule, FieldsOnCorrectTypeRule),
    *(UniqueFragmentNamesRule, KnownFragmentNamesRule, NoUnusedFragmentsRule, PossibleFragmentSpreadsRule),
    *(NoFragmentCyclesRule, UniqueVariableNamesRule, NoUndefinedVariablesRule, NoUnusedVariablesRule),
    *(KnownDirectivesRule, KnownArgumentNamesRule, UniqueArgumentNamesRule, ProvidedRequiredArgumentsRule),
    *(VariablesInAllowedPositionRule, UniqueInputFieldNamesRule),
]
#: Compares every two fields of a selection, so it comes when all else is right.
_LAST_RULES = [OverlappingFieldsCanBeMergedRule]
_MOST_ERRORS = 50

#: Bytes that plans, and parsed queries, of one schema may take in memory.
REMEMBERED = 16 << 20
_LONGEST = 4 << 20

T = TypeVar("T")


class Refused(Exception):
    """The request is answered with 400; ``message`` is for a body that is no request at all."""

    def __init__(self, errors: list[str] | None = None, message: str | None = None) -> None:
        super().__init__(message or "; ".join(errors or ()))
        self.errors = errors or []
        self.message = message

    def body(self) -> bytes:
        """Return the answer."""
        if self.message is not None:
            return encode({"message": self.message})
        return encode({"data": None, "errors": self.errors})


def encode(value: object) -> bytes:
    """Return JSON, also of text that is no Unicode."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return msgspec.json.encode(_clean(value))


def _clean(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [_clean(one) for one in cast("list[object]", value)]
    if isinstance(value, dict):
        return {_clean(key): _clean(one) for key, one in cast("dict[object, object]", value).items()}
    return value


@dataclass(slots=True)
class Plan:
    """The answer's text around the root fields, and these; ``errors`` of fields that are null."""

    pieces: list[bytes] = field(default_factory=list[bytes])
    prepared: list[Prepared] = field(default_factory=list[Prepared])
    errors: list[str] = field(default_factory=list[str])

    @property
    def size(self) -> int:
        """About how many bytes it takes."""
        return 500 + sum(map(len, self.pieces)) + sum(one.size for one in self.prepared)

    @property
    def status(self) -> int:
        """200, or 400 where some field failed."""
        return 400 if self.errors else 200

    def fill(self, answers: list[str]) -> bytes:
        """Return the body: the fields' values in their places, untouched."""
        if len(answers) == 1:
            return b"".join((self.pieces[0], answers[0].encode(), self.pieces[1]))
        parts = [self.pieces[0]]
        for answer, piece in zip(answers, self.pieces[1:], strict=True):
            parts += (answer.encode(), piece)
        return b"".join(parts)


class _Remembered(Generic[T]):
    """What was used last, bounded by bytes."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._size = 0
        self._found: OrderedDict[bytes | str, tuple[int, T]] = OrderedDict()

    def get(self, key: bytes | str) -> T | None:
        found = self._found.get(key)
        if found is None:
            return None
        self._found.move_to_end(key)
        return found[1]

    def put(self, key: bytes | str, size: int, value: T) -> None:
        size += len(key)
        if size > _LONGEST or key in self._found:
            return
        self._found[key] = (size, value)
        self._size += size
        while self._size > self._most:
            self._size -= self._found.popitem(last=False)[1][0]


@dataclass(frozen=True, slots=True)
class _Parsed:
    operation: OperationDefinitionNode
    fragments: Mapping[str, FragmentDefinitionNode]


class Schema:
    """The schema of one dictionary with everything remembered about it."""

    def __init__(self, dictionary: Dictionary, prepare: Callable[[Root], Prepared]) -> None:
        self.dictionary = dictionary
        self.model = describe(dictionary)
        self._prepare = prepare
        self._schema = graphql_schema(self.model)
        self._reflection = Reflection(self.model)
        self._plans: _Remembered[Plan] = _Remembered(REMEMBERED)
        self._parsed: _Remembered[_Parsed] = _Remembered(REMEMBERED)
        self._getschema: bytes | None = None

    def getschema(self) -> bytes:
        """Return the body of the ``getschema`` route; made once."""
        if self._getschema is None:
            self._getschema = getschema(self.model)
        return self._getschema

    def plan(self, body: bytes) -> Plan:
        """Return the plan of a request. Raises Refused."""
        plan = self._plans.get(body)
        if plan is None:
            query, variables = _read(body)
            try:
                plan = self._make(self.parse(query), variables)
            except TooLarge as error:
                raise Refused([error.message]) from error
            except RecursionError as error:
                raise Refused(["This query is nested too deeply."]) from error
            self._plans.put(body, plan.size, plan)
        return plan

    def parse(self, query: str) -> _Parsed:
        """Parse, limit and validate a query. Raises Refused and TooLarge."""
        parsed = self._parsed.get(query)
        if parsed is not None:
            return parsed
        check_text(query)
        try:
            document = parse(query, allow_empty_selection_sets=False)
        except GraphQLSyntaxError as error:
            raise Refused([syntax_error(error)]) from error
        check_document(self.model, document)
        for rules in (_RULES, _LAST_RULES):
            errors = validate(self._schema, document, rules, max_errors=_MOST_ERRORS)
            if errors:
                raise Refused([validation_error(self.model, error) for error in errors])
        parsed = _Parsed(_operation(document), _fragments(document))
        self._parsed.put(query, 60 * len(query), parsed)
        return parsed

    def _make(self, parsed: _Parsed, given: Mapping[str, Any]) -> Plan:
        values, errors = variable_values(self.model, tuple(parsed.operation.variable_definitions or ()), given)
        if errors:
            raise Refused(errors)
        query = translate(self.model, self._reflection, parsed.operation, parsed.fragments, values)
        if query.refused:
            raise Refused(query.refused)
        plan = Plan(errors=query.errors)
        text = bytearray(b'{"data":')
        self._write(plan, query.items, text)
        if plan.errors:
            text += b',"errors":' + encode(plan.errors)
        plan.pieces.append(bytes(text + b"}"))
        return plan

    def _write(self, plan: Plan, items: tuple[Root | Fixed | Group, ...], text: bytearray) -> None:
        mark = b"{"
        for item in items:
            text += mark + encode(item.key) + b":"
            mark = b","
            if isinstance(item, Fixed):
                text += item.json.encode("utf-8", "replace")
            elif isinstance(item, Group):
                self._write(plan, item.items, text)
            else:
                plan.pieces.append(bytes(text))
                text.clear()
                plan.prepared.append(self._prepare(item))
        text += b"{}" if mark == b"{" else b"}"


def _operation(document: DocumentNode) -> OperationDefinitionNode:
    operations = [one for one in document.definitions if isinstance(one, OperationDefinitionNode)]
    if not operations:
        raise Refused(["Must provide an operation."])
    if len(operations) > 1:
        raise Refused(["Must provide operation name if query contains multiple operations."])
    if operations[0].operation is not OperationType.QUERY:
        raise Refused([f"Schema is not configured for {operations[0].operation.value}s"])
    return operations[0]


def _fragments(document: DocumentNode) -> dict[str, FragmentDefinitionNode]:
    return {one.name.value: one for one in document.definitions if isinstance(one, FragmentDefinitionNode)}


def _read(body: bytes) -> tuple[str, Mapping[str, Any]]:
    if len(body) > MOST_BYTES:
        raise Refused(message=f"A query may have at most {MOST_BYTES >> 20} MiB.")
    request = _decoded(body, "the body")
    if not isinstance(request, dict):
        raise Refused(message="Unable to parse json: the body must be an object with query and variables.")
    parts = cast("dict[str, Any]", request)
    query, variables = parts.get("query"), parts.get("variables")
    if not isinstance(query, str):
        raise Refused(["Must provide query string."])
    if isinstance(variables, str):
        variables = _decoded(variables.encode("utf-8", "replace"), "variables") if variables.strip() else None
    if variables is None:
        return query, {}
    if not isinstance(variables, dict):
        raise Refused(message="variables must be an object, or the JSON text of one.")
    return query, cast("dict[str, Any]", variables)


def _decoded(data: bytes, what: str) -> Any:
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise Refused(message=f"Unable to parse json: {what}: {error}") from error
