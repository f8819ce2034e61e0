"""``kill -9`` while bytes come and while uploads end: what was acknowledged is there, nothing half is visible."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator

import httpx
import pytest

from tests.conftest import make_data_base
from tests.running import ADMIN, Running, start_commons
from tests.uploads.test_bytes import OPERATOR, Site, begin, stored
from tests.uploads.test_tus import STREAM, TUS, URL, metadata

pytestmark = pytest.mark.timeout(1500)  # 50 kills take their time

PIECE = 2_000_000
OPTIONS = ("--min-free", "1MB")


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    base = make_data_base()
    site = Site(start_commons(base / "data", *OPTIONS), base / "data")
    try:
        site.running.add_user(ADMIN, "--site-admin")
        for path, body in (
            ("programs", {"code": "UP", "title": "Uploads"}),
            ("programs/UP/projects", {"code": "one", "title": "One"}),
        ):
            headers = site.running.bearer(ADMIN)
            assert site.running.client.post(f"/commensal/v1/{path}", json=body, headers=headers).status_code == 201
        yield site
        assert site.running.stop() == 0
    finally:
        if site.running.process.poll() is None:
            site.running.kill()
        shutil.rmtree(base, ignore_errors=True)


def kill(site: Site, *, whole: bool) -> None:
    """Kill the worker, which the supervisor starts again, or everything."""
    running = site.running
    for worker in running.workers():
        os.kill(worker, signal.SIGKILL)
    if whole:
        running.kill()
        site.running = start_commons(site.data, *OPTIONS)
        return
    running.wait_line(r"Worker 0 .* ended with status", 20)
    running.lines[:] = [line.replace("ended with", "had ended with") for line in running.lines]
    end = time.monotonic() + 60
    while True:
        with contextlib.suppress(httpx.HTTPError):
            if running.client.get("/healthz").status_code == 200:
                return
        assert time.monotonic() < end
        time.sleep(0.05)


def send_slowly(running: Running, method: str, url: str, data: bytes, headers: dict[str, str]) -> threading.Thread:
    """Send a body by and by; returns once its first bytes are on their way."""
    began = threading.Event()

    def pieces() -> Iterator[bytes]:
        for start in range(0, len(data), 200_000):
            yield data[start : start + 200_000]
            if start:
                began.set()
            time.sleep(0.05)

    def send() -> None:
        with contextlib.suppress(httpx.HTTPError):
            httpx.request(method, running.client.base_url.join(url), content=pieces(), headers=headers, timeout=20)

    thread = threading.Thread(target=send)
    thread.start()
    assert began.wait(20)
    return thread


def test_a_server_that_is_killed_while_bytes_come(site: Site, torture: bool):
    admin = site.running.bearer(ADMIN)
    pieces = [os.urandom(PIECE) for _ in range(3)]
    data = os.urandom(20 * PIECE)
    upload, _, addresses, _ = begin(site, "big", parts=True, size=3 * PIECE)
    assert site.running.client.put(addresses[0], content=pieces[0]).status_code == 200
    meta = metadata(project="UP-one", filename="growing", sha256=hashlib.sha256(data).hexdigest())
    headers = {**admin, **TUS, "Upload-Length": str(len(data)), "Upload-Metadata": meta}
    growing = httpx.URL(site.running.client.post(URL, headers=headers).headers["location"]).path
    spoken = {**admin, **TUS, "Content-Type": STREAM}

    def offset() -> int:
        return int(site.running.client.head(growing, headers=spoken).headers["upload-offset"])

    here = 0
    for turn in range(50 if torture else 5):
        sent = {**spoken, "Upload-Offset": str(here)}
        threads = [
            send_slowly(site.running, "PUT", addresses[1], pieces[1], {}),
            send_slowly(site.running, "PATCH", growing, data[here : here + PIECE], sent),
        ]
        kill(site, whole=turn % 5 == 0)
        for thread in threads:
            thread.join()
        before, here = here, offset()
        assert before <= here <= before + PIECE
        assert site.running.client.get("/commensal/v1/projects/UP-one/files", headers=admin).json()["total"] == 0
        if torture and here > 18 * PIECE:
            break

    async def parts(services, project):
        return [part.number for part in await services.uploads.parts(upload.uuid)]

    assert site.do(parts) == [1]
    for number in (1, 2):
        assert site.running.client.put(addresses[number], content=pieces[number]).status_code == 200
    end = site.running.client.patch(growing, content=data[here:], headers={**spoken, "Upload-Offset": str(here)})
    assert end.status_code == 204

    async def complete(services, project):
        return (await services.uploads.complete(OPERATOR, upload.uuid, wait=False)).state

    # Ended, but killed before anybody read it back: the next start does.
    site.running.kill()
    assert site.do(complete) == "verifying"
    site.running = start_commons(site.data, *OPTIONS)
    wait_for_files(site, admin, "", 2)
    assert stored(site, "big") == b"".join(pieces)
    assert stored(site, "growing") == data
    assert leftovers(site) == []


def test_a_server_that_is_killed_while_uploads_end(site: Site, torture: bool):
    admin = site.running.bearer(ADMIN)
    spoken = {**admin, **TUS}
    blocks = os.urandom(1_000_000)
    bodies = [number.to_bytes(4) + blocks * 20 for number in range(50 if torture else 5)]
    urls: list[str] = []
    for number, body in enumerate(bodies):
        meta = metadata(project="UP-one", filename=f"ends/{number}", md5=hashlib.md5(body).hexdigest())
        headers = {**spoken, "Upload-Length": str(len(body)), "Upload-Metadata": meta, "Content-Type": STREAM}
        answer = site.running.client.post(URL, headers=headers, content=body[:-1])
        assert answer.headers["upload-offset"] == str(len(body) - 1)
        urls.append(httpx.URL(answer.headers["location"]).path)

    def last_byte(number: int) -> None:
        headers = {**spoken, "Content-Type": STREAM, "Upload-Offset": str(len(bodies[number]) - 1)}
        with contextlib.suppress(httpx.HTTPError):
            httpx.patch(site.running.url + urls[number], content=bodies[number][-1:], headers=headers, timeout=20)

    for number in range(len(bodies)):
        thread = threading.Thread(target=last_byte, args=(number,))
        thread.start()
        time.sleep(number % 5 * 0.02)
        kill(site, whole=number % 5 == 4)  # a worker that dies again and again is started later and later
        thread.join()
    for number, url in enumerate(urls):
        offset = int(site.running.client.head(url, headers=spoken).headers["upload-offset"])
        if offset < len(bodies[number]):
            last_byte(number)
    wait_for_files(site, admin, "ends/", len(bodies))
    for number, body in enumerate(bodies):
        assert stored(site, f"ends/{number}") == body
    assert leftovers(site) == []


def wait_for_files(site: Site, headers: dict[str, str], prefix: str, number: int) -> None:
    end = time.monotonic() + 120
    url = f"/commensal/v1/projects/UP-one/files?prefix={prefix}"
    while site.running.client.get(url, headers=headers).json()["total"] < number:
        assert time.monotonic() < end
        time.sleep(0.1)


def leftovers(site: Site) -> list[str]:
    """What is kept of uploads that have ended."""
    return [path.name for path in (site.data / "blobs" / "parts").rglob("*") if path.is_file()]
