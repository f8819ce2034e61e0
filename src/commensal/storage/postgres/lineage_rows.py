"""Columns of programs, projects, records and settings in a fixed order, and the values in such rows."""

from __future__ import annotations

from typing import Any

import asyncpg

from commensal.core.lineage import Lineage, ResultSettings
from commensal.core.permissions import PublicLevel
from commensal.core.projects import Mode, Program, Project, ProjectKind
from commensal.core.records import Record

__all__ = [
    "FIELD_ROW",
    "PROGRAM_LIST",
    "PROJECT_ROW",
    "RESULT_ROW",
    "SAMPLE_ROW",
    "SETTINGS_LIST",
    "lineage_of",
    "program_at",
    "project_at",
    "record_at",
    "record_list",
]

#: A row, or a part of one.
Row = asyncpg.Record | tuple[Any, ...]
PROGRAM_LIST = "g.seq, g.uuid, g.code, g.title, g.listed, g.home_of, g.made_by, g.properties, g.created, g.updated"
_PROGRAM = 10
_PROJECT_LIST = (
    "p.seq, p.uuid, p.program, g.code, p.code, p.polly_code, p.title, p.kind, p.mode, p.public_level, p.state, "
    "p.released, p.properties, p.extra, p.made_by, p.change, p.created, p.updated"
)
_PROJECT = 18
_RECORD = 13


def record_list(alias: str) -> str:
    """Return the columns of a record as ``record_at`` reads them."""
    names = ("seq", "uuid", "project", "type", "submitter_id", "label", "state", "props")
    rest = ("version", "change", "created", "updated")
    return ", ".join(
        [
            *(f"{alias}.{name}" for name in names),
            f"coalesce({alias}.extra, '{{}}'::jsonb)",
            *(f"{alias}.{name}" for name in rest),
        ]
    )


SETTINGS_LIST = "coalesce(x.private, false), coalesce(x.hidden, false), x.described_by"
#: What a row begins with: the program ``g`` and its project ``p``.
PROJECT_ROW = f"{PROGRAM_LIST}, {_PROJECT_LIST}"
SAMPLE_ROW = f"{PROJECT_ROW}, {record_list('s')}"
#: The result ``a`` with its settings ``x``; the sample may be null.
RESULT_ROW = f"{SAMPLE_ROW}, {record_list('a')}, {SETTINGS_LIST}"
FIELD_ROW = f"{RESULT_ROW}, {record_list('f')}"

_SAMPLE_AT = _PROGRAM + _PROJECT
_RESULT_AT = _SAMPLE_AT + _RECORD
_SETTINGS_AT = _RESULT_AT + _RECORD
_FIELD_AT = _SETTINGS_AT + 3


def program_at(row: Row, at: int = 0) -> Program:
    """Return the program whose columns begin at a place of a row."""
    return Program(*row[at : at + _PROGRAM])


def project_at(row: Row, at: int) -> Project:
    """Return the project whose columns begin at a place of a row."""
    values: list[Any] = list(row[at : at + _PROJECT])
    values[7:10] = ProjectKind(values[7]), Mode(values[8]), PublicLevel(values[9])
    return Project(*values)


def record_at(row: Row, at: int) -> Record | None:
    """Return the record whose columns begin at a place of a row; None where they are null."""
    return None if row[at] is None else Record(*row[at : at + _RECORD])


def lineage_of(row: Row) -> Lineage:
    """Return the lineage in a row that begins with PROJECT_ROW and goes down as far as it goes."""
    width = len(row)
    return Lineage(
        program_at(row),
        project_at(row, _PROGRAM),
        record_at(row, _SAMPLE_AT) if width > _SAMPLE_AT else None,
        record_at(row, _RESULT_AT) if width > _RESULT_AT else None,
        record_at(row, _FIELD_AT) if width > _FIELD_AT else None,
        ResultSettings(*row[_SETTINGS_AT:_FIELD_AT]) if width > _RESULT_AT else ResultSettings(),
    )
