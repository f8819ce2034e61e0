"""A full disk, a token that ends during a transfer, and a file of 100 GiB, on a running server."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from commensal.core.principals import Door
from tests.conftest import make_data_base
from tests.running import ADMIN, start_commons
from tests.uploads.test_bytes import OPERATOR, Site
from tests.uploads.test_tus import STREAM, TUS, URL, metadata

MB = 1_000_000
ROOM = 48 * MB
FILES = "/commensal/v1/projects/UP-one/files"
SPARSE = 100 * 1024**3


class Commons(Site):
    """A server whose bytes are on a small disk of their own, where this account can make one."""

    small_disk: str | None = None
    blobs: Path


@pytest.fixture(scope="module")
def site() -> Iterator[Commons]:
    base = make_data_base()
    blobs = base / "blobs"
    blobs.mkdir()
    mounting = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={ROOM},mode=0700", "tmpfs", str(blobs)], capture_output=True, check=False
    )
    running = None
    try:
        running = start_commons(base / "data", "--min-free", "1MB", "--blobs", str(blobs))
        made = Commons(running, base / "data")
        made.blobs = blobs
        made.small_disk = None if mounting.returncode == 0 else mounting.stderr.decode().strip()
        running.add_user(ADMIN, "--site-admin")
        for path, body in (
            ("programs", {"code": "UP", "title": "Uploads"}),
            ("programs/UP/projects", {"code": "one", "title": "One"}),
        ):
            headers = running.bearer(ADMIN)
            assert running.client.post(f"/commensal/v1/{path}", json=body, headers=headers).status_code == 201
        yield made
        assert running.stop() == 0
    finally:
        if running is not None and running.process.poll() is None:
            running.kill()
        if mounting.returncode == 0:
            subprocess.run(["umount", str(blobs)], check=False)
        shutil.rmtree(base, ignore_errors=True)


def used(folder: Path) -> int:
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())


def test_a_full_disk_is_told_and_nothing_half_stays(site: Commons):
    if site.small_disk is not None:
        pytest.skip(f"no small disk can be mounted here: {site.small_disk}")
    client, admin = site.running.client, site.running.bearer(ADMIN)
    fits, too_large = os.urandom(10 * MB), os.urandom(60 * MB)
    assert client.put(f"{FILES}/fits", content=fits, headers=admin).status_code == 201
    for announced in (True, False):
        body = too_large if announced else iter([too_large[at : at + MB] for at in range(0, len(too_large), MB)])
        answer = client.put(f"{FILES}/large", content=body, headers=admin)
        assert (answer.status_code, answer.json()["error"]["code"]) == (507, "no_space")
        assert int(answer.headers["retry-after"]) > 0
        assert used(site.blobs) < 11 * MB
    assert client.get(f"{FILES}/large", headers=admin).status_code == 404
    spoken = {**admin, **TUS}
    meta = metadata(project="UP-one", filename="grown")
    begun = client.post(URL, headers={**spoken, "Upload-Length": str(60 * MB), "Upload-Metadata": meta})
    url = begun.headers["location"]
    sent = {**spoken, "Upload-Offset": "0", "Content-Type": STREAM}
    assert client.patch(url, content=too_large, headers=sent).status_code == 507
    offset = int(client.head(url, headers=spoken).headers["upload-offset"])
    assert 30 * MB < offset < 48 * MB
    time.sleep(1.1)  # the free space is looked at once a second
    full = client.put(f"{FILES}/more", content=fits, headers=admin)
    assert (full.status_code, client.get(f"{FILES}/fits", headers=admin).content == fits) == (507, True)
    assert client.delete(url, headers=spoken).status_code == 204
    time.sleep(1.1)
    assert client.put(f"{FILES}/more", content=too_large[: 10 * MB], headers=admin).status_code == 201
    assert client.get(f"{FILES}/more", headers=admin).content == too_large[: 10 * MB]


def test_a_token_that_ends_while_bytes_come(site: Commons):
    client, admin = site.running.client, site.running.bearer(ADMIN)

    async def short(services, project):
        user = await services.identity.user(OPERATOR, ADMIN)
        return (await services.keys.make(OPERATOR, Door.ODM, user=user.seq, seconds=3)).shown["access_token"]

    data = os.urandom(4 * MB)
    meta = metadata(project="UP-one", filename="long")
    token = {"Authorization": f"Bearer {site.do(short)}", **TUS}
    begun = client.post(URL, headers={**token, "Upload-Length": str(len(data)), "Upload-Metadata": meta})
    assert begun.status_code == 201
    url = begun.headers["location"]

    def slowly() -> Iterator[bytes]:
        for at in range(0, 2 * MB, MB // 10):
            yield data[at : at + MB // 10]
            time.sleep(0.2)

    sent = {**token, "Upload-Offset": "0", "Content-Type": STREAM}
    # Who was let in may finish what he began; the next request needs a new token and goes on.
    assert client.patch(url, content=slowly(), headers=sent).status_code == 204
    ended = client.patch(url, content=data[2 * MB :], headers={**sent, "Upload-Offset": str(2 * MB)})
    assert (ended.status_code, ended.json()["error"]["code"]) == (401, "credential_expired")
    assert client.head(url, headers={**admin, **TUS}).headers["upload-offset"] == str(2 * MB)
    done = client.patch(url, content=data[2 * MB :], headers={**sent, **admin, "Upload-Offset": str(2 * MB)})
    assert done.status_code == 204
    assert client.get(f"{FILES}/long", headers=admin).content == data


def test_a_file_of_100_gib_is_sent_in_flat_memory(site: Commons, torture: bool):
    client, admin = site.running.client, site.running.bearer(ADMIN)
    assert client.put(f"{FILES}/sparse", content=b"begin", headers=admin).status_code == 201

    async def stretch(services, project):
        file = await services.files.get(OPERATOR, project, path="sparse")
        async with services.database.begin() as unit:
            await unit.run("update files set size = $2 where seq = $1", file.seq, SPARSE)
        return file.blob

    key = site.do(stretch)
    os.truncate(site.blobs / key[:2] / key[2:4] / key, SPARSE)
    worker = psutil.Process(site.running.workers()[0])
    client.get(f"{FILES}/sparse", headers={**admin, "Range": "bytes=0-9"})
    before = worker.memory_info().rss
    ahead: list[int] = []
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(0.05):
            ahead.append(worker.memory_info().rss - before)

    watching = threading.Thread(target=watch)
    watching.start()
    seen = 0
    try:
        with client.stream("GET", f"{FILES}/sparse", headers=admin, timeout=600) as answer:
            assert answer.headers["content-length"] == str(SPARSE)
            for block in answer.iter_raw():
                seen += len(block)
                if seen > (SPARSE if torture else 2 * 1024**3):
                    break
            # A reader that stops: what is ahead of it does not pile up.
            time.sleep(0.5)
    finally:
        stop.set()
        watching.join()
    assert max(ahead) < 40 * MB
    # Nobody reads the rest for a caller who has gone.
    end = time.monotonic() + 20
    busy = 1.0
    while busy > 0.1:
        assert time.monotonic() < end
        spent = sum(worker.cpu_times()[:2])
        time.sleep(0.5)
        busy = sum(worker.cpu_times()[:2]) - spent
    last = client.get(f"{FILES}/sparse", headers={**admin, "Range": "bytes=-3"})
    assert (last.status_code, last.content) == (206, bytes(3))
    assert last.headers["content-range"] == f"bytes {SPARSE - 3}-{SPARSE - 1}/{SPARSE}"
