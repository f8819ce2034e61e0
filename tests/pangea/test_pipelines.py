"""Pipelines and their modules (contracts/pangea.md b10)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from commensal.client.pangea import Knex, Pipeline, PipelineModule
from tests.clients import run_client
from tests.pangea.conftest import PASSWORD, Pangea, Person


def test_pipelines_are_made_and_changed_by_their_makers(pangea: Pangea, ann: Person, bob: Person):
    name = pangea.name("pipe")
    made = ann("POST", "pipelines", 201, json={"name": name, "description": ""})
    assert set(made) == {"uuid", "name", "description", "long_description", "created_at", "updated_at"}
    assert ann("POST", "pipelines", 400, json={"name": name.upper()}) == {
        "name": ["pipeline with this name already exists."]
    }
    assert bob("GET", f"pipelines/name/{name}") == made == bob("GET", f"pipelines/{made['uuid']}")
    assert [one["uuid"] for one in bob("GET", f"pipelines?name={name}")["results"]] == [made["uuid"]]
    assert bob("GET", f"pipelines?uuid={made['uuid']}")["count"] == 1
    bob("PUT", f"pipelines/{made['uuid']}", 403, json={"name": "mine"})
    bob("DELETE", f"pipelines/{made['uuid']}", 403)
    changed = ann("PUT", f"pipelines/{made['uuid']}", json={**made, "description": "", "long_description": "much"})
    assert (changed["long_description"], changed["name"]) == ("much", name)
    pangea.stranger("GET", "pipelines", 403)
    ann("DELETE", f"pipelines/{made['uuid']}", 204)
    ann("GET", f"pipelines/{made['uuid']}", 404)


def test_modules_know_what_they_need_and_what_needs_them(pangea: Pangea, ann: Person, bob: Person):
    pipe = ann("POST", "pipelines", 201, json={"name": pangea.name("pipe")})
    body = {"pipeline": pipe["uuid"], "name": "align", "version": "v1.0", "metadata": {"cpu": 4}, "description": ""}
    first = ann("POST", "pipeline_modules", 201, json=body)
    assert (first["dependencies"], first["metadata"], first["pipeline_obj"]) == ([], {"cpu": 4}, pipe)
    assert ann("POST", "pipeline_modules", 400, json=body) == {
        "non_field_errors": ["The fields pipeline, name, version must make a unique set."]
    }
    need = {"name": "count", "version": "v1", "dependencies": [first["uuid"]]}
    second = ann("POST", "pipeline_modules", 201, json={**body, **need})
    assert second["dependency_modules"] == [[first["uuid"], "align", "v1.0"]]
    again = ann("GET", f"pipelines/{pipe['uuid']}/modules/align/v1.0")
    assert again["downstream_modules"] == [[second["uuid"], "count", "v1"]]
    assert again["uuid"] == ann("GET", f"pipelines/{pipe['name']}/modules/ALIGN/V1.0")["uuid"]
    listed = ann("GET", f"pipeline_modules?pipeline={pipe['uuid']}")
    assert [one["name"] for one in listed["results"]] == ["align", "count"]
    assert ann("GET", f"pipeline_modules?pipeline={pipe['uuid']}&name=count")["count"] == 1

    bob("POST", "pipeline_modules", 403, json={**body, "version": "v2"})
    bob("PATCH", f"pipeline_modules/{first['uuid']}", 403, json={"description": "x"})
    nobody = "00000000-0000-4000-8000-000000000000"
    wrong = {**body, "version": "v2", "pipeline": nobody}
    assert list(ann("POST", "pipeline_modules", 400, json=wrong)) == ["pipeline"]
    assert list(ann("PATCH", f"pipeline_modules/{first['uuid']}", 400, json={"dependencies": [nobody]})) == [
        "dependencies"
    ]
    assert list(ann("PATCH", f"pipeline_modules/{first['uuid']}", 400, json={"dependencies": [first["uuid"]]})) == [
        "dependencies"
    ]
    changed = ann("PUT", f"pipeline_modules/{second['uuid']}", json={**second, "version": "v2", "dependencies": []})
    assert (changed["version"], changed["dependencies"], changed["metadata"]) == ("v2", [], {"cpu": 4})
    ann("GET", f"pipelines/{pipe['uuid']}/modules/count/v1", 404)
    ann("DELETE", f"pipelines/{pipe['uuid']}", 409)


def test_a_result_shows_the_module_that_made_it(pangea: Pangea, ann: Person):
    pipe = ann("POST", "pipelines", 201, json={"name": pangea.name("pipe")})
    module = ann("POST", "pipeline_modules", 201, json={"pipeline": pipe["uuid"], "name": "m", "version": "1"})
    sample = pangea.sample(ann, pangea.library(ann))
    result = pangea.result(ann, sample, pipeline_module=module["uuid"])
    assert (result["pipeline_module"], result["pipeline_module_obj"]) == (module["uuid"], module)
    assert pangea.stranger("GET", f"sample_ars/{result['uuid']}")["pipeline_module"] is None


SCRIPT = r"""
import json, sys
from pangea_api import Knex, User
from pangea_api.pipeline import Pipeline
url, email, password, name = sys.argv[1:]
knex = Knex(url)
User(knex, email, password).login()
pipe = Pipeline(knex, name).idem()
one = pipe.module("align", "1.0", metadata={"a": 1}).idem()
two = pipe.module("count", "1.0").idem()
two.add_dependency(one)
two.description = "counts"
two.save()
other = Knex(url).login(email, password)
found = Pipeline(other, name).get()
print("RESULT" + json.dumps([[m.name, m.version, len(m.dependencies), m.description] for m in found.get_modules()]))
"""


@pytest.mark.parametrize("ours", [False, True])
def test_both_clients(pangea: Pangea, ann: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ours: bool):
    expected = [["align", "1.0", 0, ""], ["count", "1.0", 1, "counts"]]
    name = pangea.name("clients")
    if not ours:
        done = run_client(
            "pangea", SCRIPT, pangea.url, ann.email, PASSWORD, name, folder=tmp_path,
            environment={"PANGEA_API_CACHE_DIR": str(tmp_path)},
        )  # fmt: skip
        assert "RESULT" in done.stdout, done.stderr[-2000:]
        assert json.loads(done.stdout.partition("RESULT")[2]) == expected
        return
    monkeypatch.setenv("USE_PANGEA_CACHE", "false")
    knex = Knex(pangea.url).login(ann.email, PASSWORD)
    pipe = Pipeline(knex, name).idem()
    one = pipe.module("align", "1.0", metadata={"a": 1}).idem()
    two = PipelineModule(knex, pipe, "count", "1.0").add_dependency(one).create()
    two.description = "counts"
    two.save()
    found = Pipeline(knex, name).get().get_modules()
    assert [[m.name, m.version, len(m.dependencies), m.description] for m in found] == expected
