"""Sample groups and libraries: collections and projects under the names of this door (contracts/pangea.md b5)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from commensal.core.lineage import Lineage
from commensal.core.permissions import PublicLevel, Right
from commensal.core.projects import ProjectKind
from commensal.errors import NotFound
from commensal.faces.face import Route
from commensal.faces.kit.answers import Respond, empty, json_answer
from commensal.faces.kit.request import Request
from commensal.faces.pangea import found
from commensal.faces.pangea.asked import (
    ABSENT,
    Given,
    Page,
    envelope,
    filter_uuid,
    no_object,
    page_of,
    read_body,
)
from commensal.faces.pangea.errors import FieldErrors, told
from commensal.faces.pangea.wire import group, is_public
from commensal.services.lineages import ProjectsFilter, SampleFilter

__all__ = ["GROUP_ROUTES", "own_samples"]

_TAKEN = "sample group with this name already exists."
_NO_MEMBER = "Organization membership is required to create a sample group."
NO_ADDING = "Insufficient permissions to add sample to sample group."
_TEXTS = ("description", "long_description", "theme", "storage_provider_name")


async def list_groups(request: Request) -> Respond:
    """List the groups that the caller may read."""
    only = ProjectsFilter(
        uuid=filter_uuid(request, "uuid"),
        program=filter_uuid(request, "organization_id"),
        name=request.query_params.get("name") or None,
        public=_flag(request.query_params.get("is_public")),
    )
    return await _list(request, only)


async def list_nested(request: Request, one: Lineage) -> Respond:
    """List the groups of one organization."""
    return await _list(request, ProjectsFilter(program=one.program.uuid))


async def _list(request: Request, only: ProjectsFilter) -> Respond:
    page = page_of(request)
    rows = await request.services.lineages.projects(request.principal, only, **page.window)
    return json_answer(envelope(request, page, [group(one) for one in rows.items], rows.total))


def _flag(text: str | None) -> bool | None:
    return {"true": True, "1": True, "false": False, "0": False}.get((text or "").lower())


def _more(given: Given) -> dict[str, Any]:
    """Return what a group keeps beside title, metadata and public level, of what was given."""
    more: dict[str, Any] = {key: text for key in _TEXTS if (text := given.text(key)) is not None}
    if given.has("bucket"):
        bucket = given.uuid("bucket")
        more["bucket"] = None if bucket is None else str(bucket)
    schema = given.json("sample_metadata_schema", null=True)
    if schema is not ABSENT:
        more["sample_metadata_schema"] = {} if schema is None else schema
    return more


async def make_group(request: Request) -> Respond:
    """Make a library or another group in the organization that the body names."""
    given = Given(await read_body(request))
    uuid = given.uuid("organization", required=True)
    return await _make(request, given, uuid, None)


async def make_nested(request: Request, one: Lineage) -> Respond:
    """Make one in the organization of the path."""
    return await _make(request, Given(await read_body(request)), None, one)


async def _make(request: Request, given: Given, uuid: UUID | None, one: Lineage | None) -> Respond:
    name = given.text("name", required=True, blank=False)
    library = given.flag("is_library") or False
    public = given.flag("is_public")
    metadata = given.json("metadata")
    more = _more(given)
    given.check()
    program = None if one is None else one.program
    if program is None:
        try:
            program = await request.services.lineages.program(request.principal, uuid)
        except NotFound:
            raise no_object("organization", uuid) from None
    with told(forbidden=_NO_MEMBER, taken=_TAKEN):
        project = await request.services.catalog.add_project(
            request.principal,
            program,
            None,
            title=name,
            kind=ProjectKind.LIBRARY if library else ProjectKind.COLLECTION,
            public=PublicLevel.NONE if public is False else PublicLevel.DOWNLOAD,
            properties=more,
            extra={} if metadata is ABSENT else metadata,
            unique_title=True,
        )
    return json_answer(group(Lineage(program, project)), 201)


async def show(request: Request, one: Lineage) -> Respond:
    """Show a group."""
    return json_answer(group(one))


async def change(request: Request, one: Lineage) -> Respond:
    """Change a group; what is not given stays."""
    given = Given(await read_body(request), partial=True)
    name = given.text("name", required=True, blank=False)
    library, public = given.flag("is_library"), given.flag("is_public")
    organization = given.uuid("organization")
    metadata = given.json("metadata")
    more = _more(given)
    if library is not None and library is one.is_collection:
        given.wrong("is_library", "A library stays a library, and another group cannot become one.")
    if organization is not None and organization != one.program.uuid:
        given.wrong("organization", "A group stays in its organization.")
    given.check()
    level: PublicLevel | None = None
    if public is not None and public is not is_public(one.place):
        level = PublicLevel.DOWNLOAD if public else PublicLevel.NONE
    changes: dict[str, Any] = {} if metadata is ABSENT else {"extra": metadata}
    with told(taken=_TAKEN):
        project = await request.services.catalog.update_project(
            request.principal, one.place, title=name, more=more, public=level, unique_title=True, **changes
        )
    return json_answer(group(Lineage(one.program, project)))


async def delete(request: Request, one: Lineage) -> Respond:
    """Delete a group; a library with its samples."""
    await request.services.deletion.delete_project(request.principal, one.place, cascade=True)
    return empty(204)


async def delete_nested(request: Request, one: Lineage) -> Respond:
    """Delete it, and answer with JSON, which the client reads."""
    await request.services.deletion.delete_project(request.principal, one.place, cascade=True)
    return json_answer({"status": "success"})


# --- members ------------------------------------------------------------------------------------------


def own_samples(one: Lineage) -> SampleFilter:
    """Return the filter for the samples of a library, or the members of another group."""
    seq = one.place.seq
    return SampleFilter(collection=seq) if one.is_collection else SampleFilter(project=seq)


async def list_members(request: Request) -> Respond:
    """List the samples of a group that the caller may read; of a group that he may not read, an empty page."""
    page = page_of(request)
    try:
        one = await found.group(request)
    except found.REFUSED:
        return json_answer(envelope(request, page, [], 0))
    return await members(request, one, page)


async def list_members_nested(request: Request, one: Lineage) -> Respond:
    """List the samples of a group found by name."""
    return await members(request, one, page_of(request))


async def members(request: Request, one: Lineage, page: Page) -> Respond:
    """Answer with a page of the samples of a group."""
    rows = await request.services.lineages.samples(request.principal, own_samples(one), **page.window)
    out = await found.shown(request)
    return json_answer(envelope(request, page, [out.sample(each) for each in rows.items], rows.total))


def _uuids(given: Given) -> list[UUID]:
    uuids = given.uuids("sample_uuids")
    if given.body.get("sample_uuid") is not None:
        uuids += given.uuids("sample_uuid")
    given.check()
    return list(dict.fromkeys(uuids))


async def add_members(request: Request, one: Lineage) -> Respond:
    """Put samples into a group; those of a library are in it already."""
    uuids = _uuids(Given(await read_body(request)))
    with told(forbidden=NO_ADDING):
        samples = await request.services.lineages.samples_by(request.principal, uuids, right=Right.UPDATE)
        known = {each.sample.uuid for each in samples if each.sample is not None}
        for uuid in uuids:
            if uuid not in known:
                raise no_object("sample_uuids", uuid)
        if not one.is_collection:
            await request.services.lineages.project(request.principal, one.place.uuid, right=Right.UPDATE)
            if any(each.place.seq != one.place.seq for each in samples):
                raise FieldErrors(
                    {"sample_uuids": ["A library holds its own samples only: add them to another group."]}
                )
        else:
            numbers = [each.sample.seq for each in samples if each.sample is not None]
            await request.services.catalog.add_members(request.principal, one.place, numbers, right=Right.UPDATE)
    return json_answer({"status": "success"})


async def remove_members(request: Request, one: Lineage) -> Respond:
    """Take samples out of a group; without a body, nothing is done (the published client sends none)."""
    uuids = _uuids(Given(await read_body(request)))
    with told(forbidden="Insufficient permissions to remove sample from sample group."):
        if uuids and not one.is_collection:
            raise FieldErrors({"sample_uuids": ["A sample stays in its library: move it to another, or delete it."]})
        if uuids:
            numbers = await request.services.lineages.sample_numbers(request.principal, uuids)
            await request.services.catalog.remove_members(request.principal, one.place, numbers)
    return json_answer({"status": "success"})


_NESTED = "/api/nested/{org}/sample_groups"
GROUP_ROUTES: tuple[Route, ...] = (
    Route("GET", "/api/sample_groups", list_groups, "List groups", access="anonymous"),
    Route("POST", "/api/sample_groups", make_group, "Make a library or another group"),
    Route("GET", "/api/sample_groups/{uuid}", found.doing(found.group, show), "Show", access="anonymous"),
    Route(("PUT", "PATCH"), "/api/sample_groups/{uuid}", found.doing(found.group, change), "Change"),
    Route("DELETE", "/api/sample_groups/{uuid}", found.doing(found.group, delete), "Delete"),
    Route("GET", "/api/sample_groups/{uuid}/samples", list_members, "Its samples", access="anonymous"),
    Route("POST", "/api/sample_groups/{uuid}/samples", found.doing(found.group, add_members), "Add samples"),
    Route("DELETE", "/api/sample_groups/{uuid}/samples", found.doing(found.group, remove_members), "Take samples out"),
    Route("GET", _NESTED, found.doing(found.nested, list_nested), "List groups of one", access="anonymous"),
    Route("POST", _NESTED, found.doing(found.nested, make_nested), "Make a group"),
    Route("GET", f"{_NESTED}/{{group}}", found.doing(found.nested, show), "Show by name", access="anonymous"),
    Route(("PUT", "PATCH"), f"{_NESTED}/{{group}}", found.doing(found.nested, change), "Change"),
    Route("DELETE", f"{_NESTED}/{{group}}", found.doing(found.nested, delete_nested), "Delete"),
    Route(
        "GET", f"{_NESTED}/{{group}}/samples", found.doing(found.nested, list_members_nested), "Its samples",
        access="anonymous",
    ),
)  # fmt: skip
