"""Search among files in PostgreSQL, and the queue and store of their contents trees."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import asyncpg

from commensal.core.files_query import Node
from commensal.core.permissions import Scope
from commensal.storage.ports import Unit
from commensal.storage.ports.file_search import FoundFile, NewContents, PendingContents
from commensal.storage.postgres.database import pg
from commensal.storage.postgres.file_query_sql import condition
from commensal.storage.postgres.private_records import shown_files, shown_files_sql
from commensal.storage.postgres.scope import scope_sql

__all__ = ["PgContents", "PgFileSearch"]

#: From how many matches on a page is looked for among the first files of all, and how many these are.
_MANY = 20_000
_FIRST = 10_000


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
        values: list[object] = []

        def parameter(value: object) -> str:
            values.append(value)
            return f"${len(values)}"

        where = condition(nodes, parameter)
        if project is not None:
            where += f" and fs.project = {parameter(project)}::bigint"
        allowed, more = scope_sql(scope, len(values) + 1)
        values += more
        # An array, not a join: so the order of an ordered scan stays.
        where += f" and fs.project = any(array(select p.seq from projects p where {allowed}))"  # noqa: S608
        shown, more = await shown_files(unit, scope, len(values) + 1, file="fs.file", project="fs.project")
        where += "" if shown == "(true)" else f" and {shown}"
        values += more
        total: int = await pg(unit).value(f"select count(*) from file_search fs where {where}", *values)  # noqa: S608
        if offset >= total or limit == 0:
            return [], total
        wanted = min(limit, total - offset)
        rows: list[asyncpg.Record] = []
        if total > _MANY and offset < _FIRST:
            # Among the first files of all there may be enough: then not all that match need be sorted.
            first = f"(select * from file_search order by file limit {_FIRST})"  # noqa: S608
            rows = await self._page(unit, first, where, values, offset, limit, contents=contents)
        if len(rows) < wanted:
            rows = await self._page(unit, "file_search", where, values, offset, limit, contents=contents)
        return [_found(row) for row in rows], total

    async def _page(
        self, unit: Unit, source: str, where: str, values: list[object], offset: int, limit: int, *, contents: bool
    ) -> list[asyncpg.Record]:
        tree, join = _contents(wanted=contents)
        n = len(values)
        return await pg(unit).rows(
            f"select s.file, s.project, s.attrs, {tree} from (select fs.file from {source} fs where {where} "  # noqa: S608
            f"  order by fs.file offset ${n + 1} limit ${n + 2}) page "
            f"join file_search s on s.file = page.file {join} order by s.file",
            *values,
            offset,
            limit,
        )

    async def find(self, unit: Unit, scope: Scope, seq: int, *, contents: bool) -> FoundFile | None:
        """See ``ports.file_search.FileSearchStore``."""
        allowed, values = scope_sql(scope, 2)
        shown, more = shown_files_sql(scope, 2 + len(values), "s.file", "s.project")
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
        shown, more = shown_files_sql(scope, 2 + len(values), "f.seq", "f.project")
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
