"""Transaction logs: arguments and fields (contracts/gen3.md 5.5)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from graphql import FieldNode, SelectionSetNode

from commensal.core.graph.model import Fixed, LogField, LogWhere, Order, Paging, Selection
from commensal.faces.gen3.graphql.arguments import FieldError, paging
from commensal.faces.gen3.graphql.types import OBJECT, Named, SchemaModel

__all__ = ["log_field", "log_orders", "log_paging", "log_where"]

_ORDERS = frozenset({"id", "submitter", "role", "program", "project", "created_datetime"})
_MOST = 2**63


def _number(text: str) -> tuple[int, ...]:
    """Return the number of a log; none for what is no number."""
    plain = text.strip()
    return (int(plain),) if plain.isascii() and plain.isdigit() and len(plain) < 20 and int(plain) < _MOST else ()


def log_where(arguments: Mapping[str, Any]) -> LogWhere:
    """Return the conditions on transaction logs."""
    ids = [_number(arguments[name]) for name in ("id", "quick_search") if arguments.get(name, "") != ""]
    kind = arguments.get("type")
    roles: tuple[str, ...] | None = None
    if kind is not None:
        roles = ("create", "update") if kind == "upload" else (kind,)
        roles = () if kind in ("create", "update") else roles
    project_ids = arguments.get("project_id")
    entities: set[str] | None = None
    for name in ("entities", "related_cases"):
        if name in arguments:
            entities = set(arguments[name]) if entities is None else entities & set(arguments[name])
    by = _number(arguments["committed_by"]) if "committed_by" in arguments else None
    return LogWhere(
        never=by == () or () in ids,
        ids=tuple(ids),
        roles=roles,
        project_ids=None if project_ids is None else tuple(project_ids),
        project=arguments.get("project"),
        program=arguments.get("program"),
        entities=None if entities is None else tuple(sorted(entities)),
        is_dry_run=arguments.get("is_dry_run"),
        closed=arguments.get("closed"),
        committable=arguments.get("committable"),
        state=arguments.get("state"),
        committed_by=by[0] if by else None,
    )


def log_orders(arguments: Mapping[str, Any]) -> tuple[Order, ...]:
    """Return the order of transaction logs. Raises FieldError for what they cannot be ordered by."""
    found: list[Order] = []
    for argument, descending in (("order_by_asc", False), ("order_by_desc", True)):
        name = arguments.get(argument)
        if name is None:
            continue
        if name not in _ORDERS:
            raise FieldError(f"Cannot order by {name} on TransactionLog")
        found.append(Order(name, descending=descending))
    return tuple(found)


def log_paging(arguments: Mapping[str, Any]) -> Paging:
    """Return which logs are wanted; ``last`` without ``first`` is not cut to ten."""
    if "last" in arguments and "first" not in arguments:
        return Paging(None, max(arguments.get("offset", 0), 0))
    return paging(arguments)


Collect = Callable[[Named, Iterable[SelectionSetNode | None]], dict[str, list[FieldNode]]]


def log_field(model: SchemaModel, collect: Collect, key: str, nodes: list[FieldNode], named: Named) -> Selection:
    """Return a field of a log or of a part of it, with the fields of the part."""
    name = nodes[0].name.value
    if name == "__typename":
        return Fixed(key, json.dumps(named.name))
    inner = model.types[named.fields[name].type.base]
    if inner.kind != OBJECT:
        return LogField(key, name)
    found = collect(inner, [node.selection_set for node in nodes])
    return LogField(key, name, tuple(log_field(model, collect, one, own, inner) for one, own in found.items()))
