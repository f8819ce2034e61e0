"""Searches among files as values: the filter grammar and the full-text grammar of contracts/odm.md.

``parse_filter`` and ``parse_text`` give a tree of :data:`Node`; storage compiles it. Both raise Malformed with a
sentence that names the place.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from commensal.core.search_words import words
from commensal.errors import Malformed

__all__ = [
    "MAX_LENGTH",
    "NUMBER",
    "STRUCTURE_KEYS",
    "And",
    "Compare",
    "Equals",
    "Node",
    "Not",
    "Or",
    "Pattern",
    "Phrase",
    "Wild",
    "canonical_number",
    "equals",
    "parse_filter",
    "parse_text",
]

MAX_LENGTH = 10_000
_MAX_DEPTH = 50
_MAX_TERMS = 200

#: Texts that count as numbers for ``<`` and ``>``.
NUMBER = r"[+-]?([0-9]{1,50}([.][0-9]{0,50})?|[.][0-9]{1,50})([eE][+-]?[0-9]{1,2})?"
_NUMBER = re.compile(NUMBER)

#: Keys that look into the structure of HDF5 files and archives (contracts/odm.md, "HDF5 structure").
STRUCTURE_KEYS = ("group", "dataset", "fullPath", "partialPath")


class Wild(enum.Enum):
    """A place in a pattern that is not fixed."""

    ONE = "?"
    MANY = "*"


Pattern = tuple[str | Wild, ...]
"""Fixed pieces and wildcards in order; no two fixed pieces side by side. ``()`` is the empty text."""


@dataclass(frozen=True, slots=True)
class Equals:
    """An attribute has this value, or one among its values; a number on the right matches that number, too."""

    key: str
    value: Pattern


@dataclass(frozen=True, slots=True)
class Compare:
    """An attribute is a number (or holds one) on this side of ``number``."""

    key: str
    op: Literal["<", ">", "<=", ">="]
    number: Decimal


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words side by side in one value, or in one name of the structure. No words: matches nothing."""

    words: tuple[Pattern, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The rest of the files."""

    part: Node


@dataclass(frozen=True, slots=True)
class And:
    """All parts; without any: every file."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """One of the parts; without any: no file."""

    parts: tuple[Node, ...]


Node = Equals | Compare | Phrase | Not | And | Or


def canonical_number(text: str) -> str | None:
    """Return a number in its shortest plain spelling (``61`` for ``61.0``), None for other text."""
    if not _NUMBER.fullmatch(text):
        return None
    plain = f"{Decimal(text):f}"
    if "." in plain:
        plain = plain.rstrip("0").rstrip(".")
    return "0" if plain in ("-0", "") else plain


def equals(key: str, value: str) -> Equals:
    """Return the comparison that a plain query parameter stands for (``?group=obs*``)."""
    return Equals(key, _pattern([*value], wild=True))


def _pattern(characters: list[str | Wild], *, wild: bool) -> Pattern:
    """Join characters; with ``wild``, ``?`` and ``*`` among them are wildcards."""
    made: list[str | Wild] = []
    for one in characters:
        if wild and one in ("?", "*"):
            one = Wild(one)
        if isinstance(one, Wild):
            if not (one is Wild.MANY and made and made[-1] is Wild.MANY):
                made.append(one)
        elif made and isinstance(made[-1], str):
            made[-1] += one
        else:
            made.append(one)
    return tuple(made)


# --- the filter grammar -----------------------------------------------------------------------------

_TOKEN = re.compile(r"\s+|(?P<op>\(|\)|&&|\|\||!=|<=|>=|[=<>!])|(?P<bare>[^\s()=!<>\"&|]+)|(?P<quote>\")")
_KEYWORDS = {"AND": "&&", "OR": "||", "NOT": "!", "&&": "&&", "||": "||", "!": "!"}


@dataclass(frozen=True, slots=True)
class _Token:
    kind: Literal["op", "bare", "quoted", "end"]
    text: str
    at: int
    pattern: Pattern = ()


def _quoted(text: str, at: int, what: str) -> tuple[list[str | Wild], list[str], int]:
    """Read what follows an opening quote: characters with wildcards, plain characters, the place behind."""
    characters: list[str | Wild] = []
    plain: list[str] = []
    begin = at - 1
    while at < len(text):
        one = text[at]
        if one == '"':
            return characters, plain, at + 1
        if one == "\\" and text[at + 1 : at + 2] in ('"', "\\", "*", "?"):
            one = text[at + 1]
            characters.append(one)
            at += 1
        else:
            characters.append(Wild(one) if one in ("?", "*") else one)
        plain.append(one)
        at += 1
    raise Malformed(f"The quote at character {begin + 1} of the {what} is never closed.", field=what)


def _tokens(text: str) -> list[_Token]:
    made: list[_Token] = []
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise Malformed(
                f"The filter has a single {text[at]!r} at character {at + 1}: write && or ||, or quote the value.",
                field="filter",
            )
        begin, at = at, found.end()
        if found["quote"]:
            characters, plain, at = _quoted(text, at, "filter")
            made.append(_Token("quoted", "".join(plain), begin, _pattern(characters, wild=False)))
        elif found["op"]:
            made.append(_Token("op", found["op"], begin))
        elif found["bare"]:
            made.append(_Token("bare", found["bare"], begin, _pattern([*found["bare"]], wild=True)))
    made.append(_Token("end", "", len(text)))
    return made


class _Filter:
    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._at = 0
        self._terms = 0

    def whole(self) -> Node:
        made = self._or(0)
        if self._now.kind != "end":
            raise self._wrong("expected AND or OR, or the end")
        return made

    @property
    def _now(self) -> _Token:
        return self._tokens[self._at]

    def _take(self) -> _Token:
        token = self._now
        self._at += 1
        return token

    def _wrong(self, expected: str) -> Malformed:
        token = self._now
        found = "it ends" if token.kind == "end" else f"found {token.text[:40]!r} at character {token.at + 1}"
        return Malformed(f"The filter cannot be read: {expected}, but {found}.", field="filter")

    def _word(self) -> str:
        token = self._now
        return _KEYWORDS.get(token.text, "") if token.kind in ("op", "bare") else ""

    def _or(self, depth: int) -> Node:
        if depth > _MAX_DEPTH:
            raise Malformed(f"The filter has more than {_MAX_DEPTH} levels of brackets and NOTs.", field="filter")
        parts = [self._and(depth)]
        while self._word() == "||":
            self._take()
            parts.append(self._and(depth))
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _and(self, depth: int) -> Node:
        parts = [self._unary(depth)]
        while self._word() == "&&":
            self._take()
            parts.append(self._unary(depth))
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _unary(self, depth: int) -> Node:
        negative = False
        while self._word() == "!":
            self._take()
            negative = not negative
        made = self._primary(depth)
        return Not(made) if negative else made

    def _primary(self, depth: int) -> Node:
        token = self._now
        if token.kind == "op" and token.text == "(":
            self._take()
            made = self._or(depth + 1)
            if self._now.text != ")" or self._now.kind != "op":
                raise self._wrong("expected )")
            self._take()
            return made
        if token.kind not in ("bare", "quoted") or self._word():
            raise self._wrong("expected a key")
        return self._comparison()

    def _comparison(self) -> Node:
        self._terms += 1
        if self._terms > _MAX_TERMS:
            raise Malformed(f"The filter has more than {_MAX_TERMS} comparisons.", field="filter")
        key = self._take().text
        op = self._now
        if op.kind != "op" or op.text not in ("=", "!=", "<", ">", "<=", ">="):
            raise self._wrong(f"expected =, !=, < or > after the key {key[:40]!r}")
        self._take()
        value = self._now
        if value.kind not in ("bare", "quoted"):
            raise self._wrong(f"expected a value for {key[:40]!r}")
        self._take()
        if op.text == "=":
            return Equals(key, value.pattern)
        if op.text == "!=":
            return Not(Equals(key, value.pattern))
        if not _NUMBER.fullmatch(value.text):
            raise Malformed(
                f"{op.text} compares numbers, and {value.text[:40]!r} (for {key[:40]!r}) is none.", field="filter"
            )
        return Compare(key, op.text, Decimal(value.text))  # pyright: ignore[reportArgumentType] - checked above


def parse_filter(text: str) -> Node | None:
    """Return what a filter means; None for a blank one. Raises Malformed."""
    _check_length(text, "filter")
    return _Filter(text).whole() if text.strip() else None


# --- the full-text grammar --------------------------------------------------------------------------


def _check_length(text: str, what: str) -> None:
    if len(text) > MAX_LENGTH:
        raise Malformed(f"The {what} is longer than {MAX_LENGTH:,} characters.", field=what)


def _term(text: str) -> Phrase:
    """Cut a bare term at its marks, keeping wildcards."""
    marked = re.sub(r"\*+", "*", text)
    pieces = re.split(r"([?*])", marked)
    made: list[list[str | Wild]] = [[]]
    for piece in pieces:
        if piece in ("?", "*"):
            made[-1].append(Wild(piece))
            continue
        if not piece:
            continue
        found = words(piece)
        begins = bool(found) and words(piece[0]) != []
        ends = bool(found) and words(piece[-1]) != []
        if not begins and made[-1]:
            made.append([])
        for n, word in enumerate(found):
            if n:
                made.append([])
            made[-1].append(word)
        if not ends and made[-1]:
            made.append([])
    return Phrase(tuple(_pattern(word, wild=False) for word in made if word))


def parse_text(text: str) -> Node | None:
    """Return what a full-text query means; None for a blank one. Raises Malformed.

    Terms side by side are alternatives, except ``a NOT b``: a without b. AND binds tighter than OR.
    """
    _check_length(text, "query")
    items = _text_items(text)
    if not items:
        return None
    if sum(isinstance(item, Phrase) for item in items) > _MAX_TERMS:
        raise Malformed(f"The query has more than {_MAX_TERMS} terms.", field="query")
    groups: list[list[Node]] = []
    join = ""
    at = 0
    while at < len(items):
        item = items[at]
        if isinstance(item, str) and item in ("AND", "OR"):
            if join or not groups or at + 1 == len(items):
                raise Malformed(
                    f"{item} stands between two terms; write it in quotes or small letters to search for the word.",
                    field="query",
                )
            join = item
            at += 1
            continue
        negative = False
        while at < len(items) and items[at] == "NOT":
            negative = not negative
            join = join or ("AND" if groups else "")
            at += 1
        if at == len(items) or isinstance(items[at], str):
            raise Malformed("NOT stands before a term.", field="query")
        phrase = items[at]
        assert isinstance(phrase, Phrase)
        node: Node = Not(phrase) if negative else phrase
        if join == "AND":
            groups[-1].append(node)
        else:
            groups.append([node])
        join = ""
        at += 1
    ways: list[Node] = [parts[0] if len(parts) == 1 else And(tuple(parts)) for parts in groups]
    return ways[0] if len(ways) == 1 else Or(tuple(ways))


def _text_items(text: str) -> list[Phrase | str]:
    items: list[Phrase | str] = []
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
        elif text[at] == '"':
            _, plain, at = _quoted(text, at + 1, "query")
            items.append(Phrase(tuple((word,) for word in words("".join(plain)))))
        else:
            end = at
            while end < len(text) and not text[end].isspace() and text[end] != '"':
                end += 1
            word = text[at:end]
            items.append(word if word in ("AND", "OR", "NOT") else _term(word))
            at = end
    return items
