"""The schema of a group's sample metadata: made from what there is, and checked (contracts/pangea.md b5)."""

from __future__ import annotations

from typing import Any

from commensal.core.lineage import Lineage
from commensal.core.table_schema import Inference, breaches
from commensal.faces.face import Route
from commensal.faces.kit.answers import Respond, json_answer
from commensal.faces.kit.request import Request
from commensal.faces.pangea import found
from commensal.faces.pangea.errors import FieldErrors
from commensal.faces.pangea.manifests import all_samples, readable_group
from commensal.faces.pangea.wire import SAMPLE_KEYS, group_properties

__all__ = ["SCHEMA_ROUTES"]

_THERE = "no_overwrite_existing_sample_metadata_schema"
#: Errors that an answer names; all are counted.
_NAMED = 1_000


async def generate(request: Request, one: Lineage) -> Respond:
    """Make the schema from the samples' metadata and keep it; one that is there stays unless ``?overwrite=1``."""
    overwrite = request.query_params.get("overwrite", "").lower() in ("1", "true")
    if group_properties(one.place)["sample_metadata_schema"] and not overwrite:
        raise FieldErrors([_THERE])
    out = await found.shown(request)
    inference = Inference()
    async for samples in all_samples(request, one):
        for each in samples:
            if each.sample is not None:
                inference.see(out.metadata(each.sample, SAMPLE_KEYS))
    schema = inference.schema()
    await request.services.catalog.update_project(request.principal, one.place, more={"sample_metadata_schema": schema})
    return json_answer({"schema": schema}, 201)


async def validate(request: Request) -> Respond:
    """Check the metadata of all samples of a group against its schema."""
    one = await readable_group(request)
    schema = group_properties(one.place)["sample_metadata_schema"]
    out = await found.shown(request)
    errors: list[list[Any]] = []
    n = 0
    async for samples in all_samples(request, one):
        for each in samples:
            if each.sample is None:
                continue
            for field, code, sentence in breaches(schema, out.metadata(each.sample, SAMPLE_KEYS)):
                n += 1
                if len(errors) < _NAMED:
                    errors.append([each.sample.submitter_id, field, code, sentence])
    return json_answer({"errors": errors, "stats": {"errors": n, "tasks": 1}})


SCHEMA_ROUTES: tuple[Route, ...] = (
    Route(
        "POST", "/api/sample_groups/{uuid}/generate_metadata_schema", found.doing(found.group, generate),
        "Make a schema of the samples' metadata",
    ),
    Route(
        "GET", "/api/sample_groups/{uuid}/validate_metadata_schema", validate, "Check the samples' metadata",
        access="anonymous",
    ),
)  # fmt: skip
