"""How handlers find what a request is about: by the uuid of a flat route, or along a nested one.

Each finder returns a Lineage (program, project, sample, result, field) that the caller may read, and raises NotFound,
Forbidden or Unauthenticated else; what is done with it is checked again by the service that does it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

from commensal.core.lineage import Lineage, ResultSettings
from commensal.core.principals import Principal
from commensal.errors import Forbidden, NotFound, Unauthenticated
from commensal.faces.kit.answers import Respond
from commensal.faces.kit.request import Request
from commensal.faces.pangea.addresses import presigned
from commensal.faces.pangea.asked import Given, address_of, no_object, path_uuid
from commensal.faces.pangea.module_bodies import module_bodies, module_number
from commensal.faces.pangea.passage import passing
from commensal.faces.pangea.wire import Shown
from commensal.services.lineages import WithResults

__all__ = [
    "REFUSED",
    "Doing",
    "Finder",
    "described",
    "doing",
    "field",
    "group",
    "kind_of",
    "modules",
    "named_object",
    "nested",
    "of_kind",
    "organization",
    "result",
    "sample",
    "shown",
]

#: What a caller who may not read something is told with.
REFUSED = (Forbidden, Unauthenticated)
Finder = Callable[[Request], Awaitable[Lineage]]
Doing = Callable[[Request, Lineage], Awaitable[Respond]]


async def organization(request: Request) -> Lineage:
    """Find a program by uuid."""
    return Lineage(await request.services.lineages.program(request.principal, path_uuid(request)))


async def group(request: Request) -> Lineage:
    """Find a project or collection by uuid."""
    return await request.services.lineages.project(request.principal, path_uuid(request))


async def _sample(request: Request) -> Lineage:
    return await request.services.lineages.sample(request.principal, path_uuid(request))


async def result(request: Request) -> Lineage:
    """Find a result by uuid."""
    return await request.services.lineages.result(request.principal, path_uuid(request))


async def field(request: Request) -> Lineage:
    """Find a field by uuid."""
    return await request.services.lineages.field(request.principal, path_uuid(request))


async def _nested(request: Request) -> Lineage:
    return await request.services.lineages.find(request.principal, address_of(request))


#: Find a sample by uuid, and what the names of a nested route lead to; both also for who does the work of an order.
sample: Finder = passing(_sample, write=False)
nested: Finder = passing(_nested, write=True)


def of_kind(finder: Finder, *, of_samples: bool) -> Finder:
    """Return a finder of results and fields that takes those of samples only, or those of groups only."""

    async def find(request: Request) -> Lineage:
        found = await finder(request)
        if (found.sample is not None) is not of_samples:
            raise NotFound("There is no such thing.")
        return found

    return passing(find, write=True) if of_samples else find


def doing(finder: Finder, act: Doing) -> Callable[[Request], Awaitable[Respond]]:
    """Return a handler that finds something and does something with it."""

    async def handler(request: Request) -> Respond:
        return await act(request, await finder(request))

    return handler


async def named_object(
    look_up: Callable[[Any, UUID], Awaitable[Lineage]], request: Request, name: str, uuid: UUID | None
) -> Lineage | None:
    """Return the thing whose uuid stands in a body; raises FieldErrors for one that is not there.

    One that is there and may not be read is refused as such.
    """
    if uuid is None:
        return None
    try:
        return await look_up(request.principal, uuid)
    except NotFound:
        raise no_object(name, uuid) from None


def kind_of(
    look_up: Callable[[Principal, UUID], Awaitable[Lineage]], *, of_samples: bool
) -> Callable[[Principal, UUID], Awaitable[Lineage]]:
    """Return a look-up of results that finds those of samples only, or those of groups only."""

    async def find(principal: Principal, uuid: UUID) -> Lineage:
        one = await look_up(principal, uuid)
        if (one.sample is not None) is not of_samples:
            raise NotFound("There is no such result.")
        return one

    return find


async def described(request: Request, given: Given, settings: ResultSettings) -> ResultSettings:
    """Return settings with the pipeline module that a body names; raises FieldErrors for one that does not exist."""
    if not given.has("pipeline_module"):
        return settings
    uuid = given.uuid("pipeline_module")
    given.check()
    if uuid is None:
        return ResultSettings(settings.private, settings.hidden, None)
    try:
        number = await module_number(request, uuid)
    except NotFound:
        raise no_object("pipeline_module", uuid) from None
    return ResultSettings(settings.private, settings.hidden, number)


async def modules(request: Request, held: Sequence[WithResults]) -> dict[int, tuple[str, Any]]:
    """Return uuid and body of the pipeline modules that describe these results, by number."""
    wanted = {settings.described_by for one in held for _, settings, _ in one.results}
    return await module_bodies(request, {seq for seq in wanted if seq is not None})


async def shown(request: Request, *found: Lineage) -> Shown:
    """Return the writer of bodies for an answer with these lineages: fields among them get addresses of their bytes."""
    used = await request.services.lineages.dictionary()
    signed: dict[UUID, str] = {}
    fields: dict[int, list[Lineage]] = {}
    for one in found:
        if one.field is not None:
            fields.setdefault(one.place.seq, []).append(one)
    for group_of in fields.values():
        pairs = [(one.field.uuid, one.field.props.get("value")) for one in group_of if one.field is not None]
        signed |= await presigned(request, group_of[0], pairs)
    described_by = {one.settings.described_by for one in found if one.settings.described_by is not None}
    return Shown(used.dictionary, signed=signed, modules=await module_bodies(request, described_by))
