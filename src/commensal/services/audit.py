"""The audit: one event for each request, written so that none that matters can be lost.

Writes go into the transaction of what they tell about. Refusals, and reads of patient fields, are
stored before the answer, in a transaction of their own. Other reads are queued in the process and
written by COPY; a crash may lose half a second of them. Requests without a valid credential are
counted by address and minute.

Refusals are written while the refused request still holds its own connection. So the audit must be
given a ``Database`` of its own (a small pool): from a shared one, many refusals at once would wait
for each other.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, cast

from commensal.core.audit import AuditEvent, AuditFilter
from commensal.core.principals import Principal, PrincipalKind
from commensal.core.projects import Program, Project
from commensal.errors import CommensalError, Forbidden, Unauthenticated
from commensal.services.clock import Clock, utc_now
from commensal.storage.ports import Database, Unit
from commensal.storage.ports.audit import AuditStore

__all__ = ["Audit", "is_site_admin"]

#: A COPY is due after this many seconds, or events, whichever comes first.
FLUSH_SECONDS = 0.5
FLUSH_EVENTS = 1_000
#: A read waits for the database when this many events are queued.
QUEUE_LIMIT = 10_000
#: Unknown addresses counted one by one between two flushes; the rest are counted together.
ADDRESS_LIMIT = 5_000
OTHER_ADDRESSES = "(other)"
#: Free text from requests is cut here.
TEXT_LIMIT = 1_000
_BIGGEST = (1 << 63) - 1


def is_site_admin(principal: Principal) -> bool:
    """Tell whether the caller administers the site: a site admin's unlimited credential, the operator, the system."""
    if principal.kind in (PrincipalKind.OPERATOR, PrincipalKind.SYSTEM):
        return True
    return principal.kind is PrincipalKind.USER and principal.site_admin and principal.only_program is None


@dataclass(slots=True)
class _Request:
    """What was read so far within one request; ``stored`` once a write or a refusal tells about it."""

    reads: list[AuditEvent] = field(default_factory=list[AuditEvent])
    stored: bool = False


_request: contextvars.ContextVar[_Request | None] = contextvars.ContextVar("audit_request", default=None)


def _number(thing: Program | Project | int | None) -> int | None:
    number = thing if thing is None or isinstance(thing, int) else thing.seq
    # What cannot be stored must not stop the queue; no thing has such a number.
    return None if number is None or abs(number) > _BIGGEST else number


def _clean(text: str) -> str:
    # PostgreSQL has no NUL in text, and lone surrogates are no UTF-8: an attacker must not be able to stop the audit.
    return text[:TEXT_LIMIT].replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def _clean_details(value: object) -> Any:
    if isinstance(value, str):
        return _clean(value)
    if isinstance(value, dict):
        return {_clean(str(key)): _clean_details(item) for key, item in cast("dict[object, object]", value).items()}
    if isinstance(value, list | tuple):
        return [_clean_details(item) for item in cast("Sequence[object]", value)]
    if value is None or isinstance(value, bool | float) or (isinstance(value, int) and abs(value) < 1 << 63):
        return value
    return _clean(str(value))


class Audit:
    """Writes events; ``run`` is its background task, one in each process."""

    def __init__(self, *, database: Database, store: AuditStore, now: Clock = utc_now) -> None:
        self._database = database
        self._store = store
        self._now = now
        self._queue: list[AuditEvent] = []
        self._unknown: dict[tuple[datetime, str, str], int] = {}
        self._flushing = asyncio.Lock()
        self._due = asyncio.Event()

    # --- in ---------------------------------------------------------------------------------------

    async def write(
        self,
        unit: Unit,
        principal: Principal,
        action: str,
        *,
        program: Program | int | None = None,
        project: Project | int | None = None,
        target: str = "",
        n: int = 1,
        result: str = "ok",
        details: dict[str, Any] | None = None,
        patients: Sequence[int] = (),
    ) -> None:
        """Write the event of a change into the change's own transaction; a service calls this once a request.

        ``action`` is ``<thing>.<verb>`` (``project.add``), ``target`` what people call the thing, ``n``
        how many were written, ``patients`` the numbers of records whose patient fields were touched.
        """
        request = _request.get()
        if request is not None:
            request.stored = True
        event = self._event(principal, action, program, project, target, n, result, details, patients)
        await self._store.add(unit, event)

    def event(
        self,
        principal: Principal,
        action: str,
        *,
        program: Program | int | None = None,
        project: Project | int | None = None,
        target: str = "",
        n: int = 1,
        result: str = "ok",
        details: dict[str, Any] | None = None,
    ) -> AuditEvent:
        """Return the event of a change whose own statement writes it, instead of ``write``; see there."""
        request = _request.get()
        if request is not None:
            request.stored = True
        return self._event(principal, action, program, project, target, n, result, details, ())

    async def refusal(
        self,
        principal: Principal,
        action: str,
        *,
        program: Program | int | None = None,
        project: Project | int | None = None,
        target: str = "",
        details: dict[str, Any] | None = None,
    ) -> None:
        """Store that a known caller was refused, before the answer; an unknown caller is counted."""
        if not principal.signed_in:
            self.unknown_caller(principal.address, principal.door)
            return
        request = _request.get()
        if request is not None:
            request.stored = True
        event = self._event(principal, action, program, project, target, 0, "refused", details, ())
        async with self._database.begin() as unit:
            await self._store.add(unit, event)

    async def read(
        self,
        principal: Principal,
        action: str,
        *,
        program: Program | int | None = None,
        project: Project | int | None = None,
        target: str = "",
        n: int = 1,
        details: dict[str, Any] | None = None,
        patients: Sequence[int] = (),
    ) -> None:
        """Queue the event of a read or download; with ``patients``, store it before returning.

        Waits for the database when the queue is full, and raises ``Unavailable`` when that is away.
        """
        event = self._event(principal, action, program, project, target, n, "ok", details, patients)
        request = _request.get()
        if event.patients:
            if request is not None:
                request.stored = True
            async with self._database.begin() as unit:
                await self._store.add(unit, event)
        elif request is not None:
            request.reads.append(event)
        else:
            await self._put(event)

    @asynccontextmanager
    async def request(self) -> AsyncGenerator[None]:
        """Make one event of all that is read within this block; none when a write or refusal tells about it.

        The event has the action and place of the last read, and the sum of what was read in it.
        """
        mine = _Request()
        token = _request.set(mine)
        try:
            yield
        finally:
            _request.reset(token)
            if mine.reads and not mine.stored:
                await self._put(_merged(mine.reads))

    def unknown_caller(self, address: str, door: str) -> None:
        """Count a request without a valid credential, by address and minute."""
        minute = self._now().replace(second=0, microsecond=0)
        key = (minute, _clean(address), str(door))
        if key not in self._unknown and len(self._unknown) >= ADDRESS_LIMIT:
            key = (minute, OTHER_ADDRESSES, str(door))
        self._unknown[key] = self._unknown.get(key, 0) + 1

    def _event(
        self,
        principal: Principal,
        action: str,
        program: Program | int | None,
        project: Project | int | None,
        target: str,
        n: int,
        result: str,
        details: dict[str, Any] | None,
        patients: Iterable[int],
    ) -> AuditEvent:
        if program is None and isinstance(project, Project):
            program = project.program
        return AuditEvent(
            at=self._now(),
            who=principal.user,
            who_label=_clean(principal.label),
            credential=principal.credential,
            door=str(principal.door),
            route=_clean(principal.route),
            address=_clean(principal.address),
            request_id=_clean(principal.request_id),
            action=_clean(action),
            program=_number(program),
            project=_number(project),
            target=_clean(target),
            n=max(-_BIGGEST, min(n, _BIGGEST)),
            result=result,
            details=None if details is None else _clean_details(details),
            patients=tuple(sorted(set(patients))),
        )

    # --- queue ------------------------------------------------------------------------------------

    async def _put(self, event: AuditEvent) -> None:
        while len(self._queue) >= QUEUE_LIMIT:
            await self.flush()
        self._queue.append(event)
        if len(self._queue) >= FLUSH_EVENTS:
            self._due.set()

    @property
    def queued(self) -> int:
        """How many events wait to be written."""
        return len(self._queue)

    async def flush(self) -> None:
        """Write what is queued now; what could not be written stays queued, and the error is raised."""
        async with self._flushing:
            events, self._queue = self._queue[:QUEUE_LIMIT], self._queue[QUEUE_LIMIT:]
            unknown, self._unknown = self._unknown, {}
            if not events and not unknown:
                return
            try:
                async with self._database.begin() as unit:
                    if events:
                        await self._store.add_many(unit, events)
                    if unknown:
                        await self._store.add_unknown(unit, unknown)
            except BaseException:
                self._queue = events + self._queue
                for key, count in unknown.items():
                    self._unknown[key] = self._unknown.get(key, 0) + count
                raise

    async def run(self) -> None:
        """Write the queue at most every half second until cancelled; the last of it is written on the way out."""
        try:
            while True:
                try:
                    await asyncio.wait_for(self._due.wait(), FLUSH_SECONDS)
                except TimeoutError:
                    pass
                self._due.clear()
                try:
                    await self.flush()
                except CommensalError:
                    # The database is away: requests fail by themselves, the queue waits, and is bounded.
                    await asyncio.sleep(FLUSH_SECONDS)
        finally:
            # With the database away at the end, the queue is lost as in a crash.
            with suppress(CommensalError):
                await self.flush()

    # --- out --------------------------------------------------------------------------------------

    async def tail(self, principal: Principal, n: int = 50, only: AuditFilter | None = None) -> list[AuditEvent]:
        """Return the newest ``n`` events (at most 10,000), newest first; site admins and the operator only."""
        await self._only_admins(principal, "audit.tail")
        async with self._database.read() as unit:
            events = await self._store.tail(unit, max(1, min(n, 10_000)), only or AuditFilter())
        await self.read(principal, "audit.tail", n=len(events))
        return events

    async def patient(self, principal: Principal, patient: int, n: int = 1_000) -> list[AuditEvent]:
        """Return who touched the patient fields of one record, newest first; site admins and the operator only."""
        await self._only_admins(principal, "audit.patient")
        async with self._database.read() as unit:
            events = await self._store.of_patient(unit, patient, max(1, min(n, 10_000)))
        await self.read(principal, "audit.patient", target=str(patient), n=len(events))
        return events

    async def _only_admins(self, principal: Principal, action: str) -> None:
        if is_site_admin(principal):
            return
        await self.refusal(principal, action)
        if not principal.signed_in:
            raise Unauthenticated("Sign in as a site admin to read the audit.")
        raise Forbidden("Only site admins may read the audit.")


def _merged(reads: Sequence[AuditEvent]) -> AuditEvent:
    last = reads[-1]
    same = [event for event in reads if (event.action, event.project) == (last.action, last.project)]
    return replace(last, at=reads[0].at, n=sum(event.n for event in same))
