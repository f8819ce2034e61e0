"""Chosen records as JSON, TSV and CSV (contracts/gen3.md 4.9, column ``ids``); pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

from commensal.core.dictionary import Dictionary, NodeType
from commensal.core.exported import Exported
from commensal.core.tabular.cells import cell_text
from commensal.core.tabular.columns import Columns, columns_of, header
from commensal.faces.gen3.wire import timestamp

__all__ = ["json_object", "table"]


def _value(record: Exported, name: str, project_id: str) -> Any:
    match name:
        case "project_id":
            return project_id
        case "submitter_id":
            return record.submitter_id
        case "state":
            return record.state
        case "created_datetime":
            return timestamp(record.created)
        case "updated_datetime":
            return timestamp(record.updated)
        case _:
            return record.props.get(name)


def _values(record: Exported, node: NodeType, columns: Columns, project_id: str) -> dict[str, Any]:
    values = {name: _value(record, name, project_id) for name in columns.properties}
    if node.has_metadata and "metadata" in values:
        values["metadata"] = record.metadata
    return values


def json_object(
    record: Exported, node: NodeType, dictionary: Dictionary, project_id: str, *, with_id: bool
) -> dict[str, Any]:
    """Return one record: null where nothing is set, every link there is, with its targets."""
    columns = columns_of(node, dictionary)
    made: dict[str, Any] = {"type": node.label}
    if with_id:
        made["id"] = record.id
    made.update(_values(record, node, columns, project_id))
    for link in columns.links:
        made[link.name] = [
            {**({"node_id": target.id} if with_id else {}), **({} if link.key == "id" else {link.key: target.target})}
            for target in record.targets(link.name)
        ]
    return made


def table(
    records: Sequence[Exported],
    node: NodeType,
    dictionary: Dictionary,
    project_id: str,
    doc_format: str,
    *,
    with_id: bool,
) -> str:
    """Return the records of one type as a table, quoted where needed, lines ending in CR LF."""
    columns = columns_of(node, dictionary)
    between = "," if doc_format == "tsv" else "#"
    out = io.StringIO()
    writer = csv.writer(out, delimiter="\t" if doc_format == "tsv" else ",", lineterminator="\r\n")
    writer.writerow(header(columns, with_id=with_id))
    for record in records:
        row = [node.label]
        if with_id and columns.has_id:
            row.append(record.id)
        row += [cell_text(value) for value in _values(record, node, columns, project_id).values()]
        for link in columns.links:
            targets = record.targets(link.name)
            if link.key == "id" or with_id:
                row.append(between.join(target.id for target in targets))
            if link.key != "id":
                row.append(between.join(target.target for target in targets))
        writer.writerow(row)
    return out.getvalue()
