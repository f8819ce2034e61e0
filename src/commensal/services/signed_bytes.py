"""Signed addresses of files: made for what the guard allowed, and what they open when this server serves them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from urllib.parse import quote

from commensal.core.files import File
from commensal.core.permissions import Right
from commensal.core.principals import Principal
from commensal.core.projects import Project
from commensal.errors import NotFound
from commensal.services.audit import Audit
from commensal.services.files import Files
from commensal.services.guard import Guard
from commensal.services.signing import Signed, Signer
from commensal.services.uploads import BYTES_PATH
from commensal.storage.ports import Database
from commensal.storage.ports.blobs import Blobs
from commensal.storage.ports.files import FileStore

__all__ = ["SignedBytes"]


class SignedBytes:
    """See the module."""

    def __init__(
        self,
        *,
        database: Database,
        blobs: Blobs,
        store: FileStore,
        files: Files,
        guard: Guard,
        audit: Audit,
        signer: Signer,
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._store = store
        self._files = files
        self._guard = guard
        self._audit = audit
        self._signer = signer

    async def address(
        self,
        principal: Principal,
        project: Project,
        file: File,
        *,
        base: str,
        seconds: int = 3600,
        method: str = "GET",
    ) -> str:
        """Return an address to GET (or HEAD) a file's bytes from without a credential; needs ``download``.

        ``base`` is ``https://host`` of this server. The audit has it as a download: who holds the address reads.
        Raises Unauthenticated, Forbidden, NotFound (no bytes, or damaged ones).
        """
        async with self._database.read() as unit:
            await self._guard.require(unit, principal, Right.DOWNLOAD, project=project)
            if file.private and not await self._guard.sees_private(unit, principal, project):
                raise NotFound("There is no such file.")
            await self._files.check_bytes(unit, project, file)
        await self._audit.read(principal, "file.sign", program=project.program, project=project, target=file.path, n=1)
        return self.sign(file, base=base, seconds=seconds, method=method)

    async def addresses_at(
        self, principal: Principal, project: Project, paths: Sequence[str], *, base: str, seconds: int = 3600
    ) -> dict[str, str]:
        """Return by path the addresses of those files of a project that have bytes; three statements at most.

        Empty, and no refusal, for a caller without ``download``: the addresses are something added to another answer.
        """
        async with self._database.read() as unit:
            if not await self._guard.rights(unit, principal, project=project) & Right.DOWNLOAD:
                return {}
            private = await self._guard.sees_private(unit, principal, project)
            found = await self._store.at_paths(unit, project.seq, paths)
            files = [file for file in found if file.blob is not None and (private or not file.private)]
            damaged = await self._store.damaged_of(unit, [file.blob for file in files if file.blob is not None])
        good = [file for file in files if file.blob not in damaged]
        if good:
            await self._audit.read(
                principal,
                "file.sign",
                program=project.program,
                project=project,
                target=good[0].path if len(good) == 1 else "",
                n=len(good),
            )
        return {file.path: self.sign(file, base=base, seconds=seconds) for file in good}

    def sign(self, file: File, *, base: str, seconds: int, method: str = "GET") -> str:
        """Return an address of a file that has bytes, for a service that has decided and told the audit."""
        assert file.blob is not None
        direct = self._blobs.direct
        if direct is not None:
            return direct.get_address(file.blob, seconds, name=file.name, media_type=file.media_type, method=method)
        thing = f"files/{file.blob}"
        query = self._signer.query(method, thing, seconds, name=file.name, type=file.media_type)
        return f"{base}{BYTES_PATH}/{thing}/{quote(file.name, safe='')}?{query}"

    def check(self, method: str, thing: str, query: str) -> Signed:
        """Return what the query of an address of ours allows; raises Forbidden."""
        return self._signer.check_query(method, thing, query)

    def check_form(self, thing: str, fields: dict[str, str]) -> Signed:
        """Return what the fields of a form of ours allow; raises Forbidden."""
        return self._signer.check("POST", thing, fields)

    async def size(self, key: str) -> int:
        """Return the size of stored bytes that may be given out; raises NotFound for others.

        Others: damaged or missing ones, and those that no file has any more, because it was deleted or replaced.
        """
        async with self._database.read() as unit:
            good = await self._store.given_out(unit, key)
        size = await self._blobs.size(key) if good else None
        if size is None:
            raise NotFound("The bytes of this file are not in the store any more.")
        return size

    def open(self, key: str, start: int, length: int) -> AsyncIterator[bytes]:
        """Return a stream of stored bytes in blocks of 1 MiB at most."""
        return self._blobs.get(key, start, length)
