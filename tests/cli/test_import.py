"""`commensal import`: into a data folder, and through a server with a key."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import make_data_base
from tests.running import ADMIN, Running, clean_environment, run_commensal, start_commons

TABLE = "type\tsubmitter_id\tprojects.code\tsex\tage\n" + "".join(
    f"subject\tP-{n}\tsmall\t{'female' if n % 2 else 'male'}\t{n}\n" for n in range(1, 6)
)


@pytest.fixture(scope="module")
def commons() -> Iterator[Running]:
    base = make_data_base()
    running = start_commons(base / "data")
    try:
        running.add_user(ADMIN, "--site-admin")
        yield running
        assert running.stop() == 0
    finally:
        if running.process.poll() is None:
            running.kill()
        shutil.rmtree(base, ignore_errors=True)


@pytest.fixture(scope="module")
def headers(commons: Running) -> dict[str, str]:
    return commons.bearer(ADMIN)


def get(commons: Running, path: str, headers: dict[str, str], **params: object) -> dict:
    answer = commons.client.get(f"/commensal/v1{path}", headers=headers, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def series(commons: Running, headers: dict[str, str], project: str) -> tuple[list[dict], list[dict]]:
    samples = get(commons, f"/projects/{project}/records", headers, type="sample", limit=1000)["items"]
    files = get(commons, f"/projects/{project}/files", headers)["items"]
    return samples, files


@pytest.mark.parametrize("way", ["data", "url"])
def test_a_real_series_arrives_whole_and_twice_changes_nothing(
    commons: Running, headers: dict[str, str], shared: Path, tmp_path: Path, way: str
):
    source = shared / "data" / "geo" / "GSE781_family.soft.gz"
    program = f"GEO_{way}"
    project = f"{program}-GSE781_{way}"
    place = ["--program", program, "--project", f"GSE781_{way}"]
    if way == "data":
        place += ["--data", str(commons.data)]
    else:
        key = tmp_path / "credentials.json"
        key.write_text(json.dumps(commons.key(ADMIN, "gen3")))
        place += ["--url", commons.url, "--key", str(key)]
    first = run_commensal("import", "geo", source, *place).stdout
    assert "34 sample (34 new, 0 changed, 0 unchanged)" in first
    second = run_commensal("import", "geo", source, *place).stdout
    assert "34 sample (0 new, 0 changed, 34 unchanged)" in second
    samples, files = series(commons, headers, project)
    assert len(samples) == 34
    tissue = "Trizol isolation of total RNA from Renal Clear Cell Carcinoma tissue"
    assert sum(sample["properties"].get("source_name") == tissue for sample in samples) == 18
    platforms = [sample["properties"]["platform"] for sample in samples]
    assert sorted(platforms.count(name) for name in set(platforms)) == [17, 17]
    assert [file["size"] for file in files] == [source.stat().st_size]
    kept = commons.client.get(f"/commensal/v1/projects/{project}/files/{files[0]['path']}", headers=headers)
    assert kept.content == source.read_bytes()


@pytest.mark.parametrize("way", ["data", "url"])
def test_a_table_with_a_bad_row_names_it_and_writes_nothing(
    commons: Running, headers: dict[str, str], tmp_path: Path, way: str
):
    good, bad = tmp_path / "good.tsv", tmp_path / "bad.tsv"
    good.write_text(TABLE)
    bad.write_text(TABLE.replace("P-3\tsmall", "P-3\telsewhere").replace("P-", "Q-"))
    place = ["--program", f"TAB_{way}", "--project", f"small_{way}"]
    good.write_text(TABLE.replace("small", f"small_{way}"))
    bad.write_text(bad.read_text().replace("small", f"small_{way}"))
    environment = {}
    if way == "data":
        place += ["--data", str(commons.data), "--public", "read"]
    else:
        place += ["--url", commons.url]
        environment = {"COMMENSAL_KEY": json.dumps(commons.key(ADMIN, "polly"))}
    done = run_commensal("import", "tsv", good, *place, environment=environment)
    assert "5 subject (5 new" in done.stdout
    refused = run_commensal("import", "tsv", bad, *place, environment=environment, check=False)
    assert refused.returncode == 1
    assert "line 4" in refused.stderr
    assert "elsewhere" in refused.stderr
    listed = get(commons, f"/projects/TAB_{way}-small_{way}/records", headers, type="subject")
    assert listed["total"] == 5
    assert [item["properties"]["age"] for item in listed["items"]] == [1, 2, 3, 4, 5]
    shown = get(commons, f"/projects/TAB_{way}-small_{way}", headers)
    assert shown["public"] == ("read" if way == "data" else "none")


def test_the_owner_gets_what_was_made(commons: Running, tmp_path: Path):
    commons.add_user("owner@example.org")
    table = tmp_path / "t.tsv"
    table.write_text(TABLE)
    place = ["--program", "OWNED", "--project", "small", "--data", str(commons.data)]
    wrong = run_commensal("import", "tsv", table, *place, "--owner", "nobody@example.org", check=False)
    assert wrong.returncode == 1
    run_commensal("import", "tsv", table, *place, "--owner", "owner@example.org")
    owner = commons.bearer("owner@example.org")
    assert "identify" in get(commons, "/projects/OWNED-small", owner)["rights"]


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["geo", "nowhere.soft.gz"], "no file or folder"),
        (["geo", __file__, "--url", "http://127.0.0.1:9"], "needs a key"),
        (
            ["tsv", __file__, "--program", "P", "--project", "p", "--url", "nonsense", "--key", "x"],
            "--url is an address",
        ),
    ],
)
def test_wrong_calls_are_told(args: list[str], says: str, data_base: Path):
    done = run_commensal("import", *args, environment={"COMMENSAL_DATA": str(data_base / "d")}, check=False)
    assert done.returncode == 1
    assert says in done.stderr


def test_a_server_that_does_not_know_the_key(commons: Running, tmp_path: Path):
    table = tmp_path / "t.tsv"
    table.write_text(TABLE)
    for key, says in (('{"token": "nonsense"}', "does not take this key"), ("{}", "holds none of")):
        done = run_commensal(
            "import", "tsv", table, "--program", "X", "--project", "small", "--url", commons.url,
            environment={"COMMENSAL_KEY": key}, check=False,
        )  # fmt: skip
        assert done.returncode == 1
        assert says in done.stderr


def test_an_interrupted_import_says_so_and_leaves_whole_batches(
    commons: Running, headers: dict[str, str], tmp_path: Path
):
    table = tmp_path / "big.tsv"
    rows = "".join(f"subject\tB-{n}\tbig\t\t\n" for n in range(60_000))
    table.write_text("type\tsubmitter_id\tprojects.code\tsex\tage\n" + rows)
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "commensal.cli", "import", "tsv", str(table), "--program", "BIG",
         "--project", "big", "--data", str(commons.data)],
        env=clean_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    count = 0
    while process.poll() is None and count == 0:
        answer = commons.client.get("/commensal/v1/projects/BIG-big/records?type=subject&limit=1", headers=headers)
        count = answer.json().get("total", 0)
    os.kill(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=120)
    total = get(commons, "/projects/BIG-big/records", headers, type="subject", limit=1)["total"]
    counts = get(commons, "/projects", headers, program="BIG")["items"][0]["counts"]
    assert counts["subject"] == total
    if process.returncode != 0:  # it may have been quicker than the signal
        assert process.returncode == 130
        assert "Stopping at the next safe point" in said
        assert 0 < total < 60_000


def test_a_nearly_full_disk_takes_no_import(tmp_path: Path, commons: Running):
    table = tmp_path / "subjects.tsv"
    table.write_text(TABLE)
    done = run_commensal(
        "import", "tsv", table, "--program", "FULL", "--project", "small", "--data", commons.data,
        environment={"COMMENSAL_MIN_FREE": "900PB"}, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "almost full" in done.stderr
    assert "FULL" not in str(get(commons, "/programs", commons.bearer(ADMIN)))
