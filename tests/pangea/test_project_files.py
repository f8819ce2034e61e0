"""Files that other doors stored in a library: a result of the group that nobody makes, to be read only."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from commensal.core.permissions import PublicLevel
from commensal.core.principals import Door
from commensal.storage.postgres.database import PgDatabase
from tests.pangea.door import OPERATOR, InProcess, in_process

MODULE = "commensal::files"
PLACE = f"nested/o/sample_groups/l/analysis_results/{MODULE}"
MOST = 8


@pytest.fixture
async def door(database: PgDatabase, dsn: str, tmp_path: Path) -> AsyncIterator[InProcess]:
    async with in_process(database, dsn, tmp_path) as made:
        yield made


async def one(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def test_files_of_other_doors_are_fields_of_one_result(door: InProcess):
    services, client = door.services, door.client
    owner = await services.identity.authenticate(Door.PANGEA, client.headers["authorization"].split()[1])
    org = await door("POST", "organizations", 201, json={"name": "o"})
    body = {"name": "l", "organization": org["uuid"], "is_library": True, "is_public": False}
    library = await door("POST", "sample_groups", 201, json=body)
    uuid, lists = library["uuid"], f"sample_group_ars?sample_group_id={library['uuid']}"
    result = await door("POST", "sample_group_ars", 201, json={"module_name": "m", "sample_group": uuid})
    sent = {"analysis_result": result["uuid"], "name": "mine", "stored_data": {}}
    field = await door("POST", "sample_group_ar_fields", 201, json=sent)

    # Nothing is there to show; and a file that a field holds is the field's.
    project = (await services.lineages.project(owner, library["uuid"])).place
    record = await services.lineages.field(owner, field["uuid"])
    assert record.field is not None
    name = (record.field.type, record.field.submitter_id)
    await services.files.put(owner, project, "pangea/mine.txt", one(b"mine"), record=name)
    await door("GET", PLACE, 404)
    await door("GET", f"sample_group_ars/{uuid}", 404)
    assert [each["module_name"] for each in (await door("GET", lists))["results"]] == ["m"]

    files = {
        path: (await services.files.put(owner, project, path, one(path.encode()))).file
        for path in ("a/reads.txt", "b/reads.txt", "Other.bin")
    }

    async def get(path: str):
        services.guard.forget()
        answer = await door("GET", path)
        assert door.statements <= MOST, (path, door.statements)
        return answer

    page = await get(lists)
    assert ([each["module_name"] for each in page["results"]], page["count"]) == (["m", MODULE], 2)
    shown = await get(PLACE)
    assert shown == page["results"][1] == await get(f"sample_group_ars/{uuid}")
    assert (shown["uuid"], shown["sample_group"], shown["is_private"]) == (uuid, uuid, False)
    assert (await get(f"{lists}&module_name={MODULE}"))["results"] == [shown]
    assert (await get("nested/o/sample_groups/l/analysis_results"))["results"] == page["results"]
    fields = (await get(f"sample_group_ar_fields?analysis_result_id={uuid}"))["results"]
    assert [each["uuid"] for each in fields] == [str(file.uuid) for file in files.values()]
    assert (await get(f"{PLACE}/fields"))["count"] == 3
    only = await get(f"sample_group_ar_fields?analysis_result_id={uuid}&name=other.BIN")
    assert [each["name"] for each in only["results"]] == ["Other.bin"]
    # By name the newest of several; by uuid each.
    assert (await get(f"{PLACE}/fields/reads.txt"))["uuid"] == str(files["b/reads.txt"].uuid)
    file = files["a/reads.txt"]
    stored = (await get(f"{PLACE}/fields/{file.uuid}"))["stored_data"]
    assert stored == (await get(f"sample_group_ar_fields/{file.uuid}"))["stored_data"] | {
        "presigned_url": stored["presigned_url"]
    }
    assert (stored["__type__"], stored["filename"], stored["md5"]) == ("s3", "reads.txt", file.md5)
    assert (stored["size"], stored["uri"]) == (11, f"s3://{uuid}/a/reads.txt")

    # Another result may point to it; what is shown here cannot be changed.
    copied = {"analysis_result": result["uuid"], "name": "copied", "stored_data": stored}
    made = await door("POST", "sample_group_ar_fields", 201, json=copied)
    assert made["stored_data"]["uri"] == stored["uri"]
    for method, path, status in (
        ("PUT", PLACE, 404), ("DELETE", PLACE, 404), ("DELETE", f"sample_group_ars/{uuid}", 404),
        ("DELETE", f"sample_group_ar_fields/{file.uuid}", 404), ("PATCH", f"{PLACE}/fields/Other.bin", 404),
        ("POST", f"sample_group_ar_fields/{file.uuid}/upload_s3", 404), ("POST", f"{PLACE}/fields", 404),
    ):  # fmt: skip
        await door(method, path, status, json={"filename": "x", "name": "x", "stored_data": {"x": 1}})
    await door("POST", "sample_group_ar_fields", 400, json={**copied, "analysis_result": uuid})
    await door("GET", f"sample_ar_fields/{file.uuid}", 404)
    await door("GET", f"sample_ars/{uuid}", 404)

    # A result of this name that somebody makes himself is what it is.
    own = await door("POST", "sample_group_ars", 201, json={"module_name": MODULE, "sample_group": uuid})
    assert (await get(PLACE))["uuid"] == own["uuid"]
    await door("DELETE", f"sample_group_ars/{own['uuid']}", 204)

    # Who may not read the library is told so, and lists have nothing of it.
    stranger = await services.identity.add_user(OPERATOR, "b@example.org", password="correct horse battery")
    key = await services.keys.make(OPERATOR, Door.PANGEA, user=stranger.seq)
    client.headers["authorization"] = f"Token {key.shown['token']}"
    for path in (PLACE, f"{PLACE}/fields/Other.bin", f"sample_group_ars/{uuid}", f"sample_group_ar_fields/{file.uuid}"):
        await door("GET", path, 403)
    assert (await door("GET", lists))["count"] == 0
    assert (await door("GET", f"sample_group_ar_fields?analysis_result_id={uuid}"))["count"] == 0
    # In a public one everybody reads; level "read" gives no addresses.
    await services.catalog.set_public_level(owner, project, PublicLevel.READ)
    services.guard.forget()
    assert "presigned_url" not in (await door("GET", f"{PLACE}/fields/Other.bin"))["stored_data"]
