"""The metadata service over HTTP, and every method of the unmodified SDK's Gen3Metadata against it."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import httpx

from tests.clients import run_client
from tests.gen3.conftest import Gen3

SDK = r"""
import asyncio, json, sys
import aiohttp, requests
from gen3.auth import Gen3Auth
from gen3.metadata import Gen3Metadata

guid, other, mark = sys.argv[1:4]
auth = Gen3Auth(refresh_file="credentials.json")
mds = Gen3Metadata(auth)
out = {"healthy": mds.is_healthy(), "version": mds.get_version()}

out["create"] = mds.create(guid, {"mark": mark, "a": {"b": 1}}, aliases=[mark + "-1", mark + "-2"])
try:
    mds.create(guid, {"mark": mark})
except requests.HTTPError as error:
    out["create again"] = error.response.status_code
out["overwrite"] = mds.create(guid, {"mark": mark, "a": {"b": 2}}, overwrite=True)
out["get"] = mds.get(guid)
out["get by alias"] = mds.get(mark + "-1")
out["update"] = mds.update(guid, {"mark": mark, "c": [1, 2]}, aliases=[mark + "-2", mark + "-3"])
out["batch"] = mds.batch_create([{"guid": guid, "data": {"mark": mark, "n": 1}},
                                 {"guid": other, "data": {"mark": mark, "n": "2"}}])
out["batch again"] = mds.batch_create([{"guid": guid, "data": {}}], overwrite=False)
out["query"] = mds.query("mark=" + mark)
out["query two"] = mds.query("mark=%s&n=1&n=2" % mark, return_full_metadata=True, limit=2)
out["query offset"] = mds.query("mark=" + mark, offset=1, limit=1)
out["aliases"] = mds.get_aliases(guid)
try:
    mds.create_aliases(guid, ["x"])
except requests.HTTPError as error:
    out["aliases again"] = error.response.status_code
out["update aliases"] = mds.update_aliases(guid, [mark + "-4"], merge=True)
out["delete alias"] = mds.delete_alias(guid, mark + "-4")
out["delete aliases"] = mds.delete_aliases(guid)
out["create aliases"] = mds.create_aliases(guid, [mark + "/5"])
mds.delete_aliases(guid)

out["paths"] = (mds.create_index_key_path(mark + ".a"), mark + ".a" in mds.get_index_key_paths(),
                mds.delete_index_key_path(mark + ".a").status_code, mark + ".a" in mds.get_index_key_paths())

async def later():
    out["async create"] = await mds.async_create(other, {"mark": mark}, aliases=[mark + "-a"], overwrite=True)
    out["async get"] = await mds.async_get(other)
    out["async update"] = await mds.async_update(other, {"z": 1}, aliases=[mark + "-b"], merge=True)
    try:
        out["async aliases"] = await mds.async_get_aliases(other)
    except aiohttp.ClientConnectionError:  # the method reads the answer after it has given the connection back
        out["async aliases"] = mds.get_aliases(other)
    await mds.async_delete_alias(other, mark + "-a")
    out["async one"] = await mds.async_update_aliases(other, [mark + "-c"])
    try:
        await mds.async_delete_aliases(other)
    except TypeError:  # it awaits a method instead of calling it, when the server has answered already
        pass
    out["async none"] = mds.get_aliases(other)["aliases"]
    out["async two"] = await mds.async_create_aliases(other, [mark + "-d"])

asyncio.run(later())
open_to_all = Gen3Metadata(endpoint=auth.endpoint)
out["without a token"] = open_to_all.get(other)
assert open_to_all.delete(other) is None
out["delete"] = (mds.delete(guid), mds.delete(other))
try:
    mds.get(guid)
except requests.HTTPError as error:
    out["gone"] = (error.response.status_code, error.response.json())
print("RESULT" + json.dumps(out))
"""


def test_every_method_of_gen3_metadata(gen3: Gen3, tmp_path: Path) -> None:
    (tmp_path / "credentials.json").write_text(json.dumps(gen3.keys["admin"]))
    guid, other = sorted(str(uuid.uuid4()) for _ in range(2))
    guid, mark = f"dg.1/{guid}", "m" + uuid.uuid4().hex[:8]
    environment = {"GEN3SDK_MAX_RETRIES": "1"}
    done = run_client("gen3", SDK, guid, other, mark, folder=tmp_path, environment=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    out: dict[str, Any] = json.loads(
        next(line for line in done.stdout.splitlines() if line.startswith("RESULT")).removeprefix("RESULT")
    )
    both = sorted([guid, other])
    assert out.pop("version")
    assert out == {
        "healthy": True,
        "create": {"mark": mark, "a": {"b": 1}},
        "create again": 409,
        "overwrite": {"mark": mark, "a": {"b": 2}},
        "get": {"mark": mark, "a": {"b": 2}},
        "get by alias": {"mark": mark, "a": {"b": 2}},
        "update": {"mark": mark, "c": [1, 2]},
        "batch": {"created": [other], "updated": [guid], "conflict": [], "bad_input": []},
        "batch again": {"created": [], "updated": [], "conflict": [guid], "bad_input": []},
        "query": both,
        "query two": {guid: {"mark": mark, "n": 1}, other: {"mark": mark, "n": "2"}},
        "query offset": both[1:],
        "aliases": {"guid": guid, "aliases": [f"{mark}-2", f"{mark}-3"]},
        "aliases again": 409,
        "update aliases": {"guid": guid, "aliases": [f"{mark}-2", f"{mark}-3", f"{mark}-4"]},
        "delete alias": "",
        "delete aliases": "",
        "create aliases": {"guid": guid, "aliases": [f"{mark}/5"]},
        "paths": [f"{mark}.a", True, 204, False],
        "async create": {"mark": mark},
        "async get": {"mark": mark},
        "async update": {"mark": mark, "z": 1},
        "async aliases": {"guid": other, "aliases": [f"{mark}-a", f"{mark}-b"]},
        "async one": {"guid": other, "aliases": [f"{mark}-c"]},
        "async none": [],
        "async two": {"guid": other, "aliases": [f"{mark}-d"]},
        "without a token": {"mark": mark, "z": 1},
        "delete": [{"mark": mark, "n": 1}, {"mark": mark, "z": 1}],
        "gone": [404, {"detail": f"Not found: {guid}"}],
    }


def mds(gen3: Gen3, method: str, path: str, who: str | None = "admin", **more: Any) -> httpx.Response:
    headers = {} if who is None else {"Authorization": f"bearer {gen3.token(who)}"}
    return gen3.running.client.request(method, path, headers=headers, **more)


def test_the_wire(gen3: Gen3) -> None:
    mark = "w" + uuid.uuid4().hex[:8]
    one = f"/mds-admin/metadata/{mark}"
    assert mds(gen3, "GET", "/mds/_status", None).json()["status"] == "OK"
    assert mds(gen3, "POST", one, json={mark: True, "list": [{"n": 5}]}).status_code == 201
    assert mds(gen3, "POST", one + "?overwrite=True", json={mark: True, "list": [{"n": 5}]}).status_code == 200
    for query in (f"{mark}=true", f"{mark}=*", f"list.0.n=5&{mark}=*", f"{mark}=false&{mark}=true&limit=5&offset=0"):
        assert mds(gen3, "GET", f"/mds/metadata?{query}").json() == [mark], query
    assert mds(gen3, "GET", f"/mds/metadata?{mark}=true&data=True").json() == {mark: {mark: True, "list": [{"n": 5}]}}
    assert mds(gen3, "GET", f"/mds/metadata?{mark}=\\*&data=true").json() == {}
    assert mds(gen3, "GET", f"/mds/metadata?{mark}=true&limit=0").json() == []
    assert mds(gen3, "GET", f"/mds-admin/metadata/{mark}").json()[mark] is True
    alias = mds(gen3, "POST", one + "/aliases", json={"aliases": [f"{mark}/of/a kind"]})
    assert (alias.status_code, alias.json()) == (201, {"guid": mark, "aliases": [f"{mark}/of/a kind"]})
    assert mds(gen3, "GET", f"/mds/metadata/{mark}/of/a%20kind").json()[mark] is True
    assert mds(gen3, "DELETE", f"{one}/aliases/{mark}/of/a%20kind").status_code == 204
    merged = mds(gen3, "PUT", one + "?merge=true", json={"list": 1})
    assert (merged.status_code, merged.json()) == (200, {mark: True, "list": 1})

    refusals = [
        ("GET", "/mds/metadata/nothing", "nobody", None, 404),
        ("GET", "/mds/metadata/nothing", None, None, 401),
        ("GET", f"/mds/metadata/{mark}", None, None, 401),
        ("GET", "/mds/metadata", None, None, 401),
        ("GET", "/mds/metadata?a..b=1", "admin", None, 422),
        ("GET", "/mds/metadata?limit=x", "admin", None, 400),
        ("GET", "/mds-admin/metadata_index", "writer", None, 403),
        ("POST", one, "writer", {}, 403),
        ("POST", one, None, {}, 401),
        ("PUT", one, "nobody", {}, 403),
        ("DELETE", one, "reader", None, 403),
        ("POST", one, "admin", {}, 409),
        ("POST", one, "admin", [1], 422),
        ("POST", one, "admin", {"a": "\0"}, 400),
        ("POST", "/mds-admin/metadata/upload", "admin", {}, 422),
        ("POST", "/mds-admin/metadata", "admin", {"guid": "x"}, 422),
        ("POST", "/mds-admin/metadata", "admin", [{"guid": "x", "data": {}}, {"guid": 5}], 422),
        ("POST", one + "/aliases", "admin", {"aliases": "x"}, 422),
        ("POST", one + "/aliases", "admin", {"aliases": [1]}, 422),
        ("PUT", "/mds-admin/metadata/nothing", "admin", {}, 404),
        ("DELETE", one + "/aliases/nothing", "admin", None, 404),
        ("DELETE", "/mds-admin/metadata_index/nothing", "admin", None, 404),
    ]
    for method, path, who, body, expected in refusals:
        answer = mds(gen3, method, path, who, **({} if body is None else {"json": body}))
        assert (answer.status_code, list(answer.json())) == (expected, ["detail"]), (method, path, who, answer.text)
    assert "row 2" in mds(gen3, "POST", "/mds-admin/metadata", json=[{"guid": "x", "data": {}}, {}]).json()["detail"]
    assert mds(gen3, "GET", "/mds/metadata/x").status_code == 404
    assert mds(gen3, "DELETE", one).json() == {mark: True, "list": 1}


def test_documents_of_a_project_stay_in_it(gen3: Gen3) -> None:
    project = gen3.project()[1:].replace("/", "-")
    headers = gen3.running.bearer("writer@example.org")
    place = f"/commensal/v1/projects/{project}/files/counts.txt"
    stored = gen3.running.client.put(place, content=b"abc", headers=headers)
    assert stored.status_code == 201, stored.text
    guid, mark = stored.json()["uuid"], "p" + uuid.uuid4().hex[:8]
    made = mds(gen3, "POST", f"/mds-admin/metadata/{guid}", "writer", json={mark: "here"})
    assert made.status_code == 201, made.text
    assert mds(gen3, "GET", f"/mds/metadata/{guid}", "reader").json() == {mark: "here"}
    assert mds(gen3, "GET", f"/mds/metadata?{mark}=here", "reader").json() == [guid]
    assert mds(gen3, "GET", f"/mds/metadata?{mark}=here", "nobody").json() == []
    assert mds(gen3, "GET", f"/mds/metadata/{guid}", "nobody").status_code == 404
    assert mds(gen3, "GET", f"/mds/metadata/{guid}", None).status_code == 401
    for who, expected in (("reader", 403), ("nobody", 403), (None, 401)):
        assert mds(gen3, "PUT", f"/mds-admin/metadata/{guid}", who, json={}).status_code == expected


OBJECTS = r"""
import hashlib, json, sys
import requests
from gen3.auth import Gen3Auth
from gen3.index import Gen3Index
from gen3.metadata import Gen3Metadata
from gen3.object import Gen3Object

path, mark = sys.argv[1:3]
auth = Gen3Auth(refresh_file="credentials.json")
objects, mds, index = Gen3Object(auth), Gen3Metadata(auth), Gen3Index(auth)
out = {}
guid, url = objects.create_object("counts.txt", {"version": 0, "resource_paths": [path]}, {"mark": mark}, [mark])
out["document"] = mds.get(guid)
assert requests.put(url, data=b"four").status_code == 200
out["status"] = mds.get(guid)["_upload_status"]
out["found"] = mds.query("_upload_status=uploaded&mark=" + mark) == [guid]
record = index.get_record(guid)
out["record"] = (record["size"], record["hashes"]["md5"] == hashlib.md5(b"four").hexdigest(), record["authz"])
shown = auth.curl("/mds/objects/" + mark).json()
out["shown"] = (shown["record"]["did"] == guid, shown["metadata"]["mark"])
out["download"] = requests.get(auth.curl("/mds/objects/" + guid + "/download").json()["url"]).text
objects.delete_object(guid)
out["gone"] = [auth.curl(place + guid).status_code for place in ("/mds/metadata/", "/mds/objects/", "/index/index/")]
print("RESULT" + json.dumps(out))
"""


def test_objects_with_the_sdk(gen3: Gen3, tmp_path: Path) -> None:
    (tmp_path / "credentials.json").write_text(json.dumps(gen3.keys["writer"]))
    _, program, code = gen3.project().split("/")
    path, mark = f"/programs/{program}/projects/{code}", "o" + uuid.uuid4().hex[:8]
    done = run_client("gen3", OBJECTS, path, mark, folder=tmp_path, environment={"GEN3SDK_MAX_RETRIES": "1"})
    assert done.returncode == 0, done.stdout + done.stderr
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT"))
    out = json.loads(line.removeprefix("RESULT"))
    document = out.pop("document")
    assert document.pop("_uploader_id").isdigit()
    assert document == {"mark": mark, "_resource_paths": [path], "_upload_status": "not_uploaded"}
    assert out == {
        "status": "uploaded",
        "found": True,
        "record": [4, True, [path]],
        "shown": [True, mark],
        "download": "four",
        "gone": [404, 404, 404],
    }


def test_objects_are_made_whole_or_not_at_all(gen3: Gen3) -> None:
    _, program, code = gen3.project().split("/")
    authz = {"version": 0, "resource_paths": [f"/programs/{program}/projects/{code}"]}
    name = "a" + uuid.uuid4().hex[:8]

    def create(who: str | None = "writer", path: str = "/mds/objects/upload", **more: Any) -> httpx.Response:
        body = {"file_name": "f.txt", "authz": authz, "metadata": {"m": name}, **more}
        return mds(gen3, "POST", path, who, json=body)

    def count() -> int:
        found = gen3.running.client.get(
            f"/index/index?authz={authz['resource_paths'][0]}",
            headers={"Authorization": f"bearer {gen3.token('writer')}"},
        )
        return len(found.json()["records"])

    first = create(aliases=[name])
    assert first.status_code == 201, first.text
    guid = first.json()["guid"]
    for expected, more in (
        (409, {"aliases": [name]}),
        (422, {"aliases": [5]}),
        (422, {"aliases": [str(uuid.uuid4())]}),
        (422, {"authz": {"resource_paths": []}}),
        (422, {"authz": {"version": 0, "resource_paths": "x"}}),
        (422, {"file_name": None}),
        (422, {"metadata": []}),
        (400, {"metadata": {"a": "\0"}}),
        (401, {"who": None}),
        (403, {"who": "nobody"}),
        (403, {"who": "reader"}),
        (403, {"authz": {"version": 0, "resource_paths": ["/programs/other"]}}),
    ):
        answer = create(**more)
        assert (answer.status_code, list(answer.json())) == (expected, ["detail"]), (more, answer.text)
    assert count() == 1
    newer = create(path=f"/mds/objects/{guid}", authz=None)
    assert newer.status_code == 201, newer.text
    latest = mds(gen3, "GET", f"/mds/objects/{guid}/latest", "reader").json()
    assert latest["record"]["did"] == newer.json()["guid"]
    assert latest["metadata"]["m"] == name
    # Who lacks read sees what the index shows by GUID, and no document.
    seen = mds(gen3, "GET", f"/mds/objects/{guid}", "nobody").json()
    assert (seen["record"]["did"], seen["record"]["urls"], seen["metadata"]) == (guid, [], {})
    assert mds(gen3, "GET", f"/mds/objects/{name}", "nobody").status_code == 404
    assert mds(gen3, "DELETE", f"/mds/objects/{guid}", "reader").status_code == 403
    assert mds(gen3, "GET", f"/mds/metadata/{guid}", "reader").status_code == 200
    assert mds(gen3, "DELETE", f"/mds/objects/{name}").status_code == 200
    assert mds(gen3, "GET", f"/mds/metadata/{guid}").status_code == 404


def test_aliases_of_an_object_speak_of_no_other_project(gen3: Gen3) -> None:
    _, program, mine = gen3.project().split("/")
    _, _, other = gen3.project().split("/")
    email = f"{uuid.uuid4().hex[:8]}@example.org"
    gen3.running.add_user(email)
    gen3.running.admin("grant", email, "contributor", f"{program}-{mine}")
    gen3.keys[email] = gen3.running.key(email, "gen3")
    for code, status in ((other, 403), (mine, 201)):
        body = {
            "file_name": "f.txt",
            "authz": {"version": 0, "resource_paths": [f"/programs/{program}/projects/{mine}"]},
            "aliases": [f"{program}-{code}/sample-1"],
        }
        answer = mds(gen3, "POST", "/mds/objects", email, json=body)
        assert answer.status_code == status, answer.text
