"""Where importers put what they read, and what they say about it afterwards.

Importers know files; a :class:`Sink` knows a commons. One sink speaks to the services inside the
process, another to a server over HTTP; an importer cannot tell them apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

__all__ = [
    "EXTRA",
    "Counts",
    "Document",
    "ImportReport",
    "ProjectKind",
    "Sink",
    "SubmitResult",
]

EXTRA = "*extra"
"""Key of a document under which its free metadata stands: an object, kept as the record's ``extra``."""

Document = dict[str, Any]
"""One entity: ``type``, ``submitter_id``, properties, links as ``{"submitter_id": …}`` (one or a list), ``EXTRA``."""

ProjectKind = Literal["study", "atlas", "library", "workspace"]


@dataclass(frozen=True, slots=True)
class Counts:
    """How many records were made, changed and found equal."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.created + other.created, self.updated + other.updated, self.unchanged + other.unchanged)

    @property
    def total(self) -> int:
        """All records that were looked at."""
        return self.created + self.updated + self.unchanged


@dataclass(frozen=True, slots=True)
class SubmitResult:
    """What one submission did, by record type."""

    types: Mapping[str, Counts]

    @property
    def created(self) -> int:
        """Records made, of all types."""
        return sum(counts.created for counts in self.types.values())

    @property
    def updated(self) -> int:
        """Records changed, of all types."""
        return sum(counts.updated for counts in self.types.values())

    @property
    def unchanged(self) -> int:
        """Records that were equal already, of all types."""
        return sum(counts.unchanged for counts in self.types.values())


class Sink(Protocol):
    """The commons as an importer sees it. Every call is idempotent: a second import changes nothing.

    Each method raises the errors of :mod:`commensal.errors`.
    """

    async def ensure_program(self, code: str, title: str | None = None) -> None:
        """Make the program unless it exists; an existing one is left as it is."""
        ...

    async def ensure_project(
        self,
        program: str,
        code: str,
        *,
        kind: ProjectKind,
        title: str,
        properties: Mapping[str, Any],
        public: str | None,
    ) -> None:
        """Make the project unless it exists in this program; an existing one keeps title, kind and rights.

        ``properties`` are the project's own (:data:`EXTRA` for free metadata), ``public`` its public
        level (None: the installation's default).
        """
        ...

    async def submit(
        self, program: str, project: str, documents: Sequence[Document], *, cells: bool = False
    ) -> SubmitResult:
        """Write the documents in one transaction: all of them, or none.

        ``cells``: the property values are the texts of table cells and are cast to the types of the
        dictionary (contracts/gen3.md 4.4); None is an empty cell. Links are objects in either case.
        Raises InvalidRows, whose problems carry ``row`` = place in ``documents``, counted from 1.
        """
        ...

    async def put_file(
        self,
        program: str,
        project: str,
        path: str,
        source: Path,
        *,
        media_type: str,
        record: tuple[str, str] | None,
    ) -> None:
        """Keep the bytes of ``source`` under ``path``, streamed; equal bytes (SHA-256) are not written again.

        ``record``: (type, submitter_id) of the record that the file belongs to.
        """
        ...


@dataclass(slots=True)
class ImportReport:
    """What an import has written so far.

    ``interrupted``: it was cancelled; what the report names is written, the rest is not.
    """

    program: str
    project: str
    counts: dict[str, Counts] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    interrupted: bool = False

    def add(self, result: SubmitResult) -> None:
        """Count one submission in."""
        for name, counts in result.types.items():
            self.counts[name] = self.counts.get(name, Counts()) + counts

    @property
    def total(self) -> Counts:
        """The counts of all types together."""
        return sum(self.counts.values(), Counts())

    def written(self) -> str:
        """One sentence for people: what is in the project now."""
        parts = [
            f"{counts.total} {name} ({counts.created} new, {counts.updated} changed, {counts.unchanged} unchanged)"
            for name, counts in self.counts.items()
        ]
        parts += [f"file {name}" for name in self.files]
        return f"Written to {self.program}-{self.project}: {', '.join(parts) if parts else 'nothing'}."
