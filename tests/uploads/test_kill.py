"""``kill -9`` during parts and completion: what was acknowledged is there, nothing half is visible, sending goes on."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator

import httpx

from tests.conftest import make_data_base
from tests.running import ADMIN, start_commons
from tests.uploads.test_bytes import OPERATOR, Site, begin, stored

PIECE = 2_000_000


def test_a_server_that_is_killed_while_parts_come(torture: bool):
    base = make_data_base()
    running = start_commons(base / "data", "--min-free", "1MB")
    try:
        running.add_user(ADMIN, "--site-admin")
        admin = running.bearer(ADMIN)
        for path, body in (
            ("programs", {"code": "UP", "title": "Uploads"}),
            ("programs/UP/projects", {"code": "one", "title": "One"}),
        ):
            assert running.client.post(f"/commensal/v1/{path}", json=body, headers=admin).status_code == 201
        site = Site(running, base / "data")
        pieces = [os.urandom(PIECE) for _ in range(3)]
        upload, _, addresses, _ = begin(site, "big", parts=True, size=3 * PIECE)
        assert running.client.put(addresses[0], content=pieces[0]).status_code == 200
        for _ in range(10 if torture else 2):
            began = threading.Event()
            url = str(running.client.base_url.join(addresses[1]))

            def slowly(began: threading.Event = began) -> Iterator[bytes]:
                for start in range(0, PIECE, 200_000):
                    yield pieces[1][start : start + 200_000]
                    began.set()
                    time.sleep(0.1)

            def send(url: str = url, body=slowly) -> None:
                with contextlib.suppress(httpx.HTTPError):
                    httpx.put(url, content=body(), timeout=20)

            thread = threading.Thread(target=send)
            thread.start()
            assert began.wait(20)
            for worker in running.workers():
                os.kill(worker, signal.SIGKILL)
            running.kill()
            thread.join()
            running = site.running = start_commons(base / "data", "--min-free", "1MB")

            async def here(services, project):
                return [part.number for part in await services.uploads.parts(upload.uuid)]

            assert site.do(here) == [1]
            assert running.client.get("/commensal/v1/projects/UP-one/files", headers=admin).json()["total"] == 0
        for number in (1, 2):
            assert running.client.put(addresses[number], content=pieces[number]).status_code == 200

        async def complete(services, project):
            return (await services.uploads.complete(OPERATOR, upload.uuid, wait=False)).state

        # Ended, but killed before anybody read it back: the next start does.
        running.kill()
        assert site.do(complete) == "verifying"
        running = site.running = start_commons(base / "data", "--min-free", "1MB")
        end = time.monotonic() + 60
        while running.client.get("/commensal/v1/projects/UP-one/files", headers=admin).json()["total"] == 0:
            assert time.monotonic() < end
            time.sleep(0.1)
        assert stored(site, "big") == b"".join(pieces)
        leftovers = [path for path in (base / "data" / "blobs" / "parts").rglob("*") if path.is_file()]
        assert leftovers == []
        assert running.stop() == 0
    finally:
        if running.process.poll() is None:
            running.kill()
        shutil.rmtree(base, ignore_errors=True)
