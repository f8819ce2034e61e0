"""Uploads in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from commensal.core.uploads import NewUpload, Upload, UploadState
from commensal.storage.ports import Unit
from commensal.storage.ports.blobs import Part
from commensal.storage.postgres.database import pg
from commensal.storage.postgres.users import KEPT_CALLER

__all__ = ["PgUploads"]

_COLUMNS = (
    "uuid, project, path, file, parts, direct, handle, state, size, md5, sha256, media_type, record_type, record_name, "
    f"extra, {KEPT_CALLER}, user_seq, error, created, expires, growing, meta, fills"
)


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else bytes.fromhex(text)


def _upload(row: asyncpg.Record) -> Upload:
    md5, sha256 = row["md5"], row["sha256"]
    return Upload(
        uuid=row["uuid"],
        project=row["project"],
        path=row["path"],
        file=row["file"],
        parts=row["parts"],
        direct=row["direct"],
        handle=row["handle"],
        state=UploadState(row["state"]),
        size=row["size"],
        md5=None if md5 is None else md5.hex(),
        sha256=None if sha256 is None else sha256.hex(),
        media_type=row["media_type"],
        record=None if row["record_type"] is None else (row["record_type"], row["record_name"]),
        extra=row["extra"],
        caller=row["caller"],
        user=row["user_seq"],
        error=row["error"],
        created=row["created"],
        expires=row["expires"],
        growing=row["growing"],
        meta=row["meta"] or "",
        fills=row["fills"],
    )


class PgUploads:
    """See ``ports.uploads.UploadStore``."""

    async def add(self, unit: Unit, new: NewUpload) -> Upload:
        """See ``ports.uploads.UploadStore``."""
        row = await pg(unit).row(
            "insert into uploads (uuid, project, path, file, parts, direct, handle, size, md5, sha256, media_type, "  # noqa: S608
            "  record_type, record_name, extra, caller, user_seq, created, expires, growing, meta, fills) values "
            "($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21) "
            f"returning {_COLUMNS}",
            new.uuid,
            new.project,
            new.path,
            new.file,
            new.parts,
            new.direct,
            new.handle,
            new.size,
            _bytes(new.md5),
            _bytes(new.sha256),
            new.media_type,
            None if new.record is None else new.record[0],
            None if new.record is None else new.record[1],
            new.extra,
            dict(new.caller),
            new.user,
            new.created,
            new.expires,
            new.growing,
            new.meta or None,
            new.fills,
        )
        assert row is not None
        return _upload(row)

    async def find(self, unit: Unit, uuid: UUID, *, lock: bool = False) -> Upload | None:
        """See ``ports.uploads.UploadStore``."""
        end = " for update" if lock else ""
        row = await pg(unit).row(f"select {_COLUMNS} from uploads where uuid = $1{end}", uuid)  # noqa: S608
        return None if row is None else _upload(row)

    async def set_state(
        self, unit: Unit, uuid: UUID, state: UploadState, *, error: str | None = None, file: UUID | None = None
    ) -> None:
        """See ``ports.uploads.UploadStore``."""
        await pg(unit).run(
            "update uploads set state = $2, error = $3, file = coalesce($4, file), claimed = null where uuid = $1",
            uuid,
            state.value,
            error,
            file,
        )

    async def put_part(self, unit: Unit, uuid: UUID, part: Part) -> bool:
        """See ``ports.uploads.UploadStore``."""
        return bool(
            await pg(unit).run(
                "with opened as (update uploads set state = 'uploading' "
                "  where uuid = $1 and state in ('registered', 'uploading') returning uuid) "
                "insert into upload_parts (upload, number, size, etag) select uuid, $2, $3, $4 from opened "
                "on conflict (upload, number) do update set size = excluded.size, etag = excluded.etag, made = now()",
                uuid,
                part.number,
                part.size,
                part.etag,
            )
        )

    async def choose_parts(self, unit: Unit, uuid: UUID, parts: Sequence[Part]) -> None:
        """See ``ports.uploads.UploadStore``."""
        await pg(unit).run(
            "with gone as (delete from upload_parts where upload = $1 and number <> all($2::int[])) "
            "insert into upload_parts (upload, number, size, etag) "
            "select $1, n, s, e from unnest($2::int[], $3::bigint[], $4::text[]) as chosen (n, s, e) "
            "on conflict (upload, number) do update set size = excluded.size, etag = excluded.etag",
            uuid,
            [part.number for part in parts],
            [part.size for part in parts],
            [part.etag for part in parts],
        )

    async def parts(self, unit: Unit, uuid: UUID) -> list[Part]:
        """See ``ports.uploads.UploadStore``."""
        rows = await pg(unit).rows(
            "select number, size, etag from upload_parts where upload = $1 order by number", uuid
        )
        return [Part(row["number"], row["size"], row["etag"]) for row in rows]

    async def claim(self, unit: Unit, now: datetime, stale: datetime, *, uuid: UUID | None = None) -> Upload | None:
        """See ``ports.uploads.UploadStore``."""
        row = await pg(unit).row(
            "update uploads set claimed = $1 where uuid = (select uuid from uploads "  # noqa: S608
            "  where state = 'verifying' and (claimed is null or claimed < $2) and ($3::uuid is null or uuid = $3) "
            f"  order by claimed nulls first limit 1 for update skip locked) returning {_COLUMNS}",
            now,
            stale,
            uuid,
        )
        return None if row is None else _upload(row)

    async def hold(self, unit: Unit, uuid: UUID, now: datetime) -> None:
        """See ``ports.uploads.UploadStore``."""
        await pg(unit).run("update uploads set claimed = $2 where uuid = $1 and state = 'verifying'", uuid, now)

    async def waiting(self, unit: Unit, now: datetime, before: datetime, limit: int) -> list[Upload]:
        """See ``ports.uploads.UploadStore``."""
        rows = await pg(unit).rows(
            "update uploads set claimed = $1 where uuid in (select uuid from uploads "  # noqa: S608
            "  where state = 'registered' and direct and not parts and expires > $1 "
            "  and (claimed is null or claimed < $2) "
            f"  order by claimed nulls first limit $3 for update skip locked) returning {_COLUMNS}",
            now,
            before,
            limit,
        )
        return [_upload(row) for row in rows]

    async def abandoned(self, unit: Unit, now: datetime, limit: int) -> list[Upload]:
        """See ``ports.uploads.UploadStore``."""
        rows = await pg(unit).rows(
            f"select {_COLUMNS} from uploads where expires < $1 and state in ('registered', 'uploading') "  # noqa: S608
            "order by expires limit $2",
            now,
            limit,
        )
        return [_upload(row) for row in rows]

    async def open_handles(self, unit: Unit) -> set[str]:
        """See ``ports.uploads.UploadStore``."""
        rows = await pg(unit).rows("select handle from uploads where state in ('registered', 'uploading', 'verifying')")
        return {row["handle"] for row in rows}

    async def forget(self, unit: Unit, before: datetime) -> int:
        """See ``ports.uploads.UploadStore``."""
        return await pg(unit).run(
            "delete from uploads where expires < $1 and state in ('available', 'refused', 'ended')", before
        )

    async def take(
        self, unit: Unit, uuid: UUID, writer: UUID, now: datetime, stale: datetime, expires: datetime
    ) -> bool | None:
        """See ``ports.uploads.UploadStore``."""
        row = await pg(unit).row(
            "update uploads set state = 'uploading', "
            "  wanted = not (writer is null or writer = $2 or beat < $4), "
            "  beat = case when writer is null or writer = $2 or beat < $4 then $3 else beat end, "
            "  expires = case when writer is null or writer = $2 or beat < $4 then greatest(expires, $5) "
            "    else expires end, "
            "  writer = case when writer is null or writer = $2 or beat < $4 then $2 else writer end "
            "where uuid = $1 and state in ('registered', 'uploading') returning writer = $2 as mine",
            uuid,
            writer,
            now,
            stale,
            expires,
        )
        return None if row is None else bool(row["mine"])

    async def idle(self, unit: Unit, uuid: UUID, stale: datetime) -> bool:
        """See ``ports.uploads.UploadStore``."""
        return bool(
            await pg(unit).value(
                "select writer is null or beat < $2 from uploads "
                "where uuid = $1 and state in ('registered', 'uploading')",
                uuid,
                stale,
            )
        )

    async def beat(self, unit: Unit, uuid: UUID, writer: UUID, now: datetime, expires: datetime) -> bool:
        """See ``ports.uploads.UploadStore``."""
        row = await pg(unit).row(
            "update uploads set beat = $3, expires = greatest(expires, $4) "
            "where uuid = $1 and writer = $2 and state = 'uploading' returning wanted",
            uuid,
            writer,
            now,
            expires,
        )
        return row is not None and not row["wanted"]

    async def lost(self, unit: Unit, stale: datetime, limit: int) -> list[Upload]:
        """See ``ports.uploads.UploadStore``."""
        rows = await pg(unit).rows(
            f"select {_COLUMNS} from uploads where writer is not null and beat < $1 and state = 'uploading' "  # noqa: S608
            "order by beat limit $2",
            stale,
            limit,
        )
        return [_upload(row) for row in rows]

    async def leave_lost(self, unit: Unit, uuid: UUID, stale: datetime) -> None:
        """See ``ports.uploads.UploadStore``."""
        await pg(unit).run(
            "update uploads set writer = null, beat = null, wanted = false where uuid = $1 and beat < $2", uuid, stale
        )

    async def leave(self, unit: Unit, uuid: UUID, writer: UUID) -> None:
        """See ``ports.uploads.UploadStore``."""
        await pg(unit).run(
            "update uploads set writer = null, beat = null, wanted = false where uuid = $1 and writer = $2",
            uuid,
            writer,
        )
