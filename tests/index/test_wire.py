"""Statuses, bodies and refusals of ``/index`` over HTTP."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from tests.index.conftest import MD5, Commons

DENIED = {"error": "Permission denied."}


def test_answers_of_writes(commons: Commons) -> None:
    made = commons.add()
    assert set(made) == {"did", "baseid", "rev"}
    did = made["did"]
    again = commons.call(
        "POST", "/index", json={"form": "object", "size": 1, "hashes": {"md5": MD5}, "did": did,
                                "authz": [commons.path("SHUT")]},
    )  # fmt: skip
    assert (again.status_code, again.json()) == (409, {"error": f"did already exists: {did}"})
    for path in (f"/index/{did}", f"/index/{did}/", f"/{did}", f"/index/{did}/latest"):
        assert commons.call("GET", path).json()["did"] == did
    changed = commons.call("PUT", f"/index/{did}?rev={made['rev']}", json={"file_name": "n"})
    assert changed.status_code == 200
    assert changed.json()["rev"] != made["rev"]
    stale = commons.call("PUT", f"/index/{did}?rev={made['rev']}", json={"file_name": "m"})
    assert (stale.status_code, stale.json()) == (409, {"error": "revision mismatch"})
    assert commons.call("PUT", f"/index/{did}", json={"file_name": "m"}).status_code == 400
    assert commons.call("DELETE", f"/index/{did}").status_code == 400
    assert commons.call("DELETE", f"/index/{did}?rev=12345678").status_code == 409
    gone = commons.call("DELETE", f"/index/{did}?rev={changed.json()['rev']}")
    assert (gone.status_code, gone.content) == (200, b"")
    for path in (f"/index/{did}", f"/{did}", f"/index/{did}/versions", f"/index/{did}/aliases", "/no-such-alias"):
        missing = commons.call("GET", path)
        assert (missing.status_code, missing.json()) == (404, {"error": "no record found"}), path
    blank = commons.call("POST", "/index/blank/", json={"uploader": "curator@example.org", "file_name": "b"})
    assert blank.status_code == 201
    version = commons.call("POST", f"/index/blank/{blank.json()['did']}", json={"file_name": "b2"})
    assert version.status_code == 201
    assert version.json()["baseid"] == blank.json()["baseid"]
    seen = commons.call("GET", f"/index/{version.json()['did']}/versions").json()
    assert [seen[n]["file_name"] for n in ("0", "1")] == ["b", "b2"]
    assert seen["0"]["uploader"] == "curator@example.org"


def test_versions_and_prefixes(commons: Commons) -> None:
    did = f"dg.5/{uuid.uuid4()}"
    made = commons.add(did=did)
    assert made["did"] == did
    new = {"form": "object", "size": 6, "hashes": {"md5": MD5}, "urls": []}
    second = commons.call("POST", f"/index/{did}", json=new)
    assert second.status_code == 200
    assert second.json()["baseid"] == made["baseid"]
    all_of = commons.call("PUT", f"/index/{did}/versions", json={"acl": ["x"]})
    assert len(all_of.json()) == 2
    shown = commons.call("GET", f"/index/{did}/versions").json()
    assert [shown[n]["acl"] for n in ("0", "1")] == [["x"], ["x"]]
    alias = {"aliases": [{"value": "LAB-SHUT/s 1"}]}
    assert commons.call("POST", f"/index/{did}/aliases", json=alias).json() == alias
    assert commons.call("GET", f"/index/{did}/aliases").json() == alias
    assert commons.call("GET", "/LAB-SHUT/s%201").json()["did"] == did
    assert commons.call("GET", "/LAB-SHUT/s%201", None).status_code == 404
    assert commons.call("POST", f"/index/{second.json()['did']}/aliases", json=alias).status_code == 409
    assert commons.call("DELETE", f"/index/{did}/aliases/LAB-SHUT/s%201").status_code == 200
    assert commons.call("GET", f"/index/{did}/aliases").json() == {"aliases": []}


def test_lists(commons: Commons) -> None:
    tag = uuid.uuid4().hex
    place = commons.path("SHUT")
    dids = [
        commons.add(metadata={"tag": tag, "n": str(n)}, file_name=f"{tag}-{n}", version=tag if n else None, size=n,
                    urls=[f"s3://else/{tag}/{n}"], urls_metadata={f"s3://else/{tag}/{n}": {"state": str(n)}},
                    authz=[place, f"{place}/consents/{tag}"] if n == 2 else [place], acl=[tag] if n else [],
                    hashes={"sha512": f"{n:0128x}", "md5": MD5})["did"]
        for n in range(3)
    ]  # fmt: skip

    def found(query: dict[str, Any], who: str | None = "curator") -> set[int]:
        answer = commons.call("GET", "/index/", who, params={"metadata": f"tag:{tag}", **query})
        assert answer.status_code == 200, answer.text
        records = answer.json()["records"]
        assert [one["did"] for one in records] == sorted(one["did"] for one in records)
        return {dids.index(one["did"]) for one in records}

    asked: list[tuple[dict[str, Any], set[int]]] = [
        ({}, {0, 1, 2}),
        ({"size": 1}, {1}),
        ({"hash": ["md5:" + MD5, f"sha512:{2:0128x}"]}, {2}),
        ({"hash": f"sha512:{9:0128x}"}, set()),
        ({"ids": ",".join([dids[0], dids[2], str(uuid.uuid4()), "nonsense"])}, {0, 2}),
        ({"url": f"s3://else/{tag}/1"}, {1}),
        ({"acl": tag}, {1, 2}),
        ({"acl": "null"}, {0}),
        ({"authz": f"{place}/consents/{tag}"}, {2}),
        ({"authz": place}, {0, 1, 2}),
        ({"authz": commons.path("PUB")}, set()),
        ({"authz": "null"}, set()),
        ({"file_name": f"{tag}-1"}, {1}),
        ({"version": tag}, {1, 2}),
        ({"uploader": "nobody"}, set()),
        ({"urls_metadata": json.dumps({f"else/{tag}": {"state": "2"}})}, {2}),
        ({"form": "all"}, {0, 1, 2}),
        ({"form": "bundle"}, set()),
        ({"negate_params": json.dumps({"version": tag})}, {0}),
        ({"negate_params": json.dumps({"version": ""})}, {0}),
        ({"negate_params": json.dumps({"acl": [tag], "urls": ["s3://other"]})}, {0}),
        ({"negate_params": json.dumps({"authz": [f"{place}/consents/{tag}"]})}, {0, 1}),
        ({"negate_params": json.dumps({"metadata": {"n": "1"}})}, {0, 2}),
        ({"negate_params": json.dumps({"urls_metadata": {tag: {"state": "1"}}})}, {0, 2}),
        ({"negate_params": json.dumps({"file_name": ""})}, set()),
    ]
    for query, expected in asked:
        assert found(query) == expected, query
    assert found({}, "reader") == {0, 1, 2}
    for who in (None, "nobody", "counter"):
        assert found({}, who) == set()
    ordered = sorted(dids)
    first = commons.call("GET", "/index/", params={"metadata": f"tag:{tag}", "limit": 2}).json()
    assert [one["did"] for one in first["records"]] == ordered[:2]
    assert (first["limit"], first["start"], first["page"], first["metadata"]) == (2, None, None, {"tag": tag})
    assert set(first) == {
        "ids", "records", "limit", "start", "page", "size", "file_name", "version", "urls", "acl", "authz", "hashes",
        "metadata", "urls_metadata",
    }  # fmt: skip
    for more in ({"start": ordered[1]}, {"page": 1, "limit": 2}):
        rest = commons.call("GET", "/index/", params={"metadata": f"tag:{tag}", **more}).json()["records"]
        assert [one["did"] for one in rest] == ordered[2:]
    urls = commons.call("GET", "/urls/", params={"ids": ",".join(dids), "hash": "md5:" + MD5}).json()["urls"]
    assert {one["url"]: one["metadata"] for one in urls} == {
        f"s3://else/{tag}/{n}": {"state": str(n)} for n in range(3)
    }  # fmt: skip
    pages = "/_query/urls/q"
    for query, expected in (
        ({"include": tag, "limit": 2}, 2), ({"include": tag, "exclude": f"{tag}/1"}, 2),
        ({"include": tag, "offset": 2}, 1),
        ({"include": tag, "version": "true"}, 2), ({"include": tag, "versioned": "false"}, 1),
    ):  # fmt: skip
        assert len(commons.call("GET", pages, params=query).json()) == expected, query
    assert commons.call("GET", pages, params={"include": f"{tag}/0", "fields": "did"}).json() == [{"did": dids[0]}]
    about = commons.call("GET", "/_query/urls/metadata/q", params={"key": "state", "value": "2", "url": tag}).json()
    assert about == [{"did": dids[2], "urls": [f"s3://else/{tag}/2"]}]
    bulk = commons.call("POST", "/bulk/documents", json=[*dids, dids[0], str(uuid.uuid4()), "x"])
    assert [one["did"] for one in bulk.json()] == dids
    assert commons.call("POST", "/bulk/documents", None, json=dids).json() == []


def test_guid_without_a_token(commons: Commons) -> None:
    """A record is known by its GUID, but for addresses and uploader; everything else needs the right."""
    shut = commons.add(urls=["s3://a/b"], uploader="curator@example.org", file_name="f")
    public = commons.add("PUB", urls=["s3://a/b"])
    full = commons.call("GET", f"/index/{shut['did']}", "reader").json()
    assert (full["urls"], full["uploader"], full["rev"]) == (["s3://a/b"], "curator@example.org", shut["rev"])
    for who in (None, "nobody", "counter"):
        seen = commons.call("GET", f"/index/{shut['did']}", who).json()
        hidden = {"urls": [], "urls_metadata": {}, "uploader": None, "rev": seen["rev"]}
        assert seen == {**full, **hidden}
        assert seen["rev"] != full["rev"]
        assert commons.call("GET", f"/index/{public['did']}", who).json()["urls"] == ["s3://a/b"]


@pytest.mark.parametrize("who", [None, "nobody", "counter", "reader"])
def test_writes_without_the_right(commons: Commons, who: str | None) -> None:
    did, rev = (made := commons.add())["did"], made["rev"]
    place = commons.path("SHUT")
    body = {"form": "object", "size": 1, "hashes": {"md5": MD5}, "urls": []}
    calls: list[tuple[str, str, Any]] = [
        ("POST", "/index/", {**body, "authz": [place]}),
        ("POST", "/index/", body),
        ("POST", "/index/", {**body, "authz": ["/data_file"]}),
        ("POST", "/index/", {**body, "authz": [commons.path("NOWHERE")]}),
        ("POST", "/index/blank", {"file_name": "x", "authz": [place]}),
        ("POST", f"/index/{did}", {**body, "authz": [place]}),
        ("PUT", f"/index/{did}?rev={rev}", {"file_name": "x"}),
        ("PUT", f"/index/blank/{did}?rev={rev}", {"size": 5, "hashes": {"md5": MD5}}),
        ("PUT", f"/index/{did}/versions", {"acl": ["a"]}),
        ("POST", f"/index/{did}/aliases", {"aliases": [{"value": "mine"}]}),
        ("PUT", f"/index/{did}/aliases", {"aliases": []}),
        ("DELETE", f"/index/{did}/aliases", None),
        ("DELETE", f"/index/{did}?rev={rev}", None),
    ]
    for method, path, sent in calls:
        answer = commons.call(method, path, who, json=sent)
        assert (answer.status_code, answer.json()) == (401, DENIED), (method, path)
    assert commons.call("GET", f"/index/{did}").json()["rev"] == rev


def test_paths_that_open_or_lead_elsewhere(commons: Commons) -> None:
    """``/open`` needs ``manage``, other paths a site admin; a record can be taken out of no foreign project."""
    place = commons.path("SHUT")
    body = {"form": "object", "size": 1, "hashes": {"md5": MD5}, "urls": []}
    for authz in ([place, "/open"], ["/open"], [place, "/services/x"], [place, commons.path("NONE")], []):
        assert commons.call("POST", "/index/", json={**body, "authz": authz}).status_code == 401, authz
        assert commons.call("POST", "/index/", "admin", json={**body, "authz": authz}).status_code == 200, authz
    made = commons.add()
    for authz in ([place, "/open"], ["/data_file"], []):
        answer = commons.call("PUT", f"/index/{made['did']}?rev={made['rev']}", json={"authz": authz})
        assert (answer.status_code, answer.json()) == (401, DENIED)
    moved = commons.call("PUT", f"/index/{made['did']}?rev={made['rev']}", json={"authz": [commons.path("PUB")]})
    assert moved.status_code == 200
    shown = commons.call("GET", f"/index/{made['did']}", None).json()
    assert shown["authz"] == [commons.path("PUB")]
    assert shown["rev"] == moved.json()["rev"]  # everybody reads there: no part is hidden
    bad = commons.call("POST", "/index/blank", json={"file_name": "x", "uploader": "admin@example.org"})
    assert bad.status_code == 400
    bad = commons.call("POST", "/index/", json={**body, "authz": [place], "uploader": "admin@example.org"})
    assert bad.status_code == 400


def test_addresses_of_our_own(commons: Commons) -> None:
    mine = commons.put_file("SHUT", f"own/{uuid.uuid4()}.txt", b"mine")
    other = commons.put_file("PUB", f"own/{uuid.uuid4()}.txt", b"other")
    url = commons.running.url
    own = commons.call("GET", f"/index/{mine}").json()
    assert own["urls"] == [f"{url}/user/data/download/{mine}?redirect"]
    assert own["urls_metadata"] == {own["urls"][0]: {}}
    listed = commons.call("GET", "/index/", params={"url": own["urls"][0]}).json()["records"]
    assert [one["did"] for one in listed] == [mine]
    assert commons.call("GET", "/_query/urls/q", params={"include": f"download/{mine}"}).json() == [
        {"did": mine, "urls": own["urls"]}
    ]
    same = commons.call(
        "PUT", f"/index/{mine}?rev={own['rev']}", json={"urls": own["urls"], "urls_metadata": own["urls_metadata"]}
    )
    assert same.status_code == 200
    assert commons.call("GET", f"/index/{mine}").json()["urls"] == own["urls"]
    made = commons.add()
    for wrong in (
        f"{url}/user/data/download/{other}", f"{url}//user/data/download/{other}?redirect",
        f"{url.replace('127', 'someone@127')}/user/%64ata/download/{other}", f"{url}/commensal/v1/bytes/files/x?sig=1",
        f" {url}/user/data/download/{other}", f"http://localhost:{commons.running.port}/user/data/download/{other}",
        f"{url}/ga4gh/drs/v1/objects/{other}/access/http", f"{url}/commensal/v1/projects/LAB-PUB/files/x",
        f"file://{commons.running.data}/blobs/ab/cd", f"{url}/user/data/download/{uuid.uuid4()}",
    ):  # fmt: skip
        answer = commons.call("PUT", f"/index/{made['did']}?rev={made['rev']}", json={"urls": [wrong]})
        assert answer.status_code == 400, (wrong, answer.text)
        assert "own store" in answer.json()["error"]
    good = f"{url}/user/data/download/{mine}"
    assert commons.call("PUT", f"/index/{made['did']}?rev={made['rev']}", json={"urls": [good]}).status_code == 200


_BODY: dict[str, Any] = {"form": "object", "size": 1, "hashes": {"md5": MD5}, "urls": []}
BAD_BODIES: list[Any] = [
    {}, [], "text", 7, None, {**_BODY, "size": None}, {**_BODY, "size": -1}, {**_BODY, "size": 2**63},
    {**_BODY, "size": 2**70}, {**_BODY, "size": 1.5}, {**_BODY, "size": "1"}, {**_BODY, "size": True},
    {**_BODY, "hashes": {}}, {**_BODY, "hashes": {"md5": "abc"}}, {**_BODY, "hashes": {"md5": MD5 + "0"}},
    {**_BODY, "hashes": {"sha1": MD5}}, {**_BODY, "hashes": {"sha256": "g" * 64}}, {**_BODY, "hashes": {"crc": MD5}},
    {**_BODY, "hashes": {"md4": MD5}}, {**_BODY, "hashes": {"md5": None}}, {**_BODY, "hashes": [MD5]},
    {**_BODY, "hashes": {"etag": MD5 + "-"}}, {**_BODY, "form": "bundle"}, {**_BODY, "form": 1},
    {**_BODY, "did": "x"}, {**_BODY, "did": "a b/" + str(uuid.UUID(int=1))}, {**_BODY, "did": 5},
    {**_BODY, "did": str(uuid.UUID(int=10**30)).upper()}, {**_BODY, "baseid": "x"}, {**_BODY, "urls": "s3://x"},
    {**_BODY, "urls": [1]}, {**_BODY, "urls": [""]}, {**_BODY, "urls": ["s3://a\x00b"]}, {**_BODY, "urls": ["http://[x"]},
    {**_BODY, "urls": ["x" * 5000]}, {**_BODY, "urls": ["s3://a"] * 1001},
    {**_BODY, "urls_metadata": {"s3://no": {"a": "b"}}}, {**_BODY, "urls_metadata": {"s3://no": "x"}},
    {**_BODY, "authz": "/programs/LAB"}, {**_BODY, "authz": ["programs/LAB"]}, {**_BODY, "authz": ["/a\x00"]},
    {**_BODY, "acl": [None]}, {**_BODY, "file_name": "a\x00b"}, {**_BODY, "file_name": "x" * 2000},
    {**_BODY, "file_name": 3}, {**_BODY, "metadata": []}, {**_BODY, "metadata": {"a": "\x00"}},
    {**_BODY, "metadata": {"\x00": 1}}, {**_BODY, "version": "\x00"}, {**_BODY, "uploader": ["a"]},
    {**_BODY, "description": "x\x01"}, {**_BODY, "content_created_date": "yesterday"},
    {**_BODY, "content_created_date": "0001-01-01T00:00:00+14:00"},
    {**_BODY, "content_updated_date": "2020-01-01T00:00:00"},
    {**_BODY, "content_created_date": "2020-01-02T00:00:00", "content_updated_date": "2020-01-01T00:00:00Z"},
    {**_BODY, "unknown": 1}, {**_BODY, "urls_metadata": {"s3://a": {"b": "c"}}, "urls": ["s3://b"]},
]  # fmt: skip


def test_bad_records(commons: Commons) -> None:
    place = commons.path("SHUT")
    for body in BAD_BODIES:
        sent = {"authz": [place], **body} if isinstance(body, dict) and body else body
        answer = commons.call("POST", "/index/", json=sent)
        assert answer.status_code == 400, (body, answer.status_code, answer.text)
        assert answer.json()["error"], body
    deep = b'{"form":"object","size":1,"hashes":{"md5":"%s"},"metadata":{"a":%s%s}}' % (
        MD5.encode(), b"[" * 100_000, b"]" * 100_000,
    )  # fmt: skip
    for raw, status in ((deep, 413), (b"{", 400), (b"", 400), (b"\xff\xfe", 400), (b'{"size":1e999}', 400),
                        (b'{"metadata":{"a":"\\ud800"}}', 400), (b" " * 5_000_000, 413)):  # fmt: skip
        answer = commons.call("POST", "/index/", content=raw)
        assert answer.status_code == status, (raw[:40], answer.text[:200])
    nested = {**_BODY, "authz": [place], "metadata": {"a": json.loads("[" * 90 + "]" * 90), "big": 10**400}}
    assert commons.call("POST", "/index/", json=nested).status_code in (200, 400)


def test_bad_changes(commons: Commons) -> None:
    made = commons.add(urls=["s3://a"])
    did, rev = made["did"], made["rev"]
    for body in (
        {"size": 1}, {"hashes": {}}, {"did": did}, {"urls": None}, {"acl": "a"}, {"authz": ["x"]}, {"metadata": None},
        {"urls_metadata": {"s3://b": {"x": "y"}}}, {"version": 1}, {"file_name": "\x00"}, [], "x", {"form": "object"},
        {"content_updated_date": "2020-01-01T00:00:00Z"}, {"uploader": "admin@example.org"},
    ):  # fmt: skip
        answer = commons.call("PUT", f"/index/{did}?rev={rev}", json=body)
        assert answer.status_code == 400, (body, answer.text)
    for body in ({"size": 5}, {"hashes": {"md5": MD5}}, {"size": 5, "hashes": {}}, {"size": 6, "hashes": {"md5": MD5}},
                 {"size": 5, "hashes": {"md5": "0" * 32}}, {"size": 5, "hashes": {"sha1": "0" * 40}}):  # fmt: skip
        assert commons.call("PUT", f"/index/blank/{did}?rev={rev}", json=body).status_code == 400, body
    for body in ({}, {"aliases": ["x"]}, {"aliases": [{"value": 1}]}, {"aliases": [{"value": did}]},
                 {"aliases": [{"value": "a\x00"}]}, {"aliases": [{"value": "a"}, {"value": "a"}]}):  # fmt: skip
        assert commons.call("POST", f"/index/{did}/aliases", json=body).status_code == 400, body
    for body in ([], {}, "x", [1], [None], {"ids": []}):
        assert commons.call("POST", "/bulk/documents", json=body).status_code == 400, body
    assert commons.call("POST", "/bulk/documents", json=["x"] * 30_000).status_code == 413
    assert commons.call("GET", f"/index/{did}").json()["rev"] == rev


def test_bad_queries(commons: Commons) -> None:
    for query in (
        "limit=1025", "limit=-1", "limit=x", "limit=99999999999999999999", "page=-1", "page=x",
        "page=99999999999999999", "size=-1", "size=x", "size=9223372036854775808", "hash=md5", "hash=md5:abc",
        "hash=:", "hash=foo:bar",
        "metadata=a", "metadata=:b", "urls_metadata=x", "urls_metadata=[]", 'urls_metadata={"a":1}',
        'urls_metadata={"a":{"b":1}}', "negate_params=x", 'negate_params={"size":1}', 'negate_params={"urls":"x"}',
        'negate_params={"metadata":{"a":1}}', "form=x", "file_name=%00", "start=%00", "acl=%00", "url=%00",
        "metadata=a:%00", "start=" + "x" * 2000, "negate_params=" + "[" * 5000,
    ):  # fmt: skip
        answer = commons.call("GET", f"/index/?{query}")
        assert answer.status_code == 400, (query[:60], answer.status_code, answer.text[:200])
        assert answer.json()["error"]
    for path in (
        "/_query/urls/q?version=maybe", "/_query/urls/q?limit=x", "/_query/urls/q?fields=rev",
        "/_query/urls/q?include=%00",
        "/_query/urls/metadata/q", "/urls/?hash=x", "/urls/?size=a", "/guid/mint?count=10001", "/guid/mint?count=-1",
        "/index/x%00", f"/index/{uuid.uuid4()}/latest?has_version=perhaps",
    ):  # fmt: skip
        assert commons.call("GET", path).status_code == 400, path
    for path in ("/index/" + "x" * 3000, "/" + "x" * 3000, "/index/%ED%A0%80", "/a/b/c/d", "/index/1e9"):
        assert commons.call("GET", path).status_code in (400, 404), path


def test_health_and_whole(commons: Commons) -> None:
    assert commons.call("GET", "/_status", None).text == "Healthy"
    assert commons.call("GET", "/_version", None).status_code == 200
    assert commons.call("GET", "/_dist", None).json() == []
    assert commons.call("GET", "/guid/prefix", None).json() == {"prefix": ""}
    assert len({*commons.call("GET", "/guid/mint?count=500", None).json()["guids"]}) == 500
    commons.add(size=7)
    mine, nobodys = (commons.call("GET", "/_stats", who).json() for who in ("reader", "nobody"))
    assert mine["fileCount"] > nobodys["fileCount"] >= 0
    assert set(mine) == {"fileCount", "totalFileSize"}
