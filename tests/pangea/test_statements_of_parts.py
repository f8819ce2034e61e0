"""Pipelines, search, work orders and buckets cost at most eight statements a request, too."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from commensal.core.work_orders import OrderKind
from commensal.services.order_prototypes import PrototypeChanges
from commensal.storage.postgres.database import PgDatabase
from tests.pangea.door import OPERATOR, InProcess, in_process

MOST = 8


@pytest.fixture
async def door(database: PgDatabase, dsn: str, tmp_path: Path) -> AsyncIterator[InProcess]:
    async with in_process(database, dsn, tmp_path) as made:
        yield made


async def test_requests_are_few_statements(door: InProcess):
    counted: dict[str, int] = {}

    async def ask(method: str, path: str, status: int = 200, **more: object):
        door.services.guard.forget()
        answer = await door(method, path, status, **more)
        counted[f"{method} {path.split('?')[0]}"] = door.statements
        return answer

    org = await door("POST", "organizations", 201, json={"name": "o"})
    body = {"name": "l", "organization": org["uuid"], "is_library": True}
    library = await door("POST", "sample_groups", 201, json=body)
    names = [f"s{i}" for i in range(60)]
    uuids = (await door("POST", "bulk_samples", 201, json={"library": library["uuid"], "names": names}))["uuids"]
    pipe = await ask("POST", "pipelines", 201, json={"name": "p"})
    needs: list[str] = []
    for n in range(20):
        module = {"pipeline": pipe["uuid"], "name": f"m{n}", "version": "1", "dependencies": needs}
        made = await ask("POST", "pipeline_modules", 201, json=module)
        needs.append(made["uuid"])
        result = {"module_name": f"m{n}", "sample": uuids[0], "pipeline_module": made["uuid"]}
        await ask("POST", "sample_ars", 201, json=result)
    for path in ("pipelines", f"pipelines/{pipe['uuid']}", "pipeline_modules", f"pipeline_modules/{needs[0]}",
                 f"sample_ars?sample_id={uuids[0]}", f"samples/{uuids[0]}/manifest", "search?query=s"):  # fmt: skip
        await ask("GET", path)
    await ask("PUT", f"pipeline_modules/{needs[-1]}", json={"dependencies": needs[:3]})

    prototypes = door.services.order_prototypes
    one = await prototypes.put(OPERATOR, OrderKind.SAMPLE, PrototypeChanges("one", users=["a@example.org"]))
    for n in range(5):
        await prototypes.put_job(OPERATOR, one.uuid, f"job {n}", resources_needed={})
    many = await prototypes.put(OPERATOR, OrderKind.GROUP, PrototypeChanges("many", parts=[one.uuid]))
    await ask("POST", f"samples/{uuids[0]}/work_orders/{one.uuid}", 201)
    order = (await ask("POST", f"sample_groups/{library['uuid']}/work_orders/{many.uuid}", 201))["uuid"]
    shown = await ask("GET", f"group_work_orders/{order}")
    assert len(shown["work_orders"]) == len(names)
    first = await ask("GET", f"work_orders/{shown['work_orders'][0]}")
    await ask("PATCH", f"job_orders/{first['job_order_objs'][0]['uuid']}", json={"status": "success"})
    for path in ("work_order_prototypes", "job_order_prototypes", f"samples/{uuids[0]}/work_orders",
                 f"work_order_prototypes/{one.uuid}/work_orders", f"sample_groups/{library['uuid']}/work_orders",
                 f"samples/{uuids[0]}?work_order_uuid={first['uuid']}"):  # fmt: skip
        await ask("GET", path)

    bucket = {"name": "b", "endpoint_url": "https://store.example", "organization": org["uuid"]}
    bucket = await ask("POST", "s3_buckets", 201, json=bucket)
    await ask("POST", "s3_api_keys", 201, json={"bucket": bucket["uuid"], "public_key": "p", "private_key": "s"})
    result = await door("POST", "sample_ars", 201, json={"module_name": "r", "sample": uuids[1]})
    for n in range(10):
        data = {"__type__": "s3", "endpoint_url": "https://store.example", "uri": f"s3://b/{n}"}
        await ask("POST", "sample_ar_fields", 201,
                  json={"analysis_result": result["uuid"], "name": str(n), "stored_data": data})  # fmt: skip
    for path in ("s3_buckets", "s3_api_keys", "sample_ar_fields", f"sample_groups/{library['uuid']}/manifest"):
        answer = await ask("GET", path)
        assert str(answer).count("X-Amz-Signature=") == (10 if path.endswith(("fields", "manifest")) else 0)
    assert {path: n for path, n in counted.items() if n > MOST} == {}
