"""Uploads that grow at their end, request by request, and go on after any cut: what tus 1.0 asks for."""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import AsyncIterable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from commensal.core.digesting import Digesting, digested
from commensal.core.finishing import to_its_end
from commensal.core.principals import Door, Principal, PrincipalKind
from commensal.core.projects import Project
from commensal.core.uploads import Upload, UploadState
from commensal.errors import CommensalError, NoSpace, StateConflict, Unavailable
from commensal.services.uploads import ENDED_TEXT, OPEN_FOR, Uploads
from commensal.storage.ports.blobs import Stored

__all__ = ["GrowingUploads"]

#: A request that sends is heard of so often; when it was not for LOST, another one may take over.
BEAT = 1.0
LOST = timedelta(seconds=6)
_LOST_AT_ONCE = 50
_SYSTEM = Principal(kind=PrincipalKind.SYSTEM, door=Door.SYSTEM)
#: How long a request waits for the one before it to stop.
WAIT = 10.0
_LOOK = 0.1
#: Uploads whose digests are kept in this process from one request to the next.
_REMEMBERED = 1_000
_BUSY = "Another request is sending bytes of this upload: ask for the offset and try again."


class GrowingUploads(Uploads):
    """Adds growing uploads. All their bytes come through this server, also where the store is S3."""

    def __init__(self, **parts: Any) -> None:
        super().__init__(**parts)
        self._sending: dict[UUID, asyncio.Task[int]] = {}
        self._digestings: OrderedDict[UUID, Digesting] = OrderedDict()

    async def begin_growing(
        self, principal: Principal, project: Project, path: str, *, size: int, meta: str = "", **told: Any
    ) -> Upload:
        """Register an upload of ``size`` bytes; ``told`` and the errors are those of ``begin``.

        One without bytes is complete at once.
        """
        upload = await self.begin(principal, project, path, size=size, growing=True, meta=meta, **told)
        return await self.complete(principal, upload.uuid) if size == 0 else upload

    async def offset(self, principal: Principal, uuid: UUID) -> tuple[Upload, int]:
        """Return an upload of the caller's own and how many of its bytes are here; one that is whole is completed.

        Raises NotFound.
        """
        upload = await self.find(principal, uuid)
        if not upload.growing:
            raise StateConflict("This upload does not grow: it comes in one piece, or in parts.")
        size = upload.size or 0
        if not upload.state.open:
            return upload, 0 if upload.state is UploadState.ENDED else size
        here = await self._blobs.grown(upload.handle)
        if here == size and await self._idle(uuid):  # whoever sent the last byte was cut before the answer
            upload = await self.complete(principal, uuid, wait=False)
        return upload, here

    async def _idle(self, uuid: UUID) -> bool:
        async with self._database.read() as unit:
            return await self._store.idle(unit, uuid, self._now() - LOST)

    async def append(
        self,
        principal: Principal,
        uuid: UUID,
        start: int,
        chunks: AsyncIterable[bytes],
        *,
        check: Callable[[], None] | None = None,
    ) -> tuple[Upload, int]:
        """Add bytes at the end, which must be at ``start``; return the upload and how many bytes are here.

        What came before a cut stays. ``check`` is called after the last byte: when it raises, none of them stays.
        The bytes that make it whole complete it as ``complete`` does. Raises StateConflict (the end is elsewhere;
        another request sends), TooLarge, NoSpace, Forbidden, NotFound, Invalid (other bytes than announced).
        """
        upload, here = await self.offset(principal, uuid)
        if upload.state in (UploadState.REFUSED, UploadState.ENDED):
            raise StateConflict(upload.error or ENDED_TEXT)
        if here != start:
            raise StateConflict(f"The upload has {here:,} bytes, so it goes on from there.", field="offset")
        if not upload.state.open:
            return upload, here
        _, project = await self._place(upload)
        room = await self._files.check_place(principal, project, upload.path, upload.record)
        if room is not None and (upload.size or 0) > room:
            raise NoSpace("The program's quota leaves no room for a file of this size.", retry_after=60)
        writer = await self._take(uuid)
        try:
            end = await self._send(upload, writer, start, chunks, check)
            if end == upload.size:  # before leaving: who is killed in between counts as lost, and is looked after
                upload = await self.complete(principal, uuid)
        finally:
            await to_its_end(self._leave(uuid, writer))
        return upload, end

    async def look_after_lost(self) -> None:
        """Complete what is whole of uploads whose last request was killed: its sender may not ask again."""
        async with self._database.read() as unit:
            lost = await self._store.lost(unit, self._now() - LOST, _LOST_AT_ONCE)
        for upload in lost:
            try:
                if await self._blobs.grown(upload.handle) == upload.size:
                    await self.complete(_SYSTEM, upload.uuid, wait=False)
            except Unavailable:
                return
            except CommensalError:  # given up, or moved on, in this moment
                continue
            async with self._database.begin() as unit:
                await self._store.leave_lost(unit, upload.uuid, self._now() - LOST)

    async def _take(self, uuid: UUID) -> UUID:
        """Become the only request that sends; one that still does, here or in another process, is stopped."""
        writer = uuid4()
        waited = 0.0
        while True:
            now = self._now()
            async with self._database.begin() as unit:
                mine = await self._store.take(unit, uuid, writer, now, now - LOST, now + OPEN_FOR)
            if mine:
                return writer
            if mine is None:
                raise StateConflict(ENDED_TEXT)
            if waited >= WAIT:
                raise StateConflict(_BUSY)
            before = self._sending.get(uuid)
            if before is not None:
                before.cancel()
            await asyncio.sleep(_LOOK)
            waited += _LOOK

    async def _leave(self, uuid: UUID, writer: UUID) -> None:
        with contextlib.suppress(CommensalError):  # the database is away: others wait until this one counts as lost
            async with self._database.begin() as unit:
                await self._store.leave(unit, uuid, writer)

    async def _send(
        self,
        upload: Upload,
        writer: UUID,
        start: int,
        chunks: AsyncIterable[bytes],
        check: Callable[[], None] | None,
    ) -> int:
        digesting = self._digestings.pop(upload.uuid, None)
        if digesting is None or digesting.size != start:
            digesting = Digesting() if start == 0 else None
        passing = chunks if digesting is None or check is not None else digested(chunks, digesting)
        growing = self._blobs.grow(upload.handle, start, passing, size=upload.size or 0, check=check)
        sending = asyncio.create_task(growing)
        self._sending[upload.uuid] = sending
        beating = asyncio.create_task(self._keep_sending(upload.uuid, writer, sending))
        try:
            await asyncio.wait((sending,))
        except asyncio.CancelledError:
            sending.cancel()
            await to_its_end(asyncio.wait((sending,)))
            raise
        finally:
            beating.cancel()
            if self._sending.get(upload.uuid) is sending:
                del self._sending[upload.uuid]
        if sending.cancelled():
            raise StateConflict(_BUSY)
        end = sending.result()
        if digesting is not None and digesting.size == end:
            await digesting.settle()
            self._digestings[upload.uuid] = digesting
            while len(self._digestings) > _REMEMBERED:
                self._digestings.popitem(last=False)
        return end

    async def _keep_sending(self, uuid: UUID, writer: UUID, sending: asyncio.Task[int]) -> None:
        """Say that this request still sends, until another one wants to, or it cannot be said any more."""
        heard = asyncio.get_running_loop().time()
        while True:
            await asyncio.sleep(BEAT)
            now = self._now()
            try:
                async with self._database.begin() as unit:
                    go_on = await self._store.beat(unit, uuid, writer, now, now + OPEN_FOR)
                heard = asyncio.get_running_loop().time()
            except CommensalError:
                go_on = asyncio.get_running_loop().time() - heard < LOST.total_seconds() - 2 * BEAT
            if not go_on:
                sending.cancel()
                return

    def _digested(self, upload: Upload, key: str) -> Stored | None:
        digesting = self._digestings.pop(upload.uuid, None)
        if digesting is None or digesting.size != upload.size:
            return None
        return Stored(key, digesting.size, *digesting.settled())
