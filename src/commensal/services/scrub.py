"""The health of stored bytes: all are read back and hashed; what is damaged is quarantined and told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from commensal.core.principals import Principal
from commensal.errors import NotFound
from commensal.services.audit import Audit
from commensal.services.clock import Clock, utc_now
from commensal.services.digests import digests
from commensal.services.guard import Guard
from commensal.storage.ports import Database
from commensal.storage.ports.blobs import Blobs
from commensal.storage.ports.scrub import KnownBlob, ScrubStore

__all__ = ["Damage", "Scrub", "ScrubReport"]

_BATCH = 200
#: A file's bytes are in the store a moment before the database names them: strays are looked at again after this.
_SETTLE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes that are not what was stored: ``missing`` or ``changed``; ``files`` are ``PROGRAM-PROJECT path`` texts."""

    key: str
    kind: str
    size: int
    files: tuple[str, ...]


@dataclass(slots=True)
class ScrubReport:
    """What a scrub saw. ``orphans``: (key, bytes) in the store that the database does not know."""

    blobs: int = 0
    bytes: int = 0
    healed: int = 0
    damaged: list[Damage] = field(default_factory=list[Damage])
    orphans: list[tuple[str, int]] = field(default_factory=list[tuple[str, int]])
    removed: int = 0


class Scrub:
    """For whoever runs the server: ``commensal admin files scrub``."""

    def __init__(
        self,
        *,
        database: Database,
        blobs: Blobs,
        store: ScrubStore,
        guard: Guard,
        audit: Audit,
        now: Clock = utc_now,
        settle: float = _SETTLE_SECONDS,
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._store = store
        self._guard = guard
        self._audit = audit
        self._now = now
        self._settle = settle

    async def run(
        self,
        principal: Principal,
        *,
        remove_orphans: bool = False,
        progress: Callable[[int, int], Awaitable[None]] | None = None,
    ) -> ScrubReport:
        """Hash all stored bytes. Damaged ones are not given out from now on; found whole again, they are.

        ``progress`` gets (blobs, bytes) done. ``remove_orphans`` deletes bytes that nothing names and no open
        upload will. Raises Forbidden, Unavailable (the store is away: nothing is called damaged for that).
        """
        report = ScrubReport()
        async with self._database.read() as unit:
            await self._guard.require_site_admin(unit, principal)
        after = ""
        while True:
            async with self._database.read() as unit:
                batch = await self._store.known(unit, after, _BATCH)
            for blob in batch:
                await self._check(blob, report)
                if progress is not None:
                    await progress(report.blobs, report.bytes)
            if len(batch) < _BATCH:
                break
            after = batch[-1].key
        await self._orphans(report)
        if remove_orphans and report.orphans:
            await asyncio.sleep(self._settle)
            await self._remove(report)
        async with self._database.begin() as unit:
            details = {
                "blobs": report.blobs,
                "bytes": report.bytes,
                "damaged": [damage.key for damage in report.damaged[:100]],
                "orphans": len(report.orphans),
                "removed": report.removed,
            }
            await self._audit.write(unit, principal, "files.scrub", n=report.blobs, details=details)
        return report

    async def _check(self, blob: KnownBlob, report: ScrubReport) -> None:
        kind = ""
        try:
            seen = await digests(self._blobs, blob.key)
            # A blob whose digest went over to good bytes (they came again) is named by nothing: the purge's work.
            if (seen.size, seen.md5, seen.sha256) != (blob.size, blob.md5, blob.sha256):
                kind = "changed"
        except NotFound:
            kind = "missing"
        report.blobs += 1
        report.bytes += blob.size
        async with self._database.begin() as unit:
            here = await self._store.note(unit, blob.key, self._now(), damaged=bool(kind))
            if here and kind:
                files = await self._store.files_of(unit, blob.key, 20)
                report.damaged.append(Damage(blob.key, kind, blob.size, tuple(files)))
        if here and blob.damaged and not kind:
            report.healed += 1

    async def _orphans(self, report: ScrubReport) -> None:
        batch: list[tuple[str, int]] = []
        async for entry in self._blobs.keys():
            batch.append(entry)
            if len(batch) >= _BATCH:
                report.orphans.extend(await self._unknown(batch))
                batch = []
        report.orphans.extend(await self._unknown(batch))

    async def _unknown(self, batch: list[tuple[str, int]]) -> list[tuple[str, int]]:
        if not batch:
            return []
        async with self._database.read() as unit:
            unknown = set(await self._store.unknown(unit, [key for key, _ in batch]))
        return [entry for entry in batch if entry[0] in unknown]

    async def _remove(self, report: ScrubReport) -> None:
        for start in range(0, len(report.orphans), _BATCH):
            for key, _ in await self._unknown(report.orphans[start : start + _BATCH]):
                await self._blobs.delete(key)
                report.removed += 1
