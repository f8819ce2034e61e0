"""The dictionary as a drawing: types in columns by what they link to, links as curves between them; pure.

Layered drawing after Sugiyama: columns by the longest way to a type without links, bends where a link crosses a
column, an order with few crossings, then heights near those of the neighbours. Lengths are pixels.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from commensal.core.dictionary import NodeType

__all__ = ["Box", "Curve", "Picture", "picture"]

BOX_HEIGHT = 34
BOX_GAP = 24
BEND_HEIGHT = 6
BEND_GAP = 8
COLUMN_GAP = 84
MARGIN = 22
_LETTER = 8.1
_SWEEPS = 12


@dataclass(frozen=True, slots=True)
class Box:
    """A type: its upper left corner and its width."""

    node: NodeType
    x: float
    y: float
    width: float


@dataclass(frozen=True, slots=True)
class Curve:
    """A link, drawn from its source to its target as an SVG path."""

    source: str
    target: str
    name: str
    required: bool
    path: str


@dataclass(frozen=True, slots=True)
class Picture:
    """All of it."""

    width: float
    height: float
    boxes: tuple[Box, ...]
    curves: tuple[Curve, ...]


@dataclass(slots=True, eq=False)
class _Place:
    """A type, or a bend of a link (``node`` None), in its column."""

    node: NodeType | None
    column: int
    order: float = 0.0
    y: float = 0.0
    left: list[_Place] = field(default_factory=list["_Place"])
    right: list[_Place] = field(default_factory=list["_Place"])

    @property
    def height(self) -> float:
        return BEND_HEIGHT if self.node is None else BOX_HEIGHT


def _gap(one: _Place, other: _Place) -> int:
    """Return the free height between two neighbours: less where only links pass."""
    return BOX_GAP if one.node is not None and other.node is not None else BEND_GAP


def _columns(nodes: dict[str, NodeType]) -> dict[str, int]:
    """Return each type's column: one more than the farthest of its targets; links that close a circle do not count."""
    found: dict[str, int] = {}
    open_: set[str] = set()

    def column(name: str) -> int:
        if name not in found:
            open_.add(name)
            targets = {link.target for link in nodes[name].links if link.target in nodes}
            found[name] = 1 + max((column(one) for one in sorted(targets) if one not in open_), default=-1)
            open_.discard(name)
        return found[name]

    for name in nodes:
        column(name)
    return found


def _crossings(columns: Sequence[list[_Place]]) -> int:
    total = 0
    for column in columns[1:]:
        ends = [(place.order, other.order) for place in column for other in place.left]
        total += sum((a - c) * (b - d) < 0 for n, (a, b) in enumerate(ends) for c, d in ends[:n])
    return total


def _number(column: list[_Place]) -> None:
    for n, place in enumerate(column):
        place.order = n


def _arrange(columns: list[list[_Place]]) -> None:
    """Put each column in an order with few crossings (the best of some sweeps by mean place of the neighbours)."""
    best, least = [list(column) for column in columns], _crossings(columns)
    for sweep in range(_SWEEPS):
        forward = sweep % 2 == 0
        for column in columns if forward else reversed(columns):
            means: dict[int, float] = {}
            for place in column:
                others = place.left if forward else place.right
                means[id(place)] = sum(one.order for one in others) / len(others) if others else place.order
            column.sort(key=lambda place: means[id(place)])
            _number(column)
        now = _crossings(columns)
        if now < least:
            best, least = [list(column) for column in columns], now
    columns[:] = best
    for column in columns:
        _number(column)


def _settle(columns: list[list[_Place]]) -> None:
    """Give each place a height near those of its neighbours, without overlaps."""
    for column in columns:
        y = 0.0
        for n, place in enumerate(column):
            y += _gap(column[n - 1], place) if n else 0
            place.y = y
            y += place.height
        shift = y / 2
        for place in column:
            place.y -= shift
    for sweep in range(_SWEEPS):
        for column in columns if sweep % 2 == 0 else reversed(columns):
            wanted: list[float] = []
            for place in column:
                others = [*place.left, *place.right]
                middle = sum(one.y + one.height / 2 for one in others) / len(others) if others else place.y
                wanted.append(middle - place.height / 2 if others else place.y)
            for n, (place, aim) in enumerate(zip(column, wanted, strict=True)):
                above = column[n - 1]
                place.y = max(aim, above.y + above.height + _gap(above, place)) if n else aim
            shift = sum(aim - place.y for place, aim in zip(column, wanted, strict=True)) / len(column)
            for place in column:
                place.y += shift


def picture(types: Iterable[NodeType]) -> Picture:
    """Draw types and the links between them; those without links stand on the left."""
    nodes = {node.name: node for node in types}
    where = _columns(nodes)
    count = max(where.values(), default=-1) + 1
    columns: list[list[_Place]] = [[] for _ in range(count)]
    places: dict[str, _Place] = {}
    for node in sorted(nodes.values(), key=lambda one: (one.category, one.name)):
        place = places[node.name] = _Place(node, where[node.name])
        columns[place.column].append(place)
    ways: list[tuple[str, str, str, bool, list[_Place]]] = []
    for node in nodes.values():
        for link in node.links:
            if link.target not in nodes or where[link.target] >= where[node.name]:
                continue
            way = [places[link.target]]
            for number in range(where[link.target] + 1, where[node.name]):
                bend = _Place(None, number)
                columns[number].append(bend)
                way.append(bend)
            way.append(places[node.name])
            for near, far in pairwise(way):
                near.right.append(far)
                far.left.append(near)
            ways.append((node.name, link.target, link.name, link.required, way))
    for column in columns:
        _number(column)
    _arrange(columns)
    _settle(columns)
    return _draw(columns, places, ways)


def _draw(
    columns: list[list[_Place]], places: dict[str, _Place], ways: list[tuple[str, str, str, bool, list[_Place]]]
) -> Picture:
    top = min((place.y for column in columns for place in column), default=0.0) - MARGIN
    bottom = max((place.y + place.height for column in columns for place in column), default=0.0) + MARGIN
    lefts: list[float] = []
    widths: list[float] = []
    x = float(MARGIN)
    for column in columns:
        longest = max((len(place.node.label) for place in column if place.node is not None), default=0)
        lefts.append(x)
        widths.append(max(96.0, longest * _LETTER + 34))
        x += widths[-1] + COLUMN_GAP
    boxes = [
        Box(place.node, lefts[place.column], place.y - top, widths[place.column])
        for place in places.values()
        if place.node is not None
    ]
    curves: list[Curve] = []
    for source, target, name, required, way in ways:
        # From the source, which stands on the right, back to the target.
        points: list[tuple[float, float]] = []
        for place in reversed(way):
            middle = place.y + place.height / 2 - top
            left, right = lefts[place.column], lefts[place.column] + widths[place.column]
            if place is way[-1]:
                points.append((left, middle))
            elif place is way[0]:
                points.append((right, middle))
            else:
                points += [(right, middle), (left, middle)]
        curves.append(Curve(source, target, name, required, _path(points)))
    return Picture(x - COLUMN_GAP + MARGIN, bottom - top, tuple(boxes), tuple(curves))


def _path(points: Sequence[tuple[float, float]]) -> str:
    """Return a smooth path: curves between columns, straight lines through them."""
    (x, y), *rest = points
    parts = [f"M{x:.1f} {y:.1f}"]
    for n, (ahead, height) in enumerate(rest):
        if n % 2 == 0:
            half = (x + ahead) / 2
            parts.append(f"C{half:.1f} {y:.1f} {half:.1f} {height:.1f} {ahead:.1f} {height:.1f}")
        else:
            parts.append(f"L{ahead:.1f} {height:.1f}")
        x, y = ahead, height
    return "".join(parts)
