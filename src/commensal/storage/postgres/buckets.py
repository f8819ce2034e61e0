"""Buckets of foreign stores and their keys, in PostgreSQL."""

# ruff: noqa: S608 - only our own text is put into statements

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from commensal.core.buckets import Bucket, BucketKey
from commensal.core.permissions import Scope
from commensal.storage.ports import Unit
from commensal.storage.ports.buckets import Sealed
from commensal.storage.postgres.database import pg

__all__ = ["PgBuckets"]

#: $1 whether all programs, $2 the programs, $3 the only one, if there is such.
_INSIDE = "(($1 or b.program = any($2::bigint[])) and ($3::bigint is null or b.program = $3))"
_BUCKETS = f"""
with hit as (select b.seq from buckets b join programs g on g.seq = b.program where {_INSIDE}
  and ($4::uuid is null or b.uuid = $4) and ($5::uuid is null or g.uuid = $5)),
page as (select seq from hit order by seq offset $6 limit $7)
select (select count(*) from hit), b.seq, b.uuid, b.name, b.endpoint_url, g.uuid, b.created
from page join buckets b on b.seq = page.seq join programs g on g.seq = b.program order by b.seq
"""
_KEYS = f"""
with hit as (select k.seq from bucket_keys k join buckets b on b.seq = k.bucket
  join programs g on g.seq = b.program where {_INSIDE}
  and ($4::uuid is null or k.uuid = $4) and ($5::uuid is null or b.uuid = $5)),
page as (select seq from hit order by seq offset $6 limit $7)
select (select count(*) from hit), k.uuid, b.uuid, k.description, k.public_key, k.created, k.updated
from page join bucket_keys k on k.seq = page.seq join buckets b on b.seq = k.bucket order by k.seq
"""


def _inside(scope: Scope) -> tuple[bool, list[int], int | None]:
    return scope.everything, sorted(scope.programs), scope.only_program


class PgBuckets:
    """Implements ``ports.buckets.BucketStore``."""

    async def buckets(
        self,
        unit: Unit,
        scope: Scope,
        *,
        uuid: UUID | None = None,
        program: UUID | None = None,
        offset: int = 0,
        limit: int = 1,
    ) -> tuple[list[Bucket], int]:
        """See the port."""
        rows = await pg(unit).rows(_BUCKETS, *_inside(scope), uuid, program, offset, limit)
        return [Bucket(*row[1:]) for row in rows], rows[0][0] if rows else 0

    async def add_bucket(
        self, unit: Unit, *, uuid: UUID, program: int, name: str, endpoint: str, who: int | None, at: datetime
    ) -> bool:
        """See the port."""
        made = await pg(unit).run(
            "insert into buckets (uuid, program, name, endpoint_url, made_by, created) values ($1, $2, $3, $4, $5, $6) "
            "on conflict do nothing",
            uuid,
            program,
            name,
            endpoint,
            who,
            at,
        )
        return made > 0

    async def delete_bucket(self, unit: Unit, uuid: UUID) -> None:
        """See the port."""
        await pg(unit).run("delete from buckets where uuid = $1", uuid)

    async def keys(
        self,
        unit: Unit,
        scope: Scope,
        *,
        uuid: UUID | None = None,
        bucket: UUID | None = None,
        offset: int = 0,
        limit: int = 1,
    ) -> tuple[list[BucketKey], int]:
        """See the port."""
        rows = await pg(unit).rows(_KEYS, *_inside(scope), uuid, bucket, offset, limit)
        return [BucketKey(*row[1:]) for row in rows], rows[0][0] if rows else 0

    async def add_key(
        self,
        unit: Unit,
        *,
        uuid: UUID,
        bucket: UUID,
        description: str,
        public_key: str,
        sealed: bytes,
        who: int | None,
        at: datetime,
    ) -> None:
        """See the port."""
        await pg(unit).run(
            "insert into bucket_keys (uuid, bucket, description, public_key, sealed, made_by, created, updated) "
            "select $1, b.seq, $3, $4, $5, $6, $7, $7 from buckets b where b.uuid = $2",
            uuid,
            bucket,
            description,
            public_key,
            sealed,
            who,
            at,
        )

    async def delete_key(self, unit: Unit, uuid: UUID) -> None:
        """See the port."""
        await pg(unit).run("delete from bucket_keys where uuid = $1", uuid)

    async def program_of(self, unit: Unit, uuid: UUID) -> int | None:
        """See the port."""
        return await pg(unit).value(
            "select b.program from buckets b join programs g on g.seq = b.program where b.uuid = $1 union all "
            "select b.program from bucket_keys k join buckets b on b.seq = k.bucket "
            "join programs g on g.seq = b.program where k.uuid = $1 limit 1",
            uuid,
        )

    async def sealed(self, unit: Unit, program: int, names: Collection[str]) -> list[Sealed]:
        """See the port."""
        rows = await pg(unit).rows(
            "select distinct on (b.seq) b.endpoint_url, b.name, k.public_key, k.sealed from buckets b "
            "join bucket_keys k on k.bucket = b.seq where b.program = $1 and b.name = any($2::text[]) "
            "order by b.seq, k.seq desc",
            program,
            sorted(names),
        )
        return [Sealed(*row) for row in rows]

    async def vouched(self, unit: Unit, program: int, roles: Collection[str], fields: Collection[UUID]) -> list[UUID]:
        """See the port."""
        rows = await pg(unit).rows(
            "select r.uuid from records r join lateral (select v.who from record_versions v where v.seq = r.seq "
            "and v.after->'props'->>'value' = r.props->>'value' order by v.n limit 1) w on true "
            "left join users u on u.seq = w.who where r.uuid = any($3::uuid[]) and (w.who is null or u.site_admin "
            "or exists (select from grants x where x.program = $1 and x.project is null and x.role = any($2::text[]) "
            "and (x.until is null or x.until > now()) and (x.user_seq = w.who or x.group_seq in "
            "(select m.group_seq from group_members m where m.user_seq = w.who))))",
            program,
            sorted(roles),
            sorted(fields),
        )
        return [row[0] for row in rows]
