"""From a search among studies or samples to a condition on their rows.

The grammar and the meaning are those of files (``file_query_sql``), but nothing here is indexed: each row in scope is
looked at. What names one object (its accession, the name that it has in its study) is compared in its own columns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from commensal.core.files_query import And, Compare, Equals, Node, Not, Or, Pattern, Phrase, Wild, canonical_number
from commensal.core.names import fold as fold_name
from commensal.core.names import parse_accession
from commensal.core.search_words import fold
from commensal.storage.postgres.file_query_sql import fixed_text, like, regex

__all__ = ["NUMBER_SQL", "Parameter", "Row", "Special", "accession_is", "condition", "name_is", "text_is"]

Parameter = Callable[[object], str]
#: What compares a key of its own: from the value (fixed, else None) and a way to give parameters; None: not special.
Special = Mapping[str, Callable[[str, Parameter], str]]

NUMBER_SQL = r"'^[+-]?([0-9]{1,50}([.][0-9]{0,50})?|[.][0-9]{1,50})([eE][+-]?[0-9]{1,2})?$'"
_UNSPOKEN = "'{commensal:uuid}'::text[]"


def accession_is(column: str) -> Callable[[str, Parameter], str]:
    """Return the comparison of an accession with a column of numbers."""

    def compare(value: str, parameter: Parameter) -> str:
        number = parse_accession(value) if value.startswith("GSF") else None
        return f"({column} = {parameter(number)}::bigint)" if number is not None else "(false)"

    return compare


def name_is(alias: str) -> Callable[[str, Parameter], str]:
    """Return the comparison of a record's name, by the index that finds it without case first."""

    def compare(value: str, parameter: Parameter) -> str:
        folded, exact = parameter(fold_name(value)), parameter(value)
        return f"({alias}.sid_folded = {folded}::text and {alias}.submitter_id = {exact}::text)"

    return compare


def text_is(column: str) -> Callable[[str, Parameter], str]:
    """Return the comparison with a text that is never null, spared the way through jsonb."""

    def compare(value: str, parameter: Parameter) -> str:
        wanted = sorted({value, canonical_number(value) or value})
        return f"({column} = any({parameter(wanted)}::text[]))"

    return compare


@dataclass(frozen=True, slots=True)
class Row:
    """How one row of a query shows its attributes, as SQL.

    ``value`` gives the expression (jsonb) of one attribute, ``attributes`` all of them as one object, ``text`` a text
    that holds at least all of their words. ``special`` compares a key with a fixed text in columns of its own.
    """

    value: Callable[[str], str]
    attributes: str
    text: str
    special: Special


class _Compiler:
    def __init__(self, row: Row, parameter: Parameter) -> None:
        self._row = row
        self._parameter = parameter

    def node(self, node: Node) -> str:
        if isinstance(node, Not):
            return f"(not {self.node(node.part)})"
        if isinstance(node, And):
            return f"({' and '.join([self.node(part) for part in node.parts]) or 'true'})"
        if isinstance(node, Or):
            return f"({' or '.join([self.node(part) for part in node.parts]) or 'false'})"
        if isinstance(node, Phrase):
            return self._phrase(node)
        if isinstance(node, Compare):
            return self._compare(node)
        return self._equals(node)

    def _values(self, key: str, test: Callable[[str], str]) -> str:
        """Return that a scalar, or one of a list, passes a test; scalars without the detour of a set."""
        value = self._row.value(key)
        text = f"({value} #>> '{{}}')"
        return (
            f"(case jsonb_typeof({value}) when 'string' then {test(text)} when 'boolean' then {test(text)} "
            f"when 'number' then {test(f'trim_scale({text}::numeric)::text')} "
            f"when 'array' then exists (select from file_search_values({value}) v where {test('v')}) else false end)"
        )

    def _equals(self, node: Equals) -> str:
        fixed = fixed_text(node.value)
        if fixed is None:
            wanted = f"{self._parameter(like(node.value))}::text"
            return self._values(node.key, lambda text: f"{text} like {wanted}")
        special = self._row.special.get(node.key)
        if special is not None:
            return special(fixed, self._parameter)
        texts = f"{self._parameter(sorted({fixed, canonical_number(fixed) or fixed}))}::text[]"
        return self._values(node.key, lambda text: f"{text} = any({texts})")

    def _compare(self, node: Compare) -> str:
        number = f"{self._parameter(node.number)}::numeric"
        return self._values(
            node.key,
            lambda text: f"(case when {text} ~ {NUMBER_SQL} then {text}::numeric {node.op} {number} else false end)",
        )

    def _phrase(self, node: Phrase) -> str:
        if not node.words:
            return "(false)"
        words = [self._folded(word) for word in node.words]
        texts = [fixed_text(word) for word in words]
        spoken = "file_search_words(leaf #>> '{}')"
        plain = [text for text in texts if text is not None]
        if len(plain) == len(texts):
            test = f"strpos({spoken}, {self._parameter(' ' + ' '.join(plain) + ' ')}::text) > 0"
        else:
            wanted = " " + " ".join(regex(word, r"[^ \n]") for word in words) + " "
            test = f"{spoken} ~ {self._parameter(wanted)}::text"
        # A cheap look first: a word of ASCII stands in the text as it is, but for its case.
        first = max((text for text in plain if text.isascii()), key=len, default="")
        seen = f"{self._parameter(first)}::text" if first else ""
        if first:
            test = f"strpos(lower((leaf #>> '{{}}') collate \"C\"), {seen}) > 0 and {test}"
        found = (
            f"exists (select from jsonb_path_query({self._row.attributes} - {_UNSPOKEN}, 'strict $.**') leaf "
            f"where jsonb_typeof(leaf) in ('string', 'number', 'boolean') and {test})"
        )
        return f'(strpos(lower({self._row.text} collate "C"), {seen}) > 0 and {found})' if first else found

    @staticmethod
    def _folded(pattern: Pattern) -> Pattern:
        return tuple(piece if isinstance(piece, Wild) else fold(piece) for piece in pattern)


def condition(nodes: Sequence[Node], parameter: Parameter, row: Row) -> str:
    """Return the condition that all nodes hold of a row; never null.

    Values are given to ``parameter``, which returns ``$n``.
    """
    return _Compiler(row, parameter).node(And(tuple(nodes)))
