"""Files of private results: no door shows them, counts them or gives their bytes to who has no grant."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest

from commensal.core.principals import Door
from commensal.core.puts import LinkTo, Put
from commensal.storage.postgres.database import PgDatabase
from tests.pangea.conftest import Pangea, Person
from tests.pangea.door import OPERATOR, InProcess, in_process
from tests.pangea.test_project_files import one

GEN3 = ("ind", "use", "ga4", "mds")
SECRET, SHOWN = b"the secret reads of nobody", b"what everybody may read here"


@dataclass
class Kept:
    """A file of a field: how each door names it."""

    uuid: str
    path: str
    gsf: str
    name: str
    data: bytes

    @property
    def md5(self) -> str:
        return hashlib.md5(self.data).hexdigest()

    @property
    def traces(self) -> tuple[str, ...]:
        return (self.name, self.uuid, self.gsf, self.md5, self.data.decode())


@dataclass
class Case:
    library: dict[str, Any]
    project: str
    seq: int
    secret: Kept
    shown: Kept


def _send(who: Person, result: dict[str, Any], name: str, data: bytes) -> dict[str, Any]:
    field = who("POST", "sample_ar_fields", 201, json={"analysis_result": result["uuid"], "name": name,
                                                       "stored_data": {}})  # fmt: skip
    form = who("POST", f"sample_ar_fields/{field['uuid']}/upload_s3", json={"filename": name})
    sent = who.running.client.post(form["url"], data=form["fields"], files={"file": (name, data)})
    assert sent.status_code in (200, 204), sent.text
    return who("GET", f"sample_ar_fields/{field['uuid']}")


@pytest.fixture(scope="module")
def case(pangea: Pangea, ann: Person) -> Case:
    library = pangea.library(ann)
    sample = pangea.sample(ann, library, "s")
    names = {"hushhush.txt": (SECRET, True), "plain.txt": (SHOWN, False)}
    for name, (data, private) in names.items():
        _send(ann, pangea.result(ann, sample, name.partition(".")[0], is_private=private), name, data)
    headers = pangea.running.bearer(ann.email)
    projects = pangea.running.client.get("/commensal/v1/projects?limit=1000", headers=headers).json()["items"]
    (one,) = [each for each in projects if each["uuid"] == library["uuid"]]
    listed = pangea.running.client.get(f"/commensal/v1/projects/{one['uuid']}/files", headers=headers).json()["items"]
    kept = {
        each["name"]: Kept(each["uuid"], each["path"], f"GSF{each['seq']}", each["name"], names[each["name"]][0])
        for each in listed
    }
    return Case(library, one["uuid"], one["seq"], kept["hushhush.txt"], kept["plain.txt"])


def _requests(case: Case, file: Kept) -> list[tuple[str, str, Any]]:
    did, path, project = file.uuid, quote(file.path), case.project
    folder = quote(file.path.rpartition("/")[0])
    odm = "/api/v1/as-user"
    gets = [
        f"/index/{did}", f"/index/index/{did}", f"/index/index/{did}/versions", f"/index/index/{did}/latest",
        f"/index/index/{did}/aliases", f"/index/index?hash=md5:{file.md5}", "/index/index?limit=1000",
        f"/index/index?file_name={file.name}", f"/index/index?ids={did}", "/index/urls?size=1",
        "/index/_query/urls/q?include=user/data/download",
        "/ga4gh/drs/v1/objects?page_size=1000", f"/ga4gh/drs/v1/objects/{did}",
        f"/ga4gh/drs/v1/objects/{did}/access/https", f"/user/data/download/{did}",
        f"/mds/metadata/{did}", "/mds/metadata?data=true&limit=1000", f"/mds/objects/{did}",
        f"{odm}/files", f"{odm}/files/{file.gsf}", f"{odm}/files/{file.gsf}/download",
        f"{odm}/integration/link/files/by/study/GSF{case.seq}", f"{odm}/integration/link/study/by/file/{file.gsf}",
        f"{odm}/data-types/links?firstIds=GSF{case.seq}&firstType=study", f"{odm}/data-types?ids={file.gsf}",
        f"/commensal/v1/projects/{project}/files?limit=1000", f"/commensal/v1/projects/{project}/files/{path}",
        f"/commensal/v1/projects/{project}/addresses/{path}", f"/commensal/v1/projects/{project}/addresses/{did}",
        f"/portal/projects/{project}", f"/portal/projects/{project}/files",
        f"/portal/projects/{project}/files?folder={folder}/", f"/portal/projects/{project}/files?search={file.name}",
        f"/portal/projects/{project}/file?path={path}", f"/portal/projects/{project}/files/{path}",
        f"/portal/projects/{project}/file/{did}",
        f"/pangea-storage/{case.library['uuid']}/{path}",
        f"/api/sample_ar_fields/{did}", f"/api/sample_group_ar_fields/{did}",
        f"/api/sample_group_ars?sample_group_id={case.library['uuid']}",
        f"/api/sample_groups/{case.library['uuid']}/manifest",
    ]  # fmt: skip
    posts = [
        ("/index/bulk/documents", [did]), ("/user/data/download/bulk", {"guids": [did]}),
        ("/ga4gh/drs/v1/objects", {"bulk_object_ids": [did]}),
        ("/ga4gh/drs/v1/objects/access", {"bulk_object_access_ids": [
            {"bulk_object_id": did, "bulk_access_ids": ["https"]}]}),
    ]  # fmt: skip
    return [("GET", each, None) for each in gets] + [("POST", each, body) for each, body in posts]


def _headers(pangea: Pangea, who: Person, path: str) -> dict[str, str]:
    if not who.token:
        return {}
    if path.startswith("/api/v1/"):
        return {"Genestack-API-Token": pangea.running.key(who.email, "odm")["api_token"]}
    if path.startswith(("/api/", "/pangea-storage")):
        return who.headers()
    if path[1:4] in GEN3:
        sent = pangea.running.client.post(
            "/user/credentials/api/access_token", json={"api_key": pangea.running.key(who.email, "gen3")["api_key"]}
        )
        return {"Authorization": f"Bearer {sent.json()['access_token']}"}
    return pangea.running.bearer(who.email)


def _ask(pangea: Pangea, who: Person, case: Case, file: Kept) -> dict[str, str]:
    """Return the answers in which something of a file stands that the request did not say itself."""
    keys: dict[str, dict[str, str]] = {}
    told: dict[str, str] = {}
    for method, path, body in _requests(case, file):
        kind = path[:8] if path.startswith("/api/") else "gen3" if path[1:4] in GEN3 else path[:4]
        if kind not in keys:
            keys[kind] = _headers(pangea, who, path)
        client = pangea.running.client
        answer = client.request(method, path, json=body, headers=keys[kind], follow_redirects=True)
        assert answer.status_code < 500, (method, path, answer.text)
        said = f"{path} {body}"
        if any(trace in answer.text for trace in file.traces if trace not in said):
            # The same request about another file has the same name.
            name = f"{method} {path}"
            for trace, word in zip(
                (quote(file.path), *file.traces), ("path", "name", "uuid", "gsf", "md5"), strict=False
            ):
                name = name.replace(trace, word)
            told[name] = answer.text
    return told


def test_no_door_shows_a_file_of_a_private_result(pangea: Pangea, case: Case, ann: Person, bob: Person):
    own = _ask(pangea, ann, case, case.secret)
    for who in (bob, pangea.stranger):
        assert _ask(pangea, who, case, case.secret) == {}
        shown = _ask(pangea, who, case, case.shown)
        # What is asked would tell of a file that is not private.
        assert len(shown) > 15
        # The portal takes nobody's key: everybody is a stranger there.
        assert {one for one in shown if "/portal/" not in one} <= set(own)


def test_counts_leave_private_files_out(pangea: Pangea, case: Case, ann: Person, bob: Person):
    """Totals of pages, of the index, of folders and of the search."""

    def totals(who: Person) -> dict[str, int]:
        def get(path: str) -> Any:
            return pangea.running.client.get(path, headers=_headers(pangea, who, path)).json()

        found = {
            "own": get(f"/commensal/v1/projects/{case.project}/files")["total"],
            "index": get("/index/_stats")["fileCount"],
        }
        if who.token:
            found["odm"] = get("/api/v1/as-user/files")["meta"]["pagination"]["total"]
        return found

    # Other tests of this server may have made private files of Ann's, too.
    result = ann("GET", "sample_ars?module_name=hushhush")["results"][0]["uuid"]
    people = (ann, bob, pangea.stranger)
    hidden = [totals(who) for who in people]
    ann("PATCH", f"sample_ars/{result}", json={"is_private": False})
    public = [totals(who) for who in people]
    ann("PATCH", f"sample_ars/{result}", json={"is_private": True})
    assert hidden == [totals(who) for who in people]
    for more, before, after in zip((0, 1, 1), hidden, public, strict=True):
        assert after == {name: n + more for name, n in before.items()}
    page = pangea.running.client.get(f"/portal/projects/{case.project}/files").text
    assert "1 file" in page
    assert "2 files" not in page


def test_a_result_made_public_shows_its_file(pangea: Pangea, case: Case, ann: Person, bob: Person):
    results = ann("GET", "sample_ars?module_name=hushhush")["results"]
    place = f"/index/{case.secret.uuid}"
    assert pangea.running.client.get(place).status_code == 404
    ann("PATCH", f"sample_ars/{results[0]['uuid']}", json={"is_private": False})
    assert pangea.running.client.get(place).json()["did"] == case.secret.uuid
    ann("PATCH", f"sample_ars/{results[0]['uuid']}", json={"is_private": True})
    assert pangea.running.client.get(place).status_code == 404


@pytest.fixture
async def door(database: PgDatabase, dsn: str, tmp_path: Path) -> AsyncIterator[InProcess]:
    async with in_process(database, dsn, tmp_path) as made:
        yield made


async def test_what_other_doors_hang_on_a_private_result_is_private(door: InProcess):
    services = door.services
    owner = await services.identity.authenticate(Door.PANGEA, door.client.headers["authorization"].split()[1])
    org = await door("POST", "organizations", 201, json={"name": "o"})
    body = {"name": "l", "organization": org["uuid"], "is_library": True}
    library = await door("POST", "sample_groups", 201, json=body)
    sample = await door("POST", "samples", 201, json={"name": "s", "library": library["uuid"]})
    project = (await services.lineages.project(owner, UUID(library["uuid"]))).place
    fields: dict[bool, list[Any]] = {}
    results: dict[bool, str] = {}
    for private in (True, False):
        sent = {"module_name": f"m{private}", "sample": sample["uuid"], "is_private": private}
        result = await door("POST", "sample_ars", 201, json=sent)
        link = LinkTo("owner", uuid=UUID(result["uuid"]))
        put = Put(
            type="result_field", submitter_id=f"f{private}", properties={"name": "f", "value": "1"}, links=(link,)
        )
        results[private] = result["uuid"]
        fields[private] = list(await services.records.put(owner, project, [put]))
        await services.files.put(owner, project, f"{private}.txt", one(b"x"), record=("result_field", f"f{private}"))

    user = await services.identity.add_user(OPERATOR, "b@example.org", password="correct horse battery")
    key = await services.keys.make(OPERATOR, Door.PANGEA, user=user.seq)
    other = await services.identity.authenticate(Door.PANGEA, key.shown["token"])
    for who, seen in ((owner, {"True.txt", "False.txt"}), (other, {"False.txt"})):
        files, total = await services.files.list(who, project)
        assert ({file.path for file in files}, total) == (seen, len(seen))
        numbers = [fields[private][0].seq for private in (True, False)]
        assert {file.path for file in await services.files.of_records(who, project, numbers)} == seen
        found = await services.records.find_many(who, project, "result_field", ["fTrue", "fFalse"])
        assert {f"{record.submitter_id[1:]}.txt" for record in found} == seen
        stats = await services.index.stats(who)
        assert stats[0] == len(seen)
        page = await services.file_search.search(who)
        assert page.total == len(seen)
        level = await services.folders.level(who, project)
        assert (level.total, level.files) == (len(seen), len(seen))

    # Both ways, whatever made the field.
    for private, n in ((False, 2), (True, 1)):
        await door("PATCH", f"sample_ars/{results[True]}", json={"is_private": private})
        assert (await services.files.list(other, project))[1] == n
        assert len(await services.records.find_many(other, project, "result_field", ["fTrue", "fFalse"])) == n
