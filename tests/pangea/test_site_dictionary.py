"""Under a site's own dictionary: its sample type, and results as system types that no Gen3 answer shows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from commensal.storage.postgres.database import PgDatabase
from tests.pangea.door import InProcess, in_process
from tests.records.conftest import load_dictionary


@pytest.fixture
async def door(database: PgDatabase, dsn: str, shared: Path, tmp_path: Path) -> AsyncIterator[InProcess]:
    generic = load_dictionary(shared / "acceptance" / "gen3" / "golden" / "generic" / "dictionary_all.json.gz")
    async with in_process(database, dsn, tmp_path, dictionary=generic) as made:
        yield made


async def test_samples_and_results(door: InProcess, database: PgDatabase):
    org = await door("POST", "organizations", 201, json={"name": "o"})
    library = await door(
        "POST", "sample_groups", 201, json={"name": "l", "organization": org["uuid"], "is_library": True}
    )
    metadata = {"composition": "Bone", "sample_type": "no such type", "own": {"x": 1}, "submitter_id": "y"}
    sent = {"name": "s", "library": library["uuid"], "metadata": metadata, "description": "d"}
    sample = await door("POST", "samples", 201, json=sent)
    assert (sample["metadata"], sample["description"]) == (metadata, "d")
    result = await door("POST", "sample_ars", 201, json={"module_name": "m", "sample": sample["uuid"]})
    field = {"analysis_result": result["uuid"], "name": "f", "stored_data": [1]}
    await door("POST", "sample_ar_fields", 201, json=field)
    place = "nested/o/sample_groups/l/samples/s"
    assert await door("GET", place) == sample
    assert (await door("GET", f"{place}/analysis_results/m/fields/f"))["stored_data"] == [1]
    assert (await door("GET", f"samples/{sample['uuid']}/manifest"))["analysis_results"][0]["fields"][0]["name"] == "f"
    changed = await door("PATCH", f"samples/{sample['uuid']}", json={"metadata": {"composition": "Saliva"}})
    assert (changed["metadata"], changed["description"]) == ({"composition": "Saliva"}, "d")
    for text in ("e", ""):
        changed = await door("PATCH", f"samples/{sample['uuid']}", json={"description": text})
        assert (changed["metadata"], changed["description"]) == ({"composition": "Saliva"}, text)
    async with database.read() as unit:
        rows = await unit.rows("select type, props->>'composition' as c from records order by seq")
        links = await unit.rows("select src_type, name from links order by src")
    assert [tuple(row) for row in rows][1:] == [("commensal.analysis_result", None), ("commensal.result_field", None)]
    assert (rows[0]["type"], len(links)) == ("sample", 2)
    await door("DELETE", f"samples/{sample['uuid']}", 204)
    async with database.read() as unit:
        assert await unit.value("select count(*) from records") == 0
