"""Uploads: single or in parts, through this server or straight to the store, resumable until they end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from commensal.core.files import check_media_type
from commensal.core.ids import uuid7
from commensal.core.principals import Principal, PrincipalKind
from commensal.core.projects import Project
from commensal.core.uploads import MAX_PARTS, NewUpload, Upload, UploadState
from commensal.errors import CommensalError, Invalid, Malformed, NoSpace, NotFound, StateConflict, Unavailable
from commensal.services.audit import Audit
from commensal.services.callers import caller_values, kept_caller
from commensal.services.clock import Clock, utc_now
from commensal.services.digests import digests, hex_digest
from commensal.services.files import Files, PutResult
from commensal.services.signing import Signer
from commensal.storage.ports import Database
from commensal.storage.ports.blobs import Blobs, Form, Part, Stored
from commensal.storage.ports.catalog import ProjectStore
from commensal.storage.ports.uploads import UploadStore

__all__ = ["BYTES_PATH", "ENDED_TEXT", "OPEN_FOR", "PART_IN_MEMORY", "Uploads"]

#: Where signed addresses of our own begin.
BYTES_PATH = "/commensal/v1/bytes"
#: How long an upload may stay open.
OPEN_FOR = timedelta(hours=24)
#: How long an upload that has ended is remembered, so that a repeated request gets the same answer.
REMEMBERED = timedelta(days=7)
#: A verification that was not heard of for so long is taken over by another process.
STALE = timedelta(seconds=20)
_HEARTBEAT = 5.0
_POLL = 1.0
_COLLECT_EVERY = 60.0
_BATCH = 50
#: Up to this size a completion waits for the verification.
_WAIT_SIZE = 64 * 1024 * 1024
_WAIT_SECONDS = 30.0
_LOOK = 0.05
#: Largest part that goes through this server: of a store on its own disk, and of S3, where a part is held in memory.
PART_ON_DISK = 5 * 1024**3
PART_IN_MEMORY = 64 * 1024 * 1024
ENDED_TEXT = "This upload has ended: begin a new one."


class Uploads:
    """See the module."""

    def __init__(
        self,
        *,
        database: Database,
        blobs: Blobs,
        store: UploadStore,
        projects: ProjectStore,
        files: Files,
        audit: Audit,
        signer: Signer,
        now: Clock = utc_now,
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._store = store
        self._projects = projects
        self._files = files
        self._audit = audit
        self._signer = signer
        self._now = now
        self._wake = asyncio.Event()
        self._verifying: dict[UUID, asyncio.Task[None]] = {}

    @property
    def part_limit(self) -> int:
        """Largest part in bytes that is taken through this server."""
        return PART_ON_DISK if self._blobs.direct is None else PART_IN_MEMORY

    # --- beginning

    async def begin(
        self,
        principal: Principal,
        project: Project,
        path: str,
        *,
        parts: bool = False,
        size: int | None = None,
        md5: str | None = None,
        sha256: str | None = None,
        media_type: str = "application/octet-stream",
        record: tuple[str, str] | None = None,
        extra: Any = None,
        file: UUID | None = None,
        growing: bool = False,
        meta: str = "",
        fills: bool = False,
    ) -> Upload:
        """Register an upload; ``file`` is the uuid that a new file shall get. ``growing``: see GrowingUploads.

        ``fills``: the file is there, and the bytes are for it alone, wherever it is when they come.

        Rights as ``Files.put``. ``size`` (bytes) and digests (hex) are what the bytes are checked against.
        Raises Invalid, Forbidden, NoSpace (the announced size goes beyond the quota).
        """
        room = await self._files.check_place(principal, project, path, record)
        if room is not None and size is not None and size > room:
            raise NoSpace("The program's quota leaves no room for a file of this size.", retry_after=60)
        checked_md5, checked_sha256 = hex_digest(md5, "md5", 32), hex_digest(sha256, "sha256", 64)
        direct = self._blobs.direct is not None and not growing
        opening = self._blobs.begin_parts if parts else self._blobs.begin_incoming
        handle = await (self._blobs.begin_growing() if growing else opening())
        now = self._now()
        milliseconds = int(now.timestamp() * 1000)
        new = NewUpload(
            uuid=uuid7(milliseconds),
            project=project.seq,
            path=path,
            file=file or uuid7(milliseconds),
            parts=parts,
            direct=direct,
            handle=handle,
            size=size,
            md5=checked_md5,
            sha256=checked_sha256,
            media_type=check_media_type(media_type),
            record=record,
            extra=extra,
            caller=caller_values(principal),
            user=principal.user,
            created=now,
            expires=now + OPEN_FOR,
            growing=growing,
            meta=meta,
            fills=fills,
        )
        async with self._database.begin() as unit:
            return await self._store.add(unit, new)

    async def find(self, principal: Principal, uuid: UUID) -> Upload:
        """Return an upload of the caller's own, in what his credential opens; raises NotFound for any other."""
        upload = await self._find(uuid)
        operator = principal.kind in (PrincipalKind.OPERATOR, PrincipalKind.SYSTEM)
        if not operator and (principal.user is None or upload.user != principal.user):
            raise NotFound("There is no such upload.")
        if principal.only_program is not None:
            async with self._database.read() as unit:
                project = await self._projects.find(unit, upload.project)
            if project is None or project.program != principal.only_program:
                raise NotFound("There is no such upload.")
        return upload

    async def _find(self, uuid: UUID) -> Upload:
        async with self._database.read() as unit:
            upload = await self._store.find(unit, uuid)
        if upload is None:
            raise NotFound("There is no such upload.")
        return await self._current(upload) if upload.state.open else upload

    async def _current(self, upload: Upload) -> Upload:
        """Return an upload that fills a file with the place where the file is now; raises NotFound when it is gone."""
        if not upload.fills:
            return upload
        file = await self._files.current(upload.file)
        if file is None:
            raise NotFound("The file that these bytes are for was deleted.")
        return replace(upload, project=file.project, path=file.path)

    # --- signed addresses

    def put_address(self, upload: Upload, *, base: str, seconds: int = 3600) -> str:
        """Return an address to PUT the whole file to; ``base`` is ``https://host`` of this server."""
        if self._blobs.direct is not None:
            return self._blobs.direct.put_address(upload.handle, seconds)
        thing = f"uploads/{upload.uuid}"
        return f"{base}{BYTES_PATH}/{thing}?{self._signer.query('PUT', thing, seconds)}"

    def part_address(self, upload: Upload, number: int, *, base: str, seconds: int = 3600) -> str:
        """Return an address to PUT one part to; the answer has its ETag."""
        _check_number(number)
        if self._blobs.direct is not None:
            return self._blobs.direct.part_address(upload.handle, number, seconds)
        thing = f"uploads/{upload.uuid}/parts/{number}"
        return f"{base}{BYTES_PATH}/{thing}?{self._signer.query('PUT', thing, seconds)}"

    def form(self, upload: Upload, *, base: str, seconds: int = 3600, limit: int = 5 * 1024**3) -> Form:
        """Return a form that takes the whole file, of at most ``limit`` bytes."""
        if self._blobs.direct is not None:
            return self._blobs.direct.form(upload.handle, seconds, limit=limit)
        thing = f"uploads/{upload.uuid}"
        fields = self._signer.fields("POST", thing, seconds, key=str(upload.uuid), limit=str(limit))
        return Form(f"{base}{BYTES_PATH}/{thing}", fields)

    # --- bytes through this server (the caller holds a signed address, or ``find`` gave the upload)

    async def write(self, uuid: UUID, chunks: AsyncIterable[bytes], *, limit: int | None = None) -> Upload:
        """Take the whole file, hashed on the way, and make it available; the same bytes again are no harm.

        Raises Invalid when they are not the announced ones (nothing is kept, the upload stays open), TooLarge,
        NoSpace, StateConflict.
        """
        upload = await self._find(uuid)
        if upload.state is UploadState.AVAILABLE:
            upload = await self._current(upload)
        elif not upload.state.open:
            raise StateConflict(upload.error or ENDED_TEXT)
        if upload.parts or upload.growing:
            raise StateConflict("This upload comes in parts: send each to its own address.")
        principal, project = await self._place(upload)
        room = await self._files.check_place(principal, project, upload.path, upload.record)
        bounds = [bound for bound in (limit, room, upload.size) if bound is not None]
        stored = await self._blobs.put(chunks, limit=min(bounds, default=None))
        await self._keep(upload, principal, project, stored)
        return await self._find(uuid)

    async def write_part(self, uuid: UUID, number: int, chunks: AsyncIterable[bytes]) -> Part:
        """Take one part (numbers 1 to 10,000, any order); the same number again replaces it."""
        _check_number(number)
        upload = await self._find(uuid)
        if not upload.parts or not upload.state.open:
            raise StateConflict(ENDED_TEXT if upload.parts else "This upload comes in one piece.")
        principal, project = await self._place(upload)
        limit = self.part_limit
        room = await self._files.check_place(principal, project, upload.path, upload.record)
        if room is not None:
            async with self._database.read() as unit:
                here = sum(part.size for part in await self._store.parts(unit, uuid) if part.number != number)
            if room <= here:
                raise NoSpace("The program's quota leaves no room for this part.", retry_after=60)
            limit = min(limit, room - here)
        part = await self._blobs.put_part(upload.handle, number, chunks, limit=limit)
        async with self._database.begin() as unit:
            if not await self._store.put_part(unit, uuid, part):
                raise StateConflict(ENDED_TEXT)
        return part

    async def parts(self, uuid: UUID) -> list[Part]:
        """Return the parts that are here, by number: what need not be sent again after a cut."""
        upload = await self._find(uuid)
        if not upload.parts or not upload.state.open:
            raise StateConflict(ENDED_TEXT)
        return await self._blobs.list_parts(upload.handle)

    # --- the end

    async def complete(
        self,
        principal: Principal,
        uuid: UUID,
        parts: Sequence[tuple[int, str]] | None = None,
        *,
        wait: bool = True,
    ) -> Upload:
        """End an upload: all bytes came. Again: the same answer.

        ``parts``: (number, ETag) in order, as the sender knows them; None: all that came. Waits up to 30 seconds
        for the verification of at most 64 MiB, else returns an upload that is verifying. Raises Malformed for
        parts that did not come, StateConflict for an upload that was refused or given up.
        """
        upload = await self.find(principal, uuid)
        size = upload.size or 0
        if upload.state.open:
            chosen = await self._chosen(upload, parts)
            size = sum(part.size for part in chosen) if upload.parts else size
            await self._check_size(upload, size)
            if upload.growing and await self._blobs.grown(upload.handle) != upload.size:
                raise StateConflict("Not all bytes of this upload came yet.")
            async with self._database.begin() as unit:
                current = await self._store.find(unit, uuid, lock=True)
                if current is not None and current.state.open:
                    if upload.parts:
                        await self._store.choose_parts(unit, uuid, chosen)
                    await self._store.set_state(unit, uuid, UploadState.VERIFYING)
        elif upload.state in (UploadState.REFUSED, UploadState.ENDED):
            raise StateConflict(upload.error or ENDED_TEXT)
        if wait and size <= _WAIT_SIZE:
            await self._wait(uuid)
        else:
            self._wake.set()
        return await self._find(uuid)

    async def _check_size(self, upload: Upload, size: int) -> None:
        if upload.parts and upload.size is not None and size != upload.size:
            raise Invalid(f"The parts have {size:,} bytes together, not {upload.size:,} as announced.", field="size")

    async def _chosen(self, upload: Upload, parts: Sequence[tuple[int, str]] | None) -> list[Part]:
        if not upload.parts:
            return []
        here = {part.number: part for part in await self._blobs.list_parts(upload.handle)}
        chosen: list[Part] = []
        if parts is None:
            chosen = [here[number] for number in sorted(here)]
        else:
            for number, etag in sorted({(number, etag.strip('"').lower()) for number, etag in parts}):
                part = here.get(number)
                if part is None or part.etag.lower() != etag:
                    raise Malformed(f"Part {number} with this ETag did not come: send it again.", field="parts")
                chosen.append(part)
            if len({part.number for part in chosen}) != len(chosen):
                raise Malformed("A part is named twice with different ETags.", field="parts")
        if not chosen:
            raise Malformed("No parts came: send at least one, which may be empty.", field="parts")
        return chosen

    async def _wait(self, uuid: UUID) -> None:
        task = self._verifying.get(uuid) or asyncio.create_task(self._verify_one(uuid))
        self._verifying[uuid] = task
        task.add_done_callback(lambda _: self._verifying.pop(uuid, None))
        end = asyncio.get_running_loop().time() + _WAIT_SECONDS
        await asyncio.wait((task,), timeout=_WAIT_SECONDS)
        if task.done() and not task.cancelled():
            error = task.exception()
            if isinstance(error, Unavailable) and not isinstance(error, NoSpace):
                return  # The next try is made beside the requests.
            if error is not None:
                raise error
        # Another process, or the task beside the requests, may have taken it first.
        while asyncio.get_running_loop().time() < end:
            upload = await self._find(uuid)
            if upload.state is UploadState.REFUSED:
                raise Invalid(upload.error or ENDED_TEXT)
            if upload.state is not UploadState.VERIFYING:
                return
            await asyncio.sleep(_LOOK)

    async def _verify_one(self, uuid: UUID) -> None:
        now = self._now()
        async with self._database.begin() as unit:
            upload = await self._store.claim(unit, now, now - STALE, uuid=uuid)
        if upload is not None:
            await self._verify(upload)

    async def give_up(self, principal: Principal, uuid: UUID) -> None:
        """End an upload without a file; again: no error. Raises StateConflict once the file is there."""
        upload = await self.find(principal, uuid)
        if upload.state is UploadState.AVAILABLE:
            raise StateConflict("This upload is a file by now: delete the file.")
        await self._end(upload, UploadState.ENDED, None)

    async def _end(self, upload: Upload, state: UploadState, error: str | None) -> None:
        async with self._database.begin() as unit:
            current = await self._store.find(unit, upload.uuid, lock=True)
            if current is None or current.state is UploadState.AVAILABLE:
                return
            await self._store.set_state(unit, upload.uuid, state, error=error)
        await self._blobs.drop(upload.handle)

    # --- verification: what came is read back; only then is there a file

    async def _place(self, upload: Upload) -> tuple[Principal, Project]:
        async with self._database.read() as unit:
            project = await self._projects.find(unit, upload.project)
        if project is None:
            raise NotFound("The project of this upload is gone.")
        return kept_caller(upload.caller, upload.user), project

    async def _keep(self, upload: Upload, principal: Principal, project: Project, stored: Stored) -> PutResult:
        async def done(unit: Any, file: Any) -> None:
            await self._store.set_state(unit, upload.uuid, UploadState.AVAILABLE, file=file.uuid)

        return await self._files.keep(
            principal,
            project,
            upload.path,
            stored,
            media_type=upload.media_type,
            record=upload.record,
            extra=upload.extra,
            uuid=upload.file,
            expected=(upload.size, upload.md5, upload.sha256),
            fills=upload.fills,
            also=done,
        )

    async def _verify(self, upload: Upload) -> None:
        """Join, read back, hash, and make the file; a refusal is written down, a store that is away is tried later."""
        beating = asyncio.create_task(self._beat(upload.uuid))
        try:
            upload = await self._current(upload)
            principal, project = await self._place(upload)
            if upload.parts:
                async with self._database.read() as unit:
                    parts = await self._store.parts(unit, upload.uuid)
                key = await self._blobs.join_parts(upload.handle, parts)
            elif upload.growing:
                key = await self._blobs.end_growing(upload.handle)
            else:
                key = await self._blobs.take_incoming(upload.handle)
            stored = self._digested(upload, key) or await digests(self._blobs, key)
            await self._keep(upload, principal, project, stored)
        except Unavailable as error:
            if isinstance(error, NoSpace):
                await self._end(upload, UploadState.REFUSED, error.message)
            raise
        except CommensalError as error:
            await self._end(upload, UploadState.REFUSED, error.message)
            raise
        finally:
            beating.cancel()
        if upload.direct and not upload.parts:
            await self._blobs.drop(upload.handle)

    def _digested(self, upload: Upload, key: str) -> Stored | None:
        """Return what is known of bytes that all passed through this process; None: they are read back."""
        return None

    async def _beat(self, uuid: UUID) -> None:
        while True:
            await asyncio.sleep(_HEARTBEAT)
            async with self._database.begin() as unit:
                await self._store.hold(unit, uuid, self._now())

    # --- beside the requests

    async def verify_next(self) -> bool:
        """Verify one upload that waits for it; returns whether there was one."""
        now = self._now()
        async with self._database.begin() as unit:
            upload = await self._store.claim(unit, now, now - STALE)
        if upload is None:
            return False
        try:
            await self._verify(upload)
        except Unavailable:
            return False  # The claim runs out, and the next try is made.
        except CommensalError:
            return True  # It stands in the upload.
        return True

    async def look_for_direct(self) -> int:
        """Find whole files that came straight to the store, which nobody tells about; returns how many came."""
        now = self._now()
        async with self._database.begin() as unit:
            waiting = await self._store.waiting(unit, now, now - timedelta(seconds=_POLL), _BATCH)
        came = 0
        for upload in waiting:
            try:
                await self._blobs.take_incoming(upload.handle)
            except NotFound:
                continue
            async with self._database.begin() as unit:
                current = await self._store.find(unit, upload.uuid, lock=True)
                if current is not None and current.state.open:
                    await self._store.set_state(unit, upload.uuid, UploadState.VERIFYING)
                    came += 1
        return came

    async def collect(self) -> int:
        """End uploads that were abandoned and free what they hold; returns how many."""
        ended = 0
        now = self._now()
        while True:
            async with self._database.read() as unit:
                batch = await self._store.abandoned(unit, now, _BATCH)
            for upload in batch:
                await self._end(upload, UploadState.ENDED, "This upload was abandoned: begin a new one.")
            ended += len(batch)
            if len(batch) < _BATCH:
                break
        async with self._database.begin() as unit:
            await self._store.forget(unit, now - REMEMBERED)
        return ended

    async def sweep(self) -> int:
        """Remove what uploads and writes left behind that ended with their process; returns how many."""
        # In this order: what is begun in between is younger than ``before``.
        before = self._now() - 2 * OPEN_FOR
        async with self._database.read() as unit:
            keep = await self._store.open_handles(unit)
        return await self._blobs.sweep(before, keep)

    async def look_after_lost(self) -> None:
        """Go on where a request was killed; there is nothing to do for uploads that come in whole requests."""

    async def run(self) -> None:
        """Verify and collect until cancelled; several processes may do it side by side."""
        last = 0.0
        loop = asyncio.get_running_loop()
        while True:
            if self._blobs.direct is not None:
                await self.look_for_direct()
            await self.look_after_lost()
            while await self.verify_next():
                pass
            if loop.time() - last > _COLLECT_EVERY:
                last = loop.time()
                await self.collect()
            self._wake.clear()
            try:
                await asyncio.wait_for(self._wake.wait(), _POLL)
            except TimeoutError:
                continue


def _check_number(number: int) -> None:
    if not 1 <= number <= MAX_PARTS:
        raise Malformed(f"A part has a number from 1 to {MAX_PARTS:,}, not {number}.", field="partNumber")
