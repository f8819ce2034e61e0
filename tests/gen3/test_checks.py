"""Statuses, texts and the order of checks (contracts/gen3.md 4.1 to 4.3)."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from tests.gen3.conftest import PROGRAM, Gen3, case, experiment

NO_ACCESS = "You don't have access to this resource: user is unauthorized"
NO_JWT = "Authentication Error: Didn't receive JWT correctly"
NO_HEADER = "Authentication Error: no authorization header provided"
NONE = "3f1d8a52-9c07-4b6e-8e21-5a4f0c9d7b13"


def said(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["message"]


@pytest.fixture(scope="module")
def project(gen3: Gen3) -> str:
    place = gen3.project()
    gen3.put(place, [experiment(place), case("c1")])
    return place


ENTITY_ROUTES = [
    ("PUT", "", {"json": {}}),
    ("POST", "", {"json": {}}),
    ("PUT", "/_dry_run", {"json": {}}),
    ("PUT", "/bulk", {"json": []}),
    ("GET", f"/entities/{NONE}", {}),
    ("DELETE", f"/entities/{NONE}", {}),
    ("DELETE", f"/entities/_dry_run/{NONE}", {}),
    ("GET", "/export?node_label=case", {}),
    ("POST", "/export", {"json": {"node_label": "case"}}),
    ("GET", "/manifest", {}),
    ("PUT", "/review", {}),
    ("POST", "/open/_dry_run", {}),
    ("POST", "/transactions/1/commit", {}),
    ("PUT", "/transactions/1/close", {}),
]


@pytest.mark.parametrize(("method", "path", "more"), ENTITY_ROUTES)
def test_refused_credentials_on_routes_of_a_project(
    gen3: Gen3, project: str, method: str, path: str, more: dict[str, Any]
) -> None:
    place = project + path
    assert said(gen3.call(method, place, None, **more)) == (401, NO_JWT)
    assert said(gen3.call(method, place, None, headers={"Authorization": "Basic eDp5"}, **more)) == (401, NO_JWT)
    for token in ("not.a.token", "x", gen3.keys["admin"]["api_key"]):
        answer = gen3.call(method, place, None, headers={"Authorization": f"Bearer {token}"}, **more)
        assert said(answer) == (403, NO_ACCESS)
    assert said(gen3.call(method, place, "nobody", **more)) == (403, NO_ACCESS)


@pytest.mark.parametrize("path", ["", "/", f"/{PROGRAM}", "{project}/_dictionary", "{project}/_dictionary/case"])
def test_refused_credentials_on_lists(gen3: Gen3, project: str, path: str) -> None:
    place = path.replace("{project}", project)
    assert said(gen3.call("GET", place, None)) == (401, NO_HEADER)
    wrong = gen3.call("GET", place, None, headers={"Authorization": "bearer nothing"})
    assert said(wrong) == (401, "Authentication Error: Not enough segments")
    assert gen3.call("GET", place, "nobody").status_code == 200


def test_what_does_not_exist_is_told_before_rights_except_by_export(gen3: Gen3, project: str) -> None:
    for who in ("admin", "nobody"):
        for method in ("PUT", "POST"):
            assert said(gen3.call(method, f"/{PROGRAM}/NONE", who, json={})) == (404, "Project NONE not found")
            assert said(gen3.call(method, "/NONE/NONE", who, json={})) == (404, "program NONE not found")
        for method, path in (("GET", f"/entities/{NONE}"), ("DELETE", f"/entities/{NONE}")):
            assert said(gen3.call(method, f"/{PROGRAM}/NONE{path}", who)) == (404, "Project NONE not found")
    assert said(gen3.call("GET", f"/{PROGRAM}/NONE/export?node_label=case", "nobody")) == (403, NO_ACCESS)
    for who in ("admin", "reader"):
        answer = gen3.call("GET", f"/{PROGRAM}/NONE/export?node_label=case", who)
        assert answer.status_code == 200
        assert answer.text.count("\n") == 1


def test_both_prefixes_and_either_slash(gen3: Gen3, project: str) -> None:
    for prefix in ("/api/v0/submission", "/api/submission"):
        for end in ("", "/"):
            assert gen3.call("GET", f"{prefix}{end}").json()["links"]
            assert gen3.call("GET", f"{prefix}{project}/export{end}?node_label=case").status_code == 200
            assert gen3.call("GET", f"{prefix}/_dictionary{end}", None).status_code == 200
            assert f"/v0/submission{project}" in gen3.call("GET", f"{prefix}/{PROGRAM}{end}").json()["links"]


def test_making_programs_and_projects_is_for_their_admins(gen3: Gen3, project: str) -> None:
    text = "You don't have access to this resource: Unauthorized: User must be Sheepdog {} admin"
    for method in ("PUT", "POST", "PATCH"):
        assert said(gen3.call(method, "", "writer", json={"type": "program"})) == (403, text.format("program"))
        assert said(gen3.call(method, "", "writer", content=b"{")) == (403, text.format("program"))
        assert said(gen3.call(method, f"/{PROGRAM}", "writer", content=b"{")) == (403, text.format("project"))
    assert said(gen3.call("DELETE", f"/{PROGRAM}", "writer")) == (403, text.format("program"))
    assert said(gen3.call("DELETE", project, "writer")) == (403, text.format("project"))


def test_programs(gen3: Gen3) -> None:
    name = "P" + uuid.uuid4().hex[:8]
    document = {"type": "program", "name": name, "dbgap_accession_number": "phs1"}
    made = gen3.call("POST", "/", json=document).json()
    assert made == {
        "id": str(uuid.uuid5(uuid.UUID("85b08c6a-56a6-4474-9c30-b65abfd214a8"), name)),
        "name": name,
        "message": "Program registered.",
    }
    again = gen3.call("PATCH", "/", json={**document, "dbgap_accession_number": "phs2"}).json()
    assert again == {**made, "message": "Program is updated!"}
    table = f"type\tname\tdbgap_accession_number\nprogram\t{name}\tphs3\n"
    assert gen3.table("", table).json() == again
    found = gen3.call("POST", "/graphql", json={"query": f'{{program(name:"{name}"){{id dbgap_accession_number}}}}'})
    assert found.json()["data"]["program"] == [{"id": made["id"], "dbgap_accession_number": "phs3"}]
    for wrong in ({"type": "program"}, {"type": "project", "name": "X"}, {"name": "X"}, {**document, "name": 7}):
        assert gen3.call("PUT", "/", json=wrong).status_code == 400
    assert said(gen3.call("PUT", "/", json={**document, "nope": 1}))[0] == 400
    for reserved in ("graphql", "GetSchema", "_dictionary", "template", "validation", "admin", "a-b", "12", "a b", ""):
        assert gen3.call("PUT", "/", json={**document, "name": reserved}).status_code == 400
    assert gen3.call("PUT", "/", json={**document, "name": name.swapcase()}).status_code == 400
    assert gen3.call("DELETE", f"/{name}").status_code == 204
    assert gen3.call("GET", f"/{name}").status_code == 404
    assert gen3.call("DELETE", f"/{name}").status_code == 404


def test_projects(gen3: Gen3) -> None:
    code = "J" + uuid.uuid4().hex[:8]
    document = {"type": "project", "code": code, "name": "One", "dbgap_accession_number": "phs9", "state": "closed"}
    made = gen3.call("POST", f"/{PROGRAM}", json=document)
    assert made.status_code == 200
    entity = made.json()["entities"][0]
    assert entity["id"] == str(uuid.uuid5(uuid.UUID("249b4405-2c69-45d9-96bc-7410333d5d80"), code))
    assert entity["unique_keys"] == [{"code": code}]
    assert (entity["action"], made.json()["created_entity_count"]) == ("create", 1)
    named = {"code": code, "dbgap_accession_number": "phs9", "investigator_name": "I"}
    again = gen3.call("PUT", f"/{PROGRAM}", json=named)
    assert again.json()["entities"][0]["action"] == "update"
    query = f'{{project(code:"{code}"){{name state investigator_name availability_type}}}}'
    found = gen3.call("POST", "/graphql", json={"query": query}).json()["data"]["project"][0]
    assert (found["name"], found["state"], found["investigator_name"]) == ("One", "open", "I")
    cleared = {"code": code, "dbgap_accession_number": "phs9", "investigator_name": None}
    assert gen3.call("PUT", f"/{PROGRAM}", json=cleared).status_code == 200
    found = gen3.call("POST", "/graphql", json={"query": query}).json()["data"]["project"][0]
    assert (found["name"], found["investigator_name"]) == ("One", None)
    unknown = gen3.call("PUT", f"/{PROGRAM}", json={**document, "foo": 1})
    assert unknown.status_code == 400
    assert unknown.json()["message"].startswith("ERROR: <Project(")
    assert unknown.json()["message"].endswith("has no property foo")
    for missing in ("code", "dbgap_accession_number"):
        assert gen3.call("PUT", f"/{PROGRAM}", json={**document, missing: None}).status_code == 400
    assert gen3.call("PUT", f"/{PROGRAM}", json={**document, "type": "case"}).status_code == 400
    bad = gen3.call("PUT", f"/{PROGRAM}", json={**document, "code": code + "x", "availability_type": "Nope"})
    assert bad.status_code == 400
    assert bad.json()["entities"][0]["errors"][0]["keys"] == ["availability_type"]
    assert gen3.call("GET", f"/{PROGRAM}/{code}x/_dictionary").status_code == 200
    assert gen3.call("PUT", "/NONE", json=document).status_code == 404
    for reserved in ("export", "Entities", "_dry_run", "files"):
        answer = gen3.call("PUT", f"/{PROGRAM}", json={**document, "code": reserved})
        assert answer.status_code == 400
    table = f"type,code,name,dbgap_accession_number\nproject,{code},Two,phs9\n"
    assert gen3.table(f"/{PROGRAM}", table, "csv").status_code == 200
    assert gen3.call("DELETE", f"/{PROGRAM}/{code}").status_code == 204


def test_a_project_that_is_not_open_says_so_with_its_path(gen3: Gen3) -> None:
    place = gen3.project()
    dry = gen3.call("PUT", f"{place}/review/_dry_run").json()
    assert (dry["success"], dry["code"], dry["entities"]) == (True, 200, [])
    assert gen3.call("PUT", f"{place}/review").json()["success"] is True
    wanted = (
        f"Project is in state 'review', which prevents /api/v0/submission{place}. "
        "In order to perform this action, the project must be in state <open>."
    )
    assert said(gen3.call("PUT", place, json=experiment(place))) == (400, wanted)
    assert gen3.call("PUT", f"{place}/release").status_code == 400
    assert gen3.call("POST", f"{place}/submit").status_code == 200
    assert gen3.call("PUT", f"{place}/open").status_code == 400
    assert gen3.call("PUT", f"{place}/release").json()["success"] is True
    logs = f'{{transaction_log(project_id:"{place[1:].replace("/", "-")}",first:0){{role}}}}'
    found = gen3.call("POST", "/graphql", json={"query": logs}).json()["data"]["transaction_log"]
    roles = [one["role"] for one in found]
    assert {"review", "submit", "release"} <= set(roles)


def test_unreadable_bodies_come_after_rights(gen3: Gen3, project: str) -> None:
    assert said(gen3.call("PUT", project, "reader", content=b"{")) == (403, NO_ACCESS)
    status, text = said(gen3.call("PUT", project, "writer", content=b"{"))
    assert (status, text.startswith("Unable to parse json: ")) == (400, True)
    assert said(gen3.call("PUT", project, json=7)) == (400, "JSON parsed from request is an invalid type: int")
    null = gen3.call("PUT", project, content=b"null")
    assert said(null) == (400, "JSON parsed from request is an invalid type: NoneType")
    answer = gen3.call("PUT", project, content=b'{"a": 1, "a": 2}')
    assert said(answer) == (400, "Unable to parse json: duplicate keys: a")
    assert said(gen3.call("PUT", f"{project}?async=maybe", json={})) == (400, "Boolean value not one of [true, false]")


def test_dictionary_routes(gen3: Gen3, project: str) -> None:
    links = gen3.call("GET", "/_dictionary", None).json()["links"]
    assert "/v0/submission/_dictionary/case" in links
    assert links[-1] == "/v0/submission/_dictionary/_all"
    assert gen3.call("GET", "/_dictionary/case", None).json()["id"] == "case"
    assert said(gen3.call("GET", "/_dictionary/nope", None)) == (404, "Entry nope not in dictionary")
    assert gen3.call("GET", f"{project}/_dictionary/_terms").status_code == 200
    archive = gen3.call("GET", "/template?format=tsv&categories=clinical", None)
    assert archive.headers["content-disposition"] == "attachment; filename=submission_templates.tar.gz"
    assert archive.content[:2] == b"\x1f\x8b"
    objects = gen3.call("GET", "/template?format=json&exclude=case", None).json()
    assert {one["*type"] for one in objects} >= {"sample"}
    assert "case" not in {one["*type"] for one in objects}
    as_csv = gen3.call("GET", f"{project}/template/case?format=csv", None).text
    assert as_csv.startswith("*type,project_id,*submitter_id")
    assert gen3.call("GET", "/template/nope", None).status_code == 404
    assert gen3.call("GET", "/template/case?format=xml", None).status_code == 400


def test_health_and_counts(gen3: Gen3, project: str) -> None:
    assert gen3.call("GET", "/api/_status", None).text == "Healthy"
    assert "version" in gen3.call("GET", "/api/_version", None).json()
    assert gen3.call("GET", "/peregrine/_status", None).status_code == 200
    counts = gen3.call("GET", "/api/v0/datasets?nodes=case,aliquot").json()
    assert counts[project[1:].replace("/", "-")] == {"aliquot": 0, "case": 1}
    assert gen3.call("GET", "/api/v0/datasets?nodes=case", "nobody").json() == {}
    assert gen3.call("GET", "/api/v0/datasets").status_code == 400
    assert gen3.call("GET", "/api/v0/datasets?nodes=case", None).status_code == 401
    listed = gen3.call("GET", "/api/v0/datasets/projects").json()["projects"]
    assert project.split("/")[2] in {one["code"] for one in listed}


def test_an_upload_manifest_is_judged(gen3: Gen3) -> None:
    good = f"files:\n- id: {NONE}\n  local_file_path: a.txt\n"
    assert gen3.call("POST", "/validation/upload_manifest", None, content=good).json() == {"valid": True}
    for wrong in ("", "files: 7", "files: [1]", "a: [", "x: &a [1]\ny: *a", "files:\n- id: 7\n"):
        answer = gen3.call("POST", "/validation/upload_manifest", None, content=wrong)
        assert answer.status_code == 200
        assert answer.json()["valid"] is False
        assert answer.json()["errors"]
