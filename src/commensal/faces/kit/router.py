"""From a method and a path to a route: a tree of path segments, so cost does not grow with the number of routes.

A pattern is a path whose segments are literal (``projects``), a parameter (``{project_id}``, or
``{id:int}``, ``{id:uuid}`` which match nothing else) or, at the end, the rest of the path
(``{path:path}``, one segment or more). At each segment literal text wins over typed parameters, these
over plain ones, these over the rest; when a choice leads nowhere the next is tried.
"""

from __future__ import annotations

import re
from typing import Any, Generic, TypeVar

from commensal.errors import Malformed

__all__ = ["Match", "Router", "pattern_parts", "split_path"]

T = TypeVar("T")

_PARAMETER = re.compile(r"\{([a-z_][a-z0-9_]*)(?::([a-z]+))?\}")
_CONVERTERS = {
    "int": re.compile(r"[0-9]{1,19}"),
    "uuid": re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"),
    "str": re.compile(r".+", re.DOTALL),
}
_ORDER = ("int", "uuid", "str")
_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})?")


def split_path(raw: bytes) -> list[str]:
    """Return the decoded segments of a raw path; an encoded slash stays inside its segment.

    Raises Malformed for a broken escape, a control character, or bytes that are no UTF-8.
    """
    raw = raw.partition(b"?")[0]
    parts = raw.split(b"/")[1:]
    try:
        segments = [part.decode() if b"%" not in part else _unescape(part) for part in parts]
    except UnicodeDecodeError:
        raise Malformed("The path of the address is no UTF-8.") from None
    if any("\x00" in segment for segment in segments):
        raise Malformed("The path of the address holds a zero character.")
    return segments


def _unescape(part: bytes) -> str:
    def one(found: re.Match[bytes]) -> bytes:
        if found[1] is None:
            raise Malformed("The path of the address holds a broken % escape.")
        return bytes((int(found[1], 16),))

    return _ESCAPE.sub(one, part).decode()


def pattern_parts(pattern: str) -> list[tuple[str, str, str]]:
    """Return (kind, name, converter) of each segment of a pattern; kind is ``literal``, ``parameter`` or ``rest``."""
    if not pattern.startswith("/"):
        raise ValueError(f"the path {pattern!r} must begin with /")
    parts: list[tuple[str, str, str]] = []
    for segment in pattern[1:].split("/"):
        found = _PARAMETER.fullmatch(segment)
        if found is None:
            if "{" in segment:
                raise ValueError(f"the segment {segment!r} of {pattern!r} is neither text nor one parameter")
            parts.append(("literal", segment, ""))
            continue
        name, converter = found[1], found[2] or "str"
        if converter == "path":
            parts.append(("rest", name, ""))
        elif converter in _CONVERTERS:
            parts.append(("parameter", name, converter))
        else:
            raise ValueError(f"there is no converter {converter!r} ({pattern!r})")
    if any(kind == "rest" for kind, _, _ in parts[:-1]):
        raise ValueError(f"the rest of the path must stand at the end of {pattern!r}")
    return parts


class Match(Generic[T]):
    """What a path leads to: the target and its parameters; or, with another method, what is allowed there."""

    __slots__ = ("allowed", "params", "target")

    def __init__(self, target: T | None, params: dict[str, str], allowed: tuple[str, ...] = ()) -> None:
        self.target = target
        self.params = params
        self.allowed = allowed


class _Node:
    __slots__ = ("literals", "parameters", "rest", "targets")

    def __init__(self) -> None:
        self.literals: dict[str, _Node] = {}
        self.parameters: list[tuple[str, re.Pattern[str], _Node]] = []
        self.rest: _Node | None = None
        self.targets: dict[str, tuple[Any, tuple[str, ...]]] = {}


class Router(Generic[T]):
    """A table of patterns. ``either_slash``: a slash at the end makes no difference."""

    def __init__(self, *, either_slash: bool = True) -> None:
        self._root = _Node()
        self._either = either_slash

    def add(self, method: str, pattern: str, target: T) -> None:
        """Add a route; raises ValueError when method and pattern are taken."""
        parts = pattern_parts(pattern)
        if self._either and len(parts) > 1 and parts[-1] == ("literal", "", ""):
            parts.pop()
        node = self._root
        for kind, name, converter in parts:
            node = self._child(node, kind, name, converter)
        if method in node.targets:
            raise ValueError(f"{method} {pattern} is there twice")
        node.targets[method] = (target, tuple(name for kind, name, _ in parts if kind != "literal"))

    @staticmethod
    def _child(node: _Node, kind: str, name: str, converter: str) -> _Node:
        if kind == "literal":
            return node.literals.setdefault(name, _Node())
        if kind == "rest":
            node.rest = node.rest or _Node()
            return node.rest
        for known, _, child in node.parameters:
            if known == converter:
                return child
        child = _Node()
        node.parameters.append((converter, _CONVERTERS[converter], child))
        node.parameters.sort(key=lambda entry: _ORDER.index(entry[0]))
        return child

    def match(self, method: str, segments: list[str]) -> Match[T]:
        """Find the route for a path; HEAD is answered by GET where it has no route of its own."""
        if self._either and len(segments) > 1 and segments[-1] == "":
            segments = segments[:-1]
        values: list[str] = []
        allowed: set[str] = set()
        methods = ("HEAD", "GET") if method == "HEAD" else (method,)
        found = self._find(self._root, segments, 0, methods, values, allowed)
        if found is None:
            if "GET" in allowed:
                allowed.add("HEAD")
            return Match(None, {}, tuple(sorted(allowed)))
        target, names = found
        return Match(target, dict(zip(names, values, strict=True)))

    def _find(
        self,
        node: _Node,
        segments: list[str],
        at: int,
        methods: tuple[str, ...],
        values: list[str],
        allowed: set[str],
    ) -> tuple[T, tuple[str, ...]] | None:
        if at == len(segments):
            return self._here(node, methods, allowed)
        segment = segments[at]
        child = node.literals.get(segment)
        if child is not None:
            found = self._find(child, segments, at + 1, methods, values, allowed)
            if found is not None:
                return found
        for _, pattern, below in node.parameters:
            if pattern.fullmatch(segment):
                values.append(segment)
                found = self._find(below, segments, at + 1, methods, values, allowed)
                if found is not None:
                    return found
                values.pop()
        if node.rest is not None and (len(segments) - at > 1 or segment):
            found = self._here(node.rest, methods, allowed)
            if found is not None:
                values.append("/".join(segments[at:]))
                return found
        return None

    @staticmethod
    def _here(node: _Node, methods: tuple[str, ...], allowed: set[str]) -> tuple[Any, tuple[str, ...]] | None:
        for method in methods:
            found = node.targets.get(method)
            if found is not None:
                return found
        allowed.update(node.targets)
        return None
