"""Search by names (contracts/pangea.md b10)."""

from __future__ import annotations

from commensal.faces.face import Parameter, Route
from commensal.faces.kit.answers import Respond, json_answer
from commensal.faces.kit.request import Request
from commensal.faces.pangea import found
from commensal.faces.pangea.wire import organization

__all__ = ["SEARCH_ROUTES"]


async def search(request: Request) -> Respond:
    """Find samples, groups and organizations by words of their names."""
    text = request.query_params.get("query", "")
    rows = await request.services.names.search(request.principal, text)
    out = await found.shown(request)
    return json_answer(
        {
            "query": text,
            "samples": [out.sample(one) for one in rows.samples],
            "sample_groups": [out.group(one) for one in rows.projects],
            "organizations": [organization(one) for one in rows.programs],
        }
    )


SEARCH_ROUTES: tuple[Route, ...] = (
    Route(
        "GET",
        "/api/search",
        search,
        "Find by words of names",
        "At most 100 samples, groups and organizations whose names have all the words, each as the beginning of one.",
        parameters=(Parameter("query", "Words.", example="liver"),),
        access="anonymous",
    ),
)
