"""Upload and download under ``/user/data`` (contracts/gen3.md 3.4), on the wire."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence
from typing import Any

import httpx
import pytest

from tests.gen3.conftest import PROGRAM, Gen3, run_sql

DATA = "/user/data"
BYTES = bytes(range(256)) * 40
MD5 = hashlib.md5(BYTES).hexdigest()


def authz(project: str) -> str:
    return f"/programs/{PROGRAM}/projects/{project.split('/')[2]}"


def upload(gen3: Gen3, name: str = "a.bin", *, project: str | None = None, who: str = "writer", **more: Any) -> dict:
    body = {"file_name": name, **({"authz": [authz(project)]} if project else {}), **more}
    answer = gen3.call("POST", f"{DATA}/upload", who, json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


def stored(gen3: Gen3, data: bytes = BYTES, **more: Any) -> str:
    made = upload(gen3, **more)
    answer = httpx.put(made["url"], content=data)
    assert answer.status_code == 200, answer.text
    return made["guid"]


def record(gen3: Gen3, guid: str) -> dict[str, Any]:
    """The file behind a record."""
    (row,) = run_sql(
        gen3.dsn,
        "select f.*, g.code || '-' || p.code as project_id, p.kind from files f join projects p on p.seq = f.project "
        "join programs g on g.seq = p.program where f.uuid = $1::text::uuid",
        guid[-36:],
    )
    return row


def events(gen3: Gen3, action: str, target: str) -> Sequence[dict[str, Any]]:
    return run_sql(gen3.dsn, "select * from audit_events where action = $1 and target = $2", action, target)


def test_a_blank_record_gets_its_bytes_at_once(gen3: Gen3) -> None:
    project = gen3.project()
    made = upload(gen3, "counts.h5ad", project=project)
    assert uuid.UUID(made["guid"])
    before = record(gen3, made["guid"])
    assert (before["state"], before["size"], before["blob"], before["name"]) == (
        "registered",
        None,
        None,
        "counts.h5ad",
    )
    assert gen3.call("GET", f"{DATA}/download/{made['guid']}", "writer").status_code == 404
    assert httpx.put(made["url"], content=BYTES).status_code == 200
    after = record(gen3, made["guid"])
    assert (after["size"], after["md5"].hex(), after["state"]) == (len(BYTES), MD5, "stored")
    assert after["project_id"] == f"{PROGRAM}-{project.split('/')[2]}"
    # the same again is no harm; the address lives on and is for a PUT to this one upload
    assert httpx.put(made["url"], content=BYTES).status_code == 200
    assert httpx.get(made["url"]).status_code in (403, 405)
    answer = gen3.call("GET", f"{DATA}/download/{made['guid']}?expires_in=100", "writer")
    got = httpx.get(answer.json()["url"])
    assert (got.content, got.headers["content-length"]) == (BYTES, str(len(BYTES)))
    assert "counts.h5ad" in got.headers["content-disposition"]
    part = httpx.get(answer.json()["url"], headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, BYTES[10:20])


def test_without_a_place_the_record_stands_in_the_uploaders_home(gen3: Gen3) -> None:
    guid = stored(gen3, who="nobody")
    assert record(gen3, guid)["project_id"].startswith("u")
    assert record(gen3, guid)["uploader"] == "nobody@example.org"
    assert gen3.call("GET", f"{DATA}/download/{guid}", "nobody").status_code == 200
    # others do not get it, signed in or not: 401, as of a Gen3 commons
    refused = gen3.call("GET", f"{DATA}/download/{guid}", "reader")
    assert (refused.status_code, list(refused.json())) == (401, ["message"])
    assert gen3.call("GET", f"{DATA}/download/{guid}", None).status_code == 401
    assert gen3.call("GET", f"{DATA}/upload/{guid}?file_name=x", "reader").status_code == 401
    assert gen3.call("DELETE", f"{DATA}/{guid}", "reader").status_code == 403
    assert gen3.call("DELETE", f"{DATA}/{guid}", None).status_code == 401
    gone = gen3.call("DELETE", f"{DATA}/{guid}", "nobody")
    assert (gone.status_code, gone.content) == (204, b"")
    assert gen3.call("GET", f"{DATA}/download/{guid}", "nobody").status_code == 404
    assert gen3.call("DELETE", f"{DATA}/{guid}", "nobody").status_code == 404


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"", 400, "expected application/json"),
        (b"[]", 400, "object"),
        (b"{", 400, "JSON"),
        (b"{}", 400, "file_name"),
        (b'{"file_name": 3}', 400, "text"),
        (b'{"file_name": ""}', 400, "text"),
        (b'{"file_name": "a\\u0000"}', 400, ""),
        (b'{"file_name": "\\ud800"}', 400, ""),
        (b'{"file_name": "a", "authz": "/programs"}', 400, "list"),
        (b'{"file_name": "a", "authz": ["/programs/NO/projects/NO"]}', 403, ""),
        (b'{"file_name": "a", "expires_in": "soon"}', 400, "positive"),
        (b'{"file_name": "a", "expires_in": -1}', 400, "positive"),
        (b'{"file_name": "a", "bucket": "theirs"}', 403, "bucket"),
        (b'{"file_name": "a", "guid": "00000000-0000-4000-8000-000000000000"}', 404, ""),
        (b'{"file_name": "a", "guid": 7}', 400, "text"),
    ],
)
def test_bad_uploads_are_told(gen3: Gen3, body: bytes, status: int, words: str) -> None:
    answer = gen3.call("POST", f"{DATA}/upload", "writer", content=body)
    assert answer.status_code == status, answer.text
    assert words in answer.json()["message"]


def test_who_may_not_create_makes_nothing(gen3: Gen3) -> None:
    project = gen3.project()
    for who, status in (("reader", 403), ("nobody", 403), (None, 401)):
        body = {"file_name": "x", "authz": [authz(project)]}
        assert gen3.call("POST", f"{DATA}/upload", who, json=body).status_code == status
    assert gen3.call("POST", f"{DATA}/multipart/init", None, json={"file_name": "x"}).status_code == 401
    count = run_sql(
        gen3.dsn,
        "select count(*) n from files f join projects p on p.seq = f.project where p.code = $1",
        project.split("/")[2],
    )
    assert count[0]["n"] == 0


def test_protocols_and_redirects(gen3: Gen3) -> None:
    guid = stored(gen3, project=gen3.project())
    for protocol, status in (("http", 200), ("https", 200), ("s3", 200), ("gs", 404), ("ftp", 404)):
        assert gen3.call("GET", f"{DATA}/download/{guid}?protocol={protocol}", "writer").status_code == status
    sent = gen3.call("GET", f"{DATA}/download/{guid}?redirect", "writer")
    assert (sent.status_code, sent.content) == (302, b"")
    assert httpx.get(sent.headers["location"]).content == BYTES
    for seconds in ("0", "-5", "x", "1e3", "\N{ARABIC-INDIC DIGIT THREE}"):
        assert gen3.call("GET", f"{DATA}/download/{guid}", "writer", params={"expires_in": seconds}).status_code == 400
    assert gen3.call("GET", f"{DATA}/download/{guid}?expires_in=99999999999999999999", "writer").status_code == 200
    for unknown in (uuid.uuid4(), "no guid", "a/b/c", "%00", "dg.1/" + guid):
        assert gen3.call("GET", f"{DATA}/download/{unknown}", "writer").status_code in (400, 404)
    assert gen3.call("GET", f"{DATA}/buckets", None).json() == {"S3_BUCKETS": {}, "GS_BUCKETS": {}}
    assert gen3.running.client.get("/wts/external_oidc/").json() == {"providers": []}


def test_many_addresses(gen3: Gen3) -> None:
    project = gen3.project()
    guids = [stored(gen3, b"%d" % n, name=f"f{n}", project=project) for n in range(12)]
    blank = upload(gen3, project=project)["guid"]
    other = stored(gen3, who="admin", name="other")  # in the admin's home
    unknown = str(uuid.uuid4())

    def ask(ids: list[str], who: str | None = "writer") -> httpx.Response:
        return gen3.call("POST", f"{DATA}/download/bulk", who, json={"guids": ids})

    answer = ask([*guids, blank, other, unknown, "x"])
    assert answer.status_code == 200, answer.text
    found = {one["drs_object_id"]: one["url"] for one in answer.json()["urls"]}
    assert list(found) == guids
    assert httpx.get(found[guids[7]]).content == b"7"
    failed = {one["error_code"]: set(one["object_ids"]) for one in answer.json()["failed_guids"]}
    assert failed == {404: {blank, other, unknown, "x"}}
    # viewers see the records and may not download
    refused = ask(guids[:2], "reader").json()
    assert refused == {"urls": [], "failed_guids": [{"error_code": 401, "object_ids": guids[:2]}]}
    assert ask(["x"] * 1001).status_code == 413
    for wrong in ({}, {"guids": "x"}, {"guids": [1]}, []):
        assert gen3.call("POST", f"{DATA}/download/bulk", "writer", json=wrong).status_code == 400


def test_many_uploads_are_in_the_audit_with_their_door(gen3: Gen3) -> None:
    guid = stored(gen3, name="told.bin", project=gen3.project())
    path = record(gen3, guid)["path"]
    (made,) = events(gen3, "file.add", path) or events(gen3, "file.replace", path)
    assert (made["door"], made["who_label"], made["result"]) == ("gen3", "writer@example.org", "ok")


# --- in parts ---------------------------------------------------------------------------------------


def init(gen3: Gen3, who: str = "writer", **body: Any) -> dict[str, str]:
    answer = gen3.call("POST", f"{DATA}/multipart/init", who, json={"file_name": "big/file.bin", **body})
    assert answer.status_code == 201, answer.text
    return answer.json()


def part(gen3: Gen3, made: dict[str, str], number: Any, who: str = "writer", **more: Any) -> httpx.Response:
    body = {"key": f"{made['guid']}/big/file.bin", "uploadId": made["uploadId"], "partNumber": number, **more}
    return gen3.call("POST", f"{DATA}/multipart/upload", who, json=body)


def complete(gen3: Gen3, made: dict[str, str], parts: Any, who: str = "writer", **more: Any) -> httpx.Response:
    body = {"key": f"{made['guid']}/big/file.bin", "uploadId": made["uploadId"], "parts": parts, **more}
    return gen3.call("POST", f"{DATA}/multipart/complete", who, json=body)


def test_parts_in_any_order_as_the_client_of_gen3_sends_them(gen3: Gen3) -> None:
    made = init(gen3)
    pieces = {1: b"a" * 70_000, 2: b"b" * 70_000, 3: b""}
    etags: dict[int, str] = {}
    for number in (3, 1, 2, 1):
        url = part(gen3, made, number).json()["presigned_url"]
        answer = httpx.put(url, content=pieces[number])
        assert answer.status_code == 200
        etags[number] = answer.headers["etag"].strip('"')
    assert etags[1] == hashlib.md5(pieces[1]).hexdigest()
    sent = [{"PartNumber": number, "ETag": etags[number]} for number in (1, 2, 3)]
    for who in ("reader", "admin"):  # an upload is its maker's alone
        assert part(gen3, made, 1, who).status_code == 404
        assert complete(gen3, made, sent, who).status_code == 404
    assert complete(gen3, made, [{"PartNumber": 9, "ETag": "x"}]).status_code == 400
    answer = complete(gen3, made, sent)
    assert (answer.status_code, answer.json()) == (200, {"message": "OK"})
    assert complete(gen3, made, sent).status_code == 200  # again: no harm
    whole = b"".join(pieces[number] for number in (1, 2, 3))
    assert record(gen3, made["guid"])["md5"] == hashlib.md5(whole).digest()
    url = gen3.call("GET", f"{DATA}/download/{made['guid']}", "writer").json()["url"]
    assert httpx.get(url).content == whole


def test_parts_for_a_record_that_is_there(gen3: Gen3) -> None:
    blank = upload(gen3, project=gen3.project())["guid"]
    made = init(gen3, guid=blank)
    assert made["guid"] == blank
    url = part(gen3, made, 1).json()["presigned_url"]
    etag = httpx.put(url, content=BYTES).headers["etag"]
    assert complete(gen3, made, [{"PartNumber": 1, "ETag": etag}]).status_code == 200
    assert record(gen3, blank)["md5"].hex() == MD5
    assert (
        gen3.call("POST", f"{DATA}/multipart/init", "reader", json={"file_name": "x", "guid": blank}).status_code == 403
    )


def test_wrong_parts_are_told(gen3: Gen3) -> None:
    made = init(gen3)
    for number, status in ((0, 400), (10_001, 400), (-1, 400), ("1", 400), (None, 400), (True, 400), (1.5, 400)):
        assert part(gen3, made, number).status_code == status
    for parts in (None, {}, [], [1], [{"PartNumber": 1}], [{"PartNumber": "1", "ETag": "x"}], "x"):
        assert complete(gen3, made, parts).status_code == 400
    other = init(gen3)
    assert part(gen3, {**made, "guid": other["guid"]}, 1).status_code == 404
    for name in ("nope", str(uuid.uuid4()), "", 5):
        assert part(gen3, made, 1, uploadId=name).status_code in (400, 404)
    whole = upload(gen3)  # an upload in one piece is none in parts
    name = whole["url"].partition("?")[0].rpartition("/")[2]
    assert part(gen3, {"guid": whole["guid"], "uploadId": name}, 1).status_code == 404
    assert gen3.call("POST", f"{DATA}/multipart/upload", "writer", json={}).status_code == 400


# --- what happens to the record while the bytes are on their way ------------------------------------


def test_an_address_that_was_used_brings_no_deleted_record_back(gen3: Gen3) -> None:
    project = gen3.project()
    place = {"version": 0, "resource_paths": [authz(project)]}
    made = upload(gen3, project=project)
    answer = gen3.call("POST", "/mds/objects", "writer", json={"file_name": "o.bin", "authz": place})
    for guid, url in ((made["guid"], made["url"]), (answer.json()["guid"], answer.json()["upload_url"])):
        assert httpx.put(url, content=BYTES).status_code == 200
        assert httpx.put(url, content=BYTES).status_code == 200  # harmless repeat
        assert gen3.call("DELETE", f"{DATA}/{guid}", "writer").status_code == 204
        assert httpx.put(url, content=b"other").status_code == 404
        assert gen3.call("GET", f"/index/index/{guid}", "writer").status_code == 404


def test_bytes_have_no_hash_that_nobody_checked(gen3: Gen3) -> None:
    """What was said of other bytes, or of none that a checked digest names, goes when bytes come."""
    sha1 = hashlib.sha1(BYTES).hexdigest()

    def send(guid: str, data: bytes) -> set[str]:
        url = gen3.call("GET", f"{DATA}/upload/{guid}", "writer").json()["url"]
        assert httpx.put(url, content=data).status_code == 200
        return set(gen3.call("GET", f"/index/index/{guid}", "writer").json()["hashes"])

    project = gen3.project()
    for said, kinds in (({"md5": MD5, "sha1": sha1}, {"md5", "sha1", "sha256"}), ({"sha1": sha1}, {"md5", "sha256"})):
        guid = upload(gen3, project=project)["guid"]
        rev = gen3.call("GET", f"/index/index/{guid}", "writer").json()["rev"]
        body = {"size": len(BYTES), "hashes": said}
        assert gen3.call("PUT", f"/index/index/blank/{guid}?rev={rev}", "writer", json=body).status_code == 200
        assert send(guid, BYTES) == kinds
        assert send(guid, b"other") == {"md5", "sha256"}


def test_bytes_follow_their_record_and_end_with_it(gen3: Gen3) -> None:
    first, second = gen3.project(), gen3.project()

    def moved(guid: str, **changes: Any) -> None:
        rev = gen3.call("GET", f"/index/index/{guid}", "writer").json()["rev"]
        answer = gen3.call("PUT", f"/index/index/{guid}?rev={rev}", "writer", json=changes)
        assert answer.status_code == 200, answer.text

    made = upload(gen3, "m.bin", project=first)
    moved(made["guid"], authz=[authz(second)], file_name="renamed.bin")
    assert httpx.put(made["url"], content=BYTES).status_code == 200
    there = record(gen3, made["guid"])
    assert (there["project_id"], there["md5"].hex()) == (f"{PROGRAM}-{second.split('/')[2]}", MD5)
    assert gen3.call("GET", f"/index/index/{made['guid']}", "writer").json()["file_name"] == "renamed.bin"

    begun = init(gen3, authz=[authz(first)])
    url = part(gen3, begun, 1).json()["presigned_url"]
    moved(begun["guid"], authz=[authz(second)])
    etag = httpx.put(url, content=BYTES).headers["etag"]
    assert complete(gen3, begun, [{"PartNumber": 1, "ETag": etag}]).status_code == 200
    assert record(gen3, begun["guid"])["md5"].hex() == MD5

    gone, begun = upload(gen3, "d.bin", project=first), init(gen3, authz=[authz(first)])
    url = part(gen3, begun, 1).json()["presigned_url"]
    for one in (gone, begun):
        assert gen3.call("DELETE", f"{DATA}/{one['guid']}", "writer").status_code == 204
    assert httpx.put(gone["url"], content=BYTES).status_code == 404
    assert httpx.put(url, content=BYTES).status_code == 404
    assert complete(gen3, begun, [{"PartNumber": 1, "ETag": "x"}]).status_code == 404
    rows = run_sql(gen3.dsn, "select uuid from files where uuid::text = any($1)", [gone["guid"], begun["guid"]])
    assert rows == []
