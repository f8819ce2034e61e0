"""What the index service, and the submission of data files, ask of the system of record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from commensal.core.audit import AuditEvent
from commensal.core.index import IndexRecord
from commensal.core.index_query import IndexQuery, UrlQuery
from commensal.core.permissions import Scope
from commensal.core.projects import Project
from commensal.storage.ports import Unit

__all__ = ["IndexStore", "NewIndexRow", "row_of"]


@dataclass(frozen=True, slots=True)
class NewIndexRow:
    """All values of a file that the index keeps, to be written; the rest of the file is left as it is.

    ``project`` is where the file is, or shall be. ``authz``: paths as they are shown; those below the file's own
    project are stored without it, so that they follow the file to another one. None: the project itself.
    ``md5``, ``sha256`` and ``size`` are ignored when a file with bytes of ours is changed. ``name`` None: no name.
    """

    uuid: UUID
    project: int
    name: str | None = None
    size: int | None = None
    md5: str | None = None
    sha256: str | None = None
    hashes: Mapping[str, str] = field(default_factory=dict[str, str])
    prefix: str = ""
    baseid: str | None = None
    version: str | None = None
    uploader: str | None = None
    urls: Sequence[str] = ()
    urls_metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])
    acl: Sequence[str] = ()
    authz: Sequence[str] | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])
    description: str | None = None
    content_created: datetime | None = None
    content_updated: datetime | None = None
    made_by: int | None = None
    media_type: str = "application/octet-stream"


def row_of(record: IndexRecord) -> NewIndexRow:
    """Return what is stored of a record, for a change to begin with (of a file with bytes: but for its digests)."""
    return NewIndexRow(
        uuid=record.file.uuid,
        project=record.project.seq,
        name=record.file_name,
        size=record.size,
        md5=record.hashes.get("md5"),
        sha256=record.hashes.get("sha256"),
        hashes={kind: value for kind, value in record.hashes.items() if kind not in ("md5", "sha256")},
        prefix=record.did[:-36],
        baseid=record.baseid,
        version=record.version,
        uploader=record.uploader,
        urls=record.urls,
        urls_metadata=record.urls_metadata,
        acl=record.acl,
        authz=record.authz,
        metadata=record.metadata,
        description=record.description,
        content_created=record.content_created,
        content_updated=record.content_updated,
        made_by=record.file.made_by,
        media_type=record.file.media_type,
    )


class IndexStore(Protocol):
    """Files as index records, whole ones.

    Each method is one statement; ``add_many``, ``change_many``, ``add_aliases`` and those that give a list of records
    are two.
    """

    async def projects(self, unit: Unit, places: Sequence[tuple[str, str]], *, lock: bool = False) -> list[Project]:
        """Return the projects of these (program code, project code); ``lock`` keeps them from being deleted."""
        ...

    async def get(self, unit: Unit, uuid: UUID, *, lock: bool = False) -> IndexRecord | None:
        """Return a file by uuid; ``lock`` holds its row, so that nobody changes it before this unit ends."""
        ...

    async def by_alias(self, unit: Unit, alias: str) -> UUID | None:
        """Return the file that has this alias."""
        ...

    async def by_dids(self, unit: Unit, dids: Sequence[UUID], *, lock: bool = False) -> list[IndexRecord]:
        """Return those of these files that exist, in the order of their uuids, whatever their project."""
        ...

    async def by_hash_and_size(
        self, unit: Unit, projects: Scope, pairs: Sequence[tuple[str, int]]
    ) -> dict[tuple[str, int], UUID]:
        """Return for each (md5, size) the oldest file of these projects that has them, where there is one."""
        ...

    async def of_base(self, unit: Unit, baseid: str, *, lock: bool = False) -> list[IndexRecord]:
        """Return all versions of a base, oldest first."""
        ...

    async def projects_of_bases(self, unit: Unit, baseids: Sequence[str]) -> list[Project]:
        """Return the projects that hold versions of these bases."""
        ...

    async def find(self, unit: Unit, scope: Scope, query: IndexQuery) -> list[IndexRecord]:
        """Return the files of these projects that meet a query, by did."""
        ...

    async def urls(self, unit: Unit, scope: Scope, query: UrlQuery, own: str) -> list[tuple[str, list[str]]]:
        """Return (did, addresses) of files with addresses like these, by did.

        ``own``: the address of bytes of ours, with ``{did}`` where the did stands.
        """
        ...

    async def totals(self, unit: Unit, scope: Scope) -> tuple[int, int]:
        """Return how many files these projects have, and their bytes."""
        ...

    async def add_many(self, unit: Unit, rows: Sequence[NewIndexRow], *, now: datetime) -> set[UUID]:
        """Make files without bytes; return those that were made: not the ones whose uuid is taken."""
        ...

    async def change_many(self, unit: Unit, rows: Sequence[NewIndexRow], *, now: datetime) -> dict[UUID, int]:
        """Give files these values (moving them where the project is another one); return their change numbers."""
        ...

    async def make(
        self,
        unit: Unit,
        rows: Sequence[NewIndexRow],
        projects: Sequence[Project],
        *,
        now: datetime,
        event: AuditEvent | None = None,
    ) -> dict[UUID, IndexRecord]:
        """Do as ``add_many``, with the projects of the rows at hand, and return the records that were made.

        ``event`` is written with them, unless none was made.
        """
        ...

    async def change(
        self, unit: Unit, rows: Sequence[NewIndexRow], projects: Sequence[Project], *, now: datetime
    ) -> dict[UUID, IndexRecord]:
        """Do as ``change_many``, with the projects of the rows at hand, and return the records as they are then."""
        ...

    async def aliases(self, unit: Unit, file: int) -> list[str]:
        """Return the aliases of a file, by their bytes."""
        ...

    async def add_aliases(self, unit: Unit, pairs: Sequence[tuple[str, UUID]], *, now: datetime) -> dict[str, UUID]:
        """Give aliases to files; those that are there stay. Return for each alias given the file that has it then."""
        ...

    async def remove_aliases(self, unit: Unit, file: int, aliases: Sequence[str] | None) -> int:
        """Take these aliases of a file away, or all of them; return how many went."""
        ...

    async def blobs_in(self, unit: Unit, places: Sequence[tuple[int, str]]) -> set[tuple[int, str]]:
        """Return those (project, key) where the bytes belong to a file of the project: a key of the store, or the
        file's accession.
        """
        ...

    async def kept_dids(self, unit: Unit, places: Sequence[tuple[int, UUID]], *, site: bool) -> list[UUID]:
        """Return those (project, uuid) that something of another project keeps for itself.

        That is a deleted file that can be brought back, and a metadata document; a document of the site counts only
        with ``site``.
        """
        ...

    async def dids_in(self, unit: Unit, places: Sequence[tuple[int, UUID]]) -> set[tuple[int, UUID]]:
        """Return those (project, uuid of a file) where the file is in the project."""
        ...
