"""Transaction logs: what was submitted, by whom, with which answer (contracts/gen3.md 5.5)."""

# ruff: noqa: S608 - names come from the dictionary as quoted constants, values are parameters

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from commensal.core.graph.model import Fixed, LogCount, LogField, Logs, LogWhere, Order, Selection
from commensal.storage.postgres.graph.columns import Row, moment
from commensal.storage.postgres.graph.text import Draft, all_of, json_key, rows_as_list, text_of

__all__ = ["log_count", "logs", "logs_of"]


def _text(expression: str) -> str:
    return f"coalesce(to_json({expression})::text, 'null')"


def _number(expression: str) -> str:
    return f"coalesce(({expression})::text, 'null')"


def _id(expression: str) -> str:
    return f"coalesce('\"' || ({expression}) || '\"', 'null')"


_TYPE: Final = "case when t.role in ('create', 'update') then 'upload' else t.role end"

#: What is shown of a log ``t``.
_LOG: Final[Mapping[str, str]] = {
    "id": _id("t.id"),
    "is_dry_run": _number("t.is_dry_run"),
    "closed": _number("t.closed"),
    "committed_by": _id("t.committed_by"),
    "state": _text("t.state"),
    "type": _text(_TYPE),
    "quick_search": "'null'",
    "submitter": _text("t.submitter_name"),
    "role": _text("t.role"),
    "program": _text("t.program"),
    "project": _text("t.project"),
    "project_id": _text("t.program || '-' || t.project"),
    "created_datetime": _text(moment("t.created")),
    "canonical_json": (
        "coalesce((select to_json('[' || string_agg(d.doc, ',' order by d.id) || ']')::text "
        "from transaction_documents d where d.transaction = t.id and d.doc_format = 'json'), 'null')"
    ),
}

#: What is shown of a document ``d``.
_DOCUMENT: Final[Mapping[str, str]] = {
    "id": _id("d.id"),
    "transaction_id": _id("d.transaction"),
    "doc_format": _text("d.doc_format"),
    "doc": _text("d.doc"),
    "doc_size": _number("octet_length(d.doc)"),
    "name": _text("d.name"),
    "response_json": _text("d.response::text"),
}

#: What is shown of a snapshot: the version ``v`` of a record, ``w`` the one before, ``i`` the record's uuid.
_SNAPSHOT: Final[Mapping[str, str]] = {
    "id": _id("i.uuid"),
    "transaction_id": _number("v.transaction"),
    "action": _text("v.action"),
    "old_props": _text("w.after::text"),
    "new_props": _text("v.after::text"),
}

_RESPONSE_NUMBERS: Final = (
    *("success", "entity_error_count", "transactional_error_count", "code", "created_entity_count"),
    *("updated_entity_count", "released_entity_count", "cases_related_to_updated_entities_count"),
    "cases_related_to_created_entities_count",
)


def _response(name: str) -> str:
    if name in _RESPONSE_NUMBERS:
        return f"coalesce((d.response -> '{name}')::text, 'null')"
    if name == "transactional_errors":
        # Declared as a number: how many there are.
        return "coalesce((d.response -> 'transactional_error_count')::text, 'null')"
    return _id(f"d.response ->> '{name}'") if name == "transaction_id" else _text(f"d.response ->> '{name}'")


def _entity(name: str) -> str:
    if name == "valid":
        return "coalesce((e.v -> 'valid')::text, 'null')"
    return _text(f"e.v ->> '{name}'")


def _error(name: str) -> str:
    return "coalesce((f.v -> 'keys')::text, 'null')" if name == "keys" else _text(f"f.v ->> '{name}'")


def _items(alias: str, listed: str, shown: str) -> str:
    """Return the list of what is shown of each item of a JSON list; null where it is no list."""
    items = f"json_array_elements(case json_typeof({listed}) when 'array' then {listed} else '[]' end)"
    rows = f"select {shown} as j from {items} with ordinality {alias}(v, n) order by {alias}.n"
    return f"({rows_as_list(rows)})"


Shown = Callable[[LogField], str]


def _object(show: Sequence[Selection], shown: Shown) -> str:
    pieces: list[str | tuple[str]] = []
    mark = "{"
    for one in show:
        pieces.append(mark + json_key(one.key))
        mark = ","
        if isinstance(one, Fixed):
            pieces.append(one.json)
        elif isinstance(one, LogField):
            pieces.append((shown(one),))
        else:
            raise TypeError(f"not shown of a transaction log: {one!r}")
    pieces.append("{}" if mark == "{" else "}")
    return text_of(pieces)


def _shown_log(one: LogField) -> str:
    if one.name == "documents":
        rows = (
            f"select {_object(one.show, _shown_document)} as j from transaction_documents d "
            "where d.transaction = t.id order by d.id"
        )
        return f"({rows_as_list(rows)})"
    if one.name == "snapshots":
        rows = (
            f"select {_object(one.show, lambda part: _SNAPSHOT[part.name])} as j from record_versions v "
            "left join record_versions w on w.seq = v.seq and w.n = v.n - 1 "
            "left join lateral (select r.uuid from records r where r.seq = v.seq "
            "union all select x.uuid from deleted_records x where x.seq = v.seq limit 1) i on true "
            "where v.transaction = t.id order by v.seq, v.n"
        )
        return f"({rows_as_list(rows)})"
    if one.name == "related_cases":
        return "'[]'"
    return _LOG[one.name]


def _shown_document(one: LogField) -> str:
    if one.name != "response":
        return _DOCUMENT[one.name]
    return f"case when d.response is null then 'null' else {_object(one.show, _shown_response)} end"


def _shown_response(one: LogField) -> str:
    if one.name == "entities":
        return _items("e", "d.response -> 'entities'", _object(one.show, _shown_entity))
    return _response(one.name)


def _shown_entity(one: LogField) -> str:
    if one.name == "errors":
        return _items("f", "e.v -> 'errors'", _object(one.show, _shown_error))
    if one.name == "related_cases":
        return "'[]'"
    return _entity(one.name)


def _shown_error(one: LogField) -> str:
    if one.name == "dependents":
        return _items("g", "f.v -> 'dependents'", _object(one.show, lambda part: _text(f"g.v ->> '{part.name}'")))
    return _error(one.name)


def _conditions(draft: Draft, where: LogWhere) -> list[str]:
    if where.never:
        return ["false"]
    found = [f"t.id = any({draft.parameter(list(ids), 'bigint[]')})" for ids in where.ids]
    if where.roles is not None:
        found.append(f"t.role = any({draft.parameter(list(where.roles), 'text[]')})")
    if where.project_ids is not None:
        pairs = [one.split("-", 1) for one in where.project_ids if "-" in one]
        programs = draft.parameter([pair[0] for pair in pairs], "text[]")
        codes = draft.parameter([pair[1] for pair in pairs], "text[]")
        found.append(f"(t.program, t.project) in (select * from unnest({programs}, {codes}))")
    for column, text in (("project", where.project), ("program", where.program), ("state", where.state)):
        if text is not None:
            found.append(f"t.{column} = {draft.parameter(text, 'text')}")
    for column, flag in (("is_dry_run", where.is_dry_run), ("closed", where.closed)):
        if flag is not None:
            found.append(f"t.{column} = {draft.parameter(flag, 'boolean')}")
    if where.committable is not None:
        sign = "" if where.committable else "not "
        found.append(f"{sign}(t.is_dry_run and not t.closed and t.state = 'SUCCEEDED' and t.committed_by is null)")
    if where.committed_by is not None:
        found.append(f"t.committed_by = {draft.parameter(where.committed_by, 'bigint')}")
    if where.entities is not None:
        found.append(
            "t.id in (select v.transaction from record_versions v join records r on r.seq = v.seq "
            f"where r.uuid::text = any({draft.parameter(list(where.entities), 'text[]')}))"
        )
    return found


_ORDERS: Final = {
    "id": "t.id",
    "submitter": 't.submitter_name collate "C"',
    "role": 't.role collate "C"',
    "program": 't.program collate "C"',
    "project": 't.project collate "C"',
    "created_datetime": "t.created",
}


def _order(order: Sequence[Order]) -> str:
    keys = [_ORDERS[one.name] + (" desc" if one.descending else "") for one in order]
    return f" order by {', '.join([*keys, 't.id'])}"


def _list(draft: Draft, field: Logs, tests: list[str]) -> str:
    tests += _conditions(draft, field.where)
    shown = _object(field.show, _shown_log)
    body = f"from transactions t where {all_of(tests)}"
    tail = ""
    if field.paging.first is not None:
        tail += f" limit {field.paging.first}"
    if field.paging.offset:
        tail += f" offset {draft.parameter(field.paging.offset, 'bigint')}"
    if field.last is None:
        return rows_as_list(f"select {shown} as j {body}{_order(field.order)}{tail}")
    newest = f"(select t.* {body} order by t.id desc limit {field.last})"
    return rows_as_list(f"select {shown} as j from {newest} t{_order(field.order)}{tail}")


def logs(draft: Draft, field: Logs) -> str:
    """Return the statement of a list of logs of the readable projects."""
    return _list(draft, field, [f"t.project_seq = any({draft.readable()})"])


def log_count(draft: Draft, field: LogCount) -> str:
    """Return the statement of how many logs of the readable projects there are."""
    tests = [f"t.project_seq = any({draft.readable()})", *_conditions(draft, field.where)]
    return f"select count(*)::text from transactions t where {all_of(tests)}"


def logs_of(draft: Draft, field: Logs | LogCount, row: Row) -> str:
    """Return the same below a row: the logs of the writes that made or changed it."""
    tests = [
        f"t.project_seq = any({draft.readable()})",
        f"t.id in (select v.transaction from record_versions v where v.seq = {row.alias}.seq)",
    ]
    if isinstance(field, Logs):
        return _list(draft, field, tests)
    return f"select count(*) from transactions t where {all_of([*tests, *_conditions(draft, field.where)])}"
