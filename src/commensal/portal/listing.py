"""Projects as the tables show them: with their counts, largest first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from commensal.core.catalog import ProjectPage
from commensal.core.projects import Project

__all__ = ["ListedProject", "TypeCount", "listed", "shown_type", "type_counts"]


@dataclass(frozen=True, slots=True)
class TypeCount:
    """How many records of a type there are; None where the number is too small to be shown to this caller."""

    key: str
    n: int | None

    @property
    def type(self) -> str:
        """The type's name for people."""
        return shown_type(self.key)


@dataclass(frozen=True, slots=True)
class ListedProject:
    """A project with what is in it."""

    project: Project
    counts: tuple[TypeCount, ...]


def shown_type(name: str) -> str:
    """Return a record type's name for people: system types without their prefix."""
    return name.removeprefix("commensal.")


def type_counts(counts: Mapping[str, int | None]) -> tuple[TypeCount, ...]:
    """Return counts by type, largest first; hidden ones last."""
    rows = [TypeCount(name, n) for name, n in counts.items() if n != 0]
    return tuple(sorted(rows, key=lambda row: (row.n is None, -(row.n or 0), row.key)))


def listed(page: ProjectPage) -> list[ListedProject]:
    """Return a page of projects for the table."""
    return [ListedProject(project, type_counts(page.counts.get(project.seq, {}))) for project in page.items]
