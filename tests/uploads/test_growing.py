"""Uploads that grow, through the service: on both stores, across processes, cut, taken over, abandoned."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from commensal.core.uploads import UploadState
from commensal.errors import Forbidden, Invalid, NoSpace, NotFound, StateConflict, Unavailable
from commensal.services.growing_uploads import GrowingUploads
from commensal.services.signing import Signer
from commensal.storage.blobs.local import LocalBlobs
from commensal.storage.postgres.catalog import PgProjectStore
from commensal.storage.postgres.uploads import PgUploads
from tests.uploads.conftest import MASTER_KEY, Site, Store, chunks, make_store, sha256

MIB = 1024 * 1024


def another_process(store: Store) -> GrowingUploads:
    """Uploads that share the database and the bytes, and nothing else."""
    return GrowingUploads(
        store=PgUploads(),
        projects=PgProjectStore(),
        files=store.files,
        signer=Signer(MASTER_KEY, now=store.site.clock),
        now=store.site.clock,
        database=store.site.database,
        blobs=store.blobs,
        audit=store.site.audit,
    )


async def cut(data: bytes) -> AsyncIterator[bytes]:
    async for chunk in chunks(data):
        yield chunk
    raise ConnectionResetError


async def test_it_grows_over_cuts_and_processes(store: Store):
    data = os.urandom(18 * MIB + 3)
    upload = await store.uploads.begin_growing(
        store.writer, store.project, "big", size=len(data), sha256=sha256(data), meta="as sent"
    )
    processes: list[Any] = [store.uploads, another_process(store)]
    here = 0
    for turn, end in enumerate((MIB, 2 * MIB, 11 * MIB)):
        with pytest.raises(ConnectionResetError):
            await processes[turn % 2].append(store.writer, upload.uuid, here, cut(data[here:end]))
        seen, here = await processes[1].offset(store.writer, upload.uuid)
        assert (seen.state, seen.meta, here) == (UploadState.UPLOADING, "as sent", end)
    assert await store.stored() == []
    done, here = await processes[1].append(store.writer, upload.uuid, here, chunks(data[here:]))
    assert (done.state, here) == (UploadState.AVAILABLE, len(data))
    assert await store.read("big") == data
    assert len(await store.stored()) == 1
    assert (await processes[0].offset(store.writer, upload.uuid))[1] == len(data)


async def test_bytes_that_all_passed_here_are_not_read_back(store: Store, monkeypatch: pytest.MonkeyPatch):
    data = os.urandom(9 * MIB)
    upload = await store.uploads.begin_growing(store.writer, store.project, "once", size=len(data))
    for start in range(0, len(data), 3 * MIB):
        if start == 6 * MIB:
            monkeypatch.setattr(store.blobs, "get", None)
        done, _ = await store.uploads.append(store.writer, upload.uuid, start, chunks(data[start : start + 3 * MIB]))
    assert done.state is UploadState.AVAILABLE
    monkeypatch.undo()
    file = await store.files.get(store.writer, store.project, path="once")
    assert file.sha256 == sha256(data)


async def test_other_bytes_than_announced_are_refused(store: Store):
    upload = await store.uploads.begin_growing(store.writer, store.project, "x", size=4, md5="0" * 32)
    with pytest.raises(Invalid, match="md5"):
        await store.uploads.append(store.writer, upload.uuid, 0, chunks(b"evil"))
    assert (await store.uploads.find(store.writer, upload.uuid)).state is UploadState.REFUSED
    assert (await store.paths(), await store.stored()) == ([], [])
    with pytest.raises(StateConflict):
        await store.uploads.append(store.writer, upload.uuid, 4, chunks(b""))


async def test_the_last_byte_counts_even_when_its_sender_was_cut(local: Store):
    upload = await local.uploads.begin_growing(local.writer, local.project, "last", size=3)
    with pytest.raises(ConnectionResetError):
        await local.uploads.append(local.writer, upload.uuid, 0, cut(b"abc"))
    assert (await local.uploads.find(local.writer, upload.uuid)).state is UploadState.UPLOADING
    seen, here = await local.uploads.offset(local.writer, upload.uuid)
    assert (seen.state, here) == (UploadState.VERIFYING, 3)
    while await local.uploads.verify_next():
        pass
    assert await local.read("last") == b"abc"


async def test_nobody_ends_an_upload_while_its_last_bytes_are_written(local: Store):
    data = os.urandom(4 * MIB)
    upload = await local.uploads.begin_growing(local.writer, local.project, "late", size=len(data))
    end = asyncio.Event()

    async def lingering() -> AsyncIterator[bytes]:
        for start in range(0, len(data), MIB):
            yield data[start : start + MIB]
        await end.wait()

    sending = asyncio.create_task(local.uploads.append(local.writer, upload.uuid, 0, lingering()))
    while await local.blobs.grown(upload.handle) < len(data):
        await asyncio.sleep(0.01)
    seen, here = await another_process(local).offset(local.writer, upload.uuid)
    assert (seen.state, here) == (UploadState.UPLOADING, len(data))
    with pytest.raises(Unavailable):
        await local.blobs.end_growing(upload.handle)
    end.set()
    done, _ = await sending
    assert done.state is UploadState.AVAILABLE
    assert await local.read("late") == data


@pytest.mark.parametrize("elsewhere", [False, True])
async def test_a_request_that_hangs_is_taken_over(local: Store, elsewhere: bool):
    upload = await local.uploads.begin_growing(local.writer, local.project, "hangs", size=6)
    came = asyncio.Event()

    async def hanging() -> AsyncIterator[bytes]:
        yield b"abc"
        came.set()
        await asyncio.Event().wait()

    first = asyncio.create_task(local.uploads.append(local.writer, upload.uuid, 0, hanging()))
    await came.wait()
    second = another_process(local) if elsewhere else local.uploads
    # The first one holds its bytes until it is stopped: the second finds the end elsewhere, and then goes on.
    with pytest.raises(StateConflict):
        await second.append(local.writer, upload.uuid, 0, chunks(b"abcdef"))
    with pytest.raises(StateConflict):
        await first
    assert (await second.offset(local.writer, upload.uuid))[1] == 3
    done, _ = await second.append(local.writer, upload.uuid, 3, chunks(b"def"))
    assert done.state is UploadState.AVAILABLE
    assert await local.read("hangs") == b"abcdef"


async def test_a_request_that_was_lost_is_followed_at_once(local: Store):
    upload = await local.uploads.begin_growing(local.writer, local.project, "lost", size=3)
    async with local.site.database.begin() as unit:  # what a process that was killed leaves
        await unit.run("update uploads set writer = gen_random_uuid(), beat = $2 where uuid = $1", upload.uuid,
                       local.site.clock() - timedelta(seconds=10))  # fmt: skip
    done, _ = await local.uploads.append(local.writer, upload.uuid, 0, chunks(b"abc"))
    assert done.state is UploadState.AVAILABLE


async def test_rights_are_asked_with_every_request(local: Store):
    upload = await local.uploads.begin_growing(local.writer, local.project, "x", size=6)
    await local.uploads.append(local.writer, upload.uuid, 0, chunks(b"abc"))
    async with local.site.database.begin() as unit:
        await unit.run("delete from grants where user_seq = $1", local.writer.user)
    local.site.guard.forget()
    with pytest.raises((Forbidden, NotFound)):
        await local.uploads.append(local.writer, upload.uuid, 3, chunks(b"def"))


async def test_the_quota_counts_from_the_beginning(site: Site, tmp_path: Any):
    store = await make_store(site, LocalBlobs(tmp_path / "blobs"), quota=10)
    with pytest.raises(NoSpace):
        await store.uploads.begin_growing(store.writer, store.project, "x", size=11)
    upload = await store.uploads.begin_growing(store.writer, store.project, "x", size=6)
    await store.files.put(store.writer, store.project, "y", chunks(b"12345"))
    with pytest.raises(NoSpace):
        await store.uploads.append(store.writer, upload.uuid, 0, chunks(b"abcdef"))


async def test_abandoned_ones_end_a_day_after_the_last_byte(store: Store):
    upload = await store.uploads.begin_growing(store.writer, store.project, "x", size=6)
    store.site.clock.move(hours=20)
    await store.uploads.append(store.writer, upload.uuid, 0, chunks(b"abc"))
    store.site.clock.move(hours=20)
    assert await store.uploads.collect() == 0
    store.site.clock.move(hours=5)
    assert await store.uploads.collect() == 1
    with pytest.raises(NotFound):
        await store.blobs.grown(upload.handle)
    with pytest.raises(StateConflict, match="abandoned"):
        await store.uploads.append(store.writer, upload.uuid, 3, chunks(b"def"))
