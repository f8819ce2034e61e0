"""Ways between two types over the links of a dictionary (contracts/gen3.md 5.3, ``with_path_to``).

A way follows links in either direction, visits no type twice, and goes only up or only down the levels:
administrative types, then biospecimen and clinical ones, then files.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from commensal.core.dictionary import Dictionary, NodeType
from commensal.core.graph.model import Path, Step, Table, Where
from commensal.core.graph.properties import step_of
from commensal.errors import TooLarge

__all__ = ["MOST_WAYS", "steps_from", "type_ways", "ways"]

#: More ways than this between two types are refused: each of them is a search of its own.
MOST_WAYS = 250
_MOST_VISITS = 50_000


def level(node: NodeType) -> int:
    """Return how far down a type stands: 0 administrative, 2 files, 1 everything between."""
    if node.category in ("administrative", "internal"):
        return 0
    return 2 if node.is_data_file else 1


def steps_from(dictionary: Dictionary, name: str) -> Iterator[Step]:
    """Yield the steps over all links of a type, those that start at it and those that end at it."""
    node = dictionary.types[name]
    for link in node.links:
        if link.target in dictionary.types:
            yield step_of(link, forward=True)
    for link in node.backrefs.values():
        if link.source in dictionary.types:
            yield step_of(link, forward=False)


class _Search:
    def __init__(self, dictionary: Dictionary, goal: str) -> None:
        self.dictionary = dictionary
        self.goal = goal
        self.levels = {name: level(node) for name, node in dictionary.types.items()}
        self.steps = {name: tuple(steps_from(dictionary, name)) for name in dictionary.types}
        self.visits = 0
        self.found: list[tuple[Step, ...]] = []

    def go(self, name: str, way: tuple[Step, ...], seen: frozenset[str], direction: int) -> None:
        """Extend a way; ``direction`` is 1 once it went down, -1 once it went up, else 0."""
        here = self.levels[name]
        for step in self.steps[name]:
            if step.far in seen or step.table is Table.NOTHING:
                continue
            there = self.levels[step.far]
            turn = (there > here) - (there < here)
            if turn * direction < 0:
                continue
            self.visits += 1
            if self.visits > _MOST_VISITS or len(self.found) > MOST_WAYS:
                raise TooLarge(
                    f"There are too many ways over links to {self.goal}; ask for a type that is nearer, or follow the "
                    "links in the query."
                )
            longer = (*way, step)
            if step.far == self.goal:
                self.found.append(longer)
            else:
                self.go(step.far, longer, seen | {step.far}, direction or turn)


@lru_cache(maxsize=512)
def _found(known: _Known, start: str, goal: str) -> tuple[tuple[Step, ...], ...]:
    search = _Search(known.dictionary, goal)
    search.go(start, (), frozenset({start}), 0)
    return tuple(sorted(search.found, key=len))


class _Known:
    """Lets a dictionary be an argument of a cached function: equal when its version is."""

    __slots__ = ("dictionary",)

    def __init__(self, dictionary: Dictionary) -> None:
        self.dictionary = dictionary

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Known) and other.dictionary.version_hash == self.dictionary.version_hash

    def __hash__(self) -> int:
        return hash(self.dictionary.version_hash)


def ways(dictionary: Dictionary, start: str, goal: str, end: Where) -> tuple[Path, ...]:
    """Return the ways from a type to another as a tree of steps; rows at their end fulfil ``end``.

    Empty when there is no way, or no such type. Raises TooLarge when there are more than ``MOST_WAYS``.
    """
    return _tree(type_ways(dictionary, start, goal), end)


def type_ways(dictionary: Dictionary, start: str, goal: str) -> tuple[tuple[Step, ...], ...]:
    """Return the ways from a type to another, each as its steps, short ones first. Errors as :func:`ways`."""
    if start not in dictionary.types or goal not in dictionary.types or start == goal:
        return ()
    return _found(_Known(dictionary), start, goal)


def _tree(found: tuple[tuple[Step, ...], ...], end: Where) -> tuple[Path, ...]:
    heads: dict[Step, list[tuple[Step, ...]]] = {}
    for way in found:
        heads.setdefault(way[0], []).append(way[1:])
    return tuple(
        Path(step, end if () in rest else None, _tree(tuple(way for way in rest if way), end))
        for step, rest in heads.items()
    )
