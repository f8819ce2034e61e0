"""A request costs at most eight SQL statements, whatever it carries (contracts/pangea.md c2: up to 2,810 there)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from commensal.storage.postgres.database import PgDatabase
from tests.pangea.door import InProcess, in_process

MOST = 8


@pytest.fixture
async def door(database: PgDatabase, dsn: str, tmp_path: Path) -> AsyncIterator[InProcess]:
    async with in_process(database, dsn, tmp_path) as made:
        yield made


async def test_requests_are_few_statements(door: InProcess):
    counted: dict[str, int] = {}

    async def ask(method: str, path: str, status: int = 200, **more: object):
        door.services.guard.forget()  # what the caller holds is remembered for a second: count the look-up, too
        answer = await door(method, path, status, **more)
        counted[f"{method} {path.split('?')[0]}"] = door.statements
        return answer

    org = await ask("POST", "organizations", 201, json={"name": "o"})
    body = {"name": "l", "organization": org["uuid"], "is_library": True}
    library = await ask("POST", "sample_groups", 201, json=body)
    group = await door("POST", "sample_groups", 201, json={"name": "g", "organization": org["uuid"]})
    names = [f"s{i}" for i in range(150)]
    uuids = (await ask("POST", "bulk_samples", 201, json={"library": library["uuid"], "names": names}))["uuids"]
    sample = await ask("POST", "samples", 201, json={"library": library["uuid"], "name": "one", "metadata": {"a": 1}})
    for uuid in uuids[:20]:
        result = await ask("POST", "sample_ars", 201, json={"module_name": "m", "sample": uuid})
        field = {"analysis_result": result["uuid"], "name": "f", "stored_data": {"v": 1}}
        made = await ask("POST", "sample_ar_fields", 201, json=field)
    await ask("POST", "sample_group_ars", 201, json={"module_name": "m", "sample_group": group["uuid"]})
    await ask("POST", f"sample_groups/{group['uuid']}/samples", json={"sample_uuids": uuids})
    place = "nested/o/sample_groups/l"
    for path in (
        "users/me", "users", "organizations", f"organizations/{org['uuid']}", "sample_groups", "samples",
        f"sample_groups/{library['uuid']}", f"sample_groups/{library['uuid']}/samples?page=2",
        f"sample_groups/{group['uuid']}/samples", f"samples?library_id={library['uuid']}",
        f"samples/{sample['uuid']}", f"samples/{sample['uuid']}/metadata", f"samples/{uuids[0]}/manifest",
        f"sample_groups/{library['uuid']}/manifest", f"sample_groups/{group['uuid']}/manifest",
        f"sample_groups/{library['uuid']}/module_counts", f"sample_groups/{library['uuid']}/metadata",
        f"sample_ars/{result['uuid']}", "sample_ars", f"sample_ars?sample_id={uuids[0]}", "sample_ar_fields",
        f"sample_ar_fields/{made['uuid']}", "sample_group_ars", "nested/o", place, f"{place}/samples",
        f"{place}/samples/one", f"{place}/samples/s1/analysis_results", f"{place}/samples/s1/analysis_results/m",
        f"{place}/samples/s1/analysis_results/m/fields/f", "nested/o/sample_groups/g/analysis_results/m",
    ):  # fmt: skip
        await ask("GET", path)
    await ask("PUT", f"samples/{sample['uuid']}", json={"name": "two", "metadata": {"b": 2}})
    await ask("PUT", f"sample_groups/{library['uuid']}", json={"description": "d", "metadata": {"x": 1}})
    await ask("PUT", f"sample_ar_fields/{made['uuid']}", json={"stored_data": 5})
    await ask("PATCH", f"sample_ars/{result['uuid']}", json={"metadata": {"a": 1}})
    assert {path: n for path, n in counted.items() if n > MOST} == {}
    # The paths that a client walks most.
    assert counted["POST /samples".replace("/", "")] <= 4
    assert counted[f"GET {place}/samples/one"] <= 2
    assert counted[f"GET sample_groups/{library['uuid']}/samples"] <= 4
    assert counted[f"GET sample_groups/{library['uuid']}/manifest"] <= 6
