"""The local disk keeps the contract, and what is its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from commensal.errors import NoSpace, NotFound
from commensal.storage.blobs.local import LocalBlobs
from tests.blobs.contract import BlobContract, chunks, read


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


class TestLocal(BlobContract):
    @pytest.fixture
    def blobs(self, tmp_path: Path) -> LocalBlobs:
        return LocalBlobs(tmp_path / "blobs")

    async def test_a_join_that_was_cut_is_done_again(self, blobs: LocalBlobs):
        handle = await blobs.begin_parts()
        parts = [await blobs.put_part(handle, n, chunks(bytes([n]) * 1000)) for n in (1, 2)]
        missing = blobs.folder / "parts" / handle / f"2.{parts[1].etag}"
        kept = missing.read_bytes()
        missing.unlink()
        with pytest.raises(NotFound):
            await blobs.join_parts(handle, parts)
        assert await blobs.size(handle) is None
        missing.write_bytes(kept)
        assert await read(blobs, await blobs.join_parts(handle, parts)) == b"\1" * 1000 + b"\2" * 1000
        assert files(blobs.folder) == [blobs.path(handle)]

    async def test_no_room_for_the_join_keeps_the_parts(self, blobs: LocalBlobs):
        handle = await blobs.begin_parts()
        parts = [await blobs.put_part(handle, 1, chunks(b"x" * 1000))]
        full = LocalBlobs(blobs.folder, min_free=10**18)
        with pytest.raises(NoSpace):
            await full.join_parts(handle, parts)
        assert await blobs.list_parts(handle) == parts
