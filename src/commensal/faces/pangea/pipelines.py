"""Pipelines and their modules (contracts/pangea.md b10)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from commensal.core.pipelines import PipelineModule
from commensal.core.projects import CatalogObject
from commensal.errors import AlreadyExists, NotFound
from commensal.faces.face import Route
from commensal.faces.kit.answers import Respond, empty, json_answer
from commensal.faces.kit.request import Request
from commensal.faces.pangea.asked import ABSENT, Given, envelope, filter_uuid, no_object, page_of, path_uuid, read_body
from commensal.faces.pangea.errors import FieldErrors, told
from commensal.faces.pangea.module_bodies import module_body, pipeline_body
from commensal.services.pipelines import ModuleFilter

__all__ = ["PIPELINE_ROUTES"]

_TAKEN = "pipeline with this name already exists."
_UNIQUE = "The fields pipeline, name, version must make a unique set."
_TEXTS = ("description", "long_description")


async def list_pipelines(request: Request) -> Respond:
    """List pipelines."""
    page = page_of(request)
    rows = await request.services.pipelines.page(
        request.principal,
        uuid=filter_uuid(request, "uuid"),
        name=request.query_params.get("name") or None,
        **page.window,
    )
    return json_answer(envelope(request, page, [pipeline_body(one) for one in rows.items], rows.total))


async def make_pipeline(request: Request) -> Respond:
    """Make a pipeline."""
    given = Given(await read_body(request))
    name = given.text("name", required=True, blank=False)
    texts = _texts(given)
    given.check()
    with told(taken=_TAKEN):
        made = await request.services.pipelines.add(request.principal, name or "", texts)
    return json_answer(pipeline_body(made), 201)


def _texts(given: Given) -> dict[str, Any]:
    return {key: text for key in _TEXTS if (text := given.text(key)) is not None}


async def _pipeline(request: Request) -> CatalogObject:
    return await request.services.pipelines.pipeline(request.principal, path_uuid(request))


async def show_pipeline(request: Request) -> Respond:
    """Show a pipeline."""
    return json_answer(pipeline_body(await _pipeline(request)))


async def show_named(request: Request) -> Respond:
    """Show a pipeline by name."""
    return json_answer(
        pipeline_body(await request.services.pipelines.pipeline(request.principal, request.params["name"]))
    )


async def change_pipeline(request: Request) -> Respond:
    """Change a pipeline; what is not given stays."""
    before = await _pipeline(request)
    given = Given(await read_body(request), partial=True)
    name = given.text("name", required=True, blank=False)
    texts = _texts(given)
    given.check()
    with told(taken=_TAKEN):
        changed = await request.services.pipelines.change(request.principal, before, name, texts)
    return json_answer(pipeline_body(changed))


async def delete_pipeline(request: Request) -> Respond:
    """Delete a pipeline that has no modules."""
    await request.services.pipelines.delete(request.principal, await _pipeline(request))
    return empty(204)


# --- modules ------------------------------------------------------------------------------------------


async def list_modules(request: Request) -> Respond:
    """List modules."""
    page = page_of(request)
    only = ModuleFilter(
        uuid=filter_uuid(request, "uuid"),
        name=request.query_params.get("name") or None,
        pipeline=filter_uuid(request, "pipeline"),
    )
    rows = await request.services.pipelines.modules(request.principal, only, **page.window)
    return json_answer(envelope(request, page, [module_body(one) for one in rows.items], rows.total))


def _content(given: Given) -> dict[str, Any]:
    """Return what a body says of a module besides its pipeline, name and version."""
    content = _texts(given)
    metadata = given.json("metadata")
    if metadata is not ABSENT:
        content["metadata"] = metadata
    if given.body.get("dependencies") is not None:
        content["dependencies"] = list(dict.fromkeys(str(uuid) for uuid in given.uuids("dependencies")))
    return content


async def make_module(request: Request) -> Respond:
    """Make a module of the pipeline that the body names."""
    given = Given(await read_body(request))
    pipeline = given.uuid("pipeline", required=True)
    name = given.text("name", required=True, blank=False)
    version = given.text("version", required=True, blank=False)
    content = {"metadata": {}, "dependencies": [], **_content(given)}
    given.check()
    assert pipeline is not None
    try:
        owner = await request.services.pipelines.pipeline(request.principal, pipeline)
    except NotFound:
        raise no_object("pipeline", pipeline) from None
    with _unique():
        made = await request.services.pipelines.add_module(request.principal, owner, name or "", version or "", content)
    return json_answer(module_body(made), 201)


@contextmanager
def _unique() -> Iterator[None]:
    try:
        yield
    except AlreadyExists as error:
        raise FieldErrors({"non_field_errors": [_UNIQUE]}) from error


async def _module(request: Request) -> PipelineModule:
    return await request.services.pipelines.module(request.principal, path_uuid(request))


async def show_module(request: Request) -> Respond:
    """Show a module."""
    return json_answer(module_body(await _module(request)))


async def show_module_at(request: Request) -> Respond:
    """Show a module by pipeline (uuid or name), name and version."""
    params = request.params
    pipeline: UUID = (await request.services.pipelines.pipeline(request.principal, params["pipeline"])).uuid
    found = await request.services.pipelines.module_at(request.principal, pipeline, params["name"], params["version"])
    return json_answer(module_body(found))


async def change_module(request: Request) -> Respond:
    """Change a module; what is not given stays."""
    before = await _module(request)
    given = Given(await read_body(request), partial=True)
    pipeline = given.uuid("pipeline")
    changes = _content(given)
    for key in ("name", "version"):
        text = given.text(key, required=True, blank=False)
        if text is not None:
            changes[key] = text
    given.check()
    if pipeline not in (None, before.pipeline.uuid):
        raise FieldErrors({"pipeline": ["A module stays in its pipeline: make one in the other."]})
    with _unique():
        changed = await request.services.pipelines.change_module(request.principal, before, changes)
    return json_answer(module_body(changed))


async def delete_module(request: Request) -> Respond:
    """Delete a module."""
    await request.services.pipelines.delete_module(request.principal, await _module(request))
    return empty(204)


_PIPELINE, _MODULE = "/api/pipelines/{uuid}", "/api/pipeline_modules/{uuid}"
PIPELINE_ROUTES: tuple[Route, ...] = (
    Route("GET", "/api/pipelines", list_pipelines, "List pipelines"),
    Route("POST", "/api/pipelines", make_pipeline, "Make a pipeline"),
    Route("GET", "/api/pipelines/name/{name}", show_named, "Show by name"),
    Route("GET", _PIPELINE, show_pipeline, "Show"),
    Route(("PUT", "PATCH"), _PIPELINE, change_pipeline, "Change"),
    Route("DELETE", _PIPELINE, delete_pipeline, "Delete"),
    Route("GET", "/api/pipelines/{pipeline}/modules/{name}/{version}", show_module_at, "Show a module by name"),
    Route("GET", "/api/pipeline_modules", list_modules, "List modules"),
    Route("POST", "/api/pipeline_modules", make_module, "Make a module"),
    Route("GET", _MODULE, show_module, "Show"),
    Route(("PUT", "PATCH"), _MODULE, change_module, "Change"),
    Route("DELETE", _MODULE, delete_module, "Delete"),
)
