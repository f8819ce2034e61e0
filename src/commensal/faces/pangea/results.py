"""Analysis results and fields, of samples and of groups (contracts/pangea.md b7)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from uuid import UUID

from commensal.core.entities import NOTHING
from commensal.core.lineage import Lineage, ResultSettings, field_value
from commensal.errors import Forbidden
from commensal.faces.face import Route
from commensal.faces.kit.answers import Respond, empty, json_answer
from commensal.faces.kit.request import Request
from commensal.faces.pangea import found
from commensal.faces.pangea.addresses import check_stored
from commensal.faces.pangea.asked import ABSENT, Given, Page, envelope, filter_uuid, page_of, read_body
from commensal.faces.pangea.errors import told
from commensal.faces.pangea.passage import check_passage, enter
from commensal.faces.pangea.project_files import (
    add_to,
    fields_at,
    fields_of,
    files_field,
    files_nested,
    files_result,
    or_else,
)
from commensal.services.lineages import FieldFilter, ResultFilter

__all__ = ["RESULT_ROUTES"]

_Handler = Callable[[Request], Awaitable[Respond]]


def _owner(*, of_samples: bool) -> str:
    return "sample" if of_samples else "sample_group"


def _no_member(*, of_samples: bool, field: bool) -> str:
    kind = "sample" if of_samples else "sample group"
    return f"Organization membership is required to create a {kind} analysis result{' field' if field else ''}."


def _unique(*, of_samples: bool) -> str:
    return f"The fields module_name, replicate, {_owner(of_samples=of_samples)} must make a unique set."


_UNIQUE_FIELD = "The fields analysis_result, name must make a unique set."


def _settings(given: Given, before: ResultSettings) -> ResultSettings:
    private, hidden = given.flag("is_private"), given.flag("is_hidden")
    return ResultSettings(
        private=before.private if private is None else private,
        hidden=before.hidden if hidden is None else hidden,
        described_by=before.described_by,
    )


# --- results ------------------------------------------------------------------------------------------


def list_results(*, of_samples: bool) -> _Handler:
    """Return the handler that lists the results that the caller may read."""

    async def handler(request: Request) -> Respond:
        query = request.query_params
        owner = filter_uuid(request, f"{_owner(of_samples=of_samples)}_id")
        sample = await enter(request, write=False) if of_samples else None
        if sample is not None:
            if owner not in (None, sample):
                raise Forbidden("This work order is for another sample.")
            owner = sample
        only = ResultFilter(
            of_samples, filter_uuid(request, "uuid"), owner, query.get("module_name") or None, query.get("replicate")
        )
        return await _list(request, only)

    return handler


async def list_nested(request: Request, one: Lineage) -> Respond:
    """List the results of a sample or group found by name."""
    owner = one.place.uuid if one.sample is None else one.sample.uuid
    return await _list(request, ResultFilter(one.sample is not None, owner=owner))


async def _list(request: Request, only: ResultFilter) -> Respond:
    page = page_of(request)
    rows = await request.services.lineages.results(request.principal, only, **page.window)
    results, total = await add_to(request, only, page, list(rows.items), rows.total)
    out = await found.shown(request, *results)
    return json_answer(envelope(request, page, [out.result(one) for one in results], total))


def make_result(*, of_samples: bool) -> _Handler:
    """Return the handler that makes a result of the sample or group that the body names."""
    name = _owner(of_samples=of_samples)

    async def handler(request: Request) -> Respond:
        given = Given(await read_body(request))
        uuid = given.uuid(name, required=True)
        given.text("module_name", required=True, blank=False)
        given.check()
        look_up = request.services.lineages.sample if of_samples else request.services.lineages.project
        with told(forbidden=_no_member(of_samples=of_samples, field=False)):
            sample = await enter(request, write=True) if of_samples else None
            owner = await found.named_object(look_up, request, name, uuid)
            assert owner is not None
            check_passage(sample, owner)
        return await make_nested(request, owner, given)

    return handler


async def make_nested(request: Request, owner: Lineage, given: Given | None = None) -> Respond:
    """Make a result of a sample or group."""
    given = given or Given(await read_body(request))
    of_samples = owner.sample is not None
    module = given.text("module_name", required=True, blank=False)
    replicate = given.text("replicate")
    metadata = given.json("metadata")
    description = given.text("description")
    settings = _settings(given, ResultSettings())
    given.check()
    with told(forbidden=_no_member(of_samples=of_samples, field=False), unique=_unique(of_samples=of_samples)):
        made = await request.services.results.add(
            request.principal,
            owner,
            module or "",
            replicate=replicate or None,
            metadata=NOTHING if metadata is ABSENT else metadata,
            description=description or None,
            settings=await found.described(request, given, settings),
        )
    return json_answer((await found.shown(request, made)).result(made), 201)


async def show(request: Request, one: Lineage) -> Respond:
    """Show a result."""
    return json_answer((await found.shown(request, one)).result(one))


def _check_place(given: Given, name: str, uuid: UUID) -> None:
    """Refuse what names another parent than the one that a thing has: it would not be moved."""
    wanted = given.uuid(name)
    if wanted is not None and wanted != uuid:
        given.wrong(name, "This cannot be changed: make it anew there.")


async def change(request: Request, one: Lineage) -> Respond:
    """Change a result; what is not given stays."""
    given = Given(await read_body(request), partial=True)
    _check_place(given, _owner(of_samples=one.sample is not None), (one.sample or one.place).uuid)
    module = given.text("module_name", required=True, blank=False)
    replicate = given.text("replicate")
    metadata = given.json("metadata")
    description = given.text("description")
    settings = _settings(given, one.settings)
    given.check()
    with told(unique=_unique(of_samples=one.sample is not None)):
        changed = await request.services.results.change(
            request.principal,
            one,
            module=module,
            replicate=replicate or None,
            metadata=NOTHING if metadata is ABSENT else metadata,
            description=description,
            settings=await found.described(request, given, settings),
        )
    return json_answer((await found.shown(request, changed)).result(changed))


async def _delete(request: Request, one: Lineage) -> None:
    lowest = one.field or one.result
    assert lowest is not None
    await request.services.deletion.delete_records(request.principal, one.place, [lowest.uuid])


async def delete(request: Request, one: Lineage) -> Respond:
    """Delete a result with its fields, or a field."""
    await _delete(request, one)
    return empty(204)


async def delete_nested(request: Request, one: Lineage) -> Respond:
    """Delete it, and answer with JSON, which the client reads."""
    await _delete(request, one)
    return json_answer({"status": "success"})


# --- fields -------------------------------------------------------------------------------------------


def list_fields(*, of_samples: bool) -> _Handler:
    """Return the handler that lists the fields that the caller may read."""

    async def handler(request: Request) -> Respond:
        only = FieldFilter(
            of_samples,
            filter_uuid(request, "uuid"),
            filter_uuid(request, "analysis_result_id"),
            request.query_params.get("name") or None,
        )
        sample = await enter(request, write=False) if of_samples else None
        if sample is not None:
            if only.result is None:
                raise Forbidden("With a work order, name the result whose fields you want.")
            check_passage(sample, await request.services.lineages.result(request.principal, only.result))
        return await _list_fields(request, only)

    return handler


async def list_fields_nested(request: Request, one: Lineage) -> Respond:
    """List the fields of a result found by name."""
    assert one.result is not None
    page = page_of(request)
    files = await fields_at(request, one, page)
    if files is not None:
        return await _fields_page(request, page, *files)
    return await _list_fields(request, FieldFilter(one.sample is not None, result=one.result.uuid))


async def _list_fields(request: Request, only: FieldFilter) -> Respond:
    page = page_of(request)
    rows = await request.services.lineages.fields(request.principal, only, **page.window)
    fields, total = list(rows.items), rows.total
    if not total:
        fields, total = await fields_of(request, only, page) or ([], 0)
    return await _fields_page(request, page, fields, total)


async def _fields_page(request: Request, page: Page, fields: list[Lineage], total: int) -> Respond:
    out = await found.shown(request, *fields)
    return json_answer(envelope(request, page, [out.field(one) for one in fields], total))


def make_field(*, of_samples: bool) -> _Handler:
    """Return the handler that makes a field of the result that the body names."""

    async def handler(request: Request) -> Respond:
        given = Given(await read_body(request))
        uuid = given.uuid("analysis_result", required=True)
        given.text("name", required=True, blank=False)
        given.json("stored_data", required=True)
        given.check()
        with told(forbidden=_no_member(of_samples=of_samples, field=True)):
            look_up = found.kind_of(request.services.lineages.result, of_samples=of_samples)
            sample = await enter(request, write=True) if of_samples else None
            one = await found.named_object(look_up, request, "analysis_result", uuid)
            assert one is not None
            check_passage(sample, one)
        return await make_field_nested(request, one, given)

    return handler


async def make_field_nested(request: Request, one: Lineage, given: Given | None = None) -> Respond:
    """Make a field of a result."""
    given = given or Given(await read_body(request))
    name = given.text("name", required=True, blank=False)
    value = given.json("stored_data", required=True)
    description = given.text("description")
    given.check()
    value = await check_stored(request, one, value)
    forbidden = _no_member(of_samples=one.sample is not None, field=True)
    with told(forbidden=forbidden, unique=_UNIQUE_FIELD):
        made = await request.services.results.add_field(
            request.principal, one, name or "", value, description=description or None
        )
    return json_answer((await found.shown(request, made)).field(made), 201)


async def show_field(request: Request, one: Lineage) -> Respond:
    """Show a field."""
    return json_answer((await found.shown(request, one)).field(one))


async def change_field(request: Request, one: Lineage) -> Respond:
    """Change a field; what is not given stays."""
    given = Given(await read_body(request), partial=True)
    assert one.result is not None
    _check_place(given, "analysis_result", one.result.uuid)
    name = given.text("name", required=True, blank=False)
    value = given.json("stored_data", required=True)
    description = given.text("description")
    given.check()
    if value is not ABSENT and one.field is not None:
        value = await check_stored(request, one, value, field_value(one.field))
    with told(unique=_UNIQUE_FIELD):
        changed = await request.services.results.change_field(
            request.principal,
            one,
            name=name,
            value=NOTHING if value is ABSENT else value,
            description=description,
        )
    return json_answer((await found.shown(request, changed)).field(changed))


def _flat(path: str, *, of_samples: bool) -> tuple[Route, ...]:
    result = found.of_kind(found.result, of_samples=of_samples)
    field = found.of_kind(found.field, of_samples=of_samples)
    results, fields = f"/api/{path}s", f"/api/{path}_fields"
    kind = "a sample" if of_samples else "a group"
    read_result = result if of_samples else or_else(result, files_result)
    read_field = field if of_samples else or_else(field, files_field)
    return (
        Route("GET", results, list_results(of_samples=of_samples), f"List results of {kind}", access="anonymous"),
        Route("POST", results, make_result(of_samples=of_samples), f"Make a result of {kind}"),
        Route("GET", f"{results}/{{uuid}}", found.doing(read_result, show), "Show", access="anonymous"),
        Route(("PUT", "PATCH"), f"{results}/{{uuid}}", found.doing(result, change), "Change"),
        Route("DELETE", f"{results}/{{uuid}}", found.doing(result, delete), "Delete"),
        Route("GET", fields, list_fields(of_samples=of_samples), "List fields", access="anonymous"),
        Route("POST", fields, make_field(of_samples=of_samples), "Make a field"),
        Route("GET", f"{fields}/{{uuid}}", found.doing(read_field, show_field), "Show", access="anonymous"),
        Route(("PUT", "PATCH"), f"{fields}/{{uuid}}", found.doing(field, change_field), "Change"),
        Route("DELETE", f"{fields}/{{uuid}}", found.doing(field, delete), "Delete"),
    )


def _nested(owner: str) -> tuple[Route, ...]:
    results = f"/api/nested/{{org}}/sample_groups/{owner}/analysis_results"
    result = f"{results}/{{module}}"
    fields, field = f"{result}/fields", f"{result}/fields/{{field}}"
    find, change_words = found.nested, ("PUT", "PATCH")
    read = or_else(find, files_nested)
    return (
        Route("GET", results, found.doing(find, list_nested), "List results", access="anonymous"),
        Route("POST", results, found.doing(find, make_nested), "Make a result"),
        Route("GET", result, found.doing(read, show), "Show by module", access="anonymous"),
        Route(change_words, result, found.doing(find, change), "Change"),
        Route("DELETE", result, found.doing(find, delete_nested), "Delete"),
        Route("GET", fields, found.doing(read, list_fields_nested), "List fields", access="anonymous"),
        Route("POST", fields, found.doing(find, make_field_nested), "Make a field"),
        Route("GET", field, found.doing(read, show_field), "Show by name", access="anonymous"),
        Route(change_words, field, found.doing(find, change_field), "Change"),
        Route("DELETE", field, found.doing(find, delete_nested), "Delete"),
    )


RESULT_ROUTES: tuple[Route, ...] = (
    *_flat("sample_ar", of_samples=True),
    *_flat("sample_group_ar", of_samples=False),
    *_nested("{group}"),
    *_nested("{group}/samples/{sample}"),
)
