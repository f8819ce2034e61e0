"""Programs, projects and what hangs on them, as values."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from commensal.core.permissions import PublicLevel

__all__ = ["CatalogObject", "Mode", "Program", "Project", "ProjectKind"]


class ProjectKind(enum.StrEnum):
    """A label for display and no filter, except that a collection is listed by Pangea and the portal only."""

    STUDY = "study"
    ATLAS = "atlas"
    LIBRARY = "library"
    WORKSPACE = "workspace"
    COLLECTION = "collection"


class Mode(enum.StrEnum):
    """Strict binds every door to the dictionary; open relaxes the doors other than Gen3."""

    STRICT = "strict"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Program:
    """An owner of projects: Gen3 program, Pangea organization, Polly organisation, Opal workspace."""

    seq: int
    uuid: UUID
    code: str
    title: str
    listed: bool
    home_of: int | None
    made_by: int | None
    properties: dict[str, Any]
    created: datetime
    updated: datetime


@dataclass(frozen=True, slots=True)
class Project:
    """The unit that people share; rights hang here."""

    seq: int
    uuid: UUID
    program: int
    program_code: str
    code: str
    polly_code: str
    title: str
    kind: ProjectKind
    mode: Mode
    public_level: PublicLevel
    state: str
    released: bool
    properties: dict[str, Any]
    extra: Any
    made_by: int | None
    change: int
    created: datetime
    updated: datetime

    @property
    def project_id(self) -> str:
        """``<program code>-<project code>``, Gen3's name of a project; split it at the first ``-``."""
        return f"{self.program_code}-{self.code}"


@dataclass(frozen=True, slots=True)
class CatalogObject:
    """What belongs to a program or to the site and is no record: panels, templates, pipelines, …"""

    seq: int
    uuid: UUID
    program: int | None
    kind: str
    name: str
    body: dict[str, Any] = field(default_factory=dict[str, Any])
    version: int = 1
    made_by: int | None = None
    created: datetime | None = None
    updated: datetime | None = None
