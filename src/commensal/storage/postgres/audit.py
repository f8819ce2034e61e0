"""Audit events in PostgreSQL: monthly partitions, COPY for reads, cursors for verification."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import asyncpg
import msgspec

from commensal.core.audit import AuditEvent, AuditFilter, Seal
from commensal.storage.ports import Unit
from commensal.storage.ports.audit import SealedEvent
from commensal.storage.postgres.database import pg

__all__ = ["PgAuditStore", "PgSealStore", "event_sql", "event_values"]

_COLUMNS = (
    "at",
    "who",
    "who_label",
    "credential",
    "door",
    "route",
    "address",
    "request_id",
    "action",
    "program",
    "project",
    "target",
    "n",
    "result",
    "details",
)
_LIST = ", ".join(_COLUMNS)
_VALUES = ", ".join(f"${number}" for number in range(1, len(_COLUMNS) + 1))
_INSERT = f"insert into audit_events ({_LIST}) values ({_VALUES}) returning id, at"  # noqa: S608 - fixed names
_INSERT_WITH_PATIENTS = (
    f"with event as ({_INSERT}), subjects as ("  # noqa: S608 - fixed names
    "insert into audit_subjects (patient, event, at) "
    f"select distinct patient, event.id, event.at from event, unnest(${len(_COLUMNS) + 1}::bigint[]) as patient"
    ") select id from event"
)
#: One event a row: the details as text, its patients as an array.
_SELECT = (
    "select e.id, e.at, e.who, e.who_label, e.credential, e.door, e.route, e.address, e.request_id, e.action, "
    "e.program, e.project, e.target, e.n, e.result, e.details::text as details, "
    "coalesce(s.patients, '{}') as patients from audit_events e left join lateral ("
    "select array_agg(patient order by patient) as patients from audit_subjects where event = e.id) s on true "
)
_SEALER_LOCK = 0x61756469745F73  # "audit_s": one sealer on one database
_PARTITION_LOCK = 0x61756469745F70  # "audit_p"


def event_values(event: AuditEvent) -> tuple[Any, ...]:
    """Return the values that ``event_sql`` takes; an event with patients has more, and is written by itself."""
    return tuple(getattr(event, name) for name in _COLUMNS)


def event_sql(first: int, source: str) -> str:
    """Return a statement for a ``with`` that writes an event once for each row of ``source``.

    Its values are those from ``$first`` on. So a change of one statement carries its event along.
    """
    values = ", ".join(f"${number}" for number in range(first, first + len(_COLUMNS)))
    return f"insert into audit_events ({_LIST}) select {values} from {source}"  # noqa: S608 - fixed names


def _sealed(row: asyncpg.Record) -> SealedEvent:
    fields: dict[str, Any] = dict(row)
    text: str | None = fields["details"]
    fields["details"] = None if text is None else msgspec.json.decode(text)
    fields["patients"] = tuple(fields["patients"])
    return AuditEvent(**fields), text


def _seal(row: asyncpg.Record) -> Seal:
    fields: dict[str, Any] = dict(row)
    fields["missing"] = tuple(fields["missing"])
    fields["late"] = tuple(fields["late"])
    return Seal(**fields)


class PgAuditStore:
    """See ``ports.audit.AuditStore``."""

    async def add(self, unit: Unit, event: AuditEvent) -> int:
        """Write one event with its patients."""
        if event.patients:
            return await pg(unit).value(_INSERT_WITH_PATIENTS, *event_values(event), list(event.patients))
        return await pg(unit).value(_INSERT, *event_values(event))

    async def add_many(self, unit: Unit, events: Sequence[AuditEvent]) -> None:
        """Write many events without patients by COPY."""
        await pg(unit).copy("audit_events", _COLUMNS, [event_values(event) for event in events])

    async def add_unknown(self, unit: Unit, counts: Mapping[tuple[datetime, str, str], int]) -> None:
        """Add to the counts of unknown callers."""
        # Sorted, so that two processes that add at the same time take the row locks in one order.
        keys = sorted(counts)
        await pg(unit).run(
            "insert into audit_refusals as r (minute, address, door, n) "
            "select * from unnest($1::timestamptz[], $2::text[], $3::text[], $4::bigint[]) "
            "on conflict (minute, address, door) do update set n = r.n + excluded.n",
            [key[0] for key in keys],
            [key[1] for key in keys],
            [key[2] for key in keys],
            [counts[key] for key in keys],
        )

    async def tail(self, unit: Unit, n: int, only: AuditFilter) -> list[AuditEvent]:
        """Return the newest events that pass the filter."""
        wanted = [
            ("e.who_label ilike '%' || {} || '%'", _like(only.who)),
            ("e.door = {}", only.door),
            ("e.action like {} || '%'", _like(only.action)),
            ("e.program = {}", only.program),
            ("e.project = {}", only.project),
            ("e.result = {}", only.result),
            ("e.at >= {}", only.since),
            ("e.at < {}", only.before),
        ]
        used = [(text, value) for text, value in wanted if value is not None]
        where = " and ".join(text.format(f"${at}") for at, (text, _) in enumerate(used, 2))
        rows = await pg(unit).rows(
            _SELECT + (f"where {where} " if where else "") + "order by e.id desc limit $1",
            n,
            *(value for _, value in used),
        )
        return [_sealed(row)[0] for row in rows]

    async def of_patient(self, unit: Unit, patient: int, n: int) -> list[AuditEvent]:
        """Return the newest events that name this patient."""
        rows = await pg(
            unit
        ).rows(
            _SELECT + "where (e.id, e.at) in (select event, at from audit_subjects where patient = $1) "  # noqa: S608
            "order by e.id desc limit $2",
            patient,
            n,
        )
        return [_sealed(row)[0] for row in rows]


def _like(text: str | None) -> str | None:
    if text is None:
        return None
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


class PgSealStore:
    """See ``ports.audit.SealStore``."""

    async def elect(self, unit: Unit) -> bool:
        """Try to take the sealer's lock for this connection's life."""
        return await pg(unit).value("select pg_try_advisory_lock($1)", _SEALER_LOCK)

    async def last_seal(self, unit: Unit) -> Seal | None:
        """Return the newest seal."""
        row = await pg(unit).row("select * from audit_seals order by n desc limit 1")
        return None if row is None else _seal(row)

    async def running(self, unit: Unit) -> frozenset[str]:
        """Return the virtual numbers of all open transactions.

        Every transaction locks its virtual number from its first moment, before it has a
        transaction number, and pg_locks shows these to every role (pg_stat_activity does not).
        """
        # Those of other databases of the same server write nothing here, and may stay open for long.
        rows = await pg(unit).rows(
            "select l.virtualxid from pg_locks l left join pg_stat_activity a on a.pid = l.pid "
            "where l.locktype = 'virtualxid' and l.granted and l.mode = 'ExclusiveLock' "
            "and (a.datname is null or a.datname = current_database())"
        )
        return frozenset(row[0] for row in rows)

    async def newest(self, unit: Unit) -> int:
        """Return the highest visible event number."""
        return await pg(unit).value("select coalesce(max(id), 0) from audit_events")

    async def events(self, unit: Unit, *, above: int, up_to: int, also: Sequence[int]) -> list[SealedEvent]:
        """Return visible events of a span, and single ones."""
        rows = await pg(unit).rows(
            _SELECT + "where (e.id > $1 and e.id <= $2) or e.id = any($3::bigint[]) order by e.id",
            above,
            up_to,
            list(also),
        )
        return [_sealed(row) for row in rows]

    async def add_seal(self, unit: Unit, seal: Seal) -> bool:
        """Write a seal and the head of the chain."""
        written = await pg(unit).value(
            "with seal as (insert into audit_seals (n, at, last_id, missing, late, events, digest, signature, kid) "
            "values ($1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict (n) do nothing returning n, digest), "
            "head as (insert into settings (name, value) "
            "select 'audit_head', jsonb_build_object('n', n, 'digest', encode(digest, 'hex')) from seal "
            "on conflict (name) do update set value = excluded.value, changed = now()) select n from seal",
            seal.n,
            seal.at,
            seal.last_id,
            list(seal.missing),
            list(seal.late),
            seal.events,
            seal.digest,
            seal.signature,
            seal.kid,
        )
        return written is not None

    async def head(self, unit: Unit) -> tuple[int, str] | None:
        """Return the noted head of the chain."""
        value = await pg(unit).value("select value from settings where name = 'audit_head'")
        return None if value is None else (int(value["n"]), str(value["digest"]))

    async def seals(self, unit: Unit) -> AsyncIterator[list[Seal]]:
        """Yield all seals in order."""
        async for rows in pg(unit).stream("select * from audit_seals order by n"):
            yield [_seal(row) for row in rows]

    async def all_events(self, unit: Unit) -> AsyncIterator[list[SealedEvent]]:
        """Yield all events by number."""
        async for rows in pg(unit).stream(_SELECT + "order by e.id, e.at"):
            yield [_sealed(row) for row in rows]

    async def ensure_partitions(self, unit: Unit, months: Sequence[tuple[datetime, datetime]]) -> int:
        """Make absent monthly partitions; events that already stand in the default partition move along."""
        p = pg(unit)
        names = [f"audit_events_{start:%Y_%m}" for start, _ in months]
        there = await p.rows("select relname from pg_class where relname = any($1::text[]) and relispartition", names)
        absent = set(names) - {row[0] for row in there}
        if not absent:
            return 0
        # Writers must not queue up for long behind a lock that a long write keeps us from getting.
        await p.run("set local lock_timeout = '5s'")
        await p.run("select pg_advisory_xact_lock($1)", _PARTITION_LOCK)
        made = 0
        for name, (start, end) in zip(names, months, strict=True):
            if name not in absent or await p.value("select to_regclass($1)", name) is not None:
                continue
            await p.run(f"create table {name} (like audit_events including defaults)")
            # DDL takes no parameters; these are our own timestamps.
            # The whole table, parent first: an insert that had already chosen the default partition would break its
            # new bounds; one that waits for the parent chooses afterwards.
            await p.run("lock table audit_events in share row exclusive mode")
            await p.run(
                f"with moved as (delete from audit_events_default where at >= $1 and at < $2 returning *) "  # noqa: S608
                f"insert into {name} select * from moved",
                start,
                end,
            )
            await p.run(
                f"alter table audit_events attach partition {name} "
                f"for values from ('{start.isoformat()}') to ('{end.isoformat()}')"
            )
            made += 1
        return made
