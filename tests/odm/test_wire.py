"""Statuses, bodies and headers of the ODM door."""

from __future__ import annotations

import random
import uuid
from urllib.parse import quote

import pytest

from tests.gen3.conftest import run_sql
from tests.odm.conftest import FILES, Odm


def message(answer) -> str:
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert set(body) == {"error"}
    return body["error"]["message"]


@pytest.mark.parametrize(
    "query",
    [
        *("pageLimit=2001", "pageLimit=-1", "pageLimit=x", "pageLimit=", "pageOffset=-1", "pageOffset=1.5"),
        *("includeContents=yes", "includeContents=", "filter=a", "filter=a%3Db%20c%3Dd", "filter=a%3C%22x%22"),
        *("filter=(a%3Db", "filter=a%3D%22b", "query=%22open", "query=AND", "query=a%20AND", "query=NOT"),
        "filter=a%00%3Db",
    ],
)  # fmt: skip
def test_wrong_parameters(odm: Odm, query: str):
    answer = odm.get(f"?{query}")
    assert answer.status_code == 400, answer.text
    assert len(message(answer)) > 20


def test_pages(odm: Odm):
    every = [one["genestack:accession"] for one in odm.get().json()["data"]]
    last = odm.get(f"?pageLimit=3&pageOffset={len(every) - 2}").json()
    assert [one["genestack:accession"] for one in last["data"]] == every[-2:]
    assert last["meta"] == {"pagination": {"count": 2, "total": len(every), "offset": len(every) - 2, "limit": 3}}
    past = odm.get("?pageLimit=0&pageOffset=999999999999").json()
    assert past["data"] == []
    assert past["meta"]["pagination"]["total"] == len(every)


def test_table(odm: Odm):
    rows = odm.get("?includeContents=true", headers={"Accept": "text/tab-separated-values"})
    assert rows.headers["content-type"] == "text/tab-separated-values; charset=utf-8"
    assert rows.headers["x-total-count"] == str(len(odm.files))
    lines = [line.split("\t") for line in rows.text.removesuffix("\n").split("\n")]
    assert {len(line) for line in lines} == {len(lines[0])}
    assert odm.get(headers={"Accept": "image/png"}).headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("header", "status", "part"),
    [
        ("bytes=0-", 206, (0, None)),
        ("bytes=5-9", 206, (5, 10)),
        ("bytes=5-999999999", 206, (5, None)),
        ("bytes=-7", 206, (-7, None)),
        ("bytes=-99999999", 206, (0, None)),
        ("BYTES = 1 - 2", 206, (1, 3)),
        ("lines=1-2", 200, (0, None)),
        ("bytes=10-5", 400, None),
        ("bytes=", 400, None),
        ("bytes=a-b", 400, None),
        ("bytes=0-1,5-6", 400, None),
        ("bytes=99999999-", 416, None),
        ("bytes=-0", 416, None),
        ("bytes=" + "9" * 200 + "-", 400, None),
    ],
)
def test_ranges(odm: Odm, header: str, status: int, part):
    data = odm.bytes["plain.txt"]
    for method in ("GET", "HEAD"):
        answer = odm.get(f"/{odm.files['plain.txt']}/download", method=method, headers={"Range": header})
        assert answer.status_code == status
        if method == "HEAD" or part is None:
            assert method == "GET" or answer.content == b""
            continue
        assert answer.content == data[part[0] : part[1]]
        assert int(answer.headers["content-length"]) == len(answer.content)
        if status == 206:
            start = data.index(answer.content) if len(answer.content) == len(data) else part[0] % len(data)
            assert answer.headers["content-range"] == f"bytes {start}-{start + len(answer.content) - 1}/{len(data)}"
    if status == 416:
        assert odm.get(f"/{odm.files['plain.txt']}/download", headers={"Range": header}).headers["content-range"] == (
            f"bytes */{len(data)}"
        )


def test_an_empty_file_has_no_ranges(odm: Odm):
    for header in ("bytes=0-", "bytes=5-", "bytes=-1"):
        answer = odm.get(f"/{odm.files['empty.bin']}/download", headers={"Range": header})
        assert (answer.status_code, answer.content) == (200, b"")


def test_headers_of_bytes(odm: Odm):
    place = f"/{odm.files['table.tsv.gz']}/download"
    got, head = odm.get(place), odm.get(place, method="HEAD")
    assert got.content == odm.bytes["table.tsv.gz"]
    for name in ("content-type", "content-length", "etag", "last-modified", "accept-ranges", "content-disposition"):
        assert got.headers[name] == head.headers[name]
    assert got.headers["content-type"] == "application/octet-stream"
    assert "content-encoding" not in got.headers
    tag = got.headers["etag"]
    assert odm.get(place, headers={"If-None-Match": tag}).status_code == 304
    assert odm.get(place, headers={"Range": "bytes=0-1", "If-Range": '"other"'}).status_code == 200
    for good in (tag, got.headers["last-modified"]):
        assert odm.get(place, headers={"Range": "bytes=0-1", "If-Range": good}).status_code == 206
    strange = next(name for name in odm.files if name.startswith("ünï"))
    disposition = odm.get(f"/{odm.files[strange]}/download").headers["content-disposition"]
    assert "filename*=UTF-8''%C3%BCn%C3%AFcode" in disposition


def test_what_is_no_file(odm: Odm):
    project = run_sql(odm.dsn, "select seq from projects where code = 'ONE'")[0]["seq"]
    assert odm.get(f"/GSF{project}").status_code == 404
    answer = odm.get(f"/GSF{project}/download")
    assert answer.status_code == 406
    assert "cannot be downloaded" in message(answer)
    assert odm.get(f"/GSF{project}/download", who="nobody").status_code == 404
    for wrong in ("gsf1", "1000", "GSF", "GSF1a", "GSF%2F1", "%00", "GSF-1"):
        assert odm.get(f"/{wrong}").status_code == 400
        assert odm.get(f"/{wrong}/download").status_code == 400
    for absent in ("GSF99999999999999999999999999999999999999999999", "XYZ5", "GSF007"):
        assert odm.get(f"/{absent}").status_code == 404
        assert odm.get(f"/{absent}/download", method="HEAD").status_code == 404


def test_a_file_whose_bytes_are_gone(odm: Odm):
    accession = odm.put("lost/lost.bin", uuid.uuid4().bytes)
    key = run_sql(odm.dsn, "select blob from files where seq = $1", int(accession[3:]))[0]["blob"]
    path = odm.running.data / "blobs" / key[:2] / key[2:4] / key
    path.unlink()
    answer = odm.get(f"/{accession}/download")
    assert answer.status_code == 406, answer.text
    assert odm.get(f"/{accession}").status_code == 200
    run_sql(odm.dsn, "delete from files where seq = $1", int(accession[3:]))
    del odm.files["lost.bin"]
    assert odm.get(f"/{accession}").status_code == 404


def test_rights(odm: Odm):
    file = odm.files["plain.txt"]
    expected = {
        "admin": (200, 200), "curator": (200, 200), "analyst": (200, 200), "reader": (200, 403),
        "counter": (404, 404), "nobody": (404, 404), None: (401, 401),
    }  # fmt: skip
    for who, (metadata, content) in expected.items():
        assert odm.get(f"/{file}", who).status_code == metadata
        for method in ("GET", "HEAD"):
            assert odm.get(f"/{file}/download", who, method).status_code == content
        listed = odm.get("", who)
        assert listed.status_code == (401 if who is None else 200)
        if who is not None:
            total = listed.json()["meta"]["pagination"]["total"]
            # A site admin sees the files of everybody's home, too, where other tests import.
            assert total >= len(odm.files) if who == "admin" else total == (len(odm.files) if metadata == 200 else 0)
    refused = odm.get(f"/{file}/download", "reader")
    assert "download" in message(refused)
    rows = run_sql(odm.dsn, "select count(*) as n from audit_events where result = 'refused' and door = 'odm'")
    assert rows[0]["n"] >= 2
    # 401 comes before the object is looked at
    assert odm.get("/GSF999999999", None).status_code == 401


def test_as_curator(odm: Odm):
    base = "/api/v1/as-curator/files"
    for path in (base, f"{base}/{odm.files['plain.txt']}", f"{base}/{odm.files['plain.txt']}/download"):
        assert odm.get(path, "curator").status_code == 200
        assert odm.get(path, "curator").content == odm.get(path.replace("curator", "user"), "curator").content
        for who in ("analyst", "nobody"):
            answer = odm.get(path, who)
            assert answer.status_code == 403
            assert "Curator" in message(answer)
        assert odm.get(path, None).status_code == 401


def test_attributes_are_those_of_the_record_that_names_the_file(odm: Odm):
    accession = odm.put("meta/annotated.txt", b"annotated")
    seq = int(accession[3:])
    found = run_sql(odm.dsn, "select f.uuid::text as uuid, f.project from files f where seq = $1", seq)[0]

    def shown() -> dict:
        return odm.get(f"/{accession}").json()

    run_sql(odm.dsn, 'update files set extra = \'{"tissue": "own"}\' where seq = $1', seq)
    assert shown()["tissue"] == "own"
    insert = (
        "insert into records (project, type, seq, uuid, submitter_id, sid_folded, props, extra, change, created, "
        "updated) "
        "values ($1, 'data_file', nextval('commensal_seq'), gen_random_uuid(), $2, $2, $3::text::jsonb, "
        "$4::text::jsonb, 1, now(), now())"
    )
    other = run_sql(odm.dsn, "select seq from projects where code = 'TWO'")[0]["seq"]
    props = f'{{"object_id": "{found["uuid"]}", "data_type": "Table"}}'
    run_sql(odm.dsn, insert, other, "elsewhere", props, '{"tissue": "foreign"}')
    assert shown()["tissue"] == "own"
    run_sql(
        odm.dsn, insert, found["project"], "d1", props, '{"tissue": "liver", "Data Class": "Document", "n": [1, null]}'
    )
    assert {k: v for k, v in shown().items() if not k.startswith("commensal:")} == {
        "genestack:accession": accession, "genestack:name": "annotated.txt", "Data Class": "Document",
        "data_type": "Table", "n": [1, None], "tissue": "liver",
    }  # fmt: skip
    assert (
        odm.get("", params={"filter": 'tissue=liver AND "Data Class"=Document'}).json()["meta"]["pagination"]["total"]
        == 1
    )
    run_sql(odm.dsn, "update records set extra = '{\"tissue\": \"lung\"}' where sid_folded = 'd1'")
    assert shown()["tissue"] == "lung"
    assert odm.get("?query=liver").json()["data"] == []
    run_sql(odm.dsn, "delete from records where sid_folded in ('d1', 'elsewhere')")
    assert shown()["tissue"] == "own"
    assert odm.get("?query=lung").json()["data"] == []


def test_new_bytes_take_the_old_structure_away(odm: Odm):
    odm.put("again/changing.zip", odm.bytes["archive.zip"])
    assert odm.wait_contents("changing.zip")["type"] == "folder"
    accession = odm.put("again/changing.zip", b"no zip any more")
    assert accession == odm.files["changing.zip"]
    assert odm.wait_contents("changing.zip") == {"error": "The contents could not be parsed."}
    names = [one["genestack:accession"] for one in odm.get("?group=obs").json()["data"]]
    assert accession not in names


def test_structure_as_parameters(odm: Odm):
    def names(**params: str) -> list[str]:
        return [one["genestack:name"] for one in odm.get("", params=params).json()["data"]]

    assert names(fullPath="/obs/seurat_clusters") == ["loops.h5"]
    assert names(partialPath="matrix.h5/obs") == ["archive.zip"]
    assert names(dataset="seurat_*", filter="genestack:name=loops.h5") == ["loops.h5"]
    assert names(group="nothing") == []
    assert names(query='"read me"') == ["archive.zip"]


def test_nothing_makes_it_fail(odm: Odm, torture: bool):
    chance = random.Random(7)
    pieces = [
        *("a", '"', "\\", "(", ")", "=", "!=", "<", ">", "&", "&&", "|", "||", "!", " ", "AND", "OR", "NOT"),
        *("*", "?", "'"),
        *("\0", "\n", "ü", "\U0001f600", "1", "-1", "1e99", "genestack:name", "group", "fullPath", "/", "%"),
        *(":*", "x1f"),
        *("\x1f", "]", "[", "{", "+", "$", "^", "partialPath=", "dataset=[", "commensal:size>", "9" * 60, "\ufffe"),
    ]  # fmt: skip
    for _ in range(3_000 if torture else 150):
        text = "".join(chance.choice(pieces) for _ in range(chance.randrange(1, 12)))
        name = chance.choice(["filter", "query", "group", "dataset", "fullPath", "partialPath", "pageLimit"])
        answer = odm.get("", params={name: text})
        assert answer.status_code in (200, 400), (name, text, answer.text)
        ranged = odm.get(
            f"/{odm.files['plain.txt']}/download",
            headers={"Range": "bytes=" + "".join(c for c in text if " " <= c < "\x7f").strip()},
        )
        assert ranged.status_code in (200, 206, 400, 416)
        assert odm.get(f"/{quote(text, safe='')}").status_code in (400, 404)


def test_what_the_door_does_not_have(odm: Odm):
    assert odm.get("/api/v1/nothing").status_code == 404
    assert message(odm.get("/api/v1/as-user/nothing"))
    answer = odm.get("", method="POST")
    assert answer.status_code == 405
    assert "GET" in answer.headers["allow"]
    assert FILES == "/api/v1/as-user/files"
