"""Templates of types: empty tables and objects to fill in (contracts/gen3.md 4.11); pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection
from typing import Any

from commensal.core.dictionary import Dictionary, NodeType
from commensal.core.tabular.columns import columns_of, template_header

__all__ = ["json_template", "table_template", "templates_of"]


def table_template(node: NodeType, dictionary: Dictionary, doc_format: str) -> str:
    """Return the header, and a second line that holds only the type."""
    names = template_header(columns_of(node, dictionary))
    second = [node.label, *([""] * (len(names) - 1))]
    if doc_format == "tsv":
        return "".join("\t".join(row) + "\n" for row in (names, second))
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows((names, second))
    return out.getvalue()


def json_template(node: NodeType, dictionary: Dictionary) -> dict[str, Any]:
    """Return an object with every key that can be set; required ones have a star."""
    columns = columns_of(node, dictionary)

    def star(name: str) -> str:
        return f"*{name}" if name in columns.starred else name

    made: dict[str, Any] = {star("type"): node.label}
    for name in columns.unique:
        made[star(name)] = None
    for link in columns.links:
        made[star(link.name)] = {link.key: None}
    for name in (*columns.required, *columns.optional):
        made[star(name)] = None
    if columns.is_data_file:
        made["urls"] = None
    return made


def templates_of(dictionary: Dictionary, categories: Collection[str], exclude: Collection[str]) -> list[NodeType]:
    """Return the types that are submitted inside a project, limited to categories, without some."""
    return [
        node
        for name, node in sorted(dictionary.types.items())
        if node.submittable
        and node.exportable
        and name not in exclude
        and (not categories or node.category in categories)
    ]
