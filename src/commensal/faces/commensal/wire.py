"""Values of our own API: what goes out, and the shapes that come in."""

from __future__ import annotations

from typing import Any

import msgspec

from commensal.core.files import File
from commensal.core.permissions import Right
from commensal.core.principals import Principal
from commensal.core.projects import Program, Project
from commensal.core.records import Record

__all__ = [
    "NewProgram",
    "NewProject",
    "file_values",
    "principal_values",
    "program_values",
    "project_values",
    "record_values",
    "right_words",
]


class NewProgram(msgspec.Struct, forbid_unknown_fields=True):
    """Body of ``POST programs``."""

    code: str
    title: str | None = None
    listed: bool = True
    properties: dict[str, Any] | None = None


class NewProject(msgspec.Struct, forbid_unknown_fields=True):
    """Body of ``POST programs/{program}/projects``."""

    code: str
    title: str | None = None
    kind: str = "study"
    mode: str = "open"
    public: str | None = None
    properties: dict[str, Any] | None = None
    extra: Any = None


def right_words(rights: Right) -> list[str]:
    """Return the names of rights."""
    return [right.word for right in Right if right & rights]


def principal_values(principal: Principal) -> dict[str, Any]:
    """Return who calls."""
    return {
        "kind": principal.kind.value,
        "user": principal.user,
        "email": principal.email or None,
        "name": principal.name or None,
        "site_admin": principal.site_admin,
        "only_program": principal.only_program,
        "scopes": sorted(principal.scopes),
    }


def program_values(program: Program) -> dict[str, Any]:
    """Return a program."""
    return {
        "code": program.code,
        "title": program.title,
        "seq": program.seq,
        "uuid": program.uuid,
        "listed": program.listed,
        "home": program.home_of is not None,
        "properties": program.properties,
        "created": program.created,
        "updated": program.updated,
    }


def project_values(project: Project) -> dict[str, Any]:
    """Return a project."""
    return {
        "project_id": project.project_id,
        "program": project.program_code,
        "code": project.code,
        "polly_code": project.polly_code,
        "title": project.title,
        "seq": project.seq,
        "uuid": project.uuid,
        "kind": project.kind.value,
        "mode": project.mode.value,
        "public": project.public_level.word,
        "state": project.state,
        "released": project.released,
        "properties": project.properties,
        "extra": project.extra,
        "created": project.created,
        "updated": project.updated,
    }


def file_values(file: File) -> dict[str, Any]:
    """Return a file, without the store's key."""
    return {
        "path": file.path,
        "name": file.name,
        "size": file.size,
        "md5": file.md5,
        "sha256": file.sha256,
        "media_type": file.media_type,
        "seq": file.seq,
        "uuid": file.uuid,
        "record": file.record,
        "extra": file.extra,
        "created": file.created,
        "updated": file.updated,
    }


def record_values(record: Record) -> dict[str, Any]:
    """Return a record; system types are shown without their prefix."""
    return {
        "type": record.type.removeprefix("commensal."),
        "submitter_id": record.submitter_id,
        "label": record.label,
        "seq": record.seq,
        "uuid": record.uuid,
        "state": record.state,
        "version": record.version,
        "properties": record.props,
        "extra": record.extra,
        "created": record.created,
        "updated": record.updated,
    }
