"""What deletion by accession asks of storage: what a number is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

from commensal.storage.ports import Unit

__all__ = ["ManagedStore", "Thing"]


@dataclass(frozen=True, slots=True)
class Thing:
    """What has a number, and where it is.

    ``type`` is the stored type of a record, ``owner`` the address of who made it ("": nobody).
    """

    seq: int
    what: Literal["project", "record", "file"]
    project: int
    program: int
    public_level: int
    type: str
    extra: Any
    owner: str
    created: datetime


class ManagedStore(Protocol):
    """One statement each."""

    async def things(self, unit: Unit, seqs: Sequence[int]) -> list[Thing]:
        """Return which of these numbers are projects, records or files."""
        ...

    async def members(self, unit: Unit, groups: Sequence[int], link: str) -> list[int]:
        """Return the records that have a link of this stored name to one of these records of their project."""
        ...
