"""What the scrub of stored bytes asks of the system of record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from commensal.storage.ports import Unit

__all__ = ["KnownBlob", "ScrubStore"]


@dataclass(frozen=True, slots=True)
class KnownBlob:
    """Stored bytes as the database knows them."""

    key: str
    size: int
    md5: bytes
    sha256: bytes
    damaged: bool


class ScrubStore(Protocol):
    """Every method is one statement."""

    async def known(self, unit: Unit, after: str, limit: int) -> list[KnownBlob]:
        """Return blobs by key, from behind ``after`` on."""
        ...

    async def note(self, unit: Unit, key: str, at: datetime, *, damaged: bool) -> bool:
        """Write down what a check saw; returns False when the blob is gone by now."""
        ...

    async def files_of(self, unit: Unit, key: str, limit: int) -> list[str]:
        """Return ``PROGRAM-PROJECT path`` of files that name a blob."""
        ...

    async def unknown(self, unit: Unit, keys: Sequence[str]) -> list[str]:
        """Return those keys that no blob and no open upload has."""
        ...
