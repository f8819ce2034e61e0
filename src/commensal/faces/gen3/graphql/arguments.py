"""Arguments of fields into conditions, order and paging (contracts/gen3.md 5.3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from commensal.core.dictionary import Dictionary, NodeType
from commensal.core.graph.model import Form, Match, Order, Paging, Step, Table, Where
from commensal.core.graph.paths import type_ways, ways
from commensal.core.graph.properties import form_of, step_of, table_named
from commensal.errors import TooLarge

__all__ = ["NODE_FORMS", "FieldError", "forms_of", "loose_where", "orders", "paging", "parse_date", "where_of"]

_BASE = frozenset(
    {
        *("id", "submitter_id", "ids", "quick_search", "first", "offset", "created_before", "created_after"),
        *("updated_before", "updated_after", "order_by_asc", "order_by_desc", "with_links", "with_links_any"),
        *("without_links", "with_path_to", "with_path_to_any", "without_path_to", "not", "project_id"),
    }
)
#: Ways over links that one argument may ask for, over all of its entries: each is a search for every row.
MOST_SEARCHES = 500
#: What rows of any type can be ordered by.
NODE_FORMS: Mapping[str, Form] = dict.fromkeys(
    ("id", "submitter_id", "project_id", "created_datetime", "updated_datetime"), Form.TEXT
)
_DATES = ("%Y/%m/%d", "%d %b %Y", "%d %B %Y", "%b %d %Y", "%B %d, %Y", "%b %d, %Y", "%m/%d/%Y", "%Y-%m", "%Y")
_TIMES = ("", " %H:%M", " %H:%M:%S")


class FieldError(Exception):
    """One field cannot be answered: it is null and the sentence stands among the errors."""


def parse_date(text: str) -> datetime:
    """Read a date leniently; without an offset it is UTC. Raises FieldError."""
    text = text.strip()
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = _other_date(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        return moment.replace(tzinfo=UTC)


def _other_date(text: str) -> datetime:
    for date in _DATES:
        for time in _TIMES:
            try:
                return datetime.strptime(text, date + time).replace(tzinfo=UTC)
            except ValueError:
                continue
    try:
        return parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        shown = text if len(text) <= 60 else text[:57] + "..."
        raise FieldError(f"Unable to parse date '{shown}': write it as 2026-01-31 or 2026-01-31T12:00:00") from None


def paging(arguments: Mapping[str, Any]) -> Paging:
    """Return which rows of a list are wanted: ten by default; ``first`` of 0 or less is all."""
    first = arguments.get("first", 10)
    return Paging(first if first > 0 else None, max(arguments.get("offset", 0), 0))


def forms_of(node: NodeType) -> dict[str, Form]:
    """Return what rows of a type can be ordered by, and how."""
    forms = {name: form_of(node, prop) for name, prop in node.properties.items()}
    forms["id"] = Form.TEXT
    if node.name == "project":
        forms.setdefault("project_id", Form.TEXT)
    return forms


def orders(arguments: Mapping[str, Any], forms: Mapping[str, Form], shown: str) -> tuple[Order, ...]:
    """Return the order of a list. Raises FieldError for an unknown property."""
    found: list[Order] = []
    for argument, descending in (("order_by_asc", False), ("order_by_desc", True)):
        name = arguments.get(argument)
        if name is None or name == "type":
            continue
        form = forms.get(name)
        if form is None:
            raise FieldError(f"Cannot order by {name} on {shown}")
        found.append(Order(name, form, descending))
    return tuple(found)


def where_of(dictionary: Dictionary, node: NodeType, arguments: Mapping[str, Any]) -> Where:
    """Return the conditions on rows of one type. Raises FieldError for an unknown link and an unreadable date."""
    table = table_named(node.name)
    where = _base(arguments, table)
    matches: list[Match] = []
    excluded: list[Match] = []
    for name, value in arguments.items():
        if name in _BASE:
            continue
        prop = node.properties.get(name)
        if prop is None:
            return replace(where, never=True)
        matches.append(_match(name, form_of(node, prop), value))
    for one in arguments.get("not", ()):
        for name, value in one.items():
            if name == "project_id" and table in (Table.RECORDS, Table.PROJECTS):
                excluded.append(_match(name, Form.TEXT, value))
            elif name in node.properties:
                excluded.append(_match(name, form_of(node, node.properties[name]), value))
    return replace(
        where,
        matches=tuple(matches),
        excluded=_together(excluded),
        links_all=_links(dictionary, node, arguments.get("with_links")),
        links_any=_links(dictionary, node, arguments.get("with_links_any")),
        links_none=_links(dictionary, node, arguments.get("without_links")),
        reach_all=_reach(dictionary, node, arguments.get("with_path_to")),
        reach_any=_reach(dictionary, node, arguments.get("with_path_to_any")),
        reach_none=_reach(dictionary, node, arguments.get("without_path_to")),
    )


def loose_where(arguments: Mapping[str, Any], forms: Mapping[str, Form] | None = None) -> Where:
    """Return the conditions on rows of several types: ``forms`` are the properties that may be named beside the base.

    Single texts are given where a list stands for one type.
    """
    where = _base(arguments, Table.RECORDS)
    matches = [
        _match(name, (forms or {}).get(name, Form.TEXT), value)
        for name, value in arguments.items()
        if name not in _BASE and name not in ("type", "of_type") and (forms is not None or name != "category")
    ]
    return replace(where, matches=tuple(matches))


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(value) if isinstance(value, list) else (value,)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]


def _base(arguments: Mapping[str, Any], table: Table) -> Where:
    """Return the conditions that every field has."""
    ids: list[tuple[str, ...]] = []
    if "id" in arguments:
        ids.append((arguments["id"],))
    if "ids" in arguments:
        ids.append(_texts(arguments["ids"]))
    submitter_ids = _texts(arguments["submitter_id"]) if "submitter_id" in arguments else None
    projects = _texts(arguments["project_id"]) if "project_id" in arguments else None
    never = (submitter_ids is not None and table is not Table.RECORDS) or (
        projects is not None and table not in (Table.RECORDS, Table.PROJECTS)
    )

    def date(name: str) -> datetime | None:
        return parse_date(arguments[name]) if name in arguments else None

    return Where(
        never=never or table is Table.NOTHING,
        ids=tuple(ids),
        submitter_ids=submitter_ids,
        project_ids=projects,
        search=arguments.get("quick_search", ""),
        created_before=date("created_before"),
        created_after=date("created_after"),
        updated_before=date("updated_before"),
        updated_after=date("updated_after"),
    )


def _together(excluded: list[Match]) -> tuple[Match, ...]:
    """Make one match of all that leave out by the same property; lists stay apart, of which a row has to hold all."""
    values: dict[tuple[str, Form], dict[str | float | bool, None]] = {}
    found: list[Match] = []
    for one in excluded:
        if one.form.many:
            found.append(one)
        else:
            values.setdefault((one.name, one.form), {}).update(dict.fromkeys(one.values))
    if len(found) > MOST_SEARCHES:
        raise TooLarge(f"More than {MOST_SEARCHES} lists are to be left out; ask in several steps.")
    return (*found, *(Match(name, form, tuple(kept)) for (name, form), kept in values.items()))


def _match(name: str, form: Form, value: Any) -> Match:
    return Match(name, form, tuple(value) if isinstance(value, list) else (value,))  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]


def _links(dictionary: Dictionary, node: NodeType, names: list[str] | None) -> tuple[Step, ...]:
    found: dict[Step, None] = {}
    for name in names or ():
        link = node.links_by_name.get(name)
        forward = link is not None
        if link is None:
            link = node.backrefs.get(name)
        if link is None or (link.target if forward else link.source) not in dictionary.types:
            raise FieldError(f"Invalid link name '{name}'")
        found[step_of(link, forward=forward)] = None
    return tuple(found)


def _reach(dictionary: Dictionary, node: NodeType, entries: list[dict[str, Any]] | None) -> tuple[Any, ...]:
    found: list[Any] = []
    searches = 0
    for entry in entries or ():
        goal = dictionary.types.get(entry["type"])
        searches += len(type_ways(dictionary, node.name, entry["type"]))
        if searches > MOST_SEARCHES:
            raise TooLarge(
                f"The paths asked of {node.name} are more than {MOST_SEARCHES} searches over links; "
                "ask in several steps."
            )
        if goal is None:
            found.append(())
            continue
        rest = {name: value for name, value in entry.items() if name != "type"}
        if "submitter_id" in rest:
            rest["submitter_id"] = [rest["submitter_id"]]
        end = where_of(dictionary, goal, rest)
        found.append(() if end.never else ways(dictionary, node.name, goal.name, end))
    return tuple(found)
