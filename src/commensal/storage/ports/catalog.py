"""What the catalog asks of storage: programs, projects, collections, catalog objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from commensal.core.catalog import MemberRecord, ObjectVersion
from commensal.core.permissions import Scope
from commensal.core.projects import CatalogObject, Program, Project
from commensal.storage.ports import Unit

__all__ = [
    "CollectionStore",
    "NewProgram",
    "NewProject",
    "ObjectStore",
    "ProgramStore",
    "ProgramView",
    "ProjectFilter",
    "ProjectStore",
    "Ref",
]

#: A name by which a thing is looked up: number (seq), uuid, or text (see the stores).
Ref = str | UUID | int


@dataclass(frozen=True, slots=True)
class NewProgram:
    """A program to be made; ``uuids`` are tried in order, the first that is free is taken."""

    uuids: Sequence[UUID]
    code: str
    code_folded: str
    title: str
    title_folded: str
    listed: bool
    home_of: int | None
    made_by: int | None
    properties: Mapping[str, Any]
    created: datetime


@dataclass(frozen=True, slots=True)
class NewProject:
    """A project to be made; ``uuids`` as in ``NewProgram``."""

    uuids: Sequence[UUID]
    program: int
    code: str
    polly_code: str
    title: str
    kind: str
    mode: str
    public_level: int
    properties: Mapping[str, Any]
    extra: Any
    made_by: int | None
    created: datetime


@dataclass(frozen=True, slots=True)
class ProgramView:
    """Which programs a caller may know of: listed ones (token holders), ``seen`` ones, ones with a public project."""

    everything: bool
    listed: bool
    seen: frozenset[int]
    only_program: int | None


@dataclass(frozen=True, slots=True)
class ProjectFilter:
    """Which projects to list; what is None or empty does not limit."""

    search: str = ""
    program: int | None = None
    kind: str | None = None
    title: str | None = None
    collections: bool = False
    order: str = "code"
    counts: bool = False


class ProgramStore(Protocol):
    """Programs."""

    async def add(self, unit: Unit, new: NewProgram) -> Program | None:
        """Make a program; None when code, title or home is taken (also by a transaction that commits meanwhile)."""
        ...

    async def find(self, unit: Unit, ref: Ref, *, lock: bool = False) -> Program | None:
        """Return a program by uuid, number (also as digits) or code without case; with ``lock``, hold its row."""
        ...

    async def titled(self, unit: Unit, title_folded: str) -> Program | None:
        """Return the program of this title."""
        ...

    async def home_of(self, unit: Unit, user: int) -> Program | None:
        """Return a user's home program."""
        ...

    async def visible(self, unit: Unit, program: int, view: ProgramView) -> bool:
        """Tell whether a program is in a caller's view; one statement."""
        ...

    async def list(
        self, unit: Unit, view: ProgramView, *, search: str, homes: bool, me: int | None, offset: int, limit: int | None
    ) -> tuple[list[Program], int]:
        """Return programs by code, with the total; home programs of others only with ``homes``; one statement."""
        ...

    async def taken_codes(self, unit: Unit, start_folded: str) -> set[str]:
        """Return the folded codes that begin so."""
        ...

    async def update(
        self,
        unit: Unit,
        program: int,
        *,
        code: str,
        code_folded: str,
        title: str,
        title_folded: str,
        listed: bool,
        properties: Mapping[str, Any],
        updated: datetime,
    ) -> Program | None:
        """Change a program; None when code or title is taken."""
        ...


class ProjectStore(Protocol):
    """Projects."""

    async def add(self, unit: Unit, new: NewProject) -> Project | None:
        """Make a project; None when its code is taken (also by a transaction that commits meanwhile)."""
        ...

    async def find(self, unit: Unit, ref: Ref, *, lock: bool = False) -> Project | None:
        """Return a project by uuid, number (also as digits), accession, project id, or code in its Polly form."""
        ...

    async def find_in(self, unit: Unit, program: int, polly_code: str) -> Project | None:
        """Return a program's project by its code in Polly form."""
        ...

    async def cases_of(self, unit: Unit, program: int) -> Project | None:
        """Return a program's default project for cases: the oldest whose code is ``<program>_cases`` (or ``_2``, …)."""
        ...

    async def lock_title(self, unit: Unit, title: str) -> None:
        """Make others who ask for the same title (any case) wait until the transaction ends."""
        ...

    async def titled(self, unit: Unit, title: str) -> list[Project]:
        """Return the projects of this title, without case, oldest first (at most ten)."""
        ...

    async def first_of(self, unit: Unit, program: int) -> Project | None:
        """Return the oldest project of a program."""
        ...

    async def many(self, unit: Unit, seqs: Sequence[int]) -> list[Project]:
        """Return projects by number, in order of number; one statement."""
        ...

    async def list(
        self, unit: Unit, scope: Scope, only: ProjectFilter, *, offset: int, limit: int | None
    ) -> tuple[list[Project], int, dict[int, dict[str, int]]]:
        """Return projects inside the scope, the total, and record counts by project and type; one statement."""
        ...

    async def taken_codes(self, unit: Unit, start: str) -> set[str]:
        """Return the codes in Polly form that begin so."""
        ...

    async def update(
        self,
        unit: Unit,
        project: int,
        *,
        code: str,
        polly_code: str,
        title: str,
        kind: str,
        mode: str,
        public_level: int,
        state: str,
        released: bool,
        properties: Mapping[str, Any],
        extra: Any,
        updated: datetime,
        who: int | None = None,
        door: str = "",
    ) -> Project | None:
        """Write a project, and its next version when title, properties or extra change; None when its code is taken."""
        ...

    async def empty(self, unit: Unit, project: int) -> bool:
        """Tell whether a project has no live record, file or member."""
        ...


class CollectionStore(Protocol):
    """Members of collections."""

    async def readable(self, unit: Unit, records: Sequence[int], scope: Scope) -> dict[int, tuple[int, str]]:
        """Return (project, type) of those records that are inside the scope; one statement."""
        ...

    async def add(
        self,
        unit: Unit,
        collection: int,
        records: Mapping[int, tuple[int, str]],
        *,
        added_by: int | None,
        added: datetime,
    ) -> int:
        """Add members; return how many were none before; one statement."""
        ...

    async def remove(self, unit: Unit, collection: int, records: Sequence[int]) -> int:
        """Remove members; return how many were."""
        ...

    async def list(
        self, unit: Unit, collection: int, scope: Scope, *, types: Sequence[str] | None, offset: int, limit: int
    ) -> tuple[list[MemberRecord], int]:
        """Return the members inside the scope by number, with their total; one statement."""
        ...

    async def of_record(self, unit: Unit, record: int, scope: Scope) -> list[Project]:
        """Return the collections inside the scope that have this record."""
        ...


class ObjectStore(Protocol):
    """Catalog objects."""

    async def find(self, unit: Unit, ref: Ref, *, lock: bool = False) -> CatalogObject | None:
        """Return an object by uuid or number."""
        ...

    async def named(
        self, unit: Unit, program: int | None, kind: str, name_folded: str, *, lock: bool = False
    ) -> CatalogObject | None:
        """Return an object of a program, or of the site, by kind and name."""
        ...

    async def many(self, unit: Unit, scope: Scope, seqs: Sequence[int], *, site: bool) -> list[CatalogObject]:
        """Return the objects among these numbers inside the scope, with those of the site if ``site``."""
        ...

    async def add(
        self,
        unit: Unit,
        *,
        uuid: UUID,
        program: int | None,
        kind: str,
        name: str,
        name_folded: str,
        body: Mapping[str, Any],
        made_by: int | None,
        at: datetime,
    ) -> CatalogObject | None:
        """Make an object in version 1; None when the name is taken."""
        ...

    async def update(
        self,
        unit: Unit,
        seq: int,
        *,
        name: str,
        name_folded: str,
        body: Mapping[str, Any],
        who: int | None,
        at: datetime,
    ) -> CatalogObject | None:
        """Write the next version; None when the name is taken."""
        ...

    async def delete(self, unit: Unit, seq: int) -> None:
        """Remove an object with its versions."""
        ...

    async def list(
        self,
        unit: Unit,
        scope: Scope,
        *,
        site: bool,
        kind: str | None,
        program: int | None,
        search: str,
        offset: int,
        limit: int,
    ) -> tuple[list[CatalogObject], int]:
        """Return objects of programs in which the scope covers anything, and of the ``site``, by kind and name."""
        ...

    async def program_readable(self, unit: Unit, program: int, scope: Scope) -> bool:
        """Tell whether the scope covers a program, or any project in it; one statement."""
        ...

    async def versions(self, unit: Unit, seq: int) -> list[ObjectVersion]:
        """Return all versions of an object, newest first."""
        ...
