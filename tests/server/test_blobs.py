"""Bytes on the local disk."""

from __future__ import annotations

import asyncio
import hashlib
import os
import stat
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from commensal.errors import NoSpace, NotFound, TooLarge
from commensal.storage.blobs.local import BLOCK, LocalBlobs


async def chunks(data: bytes, size: int = 70_000) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def read(blobs: LocalBlobs, key: str, start: int = 0, length: int | None = None) -> bytes:
    return b"".join([block async for block in blobs.get(key, start, length)])


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


async def test_bytes_come_back_whole_and_by_range(tmp_path: Path):
    blobs = LocalBlobs(tmp_path / "blobs")
    data = os.urandom(3 * BLOCK + 123)
    stored = await blobs.put(chunks(data))
    assert (stored.size, stored.md5, stored.sha256) == (
        len(data),
        hashlib.md5(data).digest(),
        hashlib.sha256(data).digest(),
    )
    assert await read(blobs, stored.key) == data
    for start, length in ((0, 1), (5, 0), (BLOCK - 1, 2), (len(data) - 1, 10), (17, 2 * BLOCK), (100, None)):
        end = None if length is None else start + length
        assert await read(blobs, stored.key, start, length) == data[start:end]
    assert await blobs.size(stored.key) == len(data)
    assert stat.S_IMODE(blobs.path(stored.key).parent.stat().st_mode) == 0o700
    listed = blobs.keys()
    assert [entry async for entry in listed] == [(stored.key, len(data))]


async def test_keys_are_random_and_nothing_else_is_a_key(tmp_path: Path):
    blobs = LocalBlobs(tmp_path)
    one, two = await blobs.put(chunks(b"x")), await blobs.put(chunks(b"x"))
    assert one.key != two.key
    for key in ("", "../../etc/passwd", "/etc/passwd", one.key.upper() + "G", one.key[:-1], "a" * 41):
        with pytest.raises(NotFound):
            blobs.path(key)
    with pytest.raises(NotFound):
        await read(blobs, "0" * 40)


async def test_deleting_twice_is_no_error(tmp_path: Path):
    blobs = LocalBlobs(tmp_path)
    stored = await blobs.put(chunks(b""))
    assert stored.size == 0
    await blobs.delete(stored.key)
    await blobs.delete(stored.key)
    assert await blobs.size(stored.key) is None
    assert files(tmp_path) == []


async def test_a_stream_that_fails_leaves_nothing(tmp_path: Path):
    blobs = LocalBlobs(tmp_path)

    async def broken() -> AsyncIterator[bytes]:
        yield b"x" * (2 * BLOCK)
        raise ConnectionResetError

    for source, error, limit in ((broken(), Exception, None), (chunks(b"x" * 5 * BLOCK), TooLarge, 2 * BLOCK)):
        with pytest.raises(error):
            await blobs.put(source, limit=limit)
        assert files(tmp_path) == []


async def test_a_cancelled_upload_leaves_nothing(tmp_path: Path):
    blobs = LocalBlobs(tmp_path)
    began = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * BLOCK
            began.set()
            await asyncio.sleep(0)

    task = asyncio.create_task(blobs.put(endless()))
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert files(tmp_path) == []


async def test_a_nearly_full_disk_takes_nothing(tmp_path: Path):
    blobs = LocalBlobs(tmp_path, min_free=10**18)
    with pytest.raises(NoSpace):
        await blobs.put(chunks(b"x"))
    assert files(tmp_path) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
async def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    blobs = LocalBlobs(tmp_path)
    real_open = os.open

    def open_full(path: Path | str, flags: int, *more: int) -> int:
        file = real_open(path, flags, *more)
        if not flags & os.O_EXCL:
            return file
        os.close(file)
        return real_open("/dev/full", os.O_WRONLY)

    monkeypatch.setattr(os, "open", open_full)
    with pytest.raises(NoSpace, match="full"):
        await blobs.put(chunks(b"x" * BLOCK))
    assert files(tmp_path) == []


async def test_what_a_crash_left_behind_is_swept_when_it_is_old(tmp_path: Path):
    blobs = LocalBlobs(tmp_path)
    kept = await blobs.put(chunks(b"x"))
    old, new = tmp_path / "tmp" / "old.part", tmp_path / "tmp" / "new.part"
    for part in (old, new):
        part.write_bytes(b"half")
    past = time.time() - 2 * 86_400
    os.utime(old, (past, past))
    assert await blobs.sweep(datetime.now(UTC) - timedelta(days=1), set()) == 1
    assert files(tmp_path) == sorted([blobs.path(kept.key), new])
