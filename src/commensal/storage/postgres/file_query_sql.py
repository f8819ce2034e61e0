"""From a search among files to a condition on ``file_search fs``.

Whatever the index alone can decide becomes one tsquery, negations too; the rest is narrowed by a tsquery and then
looked at in the row. Prefixes are good for at most SHORT_KEPT characters, which long values keep in the index.

The planner knows neither what a tsquery finds nor what it costs to read a long value, so nothing is left to it that
may be slow: a tsquery comes out of a subselect (always the index, never each row), what is looked at in
``file_contents`` too (only where the rest holds), and numbers are joined as sets.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from typing import Literal

from commensal.core.files_query import (
    STRUCTURE_KEYS,
    And,
    Compare,
    Equals,
    Node,
    Not,
    Or,
    Pattern,
    Phrase,
    Wild,
    canonical_number,
)
from commensal.core.search_words import SHORT_KEPT, fold, short

__all__ = [
    "Condition",
    "condition",
    "file_condition",
    "fixed_text",
    "like",
    "phrase_lexemes",
    "regex",
    "required_lexemes",
]

#: What a wildcard stands for in a name and in a path of a structure, both kept one a line.
_IN_NAME = r"[^/\n]"
_IN_PATH = r"[^\n]"
_IN_WORD = r"[^ \n]"

Parameter = Callable[[object], str]


@dataclass(frozen=True, slots=True)
class _Index:
    """A condition that the index decides: the text of a tsquery that holds, or does not where ``negative``."""

    text: str
    negative: bool = False

    @property
    def whole(self) -> str:
        """The tsquery for the condition alone: the lexeme of every file spares a negation reading each row."""
        return f"('*' & !{self.text})" if self.negative else self.text


@dataclass(frozen=True, slots=True)
class _Sql:
    """Any other condition, in brackets, never null."""

    text: str


@dataclass(frozen=True, slots=True)
class Condition:
    """What finds the files.

    ``table`` has the columns ``file`` (once each) and ``project``, and ``text`` is about its rows, called ``fs``.
    ``looks``: the index cannot decide alone, so that finding anything twice costs twice.
    """

    table: str
    text: str
    looks: bool


_Made = _Index | _Sql
_ALL = _Index("'*'")
_NONE = _Index("('*' & !'*')")


def _quoted(lexeme: str) -> str:
    return "'" + lexeme.replace("\\", "\\\\").replace("'", "''") + "'"


def fixed_text(pattern: Pattern) -> str | None:
    """Return the text of a pattern without wildcards."""
    return "".join(map(str, pattern)) if all(isinstance(piece, str) for piece in pattern) else None


def _lead(pattern: Pattern) -> str:
    """Return what a pattern's matches begin with, as far as the index keeps it."""
    return pattern[0][:SHORT_KEPT] if pattern and isinstance(pattern[0], str) else ""


def _is_prefix(pattern: Pattern) -> bool:
    """Whether all that a pattern says is how its matches begin, and the index can tell."""
    if pattern == (Wild.MANY,):
        return True
    return (
        len(pattern) == 2 and pattern[1] is Wild.MANY and isinstance(pattern[0], str) and len(pattern[0]) <= SHORT_KEPT
    )


def _lexeme(begin: str, pattern: Pattern) -> str:
    """Return the operand for a pattern after a lexeme's beginning: exact, or at least what it begins with."""
    fixed = fixed_text(pattern)
    if fixed is not None:
        return _quoted(begin + short(fixed))
    return _quoted(begin + _lead(pattern)) + ":*"


def regex(pattern: Pattern, inside: str) -> str:
    """Return a regular expression (PostgreSQL ARE); wildcards stand for characters of the class ``inside``."""
    made: list[str] = []
    for piece in pattern:
        if isinstance(piece, str):
            made.append(re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", piece))
        else:
            made.append(inside if piece is Wild.ONE else f"{inside}*")
    return "".join(made)


def like(pattern: Pattern) -> str:
    """Return a pattern as LIKE wants it."""
    made: list[str] = []
    for piece in pattern:
        if isinstance(piece, str):
            made.append(re.sub(r"([\\%_])", r"\\\1", piece))
        else:
            made.append("_" if piece is Wild.ONE else "%")
    return "".join(made)


def _without_lines(pattern: Pattern) -> Pattern:
    """Names of structures are kept one a line, so a line end in a name is a space there."""
    return tuple(piece.replace("\n", " ") if isinstance(piece, str) else piece for piece in pattern)


def _has_numbers(node: Node) -> bool:
    if isinstance(node, Not):
        return _has_numbers(node.part)
    return any(map(_has_numbers, node.parts)) if isinstance(node, And | Or) else isinstance(node, Compare)


def phrase_lexemes(nodes: Sequence[Node]) -> set[str]:
    """Return the lexemes of phrases of several words."""
    made: set[str] = set()
    for node in nodes:
        if isinstance(node, Not):
            made |= phrase_lexemes((node.part,))
        elif isinstance(node, And | Or):
            made |= phrase_lexemes(node.parts)
        elif isinstance(node, Phrase) and len(node.words) > 1:
            made |= _fixed_words(node)
    return made


def required_lexemes(nodes: Sequence[Node]) -> set[str]:
    """Return lexemes that each file has for which all nodes hold."""
    made: set[str] = set()
    for node in nodes:
        if isinstance(node, And):
            made |= required_lexemes(node.parts)
        elif isinstance(node, Phrase):
            made |= _fixed_words(node)
        elif isinstance(node, Equals) and node.key not in STRUCTURE_KEYS:
            fixed = fixed_text(node.value)
            if fixed is not None and canonical_number(fixed) in (None, fixed):
                made.add(_attribute_begin(node.key) + short(fixed))
    return made


def _fixed_words(phrase: Phrase) -> set[str]:
    return {_word_lexeme(text) for word in phrase.words if (text := fixed_text(word)) is not None}


def _attribute_begin(key: str) -> str:
    return f"a{short(key)}\x1f"


def _word_lexeme(word: str) -> str:
    return "w" + short(fold(word))


class _Compiler:
    """``common``: lexemes of many files. ``each``: numbers are looked up for each file, not joined."""

    def __init__(self, parameter: Parameter, common: Set[str], *, each: bool) -> None:
        self._parameter = parameter
        self._common = common
        self._each = each
        self.looks = False

    def sql(self, made: _Made) -> str:
        if isinstance(made, _Sql):
            return made.text
        return f"(fs.tsv @@ (select {self._parameter(made.whole)}::text::tsquery))"

    def node(self, node: Node) -> _Made:
        if not self._each and not isinstance(node, And | Compare) and _has_numbers(node):
            return self._set(node)
        if isinstance(node, Not):
            made = self.node(node.part)
            return _Index(made.text, not made.negative) if isinstance(made, _Index) else _Sql(f"(not {made.text})")
        if isinstance(node, And):
            return self._joined([self.node(part) for part in node.parts], "&", "and", _ALL)
        if isinstance(node, Or):
            return self._joined([self.node(part) for part in node.parts], "|", "or", _NONE)
        if isinstance(node, Phrase):
            return self._phrase(node)
        if isinstance(node, Compare):
            return self._compare(node)
        made = self._attribute(node)
        if node.key in STRUCTURE_KEYS:
            return self._joined([made, self._structure(node.key, _without_lines(node.value))], "|", "or", _NONE)
        return made

    def _joined(self, parts: Sequence[_Made], sign: str, word: Literal["and", "or"], empty: _Index) -> _Made:
        found = [part for part in parts if isinstance(part, _Index)]
        if sign == "&" and any(not part.negative for part in found):
            indexed = [f"!{part.text}" if part.negative else part.text for part in found]
        else:
            indexed = [part.whole for part in found]
        others = [part.text for part in parts if isinstance(part, _Sql)]
        together = _Index(f"({f' {sign} '.join(indexed)})") if indexed else empty
        if not others:
            return together
        if indexed:
            others.append(self.sql(together))
        return _Sql(f"({f' {word} '.join(others)})")

    def _set(self, node: Node) -> _Made:
        """Compile OR and NOT above numbers to joins; as plain conditions they would read the numbers row by row."""
        if isinstance(node, Not):
            part = node.part
            if isinstance(part, Not):
                return self.node(part.part)
            if isinstance(part, And):
                return self.node(Or(tuple(map(Not, part.parts))))
            if isinstance(part, Or):
                return self.node(And(tuple(map(Not, part.parts))))
            assert isinstance(part, Compare)
            return _Sql(f"(not exists (select from {self._files(self._numbers_sql(part))} n where n.file = fs.file))")
        assert isinstance(node, Or)
        ways = [self._numbers_sql(part) for part in node.parts if isinstance(part, Compare)]
        others = [self.node(part) for part in node.parts if not isinstance(part, Compare)]
        indexed = [part for part in others if isinstance(part, _Index)]
        conditions = [self.sql(self._joined(indexed, "|", "or", _NONE))] if indexed else []
        conditions += [part.text for part in others if isinstance(part, _Sql)]
        ways += [f"select fs.file from file_search fs where {one}" for one in conditions]  # noqa: S608
        return self._in(" union all ".join(ways))

    @staticmethod
    def _files(ways: str) -> str:
        """Return the files that a query finds, fenced: to look for them row by row is never the better plan here."""
        return f"({ways} offset 0)"

    def _in(self, ways: str) -> _Sql:
        return _Sql(f"(fs.file + 0 in {self._files(ways)})")

    def _numbers_sql(self, node: Compare) -> str:
        return f"select n.file from file_numbers n where {self.numbers(node, 'n')}"  # noqa: S608

    def numbers(self, node: Compare, alias: str) -> str:
        """Return the condition on a row of ``file_numbers``: at most one row of a file holds it."""
        key, number = self._parameter(short(node.key)), self._parameter(node.number)
        end = "least" if node.op in ("<", "<=") else "most"
        return f"{alias}.key = {key}::text and {alias}.value {node.op} {number}::numeric and {alias}.{end}"

    def _narrowed(self, index: str, exact: str) -> _Sql:
        self.looks = True
        return _Sql(f"({self.sql(_Index(index))} and {exact})")

    # --- attributes

    def _attribute(self, node: Equals) -> _Made:
        begin = _attribute_begin(node.key)
        fixed = fixed_text(node.value)
        index = _lexeme(begin, node.value)
        if fixed is not None:
            number = canonical_number(fixed)
            if number is not None and number != fixed:
                index = f"({index} | {_quoted(begin + number)})"
            return _Index(index)
        if _is_prefix(node.value):
            return _Index(index)
        key, wanted = self._parameter(node.key), self._parameter(like(node.value))
        return self._narrowed(
            index,
            f"exists (select from file_search_values(fs.attrs -> {key}::text) v where v like {wanted}::text)",
        )

    def _compare(self, node: Compare) -> _Made:
        if self._each:
            # Not a join, whatever the planner thinks: a look at each row, until there are enough.
            found = f"select true from file_numbers n where n.file = fs.file and {self.numbers(node, 'n')}"  # noqa: S608
            return _Sql(f"coalesce(({found}), false)")
        return self._in(self._numbers_sql(node))

    # --- words

    def _phrase(self, node: Phrase) -> _Made:
        if not node.words:
            return _NONE
        only = node.words[0]
        if len(node.words) == 1 and (fixed_text(only) is not None or _is_prefix(only)):
            return _Index(_lexeme("w", tuple(self._folded(only))))
        folded = [tuple(self._folded(word)) for word in node.words]
        texts = [text for text in map(fixed_text, folded) if text is not None]
        wanted = [word for word in folded if _word_lexeme(fixed_text(word) or "") not in self._common]
        if not any(fixed_text(word) is not None for word in wanted):
            wanted = folded
        # Words of many files are left to the look at the row: to find a few files among so many takes longer.
        index = " & ".join(_lexeme("w", word) for word in wanted)
        if len(texts) == len(folded):
            place = f"{self._parameter(' ' + ' '.join(texts) + ' ')}::text"
            here, inside = f"strpos(fs.words, {place}) > 0", f"strpos(c.words, {place}) > 0"
        else:
            words = " ".join(regex(word, _IN_WORD) for word in folded)
            place = f"{self._parameter(f' {words} ')}::text"
            here, inside = f"fs.words ~ {place}", f"c.words ~ {place}"
        return self._narrowed(f"({index})", f"({here} or {self._contents(inside)})")

    @staticmethod
    def _contents(test: str) -> str:
        """Return that a file's contents pass a test; a scalar, so that no plan reads the contents of all files."""
        return f"coalesce((select {test} from file_contents c where c.file = fs.file), false)"  # noqa: S608

    @staticmethod
    def _folded(pattern: Pattern) -> list[str | Wild]:
        return [fold(piece) if isinstance(piece, str) else piece for piece in pattern]

    # --- structure

    def _structure(self, key: str, value: Pattern) -> _Made:
        if key in ("group", "dataset"):
            kind = key[0]
            index = _lexeme(f"c{kind}", value)
            if fixed_text(value) is not None or _is_prefix(value):
                return _Index(index)
            return self._paths(index, rf"\n{kind}[^\n]*/{regex(value, _IN_NAME)}\n")
        if key == "partialPath":
            value = self._stripped(value)
        last = self._last(value)
        index = f"({' | '.join(_lexeme(f'c{kind}', last) for kind in 'gdf')})" if last else "'c':*"
        begin = r"\n[gdf]" if key == "fullPath" else r"\n[gdf][^\n]*/"
        return self._paths(index, rf"{begin}{regex(value, _IN_PATH)}\n")

    def _paths(self, index: str, regex: str) -> _Sql:
        wanted = self._parameter(regex)
        return self._narrowed(index, self._contents(f"c.paths ~ {wanted}::text"))

    @staticmethod
    def _stripped(value: Pattern) -> Pattern:
        """Drop the slashes around a part of a path."""
        made = list(value)
        if made and isinstance(made[0], str):
            made[0] = made[0].lstrip("/")
        if made and isinstance(made[-1], str):
            made[-1] = made[-1].rstrip("/")
        return tuple(piece for piece in made if piece != "")

    @staticmethod
    def _last(value: Pattern) -> Pattern:
        """Return the last segment of a path when wildcards leave no doubt what it is, else ()."""
        fixed = fixed_text(value)
        name = "" if fixed is None else fixed.rpartition("/")[2]
        return (name,) if name else ()


def file_condition(
    nodes: Sequence[Node], parameter: Parameter, *, common: Set[str] = frozenset(), each: bool = False
) -> Condition:
    """Return the condition that all nodes hold, with its values given to ``parameter`` (which returns ``$n``).

    ``common`` are lexemes that many files have, and need not be right. ``each``: few rows are to be looked at.
    """
    compiler = _Compiler(parameter, common, each=each)
    if len(nodes) == 1 and isinstance(nodes[0], Compare) and not each:
        return Condition("file_numbers", f"({compiler.numbers(nodes[0], 'fs')})", looks=False)
    text = compiler.sql(compiler.node(And(tuple(nodes)))) if nodes else "(true)"
    return Condition("file_search", text, compiler.looks)


def condition(nodes: Sequence[Node], parameter: Parameter) -> str:
    """Return the condition that all nodes hold of a row of ``file_search fs``, as part of a larger query."""
    compiler = _Compiler(parameter, frozenset(), each=False)
    return compiler.sql(compiler.node(And(tuple(nodes)))) if nodes else "(true)"
