"""Filters of SCIM lists: equality, joined by ``and`` (RFC 7644, 3.4.2.2); pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from commensal.faces.odm.scim.errors import ScimRefusal

__all__ = ["parse_filter"]

_TOKEN = re.compile(r'\s*(?:(?P<text>"(?:[^"\\]|\\.)*")|(?P<word>[A-Za-z$][A-Za-z0-9_.:$-]*)|(?P<mark>[\[\]]))')
_LENGTH = 2000

Value = str | bool


def _tokens(text: str) -> list[str]:
    made: list[str] = []
    at, text = 0, text.strip()
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise ScimRefusal("invalidFilter", f"The filter cannot be read at character {at + 1}: {text[at:][:40]!r}.")
        made.append(found[0].strip())
        at = found.end()
    return made


class _Parser:
    def __init__(self, tokens: list[str], allowed: Mapping[str, str]) -> None:
        self._tokens = tokens
        self._allowed = allowed
        self._at = 0

    def take(self) -> str:
        if self._at == len(self._tokens):
            raise ScimRefusal("invalidFilter", "The filter ends where more was expected.")
        self._at += 1
        return self._tokens[self._at - 1]

    def all(self, inside: str = "") -> dict[str, Value]:
        """Read comparisons joined by ``and`` up to the end, or to the bracket that closes ``inside``."""
        found: dict[str, Value] = {}
        while True:
            self._one(inside, found)
            if self._at == len(self._tokens) and not inside:
                return found
            word = self.take()
            if inside and word == "]":
                return found
            if word.lower() != "and":
                raise ScimRefusal("invalidFilter", f"Only eq and and are understood, not {word[:40]!r}.")

    def _one(self, inside: str, found: dict[str, Value]) -> None:
        name = self.take().lower()
        operator = self.take()
        if operator == "[" and not inside:
            inner = self.all(name)
            if inner.pop(f"{name}.type", "work") != "work" or not inner:
                raise ScimRefusal("invalidFilter", f'Of {name}, only those of the type "work" are known, by value.')
            found.update({self._known(key): value for key, value in inner.items()})
            return
        if operator.lower() != "eq":
            raise ScimRefusal("invalidFilter", f"Only eq is understood, not {operator[:40]!r}.")
        value = self._value(self.take())
        found[f"{inside}.{name}" if inside else self._known(name)] = value

    def _known(self, name: str) -> str:
        if name not in self._allowed:
            raise ScimRefusal("invalidFilter", f"There is no attribute {name[:40]!r} to filter by.")
        return self._allowed[name]

    @staticmethod
    def _value(token: str) -> Value:
        if token.startswith('"'):
            try:
                return str(json.loads(token))
            except ValueError:
                raise ScimRefusal("invalidFilter", f"{token[:40]} is no text in quotes.") from None
        if token.lower() in ("true", "false"):
            return token.lower() == "true"
        raise ScimRefusal("invalidFilter", f"A value stands in quotes: {token[:40]!r} does not.")


def parse_filter(text: str | None, allowed: Mapping[str, str]) -> dict[str, Value]:
    """Return what a filter asks for, by the names that ``allowed`` gives to attributes (small letters).

    Two different values for one attribute ask for nothing that there is; the last one counts. Raises ScimRefusal.
    """
    if text is None or not text.strip():
        return {}
    if len(text) > _LENGTH:
        raise ScimRefusal("invalidFilter", f"The filter is longer than {_LENGTH} characters.")
    return _Parser(_tokens(text), allowed).all()
