"""What the service of foreign buckets asks of storage."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from commensal.core.buckets import Bucket, BucketKey
from commensal.core.permissions import Scope
from commensal.storage.ports import Unit

__all__ = ["BucketStore", "Sealed"]


@dataclass(frozen=True, slots=True)
class Sealed:
    """The newest key to a bucket, with its sealed secret."""

    endpoint: str
    bucket: str
    public_key: str
    sealed: bytes


class BucketStore(Protocol):
    """Buckets and keys; one statement each. Lists have what is in the programs of a scope, projects of it aside."""

    async def buckets(
        self,
        unit: Unit,
        scope: Scope,
        *,
        uuid: UUID | None = None,
        program: UUID | None = None,
        offset: int = 0,
        limit: int = 1,
    ) -> tuple[list[Bucket], int]:
        """Return a page of buckets in order of making, and how many there are."""
        ...

    async def add_bucket(
        self, unit: Unit, *, uuid: UUID, program: int, name: str, endpoint: str, who: int | None, at: datetime
    ) -> bool:
        """Make a bucket; False: the program has it."""
        ...

    async def delete_bucket(self, unit: Unit, uuid: UUID) -> None:
        """Remove a bucket with its keys."""
        ...

    async def keys(
        self,
        unit: Unit,
        scope: Scope,
        *,
        uuid: UUID | None = None,
        bucket: UUID | None = None,
        offset: int = 0,
        limit: int = 1,
    ) -> tuple[list[BucketKey], int]:
        """Return a page of keys in order of making, and how many there are."""
        ...

    async def add_key(
        self,
        unit: Unit,
        *,
        uuid: UUID,
        bucket: UUID,
        description: str,
        public_key: str,
        sealed: bytes,
        who: int | None,
        at: datetime,
    ) -> None:
        """Make a key."""
        ...

    async def delete_key(self, unit: Unit, uuid: UUID) -> None:
        """Remove a key."""
        ...

    async def program_of(self, unit: Unit, uuid: UUID) -> int | None:
        """Return the number of the program of a bucket or key."""
        ...

    async def sealed(self, unit: Unit, program: int, names: Collection[str]) -> list[Sealed]:
        """Return the newest key to each bucket of these names of a program."""
        ...

    async def vouched(self, unit: Unit, program: int, roles: Collection[str], fields: Collection[UUID]) -> list[UUID]:
        """Return those fields whose value was first written by a site admin, the operator, or a holder of such a role.

        The role must stand on the whole program, now.
        """
        ...
