"""Uploads over an S3 that is away, busy or sends too little; and two servers on one database and one S3."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from commensal.core.uploads import UploadState
from commensal.errors import Unavailable
from commensal.storage.blobs.s3 import S3Blobs
from commensal.storage.blobs.s3_place import S3Place
from tests.blobs.proxy import BrokenProxy
from tests.conftest import make_data_base
from tests.running import ADMIN, Running, start_commons
from tests.uploads.conftest import Site, Store, chunks, make_store, sha256
from tests.uploads.test_tus import STREAM, TUS, URL, metadata

MIB = 1024 * 1024


@dataclass
class Faulty:
    """A store behind a proxy."""

    store: Store
    proxy: BrokenProxy


@pytest.fixture
async def faulty(site: Site, place: S3Place) -> AsyncIterator[Faulty]:
    async with BrokenProxy(urlsplit(place.endpoint or "").port or 0) as proxy:
        retry = {"max_retries": 1, "retry_timeout": timedelta(seconds=2)}
        blobs = S3Blobs(replace(place, endpoint=proxy.endpoint), attempts=1, retry=retry)
        yield Faulty(await make_store(site, blobs), proxy)
        await proxy.become("pass")
        blobs.close()


@pytest.mark.parametrize("mode", ["refuse", "busy", "truncate"])
async def test_an_upload_goes_on_when_the_store_is_back(faulty: Faulty, mode: str):
    store, proxy = faulty.store, faulty.proxy
    data = os.urandom(20 * MIB)
    upload = await store.uploads.begin_growing(store.writer, store.project, "big", size=len(data), sha256=sha256(data))
    await store.uploads.append(store.writer, upload.uuid, 0, chunks(data[: 9 * MIB]))

    async def breaking() -> AsyncIterator[bytes]:
        yield data[9 * MIB : 10 * MIB]
        proxy.keep = 100  # not even a head
        await proxy.become(mode)
        yield data[10 * MIB :]

    with pytest.raises(Unavailable) as raised:
        await store.uploads.append(store.writer, upload.uuid, 9 * MIB, breaking())
    assert raised.value.retry_after > 0
    assert urlsplit(proxy.endpoint).netloc not in raised.value.message
    with pytest.raises(Unavailable):
        await store.uploads.offset(store.writer, upload.uuid)
    await proxy.become("pass")
    seen, here = await store.uploads.offset(store.writer, upload.uuid)
    assert 9 * MIB <= here <= 20 * MIB
    if mode == "truncate":  # the bytes came, and only the answers were lost
        assert (seen.state, here) == (UploadState.VERIFYING, 20 * MIB)
        assert await store.uploads.verify_next()
    else:
        assert seen.state is UploadState.UPLOADING
        await store.uploads.append(store.writer, upload.uuid, here, chunks(data[here:]))
    assert (await store.uploads.find(store.writer, upload.uuid)).state is UploadState.AVAILABLE
    assert await store.read("big") == data


async def test_the_end_of_an_upload_waits_for_the_store(faulty: Faulty):
    store, proxy = faulty.store, faulty.proxy
    data = os.urandom(6 * MIB)
    upload = await store.uploads.begin(store.writer, store.project, "parts", parts=True, sha256=sha256(data))
    await store.uploads.write_part(upload.uuid, 1, chunks(data))
    done = await store.uploads.complete(store.writer, upload.uuid, wait=False)
    assert done.state is UploadState.VERIFYING
    for mode in ("refuse", "busy"):
        await proxy.become(mode)
        store.site.clock.move(seconds=60)
        assert not await store.uploads.verify_next()
        assert (await store.uploads.find(store.writer, upload.uuid)).state is UploadState.VERIFYING
        assert await store.paths() == []
    await proxy.become("truncate")
    proxy.keep = 2 * MIB  # the answers' heads pass, the bytes end too early
    store.site.clock.move(seconds=60)
    assert not await store.uploads.verify_next()
    await proxy.become("pass")
    store.site.clock.move(seconds=60)
    assert await store.uploads.verify_next()
    assert await store.read("parts") == data


@pytest.fixture
def pair(place: S3Place, dsn: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Running, Running]]:
    """Two servers with nothing in common but the database, the S3 and the master key."""
    base = make_data_base()
    secrets = {"COMMENSAL_S3_ACCESS_KEY_ID": place.access_key, "COMMENSAL_S3_SECRET_ACCESS_KEY": place.secret_key}
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    address = f"s3://{place.bucket}/{place.prefix}?endpoint={place.endpoint}&region={place.region}"
    options = ("--min-free", "1MB", "--database", dsn, "--blobs", address)
    running: list[Running] = []
    try:
        running.append(start_commons(base / "one", *options, environment=secrets))
        key = (base / "one" / "master.key").read_bytes().hex()
        running.append(start_commons(base / "two", *options, environment={**secrets, "COMMENSAL_MASTER_KEY": key}))
        yield running[0], running[1]
        assert [one.stop() for one in running] == [0, 0]
    finally:
        for one in running:
            if one.process.poll() is None:
                one.kill()
        shutil.rmtree(base, ignore_errors=True)


def test_two_servers_on_one_database_and_one_s3(pair: tuple[Running, Running], tmp_path: Path):
    one, two = pair
    guest = "guest@example.org"
    one.add_user(ADMIN, "--site-admin")
    one.add_user(guest)
    admin, reader = one.bearer(ADMIN), one.bearer(guest)
    for path, body in (
        ("programs", {"code": "UP", "title": "Uploads"}),
        ("programs/UP/projects", {"code": "one", "title": "One"}),
    ):
        assert one.client.post(f"/commensal/v1/{path}", json=body, headers=admin).status_code == 201
    one.admin("grant", guest, "analyst", "UP")
    data = os.urandom(12_000_000)
    meta = metadata(project="UP-one", filename="shared", sha256=sha256(data))
    spoken = {**admin, **TUS, "Content-Type": STREAM}
    begun = one.client.post(URL, headers={**admin, **TUS, "Upload-Length": str(len(data)), "Upload-Metadata": meta})
    place = urlsplit(begun.headers["location"]).path
    half = 7_000_001
    for server, start, end in ((one, 0, half), (two, half, len(data))):
        head = server.client.head(place, headers={**admin, **TUS})
        assert head.headers["upload-offset"] == str(start)
        sent = server.client.patch(place, content=data[start:end], headers={**spoken, "Upload-Offset": str(start)})
        assert sent.status_code == 204, sent.text
    url = "/commensal/v1/projects/UP-one/files/shared"
    for server in pair:
        assert server.client.get(url, headers=reader).content == data
    # A right taken on one server ends on the other within a second.
    one.admin("revoke", guest, "analyst", "UP")
    revoked = began = time.monotonic()
    while two.client.get(url, headers={**reader, "Range": "bytes=0-9"}).status_code == 206:
        assert began - revoked < 1.0, "the right was still there after a second"
        time.sleep(0.05)
        began = time.monotonic()
    assert two.client.get(url, headers=reader).status_code in (403, 404)
