"""``/user/data`` and DRS with a real S3 behind: bytes go straight to the store, and are believed once read back."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Iterator

import httpx
import pytest

from commensal.storage.blobs.s3_place import S3Place
from tests.blobs.conftest import gateway, place  # noqa: F401 - fixtures
from tests.conftest import make_data_base
from tests.running import ADMIN, Running, start_commons

DATA = os.urandom(11_000_000)
MD5 = hashlib.md5(DATA).hexdigest()


@pytest.fixture
def running(place: S3Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:  # noqa: F811
    base = make_data_base()
    secrets = {"COMMENSAL_S3_ACCESS_KEY_ID": place.access_key, "COMMENSAL_S3_SECRET_ACCESS_KEY": place.secret_key}
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    address = f"s3://{place.bucket}/{place.prefix}?endpoint={place.endpoint}&region={place.region}"
    made = start_commons(base / "data", "--min-free", "1MB", "--blobs", address, environment=secrets)
    try:
        made.add_user(ADMIN)
        yield made
        assert made.stop() == 0
    finally:
        if made.process.poll() is None:
            made.kill()
        shutil.rmtree(base, ignore_errors=True)


def test_bytes_go_straight_to_the_store(running: Running, place: S3Place) -> None:  # noqa: F811
    key = running.key(ADMIN, "gen3")
    token = running.client.post("/user/credentials/cdis/access_token", json=key).json()["access_token"]
    mine = {"Authorization": f"bearer {token}"}

    def call(method: str, path: str, **more: object) -> httpx.Response:
        return running.client.request(method, path, headers=mine, **more)  # type: ignore[arg-type]

    def complete(guid: str, seconds: float = 60) -> dict:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            record = call("GET", f"/index/index/{guid}").json()
            if record["size"] is not None:
                return record
            assert (
                call("GET", f"/user/data/download/{guid}").status_code == 404
            )  # nothing is shown before it is checked
            time.sleep(0.2)
        raise AssertionError(running.output)

    whole = call("POST", "/user/data/upload", json={"file_name": "whole.bin"}).json()
    assert whole["url"].startswith(place.endpoint)
    assert httpx.put(whole["url"], content=DATA).status_code == 200
    begun = call("POST", "/user/data/multipart/init", json={"file_name": "parts.bin"}).json()
    about = {"key": f"{begun['guid']}/parts.bin", "uploadId": begun["uploadId"]}
    parts = []
    for number, start in enumerate((0, 6_000_000), 1):
        asked = call("POST", "/user/data/multipart/upload", json={**about, "partNumber": number})
        url = asked.json()["presigned_url"]
        assert url.startswith(place.endpoint)
        sent = httpx.put(url, content=DATA[start : start + 6_000_000])
        parts.append({"PartNumber": number, "ETag": sent.headers["etag"].strip('"')})
    assert call("POST", "/user/data/multipart/complete", json={**about, "parts": parts}).json() == {"message": "OK"}
    for guid in (whole["guid"], begun["guid"]):
        record = complete(guid)
        assert (record["size"], record["hashes"]["md5"]) == (len(DATA), MD5)
        assert record["urls"] == [f"{running.url}/user/data/download/{guid}?redirect"]  # never a key of the store
        url = call("GET", f"/ga4gh/drs/v1/objects/{guid}/access/http").json()["url"]
        assert url.startswith(place.endpoint)
        got = httpx.get(url)
        assert (hashlib.md5(got.content).hexdigest(), int(got.headers["content-length"])) == (MD5, len(DATA))
        assert httpx.get(url, headers={"Range": "bytes=5-9"}).content == DATA[5:10]
    # an address for one object and one method opens nothing else
    assert httpx.put(url, content=b"x").status_code == 403
    assert httpx.get(url.replace("X-Amz-Expires=", "X-Amz-Expires=1")).status_code == 403
