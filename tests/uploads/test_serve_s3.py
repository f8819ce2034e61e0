"""``serve --blobs s3://…``: the whole server on a real S3."""

from __future__ import annotations

import os
import shutil

import pytest

from commensal.storage.blobs.s3_client import S3Client
from commensal.storage.blobs.s3_place import S3Place
from tests.conftest import make_data_base
from tests.running import ADMIN, start_commons


def test_a_server_on_s3_keeps_its_files_there(place: S3Place, monkeypatch: pytest.MonkeyPatch):
    base = make_data_base()
    secrets = {"COMMENSAL_S3_ACCESS_KEY_ID": place.access_key, "COMMENSAL_S3_SECRET_ACCESS_KEY": place.secret_key}
    for name, value in secrets.items():  # commands at the console of the same data folder need them too
        monkeypatch.setenv(name, value)
    address = f"s3://{place.bucket}/{place.prefix}?endpoint={place.endpoint}&region={place.region}"
    running = start_commons(base / "data", "--min-free", "1MB", "--blobs", address, environment=secrets)
    try:
        running.add_user(ADMIN, "--site-admin")
        admin = running.bearer(ADMIN)
        for path, body in (
            ("programs", {"code": "UP", "title": "Uploads"}),
            ("programs/UP/projects", {"code": "one", "title": "One"}),
        ):
            assert running.client.post(f"/commensal/v1/{path}", json=body, headers=admin).status_code == 201
        data = os.urandom(20_000_000)
        url = "/commensal/v1/projects/UP-one/files/a.bin"
        assert running.client.put(url, content=data, headers=admin, timeout=60).status_code == 201
        assert running.client.get(url, headers=admin).content == data
        part = running.client.get(url, headers={**admin, "Range": "bytes=9999990-10000009"})
        assert (part.status_code, part.content) == (206, data[9_999_990:10_000_010])
        client = S3Client(place)
        objects = client.client.list_objects_v2(Bucket=place.bucket)["Contents"]
        client.close()
        assert [entry["Size"] for entry in objects] == [len(data)]
        assert not any(path.is_file() for path in (base / "data" / "blobs").rglob("*"))
        assert place.secret_key not in running.output
        assert running.stop() == 0
    finally:
        if running.process.poll() is None:
            running.kill()
        shutil.rmtree(base, ignore_errors=True)
