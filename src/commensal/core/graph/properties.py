"""What a dictionary says about fields and links, in the terms of a graph query."""

from __future__ import annotations

from commensal.core.dictionary import Link, NodeType, Property
from commensal.core.graph.model import Form, Step, Table

__all__ = ["form_of", "step_of", "table_named", "table_of"]

_INTERNAL = frozenset({"root", "data_release"})


def table_named(type_name: str) -> Table:
    """Return where the rows of a type of this name stand."""
    if type_name == "project":
        return Table.PROJECTS
    if type_name == "program":
        return Table.PROGRAMS
    return Table.NOTHING if type_name in _INTERNAL else Table.RECORDS


def table_of(node: NodeType) -> Table:
    """Return where the rows of a type stand."""
    return table_named(node.name)


def step_of(link: Link, *, forward: bool) -> Step:
    """Return the step over a link, from its source to its target (``forward``) or back."""
    near, far = (link.source, link.target) if forward else (link.target, link.source)
    return Step(link.name, forward, near, far, table_named(far))


def form_of(node: NodeType, prop: Property) -> Form:
    """Return how a property of a type is stored, compared and shown.

    The first entry of a list of types counts for the query language; where other types are allowed too, values are
    shown as text.
    """
    if prop.name == "metadata" and node.has_metadata:
        return Form.EXTRA
    first = prop.types[0] if prop.types else ""
    rest = {kind for kind in prop.types if kind != "null"}
    if first == "boolean":
        return Form.BOOLEAN
    if first in ("number", "integer"):
        return Form.NUMBER
    if first == "array":
        plain = prop.item_kind == "string" and rest == {"array"}
        return Form.TEXTS if plain else Form.SHOWN_TEXTS
    if rest == {"string"} or (not rest and prop.enum and all(isinstance(v, str | None) for v in prop.enum)):
        return Form.TEXT
    return Form.SHOWN
