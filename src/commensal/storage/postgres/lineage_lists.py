"""Pages of programs, projects, samples, results and fields in order of making; two statements each at most."""

# ruff: noqa: S608 - only our own text is put into statements

from __future__ import annotations

from collections.abc import Callable, Sequence
from uuid import UUID

import asyncpg

from commensal.core.lineage import Kinds, Lineage, ResultSettings
from commensal.core.names import fold
from commensal.core.permissions import Scope
from commensal.core.projects import Program
from commensal.storage.ports import Unit
from commensal.storage.ports.catalog import ProgramView
from commensal.storage.ports.lineages import FieldFilter, ProjectsFilter, ResultFilter, SampleFilter
from commensal.storage.postgres.catalog import view_sql
from commensal.storage.postgres.database import pg
from commensal.storage.postgres.lineage_rows import (
    PROGRAM_LIST,
    PROJECT_ROW,
    SETTINGS_LIST,
    lineage_of,
    program_at,
    record_at,
    record_list,
)
from commensal.storage.postgres.scope import scope_sql

__all__ = ["PgLineageLists"]

_PROJECTS = f"select {PROJECT_ROW} from projects p join programs g on g.seq = p.program where p.seq = any($1::bigint[])"
_RECORD = 13
_TAGGED = "{} in (select target from tagged where tag = {{}})"


class _Where:
    """Conditions that are joined by ``and``, with the values of their parameters."""

    def __init__(self, *values: object) -> None:
        self.values: list[object] = list(values)
        self.parts: list[str] = []

    def add(self, text: str, *values: object) -> None:
        """Add a condition; each ``{}`` in it stands for the parameter of one value."""
        places: list[str] = []
        for value in values:
            self.values.append(value)
            places.append(f"${len(self.values)}")
        self.parts.append(text.format(*places) if values else text)

    def of_types(self, column: str, types: Sequence[str]) -> None:
        """Add that a column has one of some types; one alone is compared so that an index gives the order, too."""
        if len(types) == 1:
            self.add(f"{column} = {{}}::text", types[0])
        else:
            self.add(f"{column} = any({{}}::text[])", types)

    def inside(self, scope: Scope, *, unless: str = "") -> None:
        """Add that the project ``p`` is in a scope, or that another condition holds."""
        text, values = scope_sql(scope, len(self.values) + 1)
        self.values += values
        self.parts.append(f"({unless} or {text})" if unless else text)

    @property
    def text(self) -> str:
        """The condition."""
        return " and ".join(self.parts) or "true"


class PgLineageLists:
    """The part of ``ports.lineages.LineageReads`` that lists."""

    async def programs(
        self, unit: Unit, view: ProgramView, *, uuid: UUID | None, name: str | None, offset: int, limit: int
    ) -> tuple[list[Program], int]:
        """See the port."""
        condition, values = view_sql(view, 5)
        rows = await pg(unit).rows(
            f"with hit as (select g.seq from programs g where {condition} and ($1::uuid is null or g.uuid = $1) "
            "and ($2::text is null or g.title_folded = $2)), "
            "page as (select seq from hit order by seq offset $3 limit $4) "
            f"select (select count(*) from hit), {PROGRAM_LIST} from page join programs g on g.seq = page.seq "
            "order by g.seq",
            uuid,
            None if name is None else fold(name),
            offset,
            limit,
            *values,
        )
        return [program_at(row, 1) for row in rows], _total(rows)

    async def projects(
        self, unit: Unit, scope: Scope, only: ProjectsFilter, *, offset: int, limit: int
    ) -> tuple[list[Lineage], int]:
        """See the port."""
        where = _Where(offset, limit)
        where.inside(scope)
        if only.uuid is not None:
            where.add("p.uuid = {}", only.uuid)
        if only.program is not None:
            where.add("p.program = (select seq from programs where uuid = {})", only.program)
        if only.name is not None:
            where.add("lower(p.title) = lower({}::text)", only.name)
        if only.public is not None:
            where.add("(p.public_level >= 2) = {}", only.public)
        if only.tag is not None:
            where.add(_TAGGED.format("p.seq"), only.tag)
        rows = await pg(unit).rows(
            f"with hit as (select p.seq from projects p where {where.text}), "
            "page as (select seq from hit order by seq offset $1 limit $2) "
            f"select {PROJECT_ROW}, (select count(*) from hit) from page join projects p on p.seq = page.seq "
            "join programs g on g.seq = p.program order by p.seq",
            *where.values,
        )
        return [lineage_of(row[:-1]) for row in rows], rows[0][-1] if rows else 0

    async def samples(
        self, unit: Unit, kinds: Kinds, scope: Scope, only: SampleFilter, *, offset: int, limit: int
    ) -> tuple[list[Lineage], int]:
        """See the port."""
        where = _Where(offset, limit)
        where.of_types("s.type", kinds.sample)
        where.inside(scope)
        source = "records s join projects p on p.seq = s.project"
        if only.collection is not None:
            source = "members m join records s on s.seq = m.record join projects p on p.seq = s.project"
            where.add("m.collection = {}", only.collection)
        if only.project is not None:
            where.add("s.project = {}", only.project)
        if only.library is not None:
            where.add("s.project = (select seq from projects where uuid = {})", only.library)
        counted = only.collection is None and only.uuid is None and only.name is None and only.tag is None
        if only.tag is not None:
            where.add(_TAGGED.format("s.seq"), only.tag)
        if only.uuid is not None:
            where.add("s.uuid = {}", only.uuid)
        if only.name is not None:
            where.add("s.sid_folded = {}", fold(only.name))
        total = f"select count(*) from {source} where {where.text}"
        if counted:  # the counters know it, without a look at the rows
            counters = "counters s join projects p on p.seq = s.project"
            total = f"select coalesce(sum(s.n), 0)::bigint from {counters} where {where.text}"
        sql = f"select {record_list('s')}, ({total}) from {source} where {where.text} order by s.seq offset $1 limit $2"
        rows = await pg(unit).rows(sql, *where.values)
        return await _with_projects(unit, rows, _sample), _last(rows)

    async def results(
        self, unit: Unit, kinds: Kinds, scope: Scope, granted: Scope, only: ResultFilter, *, offset: int, limit: int
    ) -> tuple[list[Lineage], int]:
        """See the port."""
        where = _Where(offset, limit)
        where.add("a.type = any({}::text[])", kinds.result)
        where.inside(scope)
        where.inside(granted, unless="not coalesce(x.private, false)")
        if only.uuid is not None:
            where.add("a.uuid = {}", only.uuid)
        if only.module is not None:
            where.add("a.props->>'module' = {}", only.module)
        if only.replicate is not None:
            where.add("a.props->>'replicate' = {}", only.replicate)
        source, columns = _result_source(where, kinds, only.of_samples, only.owner)
        rows = await _page(unit, where, source, f"{columns}, {record_list('a')}, {SETTINGS_LIST}", "a.seq")
        return await _with_projects(unit, rows, _result), _last(rows)

    async def fields(
        self, unit: Unit, kinds: Kinds, scope: Scope, granted: Scope, only: FieldFilter, *, offset: int, limit: int
    ) -> tuple[list[Lineage], int]:
        """See the port."""
        where = _Where(offset, limit)
        where.add("f.type = any({}::text[])", kinds.field)
        where.inside(scope)
        where.inside(granted, unless="not coalesce(x.private, false)")
        if only.uuid is not None:
            where.add("f.uuid = {}", only.uuid)
        if only.name is not None:
            where.add("f.props->>'name' = {}", only.name)
        if only.result is not None:
            where.add("a.uuid = {}", only.result)
        source, columns = _result_source(where, kinds, only.of_samples, None)
        where.add("o.dst_type = any({}::text[])", kinds.result)
        source += " join links o on o.dst = a.seq join records f on f.seq = o.src"
        columns = f"{columns}, {record_list('a')}, {SETTINGS_LIST}, {record_list('f')}"
        rows = await _page(unit, where, source, columns, "f.seq")
        return await _with_projects(unit, rows, _field), _last(rows)


def _result_source(where: _Where, kinds: Kinds, of_samples: bool, owner: UUID | None) -> tuple[str, str]:  # noqa: FBT001 - a filter
    """Return FROM of results ``a`` with their projects and settings, and the columns of the samples they hang on."""
    tail = "join projects p on p.seq = a.project left join result_settings x on x.record = a.seq"
    if of_samples:
        where.add("l.dst_type = any({}::text[])", kinds.sample)
        if owner is not None:
            where.add("s.uuid = {}", owner)
        return f"records s join links l on l.dst = s.seq join records a on a.seq = l.src {tail}", record_list("s")
    where.add("not exists (select from links l where l.src = a.seq and l.dst_type = any({}::text[]))", kinds.sample)
    if owner is not None:
        where.add("p.uuid = {}", owner)
    nothing = "left join lateral (select d.* from records d where false) s on true"
    return f"records a {tail} {nothing}", record_list("s")


async def _page(unit: Unit, where: _Where, source: str, columns: str, order: str) -> list[asyncpg.Record]:
    return await pg(unit).rows(
        f"select {columns}, (select count(*) from {source} where {where.text}) from {source} where {where.text} "
        f"order by {order} offset $1 limit $2",
        *where.values,
    )


async def _with_projects(
    unit: Unit, rows: Sequence[asyncpg.Record], make: Callable[[asyncpg.Record, dict[int, Lineage]], Lineage]
) -> list[Lineage]:
    """Return the lineages of rows, whose projects one more statement looks up; of a project that went away, none."""
    if not rows:
        return []
    of = [row[2] if row[2] is not None else row[_RECORD + 2] for row in rows]
    above = {one.place.seq: one for row in await pg(unit).rows(_PROJECTS, sorted(set(of))) if (one := lineage_of(row))}
    return [make(row, above) for row, seq in zip(rows, of, strict=True) if seq in above]


def _sample(row: asyncpg.Record, above: dict[int, Lineage]) -> Lineage:
    place = above[row[2]]
    return Lineage(place.program, place.project, record_at(row, 0))


def _result(row: asyncpg.Record, above: dict[int, Lineage]) -> Lineage:
    place = above[row[_RECORD + 2]]
    settings = ResultSettings(*row[2 * _RECORD : 2 * _RECORD + 3])
    return Lineage(place.program, place.project, record_at(row, 0), record_at(row, _RECORD), None, settings)


def _field(row: asyncpg.Record, above: dict[int, Lineage]) -> Lineage:
    made = _result(row, above)
    field = record_at(row, 2 * _RECORD + 3)
    return Lineage(made.program, made.project, made.sample, made.result, field, made.settings)


def _total(rows: Sequence[asyncpg.Record]) -> int:
    return rows[0][0] if rows else 0


def _last(rows: Sequence[asyncpg.Record]) -> int:
    return rows[0][-1] if rows else 0
