"""The unmodified ``gen3`` SDK moves files: Gen3File, the flow in parts, and drs-pull over TLS."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clients import client_python, run_client
from tests.conftest import make_data_base, with_database
from tests.gen3.conftest import PROGRAM, Gen3, run_sql, start_gen3
from tests.gen3.test_data import authz
from tests.gen3.test_sdk import result

BYTES = os.urandom(300_000)
MD5 = hashlib.md5(BYTES).hexdigest()

FILES = r"""
import hashlib, json, pathlib, sys
import requests
from gen3.auth import Gen3Auth
from gen3.file import Gen3File
from gen3.index import Gen3Index

authz, = sys.argv[1:]
auth = Gen3Auth(refresh_file="credentials.json")
files, index, out = Gen3File(auth), Gen3Index(auth), {}
data = pathlib.Path("data.bin").read_bytes()

made = files.upload_file("first.bin", authz=[authz], expires_in=600)
out["blank"] = index.get_record(made["guid"])
put = requests.put(made["url"], data=data)
out["put"] = put.status_code
out["record"] = index.get_record(made["guid"])
out["downloaded"] = files.download_single(made["guid"], "got")
out["same"] = pathlib.Path("got/first.bin").read_bytes() == data
for protocol in (None, "s3", "http"):
    url = files.get_presigned_url(made["guid"], protocol)["url"]
    assert requests.get(url).content == data
part = requests.get(url, headers={"Range": "bytes=-5"})
out["range"] = [part.status_code, part.content == data[-5:]]

home = files.upload_file("home.bin")
again = files.upload_file_to_guid(home["guid"], "home.bin", expires_in=60)
assert requests.put(again["url"], data=b"one").status_code == 200
# Gen3Index reads without its token: the whole record is for those who show theirs
out["uploader"] = auth.curl("/index/index/" + home["guid"]).json()["uploader"]
out["urls"] = auth.curl("/index/index/" + made["guid"]).json()["urls"]

def refused(call):
    try:
        call()
    except requests.HTTPError as error:
        return error.response.status_code

out["unknown"] = refused(lambda: files.get_presigned_url("00000000-0000-4000-8000-000000000000"))
out["gs"] = refused(lambda: files.get_presigned_url(made["guid"], "gs"))
out["missing"] = files.download_single("00000000-0000-4000-8000-000000000000", "got")
out["nowhere"] = refused(lambda: files.upload_file("x", authz=["/programs/NO/projects/NO"]))
out["bucket"] = refused(lambda: files.upload_file("x", bucket="theirs"))
out["delete"] = files.delete_file_locations(home["guid"]).status_code
out["deleted"] = refused(lambda: files.get_presigned_url(home["guid"]))
other = files.upload_file("other.bin")
out["deprecated"] = files.delete_file(other["guid"])

# in parts, as the command-line client of Gen3 does it
def post(path, body):
    return requests.post(f"{auth.endpoint}/user/data/multipart/{path}", json=body, auth=auth).json()

begun = post("init", {"file_name": "parts.bin"})
key, parts = begun["guid"] + "/parts.bin", []
for number, start in enumerate(range(0, len(data), 100_000), 1):
    url = post("upload", {"key": key, "uploadId": begun["uploadId"], "partNumber": number})["presigned_url"]
    sent = requests.put(url, data=data[start:start + 100_000])
    parts.append({"PartNumber": number, "ETag": sent.headers["ETag"].strip('"')})
out["complete"] = post("complete", {"key": key, "uploadId": begun["uploadId"], "parts": parts})
out["parts"] = index.get_record(begun["guid"])
assert files.download_single(begun["guid"], "got") and pathlib.Path("got/parts.bin").read_bytes() == data
print("RESULT" + json.dumps(out))
"""


def test_gen3_file(gen3: Gen3, tmp_path: Path) -> None:
    (tmp_path / "credentials.json").write_text(json.dumps(gen3.keys["writer"]))
    (tmp_path / "data.bin").write_bytes(BYTES)
    place = authz(gen3.project())
    done = run_client("gen3", FILES, place, folder=tmp_path, environment={"GEN3SDK_MAX_RETRIES": "1"})
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    out = result(done.stdout)
    assert (out["blank"]["size"], out["blank"]["hashes"], out["blank"]["uploader"]) == (None, {}, None)
    assert (out["put"], out["downloaded"], out["same"], out["range"]) == (200, True, True, [206, True])
    record: dict[str, Any] = out["record"]
    assert (record["size"], record["file_name"], record["authz"]) == (len(BYTES), "first.bin", [place])
    assert record["hashes"]["md5"] == MD5
    assert record["urls"] == []
    assert out["urls"] == [f"{gen3.url}/user/data/download/{record['did']}?redirect"]
    assert out["uploader"] == "writer@example.org"
    assert (out["unknown"], out["gs"], out["missing"]) == (404, 404, False)
    assert (out["nowhere"], out["bucket"]) == (403, 403)
    assert (out["delete"], out["deleted"], out["deprecated"]) == (204, 404, "")
    assert out["complete"] == {"message": "OK"}
    assert (out["parts"]["size"], out["parts"]["hashes"]["md5"]) == (len(BYTES), MD5)


# --- drs-pull: https and port 443 are built into it -------------------------------------------------


@pytest.fixture(scope="module")
def secure(admin_dsn: str, gen3_files: Path) -> Iterator[Gen3]:
    """A commons on port 443 with a certificate of its own."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", 443))
        except OSError as error:
            pytest.skip(f"drs-pull speaks to port 443 only, which cannot be had here: {error.strerror}")
    base = make_data_base()
    name = f"commensal_tls_{uuid.uuid4().hex[:10]}"
    run_sql(admin_dsn, f'create database "{name}"')
    made = None
    try:
        dictionary = gen3_files / "golden" / "generic" / "dictionary_all.json.gz"
        made = start_gen3(base, with_database(admin_dsn, name), dictionary, "--tls", "auto", port=443)
        yield made
        assert made.running.stop() == 0
    finally:
        if made is not None and made.running.process.poll() is None:
            made.running.kill()
        run_sql(admin_dsn, f'drop database if exists "{name}" with (force)')
        shutil.rmtree(base, ignore_errors=True)


PULL = r"""
import json, sys
from gen3.auth import Gen3Auth
from gen3.tools.download.drs_download import DownloadManager, Manifest, list_files_in_drs_manifest

auth = Gen3Auth(refresh_file="credentials.json")
listed = list_files_in_drs_manifest("127.0.0.1", auth, "manifest.json")
objects = Manifest.load("manifest.json")
manager = DownloadManager("127.0.0.1", auth, objects, show_progress=False)
done = manager.download(objects, "pulled")
print("RESULT" + json.dumps({
    "listed": listed,
    "status": {one: status.status for one, status in done.items()},
    "codes": {one: status.status_code for one, status in done.items()},
    "sizes": [one.file_size for one in objects],
    "access": manager.user_access(),
}))
"""


def test_drs_pull(secure: Gen3, tmp_path: Path) -> None:
    import httpx

    code = secure.project().split("/")[2]
    place = f"/programs/{PROGRAM}/projects/{code}"
    guids = []
    for name in ("one.bin", "in folder/two.bin"):
        body = {"file_name": name, "authz": [place]}
        made = secure.call("POST", "/user/data/upload", "writer", json=body).json()
        assert httpx.put(made["url"], content=BYTES, verify=False).status_code == 200
        guids.append(made["guid"])
    entries = [{"object_id": guid, "commons_url": "127.0.0.1", "file_name": "ignored"} for guid in guids]
    environment = {"REQUESTS_CA_BUNDLE": str(next(secure.running.data.rglob("tls.crt")))}
    for who in ("writer", "reader"):
        folder = tmp_path / who
        folder.mkdir()
        (folder / "credentials.json").write_text(json.dumps(secure.keys[who]))
        (folder / "manifest.json").write_text(json.dumps(entries))
        done = run_client("gen3", PULL, folder=folder, environment=environment)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        out = result(done.stdout)
        assert (out["listed"], out["sizes"]) == (True, [len(BYTES)] * 2)
        assert list(out["access"]) == ["127.0.0.1"]
        if who == "writer":
            assert out["status"] == dict.fromkeys(guids, "downloaded")
            assert (folder / "pulled" / "one.bin").read_bytes() == BYTES
            assert (folder / "pulled" / "in folder" / "two.bin").read_bytes() == BYTES
        else:
            assert out["status"] == dict.fromkeys(guids, "error")
            assert out["codes"] == dict.fromkeys(guids, 401)
    folder = tmp_path / "writer"
    program = client_python("gen3").parent / "gen3"
    command = [str(program), "--auth", "credentials.json", "--endpoint", "127.0.0.1", "drs-pull", "object"]
    done = subprocess.run(
        [*command, f"drs://127.0.0.1/{guids[0]}", "--no-progress", "--output-dir", "by command"],
        cwd=folder,
        env={"HOME": str(folder), "PATH": os.environ["PATH"], "NO_PROXY": "*", **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout.strip().splitlines()[-1]) == {"succeeded": [guids[0]], "failed": []}
    assert (folder / "by command" / "one.bin").read_bytes() == BYTES
