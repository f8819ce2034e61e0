"""Data files and their index records: the four cases of contracts/gen3.md 4.8, over HTTP and with the real SDK."""

from __future__ import annotations

import hashlib
import json
import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.clients import run_client
from tests.gen3.conftest import PROGRAM, Gen3, run_sql

MD5 = hashlib.md5(b"some bytes").hexdigest()
SIZE = 10


def methylation(submitter_id: str = "f1", **more: Any) -> dict[str, Any]:
    return {
        "type": "submitted_methylation",
        "submitter_id": submitter_id,
        "core_metadata_collections": {"submitter_id": "cmc"},
        "file_name": f"{submitter_id}.idat",
        "file_size": SIZE,
        "md5sum": MD5,
        "data_category": "Methylation Data",
        "data_format": "IDAT",
        "data_type": "Methylation Intensity Values",
        **more,
    }


def some_md5() -> str:
    return uuid.uuid4().hex


@pytest.fixture
def place(gen3: Gen3) -> str:
    """A project with the collection that data files hang on."""
    return new_place(gen3)


def new_place(gen3: Gen3, **more: Any) -> str:
    place = gen3.project(**more)
    code = place.split("/")[2]
    gen3.put(place, {"type": "core_metadata_collection", "submitter_id": "cmc", "projects": {"code": code}})
    return place


def project_id(place: str) -> str:
    return place[1:].replace("/", "-")


def authz(place: str) -> str:
    return f"/programs/{PROGRAM}/projects/{place.split('/')[2]}"


def object_id(gen3: Gen3, place: str, answer: dict[str, Any], n: int = 0) -> str:
    shown = gen3.call("GET", f"{place}/entities/{answer['entities'][n]['id']}").json()["entities"][0]
    return shown["properties"]["object_id"]


def call(gen3: Gen3, method: str, path: str, who: str | None = "admin", **more: Any) -> httpx.Response:
    headers = {} if who is None else {"Authorization": f"bearer {gen3.token(who)}"}
    return gen3.running.client.request(method, path, headers=headers, **more)


def record(gen3: Gen3, did: str, who: str | None = "admin") -> dict[str, Any]:
    answer = call(gen3, "GET", f"/index/index/{did}", who)
    assert answer.status_code == 200, answer.text
    return answer.json()


def index(gen3: Gen3, who: str = "admin", **values: Any) -> str:
    body = {"form": "object", "size": SIZE, "urls": [], "hashes": {"md5": MD5}, **values}
    answer = call(gen3, "POST", "/index/index", who, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()["did"]


def uploaded(gen3: Gen3, data: bytes, who: str) -> str:
    """Upload without naming a project, as the data client does."""
    made = call(gen3, "POST", "/user/data/upload", who, json={"file_name": "up.idat"}).json()
    assert httpx.put(made["url"], content=data).status_code == 200
    return made["guid"]


def errors(answer: dict[str, Any], n: int = 0) -> list[tuple[list[str], str]]:
    return [(error["keys"], error["type"]) for error in answer["entities"][n]["errors"]]


def files_of(gen3: Gen3, place: str) -> int:
    sql = "select count(*) as n from files f join projects p on p.seq = f.project where p.code = $1"
    return run_sql(gen3.dsn, sql, place.split("/")[2])[0]["n"]


# --- the four cases ---------------------------------------------------------------------------------


def test_nothing_exists_so_a_record_is_made(gen3: Gen3, place: str) -> None:
    md5 = some_md5()
    file = methylation(md5sum=md5, urls="s3://bucket/a, gs://bucket/a", consent_codes=["GRU", "HMB"])
    answer = gen3.put(place, file, "writer")
    did = object_id(gen3, place, answer)
    assert did != answer["entities"][0]["id"]
    made = record(gen3, did)
    assert {key: made[key] for key in ("hashes", "size", "file_name", "urls", "uploader", "version")} == {
        "hashes": {"md5": md5},
        "size": SIZE,
        "file_name": "f1.idat",
        "urls": ["s3://bucket/a", "gs://bucket/a"],
        "uploader": None,
        "version": None,
    }
    assert made["authz"] == [authz(place), f"{authz(place)}/consents/GRU", f"{authz(place)}/consents/HMB"]
    assert made["acl"] == [PROGRAM, place.split("/")[2]]
    by_alias = call(gen3, "GET", f"/index/{project_id(place)}/f1", "reader")
    assert by_alias.json()["did"] == did
    assert call(gen3, "GET", f"/index/{project_id(place)}/f1", "nobody").status_code == 404
    # Who may not read sees the record by its GUID, but neither addresses nor uploader.
    assert record(gen3, did, "nobody")["urls"] == []
    (event,) = run_sql(gen3.dsn, "select * from audit_events where action = 'index.add' and target = $1", did)
    assert (event["n"], event["door"]) == (1, "gen3")

    # The same again changes nothing; new addresses replace the old ones; an empty cell leaves them.
    before = record(gen3, did)
    assert gen3.put(place, {**file, "object_id": did})["entities"][0]["action"] == "update"
    assert record(gen3, did) == before
    gen3.put(place, {"type": file["type"], "submitter_id": "f1", "urls": "s3://other/b"})
    assert record(gen3, did)["urls"] == ["s3://other/b"]
    header = "type\tsubmitter_id\tfile_name\turls\tdata_format\n"
    assert gen3.table(place, f"{header}{file['type']}\tf1\tnew name\t\tIDAT\n").status_code == 200
    assert record(gen3, did)["urls"] == ["s3://other/b"]
    assert gen3.table(place, f"{header}{file['type']}\tf1\tn\ts3://x/1,s3://x/2\tIDAT\n").status_code == 200
    assert record(gen3, did)["urls"] == ["s3://x/1", "s3://x/2"]
    assert object_id(gen3, place, answer) == did
    # The index record stays when the node goes, and is found again by its bytes.
    node = answer["entities"][0]["id"]
    assert gen3.call("DELETE", f"{place}/entities/{node}").status_code == 200
    again = gen3.put(place, methylation("f2", md5sum=md5))
    assert object_id(gen3, place, again) == did
    assert files_of(gen3, place) == 1


def test_an_open_project_has_an_open_acl(gen3: Gen3) -> None:
    place = new_place(gen3, availability_type="Open")
    answer = gen3.put(place, methylation(md5sum=some_md5()))
    assert record(gen3, object_id(gen3, place, answer))["acl"] == ["*"]
    collection = gen3.put(place, {"type": "core_metadata_collection", "submitter_id": "cmc"})["entities"][0]["id"]
    assert gen3.call("DELETE", f"{place}/entities/{answer['entities'][0]['id']},{collection}").status_code == 200
    assert gen3.call("DELETE", place).status_code == 204  # other tests count what everybody sees


def test_a_given_object_id_without_record_makes_one(gen3: Gen3, place: str) -> None:
    plain, prefixed = str(uuid.uuid4()), f"dg.TEST/{uuid.uuid4()}"
    files = [
        methylation("a", object_id=plain, md5sum=some_md5()),
        methylation("b", object_id=prefixed, md5sum=some_md5(), file_size=7),
        methylation("c", object_id=prefixed, md5sum=some_md5(), file_size=7),
    ]
    refused = gen3.put(place, files, status=400)
    assert errors(refused, 2) == [(["object_id"], "INVALID_VALUE")]
    files[2]["md5sum"] = files[1]["md5sum"]
    answer = gen3.put(place, files)
    assert [object_id(gen3, place, answer, n) for n in range(3)] == [plain, prefixed, prefixed]
    assert record(gen3, plain)["hashes"] == {"md5": files[0]["md5sum"]}
    assert (record(gen3, prefixed)["did"], record(gen3, prefixed)["size"]) == (prefixed, 7)
    assert files_of(gen3, place) == 2


def test_a_given_object_id_that_another_project_keeps(gen3: Gen3, place: str) -> None:
    """The GUID of a deleted record of another project, or of a document of the site, makes no record here."""
    other = new_place(gen3)
    deleted, documented = str(uuid.uuid4()), str(uuid.uuid4())
    gen3.put(other, methylation("a", object_id=deleted, md5sum=some_md5()))
    assert call(gen3, "DELETE", f"/user/data/{deleted}", "admin").status_code == 204
    assert call(gen3, "POST", f"/mds-admin/metadata/{documented}", "admin", json={"a": 1}).status_code == 201
    files = [methylation(one, object_id=one, md5sum=some_md5()) for one in (deleted, documented)]
    refused = gen3.put(place, files, "writer", status=400)
    assert [errors(refused, n) for n in (0, 1)] == [[(["object_id"], "INVALID_VALUE")]] * 2
    assert files_of(gen3, place) == 0


def test_a_record_of_the_same_bytes_is_found(gen3: Gen3, place: str) -> None:
    md5 = some_md5()
    here = index(gen3, "writer", hashes={"md5": md5}, authz=[authz(place)], urls=["s3://b/k"])
    answer = gen3.put(place, [methylation("a", md5sum=md5), methylation("b", md5sum=md5, file_size=SIZE + 1)], "writer")
    assert object_id(gen3, place, answer) == here
    other = object_id(gen3, place, answer, 1)
    assert (other != here, record(gen3, other)["size"]) == (True, SIZE + 1)
    # Two files of the same new bytes in one document are one object.
    twin = some_md5()
    answer = gen3.put(place, [methylation("c", md5sum=twin), methylation("d", md5sum=twin)])
    assert object_id(gen3, place, answer, 0) == object_id(gen3, place, answer, 1)
    # Elsewhere only what the caller may read is found.
    elsewhere, secret = new_place(gen3), some_md5()
    hidden = index(gen3, "admin", hashes={"md5": secret}, authz=[authz(elsewhere)])
    mine = object_id(gen3, place, gen3.put(place, methylation("e", md5sum=secret), "writer"))
    assert mine == hidden, "the writer may read the whole program"
    program = "X" + uuid.uuid4().hex[:8]
    gen3.call("POST", "", json={"type": "program", "name": program, "dbgap_accession_number": program})
    code = "Y" + uuid.uuid4().hex[:8]
    gen3.call("PUT", f"/{program}", json={"code": code, "name": code, "dbgap_accession_number": code})
    closed = some_md5()
    hidden = index(gen3, hashes={"md5": closed}, authz=[f"/programs/{program}/projects/{code}"])
    mine = object_id(gen3, place, gen3.put(place, methylation("f", md5sum=closed), "writer"))
    assert mine != hidden
    named = gen3.put(place, methylation("g", md5sum=closed, object_id=hidden), "writer", status=400)
    assert errors(named) == [(["object_id"], "INVALID_VALUE")]


def test_an_uploaded_object_is_claimed_by_its_uploader(gen3: Gen3, place: str) -> None:
    data = uuid.uuid4().bytes
    did = uploaded(gen3, data, "writer")
    assert (record(gen3, did)["authz"], record(gen3, did)["uploader"]) == ([], "writer@example.org")
    file = methylation(object_id=did, md5sum=hashlib.md5(data).hexdigest(), file_size=len(data))
    foreign = gen3.put(place, file, "admin", status=400)
    assert errors(foreign) == [(["object_id"], "INVALID_VALUE")]
    assert "somebody else" in foreign["entities"][0]["errors"][0]["message"]
    wrong = gen3.put(place, {**file, "md5sum": some_md5(), "file_size": 3}, "writer", status=400)
    assert errors(wrong) == [(["md5sum"], "INVALID_VALUE"), (["file_size"], "INVALID_VALUE")]
    dry = gen3.call("PUT", f"{place}/_dry_run", "writer", json=file)
    assert (dry.status_code, dry.json()["success"]) == (200, True)
    assert record(gen3, did)["authz"] == []
    # Another entity that is wrong leaves everything as it was.
    gen3.put(place, [file, methylation("bad", md5sum="nonsense")], "writer", status=400)
    assert record(gen3, did)["authz"] == []
    gen3.put(place, file, "writer")
    claimed = record(gen3, did)
    assert (claimed["authz"], claimed["acl"]) == ([authz(place)], [PROGRAM, place.split("/")[2]])
    assert claimed["uploader"] is None
    assert call(gen3, "GET", f"/user/data/download/{did}", "admin").status_code == 200
    url = call(gen3, "GET", f"/user/data/download/{did}", "writer").json()["url"]
    assert httpx.get(url).content == data
    attributes = run_sql(gen3.dsn, "select s.attrs, p.code from file_search s join files f on f.seq = s.file "
                         "join projects p on p.seq = f.project where f.uuid = $1::text::uuid", did)  # fmt: skip
    assert [(json.loads(row["attrs"])["data_format"], row["code"]) for row in attributes] == [
        ("IDAT", place.split("/")[2])
    ]


def test_an_object_that_is_not_ready(gen3: Gen3, place: str) -> None:
    blank = call(gen3, "POST", "/user/data/upload", "writer", json={"file_name": "x"}).json()["guid"]
    answer = gen3.put(place, methylation(object_id=blank), "writer", status=400)
    assert errors(answer) == [(["object_id"], "INVALID_VALUE")]
    assert "not ready for metadata submission" in answer["entities"][0]["errors"][0]["message"]


# --- what is refused --------------------------------------------------------------------------------


def test_refusals_leave_nothing_behind(gen3: Gen3, place: str) -> None:
    elsewhere = new_place(gen3)
    foreign = index(gen3, authz=[authz(elsewhere)], urls=["s3://b/k"])
    stored = gen3.running.client.put(
        f"/commensal/v1/projects/{project_id(elsewhere)}/files/a.bin",
        content=b"abc",
        headers=gen3.running.bearer("admin@example.org"),
    ).json()["uuid"]
    cases: list[tuple[dict[str, Any], list[tuple[list[str], str]]]] = [
        ({"object_id": "no guid"}, [(["object_id"], "INVALID_VALUE")]),
        ({"object_id": str(uuid.uuid4()).upper()}, [(["object_id"], "INVALID_VALUE")]),
        ({"object_id": f"dg.9/{foreign}"}, [(["object_id"], "INVALID_VALUE")]),
        ({"object_id": foreign, "file_size": 11}, [(["file_size"], "INVALID_VALUE")]),
        ({"object_id": foreign, "urls": "s3://new/one"}, [(["urls"], "INVALID_PERMISSIONS")]),
        ({"file_size": -1}, [(["file_size"], "INVALID_VALUE")]),
        ({"file_size": 2**70}, [(["file_size"], "INVALID_VALUE")]),
        ({"urls": [1]}, [(["urls"], "INVALID_VALUE")]),
        ({"urls": f"{gen3.url}/user/data/download/{stored}"}, [(["urls"], "INVALID_VALUE")]),
        ({"consent_codes": ["a/b"]}, [(["consent_codes"], "INVALID_VALUE")]),
    ]
    files = [methylation(f"f{n}", **{"md5sum": some_md5(), **({"md5sum": MD5} if "object_id" in more else {}), **more})
             for n, (more, _) in enumerate(cases)]  # fmt: skip
    answer = gen3.put(place, [*files, methylation("good", md5sum=some_md5())], status=400)
    assert [errors(answer, n) for n in range(len(cases))] == [expected for _, expected in cases]
    assert files_of(gen3, place) == 0
    # An object of a project that one may read can be named; it stays where it is.
    named = gen3.put(place, methylation("named", object_id=foreign))
    assert object_id(gen3, place, named) == foreign
    assert record(gen3, foreign)["authz"] == [authz(elsewhere)]
    # The address of a file's own bytes is not stored: it is made when it is asked for.
    did = str(uuid.uuid4())
    gen3.put(place, methylation("own", object_id=did, md5sum=some_md5(),
                                urls=[f"{gen3.url}/user/data/download/{did}", "s3://b/k"]))  # fmt: skip
    assert record(gen3, did)["urls"] == ["s3://b/k"]


def test_dry_runs_write_nothing_and_their_commits_do(gen3: Gen3, place: str) -> None:
    dry = gen3.call("PUT", f"{place}/_dry_run", json=[methylation(md5sum=some_md5())]).json()
    assert (dry["success"], files_of(gen3, place)) == (True, 0)
    done = gen3.call("PUT", f"{place}/transactions/{dry['transaction_id']}/commit")
    assert (done.status_code, files_of(gen3, place)) == (200, 1)


def test_a_project_goes_with_the_index_records_that_its_nodes_left(gen3: Gen3, place: str) -> None:
    answer = gen3.put(place, methylation(md5sum=some_md5()))
    did, node = object_id(gen3, place, answer), answer["entities"][0]["id"]
    collection = gen3.put(place, {"type": "core_metadata_collection", "submitter_id": "cmc"})["entities"][0]["id"]
    assert gen3.call("DELETE", place).status_code == 400
    assert gen3.call("DELETE", f"{place}/entities/{node},{collection}").status_code == 200
    assert gen3.call("DELETE", place).status_code == 204
    assert call(gen3, "GET", f"/index/index/{did}").status_code == 404


# --- the real SDK -----------------------------------------------------------------------------------

SDK = r"""
import hashlib, json, sys
import requests
from gen3.auth import Gen3Auth
from gen3.file import Gen3File
from gen3.index import Gen3Index
from gen3.submission import Gen3Submission

program, code, md5 = sys.argv[1:4]
auth = Gen3Auth(refresh_file="credentials.json")
sub, index, file = Gen3Submission(auth), Gen3Index(auth), Gen3File(auth)
out = {}

def node(name):
    found = sub.query("query($n: [String]){submitted_methylation(submitter_id:$n){id object_id file_size}}",
                      variables={"n": [name]})["data"]["submitted_methylation"]
    return found[0]

record = json.load(open("record.json"))
made = sub.submit_record(program, code, record)                        # 4: nothing exists
out["made"] = made["success"]
did = node(record["submitter_id"])["object_id"]
out["indexed"] = index.get_record(did)["hashes"] == {"md5": md5}
out["by hash"] = [one["did"] for one in auth.curl("/index/index/?hash=md5:" + md5).json()["records"]] == [did]

second = {**record, "submitter_id": "sdk-2"}                            # 3: the same bytes
sub.submit_record(program, code, second)
out["same"] = node("sdk-2")["object_id"] == did

up = file.upload_file("up.idat")                                        # 1: uploaded before
data = b"uploaded by the SDK " + md5.encode()
assert requests.put(up["url"], data=data).status_code == 200
third = {**record, "submitter_id": "sdk-3", "object_id": up["guid"], "md5sum": hashlib.md5(data).hexdigest(),
         "file_size": len(data)}
sub.submit_record(program, code, third)
claimed = index.get_record(up["guid"])
out["claimed"] = claimed["authz"]
out["url"] = requests.get(file.get_presigned_url(up["guid"])["url"]).content == data

sub.export_node(program, code, "submitted_methylation", "tsv", filename="files.tsv")
lines = open("files.tsv").read().rstrip("\n").split("\n")
header = lines[0] + "\turls"
rows = [line + "\ts3://sdk/%d" % n for n, line in enumerate(lines[1:3])]
open("again.tsv", "w").write("\n".join([header, *rows]) + "\n")
done = sub.submit_file(f"{program}-{code}", "again.tsv")
out["file"] = (len(done["succeeded"]), done["invalid"])
out["urls"] = sorted(url for name in ("sdk-1", "sdk-2", "sdk-3")
                     for url in auth.curl("/index/index/" + node(name)["object_id"]).json()["urls"]
                     if url.startswith("s3://sdk"))

fresh = "00000000-0000-4000-8000-" + md5[:12]                           # 2: given, and nothing there
sub.submit_record(program, code, {**record, "submitter_id": "sdk-4", "object_id": fresh, "md5sum": md5[::-1]})
out["given"] = index.get_record(fresh)["hashes"] == {"md5": md5[::-1]}
try:
    sub.submit_record(program, code, {**record, "submitter_id": "sdk-5", "object_id": fresh})
except requests.HTTPError as error:
    out["mismatch"] = error.response.json()["entities"][0]["errors"][0]["keys"]
ids = ",".join(node(name)["id"] for name in ("sdk-1", "sdk-3"))
out["manifest"] = auth.curl(f"/api/v0/submission/{program}/{code}/manifest?ids={ids}").text.count("object_id")
print("RESULT" + json.dumps(out))
"""


def test_all_cases_with_the_sdk(gen3: Gen3, place: str, tmp_path: Path) -> None:
    (tmp_path / "credentials.json").write_text(json.dumps(gen3.keys["writer"]))
    md5 = some_md5()
    (tmp_path / "record.json").write_text(json.dumps(methylation("sdk-1", md5sum=md5)))
    done = run_client("gen3", SDK, *place[1:].split("/"), md5, folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT"))
    out = json.loads(line.removeprefix("RESULT"))
    assert out == {
        "made": True,
        "indexed": True,
        "by hash": True,
        "same": True,
        "claimed": [authz(place)],
        "url": True,
        "file": [2, {}],
        "urls": ["s3://sdk/1", "s3://sdk/1"],  # of two rows that name one object, the last one's
        "given": True,
        "mismatch": ["md5sum"],
        "manifest": 2,
    }
