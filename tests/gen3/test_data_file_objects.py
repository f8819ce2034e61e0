"""Data files and their objects: beside other transactions, moved to other projects, and in older dictionaries."""

from __future__ import annotations

import asyncio
import copy
import hashlib
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from commensal.storage.postgres.database import PgDatabase
from tests.records.records_site import GEN3, OPERATOR, Site, load_dictionary, make_site

DATA = b"bytes"
MD5 = hashlib.md5(DATA).digest()


@pytest.fixture
async def site(database: PgDatabase) -> Site:
    made = make_site(database)
    await made.project()
    return made


def document(uuid: UUID) -> dict[str, Any]:
    return {
        "type": "data_file", "submitter_id": "f", "file_name": "f.bin", "file_size": len(DATA), "md5sum": MD5.hex(),
        "object_id": str(uuid), "data_category": "counts",
    }  # fmt: skip


async def store_bytes(unit: Any, uuid: UUID, *, new: bool) -> None:
    digest = hashlib.sha256(DATA + uuid.bytes).digest()
    await unit.run(
        "insert into blobs (key, sha256, md5, size) values ($1, $2, $3, $4)", str(uuid), digest, MD5, len(DATA)
    )
    if new:
        await unit.run(
            "insert into files (uuid, project, path, name, size, md5, sha256, state, blob, extra) "
            "select $1, seq, 'a/' || $2, 'f.bin', $3, $4, $5, 'stored', $2, '{\"own\": \"yes\"}' from projects",
            uuid, str(uuid), len(DATA), MD5, digest,
        )  # fmt: skip
    else:
        await unit.run(
            "update files set blob = $2, sha256 = $3, md5 = $4, size = $5, state = 'stored' where uuid = $1",
            uuid, str(uuid), digest, MD5, len(DATA),
        )  # fmt: skip


@pytest.mark.parametrize("new", [True, False], ids=["new file", "bytes of a known file"])
async def test_the_submission_waits_for_the_file(site: Site, new: bool) -> None:
    uuid = uuid4()
    if not new:
        assert (await site.submit([document(uuid)])).success
        await site.value("delete from records returning 1")
    async with site.database.begin() as unit:
        await store_bytes(unit, uuid, new=new)
        submission = asyncio.create_task(site.submit([document(uuid)], principal=GEN3))
        done, _ = await asyncio.wait([submission], timeout=0.3)
        assert not done
    result = await submission
    assert result.success, result
    (row,) = await site.rows("select s.attrs from file_search s join files f on f.seq = s.file where f.uuid = $1", uuid)
    assert (row["attrs"]["data_category"], row["attrs"].get("own")) == ("counts", None)
    assert await site.value("select count(*) from files") == 1


async def test_the_file_waits_for_the_submission(site: Site) -> None:
    uuid = uuid4()
    assert (await site.submit([document(uuid)])).success

    async def fill() -> None:
        async with site.database.begin() as unit:
            await store_bytes(unit, uuid, new=False)

    filling: list[asyncio.Task[None]] = []
    again = {**document(uuid), "data_category": "variants"}

    async def within(unit: Any, result: Any) -> None:
        filling.append(asyncio.create_task(fill()))
        done, _ = await asyncio.wait(filling, timeout=0.3)
        assert not done

    await site.submission.submit(GEN3, "P", "J", [again], within=within)
    await filling[0]
    (row,) = await site.rows("select s.attrs from file_search s join files f on f.seq = s.file where f.uuid = $1", uuid)
    assert row["attrs"]["data_category"] == "variants"


async def test_a_data_file_takes_its_object_along_to_another_project(site: Site) -> None:
    other = await site.project("K")
    mine, shared = uuid4(), uuid4()
    documents = [
        {**document(mine), "submitter_id": "moves"},
        {**document(shared), "submitter_id": "also"},
        {**document(shared), "submitter_id": "stays"},
    ]
    moves, also, _ = (await site.ok(documents)).entities
    here = await site.value("select seq from projects where code = 'J'")
    moved = await site.moving.move(OPERATOR, here, other, [UUID(moves.id), UUID(also.id)])
    assert (moved.records, moved.files) == (2, 1)
    rows = await site.rows("select f.uuid, p.code, f.authz from files f join projects p on p.seq = f.project")
    assert {row["uuid"]: (row["code"], row["authz"]) for row in rows} == {mine: ("K", None), shared: ("J", None)}


async def test_without_object_id_the_data_file_has_the_id_of_its_object(database: PgDatabase, shared: Path) -> None:
    generic = load_dictionary(shared / "acceptance" / "gen3" / "golden" / "generic" / "dictionary_all.json.gz")
    older = copy.deepcopy(generic)
    del older["submitted_methylation"]["properties"]["object_id"]
    site = make_site(database)
    await site.dictionaries.start(older, "older")
    await site.project()
    collection = {"type": "core_metadata_collection", "submitter_id": "cmc", "projects": {"code": "J"}}
    file = {
        "type": "submitted_methylation", "file_name": "f", "file_size": 5, "md5sum": "a" * 32,
        "data_category": "Methylation Data", "data_format": "IDAT", "data_type": "Methylation Intensity Values",
        "core_metadata_collections": {"submitter_id": "cmc"},
    }  # fmt: skip
    given = str(uuid4())
    documents = [collection, {**file, "submitter_id": "a"}, {**file, "submitter_id": "b", "id": given}]
    result = await site.ok(documents, create_only=True)
    ids = {entity.id for entity in result.entities[1:]}
    assert given in ids
    assert {str(row["uuid"]) for row in await site.rows("select uuid from files")} == ids, "the same bytes, two objects"
    await site.ok([{**file, "submitter_id": "a", "urls": ["s3://b/k"]}])
    assert await site.rows("select urls from files where urls is not null") == [{"urls": ["s3://b/k"]}]
    wrong = await site.submit([{**file, "submitter_id": "a", "file_size": 6}])
    assert [error.keys for error in wrong.entities[0].errors] == [["file_size"]]
