"""The table of DRS."""

from __future__ import annotations

from commensal.faces.face import Body, Parameter, Route
from commensal.faces.gen3.drs import handlers
from commensal.faces.gen3.drs.errors import DRS

__all__ = ["DRS_ROUTES"]

_BASE = "/ga4gh/drs/v1"
_ID = Parameter("object_id", "GUID, or an alias.", "path", required=True)
_ACCESS = Parameter("access_id", "`access_id` of one of the object's access methods.", "path", required=True)
_SECONDS = Parameter("expires_in", "Seconds that the address is good, at most 3,600.", schema={"type": "integer"})
_LIST = (
    Parameter("limit", "Most objects, at most 1,024.", schema={"type": "integer", "default": 100}),
    Parameter("start", "Objects after this id."),
    Parameter("page", "How many pages to skip.", schema={"type": "integer"}),
    Parameter("form", "`object`, `bundle` or `all`; there are no bundles."),
)
_ERROR = {"type": "object", "properties": {"msg": {"type": "string"}, "status_code": {"type": "integer"}}}
_404 = Body("There is no such object, or none that you may know of.", schema=_ERROR)
_413 = Body("More than 1,000 objects.", schema=_ERROR)
_OBJECT = {
    "id": "0198b1f6-…",
    "name": "counts.h5ad",
    "size": 3000000,
    "checksums": [{"type": "md5", "checksum": "…"}],
    "access_methods": [{"type": "https", "access_id": "https", "access_url": {"url": "…"}}],
}
_SUMMARY = {"summary": {"requested": 2, "resolved": 1, "unresolved": 1}, "unresolved_drs_objects": []}
_IDS = Body(example={"bulk_object_ids": ["…", "…"]})
_ONE = f"{_BASE}/objects/{{object_id}}"
_REST = f"{_BASE}/objects/{{rest:path}}"

DRS_ROUTES: tuple[Route, ...] = (
    Route("GET", f"{_BASE}/service-info", handlers.service_info, "About this service", access="anonymous", tag=DRS),
    Route(
        "GET",
        f"{_BASE}/objects",
        handlers.list_objects,
        "List objects",
        "Those that you may read, by id.",
        _LIST,
        answers={200: Body(example={"drs_objects": [_OBJECT]})},
        access="anonymous",
        tag=DRS,
    ),
    Route(
        "POST",
        f"{_BASE}/objects",
        handlers.get_objects,
        "Show many objects",
        "At most 1,000. What was found stands in `resolved_drs_objects` and, as DRS 1.5 spells it, "
        "`resolved_drs_object`.",
        body=_IDS,
        answers={200: Body(example={**_SUMMARY, "resolved_drs_objects": [_OBJECT]}), 413: _413},
        access="anonymous",
        writes=False,
        tag=DRS,
    ),
    Route(
        "OPTIONS",
        f"{_BASE}/objects",
        handlers.authorizations_many,
        "How to show who you are, for many objects",
        body=_IDS,
        answers={200: Body(example=_SUMMARY), 413: _413},
        access="anonymous",
        writes=False,
        tag=DRS,
    ),
    Route(
        "POST",
        f"{_BASE}/objects/access",
        handlers.access_many,
        "Get addresses of many objects",
        "At most 1,000. When there is an address for none of them, the status is that of most of the refusals.",
        (_SECONDS,),
        Body(example={"bulk_object_access_ids": [{"bulk_object_id": "…", "bulk_access_ids": ["https"]}]}),
        {200: Body(example={**_SUMMARY, "resolved_drs_object_access_urls": []}), 413: _413},
        access="anonymous",
        writes=False,
        tag=DRS,
    ),
    Route("OPTIONS", f"{_BASE}/objects/access", handlers.preflight, "May a browser ask?", access="open", tag=DRS,
          documented=False),
    Route(
        ("GET", "POST"),
        _ONE,
        handlers.get_object,
        "Show an object",
        "By its full GUID also without a token; then, and for those who may not read the project, with what the "
        "server itself has alone.",
        (_ID,),
        answers={200: Body(example=_OBJECT), 404: _404},
        access="anonymous",
        writes=False,
        tag=DRS,
    ),
    Route(
        "OPTIONS",
        _ONE,
        handlers.authorizations,
        "How to show who you are",
        parameters=(_ID,),
        answers={200: Body(example={"supported_types": ["BearerAuth"]}), 404: _404},
        access="anonymous",
        writes=False,
        tag=DRS,
    ),
    Route(
        ("GET", "POST"),
        f"{_ONE}/access/{{access_id}}",
        handlers.access,
        "Get an address to fetch the bytes from",
        "Needs the right `download`, unless the object is open to everybody. The address needs no token, and ends.",
        (_ID, _ACCESS, _SECONDS),
        answers={200: Body(example={"url": "…"}), 401: "You may not, whether signed in or not.", 404: _404},
        access="anonymous",
        writes=False,
        tag=DRS,
    ),
    Route("OPTIONS", f"{_ONE}/access/{{access_id}}", handlers.preflight, "May a browser ask?", access="open", tag=DRS,
          documented=False),
    Route(("GET", "POST"), f"{_ONE}/access", handlers.access_without_id, "Get an address", access="anonymous",
          writes=False, tag=DRS, documented=False),
    # Ids with a prefix hold a slash.
    Route(("GET", "POST", "OPTIONS"), _REST, handlers.by_rest, "Objects whose id holds a slash", access="anonymous",
          writes=False, tag=DRS, documented=False),
)  # fmt: skip
