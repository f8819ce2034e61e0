"""Files of fields: uploads and downloads with both clients, and what is refused."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.clients import run_client
from tests.pangea.conftest import PASSWORD, Pangea, Person
from tests.pangea.test_real_client import environment, published_tests

PART = 10311680


def test_our_client_passes_the_published_tests(pangea: Pangea, tmp_path: Path):
    folder = published_tests(tmp_path)
    for path in (folder / "tests").glob("*.py"):
        text = path.read_text().replace("from pangea_api.contrib.tagging import", "from commensal.client.pangea import")
        path.write_text(text.replace("from pangea_api import", "from commensal.client.pangea import"))
    done = subprocess.run(
        [sys.executable, "-m", "unittest", "-v", "tests.test_api_client", "tests.test_contrib"],
        cwd=folder, env=environment(pangea, folder), capture_output=True, text=True, check=False, timeout=280,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    # One is skipped by its author.
    assert re.search(r"^Ran 24 tests in .*\n\nOK \(skipped=1\)$", done.stderr, re.MULTILINE), done.stderr[-3000:]


SCRIPT = r"""
import hashlib, json, sys
CLIENT
url, email, password, key, small, large = sys.argv[1:]
knex = Knex(url)
User(knex, email, password).login()
lib = Organization(knex, f"org {key}").sample_group(f"lib {key}", is_library=True)
sample = lib.sample("s").create()
out = {}
for owner, kind in ((sample, "sample"), (lib, "group")):
    ar = owner.analysis_result("raw::reads").create()
    for path in (small, large):
        field = ar.field(path.rsplit("/", 1)[1]).create()
        field.upload_file(path)
        fresh = ar.field(field.name).get()
        got = fresh.download_file()
        out[f"{kind} {field.name}"] = hashlib.md5(open(got, "rb").read()).hexdigest()
        out[f"{kind} {field.name} name"] = fresh.get_referenced_filename().rsplit(".", 2)[1:]
two = sample.analysis_result("raw::reads").get().field("same name").create()
two.upload_file(small)
out["apart"] = two.parent.field("same name").get().stored_data["uri"] != field.stored_data.get("uri")
print("RESULT" + json.dumps(out))
"""


def files(folder: Path, size: int) -> tuple[Path, Path]:
    small, large = folder / "reads.fastq.gz", folder / "large.tar.gz"
    small.write_bytes(os.urandom(70_000))
    large.write_bytes(os.urandom(size))
    return small, large


@pytest.mark.parametrize("client", ["published", "ours"])
def test_uploads_of_both_sizes_come_back(pangea: Pangea, ann: Person, tmp_path: Path, client: str):
    """The large one is a whole number of parts long: the published client sends an empty last part."""
    small, large = files(tmp_path, 2 * PART)
    module = "pangea_api" if client == "published" else "commensal.client.pangea"
    script = SCRIPT.replace("CLIENT", f"from {module} import Knex, User, Organization")
    words = [pangea.url, ann.email, PASSWORD, pangea.name(client), str(small), str(large)]
    if client == "published":
        more = {"PANGEA_API_CACHE_DIR": str(tmp_path)}
        done = run_client("pangea", script, *words, folder=tmp_path, environment=more)
    else:
        done = subprocess.run(
            [sys.executable, "-c", script, *words],
            cwd=tmp_path, env=environment(pangea, tmp_path), capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
    assert "RESULT" in done.stdout, done.stderr[-2000:]
    out = json.loads(done.stdout.partition("RESULT")[2])
    for kind in ("sample", "group"):
        for path, end in ((small, ["fastq", "gz"]), (large, ["tar", "gz"])):
            assert out[f"{kind} {path.name}"] == hashlib.md5(path.read_bytes()).hexdigest()
            assert out[f"{kind} {path.name} name"] == end
    assert out["apart"] is True


@pytest.fixture
def library(pangea: Pangea, ann: Person) -> dict[str, Any]:
    return pangea.library(ann)


@pytest.fixture
def field(pangea: Pangea, ann: Person, library: dict[str, Any]) -> dict[str, Any]:
    result = pangea.result(ann, pangea.sample(ann, library))
    return ann(
        "POST", "sample_ar_fields", 201, json={"analysis_result": result["uuid"], "name": "f", "stored_data": {}}
    )


def address(field: dict[str, Any]) -> str:
    return f"sample_ar_fields/{field['uuid']}"


def send_whole(ann: Person, field: dict[str, Any], data: bytes, name: str = "a.txt") -> dict[str, Any]:
    form = ann("POST", f"sample_ar_fields/{field['uuid']}/upload_s3", json={"filename": name})
    answer = ann.running.client.post(form["url"], data=form["fields"], files={"file": (name, data)})
    assert answer.status_code == 204, answer.text
    return ann("GET", f"sample_ar_fields/{field['uuid']}")


def test_what_cannot_be_uploaded(pangea: Pangea, ann: Person, bob: Person, stranger: Person, field: dict[str, Any]):
    url = f"sample_ar_fields/{field['uuid']}/upload_s3"
    for body in (
        {},
        {"filename": ""},
        {"filename": ".."},
        {"filename": "a", "stance": "zz"},
        {"filename": "a", "stance": "upload-multipart"},
        {"filename": "a", "stance": "upload-multipart", "n_parts": 0},
        {"filename": "a", "stance": "upload-multipart", "n_parts": "9" * 30},
        {"filename": "a\0b"},
        {"filename": "\ud800"},
    ):
        ann("POST", url, 400, content=json.dumps(body), headers={"content-type": "application/json"})
    bob("POST", url, 403, json={"filename": "a"})
    stranger("POST", url, 403, json={"filename": "a"})
    assert ann("GET", f"sample_ar_fields/{field['uuid']}")["stored_data"] == {}
    ann("POST", url.replace("sample_ar_", "sample_group_ar_"), 404, json={"filename": "a"})
    other = ann(
        "POST", "sample_ar_fields", 201,
        json={"analysis_result": field["analysis_result"], "name": "other", "stored_data": {"a": 1}},
    )  # fmt: skip
    said = ann("POST", f"sample_ar_fields/{other['uuid']}/upload_s3", 400, json={"filename": "a"})
    assert "other data" in said["stored_data"][0]


def test_a_second_upload_keeps_the_address_and_replaces_the_bytes(ann: Person, field: dict[str, Any]):
    first = send_whole(ann, field, b"one")["stored_data"]
    assert ann.running.client.get(first["presigned_url"]).content == b"one"
    second = send_whole(ann, field, b"two", "b.txt")["stored_data"]
    assert second["uri"] == first["uri"]
    assert ann.running.client.get(second["presigned_url"]).content == b"two"
    ranged = ann.running.client.get(second["presigned_url"], headers={"Range": "bytes=1-"})
    assert (ranged.status_code, ranged.content) == (206, b"wo")


def test_addresses_carry_their_own_right_and_no_other(
    pangea: Pangea, ann: Person, bob: Person, stranger: Person, field: dict[str, Any]
):
    stored = send_whole(ann, field, b"bytes")["stored_data"]
    bare = f"{stored['endpoint_url']}/{stored['uri'].removeprefix('s3://')}"
    # Everybody may download from a public library, with an address of his own; from a private one only its members.
    assert stranger.send("GET", stranger("GET", address(field))["stored_data"]["presigned_url"]).content == b"bytes"
    library = field["analysis_result_obj"]["sample_obj"]["library"]
    ann("PATCH", f"sample_groups/{library}", json={"is_public": False})
    for who in (bob, stranger):
        who("GET", address(field), 403)
        assert who.send("GET", bare).status_code == 403
    assert ann.send("GET", bare, follow_redirects=True).content == b"bytes"
    signed = stored["presigned_url"]
    assert stranger.send("GET", signed).content == b"bytes"
    assert stranger.send("GET", signed[:-1] + ("0" if signed[-1] != "0" else "1")).status_code == 403
    assert stranger.send("PUT", signed, content=b"x").status_code in (403, 405)


def test_addresses_of_other_libraries_are_refused(pangea: Pangea, ann: Person, bob: Person, field: dict[str, Any]):
    """Data that points into our store is honoured only where the file is in the same library (own-bytes rule)."""
    stored = send_whole(ann, field, b"secret")["stored_data"]
    kept = {key: value for key, value in stored.items() if key != "presigned_url"}
    theirs = pangea.result(bob, pangea.sample(bob, pangea.library(bob)))
    body = {"analysis_result": theirs["uuid"], "name": "stolen", "stored_data": kept}
    assert "no file of this library" in bob("POST", "sample_ar_fields", 400, json=body)["stored_data"][0]
    made = bob("POST", "sample_ar_fields", 201, json={**body, "stored_data": {}})
    bob("PUT", f"sample_ar_fields/{made['uuid']}", 400, json={"name": "stolen", "stored_data": kept})
    # The same data, sent back as it was read, is no change.
    again = ann("PUT", f"sample_ar_fields/{field['uuid']}", json={"name": "f", "stored_data": stored})
    assert again["stored_data"]["uri"] == stored["uri"]
    # Addresses elsewhere are kept and handed out as they are.
    foreign = {"__type__": "s3", "uri": "s3://else/where.txt", "endpoint_url": "https://s3.example.org"}
    assert (
        bob("PUT", f"sample_ar_fields/{made['uuid']}", json={"name": "stolen", "stored_data": foreign})["stored_data"]
        == foreign
    )


def test_parts_in_any_order_and_what_completes(pangea: Pangea, ann: Person, bob: Person, field: dict[str, Any]):
    base = f"sample_ar_fields/{field['uuid']}"
    begun = ann("POST", f"{base}/upload_s3", json={"filename": "a.bin", "n_parts": 3, "stance": "upload-multipart"})
    client, etags = ann.running.client, {}
    for number, data in ((2, b"b" * 1000), (1, b"a" * 1000), (3, b"")):
        etags[number] = client.put(begun["urls"][number - 1], content=data).headers["etag"]
    parts = [{"ETag": etags[number], "PartNumber": number} for number in (1, 2, 3)]
    complete = f"{base}/complete_upload_s3"
    for body in (
        {},
        {"upload_id": begun["upload_id"]},
        {"upload_id": begun["upload_id"], "parts": "x"},
        {"upload_id": begun["upload_id"], "parts": [{"ETag": '"0"', "PartNumber": 1}]},
        {"upload_id": begun["upload_id"], "parts": [*parts, {"ETag": etags[1], "PartNumber": 4}]},
        {"upload_id": "zz", "parts": parts},
        {"upload_id": field["uuid"], "parts": parts},
    ):
        ann("POST", complete, 400, json=body)
    bob("POST", complete, 400, json={"upload_id": begun["upload_id"], "parts": parts})
    for _ in range(2):
        done = ann("POST", complete, json={"upload_id": begun["upload_id"], "parts": parts})
        assert done == {"status": "success", "upload_id": begun["upload_id"]}
    stored = ann("GET", base)["stored_data"]
    assert stored["uri"].endswith("/a.bin")
    assert client.get(stored["presigned_url"]).content == b"a" * 1000 + b"b" * 1000


def test_manifests_have_the_addresses(ann: Person, stranger: Person, field: dict[str, Any], library: dict[str, Any]):
    send_whole(ann, field, b"bytes")
    sample = ann("GET", f"sample_ar_fields/{field['uuid']}")["analysis_result_obj"]["sample"]

    def addresses(who: Person, path: str) -> int:
        return json.dumps(who("GET", path)).count("presigned_url")

    assert addresses(ann, f"samples/{sample}/manifest") == 1
    assert addresses(ann, f"sample_groups/{library['uuid']}/manifest") >= 1
    assert addresses(stranger, f"samples/{sample}/manifest") == 1
