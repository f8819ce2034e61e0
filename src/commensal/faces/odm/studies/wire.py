"""Parameters in, objects out (contracts/odm.md, "Metadata objects"); pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from commensal.core.files_query import Node, parse_filter, parse_text
from commensal.core.studies import ACCESSION, GROUP_ID, NAME, NAME_KEYS, Found, Kind, ObjectQuery, ordered
from commensal.errors import Malformed, NotFound
from commensal.faces.odm.wire import accession

__all__ = [
    "DETAILS",
    "boolean",
    "check_format",
    "details",
    "first_keys",
    "known",
    "milliseconds",
    "object_query",
    "shown",
]

#: How much of an object is returned, least first.
DETAILS = ("minimal_data", "extended_data_included", "original_data_included")


def boolean(query: Mapping[str, str], name: str) -> bool:
    """Return a truth of the query string, false when it is absent; raises Malformed for other words."""
    text = query.get(name, "false")
    if text not in ("true", "false"):
        raise Malformed(f"{name} must be true or false, not {text[:40]!r}.", field=name)
    return text == "true"


def check_format(query: Mapping[str, str]) -> None:
    """Refuse a ``responseFormat`` that is unknown. ``term_id`` adds the ids of terms, of which there are none here."""
    text = query.get("responseFormat")
    if text not in (None, "term_id"):
        raise Malformed(f"responseFormat must be term_id, not {text[:40]!r}.", field="responseFormat")


def details(query: Mapping[str, str], *, curator: bool) -> str:
    """Return how much of each object is wanted; raises Malformed."""
    text = query.get("returnedMetadataFields")
    if text is None:
        return DETAILS[2] if curator else DETAILS[1]
    if text not in DETAILS:
        raise Malformed(
            f"returnedMetadataFields must be one of {', '.join(DETAILS)}, not {text[:40]!r}.",
            field="returnedMetadataFields",
        )
    return text


def nodes(query: Mapping[str, str]) -> tuple[Node, ...]:
    """Return what filter and query ask for; raises Malformed."""
    boolean(query, "searchSpecificTerms")
    found = [parse_filter(query.get("filter", "")), parse_text(query.get("query", ""))]
    return tuple(node for node in found if node is not None)


def object_query(kind: Kind, query: Mapping[str, str]) -> ObjectQuery:
    """Return the query of a list; raises Malformed."""
    made = ObjectQuery(kind, nodes=nodes(query))
    sort = query.get("sort")
    if not sort or not sort.strip("+- "):
        return made
    # A plus sign that was not encoded arrives as a space.
    return replace(made, sort=sort[1:] if sort[0] in "+- " else sort, descending=sort[0] == "-")


def known(text: str, what: str) -> int:
    """Return the number of an accession; raises Malformed for what is none, NotFound for another system's."""
    seq = accession(text)
    if seq is None:
        raise NotFound(f"The {what} with the accession {text} could not be found.")
    return seq


def first_keys(kind: Kind) -> tuple[str, ...]:
    """Return the first keys of an object and columns of a table."""
    return (ACCESSION, NAME) if kind is Kind.STUDY else (ACCESSION, NAME_KEYS[kind], NAME)


def shown(found: Found, kind: Kind, how: str, declared: Sequence[str]) -> dict[str, Any]:
    """Return an object as it is sent.

    ``declared``: what the dictionary names stands for the template. ``minimal_data`` shows that only,
    ``extended_data_included`` every value, ``original_data_included`` also null for what is declared and not set.
    """
    first = first_keys(kind)
    made = ordered(found.attributes, first)
    if how == DETAILS[0]:
        kept = {*first, GROUP_ID, *declared}
        return {key: value for key, value in made.items() if key in kept}
    if how == DETAILS[2]:
        made.update((key, None) for key in declared if key not in made)
    return made


def milliseconds(moment: datetime) -> int:
    """Return a time as the client's integers have it: milliseconds since 1970."""
    return int(moment.timestamp() * 1000)
