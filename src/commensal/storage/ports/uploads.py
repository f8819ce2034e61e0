"""What the upload service asks of the system of record."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from commensal.core.uploads import NewUpload, Upload, UploadState
from commensal.storage.ports import Unit
from commensal.storage.ports.blobs import Part

__all__ = ["UploadStore"]


class UploadStore(Protocol):
    """Uploads and their parts; every method is one statement."""

    async def add(self, unit: Unit, new: NewUpload) -> Upload:
        """Write a new upload."""
        ...

    async def find(self, unit: Unit, uuid: UUID, *, lock: bool = False) -> Upload | None:
        """Return an upload."""
        ...

    async def set_state(
        self, unit: Unit, uuid: UUID, state: UploadState, *, error: str | None = None, file: UUID | None = None
    ) -> None:
        """Move an upload on, and let go of it."""
        ...

    async def put_part(self, unit: Unit, uuid: UUID, part: Part) -> bool:
        """Note a part of an open upload, which is uploading then; returns False when the upload is not open."""
        ...

    async def choose_parts(self, unit: Unit, uuid: UUID, parts: Sequence[Part]) -> None:
        """Note exactly these parts, and no others: what the object will be made of."""
        ...

    async def parts(self, unit: Unit, uuid: UUID) -> list[Part]:
        """Return the noted parts by number."""
        ...

    async def claim(self, unit: Unit, now: datetime, stale: datetime, *, uuid: UUID | None = None) -> Upload | None:
        """Take one upload to verify that nobody holds since ``stale``: any, or this one."""
        ...

    async def hold(self, unit: Unit, uuid: UUID, now: datetime) -> None:
        """Keep a claim."""
        ...

    async def waiting(self, unit: Unit, now: datetime, before: datetime, limit: int) -> list[Upload]:
        """Return uploads whose bytes go straight to the store and were not looked for since ``before``; marks them."""
        ...

    async def abandoned(self, unit: Unit, now: datetime, limit: int) -> list[Upload]:
        """Return open uploads that have run out."""
        ...

    async def open_handles(self, unit: Unit) -> set[str]:
        """Return the handles of all uploads that have not ended."""
        ...

    async def forget(self, unit: Unit, before: datetime) -> int:
        """Remove uploads that ended in any way and ran out before this time."""
        ...

    async def take(
        self, unit: Unit, uuid: UUID, writer: UUID, now: datetime, stale: datetime, expires: datetime
    ) -> bool | None:
        """Make a request the only one that sends bytes of a growing upload, which then ends at ``expires`` at least.

        Returns False while another one does, that was heard of since ``stale``: it is asked to stop. None: not open.
        """
        ...

    async def idle(self, unit: Unit, uuid: UUID, stale: datetime) -> bool:
        """Tell whether no request sends bytes of an open upload that was heard of since ``stale``."""
        ...

    async def beat(self, unit: Unit, uuid: UUID, writer: UUID, now: datetime, expires: datetime) -> bool:
        """Say that a request still sends; returns False when it should stop."""
        ...

    async def lost(self, unit: Unit, stale: datetime, limit: int) -> list[Upload]:
        """Return open uploads whose request that sends was last heard of before ``stale``."""
        ...

    async def leave_lost(self, unit: Unit, uuid: UUID, stale: datetime) -> None:
        """Let go of the request that sends, if it was last heard of before ``stale``."""
        ...

    async def leave(self, unit: Unit, uuid: UUID, writer: UUID) -> None:
        """Let others send."""
        ...
