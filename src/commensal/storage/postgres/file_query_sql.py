"""From a search among files to a condition on ``file_search fs``.

Whatever the index alone can decide becomes one tsquery, negations too; the rest is narrowed by a tsquery and then
looked at in the row. Prefixes are good for at most SHORT_KEPT characters, which long values keep in the index.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
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

__all__ = ["condition", "fixed_text", "like", "regex"]

#: What a wildcard stands for in a name and in a path of a structure, both kept one a line.
_IN_NAME = r"[^/\n]"
_IN_PATH = r"[^\n]"

Parameter = Callable[[object], str]


@dataclass(frozen=True, slots=True)
class _Index:
    """A condition that the index decides: the text of a tsquery."""

    text: str


@dataclass(frozen=True, slots=True)
class _Sql:
    """Any other condition, in brackets, never null."""

    text: str


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


class _Compiler:
    def __init__(self, parameter: Parameter) -> None:
        self._parameter = parameter

    def sql(self, made: _Made) -> str:
        if isinstance(made, _Sql):
            return made.text
        return f"(fs.tsv @@ {self._parameter(made.text)}::text::tsquery)"

    def node(self, node: Node) -> _Made:
        if isinstance(node, Not):
            made = self.node(node.part)
            # The lexeme of every file keeps the negation of a rare word from reading each row.
            return _Index(f"('*' & !{made.text})") if isinstance(made, _Index) else _Sql(f"(not {made.text})")
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
        indexed = [part.text for part in parts if isinstance(part, _Index)]
        others = [part.text for part in parts if isinstance(part, _Sql)]
        together = _Index(f"({f' {sign} '.join(indexed)})") if indexed else empty
        if not others:
            return together
        if indexed:
            others.append(self.sql(together))
        return _Sql(f"({f' {word} '.join(others)})")

    def _narrowed(self, index: str, exact: str) -> _Sql:
        return _Sql(f"({self.sql(_Index(index))} and {exact})")

    # --- attributes

    def _attribute(self, node: Equals) -> _Made:
        begin = f"a{short(node.key)}\x1f"
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
        key, number = self._parameter(short(node.key)), self._parameter(node.number)
        return _Sql(
            "(fs.file in (select n.file from file_numbers n "  # noqa: S608 - an operator of ours and parameters
            f"where n.key = {key}::text and n.value {node.op} {number}::numeric))"
        )

    # --- words

    def _phrase(self, node: Phrase) -> _Made:
        if not node.words:
            return _NONE
        index = " & ".join(_lexeme("w", tuple(self._folded(word))) for word in node.words)
        only = node.words[0]
        if len(node.words) == 1 and (fixed_text(only) is not None or _is_prefix(only)):
            return _Index(index)
        words = " ".join(regex(tuple(self._folded(word)), r"[^ \n]") for word in node.words)
        wanted = self._parameter(f" {words} ")
        return self._narrowed(
            f"({index})",
            f"(fs.words ~ {wanted}::text or exists "
            f"(select from file_contents c where c.file = fs.file and c.words ~ {wanted}::text))",
        )

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
        return self._narrowed(
            index, f"exists (select from file_contents c where c.file = fs.file and c.paths ~ {wanted}::text)"
        )

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


def condition(nodes: Sequence[Node], parameter: Parameter) -> str:
    """Return the condition that all nodes hold, with its values given to ``parameter`` (which returns ``$n``)."""
    compiler = _Compiler(parameter)
    return compiler.sql(compiler.node(And(tuple(nodes)))) if nodes else "(true)"
