"""Studies, samples, libraries and preparations by attributes and words, their history and published versions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import asyncpg

from commensal.core.import_groups import STORED_GROUP_LINK, STORED_GROUP_TYPE
from commensal.core.permissions import Scope
from commensal.core.studies import (
    ACCESSION,
    GROUP_ID,
    HIDDEN,
    HIDDEN_OF_STUDY,
    NAME,
    NAME_KEYS,
    Found,
    Kind,
    ObjectQuery,
    Publication,
    Version,
)
from commensal.storage.ports import Unit
from commensal.storage.ports.studies import Facet, InvalidValue, Snapshot
from commensal.storage.postgres import file_query_sql
from commensal.storage.postgres.database import pg
from commensal.storage.postgres.private_records import shown_files_sql
from commensal.storage.postgres.scope import scope_sql
from commensal.storage.postgres.studies_query_sql import (
    NUMBER_SQL,
    Parameter,
    Row,
    accession_is,
    condition,
    name_is,
    text_is,
)

__all__ = ["PgStudies"]


def _text_array(keys: frozenset[str]) -> str:
    return "'{" + ",".join(sorted(keys)) + "}'::text[]"


def _free(column: str) -> str:
    """Return free metadata as attributes."""
    return (
        f"(case jsonb_typeof({column}) when 'object' then {column} when 'null' then '{{}}' "
        f"else case when {column} is null then '{{}}' else jsonb_build_object('commensal:metadata', {column}) end end)"
    )


def _study_attributes(p: str, g: str) -> str:
    return (
        f"({_free(f'{p}.extra')} || ({p}.properties - {_text_array(HIDDEN_OF_STUDY)}) || jsonb_build_object("
        f"'{ACCESSION}', 'GSF' || {p}.seq, '{NAME}', {p}.title, 'commensal:project', {g}.code || '-' || {p}.code, "
        f"'commensal:uuid', {p}.uuid))"
    )


def _record_attributes(r: str, kind: Kind) -> str:
    return (
        f"({_free(f'{r}.extra')} || ({r}.props - {_text_array(HIDDEN)}) || jsonb_build_object("
        f"'{ACCESSION}', 'GSF' || {r}.seq, '{NAME}', coalesce(nullif({r}.label, ''), {r}.submitter_id), "
        f"'{NAME_KEYS[kind]}', {r}.submitter_id, 'commensal:uuid', {r}.uuid))"
    )


def _group(r: str) -> str:
    """Return the number of a record's import group."""
    return (
        f"(select l.dst from links l where l.src = {r}.seq and l.name = '{STORED_GROUP_LINK}' "  # noqa: S608
        f"and l.dst_type = '{STORED_GROUP_TYPE}' order by l.dst limit 1)"
    )


_METADATA = "commensal:metadata"
#: Up to how many objects are found in one search together with their count.
_FEW = 1_000


def _value_of(free: str, declared: str, hidden: frozenset[str], own: Mapping[str, str]) -> Callable[[str, str], str]:
    """Return what makes the expression of one attribute (its key, and the key as a parameter)."""

    def value(key: str, parameter: str) -> str:
        if key in own:
            return f"to_jsonb({own[key]}::text)"
        if key == _METADATA:
            kind = f"jsonb_typeof({free})"
            whole = f"case {kind} when 'object' then {free} -> {parameter} when 'null' then null else {free} end"
            return f"coalesce({declared} -> {parameter}, {whole})"
        if key in hidden:
            return f"({free} -> {parameter})"
        return f"coalesce({declared} -> {parameter}, {free} -> {parameter})"

    return value


def _study_row(p: str, g: str, parameter: Parameter) -> Row:
    own = {
        ACCESSION: f"('GSF' || {p}.seq)",
        NAME: f"{p}.title",
        "commensal:project": f"({g}.code || '-' || {p}.code)",
        "commensal:uuid": f"{p}.uuid",
    }
    value = _value_of(f"{p}.extra", f"{p}.properties", HIDDEN_OF_STUDY, own)
    return Row(
        value=lambda key: value(key, "" if key in own else f"{parameter(key)}::text"),
        attributes=_study_attributes(p, g),
        text=f"concat_ws(' ', {p}.properties::text, {p}.extra::text, {', '.join(list(own.values())[:3])})",
        special={ACCESSION: accession_is(f"{p}.seq"), NAME: text_is(own[NAME])},
    )


def _record_row(r: str, kind: Kind, parameter: Parameter) -> Row:
    own = {
        ACCESSION: f"('GSF' || {r}.seq)",
        NAME: f"coalesce(nullif({r}.label, ''), {r}.submitter_id)",
        NAME_KEYS[kind]: f"{r}.submitter_id",
        "commensal:uuid": f"{r}.uuid",
    }
    value = _value_of(f"{r}.extra", f"{r}.props", HIDDEN, own)

    def shown(key: str) -> str:
        if key == GROUP_ID:
            return f"coalesce(to_jsonb('GSF' || {_group(r)}), {value(key, f'{parameter(key)}::text')})"
        return value(key, "" if key in own else f"{parameter(key)}::text")

    return Row(
        value=shown,
        attributes=_record_attributes(r, kind),
        text=f"concat_ws(' ', {r}.props::text, {r}.extra::text, {', '.join(list(own.values())[:3])})",
        special={
            ACCESSION: accession_is(f"{r}.seq"),
            NAME: text_is(own[NAME]),
            NAME_KEYS[kind]: name_is(r),
            GROUP_ID: accession_is(f"coalesce({_group(r)}, 0)"),
        },
    )


class _Statement:
    """One query, its parts and values."""

    def __init__(self, scope: Scope) -> None:
        self.values: list[object] = []
        allowed, more = scope_sql(scope, 1)
        self.values += more
        # An array, not a join: so an ordered scan may stay one.
        self.visible = f"any(array(select p.seq from projects p where {allowed} and p.kind <> 'collection'))"  # noqa: S608
        self._scope = scope
        self._depth = 0

    def parameter(self, value: object) -> str:
        self.values.append(value)
        return f"${len(self.values)}"

    def source(self, query: ObjectQuery) -> tuple[str, str, str, Row]:
        """Return the tables with aliases of their own, the alias of the object, the condition, and the row."""
        self._depth += 1
        o, g = f"o{self._depth}", f"g{self._depth}"
        if query.kind is Kind.STUDY:
            row = _study_row(o, g, self.parameter)
            tables = f"projects {o} join programs {g} on {g}.seq = {o}.program"
            own = [f"{o}.seq = {self.visible}"]
        else:
            row = _record_row(o, query.kind, self.parameter)
            tables = f"records {o}"
            own = [
                f"{o}.project = {self.visible}",
                f"{o}.type = any({self.parameter(list(query.types))}::text[])",
            ]
        if query.nodes:
            own.append(condition(query.nodes, self.parameter, row))
        if query.project is not None:
            place = "seq" if query.kind is Kind.STUDY else "project"
            own.append(f"{o}.{place} = {self.parameter(query.project)}::bigint")
        if query.only is not None:
            own.append(f"{o}.seq = {self.parameter(query.only)}::bigint")
        if query.group is not None:
            own.append(
                f"{o}.seq in (select l.src from links l where l.dst = {self.parameter(query.group)}::bigint "  # noqa: S608
                f"and l.name = '{STORED_GROUP_LINK}')"
            )
        if query.files is not None:
            files = file_query_sql.condition(query.files, self.parameter)
            shown, more = shown_files_sql(self._scope, len(self.values) + 1, "fs.file")
            self.values += more
            own.append(
                f"{o}.seq in (select fs.project from file_search fs where fs.project = {self.visible} "  # noqa: S608
                f"and {files} and {shown})"
            )
        if query.linked is not None:
            own.append(self._linked(o, query.kind, query.linked))
        return tables, o, " and ".join(own), row

    def _linked(self, o: str, kind: Kind, other: ObjectQuery) -> str:
        tables, b, where, _ = self.source(other)
        if kind is Kind.STUDY:
            return f"{o}.seq in (select {b}.project from {tables} where {where})"  # noqa: S608
        here, there = ("dst", "src") if kind is Kind.SAMPLE else ("src", "dst")
        return f"{o}.seq in (select l.{here} from {tables} join links l on l.{there} = {b}.seq where {where})"  # noqa: S608


def _order(value: str, *, descending: bool) -> str:
    """Return the order: numbers by value before texts, then what lacks the attribute; ties by number."""
    way = "desc" if descending else "asc"
    text = f"(case jsonb_typeof({value}) when 'null' then null else {value} #>> '{{}}' end)"
    number = f"(case when {text} ~ {NUMBER_SQL} then {text}::numeric end)"
    return f'{number} {way} nulls last, {text} collate "C" {way} nulls last'


class PgStudies:
    """See ``ports.studies.StudyStore``."""

    async def search(
        self, unit: Unit, scope: Scope, query: ObjectQuery, *, offset: int, limit: int
    ) -> tuple[list[Found], int]:
        """See the port."""
        made = _Statement(scope)
        tables, o, where, row = made.source(query)
        total, few = await self._count(unit, f"select {o}.seq from {tables} where {where}", made.values)  # noqa: S608
        if offset >= total or limit == 0:
            return [], total
        if few:
            # By their numbers, without a second look at what they say.
            made = _Statement(scope)
            tables, o, where, row = made.source(ObjectQuery(query.kind, query.types))
            where += f" and {o}.seq = any({made.parameter(few)}::bigint[])"
        order = f"{o}.seq"
        if query.sort == ACCESSION:
            order += " desc" if query.descending else ""
        elif query.sort is not None:
            order = f"{_order(row.value(query.sort), descending=query.descending)}, {order}"
        study = query.kind is Kind.STUDY
        shown = (
            f"{o}.seq, {o}.seq as project, 'project' as type, null::bigint as group_seq"
            if study
            else f"{o}.seq, {o}.project, {o}.type, {_group(o)} as group_seq"
        )
        first, most = made.parameter(offset), made.parameter(limit)
        rows = await pg(unit).rows(
            f"select {shown}, {row.attributes} as attrs from {tables} where {where} "  # noqa: S608 - parts made here
            f"order by {order} offset {first}::bigint limit {most}::bigint",
            *made.values,
        )
        return [_found(row) for row in rows], total

    @staticmethod
    async def _count(unit: Unit, found: str, values: Sequence[object]) -> tuple[int, list[int]]:
        """Return how many a query finds, and which where they are few."""
        # Fenced, so that the plan is one for all rows; they are read only until there are too many.
        row = await pg(unit).row(
            f"with hit as materialized ({found}) select count(*) as n, array_agg(h.seq) as seqs "  # noqa: S608
            f"from (select seq from hit limit {_FEW + 1}) h",
            *values,
        )
        assert row is not None
        if row["n"] <= _FEW:
            return row["n"], row["seqs"] or []
        return await pg(unit).value(f"select count(*) from ({found}) f", *values), []  # noqa: S608

    async def find(self, unit: Unit, scope: Scope, kind: Kind, types: Sequence[str], seq: int) -> Found | None:
        """See the port."""
        allowed, values = scope_sql(scope, 2)
        visible = f"{allowed} and p.kind <> 'collection'"
        if kind is Kind.STUDY:
            row = await pg(unit).row(
                "select p.seq, p.seq as project, 'project' as type, null::bigint as group_seq, "  # noqa: S608
                f"{_study_attributes('p', 'g')} as attrs "
                f"from projects p join programs g on g.seq = p.program where p.seq = $1 and {visible}",
                seq,
                *values,
            )
        else:
            row = await pg(unit).row(
                f"select r.seq, r.project, r.type, {_group('r')} as group_seq, "  # noqa: S608
                f"{_record_attributes('r', kind)} as attrs from records r join projects p on p.seq = r.project "
                f"where r.seq = $1 and r.type = any(${len(values) + 2}::text[]) and {visible}",
                seq,
                *values,
                list(types),
            )
        return None if row is None else _found(row)

    async def versions(self, unit: Unit, found: Found) -> list[Version]:
        """See the port."""
        source = (
            "select n, at, who, door, case n when 1 then 'create' else 'update' end as action "
            "from project_versions where project = $1"
            if found.seq == found.project
            else "select n, at, who, door, action from record_versions where seq = $1 and after is not null"
        )
        rows = await pg(unit).rows(
            f"with own as (select *, lead(at) over (order by n) as until from ({source}) v) "  # noqa: S608
            "select v.n, v.at, coalesce(nullif(u.name, ''), u.email, '') as author, v.action, v.door, m.message "
            "from own v left join users u on u.seq = v.who left join lateral (select s.message from "
            "study_publications s where s.project = $2 and s.at >= v.at and (v.until is null or s.at < v.until) "
            "order by s.at desc, s.id desc limit 1) m on true order by v.n",
            found.seq,
            found.project,
        )
        return [
            Version(
                row["n"],
                row["at"],
                row["author"],
                row["message"] or row["action"] + (f" ({row['door']})" if row["door"] else ""),
            )
            for row in rows
        ]

    async def snapshot(self, unit: Unit, found: Found, n: int) -> Snapshot | None:
        """See the port."""
        if found.seq == found.project:
            row = await pg(unit).row(
                "select title, properties, extra from project_versions where project = $1 and n = $2", found.seq, n
            )
            return None if row is None else Snapshot("", row["title"], row["properties"], row["extra"])
        after = await pg(unit).value("select after from record_versions where seq = $1 and n = $2", found.seq, n)
        if after is None:
            return None
        return Snapshot(after["submitter_id"], after.get("label"), after.get("props", {}), after.get("extra"))

    async def publish(self, unit: Unit, project: int, message: str, who: int | None, at: datetime) -> int:
        """See the port."""
        return await pg(unit).value(
            "insert into study_publications (project, message, who, at) values ($1, $2, $3, $4) returning id",
            project,
            message,
            who,
            at,
        )

    async def publication(self, unit: Unit, scope: Scope, number: int) -> Publication | None:
        """See the port."""
        allowed, values = scope_sql(scope, 2)
        row = await pg(unit).row(
            "select s.id, s.project, s.message, s.at, coalesce(nullif(u.name, ''), u.email, '') as author "  # noqa: S608
            "from study_publications s join projects p on p.seq = s.project left join users u on u.seq = s.who "
            f"where s.id = $1 and {allowed}",
            number,
            *values,
        )
        return None if row is None else Publication(row["id"], row["project"], row["message"], row["author"], row["at"])

    async def untaken(self, unit: Unit, project: int, types: Sequence[str], keys: Sequence[str]) -> list[InvalidValue]:
        """See the port."""
        rows = await pg(unit).rows(
            f"select {_group('r')} as group_seq, e.key, e.value, count(*) as n from records r "  # noqa: S608
            "cross join lateral jsonb_each(case jsonb_typeof(r.extra) when 'object' then r.extra else '{}' end) "
            "as e (key, value) where r.project = $1 and r.type = any($2::text[]) and e.key = any($3::text[]) "
            "and e.value <> 'null' group by 1, 2, 3 "
            'order by 1 nulls last, e.key collate "C", n desc, e.value::text collate "C" limit 10000',
            project,
            list(types),
            list(keys),
        )
        return [InvalidValue(row["group_seq"], row["key"], row["value"], row["n"]) for row in rows]

    async def facets(self, unit: Unit, scope: Scope, query: ObjectQuery, *, keys: int, values: int) -> list[Facet]:
        """See the port."""
        made = _Statement(scope)
        tables, o, where, row = made.source(query)
        most, each = made.parameter(keys), made.parameter(values)
        rows = await pg(unit).rows(
            f"with hit as (select {o}.seq, {row.attributes} as attrs from {tables} where {where}), "  # noqa: S608 - parts made here
            "pairs as (select e.key, v.value, count(distinct hit.seq) as n from hit cross join lateral "
            f"jsonb_each(hit.attrs - array['{ACCESSION}', '{NAME}', 'commensal:project', 'commensal:uuid']) "
            "as e (key, value) cross join lateral file_search_values(e.value) v (value) "
            "where length(v.value) <= 200 group by 1, 2), "
            'ranked as (select *, row_number() over (partition by key order by n desc, value collate "C") as place, '
            "count(*) over (partition by key) as kinds, sum(n) over (partition by key) as weight from pairs), "
            'chosen as (select *, dense_rank() over (order by weight desc, key collate "C") as rank from ranked) '
            f"select key, value, n, kinds from chosen where place <= {each}::bigint and rank <= {most}::bigint "
            "order by rank, place",
            *made.values,
        )
        return [Facet(row["key"], row["value"], row["n"], row["kinds"] > values) for row in rows]


def _found(row: asyncpg.Record) -> Found:
    attributes = dict(row["attrs"])
    if row["group_seq"] is not None:
        attributes[GROUP_ID] = f"GSF{row['group_seq']}"
    return Found(row["seq"], row["project"], row["type"], attributes)
