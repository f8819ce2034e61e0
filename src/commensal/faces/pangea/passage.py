"""``?work_order_uuid=``: who does the work of an order reaches its sample, private or not.

Source: contracts/pangea.md b6, b7, b11.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from uuid import UUID

from commensal.core.lineage import Lineage
from commensal.errors import Forbidden
from commensal.faces.kit.request import Request
from commensal.faces.pangea.asked import filter_uuid

__all__ = ["check_passage", "enter", "passing"]

Finder = Callable[[Request], Awaitable[Lineage]]
_CHANGES = ("PUT", "PATCH", "DELETE")


async def enter(request: Request, *, write: bool) -> UUID | None:
    """Give the caller of this request the rights of the order that the query names, if it names one.

    Returns the uuid of its sample, for which alone they are good: ``check_passage`` what the request is about before
    anything else is done. ``write``: those to add and change results, too, where the method does that. Raises NotFound
    and Forbidden.
    """
    uuid = filter_uuid(request, "work_order_uuid") if request.scope["query_string"] else None
    if uuid is None:
        return None
    write = write and request.method in ("POST", "PUT", "PATCH")
    passage = await request.services.work_orders.passage(request.principal, uuid, write=write)
    if passage is None:  # an order of a group, which the published client sends along: with the caller's own rights
        return None
    request.exchange.principal = passage.principal
    return passage.sample


def check_passage(sample: UUID | None, one: Lineage) -> None:
    """Refuse a thing that is not the sample of the order, nor hangs on it."""
    if sample is not None and (one.sample is None or one.sample.uuid != sample):
        raise Forbidden("This work order is for another sample.")


def passing(finder: Finder, *, write: bool) -> Finder:
    """Return a finder that takes an order's rights along, for what follows too; when it fails, they are gone.

    They let nobody change or delete the sample itself: with these, the caller has his own rights only.
    """

    async def find(request: Request) -> Lineage:
        own = request.exchange.principal
        try:
            sample = await enter(request, write=write)
            one = await finder(request)
            check_passage(sample, one)
        except BaseException:
            request.exchange.principal = own
            raise
        if one.result is None and request.method in _CHANGES:
            request.exchange.principal = own
        return one

    return find
