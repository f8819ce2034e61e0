"""Rows of files as index records, and back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import asyncpg

from commensal.core.files import File
from commensal.core.index import IndexRecord, authz_place, project_path, rev_of
from commensal.core.permissions import PublicLevel
from commensal.core.projects import Mode, Project, ProjectKind
from commensal.storage.ports.index import NewIndexRow
from commensal.storage.postgres.files import FILE_COLUMNS

__all__ = ["GIVEN", "INDEX_COLUMNS", "JOINED", "given_values", "joined_record", "record_of"]

INDEX_COLUMNS: Final = (
    f"{FILE_COLUMNS}, f.did_prefix, f.baseid, f.version, f.uploader, f.urls, f.urls_metadata, f.acl, f.authz, "
    "f.hashes, f.metadata, f.description, f.content_created, f.content_updated"
)
_AFTER_FILE: Final = FILE_COLUMNS.count(",") + 1
_AFTER_INDEX: Final = INDEX_COLUMNS.count(",") + 1
#: The same with the file's project beside it.
JOINED: Final = (
    f"select {INDEX_COLUMNS}, p.uuid as p_uuid, p.program as p_program, g.code as p_program_code, "  # noqa: S608 - fixed names
    "p.code as p_code, "
    "p.polly_code as p_polly_code, p.title as p_title, p.kind as p_kind, p.mode as p_mode, "
    "p.public_level as p_public_level, p.state as p_state, p.released as p_released, p.properties as p_properties, "
    "p.extra as p_extra, p.made_by as p_made_by, p.change as p_change, p.created as p_created, p.updated as p_updated "
    "from files f join projects p on p.seq = f.project join programs g on g.seq = p.program "
)
#: Values as they are sent, one JSON array for all rows.
GIVEN: Final = (
    "jsonb_to_recordset($1::jsonb) as t (uuid uuid, project bigint, name text, size bigint, md5 text, sha256 text, "
    "hashes jsonb, did_prefix text, baseid text, version text, uploader text, urls text[], urls_metadata jsonb, "
    "acl text[], authz text[], metadata jsonb, description text, content_created timestamptz, "
    "content_updated timestamptz, made_by bigint, media_type text)"
)


def record_of(row: asyncpg.Record, project: Project) -> IndexRecord:
    """Return the record in a row with ``INDEX_COLUMNS``."""
    return _record(row, _file(row), project)


def joined_record(row: asyncpg.Record) -> IndexRecord:
    """Return the record in a row of ``JOINED``."""
    file = _file(row)
    project = Project(
        seq=file.project,
        uuid=row["p_uuid"],
        program=row["p_program"],
        program_code=row["p_program_code"],
        code=row["p_code"],
        polly_code=row["p_polly_code"],
        title=row["p_title"],
        kind=ProjectKind(row["p_kind"]),
        mode=Mode(row["p_mode"]),
        public_level=PublicLevel(row["p_public_level"]),
        state=row["p_state"],
        released=row["p_released"],
        properties=row["p_properties"],
        extra=row["p_extra"],
        made_by=row["p_made_by"],
        change=row["p_change"],
        created=row["p_created"],
        updated=row["p_updated"],
    )
    return _record(row, file, project)


def _file(row: asyncpg.Record) -> File:
    """Do as ``file_of`` for a row that begins with ``FILE_COLUMNS``: by place, which saves a third of the time."""
    (
        seq, uuid, project, path, name, size, md5, sha256, media_type, state, blob, record, extra, made_by, change,
        created, updated, private,
    ) = row[:_AFTER_FILE]  # fmt: skip
    return File(
        seq=seq,
        uuid=uuid,
        project=project,
        path=path,
        name=name,
        size=size,
        md5=None if md5 is None else md5.hex(),
        sha256=None if sha256 is None else sha256.hex(),
        media_type=media_type,
        state=state,
        blob=blob,
        record=record,
        made_by=made_by,
        change=change,
        created=created,
        updated=updated,
        extra=extra,
        private=private,
    )


def _record(row: asyncpg.Record, file: File, project: Project) -> IndexRecord:
    (
        prefix, baseid, version, uploader, urls, urls_metadata, acl, authz, more_hashes, metadata, description,
        content_created, content_updated,
    ) = row[_AFTER_FILE:_AFTER_INDEX]  # fmt: skip
    uuid = str(file.uuid)
    hashes: dict[str, str] = {} if file.md5 is None else {"md5": file.md5}
    if file.sha256 is not None:
        hashes["sha256"] = file.sha256
    if more_hashes:
        hashes.update(more_hashes)
    did = uuid if prefix is None else prefix + uuid
    return IndexRecord(
        did=did,
        baseid=baseid or did,
        rev=rev_of(file),
        size=file.size,
        file_name=None if file.name == uuid else file.name,
        version=version,
        uploader=uploader,
        urls=tuple(urls or ()),
        urls_metadata=urls_metadata or {},
        acl=tuple(acl or ()),
        authz=(project_path(project),) if authz is None else _shown(authz, project),
        hashes=hashes,
        metadata=metadata or {},
        form="object",
        description=description,
        content_created=content_created,
        content_updated=content_updated,
        created=file.created,
        updated=file.updated,
        file=file,
        project=project,
    )


def _shown(paths: Iterable[str], project: Project) -> tuple[str, ...]:
    return tuple(project_path(project) + path[1:] if path.startswith(".") else path for path in paths)


def stored_authz(paths: Sequence[str] | None, project: Project) -> list[str] | None:
    """Return authz paths as they are stored: below the file's own project they begin with ``.``."""
    if paths is None:
        return None
    kept: list[str] = []
    for path in paths:
        place = authz_place(path)
        own = place is not None and (place.program, place.project) == (project.program_code, project.code)
        kept.append(f".{place.rest}" if own and place is not None else path)
    return None if kept == ["."] else kept


def given_values(rows: Sequence[NewIndexRow], projects: dict[int, Project]) -> list[dict[str, Any]]:
    """Return rows as ``GIVEN`` reads them; nothing is stored of what is empty."""
    return [
        {
            "uuid": str(row.uuid),
            "project": row.project,
            "name": row.name or str(row.uuid),
            "size": row.size,
            "md5": row.md5,
            "sha256": row.sha256,
            "hashes": dict(row.hashes) or None,
            "did_prefix": row.prefix or None,
            "baseid": None if row.baseid == f"{row.prefix}{row.uuid}" else row.baseid,
            "version": row.version,
            "uploader": row.uploader,
            "urls": list(row.urls) or None,
            "urls_metadata": dict(row.urls_metadata) or None,
            "acl": list(row.acl) or None,
            "authz": stored_authz(row.authz, projects[row.project]),
            "metadata": dict(row.metadata) or None,
            "description": row.description,
            "content_created": row.content_created,
            "content_updated": row.content_updated,
            "made_by": row.made_by,
            "media_type": row.media_type,
        }
        for row in rows
    ]
