"""GA4GH DRS 1.5 (contracts/gen3.md 3.5, 7.1): every file is an object, with rights, in bulk, and for browsers."""

from __future__ import annotations

import hashlib
import re
import uuid
from typing import Any

import httpx
import pytest

from tests.gen3.conftest import PROGRAM, Gen3
from tests.gen3.test_data import BYTES, MD5, authz, stored, upload

DRS = "/ga4gh/drs/v1"
RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


def get(gen3: Gen3, path: str, who: str | None = "writer", **more: Any) -> httpx.Response:
    return gen3.call(more.pop("method", "GET"), f"{DRS}{path}", who, **more)


def registered(gen3: Gen3, project: str, **more: Any) -> str:
    """An index record whose bytes lie elsewhere."""
    body = {"form": "object", "size": 12, "urls": [], "hashes": {"md5": MD5}, "authz": [authz(project)], **more}
    answer = gen3.call("POST", "/index/index/", "writer", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()["did"]


def check_error(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    assert answer.json()["status_code"] == status
    assert set(answer.json()) == {"msg", "status_code"}
    return answer.json()["msg"]


def test_an_object(gen3: Gen3) -> None:
    guid = stored(gen3, name="counts.h5ad", project=gen3.project())
    answer = get(gen3, f"/objects/{guid}")
    assert answer.status_code == 200
    found = answer.json()
    own = f"{gen3.url}/user/data/download/{guid}?redirect"
    needs = {
        "drs_object_id": guid,
        "supported_types": ["BearerAuth"],
        "passport_auth_issuers": [],
        "bearer_auth_issuers": [f"{gen3.url}/user"],
    }
    assert found["access_methods"] == [
        {
            "type": "https",
            "access_id": "http",
            "access_url": {"url": own},
            "cloud": None,
            "region": "",
            "available": True,
            "authorizations": needs,
        }
    ]
    sums = {one["type"]: one["checksum"] for one in found["checksums"]}
    assert sums == {"md5": MD5, "sha-256": hashlib.sha256(BYTES).hexdigest()}
    assert (found["id"], found["self_uri"], found["name"]) == (guid, f"drs://{guid}", "counts.h5ad")
    assert (found["size"], found["form"], found["mime_type"]) == (len(BYTES), "object", "application/octet-stream")
    for name in ("created_time", "updated_time", "index_created_time", "index_updated_time"):
        assert RFC3339.fullmatch(found[name])
    assert (found["version"], found["description"], found["aliases"]) == (None, None, [])
    assert get(gen3, f"/objects/{guid}", method="POST", json={"expand": True}).json() == found
    assert get(gen3, f"/objects/{guid}/", method="POST").json() == found
    # the address in the record works for who may download, and for nobody else
    assert gen3.call("GET", own.removeprefix(gen3.url), "writer").status_code == 302
    assert gen3.call("GET", own.removeprefix(gen3.url), "reader").status_code == 401


def test_an_object_is_known_by_its_guid_and_read_by_rights(gen3: Gen3) -> None:
    project = gen3.project()
    mine = stored(gen3, project=project)
    elsewhere = registered(gen3, project, urls=["s3://theirs/key"], file_name="x.bam", description="d", version="2")
    whole = get(gen3, f"/objects/{elsewhere}", "reader").json()
    (method,) = whole["access_methods"]
    assert (method["type"], method["access_id"], method["access_url"]) == ("s3", "s3", {"url": "s3://theirs/key"})
    assert (whole["name"], whole["description"], whole["version"]) == ("x.bam", "d", "2")
    for who in (None, "nobody"):
        seen = get(gen3, f"/objects/{mine}", who).json()
        assert seen["checksums"] == get(gen3, f"/objects/{mine}").json()["checksums"]
        assert [one["access_id"] for one in seen["access_methods"]] == ["http"]  # what drs-pull needs to ask
        assert get(gen3, f"/objects/{elsewhere}", who).json()["access_methods"] == []
        assert "theirs" not in get(gen3, f"/objects/{elsewhere}", who).text
        assert get(gen3, "/objects?limit=1000", who).json() == {"drs_objects": []}
    listed = get(gen3, "/objects?limit=1000", "reader").json()["drs_objects"]
    assert {mine, elsewhere} <= {one["id"] for one in listed}
    check_error(get(gen3, f"/objects/{mine}", None, headers={"Authorization": "bearer x.y.z"}), 401)


def test_ids_with_a_prefix(gen3: Gen3) -> None:
    guid = f"dg.TEST/{uuid.uuid4()}"
    project = gen3.project()
    assert registered(gen3, project, did=guid) == guid
    answer = gen3.call("POST", "/user/data/upload", "writer", json={"file_name": "p", "guid": guid})
    assert answer.json()["guid"] == guid
    for wrong, status in ((BYTES, 413), (b"x", 422), (b"x" * 12, 422)):  # the record declares 12 bytes and an MD5
        assert httpx.put(answer.json()["url"], content=wrong).status_code == status
    check_error(get(gen3, f"/objects/{guid}/access/http"), 404)
    other = f"dg.TEST/{uuid.uuid4()}"
    registered(gen3, project, did=other, size=len(BYTES), file_name="q")
    url = gen3.call("GET", f"/user/data/upload/{other}?file_name=q", "writer").json()["url"]
    assert httpx.put(url, content=BYTES).status_code == 200
    found = get(gen3, f"/objects/{other}").json()
    assert (found["id"], found["self_uri"]) == (other, f"drs://dg.TEST:{other[8:]}")
    for path in (f"/objects/{other}/access/http", f"/objects/{other.replace('/', '%2F')}/access/http"):
        assert httpx.get(get(gen3, path).json()["url"]).content == BYTES
    assert get(gen3, f"/objects/{other}", method="OPTIONS").json()["drs_object_id"] == other
    assert httpx.get(gen3.call("GET", f"/user/data/download/{other}", "writer").json()["url"]).content == BYTES
    assert gen3.call("DELETE", f"/user/data/{other}", "admin").status_code == 204
    check_error(get(gen3, f"/objects/{other}"), 404)


def test_access(gen3: Gen3) -> None:
    project = gen3.project()
    guid = stored(gen3, project=project)
    blank = upload(gen3, project=project)["guid"]
    for access_id in ("http", "https", "s3"):
        url = get(gen3, f"/objects/{guid}/access/{access_id}").json()["url"]
        assert httpx.get(url).content == BYTES
    assert get(gen3, f"/objects/{guid}/access/http", method="POST", json={}).status_code == 200
    assert get(gen3, f"/objects/{guid}/access/http", method="POST").status_code == 200
    check_error(get(gen3, f"/objects/{guid}/access/http", method="POST", json={"passports": ["x"]}), 400)
    check_error(get(gen3, f"/objects/{guid}/access/gs"), 404)
    check_error(get(gen3, f"/objects/{guid}/access/"), 400)
    check_error(get(gen3, f"/objects/{blank}/access/http"), 404)
    check_error(get(gen3, f"/objects/{uuid.uuid4()}/access/http"), 404)
    for who in ("reader", "nobody", None):  # as a download of a Gen3 commons
        check_error(get(gen3, f"/objects/{guid}/access/http", who), 401)
    check_error(get(gen3, f"/objects/{guid}/access/http?expires_in=0"), 400)


def test_bulk(gen3: Gen3) -> None:
    project = gen3.project()
    guids = [stored(gen3, b"%d" % n, name=f"b{n}", project=project) for n in range(3)]
    blank = upload(gen3, project=project)["guid"]
    hidden = stored(gen3, who="admin")
    unknown = str(uuid.uuid4())
    asked = {"bulk_object_ids": [*guids, hidden, unknown, "no id"]}
    answer = get(gen3, "/objects", method="POST", json=asked).json()
    assert answer["summary"] == {"requested": 6, "resolved": 3, "unresolved": 3}
    assert answer["unresolved_drs_objects"] == [{"error_code": 404, "object_ids": [hidden, unknown, "no id"]}]
    assert answer["resolved_drs_objects"] == answer["resolved_drs_object"]
    assert answer["resolved_drs_objects"] == [get(gen3, f"/objects/{guid}").json() for guid in guids]
    rights = get(gen3, "/objects", method="OPTIONS", json=asked).json()
    assert [one["drs_object_id"] for one in rights["resolved_drs_objects"]] == guids
    assert rights["summary"] == answer["summary"]

    pairs = [{"bulk_object_id": guid, "bulk_access_ids": ["http"]} for guid in (*guids, blank, unknown)]
    pairs.append({"bulk_object_id": guids[0], "bulk_access_ids": ["gs", "s3"]})
    many = get(gen3, "/objects/access", method="POST", json={"bulk_object_access_ids": pairs})
    assert many.status_code == 200
    urls = many.json()["resolved_drs_object_access_urls"]
    assert [(one["drs_object_id"], one["drs_access_id"]) for one in urls] == [
        *((guid, "http") for guid in guids),
        (guids[0], "s3"),
    ]
    assert [httpx.get(one["url"]).content for one in urls] == [b"0", b"1", b"2", b"0"]
    assert many.json()["summary"] == {"requested": 7, "resolved": 4, "unresolved": 3}
    assert many.json()["unresolved_drs_objects"] == [{"error_code": 404, "object_ids": [blank, unknown, guids[0]]}]
    refused = get(gen3, "/objects/access", "reader", method="POST", json={"bulk_object_access_ids": pairs[:3]})
    assert refused.status_code == 401
    assert refused.json()["unresolved_drs_objects"] == [{"error_code": 401, "object_ids": guids}]


@pytest.mark.parametrize(
    ("path", "method", "body", "status"),
    [
        ("/objects", "POST", {}, 400),
        ("/objects", "POST", [], 400),
        ("/objects", "POST", {"bulk_object_ids": "x"}, 400),
        ("/objects", "POST", {"bulk_object_ids": [1]}, 400),
        ("/objects", "POST", {"bulk_object_ids": ["x"] * 1001}, 413),
        ("/objects", "POST", {"bulk_object_ids": ["x"], "passports": ["y"]}, 400),
        ("/objects", "OPTIONS", {"bulk_object_ids": ["x"] * 1001}, 413),
        ("/objects", "OPTIONS", {}, 400),
        ("/objects/access", "POST", {"bulk_object_access_ids": {}}, 400),
        ("/objects/access", "POST", {"bulk_object_access_ids": [1]}, 400),
        ("/objects/access", "POST", {"bulk_object_access_ids": [{"bulk_object_id": "x"}]}, 400),
        (
            "/objects/access",
            "POST",
            {"bulk_object_access_ids": [{"bulk_object_id": "x", "bulk_access_ids": ["s3"] * 1001}]},
            413,
        ),
        (
            "/objects/access",
            "POST",
            {"bulk_object_access_ids": [{"bulk_object_id": "x", "bulk_access_ids": [str(n) for n in range(11)]}]},
            400,
        ),
        ("/objects/x", "POST", [1], 400),
        ("/objects/x", "GET", None, 404),
        ("/objects/%00", "GET", None, 400),
        ("/objects/%F0%9F%90%88", "GET", None, 404),
        ("/objects/a/b/c/access/d", "GET", None, 404),
        ("/objects/x", "OPTIONS", None, 404),
        ("/objects?limit=x", "GET", None, 400),
        ("/objects?limit=1025", "GET", None, 400),
        ("/objects?limit=-1", "GET", None, 400),
        ("/objects?page=-1", "GET", None, 400),
        ("/objects?page=99999999999999999999", "GET", None, 400),
        ("/objects?form=x", "GET", None, 400),
    ],
)
def test_bad_requests_are_told(gen3: Gen3, path: str, method: str, body: Any, status: int) -> None:
    more = {} if body is None else {"json": body}
    answer = get(gen3, path, method=method, **more)
    assert answer.status_code == status, answer.text
    if "%00" not in path:
        check_error(answer, status)


def test_lists_page_by_id(gen3: Gen3) -> None:
    project = gen3.project()
    for n in range(5):
        registered(gen3, project, file_name=f"l{n}")
    everything = get(gen3, "/objects?limit=1024").json()["drs_objects"]
    ids = [one["id"] for one in everything]
    assert ids == sorted(ids)
    assert len(ids) >= 5
    first = get(gen3, "/objects?limit=2").json()["drs_objects"]
    assert [one["id"] for one in first] == ids[:2]
    after = get(gen3, f"/objects?limit=2&start={ids[1]}&form=object").json()["drs_objects"]
    assert [one["id"] for one in after] == ids[2:4]
    assert [one["id"] for one in get(gen3, "/objects?limit=2&page=1").json()["drs_objects"]] == ids[2:4]
    assert get(gen3, "/objects?form=bundle").json() == {"drs_objects": []}
    assert get(gen3, "/objects?limit=0").json() == {"drs_objects": []}


def test_service_info(gen3: Gen3) -> None:
    info = get(gen3, "/service-info", None).json()
    assert {"id", "name", "type", "organization", "version", "drs"} <= set(info)
    assert info["type"] == {"group": "org.ga4gh", "artifact": "drs", "version": "1.5.0"}
    assert info["drs"]["maxBulkRequestLength"] == info["maxBulkRequestLength"] == 1000
    assert set(info["organization"]) == {"name", "url"}
    stored(gen3, project=gen3.project())
    drs = get(gen3, "/service-info", "writer").json()["drs"]
    assert drs["objectCount"] >= 1
    assert drs["totalObjectSize"] >= len(BYTES)


def test_a_browser_of_any_origin_may_read_and_carries_nothing_of_its_own(gen3: Gen3) -> None:
    guid = stored(gen3, project=gen3.project())
    ask = {"Origin": "https://viewer.example.org", "Access-Control-Request-Method": "GET"}
    for path in (f"/objects/{guid}", "/objects", f"/objects/{guid}/access/http", "/objects/access", "/objects/a/b"):
        answer = get(gen3, path, None, method="OPTIONS", headers=ask)
        assert (answer.status_code, answer.content) == (204, b"")
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "authorization" in answer.headers["access-control-allow-headers"]
        assert "access-control-allow-credentials" not in answer.headers
    for answer in (get(gen3, f"/objects/{guid}"), get(gen3, "/objects/nope"), get(gen3, "/service-info", None)):
        assert answer.headers["access-control-allow-origin"] == "*"
    assert get(gen3, f"/objects/{guid}", None, method="OPTIONS").json()["supported_types"] == ["BearerAuth"]


def test_files_of_every_door_and_of_collections_are_objects(gen3: Gen3) -> None:
    """What our own API stores is an object with the same digests; a file of a collection, too."""
    code = gen3.project().split("/")[2]
    headers = gen3.running.bearer("admin@example.org")
    for kind, project in (("study", f"{PROGRAM}-{code}"), ("collection", "")):
        if kind == "collection":
            body = {"code": "c" + uuid.uuid4().hex[:8], "kind": "collection"}
            made = gen3.running.client.post(f"/commensal/v1/programs/{PROGRAM}/projects", json=body, headers=headers)
            assert made.status_code == 201, made.text
            project = f"{PROGRAM}-{body['code']}"
        place = f"/commensal/v1/projects/{project}/files/in/x.bin"
        put = gen3.running.client.put(place, content=BYTES, headers=headers)
        assert put.status_code == 201, put.text
        found = get(gen3, f"/objects/{put.json()['uuid']}").json()
        assert (found["name"], found["size"]) == ("x.bin", len(BYTES))
        assert {"type": "md5", "checksum": MD5} in found["checksums"]
        assert httpx.get(get(gen3, f"/objects/{found['id']}/access/http").json()["url"]).content == BYTES
