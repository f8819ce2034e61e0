"""The real ``odm_api``, oldest and newest, and our own client: the same script, the same answers."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path

import pytest

from tests.clients import client_python
from tests.contents.test_real_files import MEMBER, wheel  # noqa: F401 - a fixture
from tests.odm.conftest import Odm

SCRIPT = Path(__file__).parent / "operations.py"
NAMES = ("loops.h5", "archive.zip", "table.tsv.gz", "plain.txt", "empty.bin", "fake.h5")


def run(odm: Odm, python: Path, module: str, accessions: list[str], folder: Path) -> dict:
    keys = odm.keys["analyst"]
    command = [str(python), str(SCRIPT), module, odm.url, keys["api_token"], keys["access_token"], ",".join(accessions)]
    done = subprocess.run(
        command, cwd=folder, env={"HOME": str(folder), "NO_PROXY": "*"}, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def paths(tree: dict) -> set[str]:
    return {tree["path"]} | {path for child in tree.get("children", ()) for path in paths(child)}


@pytest.fixture(params=["odm", "odm 1.60", "ours"], scope="module")
def seen(request: pytest.FixtureRequest, odm: Odm, own_python: Path, tmp_path_factory: pytest.TempPathFactory) -> dict:
    name = request.param
    python, module = (own_python, "commensal.client.odm") if name == "ours" else (client_python(name), "odm_api")
    made = run(odm, python, module, [odm.files[one] for one in NAMES], tmp_path_factory.mktemp("odm"))
    return {**made, "client": name, "expected": dict(odm.files)}


def test_the_four_operations(odm: Odm, seen: dict):
    expected = seen["expected"]
    assert seen["page"] == [len(expected), len(expected), 0, 2000]
    assert set(seen["list"]) == set(expected.values())
    assert seen["list"] == sorted(seen["list"], key=lambda one: int(one[3:]))
    assert seen["second"] == seen["list"][1:3]
    assert seen["filter"] == ["archive.zip"]
    assert seen["query"][:2] == ["loops.h5", "archive.zip"]
    assert seen["with contents"] >= 4
    for name in NAMES:
        found, data = seen["files"][odm.files[name]], odm.bytes[name]
        assert found["metadata"]["genestack:name"] == name
        assert found["metadata"]["Data Class"] == "Other"
        assert found["metadata"]["commensal:md5"] == found["md5"] == hashlib.md5(data).hexdigest()
        assert found["same"]
        assert found["status"] == (206 if data else 200)
        assert found["tail"] == data[-3:].hex()
        assert found["head"] is None
        assert found["length"] == len(data)
        if seen["client"] == "ours":
            assert found["kind"] == "bytearray"
    lines = seen["tsv"].splitlines()
    assert lines[0].split("\t")[:3] == ["genestack:accession", "genestack:name", "Data Class"]
    assert len(lines) == 1 + len(expected)


def test_structures(odm: Odm, seen: dict):
    trees = {name: seen["files"][odm.files[name]]["metadata"].get("contents") for name in NAMES}
    assert paths(trees["loops.h5"]) == {"/", "/empty", "/obs", "/obs/again", "/obs/seurat_clusters"}
    assert "/data/matrix.h5/obs/seurat_clusters" in paths(trees["archive.zip"])
    assert trees["table.tsv.gz"]["children"][0]["name"] == "table.tsv"
    assert trees["fake.h5"] == {"error": "The contents could not be parsed."}
    assert trees["plain.txt"] is None
    assert trees["empty.bin"] is None


def test_refusals(seen: dict):
    refused = seen["refused"]
    assert refused["filter"][:2] == ["BadRequestException", 400]
    assert "expected a value" in json.loads(refused["filter"][2])["error"]["message"]
    for name in ("absent", "absent bytes", "absent head"):
        assert refused[name][:2] == ["NotFoundException", 404]
    assert refused["ranges"][:2] == ["BadRequestException", 400]
    assert refused["behind"][:2] == ["ApiException", 416]
    assert refused["slash"][:2] == ["BadRequestException", 400]


def test_credentials(seen: dict):
    good = ("both, one key, no prefix", "bearer", "raw access token", "both with prefix")
    assert {name: seen["auth"][name] for name in good} == dict.fromkeys(good)
    for name in ("wrong bearer beside a token", "wrong", "none"):
        kind, status, body = seen["auth"][name]
        assert (kind, status) == ("UnauthorizedException", 401)
        message = json.loads(body)["error"]["message"]
        assert "Authorization" in message
        assert "Genestack-API-Token" in message


def test_the_h5ad_of_scanpy(odm: Odm, wheel: Path, tmp_path: Path):  # noqa: F811
    import zipfile

    with zipfile.ZipFile(wheel) as archive:
        data = archive.read(MEMBER)
    accession = odm.put("field/10x.h5ad", data)
    tree = odm.wait_contents("10x.h5ad")
    assert {"/obs", "/var", "/X"} & paths(tree)
    seen = run(odm, client_python("odm"), "odm_api", [accession], tmp_path)["files"][accession]
    assert seen["md5"] == hashlib.md5(data).hexdigest()
    assert seen["metadata"]["contents"] == tree
    found = odm.get("", params={"filter": "group=obsm AND dataset=X_umap OR fullPath=/obsm/X_umap"}).json()["data"]
    assert accession in [one["genestack:accession"] for one in found] or "/obsm/X_umap" not in paths(tree)
