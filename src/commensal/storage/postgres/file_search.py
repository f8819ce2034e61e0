"""Search among files in PostgreSQL, and the queue and store of their contents trees."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from commensal.core.files_query import Node
from commensal.core.permissions import Scope
from commensal.storage.ports import Unit
from commensal.storage.ports.file_search import FoundFile, NewContents, PendingContents
from commensal.storage.postgres.database import pg
from commensal.storage.postgres.file_query_sql import file_condition, phrase_lexemes, required_lexemes
from commensal.storage.postgres.private_records import any_private, shown_files_sql
from commensal.storage.postgres.scope import scope_sql

__all__ = ["PgContents", "PgFileSearch"]

#: Up to how many matches are few. A page of many is looked for among the first files of all; how many these are.
_MANY = 20_000
_FIRST = 10_000
#: What part of all files has a common word.
_COMMON = 0.01


@dataclass(frozen=True, slots=True)
class _Search:
    """What is searched for, and what is known of the database before."""

    nodes: Sequence[Node]
    scope: Scope
    project: int | None
    common: Set[str]
    private: bool


class _Statement:
    """``files`` selects the numbers of the files that match, with ``values``.

    ``few``: few of the files are to be looked at; ``among``: these, rows of file_search in order.
    """

    def __init__(self, search: _Search, *, few: bool = False, among: str = "") -> None:
        self.values: list[object] = []
        found = file_condition(search.nodes, self.parameter, common=search.common, each=few)
        where = found.text
        if search.project is not None:
            where += f" and fs.project = {self.parameter(search.project)}::bigint"
        allowed, more = scope_sql(search.scope, len(self.values) + 1)
        self.values += more
        # An array, not a join: so the order of an ordered scan stays. Where rows are looked at, which the planner
        # thinks dear, not by the index of projects: that would list all their files first.
        column = "fs.project + 0" if found.looks or few else "fs.project"
        where += f" and {column} = any(array(select p.seq from projects p where {allowed}))"  # noqa: S608
        if search.private:
            shown, more = shown_files_sql(search.scope, len(self.values) + 1, "fs.file")
            self.values += more
            where += f" and {shown}"
        self.files = f"select fs.file from {among or found.table} fs where {where}"  # noqa: S608
        self.looks = found.looks
        # A sort, unless rows in their order are good: the planner expects matches everywhere and would read all rows.
        self.order = "fs.file" if among or not search.nodes else "fs.file + 0"

    def parameter(self, value: object) -> str:
        """Add a value and return its place."""
        self.values.append(value)
        return f"${len(self.values)}"


def _found(row: asyncpg.Record) -> FoundFile:
    return FoundFile(row["file"], row["project"], row["attrs"], row["tree"])


def _contents(*, wanted: bool) -> tuple[str, str]:
    """Return a column and the join that it needs."""
    if not wanted:
        return "null::text as tree", ""
    return "c.tree::text as tree", "left join file_contents c on c.file = s.file"


class PgFileSearch:
    """See ``ports.file_search.FileSearchStore``."""

    async def search(
        self,
        unit: Unit,
        scope: Scope,
        nodes: Sequence[Node],
        *,
        offset: int,
        limit: int,
        contents: bool,
        project: int | None = None,
    ) -> tuple[list[FoundFile], int]:
        """See ``ports.file_search.FileSearchStore``."""
        private = not scope.everything and scope.public_level is not None and await any_private(unit)
        required = required_lexemes(nodes)
        common = await self.common(unit, required | phrase_lexemes(nodes))
        search = _Search(nodes, scope, project, common, private)
        made = _Statement(search)
        if made.looks or not required <= common:
            few = await self._few(unit, _Statement(search, few=True), offset, limit)
            if few is not None:
                page, total = few
                return await self._found(unit, page, contents=contents), total
        total: int = await pg(unit).value(f"select count(*) from ({made.files}) found", *made.values)  # noqa: S608
        if offset >= total or limit == 0:
            return [], total
        wanted = min(limit, total - offset)
        page = []
        if total > _MANY and offset < _FIRST:
            # Among the first files of all there may be enough: then not all that match need be sorted.
            first = f"(select * from file_search order by file limit {_FIRST})"  # noqa: S608
            page = await self._page(unit, _Statement(search, few=True, among=first), offset, limit)
        if len(page) < wanted:
            page = await self._page(unit, made, offset, limit)
        return await self._found(unit, page, contents=contents), total

    async def _few(self, unit: Unit, made: _Statement, offset: int, limit: int) -> tuple[list[int], int] | None:
        """Return a page and the total from one search; None when there are many."""
        first, last = min(offset, _MANY), min(offset, _MANY) + min(limit, _MANY)
        # Fenced, or the plan would be one for the first of many.
        row = await pg(unit).row(
            f"with hit as materialized ({made.files}) select count(*) as n, (array_agg(h.file order by h.file))"  # noqa: S608
            f"[{made.parameter(first + 1)}::int : {made.parameter(last)}::int] as page "
            f"from (select file from hit limit {_MANY + 1}) h",
            *made.values,
        )
        assert row is not None
        return None if row["n"] > _MANY else (row["page"] or [], row["n"])

    async def _page(self, unit: Unit, made: _Statement, offset: int, limit: int) -> list[int]:
        first, most = made.parameter(offset), made.parameter(limit)
        rows = await pg(unit).rows(
            f"{made.files} order by {made.order} offset {first}::bigint limit {most}::bigint", *made.values
        )
        return [row["file"] for row in rows]

    async def _found(self, unit: Unit, files: Sequence[int], *, contents: bool) -> list[FoundFile]:
        if not files:
            return []
        tree, join = _contents(wanted=contents)
        rows = await pg(unit).rows(
            f"select s.file, s.project, s.attrs, {tree} from file_search s {join} "  # noqa: S608 - parts made here
            "where s.file = any($1::bigint[]) order by s.file",
            files,
        )
        return [_found(row) for row in rows]

    async def common(self, unit: Unit, lexemes: Set[str]) -> Set[str]:
        """Return which lexemes many files have, as far as the planner's statistics know."""
        if not lexemes:
            return frozenset()
        rows = await pg(unit).rows(
            "select l.lexeme from pg_stats s cross join unnest(s.most_common_elems::text::text[], "
            "s.most_common_elem_freqs) l (lexeme, part) where s.schemaname = current_schema and "
            "s.tablename = 'file_search' and s.attname = 'tsv' and l.lexeme = any($1::text[]) and l.part > $2::real",
            sorted(lexemes),
            _COMMON,
        )
        return frozenset(row["lexeme"] for row in rows)

    async def find(self, unit: Unit, scope: Scope, seq: int, *, contents: bool) -> FoundFile | None:
        """See ``ports.file_search.FileSearchStore``."""
        allowed, values = scope_sql(scope, 2)
        shown, more = shown_files_sql(scope, 2 + len(values), "s.file")
        tree, join = _contents(wanted=contents)
        row = await pg(unit).row(
            f"select s.file, s.project, s.attrs, {tree} from file_search s "  # noqa: S608 - parts made here
            f"join projects p on p.seq = s.project {join} where s.file = $1 and {allowed} and {shown}",
            seq,
            *values,
            *more,
        )
        return None if row is None else _found(row)

    async def something(self, unit: Unit, scope: Scope, seq: int) -> bool:
        """See ``ports.file_search.FileSearchStore``."""
        allowed, values = scope_sql(scope, 2)
        shown, more = shown_files_sql(scope, 2 + len(values), "f.seq")
        return await pg(unit).value(
            "select exists (select from projects p where p.seq in (select $1::bigint "  # noqa: S608 - parts made here
            "  union all select project from records where seq = $1 "
            f"  union all select f.project from files f where f.seq = $1 and {shown}) "
            f"and {allowed})",
            seq,
            *values,
            *more,
        )


class PgContents:
    """See ``ports.file_search.ContentsStore``."""

    async def take(self, unit: Unit, *, again: datetime) -> PendingContents | None:
        """See ``ports.file_search.ContentsStore``."""
        row = await pg(unit).row(
            "with due as (select file from file_jobs where due <= now() order by due limit 1 for update skip locked), "
            "taken as (update file_jobs j set due = $1, attempts = j.attempts + 1 from due where j.file = due.file "
            "  returning j.file, j.attempts) "
            "select t.file, t.attempts, f.name, f.blob, f.size from taken t left join files f on f.seq = t.file",
            again,
        )
        if row is None:
            return None
        return PendingContents(row["file"], row["name"] or "", row["blob"] or "", row["size"] or 0, row["attempts"])

    async def put(self, unit: Unit, job: PendingContents, contents: NewContents) -> bool:
        """See ``ports.file_search.ContentsStore``."""
        # The file's row is held, so that new bytes wait for this and then take the tree away again.
        current = await pg(unit).value(
            "select seq from files where seq = $1 and blob = $2 and name = $3 for no key update",
            job.seq,
            job.blob,
            job.name,
        )
        stored = current is not None
        if stored:
            await pg(unit).run(
                "insert into file_contents (file, blob, tree, words, paths, tsv, parsed, reason) "
                "values ($1, $2, $3::text::json, $4, $5, array_to_tsvector($6::text[]), $7::text is null, $7) "
                "on conflict (file) do update set blob = excluded.blob, tree = excluded.tree, words = excluded.words, "
                "paths = excluded.paths, tsv = excluded.tsv, parsed = excluded.parsed, reason = excluded.reason, "
                "made = now()",
                job.seq,
                job.blob,
                contents.tree.decode(),
                contents.words,
                contents.paths,
                list(contents.lexemes),
                contents.reason,
            )
        await pg(unit).run(
            "with done as (delete from file_jobs where file = $1 and $2) "
            "select file_search_refresh(array[$1::bigint]) where $2",
            job.seq,
            stored,
        )
        return stored

    async def put_off(self, unit: Unit, seq: int, until: datetime) -> None:
        """See ``ports.file_search.ContentsStore``."""
        await pg(unit).run(
            "update file_jobs set due = $2, attempts = greatest(attempts - 1, 0) where file = $1", seq, until
        )
