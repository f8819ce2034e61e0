"""A project's files level by level in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg

from commensal.core.folders import FileEntry, Folder, FolderPage
from commensal.storage.ports import Unit
from commensal.storage.postgres.database import pg
from commensal.storage.postgres.private_records import PRIVATE_FILE

__all__ = ["PgFolders"]

_FILE = "f.seq, f.uuid, f.path, f.name, f.size, f.md5, f.media_type, f.state, f.blob is not null as here, f.updated"
_ORDERS = {"path": 'path collate "C"', "size": "size", "updated": "updated"}

#: Below a prefix: one row for each folder of the next level, one for each file on it.
_LEVEL = """
with below as materialized (
  select f.seq, f.path, f.size, f.updated, strpos(substr(f.path, length($2) + 1), '/') as slash
  from files f where f.project = $1 and starts_with(f.path, $2){shown}),
entries as (
  select null::bigint as seq, left(path, length($2) + slash) as path, count(*) as n, sum(size) as size,
    max(updated) as updated from below where slash > 0 group by 2
  union all
  select seq, path, 1, size, updated from below where slash = 0)"""

#: Files anywhere below a prefix that have a text in their path.
_FOUND = """
with entries as (
  select f.seq, f.path, 1 as n, f.size, f.updated
  from files f where f.project = $1 and starts_with(f.path, $2) and strpos(lower(f.path), lower($5)) > 0{shown})"""


def _shown(*, private: bool) -> str:
    return "" if private else f" and not {PRIVATE_FILE}"


def _entry(row: asyncpg.Record) -> FileEntry:
    return FileEntry(
        seq=row["seq"],
        uuid=row["uuid"],
        path=row["path"],
        name=row["name"],
        size=row["size"],
        md5="" if row["md5"] is None else row["md5"].hex(),
        media_type=row["media_type"],
        state=row["state"],
        here=row["here"],
        updated=row["updated"],
    )


def _folder(row: asyncpg.Record) -> Folder:
    path = row["entry"]
    return Folder(path, path.rstrip("/").rpartition("/")[2], row["n"], int(row["bytes"] or 0), row["changed"])


class PgFolders:
    """See ``ports.folders.FolderStore``."""

    async def level(
        self,
        unit: Unit,
        project: int,
        *,
        prefix: str,
        search: str,
        order: str,
        descending: bool,
        offset: int,
        limit: int,
        private: bool = True,
    ) -> FolderPage:
        """See ``ports.folders.FolderStore``."""
        entries = (_FOUND if search else _LEVEL).format(shown=_shown(private=private))
        by = f"{_ORDERS[order]} {'desc nulls last' if descending else 'asc nulls first'}"
        by = f'seq is not null, {by}, path collate "C"'
        rows = await pg(unit).rows(
            f"{entries}, "  # noqa: S608 - constants of this module
            "sums as (select count(*) as total, coalesce(sum(n), 0) as files, coalesce(sum(size), 0) as bytes "
            "  from entries), "
            f"page as (select *, row_number() over (order by {by}) as at from entries "
            f"  order by {by} offset $3 limit $4) "
            "select s.total, s.files as all_files, s.bytes as all_bytes, p.path as entry, p.n, p.size as bytes, "
            f"p.updated as changed, {_FILE} from sums s left join page p on true left join files f on f.seq = p.seq "
            "order by p.at",
            project,
            prefix,
            offset,
            limit,
            *([search] if search else []),
        )
        first = rows[0]
        entries = tuple(_folder(row) if row["seq"] is None else _entry(row) for row in rows if row["entry"] is not None)
        return FolderPage(entries, first["total"], int(first["all_files"]), int(first["all_bytes"]))

    async def at(self, unit: Unit, project: int, paths: Sequence[str], *, private: bool = True) -> list[FileEntry]:
        """See ``ports.folders.FolderStore``."""
        rows = await pg(unit).rows(
            f"select {_FILE} from files f where f.project = $1 and f.path = any($2){_shown(private=private)}",  # noqa: S608
            project,
            list(paths),
        )
        return [_entry(row) for row in rows]
