"""What every store of bytes must do; each store's tests run this class on the real thing."""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from commensal.errors import NotFound, StateConflict, TooLarge
from commensal.storage.ports.blobs import Blobs, Part

MIB = 1024 * 1024


async def chunks(data: bytes, size: int = 70_001) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def read(blobs: Blobs, key: str, start: int = 0, length: int | None = None) -> bytes:
    return b"".join([block async for block in blobs.get(key, start, length)])


async def all_keys(blobs: Blobs) -> set[tuple[str, int]]:
    return {entry async for entry in blobs.keys()}  # noqa: SIM118


class BlobContract:
    """A subclass gives the fixture ``blobs``."""

    @pytest.mark.parametrize("size", [0, 1, MIB, 8 * MIB, 8 * MIB + 1, 19 * MIB + 5])
    async def test_bytes_come_back_with_their_digests(self, blobs: Blobs, size: int):
        data = os.urandom(size)
        stored = await blobs.put(chunks(data))
        assert stored.size == size
        assert stored.md5 == hashlib.md5(data).digest()
        assert stored.sha256 == hashlib.sha256(data).digest()
        assert await read(blobs, stored.key) == data
        assert await blobs.size(stored.key) == size
        assert (stored.key, size) in await all_keys(blobs)

    async def test_ranges(self, blobs: Blobs):
        data = os.urandom(3 * MIB + 17)
        key = (await blobs.put(chunks(data))).key
        for start, length in ((0, 1), (5, 0), (MIB - 1, 2), (len(data) - 1, 10), (17, 2 * MIB), (100, None)):
            assert await read(blobs, key, start, length) == data[start : None if length is None else start + length]
        assert await read(blobs, key, len(data), None) == b""
        assert await read(blobs, key, len(data) + 5, 3) == b""

    async def test_no_block_is_large(self, blobs: Blobs):
        key = (await blobs.put(chunks(bytes(9 * MIB)))).key
        assert max([len(block) async for block in blobs.get(key)]) <= MIB

    async def test_what_is_no_key_is_not_found(self, blobs: Blobs):
        for key in ("", "../../etc/passwd", "0" * 39, "G" * 40, "0" * 40):
            with pytest.raises(NotFound):
                await read(blobs, key)

    async def test_deleting_twice_is_no_error(self, blobs: Blobs):
        key = (await blobs.put(chunks(b"x"))).key
        await blobs.delete(key)
        await blobs.delete(key)
        assert await blobs.size(key) is None

    async def test_a_stream_that_fails_leaves_nothing(self, blobs: Blobs):
        async def broken() -> AsyncIterator[bytes]:
            yield b"x" * (17 * MIB)
            raise ConnectionResetError

        before = await all_keys(blobs)
        for source, error, limit in (
            (broken(), Exception, None),
            (chunks(b"x" * 20 * MIB, MIB), TooLarge, 12 * MIB),
            (chunks(b"x" * 5), TooLarge, 4),
        ):
            with pytest.raises(error):
                await blobs.put(source, limit=limit)
            assert await all_keys(blobs) == before

    async def test_parts_in_any_order_repeated_and_with_an_empty_last_one(self, blobs: Blobs):
        pieces = [os.urandom(5 * MIB), os.urandom(5 * MIB + 3), b""]
        handle = await blobs.begin_parts()
        sent: dict[int, Part] = {}
        for number in (2, 3, 1, 3, 1):
            sent[number] = await blobs.put_part(handle, number, chunks(pieces[number - 1]))
            assert sent[number].etag == hashlib.md5(pieces[number - 1]).hexdigest()
        listed = await blobs.list_parts(handle)
        assert listed == [sent[number] for number in (1, 2, 3)]
        assert await all_keys(blobs) == set()
        # S3 wants 5 MiB of every part but the last.
        key = await blobs.join_parts(handle, listed)
        assert await read(blobs, key) == b"".join(pieces)
        assert await blobs.join_parts(handle, listed) == key
        assert await read(blobs, key) == b"".join(pieces)
        await blobs.drop(handle)
        assert await blobs.size(key) == sum(map(len, pieces))

    async def test_a_part_sent_again_replaces_the_first(self, blobs: Blobs):
        handle = await blobs.begin_parts()
        await blobs.put_part(handle, 1, chunks(b"first"))
        last = await blobs.put_part(handle, 1, chunks(b"second"))
        assert await blobs.list_parts(handle) == [last]
        assert await read(blobs, await blobs.join_parts(handle, [last])) == b"second"

    async def test_only_an_empty_part_is_an_empty_object(self, blobs: Blobs):
        handle = await blobs.begin_parts()
        part = await blobs.put_part(handle, 1, chunks(b""))
        assert await read(blobs, await blobs.join_parts(handle, [part])) == b""

    async def test_an_upload_that_was_dropped_is_gone(self, blobs: Blobs):
        handle = await blobs.begin_parts()
        part = await blobs.put_part(handle, 1, chunks(b"x"))
        await blobs.drop(handle)
        await blobs.drop(handle)
        with pytest.raises(NotFound):
            await blobs.list_parts(handle)
        with pytest.raises(NotFound):
            await blobs.put_part(handle, 2, chunks(b"x"))
        with pytest.raises(NotFound):
            await blobs.join_parts(handle, [part])
        assert await all_keys(blobs) == set()

    async def test_handles_that_nobody_gave_are_not_found(self, blobs: Blobs):
        for handle in ("", "../x", "0" * 40, "0" * 40 + ":nobody"):
            with pytest.raises(NotFound):
                await blobs.list_parts(handle)

    async def test_an_incoming_object_that_never_came(self, blobs: Blobs):
        handle = await blobs.begin_incoming()
        with pytest.raises(NotFound):
            await blobs.take_incoming(handle)
        await blobs.drop(handle)

    async def test_an_object_grows_from_cut_to_cut(self, blobs: Blobs):
        data = os.urandom(27 * MIB + 5)
        handle = await blobs.begin_growing()
        assert await blobs.grown(handle) == 0

        async def cut(start: int, end: int) -> AsyncIterator[bytes]:
            async for chunk in chunks(data[start:end]):
                yield chunk
            raise ConnectionResetError

        here = 0
        for end in (3, MIB, 9 * MIB, 9 * MIB + 1, 26 * MIB):
            with pytest.raises(ConnectionResetError):
                await blobs.grow(handle, here, cut(here, end), size=len(data))
            here = await blobs.grown(handle)
            assert here == end
        for start in (0, here - 1, here + 1):
            with pytest.raises(StateConflict):
                await blobs.grow(handle, start, chunks(b"x"), size=len(data))
        with pytest.raises(TooLarge):
            await blobs.grow(handle, here, chunks(data[here:] + b"x", 2 * MIB), size=len(data))
        here = await blobs.grown(handle)
        assert await all_keys(blobs) == set()
        assert await blobs.grow(handle, here, chunks(data[here:]), size=len(data)) == len(data)
        key = await blobs.end_growing(handle)
        assert await read(blobs, key) == data
        assert await blobs.end_growing(handle) == key
        await blobs.drop(handle)
        assert await blobs.size(key) == len(data)

    async def test_bytes_that_a_check_refuses_are_not_added(self, blobs: Blobs):
        handle = await blobs.begin_growing()
        await blobs.grow(handle, 0, chunks(b"abc"), size=10)

        def refuse() -> None:
            raise ValueError

        async def cut() -> AsyncIterator[bytes]:
            yield b"d"
            raise ConnectionResetError

        with pytest.raises(ValueError):
            await blobs.grow(handle, 3, chunks(b"xyz"), size=10, check=refuse)
        with pytest.raises(ConnectionResetError):
            await blobs.grow(handle, 3, cut(), size=10, check=lambda: None)
        assert await blobs.grow(handle, 3, chunks(b"def"), size=6, check=lambda: None) == 6
        assert await read(blobs, await blobs.end_growing(handle)) == b"abcdef"

    async def test_a_growing_object_that_was_dropped_is_gone(self, blobs: Blobs):
        handle = await blobs.begin_growing()
        await blobs.grow(handle, 0, chunks(b"abc"), size=10)
        await blobs.drop(handle)
        await blobs.drop(handle)
        for work in (blobs.grown(handle), blobs.grow(handle, 3, chunks(b"d"), size=10), blobs.end_growing(handle)):
            with pytest.raises(NotFound):
                await work
        handle = await blobs.begin_growing()
        assert await read(blobs, await blobs.end_growing(handle)) == b""

    async def test_what_writes_left_behind_is_swept(self, blobs: Blobs):
        parts, growing, kept = await blobs.begin_parts(), await blobs.begin_growing(), await blobs.begin_growing()
        await blobs.grow(growing, 0, chunks(b"abc"), size=10)
        await blobs.grow(kept, 0, chunks(b"abc"), size=10)
        stored = (await blobs.put(chunks(b"stored"))).key
        now = datetime.now(UTC)
        assert await blobs.sweep(now - timedelta(hours=1), set()) == 0
        assert await blobs.sweep(now + timedelta(hours=1), {kept}) >= 2
        for gone in (blobs.list_parts(parts), blobs.grown(growing)):
            with pytest.raises(NotFound):
                await gone
        assert await blobs.grown(kept) == 3
        assert await read(blobs, stored) == b"stored"
