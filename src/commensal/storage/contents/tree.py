"""The tree being built: nodes as contracts/odm.md proposes them, counted against the limits."""

from __future__ import annotations

import json
import re
from typing import Any

from commensal.storage.contents.limits import Limits

__all__ = ["Node", "Tree", "clean"]

Node = dict[str, Any]
"""``{"name", "type", "path"}`` with ``children``, ``shape`` and ``dtype``, or ``size``, as the type wants."""

_UNFIT = re.compile("[\0\ud800-\udfff]")
_CONTAINERS = frozenset(("group", "folder", "h5"))


def clean(name: str | bytes) -> str:
    """Return a name that JSON, UTF-8 and PostgreSQL can hold: broken UTF-8, U+0000 and surrogates become U+FFFD."""
    if isinstance(name, bytes):
        name = name.decode("utf-8", "replace")
    # Nearly every name is printable; U+0000 and surrogates are not.
    return name if name.isprintable() else _UNFIT.sub("\N{REPLACEMENT CHARACTER}", name)


class Tree:
    """Nodes below one root. ``truncated`` tells that something was left out because of a limit."""

    def __init__(self, name: str, kind: str, limits: Limits) -> None:
        self.limits = limits
        self.root: Node = {"name": clean(name), "type": kind, "path": "/", "children": []}
        self.nodes = 1
        self.truncated = False
        self._text = 0

    @property
    def full(self) -> bool:
        """Whether no more node has room."""
        return self.nodes >= self.limits.nodes or self._text >= self.limits.text

    def add(self, parent: Node, level: int, name: str, kind: str) -> Node | None:
        """Append a node below ``parent``; ``level`` is its own, 1 is the root's. None without room."""
        base = parent["path"]
        path = f"{base}{name}" if base == "/" else f"{base}/{name}"
        text = len(path) + len(name)
        if level > self.limits.depth or self.nodes >= self.limits.nodes or self._text + text > self.limits.text:
            self.truncated = True
            return None
        self.nodes += 1
        self._text += text
        node: Node = {"name": name, "type": kind, "path": path}
        if kind in _CONTAINERS:
            node["children"] = []
        parent["children"].append(node)
        return node

    def mark(self) -> tuple[int, int]:
        """Return a point to go back to with :meth:`forget`."""
        return self.nodes, self._text

    def forget(self, node: Node, mark: tuple[int, int]) -> None:
        """Drop all that was added below ``node`` since ``mark``."""
        node["children"] = []
        self.nodes, self._text = mark

    def json(self) -> bytes:
        """Return the tree as compact JSON text."""
        if self.truncated:
            self.root["truncated"] = True
        return json.dumps(self.root, ensure_ascii=False, separators=(",", ":")).encode()
