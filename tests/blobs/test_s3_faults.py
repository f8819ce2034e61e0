"""An S3 that is away, busy, or sends too little: clear errors, and never wrong bytes."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from urllib.parse import urlsplit

import pytest

from commensal.errors import Unavailable
from commensal.storage.blobs.s3 import S3Blobs
from commensal.storage.blobs.s3_place import S3Place
from tests.blobs.contract import MIB, all_keys, chunks, read
from tests.blobs.proxy import BrokenProxy


@pytest.fixture
async def proxy(place: S3Place) -> AsyncIterator[BrokenProxy]:
    async with BrokenProxy(urlsplit(place.endpoint or "").port or 0) as running:
        yield running


@pytest.fixture
async def blobs(place: S3Place, proxy: BrokenProxy) -> AsyncIterator[S3Blobs]:
    retry = {"max_retries": 1, "retry_timeout": timedelta(seconds=2)}
    store = S3Blobs(replace(place, endpoint=proxy.endpoint), attempts=1, retry=retry)
    yield store
    store.close()


@pytest.mark.parametrize("mode", ["refuse", "busy"])
async def test_a_store_that_is_away_is_unavailable_and_works_again(blobs: S3Blobs, proxy: BrokenProxy, mode: str):
    key = (await blobs.put(chunks(b"before"))).key
    handle = await blobs.begin_parts()
    part = await blobs.put_part(handle, 1, chunks(b"part"))
    await proxy.become(mode)
    for attempt in (
        lambda: read(blobs, key),
        lambda: blobs.size(key),
        lambda: blobs.put(chunks(b"x")),
        lambda: blobs.put(chunks(bytes(9 * MIB), MIB)),
        lambda: blobs.put_part(handle, 2, chunks(b"x")),
        lambda: blobs.join_parts(handle, [part]),
        lambda: blobs.delete(key),
    ):
        with pytest.raises(Unavailable, match="store of bytes"):
            await attempt()
    await proxy.become("pass")
    assert await read(blobs, key) == b"before"
    assert await read(blobs, await blobs.join_parts(handle, [part])) == b"part"
    assert len(await all_keys(blobs)) == 2


async def test_a_truncated_answer_is_never_the_end_of_the_file(blobs: S3Blobs, proxy: BrokenProxy):
    data = os.urandom(4 * MIB)
    key = (await blobs.put(chunks(data))).key
    await proxy.become("truncate")
    got = bytearray()

    async def fetch() -> None:
        async for block in blobs.get(key):
            got.extend(block)

    with pytest.raises(Unavailable):
        await fetch()
    assert data.startswith(bytes(got))
    assert len(got) < len(data)
    await proxy.become("pass")
    assert await read(blobs, key) == data
