"""What a search means, in plain Python: the compiled SQL must give the same."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from commensal.core.files_query import (
    NUMBER,
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
from commensal.core.search_words import fold, words

UNSPOKEN = ("commensal:uuid", "commensal:md5", "commensal:size")


def scalar(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return canonical_number(f"{Decimal(str(value)):f}")
    return value if isinstance(value, str) else None


def values(attrs: dict[str, Any], key: str) -> list[str]:
    value = attrs.get(key)
    found = [scalar(one) for one in (value if isinstance(value, list) else [value])]
    return [one for one in found if one is not None]


def leaves(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for one in value.values():
            yield from leaves(one)
    elif isinstance(value, list):
        for one in value:
            yield from leaves(one)
    else:
        # Full text has the words of a value as it is shown: 61.0 has the words 61 and 0, though it equals 61.
        number = isinstance(value, int | float) and not isinstance(value, bool)
        text = f"{Decimal(str(value)):f}" if number else scalar(value)
        if text is not None:
            yield text


def nodes_of(tree: dict[str, Any] | None) -> Iterator[dict[str, Any]]:
    if tree is not None and "name" in tree:
        yield tree
        for child in tree.get("children", ()):
            yield from nodes_of(child)


def matches(pattern: Pattern, text: str, inside: str = r"[\s\S]") -> bool:
    made = "".join(
        re.escape(piece) if isinstance(piece, str) else inside if piece is Wild.ONE else f"{inside}*"
        for piece in pattern
    )
    return re.fullmatch(made, text) is not None


def phrase(node: Phrase, texts: list[str]) -> bool:
    patterns = [tuple(fold(piece) if isinstance(piece, str) else piece for piece in word) for word in node.words]
    for text in texts:
        found = words(text)
        for at in range(len(found) - len(patterns) + 1):
            if patterns and all(matches(p, found[at + n]) for n, p in enumerate(patterns)):
                return True
    return False


def structure(key: str, pattern: Pattern, tree: dict[str, Any] | None) -> bool:
    for node in nodes_of(tree):
        name, path = node["name"], node["path"]
        if key in ("group", "dataset"):
            if node["type"] == key and matches(pattern, name):
                return True
        elif key == "fullPath":
            if matches(pattern, path):
                return True
        else:
            cut = [*pattern]
            if cut and isinstance(cut[0], str):
                cut[0] = cut[0].lstrip("/")
            if cut and isinstance(cut[-1], str):
                cut[-1] = cut[-1].rstrip("/")
            if any(matches(tuple(cut), path[at + 1 :]) for at, one in enumerate(path) if one == "/"):
                return True
    return False


def holds(node: Node, attrs: dict[str, Any], tree: dict[str, Any] | None) -> bool:
    if isinstance(node, And):
        return all(holds(part, attrs, tree) for part in node.parts)
    if isinstance(node, Or):
        return any(holds(part, attrs, tree) for part in node.parts)
    if isinstance(node, Not):
        return not holds(node.part, attrs, tree)
    if isinstance(node, Phrase):
        texts = list(leaves({key: value for key, value in attrs.items() if key not in UNSPOKEN}))
        return phrase(node, texts) or phrase(node, [one["name"] for one in nodes_of(tree)])
    if isinstance(node, Compare):
        numbers = [Decimal(one) for one in values(attrs, node.key) if re.fullmatch(NUMBER, one)]
        ops = {"<": Decimal.__lt__, ">": Decimal.__gt__, "<=": Decimal.__le__, ">=": Decimal.__ge__}
        return any(ops[node.op](one, node.number) for one in numbers)
    assert isinstance(node, Equals)
    found = values(attrs, node.key)
    if any(matches(node.value, one) for one in found):
        return True
    if all(isinstance(piece, str) for piece in node.value):
        number = canonical_number("".join(map(str, node.value)))
        if number is not None and number in found:
            return True
    return node.key in STRUCTURE_KEYS and structure(node.key, node.value, tree)
