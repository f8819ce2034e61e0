"""`commensal pangea`: what the published command line does, and what goes wrong told in one sentence."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import pytest

from tests.pangea.conftest import PASSWORD, Pangea, Person
from tests.running import run_commensal


class Tool:
    def __init__(self, pangea: Pangea, who: Person, folder: Path) -> None:
        self.folder = folder
        self.own = {
            "COMMENSAL_URL": pangea.url,
            "PANGEA_USER": who.email,
            "PANGEA_PASS": PASSWORD,
            "PANGEA_API_CACHE_DIR": str(folder),
        }

    def __call__(self, *args: str | Path, fails: str = "") -> str:
        done = run_commensal("pangea", *args, environment=self.own, check=False)
        assert (done.returncode == 0) is not bool(fails), (args, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
        assert fails in done.stderr
        return done.stdout if done.stdout else done.stderr


@pytest.fixture
def tool(pangea: Pangea, ann: Person, tmp_path: Path) -> Tool:
    return Tool(pangea, ann, tmp_path)


def test_from_an_organization_to_files_and_back(pangea: Pangea, ann: Person, tool: Tool, tmp_path: Path):
    org, lib, grp = pangea.name("tool org"), pangea.name("tool lib"), pangea.name("tool grp")
    assert "Created:" in tool("create", "org", org)
    tool("create", "sample-group", "--public", org, lib)
    tool("create", "sample-group", "--not-library", org, grp)
    assert {name in tool("list", "groups", org) for name in (lib, grp)} == {True}

    reads = [tmp_path / f"{name}.R{n}.fastq.gz" for name in ("a", "b") for n in (1, 2)]
    for path in reads:
        path.write_bytes(os.urandom(2_000))
    listed = tmp_path / "list.txt"
    listed.write_text("\n".join(map(str, reads)) + "\n")
    assert "Sample: a" in tool("upload", "reads", "--dryrun", org, lib, listed)
    assert tool("list", "samples", org, lib).startswith("")
    assert "Sample a" not in tool("list", "samples", org, lib)
    for _ in range(2):  # the second time there is nothing to send
        assert "Sample a" in tool("upload", "reads", org, lib, listed)
    tool("upload", "reads", org, lib, tmp_path / "none", fails="cannot be read")
    (tmp_path / "odd").write_text(str(reads[0]))
    tool("upload", "reads", org, lib, tmp_path / "odd", fails="no pair of reads: a")

    table = tmp_path / "table.csv"
    table.write_text("sample,city,ph,code\na,Bern,7.5,007\nb,Basel,8,\nnone,x,1,2\n")
    tool("upload", "metadata", org, lib, table, fails="1 samples are not in")
    tool("upload", "metadata", org, lib, table, "--create")
    out = tmp_path / "out.csv"
    tool("download", "metadata", "-o", out, org, lib)
    rows = {row[""]: row for row in csv.DictReader(out.open())}
    assert (rows["a"]["city"], rows["a"]["ph"], rows["a"]["code"], rows["b"]["code"]) == ("Bern", "7.5", "007", "")
    sample = ann("GET", f"nested/{org}/sample_groups/{lib}/samples/a")
    assert sample["metadata"] == {"city": "Bern", "ph": 7.5, "code": "007"}

    target = tmp_path / "got"
    tool("download", "sample-results", "--target-dir", target, org, lib, "a")
    found = {path.name: path.read_bytes() for path in target.rglob("*") if path.is_file()}
    assert found["a.raw__paired_short_reads.read_1.fastq.gz"] == reads[0].read_bytes()
    assert len(found) == 4
    assert "signature=" in tool("download", "sample-results", "--urls-only", org, lib, "b")

    tool("add", "samples-to-group", org, lib, org, grp, "a", "b")
    assert tool("list", "samples", org, grp).count("Sample") == 2
    tool("tag", "create", f"tag {grp}")
    tool("tag", "samples-in-group", org, grp, f"tag {grp}")
    listed_tags = ann("GET", f"contrib/tags?sample={sample['uuid']}")["results"]
    assert [one["name"] for one in listed_tags] == [f"tag {grp}"]
    single = tmp_path / "single.bin"
    single.write_bytes(b"x" * 10)
    tool("upload", "group-field", org, grp, "mod", "f", single)
    tool("create", "sample-ar", org, lib, "b", "other", "-r", "r1")
    tool("create", "field", org, lib, "b", "other", "f", single)
    tool("delete", "sample", sample["uuid"])
    ann("GET", f"samples/{sample['uuid']}", 404)
    assert ann.email in tool("user", "info")


def test_what_goes_wrong_is_told_in_one_sentence(pangea: Pangea, tool: Tool):
    tool("list", "samples", "no such organization", "x", fails="404")
    tool("create", "sample-ar", "a", fails="Give ORG LIBRARY SAMPLE MODULE")
    tool("-h", fails="No such option")
    tool.own["PANGEA_PASS"] = "wrong"
    tool("user", "info", fails="Unable to log in")
    tool.own.pop("COMMENSAL_URL")
    tool("user", "info", fails="COMMENSAL_URL")
