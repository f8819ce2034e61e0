"""The file service: quota, purge, owners, statements; on a database of its own."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest

from commensal.core.files import check_media_type, check_path
from commensal.core.projects import Project
from commensal.errors import Invalid, NoSpace, NotFound
from commensal.server.app import build_services
from commensal.server.settings import Settings
from commensal.services import Services
from commensal.services.identity import operator
from commensal.storage.postgres.database import PgDatabase, counting
from commensal.storage.postgres.files import PURGE_LOCK

WHO = operator("test")


@pytest.fixture
def quota() -> int:
    return 1000


@pytest.fixture
async def site(database: PgDatabase, dsn: str, tmp_path: Path, quota: int) -> AsyncIterator[Services]:
    audit_database = PgDatabase(dsn, size=2)
    settings = Settings(data=str(tmp_path), quota=quota, min_free=0)
    (tmp_path / "blobs").mkdir()
    yield build_services(settings, database, audit_database, bytes(32))
    await audit_database.close()


@pytest.fixture
async def project(site: Services) -> Project:
    await site.catalog.add_program(WHO, "F")
    return await site.catalog.add_project(WHO, "F", "one")


async def chunks(data: bytes) -> AsyncIterator[bytes]:
    yield data


def blobs(folder: Path) -> int:
    return sum(1 for path in (folder / "blobs").glob("*/*/*") if path.is_file())


async def test_a_program_cannot_hold_more_than_its_quota(site: Services, project: Project, tmp_path: Path):
    await site.files.put(WHO, project, "a", chunks(b"x" * 600))
    for size in (None, 401):
        with pytest.raises(NoSpace, match="1,000 bytes"):
            await site.files.put(WHO, project, "b", chunks(b"y" * 401), size=size)
    assert blobs(tmp_path) == 1
    await site.files.put(WHO, project, "a", chunks(b"z" * 1000))  # in the place of the 600
    with pytest.raises(NoSpace):
        await site.files.put(WHO, project, "b", chunks(b"y"))


async def test_bytes_go_when_nothing_names_them_and_not_while_a_backup_runs(
    site: Services, project: Project, tmp_path: Path, dsn: str
):
    await site.files.put(WHO, project, "a", chunks(b"one"))
    await site.files.put(WHO, project, "b", chunks(b"one"))
    await site.files.put(WHO, project, "a", chunks(b"two"))
    assert (blobs(tmp_path), await site.files.purge()) == (2, 0)
    await site.files.put(WHO, project, "b", chunks(b"two"))
    backup = await asyncpg.connect(dsn)
    await backup.execute("select pg_advisory_lock_shared($1)", PURGE_LOCK)
    assert await site.files.purge() == 0
    await backup.close()
    for _ in range(100):
        if removed := await site.files.purge():
            break
    assert (removed, blobs(tmp_path)) == (1, 1)
    file = await site.files.get(WHO, project, path="b")
    assert b"".join([part async for part in await site.files.open(WHO, project, file)]) == b"two"


async def test_a_file_belongs_to_a_record_of_its_project(site: Services, project: Project):
    result = await site.submission.submit(
        WHO, "F", "one", [{"type": "subject", "submitter_id": "P-1", "projects": {"code": "one"}}]
    )
    assert result.success
    put = await site.files.put(WHO, project, "a", chunks(b"x"), record=("subject", "p-1"))
    assert put.file.record is not None
    assert [f.path for f in await site.files.of_records(WHO, project, [put.file.record])] == ["a"]
    with pytest.raises(Invalid, match="no subject 'P-2'"):
        await site.files.put(WHO, project, "b", chunks(b"x"), record=("subject", "P-2"))
    again = await site.files.put(WHO, project, "a", chunks(b"y"))
    assert again.file.record == put.file.record, "new bytes keep the owner"
    assert (again.file.seq, again.file.uuid) == (put.file.seq, put.file.uuid)
    assert again.file.change > put.file.change


@pytest.mark.parametrize("quota", [0])
async def test_a_put_costs_a_fixed_number_of_statements(site: Services, project: Project):
    with counting() as count:
        await site.files.put(WHO, project, "a", chunks(b"x"))
    assert count.n == 2, count.texts
    with counting() as count:
        await site.files.put(WHO, project, "a", chunks(b"y"))
    assert count.n <= 9, count.texts
    with counting() as count:
        await site.files.list(WHO, project)
    assert count.n <= 2, count.texts


@pytest.mark.parametrize("quota", [0, 1000])
async def test_writers_of_one_path_at_once_make_one_file(site: Services, project: Project, tmp_path: Path, dsn: str):
    contents = [b"%d" % n for n in range(6)] * 2
    made = await asyncio.gather(*(site.files.put(WHO, project, "same", chunks(data)) for data in contents))
    assert sum(one.created for one in made) == 1
    assert len({one.file.uuid for one in made}) == 1
    changes = [one.file.change for one in made if one.changed]
    assert len(set(changes)) == len(changes)
    now = await site.files.get(WHO, project, path="same")
    assert now.change == max(changes)
    (last,) = {one.file.sha256 for one in made if one.file.change == now.change}
    assert now.sha256 == last
    read = b"".join([part async for part in await site.files.open(WHO, project, now)])
    assert hashlib.sha256(read).hexdigest() == now.sha256
    connection = await asyncpg.connect(dsn)
    told = await connection.fetch("select action, target from audit_events where action like 'file.%'")
    named = {row["key"] for row in await connection.fetch("select key from blobs")}
    await connection.close()
    assert sorted(row["action"] for row in told) == ["file.add"] + ["file.replace"] * (len(changes) - 1)
    stored = {path.name for path in (tmp_path / "blobs").glob("*/*/*") if path.is_file()}
    assert stored == named, "bytes that came in vain are gone, and no others"


@pytest.mark.parametrize("quota", [0])
async def test_a_new_file_with_bytes_that_are_known_shares_them(site: Services, project: Project, tmp_path: Path):
    first = await site.files.put(WHO, project, "a", chunks(b"same"))
    second = await site.files.put(WHO, project, "b", chunks(b"same"))
    assert second.created
    assert second.file.blob == first.file.blob
    assert blobs(tmp_path) == 1


@pytest.mark.parametrize("quota", [0])
async def test_a_new_file_heals_equal_bytes_that_are_damaged(site: Services, project: Project, dsn: str):
    first = await site.files.put(WHO, project, "a", chunks(b"same"))
    connection = await asyncpg.connect(dsn)
    await connection.execute("update blobs set damaged = now()")
    await connection.close()
    second = await site.files.put(WHO, project, "b", chunks(b"same"))
    healed = await site.files.get(WHO, project, path="a")
    assert second.created
    assert second.file.blob == healed.blob != first.file.blob
    assert b"".join([part async for part in await site.files.open(WHO, project, healed)]) == b"same"


async def test_files_of_other_projects_are_not_found_here(site: Services, project: Project):
    other = await site.catalog.add_project(WHO, "F", "other")
    put = await site.files.put(WHO, other, "a", chunks(b"x"))
    with pytest.raises(NotFound):
        await site.files.get(WHO, project, uuid=put.file.uuid)
    with pytest.raises(NotFound):
        await site.files.open(WHO, project, put.file)
    gone = replace(put.file, blob="0" * 40)
    with pytest.raises(NotFound, match="not in the store"):
        await site.files.open(WHO, other, gone)


@pytest.mark.parametrize("path", ["", "/a", "a/", "a//b", ".", "a/../b", "a\x00b", "a\nb", "é" * 513, "\ud800"])
def test_paths_that_no_file_may_have(path: str):
    with pytest.raises(Invalid):
        check_path(path)


@pytest.mark.parametrize("path", ["a", "a b/c.txt", "..a/b..", "größe/x", "a" * 1024])
def test_paths_that_a_file_may_have(path: str):
    assert check_path(path) == path


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("text/plain; charset=utf-8", "text/plain; charset=utf-8"),
        ("application/vnd.a+json", "application/vnd.a+json"),
        ("nonsense", "application/octet-stream"),
        ("text/plain\r\nX: 1", "application/octet-stream"),
        ("a/b/c", "application/octet-stream"),
    ],
)
def test_media_types(given: str, kept: str):
    assert check_media_type(given) == kept
