"""The sealer: chains and signs the audit every second, and verifies the chain.

One process of an installation is the sealer, elected by a lock of the database. Event numbers are
given out before their transactions commit, so an event can become visible after a higher one was
sealed. Each seal therefore names the numbers below its last one that were not visible
(``missing``); those that appear enter a later seal (``late``); those whose transactions are over
without having appeared were rolled back, and are dropped from the list.

A number's transaction is over when every transaction that was open after the number was first
missed has ended. Open transactions are known by their virtual numbers, which they hold from their
first moment, not by transaction numbers, which they get only with their first write.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from itertools import pairwise

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from commensal.core.audit import FIRST_DIGEST, Seal, VerifyReport, event_digest, seal_digest
from commensal.core.principals import Principal
from commensal.errors import CommensalError
from commensal.services.clock import Clock, utc_now
from commensal.services.guard import Guard
from commensal.storage.ports import Database, Unit
from commensal.storage.ports.audit import SealedEvent, SealStore

__all__ = ["Sealer"]

SEAL_SECONDS = 1.0
ELECT_SECONDS = 5.0
PARTITION_SECONDS = 86_400.0
PARTITION_RETRY_SECONDS = 60.0
#: A seal covers at most this many numbers, so that it is made, and verified, in little memory.
SPAN = 20_000


class Sealer:
    """Seals, verifies, and keeps the monthly partitions; ``run`` is its background task.

    ``run`` holds one connection for the election and uses a second one now and then: give it the
    audit's own ``Database``.
    """

    def __init__(
        self, *, database: Database, store: SealStore, guard: Guard, master_key: bytes, now: Clock = utc_now
    ) -> None:
        self._database = database
        self._store = store
        self._guard = guard
        self._now = now
        seed = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"commensal audit seals 1").derive(master_key)
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self._public: Ed25519PublicKey = self._key.public_key()
        self._kid = hashlib.sha256(self.public_key).hexdigest()[:16]
        #: Missing numbers, and the transactions that were open after each was first missed (None: not yet asked).
        self._open: dict[int, frozenset[str] | None] = {}

    @property
    def kid(self) -> str:
        """The name of the key that signs: the first 16 hex digits of the SHA-256 of the public key."""
        return self._kid

    @property
    def public_key(self) -> bytes:
        """The Ed25519 public key (32 bytes), for whoever verifies without the master key."""
        return self._public.public_bytes(Encoding.Raw, PublicFormat.Raw)

    # --- sealing ------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Stand for election, and seal every second while elected, until cancelled."""
        while True:
            try:
                async with self._database.read() as lock:
                    if await self._store.elect(lock):
                        await self._reign(lock)
            except CommensalError:
                # The database is away, or another process has sealed: stand again later.
                pass
            await asyncio.sleep(ELECT_SECONDS)

    async def _reign(self, lock: Unit) -> None:
        self._open.clear()
        due = 0.0
        clock = asyncio.get_running_loop().time
        while True:
            if clock() >= due:
                due = clock() + await self._partitions()
            # On the connection that holds the lock: when it breaks, this sealer stops with it.
            while await self.seal(lock):
                pass
            await asyncio.sleep(SEAL_SECONDS)

    async def _partitions(self) -> float:
        """Make partitions; return after how many seconds to do so again."""
        try:
            async with self._database.begin() as unit:
                await self.ensure_partitions(unit, self._now())
        except CommensalError:
            # A long write holds the table; events go on to stand in the default partition.
            return PARTITION_RETRY_SECONDS
        return PARTITION_SECONDS

    async def seal(self, unit: Unit) -> bool:
        """Make one seal if there is something new; return whether there may be more.

        Needs a unit outside a transaction: each of its statements must see what is committed by then.
        """
        before = await self._store.last_seal(unit)
        last, outstanding = (0, ()) if before is None else (before.last_id, before.missing)
        # First what is open, then what is visible: a number whose transactions had all ended before
        # the second look, and which that look does not show, will never appear.
        dead = await self._over(unit, outstanding)
        newest = await self._store.newest(unit)
        up_to = min(newest, last + SPAN)
        if up_to <= last and not outstanding:
            return False
        found = await self._store.events(unit, above=last, up_to=max(up_to, last), also=outstanding)
        late = tuple(event.id for event, _ in found if event.id is not None and event.id <= last)
        if up_to <= last and not late:
            return False
        seen = {event.id for event, _ in found}
        missing = tuple(number for number in outstanding if number not in seen and number not in dead)
        missing += tuple(number for number in range(last + 1, up_to + 1) if number not in seen)
        seal = self._signed(before, max(up_to, last), missing, late, found)
        if not await self._store.add_seal(unit, seal):
            return False
        self._open = {number: self._open.get(number) for number in missing}
        return up_to < newest

    async def _over(self, unit: Unit, outstanding: tuple[int, ...]) -> set[int]:
        """Return the numbers whose transactions are over, and note what is open for those not asked about yet."""
        if not outstanding:
            return set()
        running = await self._store.running(unit)
        over: set[int] = set()
        for number in outstanding:
            witnesses = self._open.get(number)
            if witnesses is None:
                self._open[number] = running
            elif not witnesses & running:
                over.add(number)
        return over

    def _signed(
        self,
        before: Seal | None,
        last: int,
        missing: tuple[int, ...],
        late: tuple[int, ...],
        found: list[SealedEvent],
    ) -> Seal:
        number = 1 if before is None else before.n + 1
        at = self._now()
        digest = seal_digest(
            FIRST_DIGEST if before is None else before.digest,
            n=number,
            at=at,
            last_id=last,
            missing=missing,
            late=late,
            events=(event_digest(event, details) for event, details in found),
        )
        return Seal(
            n=number,
            at=at,
            last_id=last,
            missing=missing,
            late=late,
            events=len(found),
            digest=digest,
            signature=self._key.sign(digest),
            kid=self._kid,
        )

    # --- partitions ---------------------------------------------------------------------------------

    async def ensure_partitions(self, unit: Unit, now: datetime) -> int:
        """Make the partitions of this month and the next two where they are absent; return how many were made.

        Events that came before their month had a partition stand in the default one, and move along.
        """
        first = now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        starts = [_month_after(first, count) for count in range(4)]
        return await self._store.ensure_partitions(unit, list(pairwise(starts)))

    # --- verifying ----------------------------------------------------------------------------------

    async def check(self, principal: Principal, *, anchor: tuple[int, str] | None = None) -> VerifyReport:
        """Verify the whole audit for a site admin or the operator; see ``verify``."""
        async with self._database.snapshot() as unit:
            await self._guard.require_site_admin(unit, principal, "audit.verify")
            return await self.verify(unit, anchor=anchor)

    async def verify(self, unit: Unit, *, anchor: tuple[int, str] | None = None) -> VerifyReport:
        """Check every seal and every event, in flat memory, within a snapshot unit.

        Finds events that were altered, deleted or slipped in, and seals that were altered or removed.
        ``anchor`` is number and digest of a seal noted elsewhere (``VerifyReport.head`` of an earlier
        run, ``N:DIGEST``): with it, removal of the newest seals shows even where the database's own
        note of its head was put back as well.
        """
        report = VerifyReport()
        head = await self._store.head(unit)
        events = _Events(self._store.all_events(unit))
        walk = _Walk(report)
        async for seals in self._store.seals(unit):
            for seal in seals:
                self._check_signature(seal, report)
                await walk.seal(seal, events)
                if anchor is not None and seal.n == anchor[0] and seal.digest.hex() != anchor[1]:
                    report.problem(f"Seal {seal.n} is not the one that was noted: the chain was written anew.")
        await walk.rest(events)
        report.seals = walk.n
        report.head = f"{walk.n}:{walk.digest.hex()}"
        if anchor is not None and walk.n < anchor[0]:
            report.problem(f"Seals {walk.n + 1} to {anchor[0]} were removed.")
        if head is None and walk.n:
            report.problem("The note of the newest seal was removed.")
        elif head is not None and head[0] > walk.n:
            report.problem(f"Seals {walk.n + 1} to {head[0]} were removed.")
        elif head is not None and (head[0] < walk.n or head[1] != walk.digest.hex()):
            report.problem(f"The newest seal is {walk.n}, but another one was noted: seals were altered or added.")
        return report

    def _check_signature(self, seal: Seal, report: VerifyReport) -> None:
        if seal.kid != self._kid:
            report.problem(f"Seal {seal.n} is signed by the key {seal.kid}, not by this installation's {self._kid}.")
            return
        try:
            self._public.verify(seal.signature, seal.digest)
        except InvalidSignature:
            report.problem(f"The signature of seal {seal.n} is wrong.")


class _Events:
    """All events in order of number, taken as far as a seal reaches."""

    def __init__(self, chunks: AsyncIterator[list[SealedEvent]]) -> None:
        self._chunks = chunks
        self._chunk: list[SealedEvent] = []
        self._at = 0

    async def next_up_to(self, number: int | None) -> tuple[int, bytes] | None:
        """Return number and digest of the next event, None when it is above ``number`` or there is none."""
        while self._at >= len(self._chunk):
            try:
                self._chunk, self._at = await anext(self._chunks), 0
            except StopAsyncIteration:
                return None
        event, details = self._chunk[self._at]
        at = event.id or 0
        if number is not None and at > number:
            return None
        self._at += 1
        return at, event_digest(event, details)


class _Walk:
    """Follows the chain. Memory: the numbers of one seal, and what waits for a later one."""

    def __init__(self, report: VerifyReport) -> None:
        self.report = report
        self.n = 0
        self.digest = FIRST_DIGEST
        self._last = 0
        self._before = 0
        #: Events below the last seal that no seal covers yet.
        self._waiting: dict[int, bytes] = {}
        self._missing: frozenset[int] = frozenset()

    async def seal(self, seal: Seal, events: _Events) -> None:
        report = self.report
        if seal.n != self.n + 1:
            report.problem(f"Seals {self.n + 1} to {seal.n - 1} were removed.")
        missing = frozenset(seal.missing)
        covered: list[tuple[int, bytes]] = []
        for number in seal.late:
            digest = self._waiting.pop(number, None)
            if number not in self._missing:
                report.problem(f"Seal {seal.n} names event {number} as late, but no seal before it missed it.")
            if digest is None:
                report.problem(f"Event {number} was deleted.")
            else:
                covered.append((number, digest))
        for number in [number for number in self._waiting if number not in missing]:
            report.problem(f"Event {number} was slipped in: its number was given up by seal {seal.n}.")
            del self._waiting[number]
        covered += await self._take(seal, missing, events)
        report.events += len(covered)
        known = seal_digest(
            self.digest,
            n=seal.n,
            at=seal.at,
            last_id=seal.last_id,
            missing=seal.missing,
            late=seal.late,
            events=(digest for _, digest in sorted(covered)),
        )
        if known != seal.digest:
            report.problem(
                f"Seal {seal.n} ({seal.at.isoformat(timespec='seconds')}, {seal.events} events up to {seal.last_id}) "
                "does not match: it or one of its events was altered."
            )
        # Go on from what is stored, so that one broken place does not break all that follows.
        self.n, self.digest, self._last, self._missing = seal.n, seal.digest, seal.last_id, missing

    async def _take(self, seal: Seal, missing: frozenset[int], events: _Events) -> list[tuple[int, bytes]]:
        covered: list[tuple[int, bytes]] = []
        expected = self._last + 1
        while (found := await events.next_up_to(seal.last_id)) is not None:
            number, digest = found
            if number <= self._before or number <= self._last:
                self.report.problem(f"Event {number} was slipped in: it stands twice, or below the seals.")
                continue
            self._before = number
            self._deleted(expected, number, missing)
            expected = number + 1
            if number in missing:
                self._waiting[number] = digest
            else:
                covered.append((number, digest))
        self._deleted(expected, seal.last_id + 1, missing)
        return covered

    def _deleted(self, first: int, after: int, missing: frozenset[int]) -> None:
        for number in range(first, after):
            if number not in missing:
                self.report.problem(f"Event {number} was deleted.")

    async def rest(self, events: _Events) -> None:
        """Count what no seal covers yet."""
        while (found := await events.next_up_to(None)) is not None:
            if found[0] <= self._before or found[0] <= self._last:
                self.report.problem(f"Event {found[0]} was slipped in: it stands twice, or below the seals.")
                continue
            self._before = found[0]
            self.report.waiting += 1
        self.report.waiting += len(self._waiting)


def _month_after(month: datetime, count: int) -> datetime:
    years, index = divmod(month.month - 1 + count, 12)
    return month.replace(year=month.year + years, month=index + 1)
