"""Pipelines and their modules as they stand in bodies (contracts/pangea.md b7, b10)."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from commensal.core.pipelines import ModuleName, PipelineModule
from commensal.core.projects import CatalogObject
from commensal.faces.kit.request import Request
from commensal.faces.pangea.wire import catalog_object

__all__ = ["module_bodies", "module_body", "pipeline_body"]


def pipeline_body(one: CatalogObject) -> dict[str, Any]:
    """Return a pipeline."""
    body = catalog_object(one)
    for key in ("description", "long_description"):
        body[key] = one.body.get(key) or ""
    return body


def module_body(one: PipelineModule) -> dict[str, Any]:
    """Return a module with its pipeline and the names of its neighbours."""
    body = catalog_object(one.object)
    return {
        "uuid": body["uuid"],
        "name": one.name,
        "version": one.version,
        "created_at": body["created_at"],
        "updated_at": body["updated_at"],
        "description": one.object.body.get("description") or "",
        "long_description": one.object.body.get("long_description") or "",
        "metadata": one.object.body.get("metadata", {}),
        "pipeline": str(one.pipeline.uuid),
        "pipeline_obj": pipeline_body(one.pipeline),
        "dependencies": [str(each.uuid) for each in one.needs],
        "dependency_modules": [_name(each) for each in one.needs],
        "downstream_modules": [_name(each) for each in one.needed_by],
    }


def _name(one: ModuleName) -> list[str]:
    return [str(one.uuid), one.name, one.version]


async def module_bodies(request: Request, seqs: Collection[int]) -> dict[int, tuple[str, Any]]:
    """Return (uuid, body) of pipeline modules by number; none of those that the caller may not read."""
    if not seqs:
        return {}
    found = await request.services.pipelines.modules_by(request.principal, seqs)
    return {one.object.seq: (str(one.object.uuid), module_body(one)) for one in found}
