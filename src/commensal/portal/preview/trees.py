"""The stored tree of what is inside an archive or HDF5 file, cut down to what a page can hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import msgspec

__all__ = ["Tree", "tree_of"]

#: Most entries on a page, and most of one folder.
ENTRIES = 2_000
CHILDREN = 200
#: Longest name that is shown, in characters.
_NAME = 300


@dataclass(slots=True)
class Tree:
    """One entry: ``about`` is its shape and type, or ``size`` in bytes; ``more`` counts children that are left out."""

    name: str
    type: str
    about: str = ""
    size: int | None = None
    children: list[Tree] = field(default_factory=list["Tree"])
    holds: bool = False
    more: int = 0
    cut: bool = False


def tree_of(text: str | None) -> Tree | None:
    """Return the tree of a file's contents, at most 2,000 entries of it; None where it could not be parsed.

    The upper levels come first: what is left out lies deep, or late in a long folder.
    """
    value: Any = msgspec.json.decode(text) if text else None
    if not isinstance(value, Mapping) or "name" not in value:
        return None
    top = _entry(cast("Mapping[str, Any]", value))
    top.cut = bool(cast("Mapping[str, Any]", value).get("truncated"))
    level: list[tuple[Tree, Mapping[str, Any]]] = [(top, cast("Mapping[str, Any]", value))]
    room = ENTRIES - 1
    while level:
        below: list[tuple[Tree, Mapping[str, Any]]] = []
        for made, node in level:
            children = cast("Sequence[Mapping[str, Any]]", node.get("children") or ())
            taken = min(len(children), CHILDREN, room)
            for child in children[:taken]:
                entry = _entry(child)
                made.children.append(entry)
                below.append((entry, child))
            made.more = len(children) - taken
            room -= taken
        level = below
    return top


def _entry(node: Mapping[str, Any]) -> Tree:
    about = ""
    if node.get("type") == "dataset":
        shape = cast("Sequence[int]", node.get("shape") or ())
        about = " ".join(
            filter(None, (str(node.get("dtype") or "")[:_NAME], " × ".join(f"{n:,}" for n in shape) or "single"))
        )
    size = node.get("size")
    return Tree(
        str(node.get("name", ""))[:_NAME],
        str(node.get("type", "")),
        about,
        size if isinstance(size, int) else None,
        holds="children" in node,
    )
