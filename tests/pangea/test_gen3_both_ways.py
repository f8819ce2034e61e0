"""What Pangea's client writes, Gen3's SDK reads, and the other way round, with the same rights (design, hub)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.clients import run_client
from tests.pangea.conftest import PASSWORD, Pangea, Person

GEN3 = r"""
import json, sys
from gen3.auth import Gen3Auth
from gen3.submission import Gen3Submission

auth = Gen3Auth(refresh_file="credentials.json")
sub = Gen3Submission(auth_provider=auth)
job = json.load(open("job.json"))
out = {}
for record in job.get("submit", ()):
    answer = sub.submit_record(job["program"], job["project"], record)
    assert answer["success"], answer
if "query" in job:
    out["query"] = sub.query(job["query"])["data"]
if "export" in job:
    out["export"] = sub.export_node(job["program"], job["project"], job["export"], "json")
print("RESULT" + json.dumps(out))
"""
PANGEA = r"""
import json, sys
from pangea_api import Knex, Organization
url, email, password, org, lib = sys.argv[1:]
knex = Knex(url).login(email, password)
library = Organization(knex, org).get().sample_group(lib, is_library=True).get()
out = {}
for sample in library.get_samples(cache=False):
    results = {}
    for result in sample.get_analysis_results():
        results[f"{result.module_name}/{result.replicate}"] = {f.name: f.stored_data for f in result.get_fields()}
    out[sample.name] = [sample.metadata, sample.description, results]
print("RESULT" + json.dumps(out))
"""
QUERY = """{sample(project_id: "%s", order_by_asc: "submitter_id") {submitter_id tissue age description metadata
    analysis_results {module replicate description metadata result_fields {name value}} _analysis_results_count}
    hidden: result_field(project_id: "%s") {name}}"""


def gen3(pangea: Pangea, who: Person, folder: Path, **job: Any) -> Any:
    folder.mkdir(exist_ok=True)
    (folder / "credentials.json").write_text(json.dumps(pangea.running.key(who.email, "gen3")))
    (folder / "job.json").write_text(json.dumps(job))
    done = run_client("gen3", GEN3, folder=folder)
    assert "RESULT" in done.stdout, done.stdout[-500:] + done.stderr[-2000:]
    return json.loads(done.stdout.partition("RESULT")[2])


def names_of(pangea: Pangea, who: Person, library: dict[str, Any]) -> tuple[str, str]:
    """The program's and the project's code."""
    query = f'{{project(name: "{library["name"]}") {{code programs {{name}}}}}}'
    token = pangea.running.key(who.email, "gen3")["api_key"]
    access = pangea.running.client.post("/user/credentials/cdis/access_token", json={"api_key": token}).json()
    answer = pangea.running.client.post(
        "/api/v0/submission/graphql", json={"query": query},
        headers={"Authorization": f"bearer {access['access_token']}"},
    ).json()  # fmt: skip
    found = answer["data"]["project"][0]
    return found["programs"][0]["name"], found["code"]


def test_both_ways(pangea: Pangea, ann: Person, bob: Person, tmp_path: Path):
    library = pangea.library(ann)
    program, project = names_of(pangea, ann, library)
    metadata = {"tissue": "liver", "age": 61, "lab": "B12", "description": "free"}
    sample = pangea.sample(ann, library, "s1", metadata=metadata, description="shown")
    result = pangea.result(ann, sample, "m.1", replicate="r", metadata={"k": 1}, description="d")
    field = {"analysis_result": result["uuid"], "name": "f", "stored_data": {"v": [1, 2.5]}}
    ann("POST", "sample_ar_fields", 201, json=field)
    secret = pangea.result(ann, sample, "secret", replicate="r", is_private=True)
    ann("POST", "sample_ar_fields", 201, json={**field, "analysis_result": secret["uuid"], "name": "hidden"})

    place = f"{program}-{project}"
    shown = {
        "module": "m.1", "replicate": "r", "description": "d", "metadata": '{"k": 1}',
        "result_fields": [{"name": "f", "value": '{"v":[1,2.5]}'}],
    }  # fmt: skip
    query = QUERY % (place, place)
    own = gen3(
        pangea, ann, tmp_path / "ann", program=program, project=project, query=query, export="sample",
        submit=[
            {"type": "sample", "submitter_id": "s2", "tissue": "blood", "age": 7, "description": "by Gen3"},
            {"type": "analysis_result", "submitter_id": "any name", "module": "gen3", "replicate": "x",
             "samples": {"submitter_id": "s2"}},
            {"type": "result_field", "submitter_id": "any field", "name": "n", "value": "[1, 2]",
             "analysis_results": {"submitter_id": "any name"}},
            {"type": "result_field", "submitter_id": "any text", "name": "t", "value": "no json",
             "analysis_results": {"submitter_id": "any name"}},
        ],
    )  # fmt: skip
    first = own["query"]["sample"][0]
    assert json.loads(first.pop("metadata")) == {"lab": "B12", "description": "free"}
    assert first.pop("_analysis_results_count") == 2
    results = sorted(first.pop("analysis_results"), key=lambda one: one["module"])
    assert (results[0], results[1]["module"]) == (shown, "secret")
    assert first == {"submitter_id": "s1", "tissue": "liver", "age": 61, "description": "shown"}
    assert {"hidden", "f"} <= {one["name"] for one in own["query"]["hidden"]}
    assert [one["submitter_id"] for one in own["export"]["data"]] == ["s1", "s2"]

    # Everybody reads a public library at both doors, without what is private.
    theirs = gen3(pangea, bob, tmp_path / "bob", query=query)["query"]
    assert (theirs["sample"][0]["analysis_results"], theirs["sample"][0]["_analysis_results_count"]) == ([shown], 1)
    assert "hidden" not in {one["name"] for one in theirs["hidden"]}
    path = f"/api/v0/submission/{program}/{project}/export?node_label=analysis_result&format=json"
    token = pangea.running.key(bob.email, "gen3")["api_key"]
    access = pangea.running.client.post("/user/credentials/cdis/access_token", json={"api_key": token}).json()
    bearer = {"Authorization": f"bearer {access['access_token']}"}
    assert pangea.running.client.get(path, headers=bearer).status_code == 403
    own_api = f"/commensal/v1/projects/{place}/records?types=analysis_result"
    answer = pangea.running.client.get(own_api, headers=bearer)
    assert "secret" not in answer.text

    # And back, by the real client.
    done = run_client(
        "pangea", PANGEA, pangea.url, ann.email, PASSWORD, library["organization_obj"]["name"], library["name"],
        folder=tmp_path, environment={"PANGEA_API_CACHE_DIR": str(tmp_path)},
    )  # fmt: skip
    assert "RESULT" in done.stdout, done.stderr[-2000:]
    found = json.loads(done.stdout.partition("RESULT")[2])
    assert found["s1"] == [
        metadata,
        "shown",
        {"m.1/r": {"f": {"v": [1, 2.5]}}, "secret/r": {"hidden": {"v": [1, 2.5]}}},
    ]
    assert found["s2"] == [{"tissue": "blood", "age": 7}, "by Gen3", {"gen3/x": {"n": [1, 2], "t": "no json"}}]

    # A private library is nobody else's at either door.
    ann("PATCH", f"sample_groups/{library['uuid']}", json={"is_public": False})
    bob("GET", f"samples/{sample['uuid']}", 403)
    assert gen3(pangea, bob, tmp_path / "bob", query=query)["query"] == {"sample": [], "hidden": []}
