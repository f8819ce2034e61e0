"""A scrub finds what is damaged, and that is never given out as good."""

from __future__ import annotations

import os

import pytest

from commensal.errors import Forbidden, NotFound
from tests.rights.conftest import OPERATOR
from tests.uploads.conftest import BASE, Store, chunks


async def put(store: Store, path: str, data: bytes):
    return (await store.files.put(store.writer, store.project, path, chunks(data))).file


async def test_healthy_bytes_are_counted(store: Store):
    await put(store, "a", b"12345")
    await put(store, "b", os.urandom(2_000_000))
    report = await store.scrub.run(OPERATOR)
    assert (report.blobs, report.bytes, report.damaged, report.orphans) == (2, 2_000_005, [], [])
    with pytest.raises(Forbidden):
        await store.scrub.run(store.writer)


async def test_damaged_bytes_are_told_and_never_given_out(local: Store):
    _good, bad, gone = [await put(local, path, path.encode() * 1000) for path in ("good", "bad", "gone")]
    path = local.blobs.path(bad.blob)
    kept = path.read_bytes()
    path.write_bytes(b"X" + kept[1:])
    local.blobs.path(gone.blob).unlink()
    report = await local.scrub.run(OPERATOR)
    assert {(damage.key, damage.kind) for damage in report.damaged} == {(bad.blob, "changed"), (gone.blob, "missing")}
    assert report.damaged[0].files == (
        f"{local.project.project_id} {'bad' if report.damaged[0].key == bad.blob else 'gone'}",
    )
    for file in (bad, gone):
        with pytest.raises(NotFound):
            await local.files.open(local.writer, local.project, file)
    analyst = await local.site.holder("analyst", local.project)
    with pytest.raises(NotFound, match="damaged"):
        await local.bytes.address(analyst, local.project, bad, base=BASE)
    with pytest.raises(NotFound):
        await local.bytes.size(bad.blob)
    assert await local.read("good") == b"good" * 1000
    # Whole again (a restored disk): given out again.
    path.write_bytes(kept)
    assert (await local.scrub.run(OPERATOR)).healed == 1
    assert await local.read("bad") == kept


async def test_good_bytes_that_come_again_heal_every_file_that_has_them(local: Store):
    one = await put(local, "one", b"bytes")
    await put(local, "two", b"bytes")
    local.blobs.path(one.blob).write_bytes(b"BYTES")
    await local.scrub.run(OPERATOR)
    await put(local, "one", b"bytes")
    assert (await local.read("one"), await local.read("two")) == (b"bytes", b"bytes")
    assert await local.files.purge() == 1
    assert len(await local.stored()) == 1


async def test_a_shorter_file_is_never_sent_as_the_whole(local: Store):
    file = await put(local, "x", b"bytes")
    local.blobs.path(file.blob).write_bytes(b"byt")
    with pytest.raises(NotFound):
        await local.files.open(local.writer, local.project, file)


async def test_strays_are_reported_and_removed_on_demand_only(store: Store):
    await put(store, "x", b"bytes")
    stray = await store.blobs.put(chunks(b"stray"))
    upload = await store.uploads.begin(store.writer, store.project, "y", parts=True)
    await store.uploads.write_part(upload.uuid, 1, chunks(b"on its way"))
    report = await store.scrub.run(OPERATOR)
    assert (report.orphans, report.removed) == ([(stray.key, 5)], 0)
    report = await store.scrub.run(OPERATOR, remove_orphans=True)
    assert report.removed == 1
    assert len(await store.stored()) == 1
    await store.uploads.complete(store.writer, upload.uuid)
    assert await store.read("y") == b"on its way"
