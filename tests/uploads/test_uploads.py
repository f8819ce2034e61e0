"""Uploads through the service: single, in parts, cut, repeated, refused, abandoned."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from commensal.core.uploads import UploadState
from commensal.errors import Forbidden, Invalid, Malformed, NoSpace, NotFound, StateConflict, Unauthenticated
from commensal.storage.blobs.local import LocalBlobs
from tests.rights.conftest import ANONYMOUS, Site
from tests.uploads.conftest import BASE, Store, chunks, make_store, sha256

MIB = 1024 * 1024
PIECES = [os.urandom(5 * MIB), os.urandom(5 * MIB), b""]
WHOLE = b"".join(PIECES)


async def test_a_whole_file_through_the_server(store: Store):
    data = os.urandom(100_000)
    wanted = uuid4()
    upload = await store.uploads.begin(
        store.writer, store.project, "a/b.bin", size=len(data), sha256=sha256(data).upper(), file=wanted
    )
    assert (upload.state, await store.paths()) == (UploadState.REGISTERED, [])
    done = await store.uploads.write(upload.uuid, chunks(data))
    assert (done.state, done.file) == (UploadState.AVAILABLE, wanted)
    assert await store.read("a/b.bin") == data
    file = await store.files.get(store.writer, store.project, uuid=wanted)
    assert (file.size, file.sha256) == (len(data), sha256(data))
    again = await store.uploads.write(upload.uuid, chunks(data))
    assert again.state is UploadState.AVAILABLE
    assert await store.stored() == [file.blob]


async def test_other_bytes_than_announced_leave_nothing(store: Store):
    good = b"good"
    for announced in ({"size": 5}, {"md5": "0" * 32}, {"sha256": "0" * 64}):
        upload = await store.uploads.begin(store.writer, store.project, "x", **announced)
        with pytest.raises(Invalid):
            await store.uploads.write(upload.uuid, chunks(good))
    upload = await store.uploads.begin(store.writer, store.project, "x", sha256=sha256(good))
    with pytest.raises(Invalid):
        await store.uploads.write(upload.uuid, chunks(b"evil"))
    assert (await store.paths(), await store.stored()) == ([], [])
    assert (await store.uploads.write(upload.uuid, chunks(good))).state is UploadState.AVAILABLE


async def test_parts_in_any_order_after_a_cut(store: Store):
    upload = await store.uploads.begin(store.writer, store.project, "big", parts=True, sha256=sha256(WHOLE))
    sent = {}
    for number in (3, 1, 1):
        sent[number] = await store.uploads.write_part(upload.uuid, number, chunks(PIECES[number - 1]))
    # A cut: another process looks what is here and sends what is missing.
    assert [part.number for part in await store.uploads.parts(upload.uuid)] == [1, 3]
    sent[2] = await store.uploads.write_part(upload.uuid, 2, chunks(PIECES[1]))
    named = [(number, f'"{sent[number].etag}"') for number in (3, 2, 1)]
    assert await store.paths() == []
    done = await store.uploads.complete(store.writer, upload.uuid, named)
    assert done.state is UploadState.AVAILABLE
    assert (await store.uploads.complete(store.writer, upload.uuid, named)).state is UploadState.AVAILABLE
    assert await store.read("big") == WHOLE
    with pytest.raises(StateConflict):
        await store.uploads.write_part(upload.uuid, 1, chunks(b"late"))
    assert len(await store.stored()) == 1


async def test_parts_that_did_not_come_are_named(store: Store):
    upload = await store.uploads.begin(store.writer, store.project, "x", parts=True)
    with pytest.raises(Malformed, match="No parts"):
        await store.uploads.complete(store.writer, upload.uuid)
    part = await store.uploads.write_part(upload.uuid, 1, chunks(b"one"))
    for wrong in ([(2, part.etag)], [(1, "0" * 32)]):
        with pytest.raises(Malformed, match="did not come"):
            await store.uploads.complete(store.writer, upload.uuid, wrong)
    for number in (0, 10_001):
        with pytest.raises(Malformed):
            await store.uploads.write_part(upload.uuid, number, chunks(b"x"))
    assert (await store.uploads.complete(store.writer, upload.uuid)).state is UploadState.AVAILABLE


async def test_parts_with_a_wrong_digest_are_refused_when_read_back(store: Store):
    upload = await store.uploads.begin(store.writer, store.project, "x", parts=True, sha256="0" * 64)
    await store.uploads.write_part(upload.uuid, 1, chunks(b"one"))
    with pytest.raises(Invalid, match="sha256"):
        await store.uploads.complete(store.writer, upload.uuid)
    seen = await store.uploads.find(store.writer, upload.uuid)
    assert seen.state is UploadState.REFUSED
    assert seen.error is not None
    assert "sha256" in seen.error
    with pytest.raises(StateConflict):
        await store.uploads.complete(store.writer, upload.uuid)
    assert (await store.paths(), await store.stored()) == ([], [])


async def test_equal_bytes_are_kept_once(store: Store):
    for path in ("one", "two"):
        upload = await store.uploads.begin(store.writer, store.project, path, parts=True)
        await store.uploads.write_part(upload.uuid, 1, chunks(b"same"))
        await store.uploads.complete(store.writer, upload.uuid)
    assert await store.paths() == ["one", "two"]
    assert len(await store.stored()) == 1
    assert await store.read("two") == b"same"


async def test_nobody_sees_or_ends_what_another_sends(local: Store):
    upload = await local.uploads.begin(local.writer, local.project, "x", parts=True)
    stranger = await local.site.holder("contributor", local.project)
    for caller in (stranger, ANONYMOUS):
        with pytest.raises(NotFound):
            await local.uploads.complete(caller, upload.uuid)
        with pytest.raises(NotFound):
            await local.uploads.give_up(caller, upload.uuid)
    viewer = await local.site.holder("viewer", local.project)
    with pytest.raises(Forbidden):
        await local.uploads.begin(viewer, local.project, "x")
    with pytest.raises(Unauthenticated):
        await local.uploads.begin(ANONYMOUS, local.project, "x")


async def test_a_right_that_is_lost_on_the_way_ends_the_upload(local: Store):
    user = await local.site.holder("contributor", local.project)
    upload = await local.uploads.begin(user, local.project, "x", parts=True)
    await local.uploads.write_part(upload.uuid, 1, chunks(b"x"))
    async with local.site.database.begin() as unit:
        await unit.run("delete from grants where user_seq = $1", user.user)
    local.site.clock.move(seconds=5)
    with pytest.raises(Forbidden):
        await local.uploads.complete(user, upload.uuid)
    assert (await local.paths(), await local.stored()) == ([], [])


async def test_a_quota_bounds_what_is_announced_what_comes_and_what_is_joined(site: Site, tmp_path):
    store = await make_store(site, LocalBlobs(tmp_path), quota=100)
    with pytest.raises(NoSpace):
        await store.uploads.begin(store.writer, store.project, "x", size=101)
    upload = await store.uploads.begin(store.writer, store.project, "x")
    with pytest.raises(Exception, match="larger"):
        await store.uploads.write(upload.uuid, chunks(b"x" * 101))
    parts = await store.uploads.begin(store.writer, store.project, "y", parts=True)
    await store.uploads.write_part(parts.uuid, 1, chunks(b"x" * 60))
    with pytest.raises(Exception, match="larger"):
        await store.uploads.write_part(parts.uuid, 2, chunks(b"x" * 60))
    assert (await store.uploads.complete(store.writer, parts.uuid)).state is UploadState.AVAILABLE
    assert (await store.paths(), len(await store.stored())) == (["y"], 1)


async def test_a_quota_holds_against_many_who_store_at_once(site: Site, tmp_path: Path):
    store = await make_store(site, LocalBlobs(tmp_path), quota=100)
    arrived = 0
    everybody = asyncio.Event()

    async def slowly(number: int) -> AsyncIterator[bytes]:
        nonlocal arrived
        yield bytes([number]) * 30
        arrived += 1
        if arrived == 6:
            everybody.set()
        await everybody.wait()  # each was told that there is room
        yield bytes([number]) * 10

    puts = [store.files.put(store.writer, store.project, f"f{n}", slowly(n)) for n in range(6)]
    results = await asyncio.gather(*puts, return_exceptions=True)
    assert sum(isinstance(result, NoSpace) for result in results) == 4
    assert (len(await store.paths()), len(await store.stored())) == (2, 2)


async def test_abandoned_uploads_are_collected(store: Store):
    parts = await store.uploads.begin(store.writer, store.project, "x", parts=True)
    await store.uploads.write_part(parts.uuid, 1, chunks(b"x"))
    single = await store.uploads.begin(store.writer, store.project, "y")
    assert await store.uploads.collect() == 0
    store.site.clock.move(hours=25)
    assert await store.uploads.collect() == 2
    for upload in (parts, single):
        assert (await store.uploads.find(store.writer, upload.uuid)).state is UploadState.ENDED
    with pytest.raises(NotFound):
        await store.blobs.list_parts(parts.handle)
    store.site.clock.move(days=8)
    await store.uploads.collect()
    with pytest.raises(NotFound):
        await store.uploads.find(store.writer, parts.uuid)


async def test_giving_up_frees_what_came(store: Store):
    upload = await store.uploads.begin(store.writer, store.project, "x", parts=True)
    await store.uploads.write_part(upload.uuid, 1, chunks(b"x"))
    await store.uploads.give_up(store.writer, upload.uuid)
    await store.uploads.give_up(store.writer, upload.uuid)
    with pytest.raises(StateConflict):
        await store.uploads.complete(store.writer, upload.uuid)
    with pytest.raises(NotFound):
        await store.blobs.list_parts(upload.handle)


async def test_a_verification_whose_process_died_is_taken_over(store: Store):
    upload = await store.uploads.begin(store.writer, store.project, "x", parts=True)
    await store.uploads.write_part(upload.uuid, 1, chunks(b"bytes"))
    done = await store.uploads.complete(store.writer, upload.uuid, wait=False)
    assert done.state is UploadState.VERIFYING
    async with store.site.database.begin() as unit:  # a process took it and was killed
        await unit.run("update uploads set claimed = $1", store.site.clock())
    assert not await store.uploads.verify_next()
    store.site.clock.move(seconds=61)
    assert await store.uploads.verify_next()
    assert await store.read("x") == b"bytes"


async def test_whole_files_that_come_straight_to_s3_are_found_and_read_back(s3: Store):
    data = os.urandom(200_000)
    good = await s3.uploads.begin(s3.writer, s3.project, "good", sha256=sha256(data))
    bad = await s3.uploads.begin(s3.writer, s3.project, "bad", sha256="0" * 64)
    form = await s3.uploads.begin(s3.writer, s3.project, "form")
    async with httpx.AsyncClient() as http:
        for upload in (good, bad):
            url = s3.uploads.put_address(upload, base=BASE)
            assert (await http.put(url, content=data)).status_code == 200
        fields = s3.uploads.form(form, base=BASE, limit=1000)
        sent = await http.post(fields.url, data=dict(fields.fields), files={"file": ("a", b"by form")})
        assert sent.status_code in (200, 204)
        assert await s3.paths() == []
        assert await s3.uploads.look_for_direct() == 3
        while await s3.uploads.verify_next():
            pass
        assert await s3.paths() == ["form", "good"]
        assert await s3.read("good") == data
        assert (await s3.uploads.find(s3.writer, bad.uuid)).state is UploadState.REFUSED
        # The address is still valid, but what it writes is nobody's.
        assert (await http.put(s3.uploads.put_address(good, base=BASE), content=b"evil")).status_code == 200
    assert await s3.read("good") == data


async def test_parts_that_come_straight_to_s3(s3: Store):
    upload = await s3.uploads.begin(s3.writer, s3.project, "big", parts=True, size=len(WHOLE))
    named = []
    async with httpx.AsyncClient() as http:
        for number, piece in enumerate(PIECES, 1):
            answer = await http.put(s3.uploads.part_address(upload, number, base=BASE), content=piece)
            named.append((number, answer.headers["etag"]))
    assert (await s3.uploads.complete(s3.writer, upload.uuid, named)).state is UploadState.AVAILABLE
    assert await s3.read("big") == WHOLE
