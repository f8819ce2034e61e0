"""Objects out of a JSON file one after the other, in flat memory.

A submission file is one object or an array of objects. Arrays can be far larger than memory, so each
item is decoded from a window of text that grows only as far as that item needs.
"""

from __future__ import annotations

import codecs
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from commensal.errors import Invalid

__all__ = ["MAX_ITEM_CHARS", "JsonObject", "json_objects"]

MAX_ITEM_CHARS = 4 << 20
"""Longest single object of an array, in characters."""

_CHUNK = 1 << 18
_SPACE = " \t\r\n"


@dataclass(slots=True)
class JsonObject:
    """An object, the line on which it begins, and its length in characters."""

    value: dict[str, Any]
    line: int
    size: int


def json_objects(path: Path) -> Iterator[JsonObject]:
    """Yield each object of a file; UTF-8, with or without a mark.

    Raises Invalid that names the line for text that is no JSON, for an array item that is no object, and
    for NaN and Infinity, which JSON does not have.
    """
    with path.open("rb") as source:
        window = _Window(path, source)
        opening = window.peek()
        if opening == "{":
            yield window.item()
        elif opening == "[":
            window.take()
            yield from _items(window)
        else:
            raise window.error("expected is a JSON object or an array of objects.")
        if window.peek():
            raise window.error("the JSON ends here, but more text follows; expected is one object or one array.")


def _items(window: _Window) -> Iterator[JsonObject]:
    if window.peek() == "]":
        window.take()
        return
    while True:
        if window.peek() != "{":
            raise window.error("expected is an object, '{'. Each item of the array must be one.")
        yield window.item()
        after = window.peek()
        window.take()
        if after == "]":
            return
        if after != ",":
            raise window.error("expected is ',' or ']' after an object; is the file cut off?")


class _Window:
    """The part of the text that is in memory; ``line`` is that of the next character."""

    def __init__(self, path: Path, source: BinaryIO) -> None:
        self.path = path
        self.source = source
        self.text = ""
        self.at = 0
        self.line = 1
        self.ended = False
        self.decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self.json = json.JSONDecoder(parse_constant=_no_constant, parse_float=_finite)

    def error(self, text: str, line: int | None = None) -> Invalid:
        return Invalid(f"{self.path.name}, line {line or self.line}: {text}", field="file")

    def fill(self, size: int = _CHUNK) -> bool:
        if self.ended:
            return False
        data = self.source.read(size)
        try:
            more = self.decoder.decode(data, final=not data)
        except UnicodeDecodeError:
            raise self.error("the file is not UTF-8 text from about this line on; save it as UTF-8.") from None
        self.ended = not data
        self.text = self.text[self.at :] + more
        self.at = 0
        return not self.ended

    def peek(self) -> str:
        """The next character that is no white space, or an empty string at the end."""
        while True:
            end = self.at
            while end < len(self.text) and self.text[end] in _SPACE:
                end += 1
            self.line += self.text.count("\n", self.at, end)
            self.at = end
            if end < len(self.text):
                return self.text[end]
            if not self.fill():
                return ""

    def take(self) -> None:
        self.at += 1

    def item(self) -> JsonObject:
        """The object that begins at the next character."""
        while True:
            try:
                value, end = self.json.raw_decode(self.text, self.at)
            except RecursionError:
                raise self.error("the object is nested too deeply.") from None
            except json.JSONDecodeError as error:
                # Cut off by the window, or wrong: only more text can tell, up to the limit.
                size = len(self.text) - self.at
                if size <= MAX_ITEM_CHARS and self.fill(max(_CHUNK, size)):
                    continue
                if size > MAX_ITEM_CHARS:
                    raise self.error(
                        f"the object that begins here has no end within {MAX_ITEM_CHARS:,} characters."
                    ) from None
                line = self.line + self.text.count("\n", self.at, error.pos)
                raise self.error(f"this is no JSON: {error.msg}.", line) from None
            except _NotJsonError as error:
                raise self.error(f"in the object that begins here: {error}") from None
            except ValueError:
                raise self.error("in the object that begins here: a number has too many digits.") from None
            found = JsonObject(cast("dict[str, Any]", value), self.line, end - self.at)
            self.line += self.text.count("\n", self.at, end)
            self.at = end
            return found


class _NotJsonError(ValueError):
    """A number that Python would take and JSON does not have."""


def _no_constant(name: str) -> Any:
    raise _NotJsonError(f"{name} is no JSON number; leave the property out or write null.")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise _NotJsonError(f"the number {text[:40]} is too large.")
    return value
