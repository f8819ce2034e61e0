"""What the search among files, and the making of their contents trees, ask of the system of record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from commensal.core.files_query import Node
from commensal.core.permissions import Scope
from commensal.storage.ports import Unit

__all__ = ["ContentsStore", "FileSearchStore", "FoundFile", "NewContents", "PendingContents"]


@dataclass(frozen=True, slots=True)
class FoundFile:
    """One file as a search shows it.

    ``attributes``: those of its record or its own, with ``genestack:`` and ``commensal:`` keys; ``contents`` is the
    stored tree as JSON text, None where there is none or it was not asked for.
    """

    seq: int
    project: int
    attributes: dict[str, Any]
    contents: str | None = None


class FileSearchStore(Protocol):
    """Files by attributes, words and structure. Every method is one statement, ``search`` at most four."""

    async def search(
        self,
        unit: Unit,
        scope: Scope,
        nodes: Sequence[Node],
        *,
        offset: int,
        limit: int,
        contents: bool,
        project: int | None = None,
    ) -> tuple[list[FoundFile], int]:
        """Return a page, in the order of their numbers, of the files in scope that all nodes match, and their count."""
        ...

    async def find(self, unit: Unit, scope: Scope, seq: int, *, contents: bool) -> FoundFile | None:
        """Return one file in scope by its number."""
        ...

    async def something(self, unit: Unit, scope: Scope, seq: int) -> bool:
        """Tell whether a project, a record, or a file without bytes in scope has this number."""
        ...


@dataclass(frozen=True, slots=True)
class PendingContents:
    """A file whose contents tree is to be made: ``blob`` is the store's key, ``size`` in bytes."""

    seq: int
    name: str
    blob: str
    size: int
    attempts: int


@dataclass(frozen=True, slots=True)
class NewContents:
    """A tree to be stored with what the search needs of it; texts hold no U+0000."""

    tree: bytes
    words: str
    paths: str
    lexemes: Sequence[str]
    reason: str | None


class ContentsStore(Protocol):
    """The queue of files without a contents tree, and the trees. Every method is one statement, ``put`` three."""

    async def take(self, unit: Unit, *, again: datetime) -> PendingContents | None:
        """Return a file that is due and put it off until ``again``, so that no other process takes it meanwhile."""
        ...

    async def put(self, unit: Unit, job: PendingContents, contents: NewContents) -> bool:
        """Store a tree and end its job; False when the file has other bytes by now, or is gone."""
        ...

    async def put_off(self, unit: Unit, seq: int, until: datetime) -> None:
        """Try again later, without counting this attempt."""
        ...
