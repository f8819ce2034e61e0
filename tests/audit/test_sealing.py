"""Seals: what is covered when, what tampering is found, partitions, election."""

from __future__ import annotations

import asyncio
import re
import tracemalloc
from datetime import UTC, datetime, timedelta

import pytest

from commensal.errors import Forbidden
from commensal.services import sealing
from commensal.services.sealing import Sealer
from commensal.storage.postgres.audit import PgSealStore
from commensal.storage.postgres.database import PgDatabase
from tests.rights.conftest import OPERATOR, make_user

KEY = bytes(range(32))
COPY = (
    "insert into audit_events select {id}, {at}, who, who_label, credential, door, route, address, request_id, "
    "action, program, project, target, n, result, details from audit_events where id = 3"
)


@pytest.fixture
def sealer(audit_database, guard, clock) -> Sealer:
    return Sealer(database=audit_database, store=PgSealStore(), guard=guard, master_key=KEY, now=clock)


async def seal_all(sealer: Sealer, database: PgDatabase) -> None:
    async with database.read() as unit:
        while await sealer.seal(unit):
            pass


async def verify(sealer: Sealer, database: PgDatabase, **more):
    async with database.snapshot() as unit:
        return await sealer.verify(unit, **more)


async def add(audit, database, user, n: int = 1) -> None:
    for number in range(n):
        async with database.begin() as unit:
            await audit.write(unit, user, "x.add", n=number, details={"n": number}, patients=[number] if n % 2 else [])


async def sql(database, text: str, *values) -> None:
    async with database.begin() as unit:
        await unit.run(text, *values)


async def missing(database) -> list[int]:
    async with database.read() as unit:
        return await unit.value("select missing from audit_seals order by n desc limit 1")


async def test_a_chain_of_seals(database, audit, sealer):
    user = await make_user(database)
    assert (await verify(sealer, database)).ok
    for size in (3, 1, 5):
        await add(audit, database, user, size)
        await seal_all(sealer, database)
    await seal_all(sealer, database)
    await add(audit, database, user, 2)
    report = await sealer.check(OPERATOR)
    assert (report.ok, report.seals, report.events, report.waiting) == (True, 3, 9, 2)
    assert report.head.startswith("3:")
    with pytest.raises(Forbidden):
        await sealer.check(user)


async def test_an_event_that_commits_late_enters_a_later_seal(database, audit, sealer):
    user = await make_user(database)
    await add(audit, database, user)
    async with database.begin() as slow:
        await audit.write(slow, user, "slow")
        await add(audit, database, user)
        for _ in range(3):
            await seal_all(sealer, database)
        assert await missing(database) == [2]
        report = await verify(sealer, database)
        assert (report.ok, report.events, report.waiting) == (True, 2, 0)
    report = await verify(sealer, database)
    assert (report.ok, report.waiting) == (True, 1)
    await seal_all(sealer, database)
    assert await missing(database) == []
    report = await verify(sealer, database)
    assert (report.ok, report.seals, report.events, report.waiting) == (True, 2, 3, 0)


async def test_a_number_that_was_rolled_back_leaves_the_list(database, audit, sealer):
    user = await make_user(database)

    async def broken() -> None:
        async with database.begin() as unit:
            await audit.write(unit, user, "broken")
            raise RuntimeError

    for _ in range(3):
        with pytest.raises(RuntimeError):
            await broken()
    await add(audit, database, user)
    await seal_all(sealer, database)
    assert await missing(database) == [1, 2, 3]
    for _ in range(2):
        await add(audit, database, user)
        await seal_all(sealer, database)
    await add(audit, database, user)
    await seal_all(sealer, database)
    assert await missing(database) == []
    assert (await verify(sealer, database)).ok


async def test_a_number_is_not_given_up_while_its_transaction_has_written_nothing_yet(database, audit, sealer):
    """A transaction that holds a number but no transaction number of its own: only its virtual one shows it."""
    user = await make_user(database)
    await add(audit, database, user)  # the first number of a sequence is logged, which would give one
    async with database.begin() as slow:
        number = await slow.value("select nextval('audit_seq')")
        for _ in range(4):
            await add(audit, database, user)
            await seal_all(sealer, database)
        assert await missing(database) == [number]
        await slow.run(
            "insert into audit_events (id, who_label, door, route, address, request_id, action, target, result) "
            "values ($1, 'x', 'api', '', '', '', 'slow', '', 'ok')",
            number,
        )
    await seal_all(sealer, database)
    assert await missing(database) == []
    report = await verify(sealer, database)
    assert (report.ok, report.events, report.waiting) == (True, 6, 0)


async def test_another_sealer_takes_over_what_is_missing(database, audit, sealer, audit_database, guard, clock):
    user = await make_user(database)
    async with database.begin() as slow:
        await audit.write(slow, user, "slow")
        await add(audit, database, user)
        await seal_all(sealer, database)
        heir = Sealer(database=audit_database, store=PgSealStore(), guard=guard, master_key=KEY, now=clock)
        for _ in range(3):
            await add(audit, database, user)
            await seal_all(heir, database)
        assert await missing(database) == [1]
    await seal_all(heir, database)
    report = await verify(heir, database)
    assert (report.ok, report.events) == (True, 5)


@pytest.mark.parametrize(
    ("tamper", "sentence"),
    [
        ("update audit_events set target = 'other' where id = 4", "Seal 2 .* altered"),
        ("update audit_events set details = '{\"n\": 9}' where id = 4", "altered"),
        ("update audit_events set at = at + interval '1 us' where id = 4", "altered"),
        ("update audit_subjects set patient = 77 where event = 4", "altered"),
        ("delete from audit_subjects where event = 4", "altered"),
        ("delete from audit_events where id = 4", "Event 4 was deleted"),
        ("delete from audit_events where id = 9", "Event 9 was deleted"),
        (COPY.format(id=4, at="now()"), "Event 4 was slipped in"),
        (COPY.format(id=0, at="at"), "Event 0 was slipped in"),
        ("update audit_events set id = 500 where id = 4", "Event 4 was deleted"),
        ("delete from audit_seals where n = 2", "Seals 2 to 2 were removed"),
        ("delete from audit_seals where n = 3", "Seals 3 to 3 were removed"),
        ("delete from audit_seals where n = 1", "Seals 1 to 1 were removed"),
        ("delete from audit_seals", "Seals 1 to 3 were removed"),
        ("update audit_seals set at = at + interval '1 s' where n = 2", "Seal 2 .* altered"),
        ("update audit_seals set missing = '{4}' where n = 2", "altered"),
        ("update audit_seals set signature = sha512('x') where n = 2", "signature of seal 2 is wrong"),
        ("update audit_seals set kid = 'other' where n = 2", "signed by the key other"),
        ("update audit_seals set digest = sha256('x') where n = 3", "signature of seal 3"),
        ("delete from settings where name = 'audit_head'", "note of the newest seal was removed"),
    ],
)  # fmt: skip
async def test_tampering_is_found(database, audit, sealer, tamper, sentence):
    user = await make_user(database)
    for _ in range(3):
        await add(audit, database, user, 3)
        await seal_all(sealer, database)
    assert (await verify(sealer, database)).ok
    await sql(database, tamper)
    report = await verify(sealer, database)
    assert not report.ok
    assert any(re.search(sentence, problem) for problem in report.problems), report.problems


async def test_an_event_slipped_into_a_rolled_back_number_is_found(database, audit, sealer):
    user = await make_user(database)
    await sql(database, "select nextval('audit_seq')")
    for _ in range(4):
        await add(audit, database, user)
        await seal_all(sealer, database)
    assert await missing(database) == []
    await sql(database, COPY.format(id=1, at="at"))
    report = await verify(sealer, database)
    assert report.problems == ["Event 1 was slipped in: its number was given up by seal 3."]


async def test_the_tail_cannot_be_written_anew_unseen(database, audit, sealer):
    """Somebody with the database, but not the key, puts the chain back to an earlier state, note included."""
    user = await make_user(database)
    for _ in range(3):
        await add(audit, database, user)
        await seal_all(sealer, database)
    number, digest = (await verify(sealer, database)).head.split(":")
    await sql(database, "delete from audit_seals where n = 3")
    await sql(
        database,
        "update settings set value = (select jsonb_build_object('n', n, 'digest', encode(digest, 'hex')) "
        "from audit_seals where n = 2) where name = 'audit_head'",
    )
    await sql(database, "update audit_events set target = 'forged' where id = 3")
    assert (await verify(sealer, database)).ok
    assert not (await verify(sealer, database, anchor=(int(number), digest))).ok
    await seal_all(sealer, database)
    assert (await verify(sealer, database)).ok
    assert not (await verify(sealer, database, anchor=(int(number), digest))).ok


async def test_another_key_does_not_verify(database, audit, sealer, audit_database, guard, clock):
    await add(audit, database, await make_user(database))
    await seal_all(sealer, database)
    other = Sealer(database=audit_database, store=PgSealStore(), guard=guard, master_key=bytes(32), now=clock)
    assert other.kid != sealer.kid
    assert not (await verify(other, database)).ok


async def test_partitions_and_events_that_came_before_them(database, audit, sealer, clock):
    user = await make_user(database)
    clock.at = datetime(2026, 11, 30, 23, 59, tzinfo=UTC)
    await add(audit, database, user, 2)
    await seal_all(sealer, database)
    async with database.begin() as unit:
        assert await sealer.ensure_partitions(unit, clock()) == 3
    async with database.begin() as unit:
        assert await sealer.ensure_partitions(unit, clock()) == 0
    clock.move(days=40)
    await add(audit, database, user, 3)
    async with database.begin() as unit:
        assert await sealer.ensure_partitions(unit, clock()) == 2
    clock.move(days=365)
    await add(audit, database, user)
    async with database.read() as unit:
        rows = await unit.rows("select tableoid::regclass::text as t, count(*) as n from audit_events group by 1")
    assert {row["t"]: row["n"] for row in rows} == {
        "audit_events_2026_11": 2,
        "audit_events_2027_01": 3,
        "audit_events_default": 1,
    }
    await seal_all(sealer, database)
    report = await verify(sealer, database)
    assert (report.ok, report.events) == (True, 6)


async def test_processes_that_make_the_partitions_at_once(database, sealer, clock):
    async def make() -> int:
        async with database.begin() as unit:
            return await sealer.ensure_partitions(unit, clock())

    assert sorted(await asyncio.gather(*(make() for _ in range(3)))) == [0, 0, 3]


async def test_one_sealer_reigns_and_another_follows(database, audit, dsn, guard, clock, monkeypatch):
    monkeypatch.setattr(sealing, "SEAL_SECONDS", 0.01)
    monkeypatch.setattr(sealing, "ELECT_SECONDS", 0.01)
    user = await make_user(database)
    pools = [PgDatabase(dsn, size=2, sessions=True), PgDatabase(dsn, size=2, sessions=True)]
    sealers = [Sealer(database=pool, store=PgSealStore(), guard=guard, master_key=KEY, now=clock) for pool in pools]
    tasks = [asyncio.create_task(one.run()) for one in sealers]

    async def sealed(n: int) -> None:
        while (await verify(sealers[0], database)).events < n:
            await asyncio.sleep(0.01)

    try:
        await add(audit, database, user)
        await asyncio.wait_for(sealed(1), 30)
        for task in tasks:
            await add(audit, database, user)
            await asyncio.wait_for(sealed(tasks.index(task) + 2), 30)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for pool in pools:
            await pool.close()
    assert (await verify(sealers[0], database)).ok


async def test_verification_takes_little_memory(database, audit, sealer, torture, monkeypatch):
    """Many events in many seals; what verifying keeps does not grow with them."""
    monkeypatch.setattr(sealing, "SPAN", 1_000)
    many = 200_000 if torture else 10_000
    async with database.begin() as unit:
        await unit.run(
            "insert into audit_events (at, who_label, door, route, address, request_id, action, target, result) "
            "select $2::timestamptz, 'x', 'api', 'r', 'a', i::text, 'x', repeat('t', 100), 'ok' "
            "from generate_series(1, $1) i",
            many,
            datetime.now(UTC) - timedelta(hours=1),
        )
    await seal_all(sealer, database)
    await verify(sealer, database)
    tracemalloc.start()
    try:
        report = await verify(sealer, database)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (report.ok, report.seals, report.events) == (True, many // 1_000, many)
    assert peak < 12_000_000
