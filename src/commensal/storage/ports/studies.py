"""What studies, samples and their links, as the Genestack ODM door shows them, ask of the system of record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from commensal.core.permissions import Scope
from commensal.core.studies import Found, Kind, LinkQuery, ObjectLink, ObjectQuery, ObjectRef, Publication, Version
from commensal.storage.ports import Unit

__all__ = ["Facet", "Family", "InvalidValue", "LinkStore", "Snapshot", "StudyStore"]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An object as one version has it; ``extra`` None where there is none, ``submitter_id`` '' of a study."""

    submitter_id: str
    label: str | None
    properties: dict[str, Any]
    extra: Any


@dataclass(frozen=True, slots=True)
class InvalidValue:
    """A value that the dictionary does not take, and how many members of a group (None: in no group) have it."""

    group: int | None
    key: str
    value: Any
    count: int


@dataclass(frozen=True, slots=True)
class Facet:
    """How many studies have this value of an attribute; ``more``: there are further values of it."""

    key: str
    value: str
    count: int
    more: bool


@dataclass(frozen=True, slots=True)
class Family:
    """Records that go together: ``seqs`` with what was made from them and the groups that they fill.

    ``divided``: groups that have members among them and members that stay.
    """

    seqs: tuple[int, ...]
    divided: tuple[int, ...]


class StudyStore(Protocol):
    """Objects by attributes and words. Every method is one statement, ``search`` two."""

    async def search(
        self, unit: Unit, scope: Scope, query: ObjectQuery, *, offset: int, limit: int
    ) -> tuple[list[Found], int]:
        """Return a page of the objects in scope that match, and how many there are."""
        ...

    async def find(self, unit: Unit, scope: Scope, kind: Kind, types: Sequence[str], seq: int) -> Found | None:
        """Return one object in scope by its number."""
        ...

    async def versions(self, unit: Unit, found: Found) -> list[Version]:
        """Return an object's history, oldest first."""
        ...

    async def snapshot(self, unit: Unit, found: Found, n: int) -> Snapshot | None:
        """Return an object as version ``n`` has it."""
        ...

    async def publish(self, unit: Unit, project: int, message: str, who: int | None, at: datetime) -> int:
        """Name a study's current version; return the publication's number."""
        ...

    async def publication(self, unit: Unit, scope: Scope, number: int) -> Publication | None:
        """Return a publication of a study in scope."""
        ...

    async def untaken(self, unit: Unit, project: int, types: Sequence[str], keys: Sequence[str]) -> list[InvalidValue]:
        """Return the values of declared keys that live in the free metadata because the dictionary refuses them."""
        ...

    async def facets(self, unit: Unit, scope: Scope, query: ObjectQuery, *, keys: int, values: int) -> list[Facet]:
        """Return the commonest values of the commonest attributes of the studies that match, most first."""
        ...


class LinkStore(Protocol):
    """Which objects belong together. Every method is one statement, ``links`` two.

    ``stored``: the stored types of samples, libraries and preparations by their kind.
    """

    async def objects(
        self, unit: Unit, scope: Scope, stored: Mapping[str, Sequence[str]], seqs: Sequence[int]
    ) -> dict[int, ObjectRef]:
        """Return those of these objects that are in scope."""
        ...

    async def links(
        self, unit: Unit, scope: Scope, stored: Mapping[str, Sequence[str]], query: LinkQuery
    ) -> tuple[list[ObjectLink], int]:
        """Return a page of links, by first object, second type and second object, and how many there are.

        Both ends of a link are in one project, so the caller looks at the first's scope only.
        """
        ...

    async def family(
        self, unit: Unit, stored: Mapping[str, Sequence[str]], seqs: Sequence[int], groups: Sequence[int]
    ) -> Family:
        """Return what goes where these samples, libraries or preparations, and the members of these groups, go.

        Four statements.
        """
        ...

    async def groups(self, unit: Unit, project: int, kind: Kind) -> list[tuple[int, Any]]:
        """Return the groups of a kind in a project, with their free metadata."""
        ...

    async def members(self, unit: Unit, group: int, key: str, name_key: str) -> list[tuple[int, UUID, str, str | None]]:
        """Return the members of a group: number, uuid, stored type, and the text of one of their attributes.

        ``name_key`` is the attribute that stands for the member's name.
        """
        ...

    async def pairs_of_group(
        self, unit: Unit, group: int, *, offset: int, limit: int
    ) -> tuple[list[tuple[int, int]], int]:
        """Return members of a group with their samples, a page by members, and how many members have a sample."""
        ...
