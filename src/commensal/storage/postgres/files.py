"""Files and blobs in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from commensal.core.audit import AuditEvent
from commensal.core.files import STORED, File
from commensal.core.projects import Project
from commensal.errors import StateConflict
from commensal.storage.ports import Unit
from commensal.storage.ports.blobs import Stored
from commensal.storage.postgres.audit import event_sql, event_values
from commensal.storage.postgres.catalog import PROJECT_SELECT, project_of
from commensal.storage.postgres.database import pg
from commensal.storage.postgres.private_records import PRIVATE_FILE

__all__ = ["FILE_COLUMNS", "FILE_COUNTER", "PURGE_LOCK", "PgFileStore", "file_of"]

#: The row of ``counters`` that orders the changes of a project's files; it counts no records.
FILE_COUNTER = "commensal.file"
#: Advisory lock: exclusive while bytes are purged, shared while a backup copies them.
PURGE_LOCK = 0x636F6D70757267

FILE_COLUMNS = (
    "f.seq, f.uuid, f.project, f.path, f.name, f.size, f.md5, f.sha256, f.media_type, f.state, f.blob, f.record, "
    f"f.extra, f.made_by, f.change, f.created, f.updated, {PRIVATE_FILE} as private"
)

_PUT = f"""
with counted as (
    insert into counters (project, type, n, change) values ($2, '{FILE_COUNTER}', 0, 1)
    on conflict (project, type) do update set change = counters.change + 1
    returning change)
insert into files as f (uuid, project, path, name, size, md5, sha256, media_type, state, blob, record, extra,
                        made_by, change, created, updated)
select $1, $2, $3, $4, $5, $6, $7, $8, '{STORED}', $9, $10, $11, $12, counted.change, $13, $13 from counted
on conflict (project, path) do update set
    size = excluded.size, md5 = excluded.md5, sha256 = excluded.sha256,
    media_type = excluded.media_type, state = excluded.state, blob = excluded.blob,
    hashes = case when f.md5 = excluded.md5 or f.sha256 = excluded.sha256 then f.hashes end,
    record = coalesce(excluded.record, f.record), extra = coalesce(excluded.extra, f.extra),
    change = excluded.change, updated = excluded.updated
returning {FILE_COLUMNS}
"""  # noqa: S608 - only constants of this module are put in

#: A new file in one statement: each step takes its rows from the one before, so that none is done without the others.
_ADD = f"""
with held as (
    select p.seq from projects p where p.seq = $2 and p.program = $14
        and not exists (select from files f where f.project = $2 and f.path = $3) for share of p),
noted as (
    insert into blobs as b (key, sha256, md5, size) select $8, $7, $6, $5 from held
    on conflict (sha256) do update set size = b.size where b.damaged is null returning b.key),
counted as (
    insert into counters (project, type, n, change) select $2, '{FILE_COUNTER}', 0, 1 from noted
    on conflict (project, type) do update set change = counters.change + 1 returning change),
made as (
    insert into files as f (uuid, project, path, name, size, md5, sha256, media_type, state, blob, record, extra,
                            made_by, change, created, updated)
    select $1, $2, $3, $4, $5, $6, $7, $9, '{STORED}', noted.key, $10, $11, $12, counted.change, $13, $13
    from noted, counted returning {FILE_COLUMNS}),
told as ({event_sql(15, "made")})
select * from made
"""  # noqa: S608 - only constants of this module are put in


def file_of(row: asyncpg.Record) -> File:
    """Return the file in a row with ``FILE_COLUMNS``."""
    md5, sha256 = row["md5"], row["sha256"]
    return File(
        seq=row["seq"],
        uuid=row["uuid"],
        project=row["project"],
        path=row["path"],
        name=row["name"],
        size=row["size"],
        md5=None if md5 is None else md5.hex(),
        sha256=None if sha256 is None else sha256.hex(),
        media_type=row["media_type"],
        state=row["state"],
        blob=row["blob"],
        record=row["record"],
        made_by=row["made_by"],
        change=row["change"],
        created=row["created"],
        updated=row["updated"],
        extra=row["extra"],
        private=row["private"],
    )


class PgFileStore:
    """See ``ports.files.FileStore``."""

    async def find(
        self,
        unit: Unit,
        *,
        project: int | None = None,
        path: str | None = None,
        uuid: UUID | None = None,
        seq: int | None = None,
        lock: bool = False,
    ) -> File | None:
        """See ``ports.files.FileStore``."""
        wanted = {"project": project, "path": path, "uuid": uuid, "seq": seq}
        given = {name: value for name, value in wanted.items() if value is not None}
        where = " and ".join(f"f.{name} = ${n}" for n, name in enumerate(given, 1))
        sql = f"select {FILE_COLUMNS} from files f where {where}" + (" for update" if lock else "")  # noqa: S608
        row = await pg(unit).row(sql, *given.values())
        return None if row is None else file_of(row)

    async def hold_project(self, unit: Unit, project: int) -> Project | None:
        """See ``ports.files.FileStore``. Writers of records hold it the same way, so nobody waits for them."""
        row = await pg(unit).row(PROJECT_SELECT + "where p.seq = $1 for share of p", project)
        return None if row is None else project_of(row)

    async def keep_blob(self, unit: Unit, stored: Stored) -> str:
        """See ``ports.files.FileStore``."""
        # A damaged row gives its digest up to the good bytes: its digest becomes its key, which no bytes have.
        healed = await pg(unit).rows(
            "update blobs set sha256 = convert_to('damaged ' || key, 'UTF8') "
            "where sha256 = $1 and damaged is not null returning key",
            stored.sha256,
        )
        # The update changes nothing but holds the row, so that a purge cannot remove it before this commits.
        key = await pg(unit).value(
            "insert into blobs (key, sha256, md5, size) values ($1, $2, $3, $4) "
            "on conflict (sha256) do update set size = blobs.size returning key",
            stored.key,
            stored.sha256,
            stored.md5,
            stored.size,
        )
        if healed:
            damaged = [row["key"] for row in healed]
            await pg(unit).run("update files set blob = $1 where blob = any($2)", key, damaged)
            await pg(unit).run("update deleted_files set blob = $1 where blob = any($2)", key, damaged)
        return key

    async def put(
        self,
        unit: Unit,
        *,
        uuid: UUID,
        project: int,
        path: str,
        name: str,
        stored: Stored,
        blob: str,
        media_type: str,
        record: int | None,
        extra: Any,
        made_by: int | None,
        now: datetime,
    ) -> File:
        """See ``ports.files.FileStore``."""
        try:
            row = await pg(unit).row(
                _PUT,
                uuid,
                project,
                path,
                name,
                stored.size,
                stored.md5,
                stored.sha256,
                media_type,
                blob,
                record,
                extra,
                made_by,
                now,
            )
        except asyncpg.UniqueViolationError:  # the uuid: the path is taken care of
            raise StateConflict("The file was moved while its bytes came: send them again.") from None
        assert row is not None
        return file_of(row)

    async def add(
        self,
        unit: Unit,
        *,
        uuid: UUID,
        project: Project,
        path: str,
        name: str,
        stored: Stored,
        media_type: str,
        record: int | None,
        extra: Any,
        made_by: int | None,
        now: datetime,
        event: AuditEvent,
    ) -> File | None:
        """See ``ports.files.FileStore``."""
        try:
            row = await pg(unit).row(
                _ADD,
                uuid,
                project.seq,
                path,
                name,
                stored.size,
                stored.md5,
                stored.sha256,
                stored.key,
                media_type,
                record,
                extra,
                made_by,
                now,
                project.program,
                *event_values(event),
            )
        except asyncpg.UniqueViolationError:  # the path, or the uuid, was taken in between
            return None
        return None if row is None else file_of(row)

    async def list(
        self, unit: Unit, project: int, *, prefix: str, offset: int, limit: int, private: bool = True
    ) -> tuple[list[File], int]:
        """See ``ports.files.FileStore``."""
        shown = "" if private else f" and not {PRIVATE_FILE}"
        rows = await pg(unit).rows(
            f"select {FILE_COLUMNS}, t.n as total from (select count(*) as n from files f "  # noqa: S608
            f"  where project = $1 and starts_with(path, $2){shown}) t "
            f"left join lateral (select * from files f where project = $1 and starts_with(path, $2){shown} "
            '  order by path collate "C" offset $3 limit $4) f on true order by f.path collate "C"',
            project,
            prefix,
            offset,
            limit,
        )
        total = rows[0]["total"] if rows else 0
        return [file_of(row) for row in rows if row["seq"] is not None], total

    async def of_records(self, unit: Unit, records: Sequence[int]) -> list[File]:
        """See ``ports.files.FileStore``."""
        rows = await pg(unit).rows(
            f'select {FILE_COLUMNS} from files f where f.record = any($1) order by f.path collate "C"',  # noqa: S608
            list(records),
        )
        return [file_of(row) for row in rows]

    async def record(self, unit: Unit, project: int, type_name: str, sid_folded: str) -> int | None:
        """See ``ports.files.FileStore``."""
        return await pg(unit).value(
            "select seq from records where project = $1 and type = $2 and sid_folded = $3",
            project,
            type_name,
            sid_folded,
        )

    async def used(self, unit: Unit, program: int, *, alone: bool = False) -> int:
        """See ``ports.files.FileStore``."""
        if alone:
            await pg(unit).run("select pg_advisory_xact_lock(hashtextextended('quota ' || $1::text, 0))", str(program))
        return await pg(unit).value(
            "select coalesce(sum(f.size), 0)::bigint from files f join projects p on p.seq = f.project "
            "where p.program = $1 and f.blob is not null",
            program,
        )

    async def damaged(self, unit: Unit, key: str) -> bool:
        """See ``ports.files.FileStore``."""
        return bool(await pg(unit).value("select damaged is not null from blobs where key = $1", key))

    async def given_out(self, unit: Unit, key: str) -> bool:
        """See ``ports.files.FileStore``."""
        return bool(
            await pg(unit).value(
                "select exists (select from files where blob = $1) "
                "and not exists (select from blobs where key = $1 and damaged is not null)",
                key,
            )
        )

    async def at_paths(self, unit: Unit, project: int, paths: Sequence[str]) -> list[File]:
        """See ``ports.files.FileStore``."""
        rows = await pg(unit).rows(
            f"select {FILE_COLUMNS} from files f where f.project = $1 and f.path = any($2)",  # noqa: S608
            project,
            list(paths),
        )
        return [file_of(row) for row in rows]

    async def damaged_of(self, unit: Unit, keys: Sequence[str]) -> frozenset[str]:
        """See ``ports.files.FileStore``."""
        if not keys:
            return frozenset()
        rows = await pg(unit).rows("select key from blobs where key = any($1) and damaged is not null", list(keys))
        return frozenset(row["key"] for row in rows)

    async def unused_blobs(self, unit: Unit, limit: int) -> list[str]:
        """See ``ports.files.FileStore``."""
        if not await pg(unit).value("select pg_try_advisory_xact_lock($1)", PURGE_LOCK):
            return []
        rows = await pg(unit).rows(
            "delete from blobs where key in (select b.key from blobs b "
            "  where not exists (select from files f where f.blob = b.key) "
            "  and not exists (select from deleted_files d where d.blob = b.key) "
            "  order by b.key limit $1 for update skip locked) returning key",
            limit,
        )
        return [row["key"] for row in rows]
