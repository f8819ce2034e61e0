"""Work orders: who orders, who works, how far it is, and what an order lets one reach (contracts/pangea.md b11)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from commensal.core.work_orders import order_state
from tests.clients import run_client
from tests.pangea.conftest import PASSWORD, Pangea, Person
from tests.running import ADMIN


@pytest.fixture(scope="module")
def admin(pangea: Pangea) -> Person:
    return Person(pangea.running, ADMIN, pangea.running.key(ADMIN, "pangea")["token"])


@pytest.fixture(scope="module")
def worker(pangea: Pangea) -> Person:
    return pangea.person("worker")


@pytest.fixture(scope="module")
def proto(pangea: Pangea, admin: Person, worker: Person) -> dict[str, Any]:
    body = {"name": pangea.name("proto"), "description": "all of it", "privileged_users": [worker.email]}
    made = admin("POST", "work_order_prototypes", 201, json=body)
    for name in ("align", "count"):
        job = {"name": name, "work_order_proto": made["uuid"], "resources_needed": {"cpu": 4}}
        admin("POST", "job_order_prototypes", 201, json=job)
    return made


def ordered(who: Person, sample: dict[str, Any], proto: dict[str, Any], status: int = 201) -> Any:
    made = who("POST", f"samples/{sample['uuid']}/work_orders/{proto['uuid']}", status)
    return who("GET", f"work_orders/{made['uuid']}") if status < 400 else made


def test_prototypes_are_made_by_site_admins(pangea: Pangea, admin: Person, worker: Person, ann: Person, proto: Any):
    assert proto["privileged_users"] == [worker.id]
    for who, shown in ((ann, False), (worker, True)):
        one = who("GET", f"work_order_prototypes/{proto['uuid']}")
        assert ("privileged_users" in one) is shown
        # By name, as the client's from_name() asks, which wants its own word back.
        named = who("GET", f"work_order_prototypes/{proto['name']}")
        assert named == {**one, "uuid": proto["name"]}
        assert who("GET", f"work_order_prototypes?name={proto['name']}")["results"] == [one]
        who("POST", "work_order_prototypes", 403, json={"name": "mine"})
        who("PATCH", f"work_order_prototypes/{proto['uuid']}", 403, json={"privileged_users": [who.id]})
        who("DELETE", f"work_order_prototypes/{proto['uuid']}", 403)
        who("POST", "job_order_prototypes", 403, json={"name": "x", "work_order_proto": proto["uuid"]})
    pangea.stranger("GET", "work_order_prototypes", 403)
    assert proto["uuid"] in [one["uuid"] for one in ann("GET", "work_order_prototypes")["results"]]
    jobs = ann("GET", f"job_order_prototypes?work_order_proto={proto['uuid']}")["results"]
    assert [(one["name"], one["resources_needed"]) for one in jobs] == [("align", {"cpu": 4}), ("count", {"cpu": 4})]
    for body, field in (
        ({"name": proto["name"].upper()}, "name"),
        ({"name": "x", "privileged_users": ["nobody@example.org"]}, "privileged_users"),
        ({"name": ""}, "name"),
    ):
        assert list(admin("POST", "work_order_prototypes", 400, json=body)) == [field]
    changed = admin("PATCH", f"work_order_prototypes/{proto['uuid']}", json={"description": "new"})
    assert (changed["description"], changed["privileged_users"]) == ("new", [worker.id])
    ann("GET", "work_order_prototypes/no such", 404)


def test_an_order_and_its_jobs(pangea: Pangea, admin: Person, ann: Person, bob: Person, worker: Person, proto: Any):
    sample = pangea.sample(ann, pangea.library(ann))
    assert ordered(bob, sample, proto, 403) == {"detail": "Insufficient permissions to generate work order for sample."}
    order = ordered(ann, sample, proto)
    assert set(order) == {
        "uuid", "name", "priority", "sample", "created_at", "updated_at", "description", "job_order_objs", "status",
        "progress_summary",
    }  # fmt: skip
    assert (order["name"], order["priority"], order["status"]) == (proto["name"], 100, "pending")
    assert order["progress_summary"] == {"pending": 2, "n_jobs": 2}
    assert ordered(ann, sample, proto, 200)["uuid"] == order["uuid"]
    # Everybody who reads the sample reads its orders; jobs are written by who does the work.
    assert pangea.stranger("GET", f"samples/{sample['uuid']}/work_orders")["results"] == [order]
    align, count = order["job_order_objs"]
    assert set(align) == {
        "uuid", "name", "status", "work_order", "pipeline_module", "analysis_result", "resources_used",
        "resources_needed", "created_at", "updated_at", "description",
    }  # fmt: skip
    job = f"job_orders/{align['uuid']}"
    for who in (ann, bob, pangea.stranger):
        assert who("GET", job)["status"] == "pending"
        who("PATCH", job, 403, json={"status": "success"})
        who("DELETE", job, 403)
    assert worker("PATCH", job, 400, json={"status": "zz"}) == {"status": ['"zz" is not a valid choice.']}
    result = pangea.result(ann, sample, "align")
    done = worker("PUT", job, json={**align, "status": "success", "analysis_result": result["uuid"]})
    assert (done["status"], done["analysis_result"]) == ("success", result["uuid"])
    other = pangea.result(ann, pangea.sample(ann, pangea.library(ann)), "align")
    assert list(worker("PATCH", job, 400, json={"analysis_result": other["uuid"]})) == ["analysis_result"]
    order = worker("GET", f"work_orders/{order['uuid']}")
    assert (order["status"], order["progress_summary"]) == ("working", {"success": 1, "pending": 1, "n_jobs": 2})
    admin("PATCH", f"job_orders/{count['uuid']}", json={"status": "error", "resources_used": {"h": 2}})
    assert worker("GET", f"work_orders/{order['uuid']}")["status"] == "error"
    mine = f"work_order_prototypes/{proto['uuid']}/work_orders"
    assert [one["uuid"] for one in worker("GET", f"{mine}?max_num=5&random=random")["results"]] == [order["uuid"]]
    assert worker("GET", f"{mine}?not_status=error")["count"] == 0
    assert ann("GET", mine) == {"count": 0, "next": None, "previous": None, "results": []}
    worker("DELETE", f"job_orders/{count['uuid']}", 204)
    assert worker("GET", f"work_orders/{order['uuid']}")["status"] == "success"


def test_an_order_lets_its_worker_reach_a_private_sample_and_nothing_else(
    pangea: Pangea, ann: Person, bob: Person, worker: Person, proto: Any
):
    library = pangea.library(ann, is_public=False)
    sample, other = pangea.sample(ann, library), pangea.sample(ann, library)
    secret = pangea.result(ann, sample, "old", is_private=True)
    beside = pangea.result(ann, other, "old")
    order = ordered(ann, sample, proto)
    through = f"work_order_uuid={order['uuid']}"
    path = f"samples/{sample['uuid']}"
    worker("GET", path, 403)
    assert worker("GET", f"{path}?{through}")["uuid"] == sample["uuid"]
    assert worker("GET", f"samples/{sample['uuid']}/work_orders?{through}")["count"] == 1
    assert [one["uuid"] for one in worker("GET", f"sample_ars?{through}")["results"]] == [secret["uuid"]]
    worker("GET", f"sample_ars/{secret['uuid']}", 403)
    worker("GET", f"sample_ars/{secret['uuid']}?{through}")
    # It works: a result and a field, found again by names.
    made = worker("POST", f"sample_ars?{through}", 201, json={"module_name": "new", "sample": sample["uuid"]})
    field = {"analysis_result": made["uuid"], "name": "f", "stored_data": {"a": 1}}
    field = worker("POST", f"sample_ar_fields?{through}", 201, json=field)
    worker("PATCH", f"sample_ar_fields/{field['uuid']}?{through}", json={"stored_data": {"a": 2}})
    worker("POST", f"sample_ar_fields/{field['uuid']}/upload_s3?{through}", 400, json={"filename": "x"})
    found = worker("GET", f"sample_ar_fields?analysis_result_id={made['uuid']}&{through}")["results"]
    assert [one["stored_data"] for one in found] == [{"a": 2}]
    # Files, too, though the form goes to a signed address without the order.
    file = {"analysis_result": made["uuid"], "name": "file", "stored_data": {}}
    file = f"sample_ar_fields/{worker('POST', f'sample_ar_fields?{through}', 201, json=file)['uuid']}"
    form = worker("POST", f"{file}/upload_s3?{through}", json={"filename": "x.txt"})
    client = pangea.running.client
    assert client.post(form["url"], data=form["fields"], files={"file": b"results"}).status_code == 204
    address = worker("GET", f"{file}?{through}")["stored_data"]["presigned_url"]
    assert client.get(address).content == b"results"
    worker("GET", file, 403)
    org = library["organization_obj"]["name"]
    nested = f"nested/{org}/sample_groups/{library['name']}/samples"
    worker("GET", f"{nested}/{sample['name']}/analysis_results/new/fields/f?{through}")
    # But not the rest of the library, nor changes of the sample, nor deletions.
    for method, where, body in (
        ("GET", f"samples/{other['uuid']}", None),
        ("GET", f"sample_ars/{beside['uuid']}", None),
        ("GET", f"sample_ars?sample_id={other['uuid']}&a=b", None),
        ("GET", f"sample_ar_fields?analysis_result_id={beside['uuid']}", None),
        ("GET", "sample_ar_fields", None),
        ("GET", f"sample_groups/{library['uuid']}", None),
        ("GET", f"nested/{org}/sample_groups/{library['name']}", None),
        ("GET", f"{nested}/{other['name']}", None),
        ("PUT", path, {"name": "mine"}),
        ("PUT", f"{nested}/{sample['name']}", {"name": "mine"}),
        ("DELETE", path, None),
        ("DELETE", f"sample_ars/{secret['uuid']}", None),
        ("POST", f"{path}/work_orders/{proto['uuid']}", None),
        ("POST", "sample_ars", {"module_name": "x", "sample": other["uuid"]}),
        ("POST", "sample_ar_fields", {"analysis_result": beside["uuid"], "name": "x", "stored_data": 1}),
        ("POST", "samples", {"name": "x", "library": library["uuid"]}),
    ):
        mark = "&" if "?" in where else "?"
        worker(method, f"{where}{mark}{through}", 403, **({} if body is None else {"json": body}))
    for who in (bob, pangea.stranger):
        who("GET", f"{path}?{through}", 404)  # he does not even see the order
    pangea.stranger("GET", f"work_orders/{order['uuid']}", 404)
    public = ordered(ann, pangea.sample(ann, pangea.library(ann)), proto)
    bob("GET", f"{path}?work_order_uuid={public['uuid']}", 403)
    worker("GET", f"{path}?work_order_uuid={public['uuid']}", 403)


def test_a_group_order_is_made_of_orders(
    pangea: Pangea, admin: Person, ann: Person, bob: Person, worker: Person, proto: Any
):
    body = {"name": pangea.name("group proto"), "work_order_protos": [proto["uuid"]], "privileged_users": [worker.id]}
    of = admin("POST", "group_work_order_prototypes", 201, json=body)
    library = pangea.library(ann)
    samples = [pangea.sample(ann, library), pangea.sample(ann, library)]
    path = f"sample_groups/{library['uuid']}/work_orders"
    bob("POST", f"{path}/{of['uuid']}", 403)
    uuid = ann("POST", f"{path}/{of['name']}", 201)["uuid"]
    order = ann("GET", f"group_work_orders/{uuid}")
    assert (order["sample_group"], order["status"], order["priority"]) == (library["uuid"], "pending", 100)
    assert [link["sample_uuid"] for link in order["work_order_links"]] == [one["uuid"] for one in samples]
    assert order["work_orders"] == [link["uuid"] for link in order["work_order_links"]]
    first = worker("GET", f"work_orders/{order['work_orders'][0]}")
    worker("PATCH", f"job_orders/{first['job_order_objs'][0]['uuid']}", json={"status": "working"})
    # The published client sends the order of a group with requests for its samples: nothing is lent, nothing refused.
    bob("GET", f"samples/{samples[0]['uuid']}?work_order_uuid={uuid}")
    samples.append(pangea.sample(ann, library))
    assert ann("POST", f"{path}/{of['uuid']}")["uuid"] == uuid
    order = pangea.stranger("GET", f"group_work_orders/{uuid}")
    assert [link["status"] for link in order["work_order_links"]] == ["working", "pending", "pending"]
    assert (order["status"], ann("GET", path)["count"]) == ("working", 1)
    mine = f"group_work_order_prototypes/{of['uuid']}/work_orders"
    assert [one["uuid"] for one in worker("GET", f"{mine}?not_status=error")["results"]] == [uuid]
    assert (worker("GET", f"{mine}?not_status=working")["count"], bob("GET", mine)["count"]) == (0, 0)
    # A group with somebody else's sample: its orders need rights on that, too.
    group = ann("POST", "sample_groups", 201, json={"name": pangea.name("g"), "organization": library["organization"]})
    theirs = pangea.library(bob, is_public=False)
    ann("POST", f"organizations/{library['organization']}/users", json={"user": bob.id})
    hidden = pangea.sample(bob, theirs)
    for some in (hidden, samples[0]):
        bob("POST", f"sample_groups/{group['uuid']}/samples", json={"sample_uuids": [some["uuid"]]})
    ann("POST", f"sample_groups/{group['uuid']}/work_orders/{of['uuid']}", 403)
    uuid = bob("POST", f"sample_groups/{group['uuid']}/work_orders/{of['uuid']}", 201)["uuid"]
    assert len(bob("GET", f"group_work_orders/{uuid}")["work_order_links"]) == 2
    seen = ann("GET", f"group_work_orders/{uuid}")
    assert [link["sample_uuid"] for link in seen["work_order_links"]] == [samples[0]["uuid"]]


def test_states():
    assert order_state([]) == order_state(["pending"] * 2) == "pending"
    assert order_state(["success", "success"]) == "success"
    assert order_state(["success", "pending"]) == order_state(["working"]) == "working"
    assert order_state(["success", "error", "working"]) == "error"


SCRIPT = r"""
import json, sys
from pangea_api import Knex, User, WorkOrderProto, WorkOrder, JobOrder, GroupWorkOrderProto, GroupWorkOrder
from pangea_api.blob_constructors import sample_from_uuid, sample_group_from_uuid
url, email, password, worker, name, group_name, sample, group = sys.argv[1:]
knex = Knex(url)
User(knex, email, password).login()
out = {}
proto = WorkOrderProto.from_name(knex, name)
one = proto.create_work_order_for_sample(sample_from_uuid(knex, sample))
work = Knex(url).login(worker, password)
mine = WorkOrderProto.from_uuid(work, proto.uuid)
found = [wo for wo in mine.get_active_work_orders() if wo.uuid == one.uuid][0]
out["sample"] = found.get_sample().uuid == sample
job = found.get_job_order_by_name("align")
ar = found.get_sample().analysis_result("align").create()
job.status, job.analysis_result = "success", ar.uuid
job.save()
again = mine.get_active_work_order_for_sample(found.get_sample())
out["jobs"] = [(j.name, j.status) for j in again.get_job_orders()]
out["job"] = JobOrder.from_uuid(again, job.uuid).analysis_result == ar.uuid
out["status"] = again.status
gp = GroupWorkOrderProto.from_name(knex, group_name)
gwo = gp.create_work_order_for_sample_group(sample_group_from_uuid(knex, group))
out["links"] = [link["status"] for link in GroupWorkOrder.from_uuid(knex, gwo.uuid).work_order_links]
mine = GroupWorkOrderProto.from_uuid(work, gp.uuid)
out["group"] = mine.get_active_work_order_for_sample_group(gwo.get_sample_group()).uuid == gwo.uuid
print("RESULT" + json.dumps(out))
"""


def test_the_published_client(pangea: Pangea, admin: Person, ann: Person, worker: Person, proto: Any, tmp_path: Path):
    body = {"name": pangea.name("gp"), "work_order_protos": [proto["uuid"]], "privileged_users": [worker.id]}
    of = admin("POST", "group_work_order_prototypes", 201, json=body)
    library = pangea.library(ann)
    ann("POST", f"organizations/{library['organization']}/users", json={"user": worker.id})
    sample = pangea.sample(ann, library)
    done = run_client(
        "pangea", SCRIPT, pangea.url, ann.email, PASSWORD, worker.email, proto["name"], of["name"], sample["uuid"],
        library["uuid"], folder=tmp_path, environment={"PANGEA_API_CACHE_DIR": str(tmp_path)},
    )  # fmt: skip
    assert "RESULT" in done.stdout, done.stderr[-2000:]
    assert json.loads(done.stdout.partition("RESULT")[2]) == {
        "sample": True, "jobs": [["align", "success"], ["count", "pending"]], "job": True, "status": "working",
        "links": ["working"], "group": True,
    }  # fmt: skip
