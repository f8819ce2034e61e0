"""Prototypes of work orders and of their jobs: made by site admins (contracts/pangea.md b11)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from commensal.core.ids import is_uuid
from commensal.core.work_orders import JobPrototype, OrderKind, Prototype
from commensal.errors import NotFound
from commensal.faces.face import Route
from commensal.faces.kit.answers import Respond, empty, json_answer
from commensal.faces.kit.request import Request
from commensal.faces.pangea.asked import ABSENT, Given, envelope, filter_uuid, no_object, page_of, read_body
from commensal.faces.pangea.wire import moment
from commensal.services.order_prototypes import PrototypeChanges

__all__ = ["ORDER_PROTOTYPE_ROUTES", "prototype"]

_Handler = Callable[[Request], Awaitable[Respond]]


def _name(request: Request) -> str:
    return request.params["uuid"].removesuffix(".json")


async def prototype(request: Request, kind: OrderKind) -> Prototype:
    """Find the prototype of the path, by uuid or by name."""
    return await request.services.order_prototypes.prototype(request.principal, kind, _name(request))


def _body(request: Request, one: Prototype) -> dict[str, Any]:
    body: dict[str, Any] = {
        "uuid": str(one.uuid),
        "name": one.name,
        "created_at": moment(one.created),
        "updated_at": moment(one.updated),
        "description": one.description,
    }
    if one.kind is OrderKind.GROUP:
        body["work_order_protos"] = [str(uuid) for uuid in one.parts]
    if request.services.work_orders.does(request.principal, one):
        body["privileged_users"] = list(one.users)
    return body


def _list(kind: OrderKind) -> _Handler:
    async def handler(request: Request) -> Respond:
        page = page_of(request)
        rows = await request.services.order_prototypes.page(
            request.principal, kind, uuid=filter_uuid(request, "uuid"),
            name=request.query_params.get("name") or None, **page.window,
        )  # fmt: skip
        return json_answer(envelope(request, page, [_body(request, one) for one in rows.items], rows.total))

    return handler


def _changes(given: Given) -> PrototypeChanges:
    users = given.body.get("privileged_users")
    clean = users is None or (
        isinstance(users, list) and all(isinstance(one, int | str) and not isinstance(one, bool) for one in users)
    )
    if not clean:
        given.wrong("privileged_users", "Expected a list of users, each by number or by e-mail address.")
    changes = PrototypeChanges(
        name=given.text("name", required=True, blank=False),
        description=given.text("description"),
        users=users if clean else None,
        parts=given.uuids("work_order_protos") if given.has("work_order_protos") else None,
    )
    given.check()
    return changes


def _make(kind: OrderKind) -> _Handler:
    async def handler(request: Request) -> Respond:
        changes = _changes(Given(await read_body(request)))
        made = await request.services.order_prototypes.put(request.principal, kind, changes)
        return json_answer(_body(request, made), 201)

    return handler


def _show(kind: OrderKind) -> _Handler:
    async def handler(request: Request) -> Respond:
        one = await prototype(request, kind)
        # The published client's from_name() sends a name in the uuid's place and refuses an answer with another uuid.
        # Every route takes the name there; ``?name=`` gives the uuid.
        asked = _name(request)
        return json_answer({**_body(request, one), "uuid": str(one.uuid) if is_uuid(asked) else asked})

    return handler


def _change(kind: OrderKind) -> _Handler:
    async def handler(request: Request) -> Respond:
        before = await prototype(request, kind)
        changes = _changes(Given(await read_body(request), partial=True))
        changed = await request.services.order_prototypes.put(request.principal, kind, changes, before)
        return json_answer(_body(request, changed))

    return handler


def _delete(kind: OrderKind) -> _Handler:
    async def handler(request: Request) -> Respond:
        await request.services.order_prototypes.delete(request.principal, await prototype(request, kind))
        return empty(204)

    return handler


# --- jobs ---------------------------------------------------------------------------------------------


def _job_body(one: JobPrototype) -> dict[str, Any]:
    return {
        "uuid": str(one.uuid),
        "name": one.name,
        "created_at": moment(one.created),
        "updated_at": moment(one.updated),
        "description": one.description,
        "pipeline_module": None if one.pipeline_module is None else str(one.pipeline_module),
        "resources_needed": one.resources_needed,
        "work_order_proto": str(one.prototype),
    }


async def _job(request: Request) -> JobPrototype:
    return await request.services.order_prototypes.job(request.principal, _name(request))


async def list_jobs(request: Request) -> Respond:
    """List the jobs of prototypes."""
    page = page_of(request)
    rows = await request.services.order_prototypes.job_page(
        request.principal, uuid=filter_uuid(request, "uuid"), name=request.query_params.get("name") or None,
        prototype=filter_uuid(request, "work_order_proto"), **page.window,
    )  # fmt: skip
    return json_answer(envelope(request, page, [_job_body(one) for one in rows.items], rows.total))


async def _put_job(request: Request, given: Given, before: JobPrototype | None) -> JobPrototype:
    name = given.text("name", required=True, blank=False)
    description = given.text("description")
    of = given.uuid("work_order_proto", required=True)
    module = given.uuid("pipeline_module")
    needed = given.json("resources_needed")
    given.check()
    if before is not None:
        name, of = name or before.name, before.prototype
        description = before.description if description is None else description
        module = module if given.has("pipeline_module") else before.pipeline_module
        needed = before.resources_needed if needed is ABSENT else needed
    assert of is not None
    await check_module(request, module)
    return await request.services.order_prototypes.put_job(
        request.principal, of, name or "", description=description or "", pipeline_module=module,
        resources_needed={} if needed is ABSENT else needed, before=before,
    )  # fmt: skip


async def check_module(request: Request, uuid: UUID | None) -> None:
    """Raise FieldErrors for a pipeline module that does not exist."""
    if uuid is None:
        return
    try:
        await request.services.pipelines.module(request.principal, uuid)
    except NotFound:
        raise no_object("pipeline_module", uuid) from None


async def make_job(request: Request) -> Respond:
    """Make a job of a prototype."""
    return json_answer(_job_body(await _put_job(request, Given(await read_body(request)), None)), 201)


async def show_job(request: Request) -> Respond:
    """Show a job of a prototype."""
    return json_answer(_job_body(await _job(request)))


async def change_job(request: Request) -> Respond:
    """Change a job of a prototype; what is not given stays."""
    before = await _job(request)
    return json_answer(_job_body(await _put_job(request, Given(await read_body(request), partial=True), before)))


async def delete_job(request: Request) -> Respond:
    """Delete a job of a prototype."""
    await request.services.order_prototypes.delete_job(request.principal, await _job(request))
    return empty(204)


def _routes(path: str, kind: OrderKind, what: str) -> tuple[Route, ...]:
    one = f"{path}/{{uuid}}"
    return (
        Route("GET", path, _list(kind), f"List prototypes of orders of {what}"),
        Route("POST", path, _make(kind), f"Make a prototype of orders of {what}: site admins"),
        Route("GET", one, _show(kind), "Show, by uuid or name"),
        Route(("PUT", "PATCH"), one, _change(kind), "Change: site admins"),
        Route("DELETE", one, _delete(kind), "Delete with all of its orders: site admins"),
    )


_JOB = "/api/job_order_prototypes/{uuid}"
ORDER_PROTOTYPE_ROUTES: tuple[Route, ...] = (
    *_routes("/api/work_order_prototypes", OrderKind.SAMPLE, "samples"),
    *_routes("/api/group_work_order_prototypes", OrderKind.GROUP, "groups"),
    Route("GET", "/api/job_order_prototypes", list_jobs, "List jobs of prototypes"),
    Route("POST", "/api/job_order_prototypes", make_job, "Make a job of a prototype: site admins"),
    Route("GET", _JOB, show_job, "Show, by uuid or name"),
    Route(("PUT", "PATCH"), _JOB, change_job, "Change: site admins"),
    Route("DELETE", _JOB, delete_job, "Delete: site admins"),
)
