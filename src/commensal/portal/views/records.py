"""A project's records as a table, and one record with its links and history."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote
from uuid import UUID

from commensal.core.permissions import Right
from commensal.core.projects import Project
from commensal.core.records import Linked, Record, RecordVersion
from commensal.errors import NotFound
from commensal.faces.face import Route
from commensal.faces.kit.answers import Respond
from commensal.faces.kit.request import Request
from commensal.portal.formats import as_text
from commensal.portal.listing import shown_type
from commensal.portal.pages import PAGE_SIZES, Paging, addresses, page_of, render
from commensal.portal.paths import record_path
from commensal.portal.views.project_frame import open_project, project_page

__all__ = ["ROUTES"]

#: Columns that a table shows before anybody chooses, and that it offers at most.
FIRST_COLUMNS = 6
MOST_COLUMNS = 300
#: Links that a record's page lists by name.
LINKS_SHOWN = 25
VERSIONS_SHOWN = 50
_FREE = "*."


@dataclass(frozen=True, slots=True)
class Column:
    """One column: a property of the dictionary, or a key of the free metadata."""

    key: str
    name: str
    free: bool


@dataclass(frozen=True, slots=True)
class Row:
    """One record as the table shows it."""

    uuid: UUID
    submitter_id: str
    cells: tuple[str, ...]
    updated: datetime


def _columns(declared: Sequence[str], records: Sequence[Record], asked: Iterable[str]) -> list[Column]:
    """Return the columns on offer: what is set on this page (declared order first), and what was asked for."""
    found: dict[str, Column] = {}
    used = {name for record in records for name in record.props}
    for name in [*(name for name in declared if name in used), *sorted(used - set(declared))]:
        found[name] = Column(name, name, free=False)
    if any(record.label for record in records) and "label" not in found:
        found = {"label": Column("label", "label", free=False), **found}
    for record in records:
        if isinstance(record.extra, Mapping):
            for name in record.extra:
                found.setdefault(_FREE + name, Column(_FREE + name, name, free=True))
    for key in asked:
        found.setdefault(key, Column(key, key.removeprefix(_FREE), free=key.startswith(_FREE)))
    return list(found.values())[:MOST_COLUMNS]


def _cell(record: Record, column: Column) -> str:
    if column.free:
        return as_text(record.extra.get(column.name)) if isinstance(record.extra, Mapping) else ""
    if column.key == "label" and column.key not in record.props:
        return record.label or ""
    return as_text(record.props.get(column.key))


async def _declared(request: Request, type_name: str) -> list[str]:
    """Return a type's properties in the order of the dictionary, without those that the system keeps."""
    dictionary = (await request.services.dictionaries.current()).dictionary
    node = dictionary.find(type_name)
    return [] if node is None else [name for name, value in node.properties.items() if not value.system]


def _about(project: Project) -> list[tuple[str, Any]]:
    facts = [(name, value) for name, value in project.properties.items() if value not in (None, "", [])]
    if isinstance(project.extra, Mapping):
        facts += [(str(name), value) for name, value in project.extra.items() if value not in (None, "", [])]
    return facts


async def records_page(request: Request) -> Respond:
    """Show a project: what it is, its record types, and a table of one of them."""
    opened = await open_project(request)
    query = request.query_params
    may_read = opened.may(Right.READ)
    names = [row.key for row in opened.counts]
    wanted = query.get("type", "")
    type_name = wanted if wanted in names else (names[0] if names else "")
    search = query.get("search", "").strip()
    asked = [key for key in query.getlist("column") if key][:MOST_COLUMNS]
    offset, limit = page_of(request)
    exported = ""
    if may_read and type_name in (await request.services.dictionaries.current()).dictionary.types:
        may_export = await request.services.exports.allowed(request.principal, opened.project)
        exported = f"{opened.here}/export/{quote(type_name, safe='')}" if may_export else ""
    values: dict[str, Any] = {"columns": [], "chosen": [], "shown": [], "rows": [], "paging": Paging(0, limit, 0)}
    if may_read and type_name:
        page = await request.services.records.page(
            request.principal, opened.project, [type_name], search=search, offset=offset, limit=limit
        )
        columns = _columns(await _declared(request, type_name), page.rows, asked)
        chosen = set(asked) or {column.key for column in columns[:FIRST_COLUMNS]}
        shown = [column for column in columns if column.key in chosen]
        values = {
            "columns": columns,
            "chosen": chosen,
            "shown": shown,
            "rows": [
                Row(one.uuid, one.submitter_id, tuple(_cell(one, column) for column in shown), one.updated)
                for one in page.rows
            ],
            "paging": Paging(offset, limit, page.total),
        }
    return project_page(
        request,
        "project_records.html",
        opened,
        "",
        about=_about(opened.project) if may_read else [],
        counts=opened.counts,
        type=type_name,
        type_shown=shown_type(type_name),
        search=search,
        sizes=PAGE_SIZES,
        may_read=may_read,
        may_write=opened.may(Right.CREATE),
        exported=exported,
        address=addresses(request),
        **values,
    )


# --- one record -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LinkShown:
    """The other end of a link; without an address where it lies in a project this caller may not read."""

    href: str
    text: str
    type: str


@dataclass(frozen=True, slots=True)
class VersionShown:
    """One step of a record's history with what changed: (name, before, after)."""

    n: int
    action: str
    who: str
    door: str
    at: datetime
    changes: tuple[tuple[str, Any, Any], ...]


def _groups(project: Project, links: Sequence[Linked], *, forward: bool) -> list[tuple[str, list[LinkShown], int]]:
    groups: dict[str, list[Linked]] = {}
    for link in links:
        if link.forward is forward:
            name = link.name if forward else f"{link.name} of {shown_type(link.type)}"
            groups.setdefault(shown_type(name), []).append(link)
    return [
        (
            name,
            [
                LinkShown(
                    record_path(project, one.uuid) if one.project == project.seq else "",
                    one.label or one.submitter_id,
                    shown_type(one.type),
                )
                for one in found[:LINKS_SHOWN]
            ],
            len(found),
        )
        for name, found in sorted(groups.items())
    ]


def _flat(state: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return a stored state as one level of names: its properties, free metadata and links beside the rest."""
    if not state:
        return {}
    flat = {name: value for name, value in state.items() if name not in ("props", "extra", "links")}
    flat.update(state.get("props") or {})
    extra = state.get("extra")
    flat.update(extra if isinstance(extra, Mapping) else {"free metadata": extra} if extra is not None else {})
    flat.update({name: value for name, value in (state.get("links") or {}).items() if value})
    return flat


def _version(version: RecordVersion) -> VersionShown:
    changes: tuple[tuple[str, Any, Any], ...] = ()
    if version.before is not None and version.after is not None:
        before, after = _flat(version.before), _flat(version.after)
        names = dict.fromkeys([*before, *after])
        changes = tuple((n, before.get(n), after.get(n)) for n in names if before.get(n) != after.get(n))
    return VersionShown(version.n, version.action, version.who_name or "the system", version.door, version.at, changes)


async def record_page(request: Request) -> Respond:
    """Show one record: properties, free metadata, links both ways, history."""
    services, principal = request.services, request.principal
    project: Project = await services.catalog.project(principal, request.params["project"], right=Right.READ)
    record: Record = await services.records.get(principal, request.params["record"])
    if record.project != project.seq:
        raise NotFound("There is no such record in this project.")
    rights: Right = await services.catalog.project_rights(principal, project)
    links: list[Linked] = await services.records.links(principal, project, record)
    versions: list[RecordVersion] = await services.records.versions(principal, project, record)
    order = {name: number for number, name in enumerate(await _declared(request, record.type))}
    properties = sorted(record.props.items(), key=lambda pair: (order.get(pair[0], len(order)), pair[0]))
    return render(
        request,
        "record.html",
        title=record.shown,
        project=project,
        here=f"/portal/projects/{request.params['project']}",
        record=record,
        type_shown=shown_type(record.type),
        properties=properties,
        extra=record.extra,
        links_out=_groups(project, links, forward=True),
        links_in=_groups(project, links, forward=False),
        may_delete=principal.user is not None and bool(rights & Right.DELETE),
        versions=[_version(version) for version in reversed(versions)][:VERSIONS_SHOWN],
    )


_PROJECT = "/portal/projects/{project}"

ROUTES = (
    Route("GET", _PROJECT, records_page, "A project and its records", access="anonymous"),
    Route("GET", f"{_PROJECT}/records/{{record:uuid}}", record_page, "A record", access="anonymous"),
)
