"""What the search needs of a contents tree (contracts/odm.md, ``contents``): words, paths and names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from commensal.core.search_words import short, words

__all__ = ["TreeIndex", "index_tree"]

#: What one file may take in the index, in bytes and characters; what is beyond cannot be searched.
_LEXEME_BYTES = 300_000
_WORD_CHARACTERS = 4_000_000
_PATH_CHARACTERS = 16_000_000

_KINDS = {"group": "g", "dataset": "d"}


@dataclass(frozen=True, slots=True)
class TreeIndex:
    """``words``: the folded words of each name between spaces, one name a line. ``paths``: each path on a line of its

    own after a letter for its kind (g, d, f). ``lexemes``: what stands in the index, without doubles.
    """

    words: str
    paths: str
    lexemes: tuple[str, ...]


def _nodes(root: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield all nodes, the upper ones first, so that what is cut off lies deep."""
    level: list[Mapping[str, Any]] = [root]
    while level:
        below: list[Mapping[str, Any]] = []
        for node in level:
            yield node
            below.extend(cast("Sequence[Mapping[str, Any]]", node.get("children") or ()))
        level = below


def index_tree(tree: Mapping[str, Any]) -> TreeIndex:
    """Return the index of a tree; of one that is only an error, nothing."""
    if "name" not in tree:
        return TreeIndex("", "\n", ())
    lexemes: dict[str, None] = {}
    lines: dict[str, None] = {}
    paths: list[str] = []
    size = word_room = path_room = 0
    for node in _nodes(tree):
        kind = _KINDS.get(node["type"], "f")
        name = str(node["name"]).replace("\n", " ")
        path = kind + str(node["path"]).replace("\n", " ")
        found = words(name)
        line = f" {' '.join(found)} "
        if line not in lines and word_room + len(line) < _WORD_CHARACTERS:
            lines[line] = None
            word_room += len(line) + 1
        if path_room + len(path) < _PATH_CHARACTERS:
            paths.append(path)
            path_room += len(path) + 1
        for lexeme in (f"c{kind}{short(name)}", *(f"w{short(word)}" for word in found)):
            if lexeme not in lexemes and size + len(lexeme.encode()) < _LEXEME_BYTES:
                lexemes[lexeme] = None
                size += len(lexeme.encode())
    return TreeIndex("\n".join(lines), "\n" + "\n".join(paths) + "\n", tuple(lexemes))
