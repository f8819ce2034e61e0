"""Index records in PostgreSQL: files with what the index keeps beside them, and aliases."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from commensal.core.audit import AuditEvent
from commensal.core.index import REGISTERED, IndexRecord, parse_did
from commensal.core.index_query import IndexQuery, UrlQuery
from commensal.core.permissions import Scope
from commensal.core.projects import Project
from commensal.errors import AlreadyExists
from commensal.storage.ports import Unit
from commensal.storage.ports.index import NewIndexRow
from commensal.storage.postgres.audit import event_sql, event_values
from commensal.storage.postgres.catalog import PROJECT_SELECT, project_of
from commensal.storage.postgres.database import PgUnit, pg
from commensal.storage.postgres.files import FILE_COUNTER
from commensal.storage.postgres.index_conditions import DID, Conditions
from commensal.storage.postgres.index_rows import (
    GIVEN,
    INDEX_COLUMNS,
    JOINED,
    given_values,
    joined_record,
    record_of,
)
from commensal.storage.postgres.private_records import shown_files, shown_files_sql
from commensal.storage.postgres.scope import scope_sql

__all__ = ["PgIndexStore"]

_LOCKED = " for no key update of f"
#: A file without a base is the base of its own versions.
_OF_BASES = (
    "(f.baseid = any($1::text[]) or (f.uuid = any($2::uuid[]) and f.baseid is null "
    "and coalesce(f.did_prefix, '') || f.uuid::text = any($1::text[])))"
)

_ADD_GIVEN = f"""
with given as (select t.*, nextval('commensal_seq') as seq from {GIVEN}),
counted as (
    insert into counters (project, type, n, change)
    select distinct project, '{FILE_COUNTER}', 0, 1 from given order by project
    on conflict (project, type) do update set change = counters.change + 1
    returning project, change)"""  # noqa: S608 - only constants are put in
_ADD_FILES = f"""
insert into files as f (seq, uuid, project, path, name, size, md5, sha256, media_type, state, made_by, change, created,
    updated, did_prefix, baseid, version, uploader, urls, urls_metadata, acl, authz, hashes, metadata, description,
    content_created, content_updated)
select g.seq, g.uuid, g.project,
    'GSF' || g.seq || '/' || case when g.name ~ '(^/|/$|//|(^|/)[.]{{1,2}}(/|$))' then g.uuid::text else g.name end,
    g.name, g.size, decode(g.md5, 'hex'), decode(g.sha256, 'hex'), g.media_type, '{REGISTERED}', g.made_by, c.change,
    $2, $2, g.did_prefix, g.baseid, g.version, g.uploader, g.urls, g.urls_metadata, g.acl, g.authz, g.hashes,
    g.metadata, g.description, g.content_created, g.content_updated
from given g join counted c using (project)
on conflict do nothing
returning """  # noqa: S608 - only constants are put in

_ADD = _ADD_GIVEN + _ADD_FILES
_ADD_TOLD = (
    f"{_ADD_GIVEN}, made as ({_ADD_FILES}{INDEX_COLUMNS}), "  # noqa: S608 - only constants are put in
    f"told as ({event_sql(3, '(select 1 from made limit 1) one')}) select * from made"
)

#: Rows first, then counters, as all who write files: so nobody waits in a circle.
_CHANGE = f"""
with given as (select t.* from {GIVEN}),
old as (select f.seq, f.uuid, f.project from files f where f.uuid in (select uuid from given)
    order by f.uuid for no key update of f),
counted as (
    insert into counters (project, type, n, change)
    select project, '{FILE_COUNTER}', 0, 1
    from (select project from old union select g.project from given g join old using (uuid)) p order by project
    on conflict (project, type) do update set change = counters.change + 1
    returning project, change),
tombs as (
    insert into tombstones (project, type, change, seq, uuid, at)
    select old.project, '{FILE_COUNTER}', c.change, old.seq, old.uuid, $2
    from old join given g using (uuid) join counted c on c.project = old.project where g.project <> old.project)
update files f set project = g.project, name = g.name,
    size = case when f.blob is null then g.size else f.size end,
    md5 = case when f.blob is null then decode(g.md5, 'hex') else f.md5 end,
    sha256 = case when f.blob is null then decode(g.sha256, 'hex') else f.sha256 end,
    baseid = g.baseid, version = g.version, uploader = g.uploader, urls = g.urls, urls_metadata = g.urls_metadata,
    acl = g.acl, authz = g.authz, hashes = g.hashes, metadata = g.metadata, description = g.description,
    content_created = g.content_created, content_updated = g.content_updated, media_type = g.media_type,
    change = c.change, updated = $2
from given g join counted c using (project)
where f.uuid = g.uuid
returning """  # noqa: S608 - only constants are put in


class PgIndexStore:
    """See ``ports.index.IndexStore``."""

    async def projects(self, unit: Unit, places: Sequence[tuple[str, str]], *, lock: bool = False) -> list[Project]:
        """See the port."""
        rows = await pg(unit).rows(
            PROJECT_SELECT + "join unnest($1::text[], $2::text[]) as w (program, project) "
            "on w.program = g.code and w.project = p.code order by p.seq" + (" for key share of p" if lock else ""),
            [program for program, _ in places],
            [project for _, project in places],
        )
        return [project_of(row) for row in rows]

    # --- reading

    async def get(self, unit: Unit, uuid: UUID, *, lock: bool = False) -> IndexRecord | None:
        """See the port."""
        if lock:  # before the join: a lock that had to wait would not find the row with its new project
            await pg(unit).run("select from files f where f.uuid = $1" + _LOCKED, uuid)
        row = await pg(unit).row(JOINED + "where f.uuid = $1", uuid)
        return None if row is None else joined_record(row)

    async def by_alias(self, unit: Unit, alias: str) -> UUID | None:
        """See the port."""
        return await pg(unit).value(
            "select f.uuid from file_aliases a join files f on f.seq = a.file where a.alias = $1", alias
        )

    async def by_dids(self, unit: Unit, dids: Sequence[UUID], *, lock: bool = False) -> list[IndexRecord]:
        """See the port."""
        rows = await pg(unit).rows(
            f"select {INDEX_COLUMNS} from files f where f.uuid = any($1::uuid[]) order by f.uuid"  # noqa: S608
            + (_LOCKED if lock else ""),
            dids,
        )
        return await _records(pg(unit), rows)

    async def by_hash_and_size(
        self, unit: Unit, projects: Scope, pairs: Sequence[tuple[str, int]]
    ) -> dict[tuple[str, int], UUID]:
        """See the port."""
        allowed, values = scope_sql(projects, 3)
        shown, more = shown_files_sql(projects, 3 + len(values), "f.seq")
        rows = await pg(unit).rows(
            "select w.md5, w.size, f.uuid from unnest($1::text[], $2::bigint[]) as w (md5, size) "  # noqa: S608
            "cross join lateral (select f.uuid from files f join projects p on p.seq = f.project "
            f"  where f.md5 = decode(w.md5, 'hex') and f.size = w.size and {allowed} and {shown} "
            "  order by f.seq limit 1) f",
            [md5 for md5, _ in pairs],
            [size for _, size in pairs],
            *values,
            *more,
        )
        return {(row["md5"], row["size"]): row["uuid"] for row in rows}

    async def of_base(self, unit: Unit, baseid: str, *, lock: bool = False) -> list[IndexRecord]:
        """See the port."""
        rows = await pg(unit).rows(
            f"select {INDEX_COLUMNS} from files f where {_OF_BASES} order by f.created, f.seq"  # noqa: S608
            + (_LOCKED if lock else ""),
            *_bases([baseid]),
        )
        return await _records(pg(unit), rows)

    async def projects_of_bases(self, unit: Unit, baseids: Sequence[str]) -> list[Project]:
        """See the port."""
        rows = await pg(unit).rows(
            f"{PROJECT_SELECT} where p.seq in (select f.project from files f where {_OF_BASES})",  # noqa: S608
            *_bases(baseids),
        )
        return [project_of(row) for row in rows]

    async def find(self, unit: Unit, scope: Scope, query: IndexQuery) -> list[IndexRecord]:
        """See the port."""
        where = Conditions(query)
        allowed, more = scope_sql(scope, len(where.values) + 1)
        shown, granted = await shown_files(unit, scope, len(where.values) + len(more) + 1)
        wanted = f"{where.text} and {shown}"
        values = [*where.values, *more, *granted, query.offset, query.limit]
        offset, limit = f"${len(values) - 1}::bigint", f"${len(values)}::bigint"
        if query.dids is not None or query.hashes or query.urls:  # few, and found by an index of theirs
            chosen = (
                f"select f.seq, {DID} as did from files f where {wanted} "  # noqa: S608 - parts made here
                f"and f.project = any(array(select p.seq from projects p where {allowed}))"
            )
        else:
            chosen = (
                "select x.seq, x.did from projects p cross join lateral ("  # noqa: S608 - parts made here
                f"  select f.seq, {DID} as did from files f where f.project = p.seq and {wanted} "
                f"  order by {DID} limit {offset} + {limit}) x where {allowed}"
            )
        rows = await pg(unit).rows(
            f"select {INDEX_COLUMNS} from ({chosen} order by did offset {offset} limit {limit}) page "  # noqa: S608
            "join files f on f.seq = page.seq order by page.did",
            *values,
        )
        return await _records(pg(unit), rows)

    async def urls(self, unit: Unit, scope: Scope, query: UrlQuery, own: str) -> list[tuple[str, list[str]]]:
        """See the port."""
        before, _, after = own.partition("{did}")
        values: list[object] = [before, after, query.include, query.exclude, query.key, query.value]
        allowed, more = scope_sql(scope, len(values) + 3)
        shown, granted = await shown_files(unit, scope, len(values) + len(more) + 3)
        versioned = {None: "", True: " and f.version is not null", False: " and f.version is null"}[query.versioned]
        rows = await pg(unit).rows(
            "select x.did, x.urls from projects p cross join lateral ("  # noqa: S608 - parts made here
            f"  select {DID} as did, u.urls from files f cross join lateral ("
            "    select array_agg(url order by n) as urls from ("
            "      select url, n from unnest(f.urls) with ordinality as t (url, n) "
            f"      union all select $1 || {DID} || $2, 0 where f.blob is not null) all_urls "
            "    where ($3::text is null or strpos(url, $3) > 0) and ($4::text is null or strpos(url, $4) = 0) "
            "      and ($5::text is null or (f.urls_metadata -> url ? $5 "
            "        and ($6::text is null or f.urls_metadata -> url ->> $5 = $6)))) u "
            # What has no such address at all is passed over before its addresses are looked at one by one.
            "  where f.project = p.seq and (f.blob is not null or (f.urls is not null "
            "    and ($3::text is null or strpos(array_to_string(f.urls, E'\\n'), $3) > 0))) "
            f"    and u.urls is not null{versioned} and {shown} order by {DID} limit $7::bigint + $8::bigint) x "
            f"where {allowed} order by x.did offset $7 limit $8",
            *values,
            query.offset,
            query.limit,
            *more,
            *granted,
        )
        return [(row["did"], row["urls"]) for row in rows]

    async def totals(self, unit: Unit, scope: Scope) -> tuple[int, int]:
        """See the port."""
        allowed, values = scope_sql(scope, 1)
        shown, granted = await shown_files(unit, scope, len(values) + 1)
        counted = "count(*) as n, sum(f.size) as bytes from files f"
        source = f"select {counted}"
        if not scope.everything or scope.only_program is not None:
            source = (
                f"select sum(t.n) as n, sum(t.bytes) as bytes from projects p "  # noqa: S608 - parts made here
                f"cross join lateral (select {counted} where f.project = p.seq and {shown}) t where {allowed}"
            )
        row = await pg(unit).row(
            f"select coalesce(n, 0)::bigint as n, coalesce(bytes, 0)::text as bytes from ({source}) s",  # noqa: S608
            *((*values, *granted) if "$" in source else ()),
        )
        assert row is not None
        return row["n"], int(row["bytes"])

    # --- writing

    async def add_many(self, unit: Unit, rows: Sequence[NewIndexRow], *, now: datetime) -> set[UUID]:
        """See the port."""
        made = await pg(unit).rows(_ADD + "f.uuid", await _given(pg(unit), rows), now)
        return {row["uuid"] for row in made}

    async def change_many(self, unit: Unit, rows: Sequence[NewIndexRow], *, now: datetime) -> dict[UUID, int]:
        """See the port."""
        try:
            changed = await pg(unit).rows(_CHANGE + "f.uuid, f.change", await _given(pg(unit), rows), now)
        except asyncpg.UniqueViolationError as error:
            raise AlreadyExists("A file of that path is in the project already.", field="object_id") from error
        return {row["uuid"]: row["change"] for row in changed}

    async def make(
        self,
        unit: Unit,
        rows: Sequence[NewIndexRow],
        projects: Sequence[Project],
        *,
        now: datetime,
        event: AuditEvent | None = None,
    ) -> dict[UUID, IndexRecord]:
        """See the port."""
        if event is None:
            return await _written(pg(unit), _ADD + INDEX_COLUMNS, rows, projects, now)
        return await _written(pg(unit), _ADD_TOLD, rows, projects, now, *event_values(event))

    async def change(
        self, unit: Unit, rows: Sequence[NewIndexRow], projects: Sequence[Project], *, now: datetime
    ) -> dict[UUID, IndexRecord]:
        """See the port."""
        return await _written(pg(unit), _CHANGE + INDEX_COLUMNS, rows, projects, now)

    # --- aliases

    async def aliases(self, unit: Unit, file: int) -> list[str]:
        """See the port."""
        rows = await pg(unit).rows("select alias from file_aliases where file = $1 order by alias", file)
        return [row["alias"] for row in rows]

    async def add_aliases(self, unit: Unit, pairs: Sequence[tuple[str, UUID]], *, now: datetime) -> dict[str, UUID]:
        """See the port."""
        aliases = [alias for alias, _ in pairs]
        # What another transaction has just given is seen after the insert has waited for it.
        await pg(unit).run(
            "insert into file_aliases (alias, file, made) select w.alias, f.seq, $3 "
            "from unnest($1::text[], $2::uuid[]) as w (alias, uuid) join files f on f.uuid = w.uuid "
            'order by w.alias collate "C" on conflict do nothing',
            aliases,
            [uuid for _, uuid in pairs],
            now,
        )
        rows = await pg(unit).rows(
            "select a.alias, f.uuid from file_aliases a join files f on f.seq = a.file where a.alias = any($1::text[])",
            aliases,
        )
        return {row["alias"]: row["uuid"] for row in rows}

    async def remove_aliases(self, unit: Unit, file: int, aliases: Sequence[str] | None) -> int:
        """See the port."""
        return await pg(unit).run(
            "delete from file_aliases where file = $1 and ($2::text[] is null or alias = any($2::text[]))",
            file,
            aliases,
        )

    # --- addresses of our own

    async def blobs_in(self, unit: Unit, places: Sequence[tuple[int, str]]) -> set[tuple[int, str]]:
        """See the port."""
        rows = await pg(unit).rows(
            "with w as (select * from unnest($1::bigint[], $2::text[]) as w (project, key)) "
            "select w.project, w.key from w where exists ("
            "  select from files f where f.blob = w.key and f.project = w.project) or exists (select from files f "
            "  where f.seq = substring(w.key from '^GSF([0-9]{1,18})$')::bigint and f.project = w.project)",
            [project for project, _ in places],
            [key for _, key in places],
        )
        return {(row["project"], row["key"]) for row in rows}

    async def kept_dids(self, unit: Unit, places: Sequence[tuple[int, UUID]], *, site: bool) -> list[UUID]:
        """See the port."""
        rows = await pg(unit).rows(
            "select w.uuid from unnest($1::bigint[], $2::uuid[]) as w (project, uuid) where exists ("
            "  select from deleted_files d where d.uuid = w.uuid and d.project <> w.project) or exists ("
            "  select from metadata_documents m where m.object = w.uuid and m.project is distinct from w.project "
            "  and ($3 or m.project is not null))",
            [project for project, _ in places],
            [uuid for _, uuid in places],
            site,
        )
        return [row["uuid"] for row in rows]

    async def dids_in(self, unit: Unit, places: Sequence[tuple[int, UUID]]) -> set[tuple[int, UUID]]:
        """See the port."""
        rows = await pg(unit).rows(
            "select f.project, f.uuid from files f join unnest($1::bigint[], $2::uuid[]) as w (project, uuid) "
            "using (project, uuid)",
            [project for project, _ in places],
            [uuid for _, uuid in places],
        )
        return {(row["project"], row["uuid"]) for row in rows}


def _bases(baseids: Sequence[str]) -> tuple[list[str], list[UUID]]:
    return list(baseids), [parsed[1] for baseid in baseids if (parsed := parse_did(baseid)) is not None]


async def _projects(own: PgUnit, seqs: set[int]) -> dict[int, Project]:
    if not seqs:
        return {}
    rows = await own.rows(PROJECT_SELECT + "where p.seq = any($1::bigint[])", list(seqs))
    return {row["seq"]: project_of(row) for row in rows}


async def _records(own: PgUnit, rows: Sequence[asyncpg.Record]) -> list[IndexRecord]:
    projects = await _projects(own, {row["project"] for row in rows})
    # A project that was deleted between the two statements has taken its files with it.
    return [record_of(row, projects[row["project"]]) for row in rows if row["project"] in projects]


async def _written(
    own: PgUnit, sql: str, rows: Sequence[NewIndexRow], projects: Sequence[Project], now: datetime, *more: object
) -> dict[UUID, IndexRecord]:
    places = {project.seq: project for project in projects}
    try:
        written = await own.rows(sql, given_values(rows, places), now, *more)
    except asyncpg.UniqueViolationError as error:
        raise AlreadyExists("Nothing was moved: the other project has a file of that path.", field="authz") from error
    return {row["uuid"]: record_of(row, places[row["project"]]) for row in written}


async def _given(own: PgUnit, rows: Sequence[NewIndexRow]) -> list[dict[str, object]]:
    return given_values(rows, await _projects(own, {row.project for row in rows}))
