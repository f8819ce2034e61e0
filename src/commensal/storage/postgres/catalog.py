"""Programs and projects in PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from commensal.core.ids import is_uuid
from commensal.core.names import fold, parse_accession, polly_form, split_project_id
from commensal.core.permissions import PublicLevel, Scope
from commensal.core.projects import Mode, Program, Project, ProjectKind
from commensal.storage.ports import Unit
from commensal.storage.ports.catalog import NewProgram, NewProject, ProgramView, ProjectFilter, Ref
from commensal.storage.postgres.database import pg, still_there
from commensal.storage.postgres.scope import scope_sql

__all__ = ["PROJECT_SELECT", "PgProgramStore", "PgProjectStore", "project_of"]

_PROGRAM = (
    "select g.seq, g.uuid, g.code, g.title, g.listed, g.home_of, g.made_by, g.properties, g.created, g.updated "
    "from programs g "
)
#: The columns of a project; the project is ``p``, its program ``g``.
PROJECT_SELECT = (
    "select p.seq, p.uuid, p.program, g.code as program_code, p.code, p.polly_code, p.title, p.kind, p.mode, "
    "p.public_level, p.state, p.released, p.properties, p.extra, p.made_by, p.change, p.created, p.updated "
    "from projects p join programs g on g.seq = p.program "
)
#: The same after ``with p as (… returning *)``.
_SELECT_CHANGED = PROJECT_SELECT.replace("from projects p", "from p")
#: The project ``p`` as it stands now, beside what its history says last (``$n``: who, door).
_KEEP_VERSION = (
    "kept as (insert into project_versions (project, n, at, who, door, title, properties, extra) "
    "select p.seq, coalesce(v.n, 0) + 1, p.updated, {who}, {door}, p.title, p.properties, p.extra from p "
    "left join lateral (select * from project_versions where project = p.seq order by n desc limit 1) v on true "
    "where (v.title, v.properties, v.extra) is distinct from (p.title, p.properties, p.extra)) "
)
_ORDERS = {
    "code": 'g.code collate "C", p.code collate "C"',
    "title": 'lower(p.title) collate "C", p.seq',
    "created": "p.seq desc",
    "seq": "p.seq",
}
_BIGGEST = (1 << 63) - 1


def _program(row: asyncpg.Record) -> Program:
    return Program(
        seq=row["seq"],
        uuid=row["uuid"],
        code=row["code"],
        title=row["title"],
        listed=row["listed"],
        home_of=row["home_of"],
        made_by=row["made_by"],
        properties=row["properties"],
        created=row["created"],
        updated=row["updated"],
    )


def project_of(row: asyncpg.Record) -> Project:
    """Return the project in a row of ``PROJECT_SELECT``."""
    return Project(
        seq=row["seq"],
        uuid=row["uuid"],
        program=row["program"],
        program_code=row["program_code"],
        code=row["code"],
        polly_code=row["polly_code"],
        title=row["title"],
        kind=ProjectKind(row["kind"]),
        mode=Mode(row["mode"]),
        public_level=PublicLevel(row["public_level"]),
        state=row["state"],
        released=row["released"],
        properties=row["properties"],
        extra=row["extra"],
        made_by=row["made_by"],
        change=row["change"],
        created=row["created"],
        updated=row["updated"],
    )


def _number(ref: Ref) -> int | None:
    """Return the number that a reference is, if it is one that can be stored."""
    if isinstance(ref, UUID):
        return None
    if isinstance(ref, str):
        if not (ref.isascii() and ref.isdigit()):
            return None
        ref = int(ref[:20])
    return ref if 0 <= ref <= _BIGGEST else None


def _uuid(ref: Ref) -> UUID | None:
    if isinstance(ref, UUID):
        return ref
    return UUID(ref) if isinstance(ref, str) and is_uuid(ref) else None


def _text(ref: Ref) -> str | None:
    # A NUL cannot be in any name, and PostgreSQL refuses to compare with it.
    return ref if isinstance(ref, str) and "\0" not in ref and ref.isprintable() else None


class PgProgramStore:
    """See ``ports.catalog.ProgramStore``."""

    async def add(self, unit: Unit, new: NewProgram) -> Program | None:
        """Make a program."""
        row = await pg(unit).row(
            "insert into programs (uuid, code, code_folded, title, title_folded, listed, home_of, made_by, "
            "properties, created, updated) select u, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10 "
            "from unnest($1::uuid[]) with ordinality t(u, n) "
            "where not exists (select from programs where uuid = u) order by n limit 1 on conflict do nothing "
            "returning seq, uuid, code, title, listed, home_of, made_by, properties, created, updated",
            list(new.uuids),
            new.code,
            new.code_folded,
            new.title,
            new.title_folded,
            new.listed,
            new.home_of,
            new.made_by,
            new.properties,
            new.created,
        )
        return None if row is None else _program(row)

    async def find(self, unit: Unit, ref: Ref, *, lock: bool = False) -> Program | None:
        """Return a program by uuid, number or code."""
        held = " for no key update" if lock else ""
        if (uuid := _uuid(ref)) is not None:
            row = await pg(unit).row(_PROGRAM + "where g.uuid = $1" + held, uuid)
        elif (number := _number(ref)) is not None:
            row = await pg(unit).row(_PROGRAM + "where g.seq = $1" + held, number)
        elif (text := _text(ref)) is not None:
            row = await pg(unit).row(_PROGRAM + "where g.code_folded = $1" + held, fold(text))
        else:
            row = None
        return None if row is None else _program(row)

    async def titled(self, unit: Unit, title_folded: str) -> Program | None:
        """Return the program of this title."""
        if _text(title_folded) is None:
            return None
        row = await pg(unit).row(_PROGRAM + "where g.title_folded = $1", title_folded)
        return None if row is None else _program(row)

    async def home_of(self, unit: Unit, user: int) -> Program | None:
        """Return a user's home program."""
        row = await pg(unit).row(_PROGRAM + "where g.home_of = $1", user)
        return None if row is None else _program(row)

    async def visible(self, unit: Unit, program: int, view: ProgramView) -> bool:
        """Tell whether a program is in a caller's view."""
        condition, values = view_sql(view, 2)
        return bool(
            await pg(unit).value(f"select 1 from programs g where g.seq = $1 and {condition}", program, *values)  # noqa: S608
        )

    async def list(
        self, unit: Unit, view: ProgramView, *, search: str, homes: bool, me: int | None, offset: int, limit: int | None
    ) -> tuple[list[Program], int]:
        """Return programs by code, with the total."""
        condition, values = view_sql(view, 6)
        rows = await pg(unit).rows(
            f"with hit as (select g.seq, g.code from programs g where {condition} "  # noqa: S608 - our own text
            "and ($1 = '' or strpos(g.code_folded, $1) > 0 or strpos(g.title_folded, $1) > 0) "
            "and (g.home_of is null or $2 or g.home_of = $3)) "
            "select t.total, g.* from (select count(*) as total from hit) t left join ("
            'select seq as hit from hit order by code collate "C" offset $4 limit $5) h on true '
            'left join programs g on g.seq = h.hit order by g.code collate "C"',
            fold(_text(search) or ""),
            homes,
            me,
            offset,
            limit,
            *values,
        )
        return [_program(row) for row in rows if row["seq"] is not None], rows[0]["total"]

    async def taken_codes(self, unit: Unit, start_folded: str) -> set[str]:
        """Return the folded codes that begin so."""
        rows = await pg(unit).rows("select code_folded from programs where starts_with(code_folded, $1)", start_folded)
        return {row[0] for row in rows}

    async def update(
        self,
        unit: Unit,
        program: int,
        *,
        code: str,
        code_folded: str,
        title: str,
        title_folded: str,
        listed: bool,
        properties: Mapping[str, Any],
        updated: datetime,
    ) -> Program | None:
        """Change a program."""
        p = pg(unit)
        try:
            async with p.raw.transaction():
                row = await p.row(
                    "update programs set code = $2, code_folded = $3, title = $4, title_folded = $5, listed = $6, "
                    "properties = $7, updated = $8 where seq = $1 "
                    "returning seq, uuid, code, title, listed, home_of, made_by, properties, created, updated",
                    program,
                    code,
                    code_folded,
                    title,
                    title_folded,
                    listed,
                    properties,
                    updated,
                )
        except asyncpg.UniqueViolationError:
            return None
        return None if row is None else _program(row)


def view_sql(view: ProgramView, first: int) -> tuple[str, list[object]]:
    values: list[object] = []
    limits: list[str] = []
    if view.only_program is not None:
        values.append(view.only_program)
        limits.append(f"g.seq = ${first}::bigint")
    if not view.everything:
        values.append(sorted(view.seen))
        ways = [
            f"g.seq = any(${first + len(values) - 1}::bigint[])",
            "exists (select from projects q where q.program = g.seq and q.public_level > 0)",
        ]
        if view.listed:
            ways.append("g.listed")
        limits.append("(" + " or ".join(ways) + ")")
    return "(" + (" and ".join(limits) or "true") + ")", values


class PgProjectStore:
    """See ``ports.catalog.ProjectStore``."""

    async def add(self, unit: Unit, new: NewProject) -> Project | None:
        """Make a project."""
        with still_there("program"):
            row = await pg(unit).row(
                "with p as (insert into projects (uuid, program, code, polly_code, title, kind, mode, public_level, "  # noqa: S608
                "properties, extra, made_by, created, updated) "
                "select u, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12 "
                "from unnest($1::uuid[]) with ordinality t(u, n) "
                "where not exists (select from projects where uuid = u) order by n limit 1 on conflict do nothing "
                "returning *), " + _KEEP_VERSION.format(who="$11", door="''") + _SELECT_CHANGED,
                list(new.uuids),
                new.program,
                new.code,
                new.polly_code,
                new.title,
                new.kind,
                new.mode,
                new.public_level,
                new.properties,
                new.extra,
                new.made_by,
                new.created,
            )
        return None if row is None else project_of(row)

    async def find(self, unit: Unit, ref: Ref, *, lock: bool = False) -> Project | None:
        """Return a project by uuid, number, accession, project id or code."""
        held = " for no key update of p" if lock else ""
        row: asyncpg.Record | None = None
        if (uuid := _uuid(ref)) is not None:
            row = await pg(unit).row(PROJECT_SELECT + "where p.uuid = $1" + held, uuid)
        elif (number := _number(ref)) is not None:
            row = await pg(unit).row(PROJECT_SELECT + "where p.seq = $1" + held, number)
        elif (text := _text(ref)) is not None:
            # One statement for three readings of a text; the project id, the most exact one, wins.
            program, code = split_project_id(text) or ("", "")
            row = await pg(unit).row(
                PROJECT_SELECT + "where (p.polly_code = $1 and g.code_folded = $2) or p.polly_code = $3 or p.seq = $4 "
                "order by (p.polly_code = $1 and g.code_folded = $2) desc, p.polly_code = $3 desc limit 1" + held,
                polly_form(code),
                fold(program),
                polly_form(text),
                parse_accession(text),
            )
        return None if row is None else project_of(row)

    async def find_in(self, unit: Unit, program: int, polly_code: str) -> Project | None:
        """Return a program's project by its code in Polly form."""
        row = await pg(unit).row(PROJECT_SELECT + "where p.polly_code = $2 and p.program = $1", program, polly_code)
        return None if row is None else project_of(row)

    async def cases_of(self, unit: Unit, program: int) -> Project | None:
        """Return a program's default project for cases."""
        row = await pg(unit).row(
            PROJECT_SELECT + "where p.program = $1 and (lower(p.code) = lower(g.code) || '_cases' or "
            "(starts_with(lower(p.code), lower(g.code) || '_cases_') "
            "and substr(p.code, length(g.code) + 8) ~ '^[0-9]+$')) order by p.seq limit 1",
            program,
        )
        return None if row is None else project_of(row)

    async def lock_title(self, unit: Unit, title: str) -> None:
        """Make others who ask for this title wait; what cannot be a title has nobody to wait for."""
        if _text(title) is not None:
            await pg(unit).run("select pg_advisory_xact_lock(hashtextextended('title ' || lower($1), 0))", title)

    async def titled(self, unit: Unit, title: str) -> list[Project]:
        """Return the projects of this title."""
        if _text(title) is None:
            return []
        rows = await pg(unit).rows(PROJECT_SELECT + "where lower(p.title) = lower($1) order by p.seq limit 10", title)
        return [project_of(row) for row in rows]

    async def first_of(self, unit: Unit, program: int) -> Project | None:
        """Return the oldest project of a program."""
        row = await pg(unit).row(PROJECT_SELECT + "where p.program = $1 order by p.seq limit 1", program)
        return None if row is None else project_of(row)

    async def many(self, unit: Unit, seqs: Sequence[int]) -> list[Project]:
        """Return projects by number."""
        rows = await pg(unit).rows(PROJECT_SELECT + "where p.seq = any($1::bigint[]) order by p.seq", list(seqs))
        return [project_of(row) for row in rows]

    async def list(
        self, unit: Unit, scope: Scope, only: ProjectFilter, *, offset: int, limit: int | None
    ) -> tuple[list[Project], int, dict[int, dict[str, int]]]:
        """Return projects inside the scope, the total, and counts."""
        condition, values = scope_sql(scope, 8)
        order = _ORDERS[only.order]
        counts = (
            "(select jsonb_object_agg(c.type, c.n) from counters c where c.project = p.seq and c.n > 0)"
            if only.counts
            else "null::jsonb"
        )
        rows = await pg(unit).rows(
            f"with hit as (select p.seq, row_number() over (order by {order}) as place "  # noqa: S608 - our own text
            f"from projects p join programs g on g.seq = p.program where {condition} "
            "and ($1 = '' or strpos(lower(p.title), $1) > 0 or strpos(lower(g.code || '-' || p.code), $1) > 0) "
            "and ($2::bigint is null or p.program = $2) and ($3::text is null or p.kind = $3) "
            "and ($4 or p.kind <> 'collection') and ($7::text is null or lower(p.title) = lower($7))), "
            "page as (select * from hit order by place offset $5 limit $6) "
            f"select t.total, place, {counts} as counts, full_row.* from (select count(*) as total from hit) t "
            f"left join page on true left join ({PROJECT_SELECT}) full_row on full_row.seq = page.seq "
            "left join projects p on p.seq = page.seq order by place",
            (_text(only.search) or "").lower(),
            only.program,
            only.kind,
            only.collections or only.kind == ProjectKind.COLLECTION,
            offset,
            limit,
            only.title,
            *values,
        )
        found = [row for row in rows if row["place"] is not None]
        return (
            [project_of(row) for row in found],
            rows[0]["total"],
            {row["seq"]: row["counts"] or {} for row in found} if only.counts else {},
        )

    async def taken_codes(self, unit: Unit, start: str) -> set[str]:
        """Return the codes in Polly form that begin so."""
        rows = await pg(unit).rows("select polly_code from projects where starts_with(polly_code, $1)", start)
        return {row[0] for row in rows}

    async def update(
        self,
        unit: Unit,
        project: int,
        *,
        code: str,
        polly_code: str,
        title: str,
        kind: str,
        mode: str,
        public_level: int,
        state: str,
        released: bool,
        properties: Mapping[str, Any],
        extra: Any,
        updated: datetime,
        who: int | None = None,
        door: str = "",
    ) -> Project | None:
        """Write a project."""
        p = pg(unit)
        try:
            # A savepoint: the transaction goes on when the code is taken.
            async with p.raw.transaction():
                row = await p.row(
                    "with p as (update projects set code = $2, polly_code = $3, title = $4, kind = $5, mode = $6, "  # noqa: S608
                    "public_level = $7, state = $8, released = $9, properties = $10, extra = $11, updated = $12, "
                    "change = change + 1 where seq = $1 returning *), "
                    + _KEEP_VERSION.format(who="$13::bigint", door="$14::text")
                    + _SELECT_CHANGED,
                    project,
                    code,
                    polly_code,
                    title,
                    kind,
                    mode,
                    public_level,
                    state,
                    released,
                    properties,
                    extra,
                    updated,
                    who,
                    door,
                )
        except asyncpg.UniqueViolationError:
            return None
        return None if row is None else project_of(row)

    async def empty(self, unit: Unit, project: int) -> bool:
        """Tell whether a project has no live record, file or member."""
        return bool(
            await pg(unit).value(
                "select not exists (select from records where project = $1) "
                "and not exists (select from files where project = $1) "
                "and not exists (select from members where collection = $1)",
                project,
            )
        )
