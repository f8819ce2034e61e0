"""The unmodified SDK 4.28.5: every method of Gen3Index that talks to the index, and the client below it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.clients import run_client
from tests.index.conftest import Commons

SCRIPT = r"""
import asyncio, json, sys
from gen3.auth import Gen3Auth
from gen3.index import Gen3Index

open_path, closed_path, me, plain = sys.argv[1:5]
auth = Gen3Auth(refresh_file="credentials.json")
index = Gen3Index(auth)
out = {"healthy": index.is_healthy(), "version": bool(index.get_version()["version"]), "before": index.get_stats()}
md5, other = "0123456789abcdef0123456789abcdef", "f" * 32
urls = ["s3://foreign/one.bam", "https://example.org/one.bam"]

def made(path, **more):
    values = dict(hashes={"md5": md5}, size=11, urls=urls, authz=[path], file_name="one.bam",
                  metadata={"origin": "lab"}, acl=["a"], urls_metadata={urls[0]: {"state": "ok"}})
    return index.create_record(**{**values, **more})

guids = index.get_valid_guids(count=3)
out["guids"], out["prefix"] = len(set(guids)), index.get_guids_prefix()
one = made(open_path, did="dg.77/" + guids[0], version="v1", description="text",
           content_created_date="2020-01-02T03:04:05", content_updated_date="2021-01-02T03:04:05.5Z")
out["one"] = one
closed = made(closed_path)
out["closed"] = {key: closed[key] for key in ("urls", "uploader", "authz", "size", "urls_metadata")}
again = index.get_record_doc(one["did"]).to_json()
out["get_record"] = index.get_record(one["did"]) == one == index.get(one["did"]) == again
out["missing"] = index.get_record(guids[1])

# queries, without a token as the SDK sends them: what everybody may read
found = index.get_with_params({"hashes": {"md5": md5}, "size": 11, "metadata": {"origin": "lab"}})
out["params"] = found["did"] == one["did"]
out["no params"] = index.get_with_params({"hashes": {"md5": other}})
out["all"] = [r["did"] for r in index.get_all_records(limit=1, paginate=True)]
out["page"] = [[r["did"] for r in index.get_records_on_page(limit=1, page=n)] for n in (0, 1, 9)]
out["urls"] = index.get_urls(hashes="md5:" + md5, size=11, guids=[one["did"], closed["did"]])
out["query"] = index.query_urls("foreign/one")
out["no query"] = index.query_urls("nothing-like-this")

# many, with the token
out["bulk"] = sorted(r["did"] for r in index.get_records([one["did"], closed["did"], guids[2]])) == sorted(
    [one["did"], closed["did"]])
out["bulk urls"] = sorted(index.get_records([closed["did"]])[0]["urls"]) == sorted(urls)

# changes: what the SDK did not see is not lost
index.update_record(closed["did"], file_name="two.bam", metadata={"origin": "other"})
seen = index.get_records([closed["did"]])[0]
about = seen["urls_metadata"][urls[0]]
out["update"] = [seen["file_name"], seen["metadata"], sorted(seen["urls"]) == sorted(urls), about]
index.update_record(closed["did"], urls=["https://example.org/new"], authz=[closed_path], version="v2")
seen = index.get_records([closed["did"]])[0]
out["update urls"] = [seen["urls"], seen["version"], seen["acl"]]

# versions
second = index.create_new_version(one["did"], {"md5": other}, 12, authz=[open_path], version="v2", file_name="one.bam")
third = index.create_new_version(second["did"], {"md5": other}, 13, did=guids[1], authz=[open_path])
out["versions"] = [r["size"] for r in index.get_versions(one["did"])]
out["latest"] = [index.get_latest_version(one["did"])["size"], index.get_latest_version(one["did"], True)["size"]]
out["same base"] = len({r["baseid"] for r in (one, second, third)})

# blank
blank = index.create_blank(me, "up.bin")
out["blank"] = [blank["size"], blank["hashes"], blank["urls"], blank["authz"]]
filled = index.update_blank(blank["did"], blank["rev"], {"md5": md5}, 9, urls=["s3://x/y"], authz=[closed_path])
out["filled"] = [filled["size"], filled["hashes"], filled["authz"]]

# the client below: aliases, listing
index.client.add_alias_for_did("a name/of mine", one["did"])
out["alias"] = index.get("a name/of mine")["did"] == one["did"]
out["list"] = sorted(d.size for d in index.client.list_with_params(params={"hashes": {"md5": other}}))
out["not"] = sorted(d.size for d in index.client.list_with_params(negate_params={"version": "v1"}))

# the asynchronous ones
async def run():
    did = (await index.async_create_record({"sha1": "a" * 40}, 21, did=guids[2], urls=urls, authz=[open_path],
                                           file_name="late.bam"))["did"]
    got = await index.async_get_record(did)
    pages = await index.async_get_records_on_page(limit=2, page=0)
    by_sum = await index.async_get_records_from_checksum("a" * 40, checksum_type="sha1")
    matches = await index.async_query_urls("foreign/one")
    await index.async_update_record(did, file_name="later.bam")
    await index.async_update_record(closed["did"], file_name="three.bam")
    return [got["file_name"], len(pages), [r["did"] == did for r in by_sum], len(matches),
            (await index.async_get_record(did))["file_name"]]
out["async"] = asyncio.run(run())
seen = index.get_records([closed["did"]])[0]
out["async update"] = [seen["file_name"], seen["urls"]]

# bytes of another door
stored = index.get_record(plain)
out["stored"] = stored
changed = index.update_record(plain, file_name="renamed.txt")
out["stored update"] = [changed["file_name"], changed["urls"] == stored["urls"], changed["hashes"] == stored["hashes"]]

out["deleted"] = index.delete_record(second["did"])._deleted
out["gone"] = index.get_record(second["did"])
out["after"] = index.get_stats()
print("RESULT" + json.dumps(out))
"""


@pytest.fixture(scope="module")
def said(commons: Commons, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    home: Path = tmp_path_factory.mktemp("sdk")
    (home / "credentials.json").write_text(json.dumps(commons.keys["curator"]))
    plain = commons.put_file("PUB", "in/plain.txt", b"hello")
    commons.said_plain = plain
    done = run_client(
        "gen3", SCRIPT, commons.path("PUB"), commons.path("SHUT"), "curator@example.org", plain, folder=home,
        environment={"GEN3SDK_MAX_RETRIES": "1"},
    )  # fmt: skip
    line = next((line for line in done.stdout.splitlines() if line.startswith("RESULT")), None)
    assert line is not None, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}\n{commons.running.output[-3000:]}"
    return json.loads(line.removeprefix("RESULT"))


def test_reads(commons: Commons, said: dict[str, Any]) -> None:
    one = said["one"]
    assert said["healthy"]
    assert said["version"]
    assert said["guids"] == 3
    assert said["prefix"] == ""
    assert {
        "size": 11, "file_name": "one.bam", "version": "v1", "description": "text", "acl": ["a"], "form": "object",
        "authz": [commons.path("PUB")], "metadata": {"origin": "lab"}, "uploader": None,
        "content_created_date": "2020-01-02T03:04:05.000000", "content_updated_date": "2021-01-02T03:04:05.500000",
        "urls": ["s3://foreign/one.bam", "https://example.org/one.bam"],
        "urls_metadata": {"s3://foreign/one.bam": {"state": "ok"}, "https://example.org/one.bam": {}},
    }.items() <= one.items()  # fmt: skip
    assert one["did"].startswith("dg.77/")
    assert len(one["rev"]) == 8
    assert one["created_date"] == one["updated_date"]
    assert said["closed"] == {
        "urls": [], "uploader": None, "authz": [commons.path("SHUT")], "size": 11, "urls_metadata": {}
    }  # fmt: skip
    assert said["get_record"] is True
    assert said["missing"] is None


def test_queries(said: dict[str, Any]) -> None:
    one = said["one"]["did"]
    assert said["params"] is True
    assert said["no params"] is None
    assert sorted(said["all"]) == said["all"]
    assert len(said["all"]) == 2
    assert one in said["all"]
    assert said["page"] == [[said["all"][0]], [said["all"][1]], []]
    (urls,) = said["urls"]
    assert {entry["url"]: entry["metadata"] for entry in urls} == said["one"]["urls_metadata"]
    assert said["query"] == [{"did": one, "urls": ["s3://foreign/one.bam"]}]
    assert said["no query"] == []
    assert said["bulk"] is True
    assert said["bulk urls"] is True
    assert said["list"] == [12, 13]
    assert said["not"] == [5, 12, 13]
    assert said["alias"] is True


def test_writes(commons: Commons, said: dict[str, Any]) -> None:
    assert said["update"] == ["two.bam", {"origin": "other"}, True, {"state": "ok"}]
    assert said["update urls"] == [["https://example.org/new"], "v2", ["a"]]
    assert said["versions"] == [11, 12, 13]
    assert said["latest"] == [13, 12]
    assert said["same base"] == 1
    assert said["blank"] == [None, {}, [], []]
    assert said["filled"] == [9, {"md5": "0123456789abcdef0123456789abcdef"}, [commons.path("SHUT")]]
    assert said["async"] == ["late.bam", 2, [True], 2, "later.bam"]
    assert said["async update"] == ["three.bam", ["https://example.org/new"]]
    assert said["deleted"] is True
    assert said["gone"] is None
    assert said["before"] == {"fileCount": 1, "totalFileSize": 5}
    assert said["after"] == {"fileCount": 4, "totalFileSize": 5 + 11 + 13 + 21}


def test_bytes_of_other_doors(commons: Commons, said: dict[str, Any]) -> None:
    stored = said["stored"]
    assert stored["urls"] == [f"{commons.running.url}/user/data/download/{commons.said_plain}?redirect"]
    assert stored["hashes"]["md5"] == "5d41402abc4b2a76b9719d911017c592"
    assert stored["size"] == 5
    assert stored["authz"] == [commons.path("PUB")]
    assert stored["baseid"] == stored["did"]
    assert said["stored update"] == ["renamed.txt", True, True]
