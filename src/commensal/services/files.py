"""Files: bytes with a path in a project, rights checked, digests kept, equal bytes stored once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from commensal.core.files import File, check_media_type, check_path
from commensal.core.ids import uuid7
from commensal.core.names import fold
from commensal.core.permissions import Right
from commensal.core.principals import Principal
from commensal.core.projects import Project
from commensal.errors import Invalid, NoSpace, NotFound, TooLarge, Unavailable
from commensal.services.audit import Audit
from commensal.services.clock import Clock, utc_now
from commensal.services.guard import Guard
from commensal.storage.ports import Database, Unit
from commensal.storage.ports.blobs import Blobs, Stored
from commensal.storage.ports.files import FileStore

__all__ = ["Files", "PutResult"]

#: Keys of removed bytes that one purge looks at.
_PURGE = 1_000


@dataclass(frozen=True, slots=True)
class PutResult:
    """A stored file, and what storing it did."""

    file: File
    created: bool
    changed: bool


class Files:
    """The smallest store: put, get, list."""

    def __init__(
        self,
        *,
        database: Database,
        blobs: Blobs,
        store: FileStore,
        guard: Guard,
        audit: Audit,
        quota: int = 0,
        now: Clock = utc_now,
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._store = store
        self._guard = guard
        self._audit = audit
        self._quota = quota
        self._now = now

    async def put(
        self,
        principal: Principal,
        project: Project,
        path: str,
        chunks: AsyncIterable[bytes],
        *,
        media_type: str = "application/octet-stream",
        record: tuple[str, str] | None = None,
        extra: Any = None,
        size: int | None = None,
        md5: str | None = None,
        sha256: str | None = None,
        uuid: UUID | None = None,
    ) -> PutResult:
        """Store a stream under a path; the same bytes again change nothing.

        Rights: ``create`` for a new path, ``update`` for one that exists. ``record`` is the (type,
        submitter_id) of the record that the file belongs to. ``size``, ``md5`` and ``sha256`` (hex) are
        checked when given; ``uuid`` is that of a new file. The rights are checked before a byte is read, and again
        with the write.
        Raises Invalid, Forbidden, NoSpace (disk or quota), TooLarge.
        """
        check_path(path)
        async with self._database.read() as unit:
            before = await self._allowed(unit, principal, project, path)
            owner = await self._owner(unit, project, record)
            limit = _room(await self._left(unit, project), before)
            if before is not None and before.blob and sha256 is not None and before.sha256 == sha256.lower():
                media = check_media_type(media_type)
                if (before.media_type, extra) == (media, None) and owner in (None, before.record):
                    return PutResult(before, created=False, changed=False)
        if size is not None and limit is not None and size > limit:
            raise NoSpace(self._over_quota(), retry_after=60)
        # What a quota leaves bounds the stream itself: nobody fills the disk with bytes that will be refused.
        try:
            stored = await self._blobs.put(chunks, limit=limit)
        except TooLarge:
            raise NoSpace(self._over_quota(), retry_after=60) from None
        return await self.keep(
            principal,
            project,
            path,
            stored,
            media_type=media_type,
            owner=owner,
            extra=extra,
            uuid=uuid,
            expected=(size, md5, sha256),
        )

    async def check_place(
        self, principal: Principal, project: Project, path: str, record: tuple[str, str] | None = None
    ) -> int | None:
        """Make sure that the caller may store a file here; return the bytes that the quota leaves (None: no limit).

        Raises Invalid for a path or record that cannot be, Forbidden.
        """
        check_path(path)
        async with self._database.read() as unit:
            before = await self._allowed(unit, principal, project, path)
            await self._owner(unit, project, record)
            return _room(await self._left(unit, project), before)

    async def current(self, uuid: UUID) -> File | None:
        """Return a file wherever it is, for an upload that was begun for it; who may store there is asked later."""
        async with self._database.read() as unit:
            return await self._store.find(unit, uuid=uuid)

    async def keep(
        self,
        principal: Principal,
        project: Project,
        path: str,
        stored: Stored,
        *,
        media_type: str = "application/octet-stream",
        owner: int | None = None,
        record: tuple[str, str] | None = None,
        extra: Any = None,
        uuid: UUID | None = None,
        expected: tuple[int | None, str | None, str | None] = (None, None, None),
        fills: bool = False,
        also: Callable[[Unit, File], Awaitable[None]] | None = None,
    ) -> PutResult:
        """Make bytes that are in the store a file; when that is refused, or equal bytes are kept, they go.

        ``expected`` is (size, md5, sha256) as announced. ``fills``: the bytes are for the file ``uuid`` alone, wherever
        it is by now. ``also`` is done in the same transaction. Raises Invalid (other bytes than announced, or than a
        registered file declares), Forbidden, NotFound (the project is gone, or the file), NoSpace (quota). Bytes stay
        where they are when the database is away (Unavailable), so that the same can be tried again.
        """
        kept: str | None = ""
        try:
            _check_digests(stored, *expected)
            told = owner if record is None else record
            new = (
                None
                if fills or self._quota  # which is counted while nobody else in the program stores
                else await self._keep_new(
                    principal,
                    project,
                    path,
                    stored,
                    media_type=media_type,
                    owner=told,
                    extra=extra,
                    uuid=uuid,
                    also=also,
                )
            )
            if new is not None:
                kept = new.blob or ""
                return PutResult(new, created=True, changed=True)
            async with self._database.begin() as unit:
                project, path, left = await self._held_place(unit, project, path, uuid if fills else None)
                before = await self._allowed(unit, principal, project, path, lock=True)
                if before is not None and before.blob is None:
                    _check_digests(stored, before.size, before.md5, before.sha256)
                limit = _room(left, before)
                if limit is not None and stored.size > limit:
                    raise NoSpace(self._over_quota(), retry_after=60)
                if record is not None:
                    owner = await self._owner(unit, project, record)
                result, kept = await self._write(
                    unit,
                    principal,
                    project,
                    path,
                    stored,
                    before=before,
                    media_type=media_type,
                    owner=owner,
                    extra=extra,
                    uuid=uuid,
                )
                if also is not None:
                    chosen, kept = kept, ""  # when this fails, nothing is kept
                    await also(unit, result.file)
                    kept = chosen
        except Unavailable as error:
            # Nobody knows whether a lost connection committed: bytes too many are found by a scrub, too few never.
            kept = "" if isinstance(error, NoSpace) else None
            raise
        except asyncio.CancelledError:
            kept = None  # the same: what was sent may have been done
            raise
        finally:
            if kept is not None and kept != stored.key:
                await self._blobs.delete(stored.key)
        return result

    async def _keep_new(
        self,
        principal: Principal,
        project: Project,
        path: str,
        stored: Stored,
        *,
        media_type: str,
        owner: int | tuple[str, str] | None,
        extra: Any,
        uuid: UUID | None,
        also: Callable[[Unit, File], Awaitable[None]] | None,
    ) -> File | None:
        """Make the file in one statement, as most are: nothing stands at its path. None: it takes the long way."""
        media = check_media_type(media_type)
        now = self._now()
        details = {"size": stored.size, "sha256": stored.sha256.hex()}
        async with self._database.alone() if also is None else self._database.begin() as unit:
            rights = await self._guard.rights(unit, principal, project=project)
            if not rights & Right.CREATE:  # a refusal is decided, and told, by the state that is held
                return None
            file = await self._store.add(
                unit,
                uuid=uuid or uuid7(int(now.timestamp() * 1000)),
                project=project,
                path=path,
                name=path.rpartition("/")[2],
                stored=stored,
                media_type=media,
                record=await self._owner(unit, project, owner) if isinstance(owner, tuple) else owner,
                extra=extra,
                made_by=principal.user,
                now=now,
                event=self._audit.event(
                    principal, "file.add", program=project.program, project=project, target=path, details=details
                ),
            )
            if file is not None and also is not None:
                await also(unit, file)
        return file

    async def _held_place(
        self, unit: Unit, project: Project, path: str, uuid: UUID | None
    ) -> tuple[Project, str, int | None]:
        """Return project and path where bytes go, which stay there until this unit ends; ``uuid``: of a file's own.

        The third is what the quota leaves: its lock comes before those of files, so that nobody waits in a circle.
        Bytes may come for hours: the project may have gone, or belong to another program by now, and the file may
        have been moved or deleted.
        """
        seq = project.seq
        while True:
            held = await self._store.hold_project(unit, seq)
            if held is None:
                raise NotFound("The project was deleted while the bytes came: nothing was stored.")
            left = await self._left(unit, held, alone=True)
            if uuid is None:
                return held, path, left
            file = await self._store.find(unit, uuid=uuid, lock=True)
            if file is None:
                raise NotFound("The file that these bytes are for was deleted: nothing was stored.")
            if file.project == seq:
                return held, file.path, left
            seq = file.project

    async def _allowed(
        self, unit: Unit, principal: Principal, project: Project, path: str, *, lock: bool = False
    ) -> File | None:
        before = await self._store.find(unit, project=project.seq, path=path, lock=lock)
        # A name that was registered, and whose bytes never came, is filled by whoever may make files.
        right = Right.CREATE if before is None or before.blob is None else Right.UPDATE
        await self._guard.require(unit, principal, right, project=project)
        return before

    async def _owner(self, unit: Unit, project: Project, record: tuple[str, str] | None) -> int | None:
        if record is None:
            return None
        type_name, submitter_id = record
        seq = await self._store.record(unit, project.seq, type_name, fold(submitter_id))
        if seq is None:
            raise Invalid(
                f"There is no {type_name} {submitter_id!r} in project {project.project_id} for the file to belong to.",
                field="record",
            )
        return seq

    async def _left(self, unit: Unit, project: Project, *, alone: bool = False) -> int | None:
        """Return the bytes that the program's quota leaves, less than none when it became smaller; None: no limit.

        ``alone``: nobody else in the program is told his room until this unit ends.
        """
        if not self._quota:
            return None
        return self._quota - await self._store.used(unit, project.program, alone=alone)

    def _over_quota(self) -> str:
        return (
            f"The program may hold {self._quota:,} bytes and this file would go beyond that: delete files of the "
            "program, or ask whoever runs this server for a larger quota."
        )

    async def _write(
        self,
        unit: Unit,
        principal: Principal,
        project: Project,
        path: str,
        stored: Stored,
        *,
        before: File | None,
        media_type: str,
        owner: int | None,
        extra: Any,
        uuid: UUID | None,
    ) -> tuple[PutResult, str]:
        media = check_media_type(media_type)
        if (
            before is not None
            and before.blob is not None
            and before.sha256 == stored.sha256.hex()
            and before.media_type == media
            and extra in (None, before.extra)
            and owner in (None, before.record)
            and not await self._store.damaged(unit, before.blob)
        ):
            return PutResult(before, created=False, changed=False), ""
        kept = await self._store.keep_blob(unit, stored)
        now = self._now()
        file = await self._store.put(
            unit,
            uuid=uuid or uuid7(int(now.timestamp() * 1000)),
            project=project.seq,
            path=path,
            name=path.rpartition("/")[2],
            stored=stored,
            blob=kept,
            media_type=media,
            record=owner,
            extra=extra,
            made_by=principal.user,
            now=now,
        )
        created = before is None or before.blob is None
        action = "file.add" if created else "file.replace"
        details = {"size": stored.size, "sha256": stored.sha256.hex()}
        await self._audit.write(
            unit, principal, action, program=project.program, project=project, target=path, details=details
        )
        return PutResult(file, created=created, changed=True), kept

    async def get(
        self,
        principal: Principal,
        project: Project,
        *,
        path: str | None = None,
        uuid: UUID | None = None,
        seq: int | None = None,
        right: Right = Right.READ,
    ) -> File:
        """Return a file of a project by path, uuid or number. Raises NotFound, Forbidden."""
        async with self._database.read() as unit:
            await self._guard.require(unit, principal, right, project=project)
            file = await self._store.find(unit, project=project.seq, path=path, uuid=uuid, seq=seq)
            if file is None or (file.private and not await self._guard.sees_private(unit, principal, project)):
                raise NotFound(f"There is no such file in project {project.project_id}.")
        return file

    async def show(self, principal: Principal, project: Project, path: str) -> File:
        """Return what is known about a file; needs ``read``, and the audit gets the event. Raises as ``get``."""
        file = await self.get(principal, project, path=path)
        await self._audit.read(principal, "file.read", program=project.program, project=project, target=file.path, n=1)
        return file

    async def open(
        self, principal: Principal, project: Project, file: File, start: int = 0, length: int | None = None
    ) -> AsyncIterator[bytes]:
        """Return a stream of a file's bytes; needs ``download``, and the audit gets the event first.

        Await it for the decision, then iterate: nothing is raised for rights once the answer began.
        """
        async with self._database.read() as unit:
            await self._guard.require(unit, principal, Right.DOWNLOAD, project=project)
            if file.private and not await self._guard.sees_private(unit, principal, project):
                raise NotFound(f"There is no such file in project {project.project_id}.")
            await self.check_bytes(unit, project, file)
        assert file.blob is not None
        if await self._blobs.size(file.blob) != file.size:
            raise NotFound("The bytes of this file are not in the store.")
        await self._audit.read(
            principal, "file.download", program=project.program, project=project, target=file.path, n=1
        )
        return self._blobs.get(file.blob, start, length)

    async def check_bytes(self, unit: Unit, project: Project, file: File) -> None:
        """Raise NotFound when a file has no bytes that may be given out: none, or damaged ones."""
        if file.blob is None or file.project != project.seq:
            raise NotFound("This file has no bytes here.")
        if await self._store.damaged(unit, file.blob):
            raise NotFound(
                "The stored bytes of this file are damaged and are not given out. Store the file again, or ask whoever "
                "runs this server to bring it back from a backup."
            )

    async def list(
        self, principal: Principal, project: Project, *, prefix: str = "", offset: int = 0, limit: int = 100
    ) -> tuple[list[File], int]:
        """Return a page of a project's files by path, and how many match."""
        async with self._database.read() as unit:
            await self._guard.require(unit, principal, Right.READ, project=project)
            private = await self._guard.sees_private(unit, principal, project)
            found = await self._store.list(
                unit, project.seq, prefix=prefix, offset=offset, limit=limit, private=private
            )
        await self._audit.read(principal, "file.list", program=project.program, project=project, n=len(found[0]))
        return found

    async def of_records(self, principal: Principal, project: Project, records: list[int]) -> list[File]:
        """Return the files of some records of a project."""
        async with self._database.read() as unit:
            await self._guard.require(unit, principal, Right.READ, project=project)
            private = await self._guard.sees_private(unit, principal, project)
            found = await self._store.of_records(unit, records)
        return [file for file in found if file.project == project.seq and (private or not file.private)]

    async def purge(self) -> int:
        """Remove bytes that no live or deleted file names; returns how many blobs went. For the purge job."""
        removed = 0
        while True:
            async with self._database.begin() as unit:
                keys = await self._store.unused_blobs(unit, _PURGE)
            for key in keys:  # after the commit: a crash in between leaves bytes, never a name without bytes
                await self._blobs.delete(key)
            removed += len(keys)
            if len(keys) < _PURGE:
                return removed


def _room(left: int | None, before: File | None) -> int | None:
    """Return the bytes that may come in the place of a file, when the quota leaves so many."""
    return None if left is None else max(0, left + ((before.size or 0) if before is not None and before.blob else 0))


def _check_digests(stored: Stored, size: int | None, md5: str | None, sha256: str | None) -> None:
    for name, wanted, got in (
        ("size", size, stored.size),
        ("md5", None if md5 is None else md5.lower(), stored.md5.hex()),
        ("sha256", None if sha256 is None else sha256.lower(), stored.sha256.hex()),
    ):
        if wanted is not None and wanted != got:
            raise Invalid(f"The {name} of the bytes that came is {got}, not {wanted}: nothing was stored.", field=name)
