"""Lists of rows and what is shown of each: a selection becomes an expression that gives JSON text."""

# ruff: noqa: S608 - names come from the dictionary as quoted constants, values are parameters

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from commensal.core.graph.model import (
    AnyNodes,
    DataNodes,
    Fixed,
    Form,
    LinkCount,
    Linked,
    LogCount,
    Logs,
    Neighbours,
    Nodes,
    Order,
    Paging,
    Reached,
    Selection,
    Table,
    Value,
    Where,
)
from commensal.storage.postgres.graph.columns import Row
from commensal.storage.postgres.graph.logs import logs_of
from commensal.storage.postgres.graph.text import EMPTY_LIST, Draft, all_of, json_key, literal, rows_as_list, text_of
from commensal.storage.postgres.graph.where import conditions, followed, in_sight, linked_only, start_tests

if TYPE_CHECKING:
    from commensal.core.graph.model import Step

__all__ = ["any_nodes", "data_nodes", "nodes"]


def nodes(draft: Draft, field: Nodes) -> str:
    """Return the statement of a list of rows of one type, all that the caller may see."""
    if field.table is Table.NOTHING:
        return f"select {EMPTY_LIST}"
    if _by_name(field):
        return _named_first(draft, field)
    row, source = _start(draft, field.table, field.show)
    tests = start_tests(draft, row, field.where)
    if field.table is Table.RECORDS:
        tests.append(f"{row.alias}.type = {literal(field.type)}")
    usual = f"{row.alias}.project, {row.alias}.seq" if field.table is Table.RECORDS else f"{row.alias}.seq"
    shown = _object(draft, row, field.show)
    rows = (
        f"select {shown} as j from {source} where {all_of(tests)}{_tail(draft, row, field.order, usual, field.paging)}"
    )
    return rows_as_list(rows)


#: Up to so many rows are taken from each project by the index of names.
_MOST_BY_NAME = 20_000


def _by_name(field: Nodes) -> bool:
    """Whether the first rows by submitter_id are wanted, which an index knows for each project."""
    order, paging, where = field.order, field.paging, field.where
    return (
        field.table is Table.RECORDS
        and len(order) == 1
        and order[0].name == "submitter_id"
        and paging.first is not None
        and paging.first + paging.offset <= _MOST_BY_NAME
        and not where.ids
        and where.submitter_ids is None
    )


def _named_first(draft: Draft, field: Nodes) -> str:
    """Return the statement of the first rows by submitter_id: those of each project, merged."""
    row = Row(Table.RECORDS, draft.alias("r"))
    a, first, offset = row.alias, field.paging.first or 0, field.paging.offset
    places = Row(Table.PROJECTS, draft.alias("q"))
    outer = conditions(draft, places, Where(project_ids=field.where.project_ids))
    inner = draft.alias("r")
    inside = Row(Table.RECORDS, inner)
    tests = [f"{inner}.project = {places.alias}.seq", f"{inner}.type = {literal(field.type)}"]
    tests += conditions(draft, inside, replace(field.where, project_ids=None))
    down = " desc" if field.order[0].descending else ""
    enough = f"{first} + {draft.parameter(offset, 'bigint')}" if offset else f"{first}"
    each = (
        f"select {inner}.* from records {inner} where {all_of(tests)} "
        f"order by {inside.ordered('submitter_id', Form.TEXT)}{down} limit {enough}"
    )
    source = f"unnest({draft.readable()}) {places.alias}(seq) cross join lateral ({each}) {a}"
    row, source = _joined(draft, row, source, field.show)
    tail = _tail(draft, row, field.order, f"{a}.project, {a}.seq", field.paging)
    return rows_as_list(f"select {_object(draft, row, field.show)} as j from {source} where {all_of(outer)}{tail}")


def data_nodes(draft: Draft, field: DataNodes) -> str:
    """Return the statement of a list of records that describe files."""
    if not field.types:
        return f"select {EMPTY_LIST}"
    row, source = _start(draft, Table.RECORDS, field.show)
    a = row.alias
    tests = start_tests(draft, row, field.where)
    tests.append(f"{a}.type = any({draft.parameter(list(field.types), 'text[]')})")
    tail = _tail(draft, row, field.order, f"{a}.project, {a}.type, {a}.seq", field.paging)
    return rows_as_list(f"select {_object(draft, row, field.show)} as j from {source} where {all_of(tests)}{tail}")


def any_nodes(draft: Draft, field: AnyNodes, near: Row | None = None) -> str:
    """Return the statement of a list of rows of several types; with ``near``, of those linked with it."""
    branches: list[str] = []
    paging = field.paging
    before = len(draft.values)
    enough = ""
    if paging.first is not None:
        enough = f" limit {paging.first}"
        if paging.offset:
            enough += f" + {draft.parameter(paging.offset, 'bigint')}"
    shows = dict(field.shows)
    tables = (
        (Table.PROGRAMS, field.programs),
        (Table.PROJECTS, field.projects),
        (Table.RECORDS, bool(field.types)),
    )
    for rank, (table, wanted) in enumerate(tables):
        neighbours = None if near is None else _neighbours(near, table)
        if not wanted or (near is not None and neighbours is None):
            continue
        every = (*field.show, *(one for show in shows.values() for one in show))
        row, source = _start(draft, table, every)
        a = row.alias
        if near is None:
            tests = start_tests(draft, row, field.where)
        else:
            tests = [*in_sight(draft, row, near), *conditions(draft, row, field.where)]
        if neighbours is not None:
            tests.append(f"{a}.seq in ({neighbours})")
        if table is Table.RECORDS:
            tests.append(f"{a}.type = any({draft.parameter(list(field.types), 'text[]')})")
            shown = _by_type(draft, row, field.show, shows)
            usual = f"{a}.project, {a}.type, {a}.seq"
            place = f"{a}.project as o1, {a}.type as o2, {a}.seq as o3"
        else:
            shown = _object(draft, row, shows.get("project" if table is Table.PROJECTS else "program", field.show))
            usual = f"{a}.seq"
            place = f"{a}.seq as o1, '' as o2, {a}.seq as o3"
        keys = ""
        for number, order in enumerate(field.order):
            keys += f"{_comparable(row, order)} as k{number}, "
        inner = "".join(f"k{n}{' desc' if order.descending else ''}, " for n, order in enumerate(field.order))
        order_by = f" order by {inner}{usual}"
        branches.append(
            f"(select {keys}{rank} as o0, {place}, {shown} as j from {source} where {all_of(tests)}{order_by}{enough})"
        )
    if not branches:
        del draft.values[before:]
        return f"select {EMPTY_LIST}"
    keys = ", ".join(f"u.k{n}{' desc' if order.descending else ''}" for n, order in enumerate(field.order))
    order_by = f" order by {keys + ', ' if keys else ''}u.o0, u.o1, u.o2, u.o3"
    tail = "" if paging.first is None else f" limit {paging.first}"
    if paging.offset:
        tail += f" offset {draft.parameter(paging.offset, 'bigint')}"
    return rows_as_list(f"select u.j from ({' union all '.join(branches)}) u{order_by}{tail}")


def _comparable(row: Row, order: Order) -> str:
    """Return what rows of several tables are ordered by: always text, null where the row shows null."""
    if row.table is not Table.RECORDS and order.name in ("submitter_id", "created_datetime", "updated_datetime"):
        return "null::text"
    if row.table is Table.PROGRAMS and order.name == "project_id":
        return "null::text"
    if order.name == "submitter_id":
        return row.ordered(order.name, order.form)
    return f'({row.as_text(order.name)})::text collate "C"'


def _neighbours(near: Row, table: Table) -> str | None:
    """Return a subquery of the numbers of the rows in one table that a row is linked with, if there can be any."""
    a = near.alias
    if near.table is Table.PROJECTS and table is Table.PROGRAMS:
        return f"select {a}.program"
    if near.table is Table.PROGRAMS and table is Table.PROJECTS:
        return f"select q.seq from projects q where q.program = {a}.seq"
    ours = "name not like 'commensal.%'"
    forward = f"select m.dst from links m where m.src = {a}.seq and m.{ours}"
    if near.table is Table.RECORDS:
        if table is not Table.RECORDS:
            kind = "project" if table is Table.PROJECTS else "program"
            return f"{forward} and m.dst_type = '{kind}'"
        return f"{forward} union select m.src from links m where m.dst = {a}.seq and m.{ours}"
    return f"select m.src from links m where m.dst = {a}.seq and m.{ours}" if table is Table.RECORDS else None


def _start(draft: Draft, table: Table, show: Sequence[Selection]) -> tuple[Row, str]:
    """Return a row to read and its FROM; a record's project is joined where its name is shown."""
    if table is not Table.RECORDS:
        head, name = ("p", "projects") if table is Table.PROJECTS else ("g", "programs")
        alias = draft.alias(head)
        return Row(table, alias), f"{name} {alias}"
    row = Row(table, draft.alias("r"))
    return _joined(draft, row, f"records {row.alias}", show)


def _joined(draft: Draft, row: Row, source: str, show: Sequence[Selection]) -> tuple[Row, str]:
    named = any(isinstance(one, Value) and one.name == "project_id" for one in show)
    if row.table is not Table.RECORDS or not named:
        return row, source
    of, program = draft.alias("p"), draft.alias("g")
    source += (
        f" join projects {of} on {of}.seq = {row.alias}.project join programs {program} on {program}.seq = {of}.program"
    )
    return replace(row, of=of, program=program), source


def _tail(draft: Draft, row: Row, order: Sequence[Order], usual: str, paging: Paging) -> str:
    """Return ORDER BY, LIMIT and OFFSET."""
    keys = [row.ordered(one.name, one.form) + (" desc" if one.descending else "") for one in order]
    text = f" order by {', '.join([*keys, usual])}"
    if paging.first is not None:
        text += f" limit {paging.first}"
    if paging.offset:
        text += f" offset {draft.parameter(paging.offset, 'bigint')}"
    return text


def _by_type(draft: Draft, row: Row, show: Sequence[Selection], shows: dict[str, tuple[Selection, ...]]) -> str:
    kinds = [(kind, own) for kind, own in shows.items() if kind not in ("project", "program")]
    if not kinds:
        return _object(draft, row, show)
    cases = " ".join(f"when {literal(kind)} then {_object(draft, row, own)}" for kind, own in kinds)
    return f"case {row.alias}.type {cases} else {_object(draft, row, show)} end"


def _object(draft: Draft, row: Row, show: Sequence[Selection]) -> str:
    """Return the JSON text of a row."""
    pieces: list[str | tuple[str]] = []
    mark = "{"
    for one in show:
        pieces.append(mark + json_key(one.key))
        mark = ","
        if isinstance(one, Fixed):
            pieces.append(one.json)
        elif isinstance(one, Value):
            pieces.append((row.shown(one.name, one.form),))
        elif isinstance(one, Linked):
            pieces.append((f"({_linked(draft, row, one)})",))
        elif isinstance(one, LinkCount):
            pieces.append((f"({_count(draft, row, one.step, one.where)})",))
        elif isinstance(one, Neighbours):
            pieces.append((f"({any_nodes(draft, one.nodes, row)})",))
        elif isinstance(one, Reached):
            pieces.append((f"({_reached(draft, row, one)})",))
        elif isinstance(one, Logs | LogCount):
            pieces.append((f"({logs_of(draft, one, row)})",))
        else:
            raise TypeError(f"not shown of a row: {one!r}")
    pieces.append("{}" if mark == "{" else "}")
    return text_of(pieces)


def _linked(draft: Draft, near: Row, one: Linked) -> str:
    if one.step.table is Table.NOTHING or near.table is Table.NOTHING:
        return f"select {EMPTY_LIST}"
    far, source, tests, usual = followed(draft, near, one.step)
    tests += [*in_sight(draft, far, near), *conditions(draft, far, one.where)]
    far, source = _joined(draft, far, source, one.show)
    tail = _tail(draft, far, one.order, usual, one.paging)
    return rows_as_list(f"select {_object(draft, far, one.show)} as j from {source} where {all_of(tests)}{tail}")


def _count(draft: Draft, near: Row, step: Step, where: Where) -> str:
    if step.table is Table.NOTHING or near.table is Table.NOTHING:
        return "select 0"
    if where == Where():
        quick = linked_only(draft, near, step)
        if quick is not None:
            return f"select count(*) {quick}"
    far, source, tests, _ = followed(draft, near, step)
    tests += [*in_sight(draft, far, near), *conditions(draft, far, where)]
    return f"select count(*) from {source} where {all_of(tests)}"


def _reached(draft: Draft, near: Row, one: Reached) -> str:
    if not one.ways:
        return f"select {EMPTY_LIST}"
    branches: list[str] = []
    for way in one.ways:
        last = ""
        source: list[str] = []
        tests: list[str] = []
        for step in way:
            link = draft.alias("l")
            here, there = ("src", "dst") if step.forward else ("dst", "src")
            source.append(f"links {link}")
            tests.append(f"{link}.{here} = {last or f'{near.alias}.seq'} and {link}.name = {literal(step.name)}")
            tests.append(f"{link}.{there}_type = {literal(step.far)}")
            last = f"{link}.{there}"
        branches.append(f"select {last} from {', '.join(source)} where {all_of(tests)}")
    row, start = _start(draft, Table.RECORDS, one.show)
    tests = [f"{row.alias}.seq in ({' union '.join(branches)})", f"{row.alias}.type = {literal(one.type)}"]
    tests += [*in_sight(draft, row, near), *conditions(draft, row, one.where)]
    tail = _tail(draft, row, one.order, f"{row.alias}.seq", one.paging)
    return rows_as_list(f"select {_object(draft, row, one.show)} as j from {start} where {all_of(tests)}{tail}")
