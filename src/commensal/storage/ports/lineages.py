"""What services ask of storage about samples, results and fields with all that they hang on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from commensal.core.lineage import Address, Kinds, Lineage, ResultSettings
from commensal.core.permissions import Scope
from commensal.core.projects import Program
from commensal.core.records import Record
from commensal.storage.ports import Unit
from commensal.storage.ports.catalog import ProgramView

__all__ = ["FieldFilter", "LineageReads", "ProjectsFilter", "ResultFilter", "SampleFilter", "WithResults"]


@dataclass(frozen=True, slots=True)
class ProjectsFilter:
    """Which projects and collections; what is None does not limit. ``name``: the title, or the code, without case.

    ``tag``: those that carry the tag with this number.
    """

    uuid: UUID | None = None
    program: UUID | None = None
    name: str | None = None
    public: bool | None = None
    tag: int | None = None


@dataclass(frozen=True, slots=True)
class SampleFilter:
    """Which samples; ``project`` and ``collection`` are numbers, of which at most one is given; ``tag`` is one, too."""

    uuid: UUID | None = None
    library: UUID | None = None
    project: int | None = None
    collection: int | None = None
    name: str | None = None
    tag: int | None = None


@dataclass(frozen=True, slots=True)
class ResultFilter:
    """Which results; ``of_samples``: those that hang on a sample, else those of a project or collection."""

    of_samples: bool
    uuid: UUID | None = None
    owner: UUID | None = None
    module: str | None = None
    replicate: str | None = None


@dataclass(frozen=True, slots=True)
class FieldFilter:
    """Which fields; ``of_samples`` as in ``ResultFilter``."""

    of_samples: bool
    uuid: UUID | None = None
    result: UUID | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class WithResults:
    """A sample (None: the project itself) with its results, and with each of them its fields."""

    sample: Record | None
    results: Sequence[tuple[Record, ResultSettings, Sequence[Record]]]


class LineageReads(Protocol):
    """Reads; every method but ``with_results`` is one or two statements, whatever the number of rows.

    ``scope``: where the caller may read; ``granted``: where he may by a grant, which private results ask for.
    """

    async def of_projects(self, unit: Unit, *, uuid: UUID | None = None, seqs: Sequence[int] = ()) -> list[Lineage]:
        """Return projects with their programs, by uuid or by number."""
        ...

    async def of_sample(self, unit: Unit, kinds: Kinds, uuid: UUID) -> Lineage | None:
        """Return a sample."""
        ...

    async def of_samples(self, unit: Unit, kinds: Kinds, uuids: Sequence[UUID]) -> list[Lineage]:
        """Return the samples among these uuids."""
        ...

    async def of_result(self, unit: Unit, kinds: Kinds, uuid: UUID) -> Lineage | None:
        """Return a result."""
        ...

    async def of_field(self, unit: Unit, kinds: Kinds, uuid: UUID) -> Lineage | None:
        """Return a field."""
        ...

    async def named(self, unit: Unit, kinds: Kinds, address: Address, granted: Scope) -> Lineage | None:
        """Return what has this address; of several that which was changed last, those that may be read first."""
        ...

    async def programs(
        self, unit: Unit, view: ProgramView, *, uuid: UUID | None, name: str | None, offset: int, limit: int
    ) -> tuple[list[Program], int]:
        """Return a page of programs in order of making, by exact title where given, and the total."""
        ...

    async def program_by(self, unit: Unit, *, uuid: UUID | None = None, name: str | None = None) -> Program | None:
        """Return a program by uuid, or by title or code without case."""
        ...

    async def projects(
        self, unit: Unit, scope: Scope, only: ProjectsFilter, *, offset: int, limit: int
    ) -> tuple[list[Lineage], int]:
        """Return a page of projects and collections with their programs in order of making, and the total."""
        ...

    async def samples(
        self, unit: Unit, kinds: Kinds, scope: Scope, only: SampleFilter, *, offset: int, limit: int
    ) -> tuple[list[Lineage], int]:
        """Return a page of samples in order of making, and the total."""
        ...

    async def results(
        self, unit: Unit, kinds: Kinds, scope: Scope, granted: Scope, only: ResultFilter, *, offset: int, limit: int
    ) -> tuple[list[Lineage], int]:
        """Return a page of results in order of making, and the total."""
        ...

    async def fields(
        self, unit: Unit, kinds: Kinds, scope: Scope, granted: Scope, only: FieldFilter, *, offset: int, limit: int
    ) -> tuple[list[Lineage], int]:
        """Return a page of fields in order of making, and the total."""
        ...

    def with_results(
        self, unit: Unit, kinds: Kinds, scope: Scope, granted: Scope, *, project: int, collection: bool
    ) -> AsyncIterator[list[tuple[int, WithResults]]]:
        """Yield the samples of a project or collection, by number, with their results; one statement, in a transaction.

        Each comes with the number of its project.
        """
        ...

    async def results_of(
        self, unit: Unit, kinds: Kinds, granted: Scope, *, sample: int | None = None, project: int | None = None
    ) -> WithResults:
        """Return the results of one sample, or of a project itself; ``sample`` of the answer is None."""
        ...

    async def module_counts(
        self, unit: Unit, kinds: Kinds, scope: Scope, granted: Scope, *, project: int, collection: bool
    ) -> tuple[int, dict[str, int]]:
        """Return the number of samples, and how many of them have a result of each module."""
        ...

    async def fields_of(self, unit: Unit, kinds: Kinds, result: int) -> list[Record]:
        """Return the fields of a result."""
        ...

    async def set_settings(self, unit: Unit, records: Sequence[int], settings: ResultSettings) -> None:
        """Store the settings of results and fields."""
        ...

    async def set_privacy_below(self, unit: Unit, record: int, *, private: bool) -> None:
        """Make all records private, or not, that are linked to a record, or to one of these."""
        ...

    async def metadata_versions(self, unit: Unit, seq: int) -> list[tuple[Any, Any, dict[str, Any]]]:
        """Return (since, until, after) of each version of a record, oldest first; the last has no end of its own."""
        ...
