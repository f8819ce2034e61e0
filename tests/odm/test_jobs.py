"""Import jobs with the real ``odm_api`` against a running server and a server of files."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.clients import run_client
from tests.odm.conftest import Odm

DATA = bytes(range(256)) * 4000
STUDY = (
    "genestack:name\tStudy Description\tkeywords\tyear\tgenestack:accession\r\n"
    "Kidney study\tTwenty\ta|b\t2024\tGSF1\r\n"
)
METADATA = "batch\ttissues\tage\tcode\tgenestack:name\nlot 7\tkidney | liver\t61\t007\tignored\n"
SAMPLES = "Sample Source ID\tgenestack:name\ttissue\tdose\nS1\tFirst\tkidney\t1.5\nS2\t\tliver\t\n3\tThird\t\t2\n"
MORE = 'Sample Source ID\tgenestack:name\ttissue\tdose\tlabel\tnote\nM1\tFirst\t7\t1.5\tx\t"a ""b"""\n'
LIBRARIES = "Library ID\tSample Source ID\tlength\nL1\tM1\t150\n"


@pytest.fixture(scope="module")
def links(odm: Odm) -> dict[str, str]:
    remote = odm.remote
    return {
        "study": remote.put("/study.tsv", STUDY),
        "data": remote.put("/run%201/counts.bin", DATA),
        "metadata": remote.put("/metadata.tsv", METADATA),
        "samples": remote.put("/samples.tsv", SAMPLES),
        "absent": remote.put("/gone.bin", b"").replace("gone", "absent"),
        "other": remote.put("/other.bin", b"other"),
        "batch": "lot 7",
        "more": MORE,
        "libraries": LIBRARIES,
    }


@pytest.fixture(scope="module")
def seen(odm: Odm, links: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    script = (Path(__file__).parent / "import_operations.py").read_text(encoding="utf-8")
    token = odm.keys["importer"]["api_token"]
    done = run_client(
        "odm", script, odm.url, token, json.dumps(links), folder=tmp_path_factory.mktemp("imports"), timeout=180
    )
    assert done.returncode == 0, done.stderr[-3000:] + odm.running.output[-2000:]
    return json.loads(done.stdout)


def test_a_study(odm: Odm, seen: dict[str, Any]):
    job = seen["study"]
    assert (job["status"], job["by"], job["ended"], job["errors"]) == ("COMPLETED", "importer@example.org", True, [])
    assert set(job["result"]) == {"accession", "groupAccession"}
    bearer = {"Authorization": f"Bearer {odm.keys['importer']['access_token']}"}
    found = odm.running.client.get(f"/commensal/v1/projects/{job['result']['accession']}", headers=bearer).json()
    assert found["title"] == "Kidney study"
    assert found["kind"] == "study"


def test_a_file_by_link(seen: dict[str, Any]):
    job = seen["file"]
    assert (job["status"], job["name"]) == ("COMPLETED", "Import of a file")
    made = seen["object"]
    assert made["genestack:accession"] == job["result"]["accession"]
    assert made["genestack:name"] == "counts.bin"
    assert made["Data Class"] == "Bulk transcriptomics"
    assert (made["batch"], made["tissues"], made["age"], made["code"]) == ("lot 7", ["kidney", "liver"], 61, "007")
    assert seen["md5"] == made["commensal:md5"] == hashlib.md5(DATA).hexdigest()
    assert seen["found"] == [job["result"]["accession"]]


def test_the_same_again_is_refused_with_the_number_of_the_job(seen: dict[str, Any]):
    kind, status, message = seen["again"]
    assert (kind, status) == ("ConflictException", 409)
    assert "job instance already exists" in message.lower()
    assert int(re.search(r"jobExecId=(\d+)", message)[1]) == seen["file"]["id"]
    assert seen["samples twice"]["id"] != seen["samples"]["id"]


def test_failures_say_why(seen: dict[str, Any]):
    for name in ("absent", "restarted absent"):
        assert seen[name]["status"] == "FAILED"
        assert seen[name]["errors"][0][0] == "fetch file"
        assert "answered 404" in seen[name]["errors"][0][1][0][1]
    assert seen["restarted absent"]["id"] == seen["absent"]["id"]
    assert seen["bad table"]["status"] == "FAILED"
    assert "exactly one record; it has 3" in seen["bad table"]["errors"][0][1][0][1]
    assert seen["stop ended"][:2] == ["ConflictException", 409]
    assert seen["restart completed"][:2] == ["ConflictException", 409]
    assert seen["no job"][:2] == ["NotFoundException", 404]
    assert seen["no study"][:2] == ["NotFoundException", 404]
    assert seen["class"][:2] == ["BadRequestException", 400]
    assert "Bulk transcriptomics" in seen["class"][2]
    assert seen["not on the list"][:2] == ["ForbiddenException", 403]
    assert seen["no link"][:2] == ["BadRequestException", 400]


def test_a_file_by_form(seen: dict[str, Any]):
    assert seen["form"]["status"] == "COMPLETED"
    made = seen["form object"]
    assert (made["genestack:name"], made["Data Class"]) == ("sent.bin", "Document")
    assert (made["note"], made["list"]) == ("from a form", ["x", "y | z"])
    assert seen["form same"]
    assert seen["form bad table"]["status"] == "FAILED"
    assert seen["form restart"][:2] == ["ConflictException", 409]
    assert seen["form class"][:2] == ["BadRequestException", 400]


def test_what_the_tables_said(seen: dict[str, Any]):
    [sample], [library], study = seen["sample"], seen["library"], seen["study object"]
    assert seen["libraries form"]["status"] == "COMPLETED"
    assert (sample["genestack:name"], sample["Sample Source ID"], sample["note"]) == ("First", "M1", 'a "b"')
    assert (sample["tissue"], sample["dose"], sample["label"]) == ("7", 1.5, "x")  # tissue is declared as a text
    assert sample["groupId"] == seen["samples form"]["result"]["groupAccession"]
    assert (library["Library ID"], library["Sample Source ID"], library["length"]) == ("L1", "M1", 150)
    assert study["genestack:name"] == "Kidney study"
    assert (study["Study Description"], study["keywords"], study["year"]) == ("Twenty", ["a", "b"], 2024)
    assert study["genestack:accession"] == seen["study"]["result"]["accession"]


def test_samples_and_deletion(seen: dict[str, Any]):
    assert seen["samples"]["status"] == "COMPLETED"
    assert set(seen["samples"]["result"]) == {"groupAccession"}
    assert seen["samples twice"]["status"] == "FAILED"  # its names are taken in the home project
    assert any("S1" in text for _, stack in seen["samples twice"]["errors"] for _, text in stack)
    assert seen["samples form"]["status"] == "COMPLETED"
    group = seen["samples"]["result"]["groupAccession"]
    by = "importer@example.org"
    assert sorted(seen["deleted"]) == sorted(
        [[seen["form"]["result"]["accession"], "FILE", by], [group, "SAMPLE_GROUP", by]]
    )
    assert seen["gone"][:2] == ["NotFoundException", 404]
    assert seen["delete absent"][:2] == ["NotFoundException", 404]
    assert seen["still there"] == "counts.bin"
    assert seen["samples anew"]["status"] == "COMPLETED"  # its group was deleted: it is no repetition
    assert sorted(seen["linked"]) == ["3", "M1", "S1", "S2"]  # the group has moved into the study
