"""Tags (contracts/pangea.md b10)."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from commensal.core.permissions import Right
from commensal.core.projects import CatalogObject
from commensal.errors import NotFound
from commensal.faces.face import Route
from commensal.faces.kit.answers import Respond, empty, json_answer
from commensal.faces.kit.request import Request
from commensal.faces.pangea import found
from commensal.faces.pangea.asked import Given, envelope, filter_uuid, no_object, page_of, path_uuid, read_body
from commensal.faces.pangea.caller import TOKEN_IN_ADDRESS
from commensal.faces.pangea.errors import FieldErrors, told
from commensal.faces.pangea.wire import group, moment
from commensal.services.lineages import ProjectsFilter, SampleFilter
from commensal.services.tags import TAG

__all__ = ["TAG_ROUTES"]

_TAKEN = "tag with this name already exists."
_MOST_RANDOM = 10_000
_Handler = Callable[[Request], Awaitable[Respond]]


def _body(one: CatalogObject) -> dict[str, Any]:
    assert one.created is not None
    assert one.updated is not None
    return {
        "uuid": str(one.uuid),
        "name": one.name,
        "created_at": moment(one.created),
        "updated_at": moment(one.updated),
        "payload": one.body.get("payload", ""),
    }


async def _tag(request: Request) -> CatalogObject:
    return await request.services.catalog.get_object(request.principal, path_uuid(request), kind=TAG)


async def list_tags(request: Request) -> Respond:
    """List tags: all, one by uuid or name, or those of a sample."""
    page, catalog, principal = page_of(request), request.services.catalog, request.principal
    sample, uuid = filter_uuid(request, "sample"), filter_uuid(request, "uuid")
    name = request.query_params.get("name")
    if sample is not None:
        one = await request.services.lineages.sample(principal, sample)
        rows = await request.services.tags.of(principal, one, **page.window)
    elif uuid is not None or name:
        try:
            one = (
                await catalog.get_object(principal, uuid, kind=TAG)
                if uuid is not None
                else await catalog.named_object(principal, TAG, name or "")
            )
        except NotFound:
            return json_answer(envelope(request, page, [], 0))
        good = not name or one.name == name
        return json_answer(envelope(request, page, [_body(one)] if good else [], int(good)))
    else:
        rows = await catalog.list_objects(principal, kind=TAG, **page.window)
    return json_answer(envelope(request, page, [_body(one) for one in rows.items], rows.total))


async def make_tag(request: Request) -> Respond:
    """Make a tag."""
    given = Given(await read_body(request))
    name = given.text("name", required=True, blank=False)
    payload = given.text("payload")
    given.check()
    with told(taken=_TAKEN):
        made = await request.services.catalog.put_object(
            request.principal, TAG, name or "", {"payload": payload or ""}, create_only=True
        )
    return json_answer(_body(made), 201)


async def show(request: Request) -> Respond:
    """Show a tag."""
    return json_answer(_body(await _tag(request)))


async def show_named(request: Request) -> Respond:
    """Show a tag by name."""
    return json_answer(
        _body(await request.services.catalog.named_object(request.principal, TAG, request.params["name"]))
    )


async def change(request: Request) -> Respond:
    """Rename a tag, or give it another payload: its maker and site admins."""
    before = await _tag(request)
    given = Given(await read_body(request), partial=True)
    name = given.text("name", required=True, blank=False)
    payload = given.text("payload")
    given.check()
    body = {**before.body, **({} if payload is None else {"payload": payload})}
    with told(taken=_TAKEN):
        changed = await request.services.catalog.put_object(
            request.principal, TAG, name or before.name, body, ref=before.uuid
        )
    return json_answer(_body(changed))


async def delete(request: Request) -> Respond:
    """Delete a tag: its maker and site admins."""
    before = await _tag(request)
    await request.services.catalog.delete_object(request.principal, before.uuid)
    return empty(204)


def _put(name: str, look_up: Callable[[Request, UUID], Awaitable[Any]]) -> _Handler:
    """Return the handler that puts a tag on what the body names."""

    async def handler(request: Request) -> Respond:
        tag = await _tag(request)
        given = Given(await read_body(request))
        uuid = given.uuid(name, required=True)
        payload = given.text("payload")
        given.check()
        assert uuid is not None
        try:
            thing = await look_up(request, uuid)
        except NotFound:
            raise no_object(name, uuid) from None
        await request.services.tags.put(request.principal, tag, thing, payload or "")
        return json_answer({"status": "success"})

    return handler


async def _other(request: Request, uuid: UUID) -> CatalogObject:
    return await request.services.catalog.get_object(request.principal, uuid, kind=TAG)


async def _sample(request: Request, uuid: UUID) -> Any:
    return await request.services.lineages.sample(request.principal, uuid)


async def _group(request: Request, uuid: UUID) -> Any:
    return await request.services.lineages.project(request.principal, uuid)


async def list_carrying(request: Request) -> Respond:
    """List the tags that carry a tag."""
    page = page_of(request)
    rows = await request.services.tags.carrying(request.principal, await _tag(request), **page.window)
    return json_answer(envelope(request, page, [_body(one) for one in rows.items], rows.total))


async def list_samples(request: Request) -> Respond:
    """List the samples that carry a tag and may be read."""
    page, tag = page_of(request), await _tag(request)
    rows = await request.services.lineages.samples(request.principal, SampleFilter(tag=tag.seq), **page.window)
    out = await found.shown(request)
    return json_answer(envelope(request, page, [out.sample(one) for one in rows.items], rows.total))


async def list_groups(request: Request) -> Respond:
    """List the groups that carry a tag and may be read."""
    page, tag = page_of(request), await _tag(request)
    rows = await request.services.lineages.projects(request.principal, ProjectsFilter(tag=tag.seq), **page.window)
    return json_answer(envelope(request, page, [group(one) for one in rows.items], rows.total))


async def random_samples(request: Request) -> Respond:
    """Draw samples that carry a tag."""
    text = request.query_params.get("n", "100")
    if not (text.isascii() and text.isdigit() and len(text) < 9):
        raise FieldErrors({"n": ["A valid integer is required."]})
    tag = await _tag(request)
    uuids = await request.services.tags.random_samples(request.principal, tag, min(int(text), _MOST_RANDOM))
    rows = await request.services.lineages.samples_by(request.principal, uuids, right=Right.READ)
    random.shuffle(rows)
    out = await found.shown(request)
    return json_answer({"results": [out.sample(one) for one in rows]})


def _counts(name: str, *, of_samples: bool) -> _Handler:
    async def handler(request: Request) -> Respond:
        tag = await _tag(request)
        total, counts = await request.services.tags.module_counts(request.principal, tag, of_samples=of_samples)
        return json_answer({name: total, **{module: n for module, n in counts.items() if module != name}})

    return handler


_TAG = "/api/contrib/tags/{uuid}"
TAG_ROUTES: tuple[Route, ...] = (
    Route("GET", "/api/contrib/tags", list_tags, "List tags"),
    Route("POST", "/api/contrib/tags", make_tag, "Make a tag"),
    Route("GET", "/api/contrib/tags/name/{name}", show_named, "Show by name"),
    Route("GET", _TAG, show, "Show"),
    Route(("PUT", "PATCH"), _TAG, change, "Change"),
    Route("DELETE", _TAG, delete, "Delete"),
    Route("GET", f"{_TAG}/tags", list_carrying, "Tags that carry it"),
    Route("POST", f"{_TAG}/tags", _put("tag_uuid", _other), "Tag a tag"),
    Route("GET", f"{_TAG}/samples", list_samples, "Samples that carry it"),
    Route("POST", f"{_TAG}/samples", _put("sample_uuid", _sample), "Tag a sample"),
    Route("GET", f"{_TAG}/sample_groups", list_groups, "Groups that carry it"),
    Route("POST", f"{_TAG}/sample_groups", _put("sample_group_uuid", _group), "Tag a group"),
    Route("GET", f"{_TAG}/random_samples", random_samples, "Draw samples"),
    Route(
        "GET",
        f"{_TAG}/sample_module_counts",
        _counts("n_samples", of_samples=True),
        "Samples by module",
        tag=TOKEN_IN_ADDRESS,
    ),
    Route(
        "GET",
        f"{_TAG}/sample_group_module_counts",
        _counts("n_groups", of_samples=False),
        "Groups by module",
        tag=TOKEN_IN_ADDRESS,
    ),
)
