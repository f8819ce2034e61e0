"""A request costs a bounded number of SQL statements, whatever the page's size."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from commensal.core.files_query import parse_filter, parse_text
from commensal.core.principals import Door, Principal, PrincipalKind
from commensal.server.app import build_services
from commensal.server.settings import Settings
from commensal.services import Services
from commensal.storage.postgres.database import PgDatabase, counting

OPERATOR = Principal(PrincipalKind.OPERATOR, Door.CLI)


async def chunks(data: bytes) -> AsyncIterator[bytes]:
    yield data


@pytest.fixture
async def services(database: PgDatabase, dsn: str, tmp_path: Path) -> AsyncIterator[Services]:
    second = PgDatabase(dsn, size=2)
    yield build_services(Settings(data=str(tmp_path)), database, second, b"0" * 32)
    await second.close()


async def test_lists_and_look_ups_are_few_statements(services: Services, database: PgDatabase):
    program = await services.catalog.add_program(OPERATOR, "P")
    project = await services.catalog.add_project(OPERATOR, program, "X")
    async with database.begin() as unit:
        user = await unit.value(
            "insert into users (uuid, email, email_folded) values ($1, 'a@x', 'a@x') returning seq", uuid.uuid4()
        )
    await services.grants.grant(OPERATOR, "a@x", "viewer", project)
    who = Principal(PrincipalKind.USER, Door.ODM, user=user, email="a@x")
    nodes = [parse_filter("a=1 OR NOT b=2 AND commensal:size>0"), parse_text('"two words" OR tx*')]
    for n in (1, 30):
        for one in range(n):
            await services.files.put(OPERATOR, project, f"{n}/f{one}.txt", chunks(b"%d" % one), extra={"a": one})
        services.guard.forget()
        with counting() as count:
            page = await services.file_search.search(who, [one for one in nodes if one], contents=True)
        # Rights, private records, words of many files, the files that match, their rows.
        assert (count.n, page.total >= 1) == (5, True)
        services.guard.forget()
        with counting() as count:
            await services.file_search.find(who, page.items[0].seq)
        assert count.n == 2


async def test_a_tree_is_made_for_what_has_one_and_a_busy_machine_tries_again(
    services: Services, database: PgDatabase, tmp_path: Path
):
    program = await services.catalog.add_program(OPERATOR, "P")
    project = await services.catalog.add_project(OPERATOR, program, "X")
    put = await services.files.put(OPERATOR, project, "a.gz", chunks(b"\x1f\x8b wrong"))
    await services.files.put(OPERATOR, project, "a.txt", chunks(b"text"))
    try:
        assert await services.file_jobs.work()
        assert not await services.file_jobs.work()
    finally:
        services.file_jobs.close()
    found = await services.file_search.find(OPERATOR, put.file.seq, contents=True)
    assert found.contents == '{"error":"The contents could not be parsed."}'
    # Closed, as when the server stops: nothing is lost, the file stays in the queue.
    again = await services.files.put(OPERATOR, project, "b.gz", chunks(hashlib.sha256().digest()))
    assert await services.file_jobs.work()
    async with database.read() as unit:
        rows = await unit.rows("select file, attempts, due > now() as later from file_jobs")
    assert [tuple(row) for row in rows] == [(again.file.seq, 0, True)]
    assert (await services.file_search.find(OPERATOR, again.file.seq, contents=True)).contents is None
