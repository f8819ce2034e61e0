"""Our own API: programs, projects, records, files; any door's credential."""

from __future__ import annotations

import hashlib
import os
import re
import uuid
from typing import Any

import httpx
import pytest

from tests.running import ADMIN, Running

BASE = "/commensal/v1"


@pytest.fixture(scope="module")
def place(commons: Running, admin: dict[str, str]) -> str:
    """The address of a project."""
    made = commons.client.post(f"{BASE}/programs", json={"code": "API", "title": "Own API"}, headers=admin)
    assert made.status_code == 201, made.text
    made = commons.client.post(
        f"{BASE}/programs/API/projects", json={"code": "one", "title": "One", "extra": {"note": 1}}, headers=admin
    )
    assert made.status_code == 201, made.text
    return f"{BASE}/projects/API-one"


@pytest.fixture(scope="module")
def viewer(commons: Running, place: str) -> dict[str, str]:
    email = commons.add_user("viewer@example.org")
    commons.admin("grant", email, "viewer", "API-one")
    return commons.bearer(email)


@pytest.fixture(scope="module")
def stranger(commons: Running) -> dict[str, str]:
    return commons.bearer(commons.add_user("stranger@example.org"))


def subject(name: str, **more: Any) -> dict[str, Any]:
    return {"type": "subject", "submitter_id": name, "projects": {"code": "one"}, **more}


def test_the_credential_of_every_door_opens_it(commons: Running):
    email = commons.add_user("doors@example.org")
    url = f"{BASE}/whoami"
    gen3 = commons.key(email, "gen3")
    polly, pangea = commons.key(email, "polly"), commons.key(email, "pangea")
    odm, opal = commons.key(email, "odm"), commons.key(email, "opal")
    token = commons.client.post(f"{BASE}/access-token", json={"api_key": gen3["api_key"]}).json()["access_token"]
    for headers in (
        {"Authorization": f"Bearer {token}"},
        {"x-api-key": polly["token"]},
        {"Authorization": polly["token"]},
        {"Cookie": f"refreshToken={polly['token']}"},
        {"Authorization": f"Token {pangea['token']}"},
        {"Genestack-API-Token": odm["api_token"]},
        {"Authorization": f"Bearer {odm['access_token']}"},
    ):
        answer = commons.client.get(url, headers=headers)
        assert (answer.status_code, answer.json().get("email")) == (200, email), headers
        assert answer.headers["cache-control"] == "no-store"
    assert commons.client.get(url, auth=(opal["login"], opal["password"])).json()["email"] == email
    for headers in (
        {},
        {"Authorization": f"Bearer {gen3['api_key']}"},
        {"Authorization": "Bearer nonsense"},
        {"Authorization": "Token nonsense"},
        {"x-api-key": "nonsense"},
    ):
        answer = commons.client.get(url, headers=headers)
        assert answer.status_code == 401, headers
        assert answer.json()["error"]["code"] in ("unauthenticated", "credential_expired")
        assert answer.headers["www-authenticate"].startswith("Bearer")


def test_programs_and_projects(commons: Running, admin: dict[str, str], place: str, stranger: dict[str, str]):
    client = commons.client
    again = client.post(f"{BASE}/programs", json={"code": "api"}, headers=admin)
    assert (again.status_code, again.json()["error"]["code"]) == (409, "already_exists")
    assert client.post(f"{BASE}/programs", json={"code": "a-b"}, headers=admin).status_code == 422
    assert client.post(f"{BASE}/programs", json={"nonsense": 1}, headers=admin).status_code == 400
    assert client.post(f"{BASE}/programs", json={"code": "X"}, headers=stranger).status_code == 403
    shown = client.get(place, headers=admin).json()
    assert (shown["project_id"], shown["extra"], shown["public"]) == ("API-one", {"note": 1}, "none")
    assert "manage" in shown["rights"]
    for ref in (shown["uuid"], str(shown["seq"]), "api-ONE"):
        assert client.get(f"{BASE}/projects/{ref}", headers=admin).json()["project_id"] == "API-one"
    assert client.get(place, headers=stranger).status_code in (403, 404)
    assert client.get(f"{BASE}/projects", headers=stranger).json()["total"] == 0
    assert client.get(f"{BASE}/projects?limit=0", headers=admin).status_code == 400
    assert client.get(f"{BASE}/projects?right=fly", headers=admin).status_code == 400


def test_records_all_or_nothing(commons: Running, admin: dict[str, str], place: str, viewer: dict[str, str]):
    client = commons.client
    documents = [
        subject("P-1", sex="female"),
        {"type": "sample", "submitter_id": "S-1", "subjects": {"submitter_id": "P-1"}, "*extra": {"dose": 5}},
    ]
    done = client.post(f"{place}/records", json=documents, headers=admin)
    assert done.status_code == 200, done.text
    assert done.json()["types"]["sample"] == {"created": 1, "updated": 0, "unchanged": 0}
    again = client.post(f"{place}/records", json={"documents": documents}, headers=admin).json()
    assert again["types"]["subject"] == {"created": 0, "updated": 0, "unchanged": 1}
    bad = client.post(
        f"{place}/records",
        json=[subject("P-2"), {"type": "sample", "submitter_id": "S-2", "subjects": {"submitter_id": "nobody"}}],
        headers=admin,
    )
    assert bad.status_code == 422
    problem = bad.json()["error"]["problems"][0]
    assert (problem["row"], problem["record"]) == (2, "sample S-2")
    listed = client.get(f"{place}/records?type=subject", headers=viewer).json()
    assert [item["submitter_id"] for item in listed["items"]] == ["P-1"]
    assert listed["total"] == 1
    sample = client.get(f"{place}/records?type=sample", headers=viewer).json()["items"][0]
    assert sample["extra"] == {"dose": 5}
    assert client.post(f"{place}/records", json=[subject("P-3")], headers=viewer).status_code == 403
    for body in (b"", b"{", b'"text"', b"[1]"):
        answer = client.post(f"{place}/records", content=body, headers=admin)
        assert answer.status_code in (400, 422), body
    dry = client.post(f"{place}/records?dry_run=true", json=[subject("P-4")], headers=admin)
    assert dry.status_code == 200
    assert client.get(f"{place}/records?type=subject", headers=viewer).json()["total"] == 1


def put(commons: Running, place: str, path: str, data: bytes, headers: dict[str, str], **more: Any) -> httpx.Response:
    return commons.client.put(f"{place}/files/{path}", content=data, headers=headers, **more)


def test_files_come_back_whole_and_by_range(commons: Running, admin: dict[str, str], place: str):
    data = os.urandom(3_000_000)
    digest = hashlib.sha256(data).hexdigest()
    headers = {**admin, "Content-Type": "text/html; charset=utf-8"}
    made = put(commons, place, "raw/page%20one.html", data, headers, params={"sha256": digest})
    assert made.status_code == 201, made.text
    assert (made.json()["sha256"], made.json()["md5"]) == (digest, hashlib.md5(data).hexdigest())
    url = f"{place}/files/raw/page%20one.html"
    whole = commons.client.get(url, headers=admin)
    assert whole.content == data
    assert whole.headers["etag"] == f'"{digest}"'
    assert whole.headers["content-disposition"] == 'attachment; filename="page one.html"'
    assert whole.headers["content-security-policy"] == "sandbox; default-src 'none'"
    assert whole.headers["x-content-type-options"] == "nosniff"
    assert whole.headers["content-length"] == "3000000"
    for header, part in (("bytes=0-9", data[:10]), ("bytes=-5", data[-5:]), ("bytes=2999990-", data[2999990:])):
        answer = commons.client.get(url, headers={**admin, "Range": header})
        assert (answer.status_code, answer.content) == (206, part)
    outside = commons.client.get(url, headers={**admin, "Range": "bytes=3000000-"})
    assert (outside.status_code, outside.headers["content-range"]) == (416, "bytes */3000000")
    assert commons.client.get(url, headers={**admin, "If-None-Match": f'"{digest}"'}).status_code == 304
    stale = commons.client.get(url, headers={**admin, "Range": "bytes=0-9", "If-Range": '"other"'})
    assert (stale.status_code, len(stale.content)) == (200, len(data))
    head = commons.client.head(url, headers=admin)
    assert (head.status_code, head.headers["content-length"], head.content) == (200, "3000000", b"")


def test_the_same_bytes_are_stored_once_and_other_bytes_replace(commons: Running, admin: dict[str, str], place: str):
    blobs = commons.data / "blobs"

    def stored() -> int:
        return sum(1 for path in blobs.glob("*/*/*") if path.is_file())

    before = stored()
    one = put(commons, place, "same/a.txt", b"same bytes", admin)
    two = put(commons, place, "same/b.txt", b"same bytes", admin)
    again = put(commons, place, "same/a.txt", b"same bytes", admin)
    assert (one.status_code, two.status_code, again.status_code) == (201, 201, 200)
    assert [answer.json()["changed"] for answer in (one, two, again)] == [True, True, False]
    assert stored() == before + 1
    other = put(commons, place, "same/a.txt", b"other bytes", admin)
    assert (other.status_code, other.json()["uuid"]) == (200, one.json()["uuid"])
    assert commons.client.get(f"{place}/files/same/a.txt", headers=admin).content == b"other bytes"
    assert commons.client.get(f"{place}/files/same/b.txt", headers=admin).content == b"same bytes"
    listed = commons.client.get(f"{place}/files?prefix=same/", headers=admin).json()
    assert [item["path"] for item in listed["items"]] == ["same/a.txt", "same/b.txt"]
    assert listed["total"] == 2


def test_files_that_are_refused_leave_nothing(
    commons: Running, admin: dict[str, str], place: str, viewer: dict[str, str], stranger: dict[str, str]
):
    blobs = commons.data / "blobs"
    before = sorted(blobs.rglob("*"))
    wrong = put(commons, place, "x.txt", b"data", admin, params={"sha256": "0" * 64})
    assert (wrong.status_code, wrong.json()["error"]["field"]) == (422, "sha256")
    assert put(commons, place, "a//b", b"data", admin).status_code == 422
    assert put(commons, place, "a/%2E%2E/b", b"data", admin).status_code == 422
    assert put(commons, place, "x.txt", b"data", viewer).status_code == 403
    assert put(commons, place, "x.txt", b"data", stranger).status_code in (403, 404)
    owner = put(commons, place, "x.txt", b"data", admin, params={"type": "sample", "submitter_id": "nobody"})
    assert owner.status_code == 422
    assert [path for path in sorted(blobs.rglob("*")) if path.is_file()] == [p for p in before if p.is_file()]


def test_a_viewer_sees_files_but_not_their_bytes(
    commons: Running, admin: dict[str, str], place: str, viewer: dict[str, str]
):
    put(commons, place, "v.txt", b"data", admin).raise_for_status()
    url = f"{place}/files/v.txt"
    assert commons.client.get(f"{url}?info", headers=viewer).json()["size"] == 4
    assert commons.client.get(url, headers=viewer).status_code == 403
    assert commons.client.get(url, headers={**viewer, "If-None-Match": "*"}).status_code == 403


def test_the_audit_knows_who_did_what(commons: Running, admin: dict[str, str], place: str):
    name = f"audit-{uuid.uuid4().hex[:8]}.txt"
    put(commons, place, name, b"data", admin).raise_for_status()
    commons.client.get(f"{place}/files/{name}?info", headers=admin).raise_for_status()
    commons.client.get(f"{place}/files/{name}", headers=admin).raise_for_status()
    for _ in range(40):  # reads are written within half a second
        lines = [line for line in commons.admin("audit", "tail", "-n", "30").splitlines() if name in line]
        if len(lines) >= 3:
            break
    assert any("file.add" in line and ADMIN in line for line in lines)
    assert any("file.read" in line for line in lines)
    assert any("file.download" in line for line in lines)


def test_requests_cost_a_bounded_number_of_statements(commons: Running, admin: dict[str, str], place: str):
    def statements() -> float:
        text = commons.client.get("/metrics", headers=admin).text
        return sum(
            float(line.rsplit(" ", 1)[1])
            for line in text.splitlines()
            if line.startswith("commensal_sql_statements_total") and 'door="api"' in line
        )

    costs = []
    for size in (1, 400):
        documents = [subject(f"count-{size}-{n}") for n in range(size)]
        base = statements()
        noise = statements() - base  # what asking costs
        before = statements()
        commons.client.post(f"{place}/records", json=documents, headers=admin).raise_for_status()
        costs.append(statements() - before - noise)
    assert costs[1] <= costs[0] + 3, costs
    assert costs[1] <= 25


def test_documents_of_the_api_are_complete(commons: Running):
    index = commons.client.get("/docs/").text
    assert "/docs/commensal/" in index
    document = commons.client.get("/docs/commensal/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    page = commons.client.get("/docs/commensal/").text
    operations = set()
    for path, item in document["paths"].items():
        for method, operation in item.items():
            operations.add(operation["operationId"])
            assert operation["summary"]
            assert set(re.findall(r"\{(\w+)\}", path)) == {
                p["name"] for p in operation.get("parameters", []) if p["in"] == "path"
            }
            assert method in ("get", "head", "put", "post", "patch", "delete")
        assert path in page
    assert len(operations) == sum(len(item) for item in document["paths"].values())
    assert "http" not in re.sub(r'href="[^"]*"|<code.*?</code>', "", page, flags=re.DOTALL).replace("http-equiv", "")
    redirect = commons.client.get("/docs/commensal")
    assert redirect.headers["location"] == "/docs/commensal/"
    assert commons.client.get("/docs/nothing/").status_code == 404
