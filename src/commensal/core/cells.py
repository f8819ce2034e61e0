"""Cells of a table (TSV, CSV) to the values of a document.

Source: contracts/gen3.md 4.4. Cutting the text into cells is the reader's part.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from commensal.core.dictionary import NodeType
from commensal.core.plans import Plans
from commensal.errors import Malformed

__all__ = ["cast_cells", "cast_document", "cast_value"]


def cast_cells(node: NodeType, row: Mapping[str, str | None], *, separator: str = ",") -> dict[str, Any]:
    """Return the document that a row of cells stands for.

    ``row`` maps header names (with or without leading ``*``) to texts; None and empty cells are null. A header with a
    dot is a link column ``<link>.<property of the target>``, also with ``#1``, ``#2`` … at its end; ``separator``
    stands between several targets (``,`` in TSV, ``#`` in CSV). What cannot be read as its property's type stays text,
    which validation then names. Raises Malformed for a link that the type has not.
    """
    doc: dict[str, Any] = {}
    columns: dict[str, dict[str, list[str]]] = {}
    for header, cell in row.items():
        name = header.strip().lstrip("*")
        text = (cell or "").strip()
        link, dot, key = name.partition(".")
        if dot:
            key = key.partition("#")[0]
            if link not in node.links_by_name:
                known = ", ".join(sorted(node.links_by_name)) or "none"
                raise Malformed(
                    f"Unable to parse document: {node.label} has no link {link!r} (column {name!r}); "
                    f"its links are: {known}."
                )
            targets = columns.setdefault(link, {}).setdefault(key, [])
            if text and text != "null":
                targets += [part.strip() for part in text.split(separator) if part.strip()]
        elif name:
            doc[name] = cast_value(node, name, text)
    for link, keys in columns.items():
        count = max(len(values) for values in keys.values())
        if count:
            doc[link] = [
                {key: values[place] for key, values in keys.items() if place < len(values)} for place in range(count)
            ]
    for link, targets in doc.items():
        if link in columns and len(targets) == 1:
            doc[link] = targets[0]
    return doc


def cast_document(document: Any, plans: Plans, *, system: bool = True) -> Any:
    """Return a document whose texts are cells, with its values cast; links and free metadata stay as they are."""
    if not isinstance(document, dict):
        return document
    doc = cast("dict[str, Any]", document)
    name = doc.get("type")
    plan = plans.shown(name, system=system) if isinstance(name, str) else None
    if plan is None:
        return doc
    return {
        key: cast_value(plan.node, key, value.strip()) if isinstance(value, str) and key != "type" else value
        for key, value in doc.items()
    }


def cast_value(node: NodeType, name: str, text: str) -> Any:
    """Return the value of one cell that is no link."""
    if text in ("", "null"):
        return None
    declared = node.properties.get(name)
    if declared is None:
        return text
    if declared.kind == "array":
        return [_scalar(declared.item_kind or "string", part.strip()) for part in text.split(",")]
    return _scalar(declared.kind, text)


def _scalar(kind: str, text: str) -> Any:
    if kind == "boolean":
        return {"true": True, "false": False}.get(text.lower(), text)
    if kind == "integer":
        try:
            return int(text)
        except ValueError:
            return text
    if kind == "number":
        try:
            value = float(text)
        except ValueError:
            return text
        if value != value or value in (float("inf"), float("-inf")):
            return text
        # Beyond 2**53 a float no longer tells neighbouring integers apart, so integral text is read as integer.
        if value.is_integer():
            return int(text) if text.lstrip("+-").isdecimal() else int(value)
        return value
    return text
