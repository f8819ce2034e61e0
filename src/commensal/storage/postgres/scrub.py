"""The health of stored bytes, in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from commensal.storage.ports import Unit
from commensal.storage.ports.scrub import KnownBlob
from commensal.storage.postgres.database import pg

__all__ = ["PgScrub"]


class PgScrub:
    """See ``ports.scrub.ScrubStore``."""

    async def known(self, unit: Unit, after: str, limit: int) -> list[KnownBlob]:
        """See ``ports.scrub.ScrubStore``."""
        rows = await pg(unit).rows(
            "select key, size, md5, sha256, damaged is not null as damaged from blobs "
            "where key > $1 order by key limit $2",
            after,
            limit,
        )
        return [KnownBlob(row["key"], row["size"], row["md5"], row["sha256"], row["damaged"]) for row in rows]

    async def note(self, unit: Unit, key: str, at: datetime, *, damaged: bool) -> bool:
        """See ``ports.scrub.ScrubStore``."""
        changed = await pg(unit).run(
            "update blobs set checked = $2, damaged = case when $3 then coalesce(damaged, $2) end where key = $1",
            key,
            at,
            damaged,
        )
        return changed > 0

    async def files_of(self, unit: Unit, key: str, limit: int) -> list[str]:
        """See ``ports.scrub.ScrubStore``."""
        rows = await pg(unit).rows(
            "select g.code || '-' || p.code || ' ' || f.path as place from files f "
            "join projects p on p.seq = f.project join programs g on g.seq = p.program "
            "where f.blob = $1 order by f.seq limit $2",
            key,
            limit,
        )
        return [row["place"] for row in rows]

    async def unknown(self, unit: Unit, keys: Sequence[str]) -> list[str]:
        """See ``ports.scrub.ScrubStore``. A young stray may be on its way: the upload that made it is still open."""
        rows = await pg(unit).rows(
            "select k as key from unnest($1::text[]) k where not exists (select from blobs b where b.key = k) "
            "and not exists (select from uploads u where split_part(u.handle, ':', 1) = k "
            "  and u.state in ('registered', 'uploading', 'verifying'))",
            list(keys),
        )
        return [row["key"] for row in rows]
