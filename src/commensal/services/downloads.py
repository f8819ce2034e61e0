"""Downloads by index record: where the bytes of a GUID are fetched from, for one record or many.

Bytes of ours get a signed address; bytes that lie elsewhere have the address that the record names, which is handed
out and never fetched (design architecture, "Own-bytes rule").
"""

from __future__ import annotations

from collections.abc import Sequence

from commensal.core.index import IndexRecord
from commensal.core.permissions import Access, PublicLevel, Right
from commensal.core.principals import Principal
from commensal.errors import CommensalError, Forbidden, NotFound
from commensal.services.audit import Audit
from commensal.services.guard import Guard
from commensal.services.index import Index
from commensal.services.signed_bytes import SignedBytes
from commensal.storage.ports import Database, Unit
from commensal.storage.ports.files import FileStore
from commensal.storage.ports.index import IndexStore

__all__ = ["OWN_PROTOCOLS", "Downloads", "is_public", "scheme_of"]

#: How callers may name the way to bytes of ours; ``s3`` is what Gen3 clients call the store that uploads go to.
OWN_PROTOCOLS = frozenset({"http", "https", "s3"})


def is_public(record: IndexRecord) -> bool:
    """Tell whether everybody may download: by the record's own ``/open`` or ``*``, or by its project's level."""
    return record.public or record.project.public_level >= PublicLevel.DOWNLOAD


def scheme_of(url: str) -> str:
    """Return the protocol of an address, in lower case."""
    return url.partition(":")[0].lower()


class Downloads:
    """See the module."""

    def __init__(
        self,
        *,
        database: Database,
        index: Index,
        records: IndexStore,
        store: FileStore,
        signed: SignedBytes,
        guard: Guard,
        audit: Audit,
    ) -> None:
        self._database = database
        self._index = index
        self._records = records
        self._store = store
        self._signed = signed
        self._guard = guard
        self._audit = audit

    async def address(
        self, principal: Principal, guid: str, *, base: str, seconds: int = 3600, protocol: str | None = None
    ) -> str:
        """Return the address of a record's bytes; needs ``download``, or a record that is open to everybody.

        ``base`` is ``https://host`` of this server, ``seconds`` how long a signed address is good, ``protocol`` the
        scheme of a location to choose. The audit has it as a download. Raises NotFound (no record, no bytes, no
        location of that protocol, damaged bytes), Unauthenticated, Forbidden.
        """
        record = await self._index.get(principal, guid)
        async with self._database.read() as unit:
            access = await self._guard.access(unit, principal)
            if not _allowed(access, record):
                raise await self._guard.refused(principal, "download", project=record.project)
            (record,) = await self._whole(unit, [record])
            blob = record.file.blob
            damaged = await self._store.damaged_of(unit, [] if blob is None else [blob])
        found = self._locate(record, damaged, base, seconds, protocol)
        await self._read(principal, [record])
        return found

    async def addresses(
        self,
        principal: Principal,
        guids: Sequence[str],
        *,
        base: str,
        seconds: int = 3600,
        protocol: str | None = None,
    ) -> dict[str, str | CommensalError]:
        """Return for each GUID its address, or the error that ``address`` raises for it; a few statements in all."""
        records = {record.did: record for record in await self._index.many(principal, guids)}
        async with self._database.read() as unit:
            access = await self._guard.access(unit, principal)
            open_ = [record for record in records.values() if _allowed(access, record)]
            records |= {record.did: record for record in await self._whole(unit, open_)}
            keys = {record.file.blob for record in records.values() if record.file.blob is not None}
            damaged = await self._store.damaged_of(unit, sorted(keys))
        answers: dict[str, str | CommensalError] = {}
        given: list[IndexRecord] = []
        by_uuid = {str(record.file.uuid): record for record in records.values()}
        for guid in guids:
            record = records.get(guid) or by_uuid.get(guid)
            if record is None:
                answers[guid] = NotFound(f"There is no record {guid}.")
            elif not _allowed(access, record):
                answers[guid] = Forbidden("You may not download this file.")
            else:
                try:
                    answers[guid] = self._locate(record, damaged, base, seconds, protocol)
                    given.append(record)
                except NotFound as error:
                    answers[guid] = error
        await self._read(principal, given)
        refused = sum(isinstance(answer, Forbidden) for answer in answers.values())
        if refused:
            await self._audit.refusal(principal, "download", target=f"{refused} files")
        return answers

    async def _whole(self, unit: Unit, records: Sequence[IndexRecord]) -> list[IndexRecord]:
        """Return records that may be downloaded with their addresses, which those who may not read are not shown."""
        missing = [record.file.uuid for record in records if not record.full and record.file.blob is None]
        found = {} if not missing else {one.did: one for one in await self._records.by_dids(unit, missing)}
        return [found.get(record.did, record) for record in records]

    def _locate(
        self, record: IndexRecord, damaged: frozenset[str], base: str, seconds: int, protocol: str | None
    ) -> str:
        file = record.file
        if file.blob is not None and (protocol is None or protocol in OWN_PROTOCOLS):
            if file.blob in damaged:
                raise NotFound(
                    "The stored bytes of this file are damaged and are not given out. Store the file again, or ask "
                    "whoever runs this server to bring it back from a backup."
                )
            return self._signed.sign(file, base=base, seconds=seconds)
        for url in record.urls:
            scheme = scheme_of(url)
            if protocol is None or scheme == protocol or (protocol == "http" and scheme == "https"):
                return url
        if file.blob is None and not record.urls:
            raise NotFound(f"No bytes of {record.did} are here yet, and its record names no other place.")
        raise NotFound(f"{record.did} has no location with the protocol {protocol}.")

    async def _read(self, principal: Principal, records: Sequence[IndexRecord]) -> None:
        """Tell the audit, one event a project: who holds an address reads."""
        projects = {record.project.seq: record.project for record in records}
        for seq, project in projects.items():
            mine = [record.file.path for record in records if record.project.seq == seq]
            await self._audit.read(
                principal,
                "file.sign",
                program=project.program,
                project=project,
                target=mine[0] if len(mine) == 1 else "",
                n=len(mine),
            )


def _allowed(access: Access, record: IndexRecord) -> bool:
    project = record.project
    held = access.rights(program=project.program, project=project.seq, public_level=int(project.public_level))
    if held & Right.DOWNLOAD:
        return True
    return access.public and access.only_program in (None, project.program) and is_public(record)
