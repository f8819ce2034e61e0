"""The files of a project that no field of an analysis result holds."""

# ruff: noqa: S608 - only our own text is put into statements

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from commensal.core.files import File
from commensal.storage.ports import Unit
from commensal.storage.postgres.database import pg
from commensal.storage.postgres.files import FILE_COLUMNS, file_of
from commensal.storage.postgres.private_records import PRIVATE_FILE

__all__ = ["PgProjectFiles"]

#: Parameter: stored types of fields.
_NO_FIELD = (
    "f.blob is not null and not exists (select from records r where r.seq = f.record and r.type = any($1::text[]))"
)
_PAGE = f"""
with found as not materialized (
    select f.* from files f where f.project = $2::bigint and {_NO_FIELD}
       and ($3::text is null or lower(f.name) = lower($3::text)) and ($4::uuid is null or f.uuid = $4::uuid){{shown}})
select {FILE_COLUMNS}, t.n as total from (select count(*) as n from found) t
  left join lateral (select * from found order by seq {{order}} offset $5 limit $6) f on true order by f.seq {{order}}
"""
_BY_UUID = f"select {FILE_COLUMNS} from files f where f.uuid = $2::uuid and {_NO_FIELD}"


class PgProjectFiles:
    """Implements ``ports.project_files.ProjectFileReads``."""

    async def page(
        self,
        unit: Unit,
        fields: Sequence[str],
        *,
        project: int,
        name: str | None = None,
        uuid: UUID | None = None,
        newest_first: bool = False,
        private: bool = True,
        offset: int,
        limit: int,
    ) -> tuple[list[File], int]:
        """See the port."""
        sql = _PAGE.format(order="desc" if newest_first else "asc", shown="" if private else f" and not {PRIVATE_FILE}")
        rows = await pg(unit).rows(sql, list(fields), project, name, uuid, offset, limit)
        return [file_of(row) for row in rows if row["seq"] is not None], rows[0]["total"]

    async def by_uuid(self, unit: Unit, fields: Sequence[str], uuid: UUID) -> File | None:
        """See the port."""
        row = await pg(unit).row(_BY_UUID, list(fields), uuid)
        return None if row is None else file_of(row)
