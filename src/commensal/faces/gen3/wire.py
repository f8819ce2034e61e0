"""Values as the submission service of a Gen3 commons shows them; pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from commensal.core.dictionary import NodeType
from commensal.core.exported import Exported
from commensal.core.records import ProjectRow
from commensal.services.transactions import BulkResult

__all__ = ["bulk_values", "entity_values", "links", "timestamp"]

ROOT = "/v0/submission"


def links(paths: Iterable[str]) -> dict[str, list[str]]:
    """Return a list of places below the submission route."""
    return {"links": [f"{ROOT}/{path}" for path in paths]}


def timestamp(moment: Any) -> str:
    """Return a moment in UTC, as ``2026-11-20T08:15:30.123456+00:00``."""
    return moment.isoformat()


def entity_values(project: ProjectRow, record: Exported, node: NodeType) -> dict[str, Any]:
    """Return one entity with all its properties; links only where they are set (contracts/gen3.md 4.10)."""
    known: dict[str, Any] = {
        "id": record.id,
        "type": node.label,
        "project_id": project.project_id,
        "submitter_id": record.submitter_id,
        "state": record.state,
        "created_datetime": timestamp(record.created),
        "updated_datetime": timestamp(record.updated),
    }
    properties: dict[str, Any] = {name: known.get(name, record.props.get(name)) for name in node.properties}
    for name in ("id", "type"):
        properties[name] = known[name]
    if node.has_metadata:
        properties["metadata"] = record.metadata
    for link in record.links:
        if link.name in node.links_by_name:
            key = "code" if node.links_by_name[link.name].target == "project" else "submitter_id"
            properties.setdefault(link.name, []).append({"id": link.id, key: link.target})
    return {"program": project.program_code, "project": project.code, "properties": properties}


def bulk_values(result: BulkResult, names: Sequence[str | None]) -> dict[str, Any]:
    """Return the answer to a bulk upload (contracts/gen3.md 4.6)."""
    whole = result.whole
    return {
        "transaction_id": whole.transaction_id,
        "success": whole.success,
        "message": whole.message,
        "code": whole.code,
        "entity_error_count": whole.entity_error_count,
        "transactional_error_count": whole.transactional_error_count,
        "transactional_errors": whole.transactional_errors,
        "created_entity_count": whole.created_entity_count,
        "updated_entity_count": whole.updated_entity_count,
        "document_error_count": sum(1 for part in result.parts if part.entity_error_count),
        "subtransactions": [
            {"name": name, "response_json": part} for name, part in zip(names, result.parts, strict=True)
        ],
    }
