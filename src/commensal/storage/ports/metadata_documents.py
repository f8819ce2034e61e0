"""Metadata documents and their aliases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from commensal.core.metadata_documents import DocumentFilter
from commensal.core.permissions import Scope
from commensal.storage.ports import Unit

__all__ = ["DocumentPlace", "MetadataDocumentStore", "NewDocument", "StoredDocument"]


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A document with the project that it belongs to.

    ``text`` is its JSON. ``project`` None: it belongs to the site. ``program`` and ``public_level`` are the project's;
    None where the project is deleted. ``private``: its object is a file of a private record.
    """

    guid: str
    text: str
    project: int | None
    program: int | None
    public_level: int | None
    private: bool = False


@dataclass(frozen=True, slots=True)
class DocumentPlace:
    """Where a document with this GUID is, or would be; ``project`` None: the site."""

    guid: str
    exists: bool
    project: int | None


@dataclass(frozen=True, slots=True)
class NewDocument:
    """A document to be written."""

    guid: str
    object: UUID | None
    project: int | None
    text: str


class MetadataDocumentStore(Protocol):
    """Documents by GUID."""

    async def find(self, unit: Unit, name: str) -> StoredDocument | None:
        """Return a document by GUID, else by alias."""
        ...

    async def search(
        self, unit: Unit, scope: Scope | None, filters: Sequence[DocumentFilter], *, site: bool, limit: int, offset: int
    ) -> list[tuple[str, int]]:
        """Return GUIDs with the size of the document (bytes), in order of GUID, among those of projects in the scope
        and, with ``site``, those of the site; at most two statements.
        """
        ...

    async def texts(self, unit: Unit, guids: Sequence[str]) -> list[tuple[str, str]]:
        """Return the JSON of documents by GUID, in order of GUID."""
        ...

    async def places(self, unit: Unit, guids: Sequence[str]) -> list[DocumentPlace]:
        """Tell where documents with these GUIDs are or would be; one statement."""
        ...

    async def put(
        self, unit: Unit, documents: Sequence[NewDocument], *, overwrite: bool, who: int | None, at: datetime
    ) -> dict[str, bool]:
        """Write documents; return those written, and whether each is new. Without ``overwrite`` only new ones are."""
        ...

    async def update(self, unit: Unit, guid: str, text: str, *, merge: bool, at: datetime) -> str | None:
        """Replace a document, or lay the keys over it; return its JSON, None when there is none."""
        ...

    async def delete(self, unit: Unit, guid: str) -> str | None:
        """Remove a document with its aliases; return its JSON, None when there is none."""
        ...

    async def aliases(self, unit: Unit, guid: str) -> list[str]:
        """Return a document's aliases in order."""
        ...

    async def add_aliases(self, unit: Unit, guid: str, aliases: Sequence[str]) -> list[str]:
        """Give a document aliases; return those that are another's (also by a transaction that commits meanwhile)."""
        ...

    async def remove_aliases(self, unit: Unit, guid: str, aliases: Sequence[str] | None) -> int:
        """Take these aliases (None: all) from a document; return how many it had."""
        ...

    async def index_paths(self, unit: Unit) -> list[str]:
        """Return the listed paths in order."""
        ...

    async def add_index_path(self, unit: Unit, path: str, at: datetime) -> bool:
        """List a path; False when it is listed."""
        ...

    async def remove_index_path(self, unit: Unit, path: str) -> bool:
        """Take a path from the list; False when it is not there."""
        ...
