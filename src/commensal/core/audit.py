"""Audit events, the form in which they are sealed, and what a verification tells.

Source: design, "Audit". A seal covers the events above the seal before it, except those not yet
visible (``missing``), and earlier ones that have become visible since (``late``). Its digest is
SHA-256 over the digest before it, its own head, and the SHA-256 of each event in order of number;
so any event, or any seal, that is altered, removed or slipped in breaks the chain at its place.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

__all__ = ["FIRST_DIGEST", "AuditEvent", "AuditFilter", "Seal", "VerifyReport", "event_digest", "seal_digest"]

#: What stands in the place of the digest before the first seal.
FIRST_DIGEST = bytes(32)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One request: who, through which door and route, did what to what, how many, with which result.

    ``id`` is None until the event is stored. ``n`` counts what was read or written. ``result`` is
    ``ok``, ``refused`` or a word of the service. ``patients`` are the numbers of the records whose
    identifying fields were read or written.
    """

    at: datetime
    who: int | None
    who_label: str
    credential: int | None
    door: str
    route: str
    address: str
    request_id: str
    action: str
    program: int | None = None
    project: int | None = None
    target: str = ""
    n: int = 1
    result: str = "ok"
    details: dict[str, Any] | None = None
    patients: tuple[int, ...] = ()
    id: int | None = None


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which events to show; what is None does not limit. ``who`` is part of a caller's name."""

    who: str | None = None
    door: str | None = None
    action: str | None = None
    program: int | None = None
    project: int | None = None
    result: str | None = None
    since: datetime | None = None
    before: datetime | None = None


@dataclass(frozen=True, slots=True)
class Seal:
    """One link of the chain; ``missing`` is all that is still outstanding after it, also from earlier seals."""

    n: int
    at: datetime
    last_id: int
    missing: tuple[int, ...]
    late: tuple[int, ...]
    events: int
    digest: bytes
    signature: bytes
    kid: str


@dataclass(slots=True)
class VerifyReport:
    """What a verification of the whole audit found; ``waiting`` counts events that no seal covers yet."""

    seals: int = 0
    events: int = 0
    waiting: int = 0
    head: str = ""
    problems: list[str] = field(default_factory=list[str])
    more_problems: int = 0

    @property
    def ok(self) -> bool:
        """Tell whether nothing is wrong."""
        return not self.problems

    def problem(self, sentence: str) -> None:
        """Note something that is wrong; after a thousand, only count."""
        if len(self.problems) < 1_000:
            self.problems.append(sentence)
        else:
            self.more_problems += 1


def _microseconds(at: datetime) -> int:
    return (at - _EPOCH) // _MICROSECOND


def event_digest(event: AuditEvent, details: str | None) -> bytes:
    """Return the SHA-256 of an event: its fields as one JSON array, the details as their stored text."""
    row = [
        event.id,
        _microseconds(event.at),
        event.who,
        event.who_label,
        event.credential,
        event.door,
        event.route,
        event.address,
        event.request_id,
        event.action,
        event.program,
        event.project,
        event.target,
        event.n,
        event.result,
        details,
        sorted(event.patients),
    ]
    return hashlib.sha256(json.dumps(row, separators=(",", ":")).encode()).digest()


def seal_digest(
    before: bytes,
    *,
    n: int,
    at: datetime,
    last_id: int,
    missing: Iterable[int],
    late: Iterable[int],
    events: Iterable[bytes],
) -> bytes:
    """Return the digest of a seal; ``events`` are event digests in order of event number."""
    head = [n, _microseconds(at), last_id, sorted(missing), sorted(late)]
    whole = hashlib.sha256(before)
    whole.update(json.dumps(head, separators=(",", ":")).encode())
    for digest in events:
        whole.update(digest)
    return whole.digest()
