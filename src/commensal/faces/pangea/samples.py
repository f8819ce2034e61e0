"""Samples: records of the role sample under the names of this door (contracts/pangea.md b6)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from commensal.core.lineage import Lineage, record_after
from commensal.core.puts import Put, PutResult
from commensal.core.records import ProjectRow, Record
from commensal.errors import NotFound
from commensal.faces.face import Route
from commensal.faces.kit.answers import Respond, empty, json_answer
from commensal.faces.kit.request import Request
from commensal.faces.pangea import found
from commensal.faces.pangea.asked import (
    ABSENT,
    Given,
    envelope,
    filter_uuid,
    no_object,
    page_of,
    read_body,
)
from commensal.faces.pangea.errors import told
from commensal.faces.pangea.wire import DESCRIPTION, SAMPLE_KEYS, description_of, moment
from commensal.services.lineages import SampleFilter

__all__ = ["SAMPLE_ROUTES"]

_UNIQUE = "The fields name, library must make a unique set."
_NO_MEMBER = "Organization membership is required to create a sample."
#: Samples that one request may make.
MOST = 100_000


async def list_samples(request: Request) -> Respond:
    """List the samples that the caller may read."""
    page = page_of(request)
    only = SampleFilter(
        uuid=filter_uuid(request, "uuid"),
        library=filter_uuid(request, "library_id"),
        name=request.query_params.get("name") or None,
    )
    rows = await request.services.lineages.samples(request.principal, only, **page.window)
    out = await found.shown(request)
    return json_answer(envelope(request, page, [out.sample(one) for one in rows.items], rows.total))


async def _content(request: Request, given: Given, before: Record | None = None) -> dict[str, Any]:
    """Return metadata and description as a put takes them.

    Where the site's sample type has no property for the description, it stands in the free metadata, under a key that
    this door shows as the description only.
    """
    metadata, description = given.json("metadata"), given.text("description")
    given.check()
    dictionary = (await request.services.lineages.dictionary()).dictionary
    node = dictionary.find(before.type if before is not None else dictionary.role("sample").write)
    content: dict[str, Any] = {"mode": "replace", "apart": SAMPLE_KEYS}
    if metadata is not ABSENT:
        content["metadata"] = metadata
    if node is None or "description" in node.properties:
        if description is not None:
            content["properties"] = {"description": description or None}
        return content
    kept = description if description is not None else "" if before is None else description_of(before)
    if metadata is ABSENT and description is not None:
        content |= {"metadata": {DESCRIPTION: description or None}, "mode": "merge"}
    elif isinstance(metadata, dict) and kept:
        content["metadata"] = {**metadata, DESCRIPTION: kept}
    return content


async def make_sample(request: Request) -> Respond:
    """Make a sample in the library that the body names."""
    given = Given(await read_body(request))
    return await _make(request, given, given.uuid("library", required=True))


async def make_nested(request: Request, one: Lineage) -> Respond:
    """Make one in the library of the path."""
    return await _make(request, Given(await read_body(request)), one.place.uuid)


async def _make(request: Request, given: Given, library: UUID | None) -> Respond:
    name = given.text("name", required=True, blank=False, longest=256)
    put = Put(role="sample", submitter_id=name, **await _content(request, given))
    row, done = await _add(request, library, [put])
    out = await found.shown(request)
    return json_answer(out.sample(Lineage(row.owner, row.project, record_after(row.project, done[0]))), 201)


async def make_many(request: Request) -> Respond:
    """Make many samples by name, all or none; answers with their uuids in the order of the names."""
    given = Given(await read_body(request))
    names = given.body.get("names")
    if not isinstance(names, list) or not all(isinstance(name, str) and name.strip() for name in names):
        given.wrong("names", 'Expected a list of items but got something else: names are a list such as ["a", "b"].')
        names = []
    if len(names) > MOST:
        given.wrong("names", f"Ensure this field has no more than {MOST} elements.")
    library = given.uuid("library", required=True)
    given.check()
    _, done = await _add(request, library, [Put(role="sample", submitter_id=name) for name in names])
    return json_answer({"uuids": [str(one.uuid) for one in done]}, 201)


async def _add(request: Request, library: UUID | None, puts: list[Put]) -> tuple[ProjectRow, list[PutResult]]:
    assert library is not None
    try:
        with told(forbidden=_NO_MEMBER, unique=_UNIQUE):
            return await request.services.records.add(request.principal, library, puts)
    except NotFound:
        raise no_object("library", library) from None


async def show(request: Request, one: Lineage) -> Respond:
    """Show a sample."""
    return json_answer((await found.shown(request)).sample(one))


async def change(request: Request, one: Lineage) -> Respond:
    """Change a sample; metadata that is given replaces what was there, another library moves it."""
    sample = one.sample
    assert sample is not None
    given = Given(await read_body(request), partial=True)
    name = given.text("name", required=True, blank=False, longest=256)
    library = given.uuid("library")
    content = await _content(request, given, sample)
    put = Put(
        type=sample.type,
        uuid=sample.uuid,
        submitter_id=name if name is not None and name != sample.submitter_id else None,
        **content,
    )
    out = await found.shown(request)
    if library is not None and library != one.place.uuid:
        target = await found.named_object(request.services.lineages.project, request, "library", library)
        if target is None or target.is_collection:
            raise no_object("library", library)
        with told(unique=_UNIQUE, taken=_UNIQUE):
            moved = await request.services.moving.move_and_change(
                request.principal, request.services.records, one.place, target.place, put
            )
        return json_answer(out.sample(Lineage(target.program, target.project, record_after(target.place, moved))))
    with told(unique=_UNIQUE):
        done = await request.services.records.put(request.principal, one.place, [put], update_only=True)
    return json_answer(out.sample(Lineage(one.program, one.project, record_after(one.place, done[0]))))


async def delete(request: Request, one: Lineage) -> Respond:
    """Delete a sample with its results."""
    await _delete(request, one)
    return empty(204)


async def delete_nested(request: Request, one: Lineage) -> Respond:
    """Delete it, and answer with JSON, which the client reads."""
    await _delete(request, one)
    return json_answer({"status": "success"})


async def _delete(request: Request, one: Lineage) -> None:
    assert one.sample is not None
    await request.services.deletion.delete_records(request.principal, one.place, [one.sample.uuid])


async def versions(request: Request, one: Lineage) -> Respond:
    """Show a sample with its metadata as it was after each change."""
    out = await found.shown(request)
    sample = one.sample
    assert sample is not None
    body = out.sample(one)
    history: list[dict[str, Any]] = []
    for since, until, after in await request.services.lineages.versions(request.principal, one):
        metadata = out.metadata_of(sample.type, after.get("props") or {}, after.get("extra", {}), SAMPLE_KEYS)
        if history and history[-1]["metadata"] == metadata:
            history[-1]["updated_at"] = moment(until)
            continue
        history.append({"created_at": moment(since), "updated_at": moment(until), "metadata": metadata})
    return json_answer({**body, "versioned_metadata": history})


_NESTED = "/api/nested/{org}/sample_groups/{group}/samples"
SAMPLE_ROUTES: tuple[Route, ...] = (
    Route("GET", "/api/samples", list_samples, "List samples", access="anonymous"),
    Route("POST", "/api/samples", make_sample, "Make a sample"),
    Route("POST", "/api/bulk_samples", make_many, "Make many samples"),
    Route("GET", "/api/samples/{uuid}", found.doing(found.sample, show), "Show", access="anonymous"),
    Route(("PUT", "PATCH"), "/api/samples/{uuid}", found.doing(found.sample, change), "Change"),
    Route("DELETE", "/api/samples/{uuid}", found.doing(found.sample, delete), "Delete"),
    Route("GET", "/api/samples/{uuid}/metadata", found.doing(found.sample, versions), "History", access="anonymous"),
    Route("POST", _NESTED, found.doing(found.nested, make_nested), "Make a sample"),
    Route("GET", f"{_NESTED}/{{sample}}", found.doing(found.nested, show), "Show by name", access="anonymous"),
    Route(("PUT", "PATCH"), f"{_NESTED}/{{sample}}", found.doing(found.nested, change), "Change"),
    Route("DELETE", f"{_NESTED}/{{sample}}", found.doing(found.nested, delete_nested), "Delete"),
)
