"""Studies, samples, links, publishing and SCIM with the real ``odm_api``, and their refusals over HTTP."""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from commensal.core.principals import Door, Principal, PrincipalKind
from commensal.core.puts import LinkTo, Put
from commensal.server.app import build_services
from commensal.server.settings import Settings
from commensal.storage.postgres.database import PgDatabase
from tests.clients import client_python
from tests.odm.conftest import Odm

SCRIPT = Path(__file__).parent / "study_operations.py"
USER, CURATOR = "/api/v1/as-user", "/api/v1/as-curator"


@dataclass
class Study:
    """A study, and in the curator's home project a group of samples and one of libraries made from them."""

    names: dict[str, str]
    samples: list[str]


async def _fill(odm: Odm, folder: Path) -> dict[str, Any]:
    database, second = PgDatabase(odm.dsn, size=2), PgDatabase(odm.dsn, size=2)
    try:
        services = build_services(Settings(data=str(folder)), database, second, b"0" * 32)
        operator = Principal(PrincipalKind.OPERATOR, Door.CLI)
        study = await services.catalog.add_project(operator, "LAB", "RENAL", title="Renal study")
        user = await services.identity.user(operator, "curator@example.org")
        who = Principal(PrincipalKind.USER, Door.ODM, user=user.seq, email=user.email)
        home = await services.catalog.home_project(who)
        made: dict[str, Any] = {"study": study.seq}
        for kind, role in (("samples", "sample"), ("libraries", "library")):
            group = (await services.records.put(who, home, [Put(type="import_group", metadata={"kind": kind})]))[0]
            puts = [
                Put(type=role, submitter_id=f"{role}{n}", links=[LinkTo("owner", uuid=group.uuid)],
                    metadata={} if role == "sample" else {"Sample Source ID": f"sample{n}"})
                for n in range(3)
            ]  # fmt: skip
            made[kind] = group.seq
            made[f"{kind} of it"] = [one.seq for one in await services.records.put(who, home, puts)]
        return made
    finally:
        await database.close()
        await second.close()


@pytest.fixture(scope="module")
def study(odm: Odm, tmp_path_factory: pytest.TempPathFactory) -> Study:
    made = asyncio.run(_fill(odm, tmp_path_factory.mktemp("services")))
    file = odm.put("reads of study.txt", b"reads", "LAB-RENAL")
    names = {"study": "study", "group": "samples", "libraries": "libraries"}
    return Study(
        {**{name: f"GSF{made[key]}" for name, key in names.items()}, "file": file},
        [f"GSF{seq}" for seq in made["samples of it"]],
    )


@pytest.fixture(scope="module")
def seen(odm: Odm, study: Study, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    tokens = [odm.keys[who]["api_token"] for who in ("curator", "admin")]
    command = [str(client_python("odm")), str(SCRIPT), odm.url, *tokens, json.dumps(study.names)]
    folder = tmp_path_factory.mktemp("client")
    done = subprocess.run(
        command, cwd=folder, env={"HOME": str(folder), "NO_PROXY": "*"}, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def test_studies(study: Study, seen: dict[str, Any]):
    accession = study.names["study"]
    pagination, (found,) = seen["studies"]
    assert pagination == {"count": 1, "total": 1, "offset": 0, "limit": 10}
    assert found == seen["study"]
    assert (found["genestack:accession"], found["genestack:name"]) == (accession, "Renal study")
    assert seen["by words"] == [accession]
    assert seen["sorted"] == sorted(seen["sorted"], reverse=True)
    wanted = {"genestack:name": "Renal study 2", "Study Source": "ArrayExpress", "year": 2026}
    assert wanted.items() <= seen["changed study"].items()
    assert [(one["version"], one["author"], one["message"]) for one in seen["study versions"]] == [
        ("1", "", "create"),
        ("2", "curator@example.org", "update (odm)"),
    ]
    assert all(isinstance(one["timestamp"], int) for one in seen["study versions"])
    assert seen["study before"] == seen["study"]
    browser = seen["browser"]
    assert browser["objectsPage"]["filteredCount"] == 1
    assert browser["objectsPage"]["content"][0]["name"] == "Renal study 2"
    assert seen["chosen"] == [accession]


def test_samples(study: Study, seen: dict[str, Any]):
    assert seen["home"] == study.samples
    assert seen["in study before"] == 0
    assert seen["in study"] == [{"count": 2, "total": 3, "offset": 0, "limit": 2}, ["sample0", "sample1"]]
    sample = seen["sample"]
    assert {"Sample Source ID": "sample0", "groupId": study.names["group"], "tissue": None}.items() <= sample.items()
    changed = seen["changed sample"]
    assert {"tissue": "kidney", "age": 61, "note": "x"}.items() <= changed.items()
    assert "note" not in seen["removed"]
    assert set(seen["minimal"]) == {
        "genestack:accession", "genestack:name", "Sample Source ID", "groupId", "tissue", "age",
    }  # fmt: skip
    assert [one["message"] for one in seen["sample versions"]] == ["create (odm)", "move (odm)", *["update (odm)"] * 2]
    assert "tissue" not in seen["sample before"]
    assert [seen[key] for key in ("by samples", "by files")] == [[study.names["study"]]] * 2
    assert [seen[key] for key in ("by sample", "by file")] == [study.names["study"]] * 2
    assert seen["files"] == [study.names["file"]]


def test_publishing_and_checks(study: Study, seen: dict[str, Any]):
    assert (seen["task"]["status"], seen["task"]["createdBy"], seen["same task"]) == (
        "DONE",
        "curator@example.org",
        True,
    )
    assert seen["named"][-1] == "After review"
    (group,) = seen["summary"]["samples"]
    assert group["groupAccession"] == study.names["group"]
    assert group["attributes"][0]["attributeName"] == "age"
    (invalid,) = group["attributes"][0]["attributeInvalidValues"]
    assert (invalid["value"]["actual_instance"], invalid["count"]) == ("old", 1)
    assert invalid["errors"][0]["errorType"] == "TYPE_NOT_MATCH"


def test_links(study: Study, seen: dict[str, Any]):
    assert {"study", "sample", "sampleGroup", "file"} <= set(seen["types"])
    assert {"firstType": "sample", "secondType": "study"} in seen["pairs"]
    pagination, (link,) = seen["links"]
    assert pagination == {"count": 1, "total": 3, "offset": 0, "limit": 1}
    assert link == {
        "firstId": study.names["study"],
        "firstType": "study",
        "secondId": study.samples[0],
        "secondType": "sample",
    }
    assert {one["secondType"]: one["secondId"] for one in seen["batch"]} == {
        "study": study.names["study"],
        "sampleGroup": study.names["group"],
    }
    assert seen["linked already"][:2] == ["ConflictException", 409]
    assert (seen["after delete"], seen["after save"]) == (0, 3)
    refused = seen["refused"]
    for name in ("absent study", "not linked"):
        assert refused[name][:2] == ["NotFoundException", 404]
    for name in ("no accession", "fixed", "bad filter", "bad sort page"):
        assert refused[name][:2] == ["BadRequestException", 400]
        assert json.loads(refused[name][2])["error"]["message"]
    assert seen["libraries"] == ["library0", "library1", "library2"]
    assert seen["of samples"] == seen["of sample"] == ["library0"]
    assert seen["library groups"] == []  # samples and libraries are in the home project again
    assert len(seen["library pairs"]) == 3


def test_what_was_imported_is_linked(study: Study, seen: dict[str, Any]):
    assert (seen["imported"], seen["spleen"]) == (["I1", "I2"], ["L2"])
    assert seen["study of libraries"] == [study.names["study"]]


def test_accounts_and_groups(seen: dict[str, Any]):
    assert seen["group"]["displayName"] == "Nephrology"
    assert [one["display"] for one in seen["group"]["members"]] == ["curator@example.org"]
    assert seen["same name"][1] == 409
    assert json.loads(seen["same name"][2])["scimType"] == "uniqueness"
    kind, status, body = seen["users refused"]
    assert (kind, status, json.loads(body)["status"]) == ("ForbiddenException", 403, "403")
    assert {"userName": "new@example.org", "displayName": "New One", "externalId": "okta-1"}.items() <= seen[
        "user"
    ].items()
    assert seen["found user"] == [1, [seen["user"]["id"]]]
    assert seen["renamed"] == "Renamed"
    assert seen["members"] == ["curator@example.org", "Renamed"]
    assert seen["without members"] is None
    assert {"admin@example.org", "curator@example.org"} <= set(seen["curators"])
    assert seen["curator is computed"][1] == 400
    assert seen["switched off"] == [False, 0]
    assert seen["gone"][1] == 404


# --- over HTTP --------------------------------------------------------------------------------------


def test_rights_of_each_caller(odm: Odm, study: Study):
    accession, sample = study.names["study"], study.samples[0]
    for who, status in (("curator", 200), ("reader", 200), ("nobody", 404), ("counter", 404)):
        assert odm.get(f"{USER}/studies/{accession}", who).status_code == status
        assert odm.get(f"{USER}/integration/link/files/by/study/{accession}", who).status_code == status
    for path in (f"/studies/{accession}", "/samples", "/links?firstId=GSF1", "/data-types"):
        assert odm.get(f"{CURATOR}{path}", "reader").status_code == 403
        assert odm.get(f"{USER}{path}", None).status_code == 401
    # A sample in somebody's home project is nobody else's business.
    for who in ("analyst", "reader"):
        assert odm.get(f"{USER}/samples/{sample}", who).status_code == 404
        assert odm.get(f"{USER}/links?firstId={sample}", who).json()["data"] == []
    for method, path in (
        ("PATCH", f"/studies/{accession}"),
        ("POST", f"/integration/studies/{accession}/tasks/publish-versions"),
        ("POST", f"/integration/link/sample/group/{study.names['group']}/to/study/{accession}"),
    ):
        assert odm.get(f"{CURATOR}{path}", "reader", method=method, json={}).status_code == 403


def _soon(met: Callable[[], bool]) -> bool:
    """Whether it comes true within the second for which a process may remember what a caller holds (and some)."""
    end = time.monotonic() + 10
    while not met() and time.monotonic() < end:
        time.sleep(0.1)
    return met()


def test_sharing_with_a_group(odm: Odm, study: Study):
    accession, path = study.names["study"], f"{USER}/studies/{study.names['study']}"
    answer = odm.get("/api/v1/scim/Groups", "nobody", method="POST", json={"displayName": "Readers of renal"})
    assert answer.status_code == 201
    assert answer.headers["content-type"] == "application/scim+json"
    assert odm.get(path, "nobody").status_code == 404
    odm.running.admin("grant", "group:Readers of renal", "viewer", "LAB-RENAL")
    assert _soon(lambda: odm.get(path, "nobody").status_code == 200)
    assert odm.get(f"{CURATOR}/studies/{accession}", "nobody").status_code == 403
    odm.running.admin("grant", "group:Readers of renal", "contributor", "LAB-RENAL")
    assert _soon(lambda: odm.get(f"{CURATOR}/studies/{accession}", "nobody").status_code == 200)
    changed = odm.get(f"{CURATOR}/studies/{accession}", "nobody", method="PATCH", json={"note": "by a group"})
    assert changed.json()["note"] == "by a group"
    group = answer.json()["id"]
    assert odm.get(f"/api/v1/scim/Groups/{group}", "nobody", method="DELETE").status_code == 204
    assert _soon(lambda: odm.get(path, "nobody").status_code == 404)


def test_tables_and_bad_input(odm: Odm, study: Study):
    table = odm.get(f"{USER}/studies", headers={"Accept": "text/tab-separated-values"})
    lines = table.text.splitlines()
    assert lines[0].split("\t")[:2] == ["genestack:accession", "genestack:name"]
    assert int(table.headers["x-total-count"]) == len(lines) - 1
    accession = study.names["study"]
    for path in (
        "/studies?pageLimit=x", "/studies?searchSpecificTerms=1", "/samples?responseFormat=x", "/samples?query=%22",
        "/samples?returnedMetadataFields=all", "/libraries?filter=a%3C%20b", "/links", "/links?firstId=x",
        "/links?firstId=GSF1&firstType=x", "/links?firstId=GSF1&limit=9999", "/data-types/links?type=x",
        f"/integration/link/files/by/study/{accession}?includeContents=1",
    ):  # fmt: skip
        answer = odm.get(USER + path)
        assert (answer.status_code, list(answer.json())) == (400, ["error"]), path
    for path in ("/studies/GSF1/versions", f"/studies/{accession}/versions/99", f"/studies/{accession}/versions/x",
                 "/preparations/by/group/GSF1", "/integration/link/study/by/file/GSF1"):  # fmt: skip
        assert odm.get(USER + path).status_code == 404, path
    huge = "GSF" + "9" * 40
    for path in (f"/studies/{huge}", f"/samples/{huge}/versions", f"/integration/link/samples/by/study/{huge}",
                 f"/libraries/by/group/{huge}", f"/integration/link/study/by/sample/{huge}"):  # fmt: skip
        assert odm.get(USER + path).status_code == 404, path
    for path in (f"/links?firstId={huge}", f"/links?firstId={accession}&secondId={huge}",
                 f"/studies?filter=genestack:accession={huge}", "/samples?sort=a%00b&filter=x=1",
                 "/studies?filter=a%3D%22%00%22", "/studies?filter=%22%00%22%3D1",
                 "/samples?query=%00", "/samples?filter=%22Sample%20Source%20ID%22%3D%22%00%22",
                 "/integration/link/studies/by/files?filter=a%3D%22%00%22"):  # fmt: skip
        answer = odm.get(USER + path, "curator")
        assert (answer.status_code, answer.json().get("data", [])) in ((200, []), (400, [])), path
    assert odm.get(f"{USER}/studies?sort=%00", "curator").status_code in (200, 400)
    assert odm.get("/api/v1/tasks/GSF1").status_code == 404
    assert odm.get(f"/api/v1/tasks/{huge}").status_code == 404
    for body, status in (
        ([{"firstId": accession, "firstType": "study", "secondId": accession, "secondType": "study"}], 400),
        ([{"firstId": accession}], 400),
        ([], 400),
        ({"a": 1}, 400),
        ([{"firstId": accession, "firstType": "study", "secondId": "GSF1", "secondType": "sample"}], 404),
    ):
        assert odm.get(f"{CURATOR}/links", "curator", method="POST", json=body).status_code == status, body
    chosen = {"type": "SELECT", "filterOptionId": base64.urlsafe_b64encode(b'["a","b"]').decode()}
    for number, status in ((100, 200), (101, 400)):
        place = f"{USER}/integration/fulltext/search/studies"
        answer = odm.get(place, "curator", method="POST", json={"filters": [chosen] * number})
        assert answer.status_code == status
    for content in (b"[]", b"{", b"null"):
        answer = odm.get(f"{CURATOR}/studies/{accession}", "curator", method="PATCH", content=content)
        assert answer.status_code == 400
    answer = odm.get(
        f"{CURATOR}/studies/{accession}", "curator", method="PATCH", content=b'{"a": "\\u0000", "b": 1e400}'
    )
    assert answer.status_code == 400


def test_scim_over_http(odm: Odm):
    base = "/api/v1/scim"
    patch = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"]}
    assert odm.get(f"{base}/Users", None).json()["error"]["message"]
    for path, kind in (
        ("/Users?filter=userName%20co%20%22x%22", "invalidFilter"),
        ("/Users?filter=nonsense%20eq%20%22x%22", "invalidFilter"),
        ("/Users?filter=userName%20eq", "invalidFilter"),
        ("/Users?startIndex=x", "invalidValue"),
        ("/Groups?filter=members%20eq%20%22x%22", "invalidFilter"),
    ):
        answer = odm.get(base + path, "admin")
        assert (answer.status_code, answer.json()["scimType"], answer.json()["status"]) == (400, kind, "400"), path
    page = odm.get(f"{base}/Users?startIndex=2&count=1", "admin").json()
    assert (page["startIndex"], page["itemsPerPage"], len(page["Resources"])) == (2, 1, 1)
    assert odm.get(f"{base}/Users?count=0", "admin").json()["Resources"] == []
    for body in (
        {"displayName": "x"},
        {"userName": "no address", "displayName": "x"},
        {"userName": "a@example.org", "emails": [{"value": "b@example.org"}]},
        {"userName": "a@example.org", "active": "maybe"},
        [],
    ):
        assert odm.get(f"{base}/Users", "admin", method="POST", json=body).status_code == 400, body
    made = odm.get(f"{base}/Groups", "analyst", method="POST", json={"displayName": "Patchable"}).json()
    place = f"{base}/Groups/{made['id']}"
    assert odm.get(place, "curator").status_code == 404  # neither in it, nor its maker
    users = odm.get(f"{base}/Users", "admin").json()["Resources"]
    ids = {one["userName"].partition("@")[0]: one["id"] for one in users}
    for operations, status in (
        ([{"op": "Add", "path": "members", "value": [{"value": ids["curator"]}, {"value": ids["reader"]}]}], 204),
        (
            [{"op": "Replace", "path": "displayName", "value": "Patched"}, {"op": "add", "value": {"nickName": "x"}}],
            204,
        ),
        ([{"op": "remove", "path": f'members[value eq "{ids["reader"]}"]'}], 204),
        ([{"op": "replace", "value": {"displayName": "Half", "members": [{"value": "1"}]}}], 400),
        ([{"op": "replace", "path": "id", "value": "5"}], 400),
        ([{"op": "remove"}], 400),
        ([{"op": "grow", "path": "members"}], 400),
        ([], 400),
    ):
        answer = odm.get(place, "analyst", method="PATCH", json={**patch, "Operations": operations})
        assert answer.status_code == status, (operations, answer.text)
    found = odm.get(place, "curator").json()
    assert (found["displayName"], sorted(one["value"] for one in found["members"])) == (
        "Patched",
        sorted([ids["analyst"], ids["curator"]]),
    )
    one = {**patch, "Operations": [{"op": "replace", "value": {"displayName": "Mine"}}]}
    assert odm.get(place, "curator", method="PATCH", json=one).status_code == 403
    assert odm.get(place, "curator", method="DELETE").status_code == 403
    assert odm.get(f"{base}/Groups/0", "admin", method="DELETE").status_code == 400
    assert odm.get(f"{base}/Groups", "analyst", method="POST", json={"displayName": "curator"}).status_code == 409
    assert odm.get(place, "analyst", method="DELETE").status_code == 204
    assert odm.get(place, "analyst").json()["status"] == "404"
    last = {**patch, "Operations": [{"op": "replace", "value": {"active": False}}]}
    assert odm.get(f"{base}/Users/{ids['admin']}", "admin", method="PATCH", json=last).status_code == 409
    for path in ("/Users/x", "/Groups/99999999999999999999", "/Users/1"):
        assert odm.get(base + path, "admin").status_code == 404
