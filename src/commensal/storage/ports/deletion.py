"""What deletion, undelete, purge and moving ask of storage. Every method is a bounded number of statements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from commensal.core.records import Deletion, Record, StoredLink
from commensal.storage.ports import Unit

__all__ = ["DeletionStore", "Dependent", "MoveStore", "NewDeletion", "Removed"]


@dataclass(frozen=True, slots=True)
class NewDeletion:
    """A deletion about to be made. ``transaction`` is that of the Gen3 log, where there is one."""

    kind: str
    title: str
    program: int | None
    project: int | None
    who: int | None
    who_label: str
    door: str
    at: datetime
    transaction: int | None = None


@dataclass(frozen=True, slots=True)
class Removed:
    """What a deletion took away: its number, and how many rows by type (files as ``file``)."""

    id: int
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Dependent:
    """A record that points at another one (``dst``) by a link."""

    dst: int
    name: str
    record: int
    uuid: str
    type: str
    submitter_id: str
    project: int


class DeletionStore(Protocol):
    """Rows out of the live tables and back."""

    async def below(self, unit: Unit, seqs: Sequence[int], types: Sequence[str]) -> list[Record]:
        """Return these records and all that reach them by links from records of ``types``, however deep."""
        ...

    async def dependents(self, unit: Unit, seqs: Sequence[int]) -> list[Dependent]:
        """Return who points at these records."""
        ...

    async def links_from(self, unit: Unit, seqs: Sequence[int]) -> list[StoredLink]:
        """Return the links that start at these records."""
        ...

    async def remove_records(self, unit: Unit, new: NewDeletion, seqs: Sequence[int], *, files: bool) -> Removed:
        """Move records with their links, memberships and (``files``) files to the deleted tables."""
        ...

    async def remove_files(self, unit: Unit, new: NewDeletion, seqs: Sequence[int]) -> Removed:
        """Move files to the deleted tables."""
        ...

    async def remove_projects(
        self, unit: Unit, new: NewDeletion, projects: Sequence[int], program: int | None
    ) -> Removed:
        """Move projects with all that is inside, and the program when given, to the deleted tables."""
        ...

    async def lock_projects(self, unit: Unit, seqs: Sequence[int]) -> list[int]:
        """Lock the rows of projects in order; return those that exist."""
        ...

    async def contents(self, unit: Unit, projects: Sequence[int]) -> tuple[int, int]:
        """Return how many records, and files with bytes of ours, these projects have."""
        ...

    async def projects_of(self, unit: Unit, program: int) -> list[int]:
        """Return the numbers of a program's projects; no other is made before the unit ends. Two statements."""
        ...

    async def files_in(self, unit: Unit, files: Sequence[int], project: int) -> bool:
        """Tell whether all these files are in the project."""
        ...

    async def catalog_objects_of(self, unit: Unit, program: int) -> int:
        """Return how many catalog objects a program has."""
        ...

    async def list(self, unit: Unit, since: datetime) -> list[Deletion]:
        """Return the deletions after a moment that are neither restored nor purged, newest first."""
        ...

    async def find(self, unit: Unit, number: int, *, lock: bool = False) -> Deletion | None:
        """Return one deletion."""
        ...

    async def projects_in(self, unit: Unit, number: int) -> list[int]:
        """Return the live projects that a deletion took something from."""
        ...

    async def in_the_way(self, unit: Unit, number: int, single: Sequence[tuple[str, str]]) -> list[str]:
        """Return sentences about what has taken the place of a deletion's rows, or is missing for them.

        ``single``: (type, link name) of links that may have one target only.
        """
        ...

    async def restore(self, unit: Unit, number: int, who: int | None, door: str, at: datetime) -> None:
        """Bring all rows of a deletion back."""
        ...

    async def purge(self, unit: Unit, before: datetime, at: datetime) -> int:
        """Forget the rows of all deletions before a moment; return how many deletions."""
        ...


class MoveStore(Protocol):
    """Records from one project to another."""

    async def named_files(self, unit: Unit, seqs: Sequence[int], project: int) -> list[int]:
        """Return the files of a project that these records name by ``object_id``, and no other record of it does."""
        ...

    async def taken(self, unit: Unit, seqs: Sequence[int], project: int, files: Sequence[int] = ()) -> list[str]:
        """Return what in a project has the name of one of these records, or the path of one of their files."""
        ...

    async def move(
        self,
        unit: Unit,
        seqs: Sequence[int],
        files: Sequence[int],
        source: int,
        target: int,
        who: int | None,
        door: str,
        at: datetime,
    ) -> int:
        """Move records, and the files that are theirs or named; links that would cross are cut. Return the files."""
        ...
