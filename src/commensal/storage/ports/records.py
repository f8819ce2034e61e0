"""What the write path and the readers of records ask of storage."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from commensal.core.audit import AuditEvent
from commensal.core.conformity import StoredRow
from commensal.core.records import Linked, ProjectRow, Record, RecordVersion, StoredLink, Target, Write
from commensal.storage.ports import Unit

__all__ = ["Allocation", "Clash", "LookUp", "RecordReads", "RecordWrites", "Stamp", "TransactionRow"]


class Clash(Exception):
    """Another writer stored the same name, uuid or version in between; nothing of this unit was kept."""


@dataclass(frozen=True, slots=True)
class TransactionRow:
    """A row of the transaction log, to be made."""

    program: str
    project: str
    project_seq: int
    role: str
    state: str
    submitter: int | None
    submitter_name: str
    door: str
    is_dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Allocation:
    """What a write was given: the transaction's number, each type's ``change``, and new numbers in order."""

    transaction: int | None
    changes: Mapping[str, int]
    seqs: Sequence[int]


@dataclass(frozen=True, slots=True)
class Stamp:
    """Who writes, through which door, when, in which transaction; the same for all rows of a write."""

    project: int
    who: int | None
    door: str
    at: datetime
    transaction: int | None
    changes: Mapping[str, int]


@dataclass(slots=True)
class LookUp:
    """What was found: records that are wanted whole, and names and uuids as targets."""

    records: list[Record]
    targets: list[Target]


class RecordWrites(Protocol):
    """One project's rows; every method is one statement whatever the number of rows."""

    async def project_of(self, unit: Unit, program: str, project: str, *, lock: str = "share") -> ProjectRow | None:
        """Find a project by the two codes (any case) and lock its row.

        ``lock``: ``share`` for writes, ``update`` for deletion, ``none`` for reading.
        """
        ...

    async def project_by_seq(self, unit: Unit, seq: int, *, lock: str = "share") -> ProjectRow | None:
        """Find a project by its number and lock its row."""
        ...

    async def project_by_uuid(self, unit: Unit, uuid: UUID, *, lock: str = "share") -> ProjectRow | None:
        """Find a project by its uuid and lock its row."""
        ...

    async def program_exists(self, unit: Unit, program: str) -> bool:
        """Tell whether there is a program of this code (any case)."""
        ...

    async def look_up(
        self,
        unit: Unit,
        project: int,
        whole: Mapping[str, Mapping[str, Any]],
        names: Mapping[str, Mapping[str, Any]],
        uuids: Sequence[str],
    ) -> LookUp:
        """Find records of a project by type and folded name (``whole`` with their values), and any by uuid (whole)."""
        ...

    async def links_of(
        self, unit: Unit, sources: Sequence[int], targets: Sequence[int], names: Sequence[str]
    ) -> tuple[list[StoredLink], list[tuple[int, str, str, int]]]:
        """Return the links that start at ``sources``, and of those named in ``names`` that end at ``targets``
        (target, name, source type, source).
        """
        ...

    async def allocate(
        self, unit: Unit, project: int, counts: Mapping[str, int], new: int, log: TransactionRow | None
    ) -> Allocation:
        """Lock and raise the counters of the types (sorted), take ``new`` numbers, begin the transaction log."""
        ...

    async def insert(
        self, unit: Unit, stamp: Stamp, writes: Sequence[Write], meanwhile: Callable[[], None] | None = None
    ) -> None:
        """Write new records with links and first versions, in up to three statements. Raises Clash.

        ``meanwhile`` is called once, while the database works.
        """
        ...

    async def create(
        self,
        unit: Unit,
        stamp: Stamp,
        counts: Mapping[str, int],
        writes: Sequence[Write],
        log: TransactionRow | None = None,
    ) -> tuple[int | None, Sequence[tuple[int, int]]]:
        """Raise the counters, number and write a few new records with links and first versions: one statement.

        All have names and uuids, and the targets of their links numbers; the changes of the stamp are not known yet.
        ``log`` begins a transaction log with them. Returns its number (without: that of the stamp), and number and
        change of each. Raises Clash.
        """
        ...

    async def update(self, unit: Unit, stamp: Stamp, writes: Sequence[Write]) -> None:
        """Change stored records, their links, and add versions. Raises Clash when one was changed in between."""
        ...

    async def log_document(
        self,
        unit: Unit,
        transaction: int,
        name: str | None,
        doc_format: str,
        doc: str,
        response: str,
        event: AuditEvent | None = None,
    ) -> None:
        """Add a document with its answer to the transaction log, and the audit's event of it where one is given."""
        ...

    async def known_codes(self, unit: Unit, polly: Sequence[str], uuids: Sequence[str]) -> set[str]:
        """Return which of these project codes (in the form unique on the site) and uuids belong to projects."""
        ...


class RecordReads(Protocol):
    """Reading records."""

    async def private_among(self, unit: Unit, seqs: Sequence[int]) -> set[int]:
        """Return which of these records are shown only to those who hold a grant."""
        ...

    async def by_seqs(self, unit: Unit, seqs: Sequence[int]) -> list[Record]:
        """Return the records with these numbers, in any order."""
        ...

    async def by_uuids(self, unit: Unit, uuids: Sequence[str]) -> list[Record]:
        """Return the records with these uuids, in any order."""
        ...

    async def by_names(self, unit: Unit, project: int, types: Sequence[str], folded: Sequence[str]) -> list[Record]:
        """Return the records of some types with these folded names."""
        ...

    async def projects(self, unit: Unit, seqs: Sequence[int]) -> dict[int, tuple[int, int]]:
        """Return program and public level of projects, by their numbers."""
        ...

    async def page(
        self,
        unit: Unit,
        project: int,
        types: Sequence[str] | None,
        *,
        search: str = "",
        offset: int = 0,
        limit: int = 50,
    ) -> tuple[list[Record], int]:
        """Return one page of a project's records of some types (None: all) in order of number, and how many match."""
        ...

    async def counts(self, unit: Unit, projects: Sequence[int]) -> dict[int, dict[str, int]]:
        """Return the number of records by project and type, from the counters."""
        ...

    async def links(self, unit: Unit, seqs: Sequence[int]) -> dict[int, list[Linked]]:
        """Return what each of these records is linked with, in both directions."""
        ...

    async def versions(self, unit: Unit, seq: int) -> list[RecordVersion]:
        """Return a record's versions, oldest first, each with what it was before."""
        ...

    def stream(self, unit: Unit, project: int | None = None) -> AsyncIterator[list[StoredRow]]:
        """Yield all records (of a project, or of the site) with their links, by type, in chunks (in a transaction)."""
        ...
