"""The queue of import jobs: one winner, fair turns, nothing lost when a process stops."""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from commensal.core.jobs import ImportRequest, Job, JobKind, JobStatus
from commensal.core.principals import Door, Principal, PrincipalKind
from commensal.core.projects import Project
from commensal.errors import AlreadyExists, TooManyRequests
from commensal.server.app import build_services
from commensal.server.imports import own_addresses
from commensal.server.settings import Settings
from commensal.services import Services, import_jobs
from commensal.storage.postgres.database import PgDatabase
from commensal.storage.postgres.jobs import PgJobs
from tests.odm.file_server import FileServer

OPERATOR = Principal(PrincipalKind.OPERATOR, Door.CLI)


@pytest.fixture
def remote() -> Iterator[FileServer]:
    made = FileServer()
    yield made
    made.close()


@pytest.fixture
async def services(database: PgDatabase, dsn: str, tmp_path: Path, remote: FileServer) -> AsyncIterator[Services]:
    second = PgDatabase(dsn, size=2)
    settings = Settings(data=str(tmp_path), allow_fetch=(f"127.0.0.1:{remote.port}",), min_free=0)
    yield build_services(settings, database, second, b"0" * 32)
    await second.close()


@pytest.fixture
async def project(services: Services) -> Project:
    program = await services.catalog.add_program(OPERATOR, "P")
    return await services.catalog.add_project(OPERATOR, program, "X")


async def person(services: Services, project: Project, email: str) -> Principal:
    async with services.database.begin() as unit:
        user = await unit.value(
            "insert into users (uuid, email, email_folded) values ($1, $2, $2) returning seq", uuid.uuid4(), email
        )
    await services.grants.grant(OPERATOR, email, "contributor", project)
    return Principal(PrincipalKind.USER, Door.ODM, user=user, email=email)


async def start(services: Services, who: Principal, project: Project, link: str, **more: Any) -> Job:
    request = ImportRequest(data_link=link, data_class="Other")
    return await services.import_jobs.import_file(who, project.seq, request, **more)


async def rows(services: Services, sql: str) -> list[tuple[Any, ...]]:
    async with services.database.read() as unit:
        return [tuple(row) for row in await unit.rows(sql)]


async def asked(remote: FileServer, path: str, times: int) -> None:
    async with asyncio.timeout(20):
        while remote.asked.count(path) < times:
            await asyncio.sleep(0.01)


async def test_a_job_that_two_do_ends_once(services: Services, project: Project, remote: FileServer):
    who = await person(services, project, "a@example.org")
    link = remote.put("/slow", b"0123456789" * 1000)
    remote.gates["/slow"] = threading.Event()
    job = await start(services, who, project, link)
    first = asyncio.create_task(services.import_jobs.work())
    await asked(remote, "/slow", 1)
    async with services.database.begin() as unit:  # the first is taken for dead, and is not
        await unit.run("update import_jobs set claimed = claimed - interval '1 hour'")
    second = asyncio.create_task(services.import_jobs.work())
    await asked(remote, "/slow", 2)
    remote.gates["/slow"].set()
    assert await asyncio.gather(first, second) == [True, True]
    assert await rows(services, "select name, path = 'GSF' || seq || '/slow' from files") == [("slow", True)]
    assert (await services.import_jobs.job(who, job.seq)).status is JobStatus.COMPLETED
    signed = await rows(services, "select request ? 'data_link', request ->> 'data_class' from import_jobs")
    assert signed == [(False, "Other")]  # what is done keeps no link, which may be signed
    keys = [key async for key, _ in services.bytes._blobs.keys()]  # noqa: SIM118
    assert len(keys) == 1  # the loser's bytes are gone


async def test_a_process_that_stops_gives_its_jobs_back(
    services: Services, project: Project, remote: FileServer, tmp_path: Path
):
    who = await person(services, project, "a@example.org")
    link = remote.put("/slow", b"0123456789" * 1000)
    remote.gates["/slow"] = threading.Event()
    job = await start(services, who, project, link)
    running = asyncio.create_task(services.import_jobs.run())
    await asked(remote, "/slow", 1)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    now = await services.import_jobs.job(who, job.seq)
    assert (now.status, now.attempts, now.claim) == (JobStatus.STARTING, 0, None)
    async with asyncio.timeout(20):  # a thread may be about to make the file
        while list((tmp_path / "blobs" / "tmp").glob("*")):
            await asyncio.sleep(0.01)
    remote.gates["/slow"].set()
    assert await services.import_jobs.work()
    assert (await services.import_jobs.job(who, job.seq)).status is JobStatus.COMPLETED
    assert not await services.import_jobs.work()


async def test_everybody_comes_to_his_turn(
    services: Services, project: Project, remote: FileServer, monkeypatch: pytest.MonkeyPatch
):
    first, second = await person(services, project, "a@example.org"), await person(services, project, "b@example.org")
    mine = [await start(services, first, project, remote.put(f"/{n}", b"x")) for n in range(5)]
    other = await start(services, second, project, remote.put("/other", b"x"))
    with pytest.raises(AlreadyExists, match=f"jobExecId={other.seq}"):  # a job in their common study
        await start(services, first, project, remote.put("/other", b"x"))
    monkeypatch.setattr(import_jobs, "OPEN_JOBS", 5)
    with pytest.raises(TooManyRequests):
        await start(services, first, project, remote.put("/one more", b"x").replace(" ", "%20"))
    with pytest.raises(TooManyRequests):  # nor as a form
        await services.import_jobs.take_group(first, JobKind.SAMPLES, project.seq, ImportRequest(), b"a\n1\n")
    store, now, taken = PgJobs(), datetime.now(UTC), []
    async with services.database.begin() as unit:
        for _ in range(6):
            job = await store.take(unit, uuid.uuid4(), now, now - timedelta(seconds=30), each=3)
            taken.append(None if job is None else job.seq)
    assert taken == [mine[0].seq, mine[1].seq, mine[2].seq, other.seq, None, None]


async def test_jobs_that_must_not_be_done(services: Services, project: Project, remote: FileServer):
    who = await person(services, project, "a@example.org")
    link = remote.put("/a", b"x")
    given_up = await start(services, who, project, link)
    async with services.database.begin() as unit:
        await unit.run("update import_jobs set attempts = $1", import_jobs.ATTEMPTS)
    await services.import_jobs.work()
    assert (await services.import_jobs.job(who, given_up.seq)).errors[0].type == "given_up"
    switched_off = await start(services, who, project, link)  # a failed job is no repetition
    async with services.database.begin() as unit:
        await unit.run("update users set active = false where seq = $1", who.user)
    await services.import_jobs.work()
    assert "not active" in (await services.import_jobs.job(OPERATOR, switched_off.seq)).errors[0].message
    async with services.database.begin() as unit:
        await unit.run("update users set active = true")
    no_right = await start(services, who, project, link)
    await services.grants.revoke(OPERATOR, who.email, project)
    await services.import_jobs.work()
    ended = await services.import_jobs.job(OPERATOR, no_right.seq)
    assert (ended.status, ended.errors[0].type) == (JobStatus.FAILED, "forbidden")
    assert await rows(services, "select 1 from files") == []
    assert "/a" not in remote.asked  # not even the bytes were asked for


async def test_a_key_that_is_revoked_ends_what_it_began(services: Services, project: Project, remote: FileServer):
    who = await person(services, project, "a@example.org")
    made = await services.keys.make(OPERATOR, Door.ODM, user=who.user)
    keyed = replace(who, credential=made.id)
    gate = remote.gates["/slow"] = threading.Event()
    jobs = [await start(services, keyed, project, remote.put(path, b"0" * 1000)) for path in ("/slow", "/waiting")]
    running = asyncio.create_task(services.import_jobs.work())
    await asked(remote, "/slow", 1)
    await services.keys.revoke(OPERATOR, made.id)
    gate.set()
    assert await running
    assert await services.import_jobs.work()
    for job in jobs:
        ended = await services.import_jobs.job(who, job.seq)
        assert ended.status is JobStatus.FAILED
        assert "key that this import was started with is revoked" in ended.errors[0].message
    assert await rows(services, "select 1 from files") == []
    assert "/waiting" not in remote.asked


async def test_a_job_that_breaks_ends_no_others(services: Services, project: Project, remote: FileServer):
    who = await person(services, project, "a@example.org")
    broken = await start(services, who, project, remote.put("/a", b"x"))
    async with services.database.begin() as unit:  # as no release of ours writes it
        await unit.run("update import_jobs set request = request || '{\"data_link\": 5}'")
    good = await start(services, who, project, remote.put("/b", b"x"))
    running = asyncio.create_task(services.import_jobs.run())
    async with asyncio.timeout(20):
        while (await services.import_jobs.job(who, good.seq)).status is not JobStatus.COMPLETED:
            await asyncio.sleep(0.02)
    assert not running.done()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    ended = await services.import_jobs.job(who, broken.seq)
    assert (ended.status, ended.errors[0].type) == (JobStatus.FAILED, "internal_error")


async def test_many_samples_take_few_statements(services: Services, project: Project, remote: FileServer):
    from commensal.storage.postgres.database import counting

    who = await person(services, project, "a@example.org")
    counts = []
    for number in (10, 1000):
        table = "Sample Source ID\ttissue\n" + "".join(f"{number}-{n}\tkidney\n" for n in range(number))
        with counting() as count:
            request = ImportRequest(name="s.tsv")
            job = await services.import_jobs.take_group(who, JobKind.SAMPLES, project.seq, request, table.encode())
        assert job.status is JobStatus.COMPLETED
        counts.append(count.n)
    assert counts[1] <= counts[0] + 3
    assert await rows(services, "select count(*) from records where type = 'sample'") == [(1010,)]


def test_where_our_own_store_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("COMMENSAL_S3_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("COMMENSAL_S3_SECRET_ACCESS_KEY", "b")
    key = "a" * 40
    own = own_addresses(Settings(data=str(tmp_path), blobs="s3://bucket/pre?endpoint=http://s3.local:9000"))
    assert own.link(f"http://s3.local:9000/bucket/pre/aa/aa/{key}?X-Amz-Signature=1").key == key
    own = own_addresses(Settings(data=str(tmp_path), blobs="s3://bucket/pre?region=eu-west-1"))
    for host in ("bucket.s3.amazonaws.com", "bucket.s3.eu-west-1.amazonaws.com"):
        assert own.link(f"https://{host}/pre/aa/aa/{key}").key == key
    assert own.link(f"https://s3.eu-west-1.amazonaws.com/bucket/pre/aa/aa/{key}").key == key
    assert own.link(f"https://other.s3.amazonaws.com/pre/aa/aa/{key}") is None
    plain = Settings(data=str(tmp_path), base_url="https://commons.example.org", allowed_hosts=("c.example.org",))
    for address in ("https://commons.example.org/", "http://localhost:8000/", "https://c.example.org/"):
        assert own_addresses(plain).link(address) is not None
