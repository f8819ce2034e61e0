"""The search of the study browser: full text and facets."""

from __future__ import annotations

import base64
from typing import Annotated, Any, Literal

import msgspec

from commensal.core.files_query import Equals, Node, Or, parse_text
from commensal.core.studies import ACCESSION, NAME, Kind, ObjectQuery
from commensal.errors import Malformed
from commensal.faces.kit.answers import Respond, json_answer
from commensal.faces.kit.bodies import read_struct
from commensal.faces.kit.request import Request
from commensal.faces.odm.handlers import check_curator
from commensal.faces.odm.wire import plain

__all__ = ["search_studies"]

_MOST = 1000
#: Most filters of one search; each is looked for in every study.
_FILTERS = 100
_OWN = (ACCESSION, NAME, "commensal:uuid", "commensal:project")


class _Filter(msgspec.Struct, rename="camel"):
    type: Literal["FULL_TEXT", "SELECT"]
    match: str | None = None
    mode: Literal["STRICT", "USE_NARROWER_TERMS"] | None = None
    filter_option_id: str | None = None


class _Page(msgspec.Struct):
    offset: Annotated[int, msgspec.Meta(ge=0)] | None = None
    limit: Annotated[int, msgspec.Meta(ge=0, le=_MOST)] | None = None


class _Search(msgspec.Struct):
    filters: list[_Filter] | None = None
    page: _Page | None = None


def _option(key: str, value: str) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode((key, value))).decode()


def _chosen(text: str | None) -> tuple[str, str]:
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode((text or "").encode()), type=tuple[str, str])
    except (ValueError, msgspec.DecodeError):
        raise Malformed(
            "filterOptionId must be the id of an option, as an answer of this search gives it.", field="filterOptionId"
        ) from None


def _nodes(filters: list[_Filter]) -> tuple[Node, ...]:
    """Return what must hold: options of one attribute are alternatives, those of different ones are all needed."""
    if len(filters) > _FILTERS:
        raise Malformed(f"At most {_FILTERS} filters are taken.", field="filters")
    texts = [one for one in filters if one.type == "FULL_TEXT"]
    if len(texts) > 1:
        raise Malformed("Only one filter of the type FULL_TEXT may be sent.", field="filters")
    found: list[Node] = [node for one in texts if (node := parse_text(one.match or "")) is not None]
    options: dict[str, list[Node]] = {}
    for one in filters:
        if one.type == "SELECT":
            key, value = _chosen(one.filter_option_id)
            options.setdefault(key, []).append(Equals(key, (value,) if value else ()))
    return (*found, *(Or(tuple(values)) for values in options.values()))


def _content(attributes: dict[str, Any]) -> dict[str, Any]:
    summary = [
        {"key": key, "values": [plain(one) for one in (value if isinstance(value, list) else [value])]}
        for key, value in attributes.items()
        if key not in _OWN and value is not None
    ]
    return {
        "accession": attributes[ACCESSION],
        "name": attributes[NAME],
        "hasFacs": False,
        "hasGenomic": False,
        "hasTranscriptomics": False,
        "summary": summary,
    }


async def search_studies(request: Request) -> Respond:
    """Find studies by words and by values of attributes; the answer offers the commonest values to narrow it."""
    await check_curator(request)
    body = await read_struct(request, _Search)
    page = body.page or _Page()
    offset = 0 if page.offset is None else page.offset
    limit = _MOST if page.limit is None else page.limit
    query = ObjectQuery(Kind.STUDY, nodes=_nodes(body.filters or []))
    found = await request.services.studies.search(request.principal, query, offset=offset, limit=limit)
    groups: dict[str, dict[str, Any]] = {}
    for one in await request.services.studies.facets(request.principal, query):
        group = groups.setdefault(one.key, {"filterId": one.key, "hasMoreOptions": one.more, "options": []})
        group["options"].append(
            {"id": _option(one.key, one.value), "filterId": one.key, "name": one.value, "count": one.count}
        )
    return json_answer(
        {
            "objectsPage": {
                "filteredCount": found.total,
                "pageRequest": {"offset": offset, "limit": limit},
                "content": [_content(one.attributes) for one in found.items],
            },
            "filterOptionGroups": list(groups.values()),
        }
    )
