"""What a query may cost before anything is looked at closely: refusals take milliseconds.

The limits leave room for every real query met (the widest asks for all properties of all types; the deepest goes from
program to file), and stop those that only want to be expensive.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
)

from commensal.errors import TooLarge
from commensal.faces.gen3.graphql.types import Meaning, Named, SchemaModel

__all__ = ["MOST_BYTES", "check_document", "check_text"]

#: Bytes of one request, variables included.
MOST_BYTES: Final = 8 << 20
#: Names, numbers and signs of a query; texts (long lists) count apart.
MOST_SIGNS: Final = 8_000
MOST_TEXTS: Final = 50_000
#: Braces inside braces.
MOST_DEPTH: Final = 25
#: Fields of the query, with every fragment put in its place.
MOST_FIELDS: Final = 4_000
#: Fields of ``Root`` and ``viewer``: each is a statement.
MOST_ROOTS: Final = 250
#: The same name in the answer in one selection.
MOST_SAME: Final = 20
#: Lists inside lists of a question about the schema; what clients ask has two (arguments of fields).
MOST_NESTED: Final = 2
#: Estimated values for each row of a root field.
MOST_COST: Final = 2_000_000

# Only what opens, closes or hides other signs is told apart.
_SIGNS = re.compile(r'"""(?:\\"""|[^"]|"(?!""))*"""|"(?:\\.|[^"\\\n])*"|#[^\n\r]*|\.\.\.|[\w.+-]+|[^\s,\w]')
_BRACES = re.compile(r'"""(?:\\"""|[^"]|"(?!""))*"""|"(?:\\.|[^"\\\n])*"|#[^\n\r]*|[{}\[(]|[\])]')
_LISTS = frozenset({"fields", "args", "interfaces", "possibleTypes", "inputFields"})
_FIRST_GUESS = 10
_MOST_TREE = 5
_MOST_BACK = 100


def check_text(query: str) -> None:
    """Refuse a query that is too long or nested too deeply, before it is parsed. Raises TooLarge."""
    if len(query) > MOST_BYTES:
        raise TooLarge(f"This query is longer than {MOST_BYTES >> 20} MiB.")
    if len(query) > MOST_SIGNS:
        plain = texts = 0
        for sign in _SIGNS.finditer(query):
            if query[sign.start()] in '"#':
                texts += 1
            else:
                plain += 1
            if plain > MOST_SIGNS or texts > MOST_TEXTS:
                raise TooLarge(
                    f"This query has more than {MOST_SIGNS} names and signs; ask for fewer fields at once, and send "
                    "long lists as variables."
                )
    depth = most = 0
    if query.count("{") + query.count("[") + query.count("(") > MOST_DEPTH:
        for sign in _BRACES.findall(query):
            if sign in "{[(":
                depth += 1
                most = max(most, depth)
            elif sign in "}])":
                depth -= 1
    if most > MOST_DEPTH:
        raise TooLarge(f"This query is nested deeper than {MOST_DEPTH} levels; ask for its parts one by one.")


def check_document(model: SchemaModel, document: DocumentNode) -> None:
    """Refuse a query with too many fields, or one that goes back and forth over the same links. Raises TooLarge."""
    fragments = {one.name.value: one for one in document.definitions if isinstance(one, FragmentDefinitionNode)}
    count = _Count(model, fragments)
    for one in document.definitions:
        if isinstance(one, OperationDefinitionNode):
            count.walk(model.root, one.selection_set, (), 1, {})
        elif isinstance(one, FragmentDefinitionNode):
            named = model.types.get(one.type_condition.name.value)
            count.walk(named, one.selection_set, (one.name.value,), 1, {})


class _Count:
    def __init__(self, model: SchemaModel, fragments: Mapping[str, FragmentDefinitionNode]) -> None:
        self.model = model
        self.fragments = fragments
        self.fields = 0
        self.roots = 0
        self.cost = 0

    def walk(
        self,
        named: Named | None,
        selections: SelectionSetNode | None,
        open_fragments: tuple[str, ...],
        factor: int,
        same: dict[str, int],
        types: tuple[str, ...] = (),
    ) -> None:
        """Count the fields of one selection; ``types`` are those on the way here."""
        for node in selections.selections if selections is not None else ():
            if isinstance(node, FieldNode):
                self._field(named, node, open_fragments, factor, same, types)
            elif isinstance(node, InlineFragmentNode):
                self._tick()
                inner = self._narrowed(named, node.type_condition.name.value if node.type_condition else None)
                self.walk(inner, node.selection_set, open_fragments, factor, same, types)
            elif isinstance(node, FragmentSpreadNode):
                self._tick()
                name = node.name.value
                fragment = self.fragments.get(name)
                # A fragment inside itself is told by the validator.
                if fragment is not None and name not in open_fragments:
                    inner = self._narrowed(named, fragment.type_condition.name.value)
                    self.walk(inner, fragment.selection_set, (*open_fragments, name), factor, same, types)

    def _narrowed(self, named: Named | None, condition: str | None) -> Named | None:
        return named if condition is None else self.model.types.get(condition, named)

    def _tick(self) -> None:
        self.fields += 1
        if self.fields > MOST_FIELDS:
            raise TooLarge(f"This query asks for more than {MOST_FIELDS} fields; ask for its parts one by one.")

    def _field(
        self,
        named: Named | None,
        node: FieldNode,
        open_fragments: tuple[str, ...],
        factor: int,
        same: dict[str, int],
        types: tuple[str, ...],
    ) -> None:
        self._tick()
        key = node.alias.value if node.alias is not None else node.name.value
        same[key] = same.get(key, 0) + 1
        if same[key] > MOST_SAME:
            raise TooLarge(f"This query names {key!r} more than {MOST_SAME} times in one place; name it once.")
        about = named.fields.get(node.name.value) if named is not None else None
        self.cost += factor
        inner: Named | None = None
        if about is None and node.name.value in _LISTS:
            types = (*types, "")
            if types.count("") > MOST_NESTED:
                raise TooLarge("This question about the schema is nested too deeply; ask for __type(name: …) of types.")
        if about is not None:
            inner = self.model.types.get(about.type.base)
            if named is not None and named.name in ("Root", "viewer") and about.meaning is not Meaning.VIEWER:
                self.roots += 1
                types = (about.type.base,)
            elif about.meaning in (Meaning.LINKED, Meaning.NEIGHBOURS, Meaning.RELATED_CASES):
                back = about.type.base in types or about.meaning is not Meaning.LINKED
                factor *= min(_first(node), _MOST_BACK if back else _MOST_TREE)
                types = (*types, about.type.base)
        if self.cost > MOST_COST or factor > MOST_COST:
            raise TooLarge(
                "This query would follow the same links back and forth too often; ask with smaller values of first, or "
                "in several steps."
            )
        if self.roots > MOST_ROOTS:
            raise TooLarge(f"This query has more than {MOST_ROOTS} fields at its root; send several queries.")
        self.walk(inner, node.selection_set, open_fragments, factor, {}, types)


def _first(node: FieldNode) -> int:
    for argument in node.arguments or ():
        if argument.name.value == "first":
            value = argument.value
            if isinstance(value, IntValueNode) and len(value.value) < 10 and int(value.value) > 0:
                return int(value.value)
            return _MOST_BACK
    return _FIRST_GUESS
