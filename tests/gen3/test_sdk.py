"""The unmodified ``gen3`` SDK with a credentials.json of ours: Gen3Auth and every method of Gen3Submission."""

from __future__ import annotations

import json
import re
import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.clients import run_client
from tests.gen3.conftest import PROGRAM, Gen3, case, experiment

SCRIPT = r"""
import json, sys
from gen3.auth import Gen3Auth
from gen3.submission import Gen3Submission, Gen3SubmissionQueryError

endpoint, program, code = sys.argv[1:4]
auth = Gen3Auth(refresh_file="credentials.json")
assert auth.endpoint == endpoint, auth.endpoint
same = Gen3Auth(endpoint=endpoint, refresh_token=json.load(open("credentials.json")))
assert same.get_access_token()
who = auth.curl("/user/user").json()
sub = Gen3Submission(auth_provider=auth)
out = {"who": who["username"]}

out["program"] = sub.create_program({"type": "program", "name": program, "dbgap_accession_number": program})
out["programs"] = sub.get_programs()["links"]
out["project"] = sub.create_project(program, {"type": "project", "code": code, "name": code,
                                              "dbgap_accession_number": code})["success"]
out["projects"] = sub.get_projects(program)["links"]
out["dictionary"] = len(sub.get_project_dictionary(program, code)["links"])
record = sub.submit_record(program, code, {"type": "experiment", "submitter_id": "e1", "projects": {"code": code}})
out["record"] = (record["code"], record["entities"][0]["action"])
out["file"] = {k: v for k, v in sub.submit_file(f"{program}-{code}", "cases.tsv").items()
               if k in ("invalid", "succeeded", "responses", "other")}
out["csv"] = sub.submit_file(f"{program}-{code}", "samples.csv", chunk_size=2)["succeeded"]
cases = sub.query("query($p: [String]){case(first:0, project_id:$p, order_by_asc:\"submitter_id\"){id submitter_id}}",
                  variables={"p": [f"{program}-{code}"]})["data"]["case"]
out["cases"] = [one["submitter_id"] for one in cases]
try:
    sub.query("{nope}")
    out["wrong query"] = None
except Gen3SubmissionQueryError as error:
    out["wrong query"] = str(error)
out["exported record"] = sub.export_record(program, code, cases[0]["id"], "json")
sub.export_node(program, code, "case", "tsv", filename="out.tsv")
out["exported node"] = open("out.tsv").read()
out["exported json"] = sub.export_node(program, code, "case", "json")["data"]
out["schema"] = len(sub.get_graphql_schema()["data"]["__schema"]["types"])
out["node"] = sub.get_dictionary_node("case")["id"]
out["all"] = len(sub.get_dictionary_all())
out["manifest"] = sub.get_project_manifest(program, code).status_code
out["review"] = auth.curl(f"/api/v0/submission/{program}/{code}/review", request="PUT").json()["success"]
out["open"] = sub.open_project(program, code)["success"]
samples = sub.query("{sample(first:0, project_id:\"%s-%s\"){id}}" % (program, code))["data"]["sample"]
out["delete one"] = sub.delete_record(program, code, samples[0]["id"]).json()["deleted_entity_count"]
out["delete some"] = sub.delete_records(program, code, [samples[1]["id"]]).status_code
sub.delete_node(program, code, "sample", verbose=False)
sub.delete_nodes(program, code, ["case", "experiment"], verbose=False)
out["left"] = sub.query("{_case_count(project_id:\"%s-%s\")}" % (program, code))["data"]["_case_count"]
out["delete project"] = sub.delete_project(program, code).status_code
out["delete program"] = sub.delete_program(program).status_code
print("RESULT" + json.dumps(out))
"""


def result(output: str) -> dict[str, Any]:
    line = next(line for line in output.splitlines() if line.startswith("RESULT"))
    return json.loads(line.removeprefix("RESULT"))


@pytest.fixture
def home(gen3: Gen3, tmp_path: Path) -> Path:
    """A folder with credentials.json as the Profile page saves it."""
    (tmp_path / "credentials.json").write_text(json.dumps(gen3.keys["admin"]))
    return tmp_path


def test_every_method_of_gen3_submission(gen3: Gen3, home: Path) -> None:
    program, code = "S" + uuid.uuid4().hex[:8], "K" + uuid.uuid4().hex[:8]
    lines = [f"case\tc{n:02}\te1\tLung" for n in range(65)] + ["case\tbad1\tnone\tLung", "case\tbad2\te1\t"]
    table = "*type\t*submitter_id\t*experiments.submitter_id\tprimary_site\n" + "\n".join(lines) + "\n"
    (home / "cases.tsv").write_text(table)
    rows = "".join(f"sample,s{n},c{n:02}\n" for n in range(5))
    (home / "samples.csv").write_text("type,submitter_id,cases.submitter_id\n" + rows)
    done = run_client("gen3", SCRIPT, gen3.url, program, code, folder=home)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    out = result(done.stdout)
    assert out["who"] == "admin@example.org"
    assert out["program"]["message"] == "Program registered."
    assert f"/v0/submission/{program}" in out["programs"]
    assert out["projects"] == [f"/v0/submission/{program}/{code}"]
    assert out["record"] == [200, "create"]
    # One row has no experiment: the other rows of its chunk are sent again, and go in.
    assert len(out["file"]["succeeded"]) == 66
    assert list(out["file"]["invalid"]) == ["bad1"]
    assert "No link destination found for experiments" in out["file"]["invalid"]["bad1"]
    assert out["file"]["other"] == []
    assert sorted(out["csv"]) == [f"s{n}" for n in range(5)]
    assert out["cases"] == sorted(["bad2", *(f"c{n:02}" for n in range(65))])
    assert "nope" in out["wrong query"]
    assert out["exported record"][0]["submitter_id"] == "bad2"
    assert out["exported node"].count("\n") == 67
    assert len(out["exported json"]) == 66
    assert (out["node"], out["manifest"]) == ("case", 400)
    assert (out["review"], out["open"]) == (True, True)
    assert (out["delete one"], out["delete some"], out["left"]) == (1, 200, 0)
    assert (out["delete project"], out["delete program"]) == (204, 204)


def test_an_expired_key_is_told_as_the_sdk_expects(gen3: Gen3, home: Path) -> None:
    key = gen3.call("POST", "/user/credentials/cdis", "reader").json()
    assert gen3.call("DELETE", f"/user/credentials/cdis/{key['key_id']}", "reader").status_code == 204
    (home / "credentials.json").write_text(json.dumps(key))
    script = (
        "from gen3.auth import Gen3Auth, Gen3AuthError\n"
        "try:\n    Gen3Auth(refresh_file='credentials.json').get_access_token()\n"
        "except Gen3AuthError as error:\n    print(error)\n"
    )
    done = run_client("gen3", script, folder=home)
    assert f"Failed to get an access token from {gen3.url}/user/credentials/cdis/access_token" in done.stdout


# --- the document -----------------------------------------------------------------------------------

DOCUMENT = "004_16c3f983e5e1ab07.txt"


def code_blocks(text: str) -> list[str]:
    return re.findall(r"```\n(.*?)```", text, re.DOTALL)


def test_the_document_s_code_works_but_for_host_key_and_placeholders(gen3: Gen3, shared: Path, home: Path) -> None:
    place = gen3.project()
    code = place.split("/")[2]
    made = gen3.put(place, [experiment(place), case("c1"), case("c2")])
    ids = ",".join(entity["id"] for entity in made["entities"][1:]) + ","
    tsv = "type\tsubmitter_id\texperiments.submitter_id\ncase\tc3\te1\n"
    blocks = [block for block in code_blocks((shared / "documents" / DOCUMENT).read_text()) if "requests." in block]
    assert len(blocks) == 2
    script = "\n".join(blocks)
    for old, new in (
        ("https://gen3.datacommons.io", gen3.url),
        ("<actual-key>", gen3.keys["writer"]["api_key"]),
        ("<a-key-uuid>", gen3.keys["writer"]["key_id"]),
        ("<program name>", PROGRAM),
        ("<project code>", code),
    ):
        assert old in script
        script = script.replace(old, new)
    # What the document does not define, before its first line; what came of it, after its last.
    script = f"ids = {ids!r}\ntsv = {tsv!r}\n{script}\nprint(u.status_code, u.text)\n"
    done = run_client("gen3", script, folder=home)
    assert done.returncode == 0, done.stderr[-2000:]
    assert f'"{PROGRAM}-{code}"' in done.stdout
    assert "c1" in done.stdout
    assert "c2" in done.stdout
    status, answer = done.stdout.strip().splitlines()[-1].split(" ", 1)
    assert status == "200"
    assert json.loads(answer)["created_entity_count"] == 1


def test_the_document_s_downloads(gen3: Gen3) -> None:
    place = gen3.project()
    made = gen3.put(place, [experiment(place), case("c1"), case("c2")])
    first, second = (entity["id"] for entity in made["entities"][1:])
    whole = gen3.call("GET", f"{place}/export/?node_label=case&format=tsv", "reader")
    assert whole.headers["content-disposition"] == "attachment; filename=case.tsv"
    assert whole.text.count("\n") == 3
    two = gen3.call("GET", f"{place}/export?ids={first},{second}&format=tsv", "reader")
    assert two.headers["content-disposition"] == "attachment; filename=case.tsv"
    assert two.text.count("\r\n") == 3
