"""The audit's writer: what is stored when, merged, queued, and kept when the database is away."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from commensal.core.audit import AuditFilter
from commensal.errors import Forbidden, Unauthenticated, Unavailable
from commensal.services import audit as module
from commensal.services.audit import Audit
from commensal.storage.postgres.audit import PgAuditStore
from commensal.storage.postgres.database import PgDatabase, counting
from tests.rights.conftest import ANONYMOUS, OPERATOR, MovableClock, make_user


async def count(database: PgDatabase, table: str = "audit_events") -> int:
    async with database.read() as unit:
        return await unit.value(f"select count(*) from {table}")


async def then_break(work) -> None:
    await work
    raise RuntimeError


async def test_a_write_and_its_event_come_and_go_together(database, audit):
    user = await make_user(database)
    with pytest.raises(RuntimeError):
        async with database.begin() as unit:
            await then_break(audit.write(unit, user, "project.add"))
    assert await count(database) == 0
    async with database.begin() as unit:
        with counting() as sent:
            await audit.write(unit, user, "project.add", target="P-J", n=3, details={"a": [1, "ä"]}, patients=[7, 5, 7])
        assert sent.n == 1
    (event,) = await audit.tail(OPERATOR)
    assert (event.who, event.action, event.target, event.n, event.details) == (
        user.user, "project.add", "P-J", 3, {"a": [1, "ä"]},
    )  # fmt: skip
    assert event.patients == (5, 7)
    assert [e.id for e in await audit.patient(OPERATOR, 5)] == [event.id]
    assert await audit.patient(OPERATOR, 6) == []


async def test_a_refusal_stays_though_the_request_is_rolled_back(database, audit):
    user = await make_user(database)
    with pytest.raises(RuntimeError):
        async with database.begin():
            await then_break(audit.refusal(user, "read", target="P-J"))
    (event,) = await audit.tail(OPERATOR)
    assert (event.result, event.who, event.target) == ("refused", user.user, "P-J")


async def test_many_refusals_at_once_do_not_wait_for_each_other(database, audit):
    """Twice as many refused requests as the pool has connections, each holding one."""
    user = await make_user(database)

    async def refused() -> None:
        async with database.begin():
            await audit.refusal(user, "read")

    await asyncio.gather(*(refused() for _ in range(10)))
    assert await count(database) == 10


async def test_reads_are_written_by_one_copy(database, audit):
    user = await make_user(database)
    for number in range(50):
        await audit.read(user, "records.list", n=number, details={"type": "sample"} if number % 2 else None)
    assert await count(database) == 0
    with counting() as sent:
        await audit.flush()
    assert sent.texts == ["copy audit_events"]
    assert await count(database) == 50
    async with database.read() as unit:
        assert await unit.value("select details ->> 'type' from audit_events where n = 3") == "sample"


async def test_reads_of_patients_are_stored_before_the_answer(database, audit):
    user = await make_user(database)
    await audit.read(user, "patient.read", patients=[9])
    assert await count(database) == 1
    assert await count(database, "audit_subjects") == 1


async def test_one_event_for_one_request(database, audit):
    user = await make_user(database)
    async with audit.request():
        await audit.read(user, "project.read", project=5)
        await audit.read(user, "records.list", project=5, n=20)
        await audit.read(user, "records.list", project=5, n=7)
    await audit.flush()
    (event,) = await audit.tail(OPERATOR)
    assert (event.action, event.project, event.n) == ("records.list", 5, 27)
    await audit.flush()

    async with audit.request(), database.begin() as unit:
        await audit.read(user, "project.read", project=5)
        await audit.write(unit, user, "record.put")
    await audit.flush()
    assert [e.action for e in (await audit.tail(OPERATOR, 10))[:2]] == ["record.put", "audit.tail"]


async def test_run_writes_by_itself_and_the_rest_on_the_way_out(database, audit, monkeypatch):
    monkeypatch.setattr(module, "FLUSH_SECONDS", 0.01)
    user = await make_user(database)
    task = asyncio.create_task(audit.run())
    await audit.read(user, "records.list")
    while audit.queued:
        await asyncio.sleep(0.005)
    monkeypatch.setattr(module, "FLUSH_SECONDS", 3600)
    await asyncio.sleep(0.05)
    await audit.read(user, "records.list")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await count(database) == 2


async def test_nothing_queued_is_lost_while_the_database_is_away(database, audit_database, clock, monkeypatch):
    away = True

    class Sometimes:
        @asynccontextmanager
        async def begin(self):
            if away:
                raise Unavailable("away")
            async with audit_database.begin() as unit:
                yield unit

    monkeypatch.setattr(module, "QUEUE_LIMIT", 3)
    audit = Audit(database=Sometimes(), store=PgAuditStore(), now=clock)
    user = await make_user(database)
    for _ in range(3):
        await audit.read(user, "records.list")
    audit.unknown_caller("192.0.2.7", "api")
    with pytest.raises(Unavailable):
        await audit.read(user, "records.list")  # the queue is full: the request waits for the database
    assert audit.queued == 3
    away = False
    await audit.read(user, "records.list")
    await audit.flush()
    assert await count(database) == 4
    assert await count(database, "audit_refusals") == 1


async def test_unknown_callers_are_counted_by_address_and_minute(database, audit, clock: MovableClock, monkeypatch):
    clock.at = datetime(2026, 11, 20, 10, 0, 1, tzinfo=UTC)
    monkeypatch.setattr(module, "ADDRESS_LIMIT", 3)
    for _ in range(4):
        audit.unknown_caller("192.0.2.7", "gen3")
    await audit.refusal(ANONYMOUS, "read")
    await audit.flush()
    audit.unknown_caller("192.0.2.7", "gen3")
    clock.move(minutes=1)
    for last in range(9):
        audit.unknown_caller(f"198.51.100.{last}", "gen3")
    await audit.flush()
    async with database.read() as unit:
        rows = await unit.rows("select address, n from audit_refusals order by minute, address")
    assert [tuple(row) for row in rows] == [
        ("192.0.2.7", 5), ("203.0.113.9", 1),
        ("(other)", 7), ("198.51.100.0", 1), ("198.51.100.1", 1),
    ]  # fmt: skip
    assert await count(database) == 0


async def test_only_admins_read_the_audit(database, audit):
    user, admin = await make_user(database), await make_user(database, site_admin=True)
    with pytest.raises(Forbidden):
        await audit.tail(user)
    with pytest.raises(Forbidden):
        await audit.patient(user, 1)
    with pytest.raises(Unauthenticated):
        await audit.tail(ANONYMOUS)
    assert [e.result for e in await audit.tail(admin, 10, AuditFilter(who=user.email))] == ["refused", "refused"]
    assert await audit.tail(admin, 10, AuditFilter(action="nothing_")) == []


async def test_hostile_text_cannot_stop_the_audit(database, audit):
    user = await make_user(database)
    async with database.begin() as unit:
        await audit.write(unit, user, "x", target="a\0b\ud800" + "y" * 5000)
    (event,) = await audit.tail(OPERATOR)
    assert event.target.startswith("a\ufffdb?yyy")
    assert len(event.target) == 1000


async def test_numbers_that_cannot_be_stored_do_not_stop_the_queue(audit: Audit) -> None:
    await audit.read(OPERATOR, "thing.read", program=10**30, n=10**30)
    await audit.flush()
    event = (await audit.tail(OPERATOR, 1))[0]
    assert (event.action, event.program, event.n) == ("thing.read", None, (1 << 63) - 1)
