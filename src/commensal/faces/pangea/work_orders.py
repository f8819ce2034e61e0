"""Work orders of samples and groups, and their jobs (contracts/pangea.md b11)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from commensal.core.lineage import Lineage
from commensal.core.work_orders import JOB_STATES, Job, OrderKind, WorkOrder
from commensal.faces.face import Parameter, Route
from commensal.faces.kit.answers import Respond, empty, json_answer
from commensal.faces.kit.request import Request
from commensal.faces.pangea import found
from commensal.faces.pangea.asked import ABSENT, Given, envelope, page_of, path_uuid, read_body
from commensal.faces.pangea.errors import FieldErrors, told
from commensal.faces.pangea.order_prototypes import check_module, prototype
from commensal.faces.pangea.wire import moment
from commensal.services.work_orders import OrderFilter

__all__ = ["WORK_ORDER_ROUTES"]

_Handler = Callable[[Request], Awaitable[Respond]]
_REFUSED = {
    OrderKind.SAMPLE: "Insufficient permissions to generate work order for sample.",
    OrderKind.GROUP: "Insufficient permissions to generate work order for sample group.",
}


def _job_body(one: Job) -> dict[str, Any]:
    return {
        "uuid": str(one.uuid),
        "name": one.name,
        "status": one.status,
        "work_order": str(one.work_order),
        "pipeline_module": None if one.pipeline_module is None else str(one.pipeline_module),
        "analysis_result": None if one.result is None else str(one.result),
        "resources_used": one.resources_used,
        "resources_needed": one.resources_needed,
        "created_at": moment(one.created),
        "updated_at": moment(one.updated),
        "description": one.description,
    }


def _body(one: WorkOrder) -> dict[str, Any]:
    body: dict[str, Any] = {
        "uuid": str(one.uuid),
        "name": one.name,
        "priority": one.priority,
        "created_at": moment(one.created),
        "updated_at": moment(one.updated),
        "description": one.description,
        "status": one.status,
    }
    if one.prototype.kind is OrderKind.SAMPLE:
        body["sample"] = str(one.target)
        body["job_order_objs"] = [_job_body(job) for job in one.jobs]
        body["progress_summary"] = {**one.progress, "n_jobs": len(one.states)}
        return body
    body["sample_group"] = str(one.target)
    body["work_order_links"] = [
        {
            "name": link.name,
            "uuid": str(link.uuid),
            "sample_name": link.sample_name,
            "sample_uuid": str(link.sample),
            "status": link.status,
        }
        for link in one.links
    ]
    body["work_orders"] = [str(link.uuid) for link in one.links]
    body["progress_summary"] = {**one.progress, "n_work_orders": len(one.states)}
    return body


def _order(kind: OrderKind) -> found.Doing:
    async def act(request: Request, one: Lineage) -> Respond:
        asked = await request.services.order_prototypes.prototype(request.principal, kind, request.params["proto"])
        with told(forbidden=_REFUSED[kind]):
            uuid, new = await request.services.work_orders.order(request.principal, one, asked)
        return json_answer({"uuid": str(uuid)}, 201 if new else 200)

    return act


def _list_of(kind: OrderKind) -> found.Doing:
    async def act(request: Request, one: Lineage) -> Respond:
        target = one.place.seq if one.sample is None else one.sample.seq
        return await _answer(request, OrderFilter(kind, target=target))

    return act


def _list_of_prototype(kind: OrderKind) -> _Handler:
    async def handler(request: Request) -> Respond:
        query = request.query_params
        of = await prototype(request, kind)
        not_status = query.get("not_status") or None
        if not_status not in (None, *JOB_STATES):
            raise FieldErrors({"not_status": [f'"{(not_status or "")[:80]}" is not a valid choice.']})
        only = OrderFilter(kind, prototype=of.seq, own=True, not_status=not_status, shuffled=bool(query.get("random")))
        return await _answer(request, only, most=_number(query.get("max_num") or "0"))

    return handler


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 9):
        raise FieldErrors({"max_num": ["A valid integer is required."]})
    return int(text)


async def _answer(request: Request, only: OrderFilter, *, most: int = 0) -> Respond:
    """Return a page of orders; with ``most``, no more than these."""
    page = page_of(request)
    window = page.window
    if most:
        window["limit"] = max(0, min(window["limit"], most - window["offset"]))
    rows = await request.services.work_orders.page(request.principal, only, **window)
    total = min(rows.total, most) if most else rows.total
    return json_answer(envelope(request, page, [_body(one) for one in rows.items], total))


def _show(kind: OrderKind) -> _Handler:
    async def handler(request: Request) -> Respond:
        return json_answer(_body(await request.services.work_orders.get(request.principal, kind, path_uuid(request))))

    return handler


async def show_job(request: Request) -> Respond:
    """Show a job."""
    _, job = await request.services.work_orders.job(request.principal, path_uuid(request))
    return json_answer(_job_body(job))


async def change_job(request: Request) -> Respond:
    """Change a job: who does its work. What is not given stays."""
    uuid = path_uuid(request)
    given = Given(await read_body(request), partial=True)
    changes: dict[str, Any] = {}
    for name in ("name", "status", "description"):
        text = given.text(name, required=name != "description", blank=name == "description", longest=10_000)
        if text is not None:
            changes[name] = text
    if changes.get("status", JOB_STATES[0]) not in JOB_STATES:
        given.wrong("status", f'"{changes["status"][:80]}" is not a valid choice.')
    for name in ("resources_needed", "resources_used"):
        value = given.json(name)
        if value is not ABSENT:
            changes[name] = value
    for name, key in (("pipeline_module", "pipeline_module"), ("analysis_result", "result")):
        if given.has(name):
            changes[key] = given.uuid(name)
    given.check()
    await check_module(request, changes.get("pipeline_module"))
    _, job = await request.services.work_orders.change_job(request.principal, uuid, changes)
    return json_answer(_job_body(job))


async def delete_job(request: Request) -> Respond:
    """Delete a job: who does its work."""
    await request.services.work_orders.delete_job(request.principal, path_uuid(request))
    return empty(204)


def _routes(orders: str, things: str, kind: OrderKind, finder: found.Finder, what: str) -> tuple[Route, ...]:
    return (
        Route(
            "POST", f"/api/{things}/{{uuid}}/work_orders/{{proto}}", found.doing(finder, _order(kind)),
            f"Order work for {what}, by uuid or name of a prototype",
        ),
        Route(
            "GET", f"/api/{things}/{{uuid}}/work_orders", found.doing(finder, _list_of(kind)),
            f"Work orders of {what}", access="anonymous",
        ),
        Route("GET", f"/api/{orders}s/{{uuid}}", _show(kind), "Show", access="anonymous"),
        Route(
            "GET", f"/api/{orders}_prototypes/{{uuid}}/work_orders", _list_of_prototype(kind),
            "Work orders of a prototype, for those who do its work",
            parameters=tuple(Parameter(name) for name in ("max_num", "random", "not_status")),
        ),
    )  # fmt: skip


_JOB = "/api/job_orders/{uuid}"
WORK_ORDER_ROUTES: tuple[Route, ...] = (
    *_routes("work_order", "samples", OrderKind.SAMPLE, found.sample, "a sample"),
    *_routes("group_work_order", "sample_groups", OrderKind.GROUP, found.group, "a group"),
    Route("GET", _JOB, show_job, "Show", access="anonymous"),
    Route(("PUT", "PATCH"), _JOB, change_job, "Change: who does the work"),
    Route("DELETE", _JOB, delete_job, "Delete: who does the work"),
)
