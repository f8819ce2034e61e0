"""Samples together with their results and fields: one statement whatever their number, rows as a stream."""

# ruff: noqa: S608 - only our own text is put into statements

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from commensal.core.lineage import Kinds, ResultSettings
from commensal.core.permissions import Scope
from commensal.core.records import Record
from commensal.storage.ports import Unit
from commensal.storage.ports.lineages import WithResults
from commensal.storage.postgres.database import pg
from commensal.storage.postgres.lineage_rows import record_at, record_list
from commensal.storage.postgres.scope import scope_sql

__all__ = ["PgLineageResults"]

_JSON_KEYS = ("seq", "uuid", "type", "props", "created", "updated")


def _json_of(alias: str, more: str = "") -> str:
    parts = ", ".join(f"'{key}', {alias}.{key}" for key in _JSON_KEYS)
    return f"json_build_object({parts}, 'extra', coalesce({alias}.extra, '{{}}'::jsonb){more})"


def _fields(parameter: str) -> str:
    """Return the fields of result ``a`` as a JSON array; the parameter holds the stored types of fields."""
    return (
        f"(select json_agg({_json_of('f')} order by f.seq) from links o join records f on f.seq = o.src "
        f"where o.dst = a.seq and o.src_type = any({parameter}::text[]))"
    )


_FLAGS = "'private', coalesce(x.private, false), 'hidden', coalesce(x.hidden, false), 'described_by', x.described_by"


def _results(fields: str) -> str:
    """Return an aggregate of results ``a`` with their settings and fields."""
    every = _json_of("a", f", {_FLAGS}, 'fields', {fields}")
    return f"json_agg({every} order by a.seq)"


class PgLineageResults:
    """The part of ``ports.lineages.LineageReads`` that reads results in bulk."""

    async def with_results(
        self, unit: Unit, kinds: Kinds, scope: Scope, granted: Scope, *, project: int, collection: bool
    ) -> AsyncIterator[list[tuple[int, WithResults]]]:
        """See the port."""
        values: list[object] = [project, kinds.sample, kinds.result, kinds.field]
        inside, more = scope_sql(scope, len(values) + 1)
        values += more
        member, more = scope_sql(granted, len(values) + 1)
        values += more
        source = (
            "members m join records s on s.seq = m.record join projects p on p.seq = s.project where m.collection = $1"
            if collection
            else "records s join projects p on p.seq = s.project where s.project = $1"
        )
        sql = (
            f"select {record_list('s')}, b.body from (select s.*, p.program, p.public_level from {source} "
            f"and s.type = any($2::text[]) and {inside} order by s.seq) s join projects p on p.seq = s.project "
            f"left join lateral (select {_results(_fields('$4'))} as body from links l "
            "join records a on a.seq = l.src left join result_settings x on x.record = a.seq "
            "where l.dst = s.seq and l.src_type = any($3::text[]) "
            f"and (not coalesce(x.private, false) or {member})) b on true order by s.seq"
        )
        async for rows in pg(unit).stream(sql, *values, chunk=500):
            yield [(row[2], WithResults(record_at(row, 0), _built(row[-1], row[2]))) for row in rows]

    async def results_of(
        self, unit: Unit, kinds: Kinds, granted: Scope, *, sample: int | None = None, project: int | None = None
    ) -> WithResults:
        """See the port."""
        values: list[object] = [sample if sample is not None else project, kinds.result, kinds.field]
        if sample is not None:
            source = "links l join records a on a.seq = l.src and l.dst = $1 and l.src_type = any($2::text[])"
            unlinked = "true"
        else:
            source = "records a"
            values.append(kinds.sample)
            unlinked = (
                "a.project = $1 and a.type = any($2::text[]) and not exists "
                "(select from links l where l.src = a.seq and l.dst_type = any($4::text[]))"
            )
        member, more = scope_sql(granted, len(values) + 1)
        row = await pg(unit).row(
            f"select min(a.project), {_results(_fields('$3'))} from {source} "
            "join projects p on p.seq = a.project left join result_settings x on x.record = a.seq "
            f"where {unlinked} and (not coalesce(x.private, false) or {member})",
            *values,
            *more,
        )
        assert row is not None
        return WithResults(None, _built(row[1], row[0] or 0))

    async def module_counts(
        self, unit: Unit, kinds: Kinds, scope: Scope, granted: Scope, *, project: int, collection: bool
    ) -> tuple[int, dict[str, int]]:
        """See the port."""
        values: list[object] = [project, kinds.sample, kinds.result]
        inside, more = scope_sql(scope, len(values) + 1)
        values += more
        member, more = scope_sql(granted, len(values) + 1)
        values += more
        source = (
            "members m join records s on s.seq = m.record join projects p on p.seq = s.project where m.collection = $1"
            if collection
            else "records s join projects p on p.seq = s.project where s.project = $1"
        )
        rows = await pg(unit).rows(
            f"with sample as (select s.seq from {source} and s.type = any($2::text[]) and {inside}) "
            "select null as module, count(*) as n from sample union all ("
            "select a.props->>'module', count(distinct l.dst) from sample join links l on l.dst = sample.seq "
            "join records a on a.seq = l.src join projects p on p.seq = a.project "
            "left join result_settings x on x.record = a.seq "
            "where l.src_type = any($3::text[]) and a.props ? 'module' "
            f"and (not coalesce(x.private, false) or {member}) group by 1 order by 1)",
            *values,
        )
        return rows[0][1], {row[0]: row[1] for row in rows[1:]}


def _built(body: Sequence[Mapping[str, Any]] | None, project: int) -> list[Any]:
    """Return the results of an aggregate, each with its settings and fields."""
    return [
        (
            _record(one, project),
            ResultSettings(one["private"], one["hidden"], one["described_by"]),
            [_record(field, project) for field in one["fields"] or ()],
        )
        for one in body or ()
    ]


def _record(one: Mapping[str, Any], project: int) -> Record:
    return Record(
        one["seq"], UUID(one["uuid"]), project, one["type"], "", None, "", one["props"], one["extra"],
        0, 0, datetime.fromisoformat(one["created"]), datetime.fromisoformat(one["updated"]),
    )  # fmt: skip
