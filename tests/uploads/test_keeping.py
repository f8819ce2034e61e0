"""Bytes that became a file: what may have changed while they came, names without bytes, and who can read them."""

from __future__ import annotations

import os
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from commensal.core.ids import uuid7
from commensal.errors import Forbidden, Invalid, NotFound
from tests.rights.conftest import OPERATOR
from tests.uploads.conftest import Store, chunks, sha256


async def slowly(data: bytes, meanwhile: Callable[[], Awaitable[object]]) -> AsyncIterator[bytes]:
    yield data[:1]
    await meanwhile()
    yield data[1:]


async def register(store: Store, path: str, size: int | None = None, md5: bytes | None = None) -> None:
    async with store.site.database.begin() as unit:
        await unit.run(
            "insert into files (uuid, project, path, name, size, md5, state) values ($1, $2, $3, $3, $4, $5, $6)",
            uuid7(1), store.project.seq, path, size, md5, "registered",
        )  # fmt: skip


async def test_a_project_that_is_deleted_while_bytes_come(local: Store):
    async def delete() -> None:
        async with local.site.database.begin() as unit:
            await unit.run("delete from projects where seq = $1", local.project.seq)

    with pytest.raises((NotFound, Forbidden)):
        await local.files.put(local.writer, local.project, "a", slowly(b"abc", delete))
    assert await local.stored() == []


async def test_a_project_that_moves_to_another_program_while_bytes_come(local: Store):
    other = await local.site.program("ELSEWHERE")

    async def move() -> None:
        async with local.site.database.begin() as unit:
            await unit.run("update projects set program = $2 where seq = $1", local.project.seq, other.seq)

    # The writer's grant is on the program that the project has left.
    with pytest.raises(Forbidden):
        await local.files.put(local.writer, local.project, "a", slowly(b"abc", move))
    assert await local.stored() == []


async def test_a_registered_file_is_filled_and_counts_as_made(local: Store):
    await register(local, "promised", size=3)
    with pytest.raises(Invalid, match="size"):
        await local.files.put(OPERATOR, local.project, "promised", chunks(b"abcd"))
    assert await local.stored() == []
    put = await local.files.put(local.writer, local.project, "promised", chunks(b"abc"))
    assert (put.created, put.changed, put.file.sha256) == (True, True, sha256(b"abc"))
    assert await local.read("promised") == b"abc"
    assert not (await local.files.put(local.writer, local.project, "promised", chunks(b"abcd"))).created


async def test_folders_and_files_are_for_their_owner_alone(local: Store, tmp_path: Path):
    before = os.umask(0)
    try:
        await local.files.put(local.writer, local.project, "a", chunks(b"abc"))
        parts = await local.uploads.begin(local.writer, local.project, "b", parts=True)
        await local.uploads.write_part(parts.uuid, 1, chunks(b"abc"))
        growing = await local.uploads.begin_growing(local.writer, local.project, "c", size=6)
        await local.uploads.append(local.writer, growing.uuid, 0, chunks(b"abc"))
    finally:
        os.umask(before)
    seen = list((tmp_path / "blobs").rglob("*"))
    assert {path.name for path in seen} >= {"tmp", "parts", "whole"}
    for path in [tmp_path / "blobs", *seen]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


async def test_bytes_for_a_file_alone_follow_it_and_end_with_it(local: Store):
    """What ``keep`` holds is the file itself: one that is moved is filled where it is, one that is gone stays gone."""
    await register(local, "promised")
    before = await local.files.get(local.writer, local.project, path="promised")
    async with local.site.database.begin() as unit:
        await unit.run("update files set path = 'elsewhere' where seq = $1", before.seq)
    for path, data in (("promised", b"abc"), ("elsewhere", b"abcd")):
        stored = await local.blobs.put(chunks(data))
        kept = await local.files.keep(local.writer, local.project, path, stored, uuid=before.uuid, fills=True)
        assert (kept.file.seq, kept.file.path) == (before.seq, "elsewhere")
    async with local.site.database.begin() as unit:
        await unit.run("delete from files where seq = $1", before.seq)
    stored = await local.blobs.put(chunks(b"late"))
    with pytest.raises(NotFound, match="was deleted"):
        await local.files.keep(local.writer, local.project, "elsewhere", stored, uuid=before.uuid, fills=True)
    assert await local.paths() == []
    assert await local.blobs.size(stored.key) is None


async def test_a_site_admin_who_is_none_any_more_ends_no_upload(local: Store):
    admin = await local.site.user("admin", site_admin=True)
    first, second = [await local.uploads.begin(admin, local.project, name) for name in ("a", "b")]
    await local.uploads.write(first.uuid, chunks(b"abc"))
    async with local.site.database.begin() as unit:
        await unit.run("update users set site_admin = false where seq = $1", admin.user)
    with pytest.raises(Forbidden):
        await local.uploads.write(second.uuid, chunks(b"abc"))
    assert await local.paths() == ["a"]
