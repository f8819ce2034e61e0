"""Pipelines and their modules as they stand in bodies (contracts/pangea.md b7, b10)."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import UUID

from commensal.core.pipelines import ModuleName, PipelineModule
from commensal.core.projects import CatalogObject
from commensal.faces.kit.request import Request
from commensal.faces.pangea.wire import catalog_object

__all__ = ["module_bodies", "module_body", "module_number", "pipeline_body"]


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


def _seen(request: Request) -> dict[int, tuple[str, Any]]:
    """Return the bodies that this request has needed so far, by number."""
    return request.scope.setdefault("commensal.pangea.modules", {})


async def module_bodies(request: Request, seqs: Collection[int]) -> dict[int, tuple[str, Any]]:
    """Return (uuid, body) of pipeline modules by number; none of those that the caller may not read."""
    seen = _seen(request)
    missing = set(seqs) - seen.keys()
    if missing:
        for one in await request.services.pipelines.modules_by(request.principal, missing):
            seen[one.object.seq] = (str(one.object.uuid), module_body(one))
    return {seq: seen[seq] for seq in seqs if seq in seen}


async def module_number(request: Request, uuid: UUID) -> int:
    """Return the number of a pipeline module. Raises NotFound."""
    one: PipelineModule = await request.services.pipelines.module(request.principal, uuid)
    _seen(request)[one.object.seq] = (str(one.object.uuid), module_body(one))
    return one.object.seq
