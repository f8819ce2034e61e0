"""Samples, results and fields: bodies, names, changes, history, manifests, privacy (contracts/pangea.md b3, b6-b8)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.gen3.conftest import run_sql
from tests.pangea.conftest import Pangea, Person

NOBODY = "00000000-0000-4000-8000-000000000000"


def test_make_and_read_a_sample(pangea: Pangea, ann: Person, bob: Person, stranger: Person):
    library = pangea.library(ann)
    metadata = {
        "tissue": "liver",
        "age": 61,
        "description": "free",
        "id": 7,
        "nested": {"a": [1.5, None, True]},
        "n": None,
    }
    sent = {"uuid": None, "created_at": None, "name": "S 1", "library": library["uuid"], "metadata": metadata,
            "description": "shown"}  # fmt: skip
    made = ann("POST", "samples?format=json", 201, json=sent)
    assert set(made) == {
        "uuid", "name", "created_at", "updated_at", "library", "metadata", "library_obj", "description",
    }  # fmt: skip
    assert (made["name"], made["metadata"], made["description"]) == ("S 1", metadata, "shown")
    assert (made["library"], made["library_obj"]) == (library["uuid"], library)
    place = f"nested/{library['organization_obj']['name']}/sample_groups/{library['name']}/samples"
    for path in (f"samples/{made['uuid']}", f"{place}/s 1", f"{place}/S 1/", f"{place}/{made['uuid']}"):
        assert stranger("GET", path) == made
    unique = {"non_field_errors": ["The fields name, library must make a unique set."]}
    assert ann("POST", "samples", 400, json=sent) == ann("POST", place, 400, json={"name": "s 1"}) == unique
    assert bob("POST", "samples", 403, json={**sent, "name": "x"}) == {
        "detail": "Organization membership is required to create a sample."
    }
    group = ann("POST", "sample_groups", 201, json={
        "name": pangea.name("g"), "organization": library["organization"],
    })  # fmt: skip
    for wrong in (NOBODY, group["uuid"]):
        assert ann("POST", "samples", 400, json={"name": "x", "library": wrong}) == {
            "library": [f'Invalid pk "{wrong}" - object does not exist.']
        }
    assert ann("POST", "samples", 400, json={"library": library["uuid"]}) == {"name": ["This field is required."]}
    assert ann("POST", "samples", 400, json={"name": "x", "library": library["uuid"], "metadata": None}) == {
        "metadata": ["This field may not be null."]
    }
    plain = ann("POST", f"{place}/", 201, json={"name": "plain"})
    assert (plain["metadata"], plain["description"]) == ({}, "")
    for value in ([1, "a"], "text", 5, True):
        assert pangea.sample(ann, library, metadata=value)["metadata"] == value
    answer = ann("POST", "samples", 201, data={"name": "form", "library": library["uuid"], "metadata": '{"a": 1}'})
    assert answer["metadata"] == {"a": 1}
    answer = ann("POST", "samples", 201, files={"name": (None, "multi"), "library": (None, library["uuid"])})
    assert answer["name"] == "multi"
    assert ann("GET", f"samples?library_id={library['uuid']}&name=plain")["results"] == [plain]


def test_change_move_and_history(pangea: Pangea, ann: Person, bob: Person):
    library, other = pangea.library(ann), pangea.library(ann)
    sample = pangea.sample(ann, library, "a", metadata={"v": 1, "tissue": "x"})
    path = f"samples/{sample['uuid']}"
    assert ann("PATCH", path, json={"description": "d"})["metadata"] == {"v": 1, "tissue": "x"}
    assert ann("PUT", path, json={**sample, "metadata": {"v": 2}})["metadata"] == {"v": 2}
    ann("PATCH", path, json={"metadata": {"v": 2}})
    ann("PATCH", path, json={"metadata": {"v": True}})
    history = ann("GET", f"{path}/metadata")
    assert [one["metadata"] for one in history["versioned_metadata"]] == [
        {"v": 1, "tissue": "x"},
        {"v": 2},
        {"v": True},
    ]
    assert history["versioned_metadata"][0]["created_at"] == sample["created_at"]
    assert (history["name"], history["metadata"]) == ("a", {"v": True})
    bob("PATCH", path, 403, json={"metadata": {}})
    # Another library takes the sample along with its results.
    result = pangea.result(ann, sample)
    moved = ann("PATCH", path, json={"library": other["uuid"], "name": "b"})
    assert (moved["library"], moved["library_obj"]["name"], moved["name"]) == (other["uuid"], other["name"], "b")
    assert ann("GET", f"sample_ars/{result['uuid']}")["sample_obj"]["library"] == other["uuid"]
    assert ann("GET", f"sample_groups/{library['uuid']}/samples")["count"] == 0
    assert [one["name"] for one in ann("GET", f"sample_groups/{other['uuid']}/samples")["results"]] == ["b"]
    theirs = pangea.library(bob)
    ann("PATCH", path, 403, json={"library": theirs["uuid"]})
    assert "library" in ann("PATCH", path, 400, json={"library": NOBODY})
    pangea.sample(ann, library, "b")
    assert "non_field_errors" in ann("PATCH", path, 400, json={"library": library["uuid"]}) or "name" in ann(
        "PATCH", path, 400, json={"library": library["uuid"]}
    )
    bob("DELETE", path, 403)
    ann("DELETE", path, 204)
    ann("GET", f"sample_ars/{result['uuid']}", 404)


def test_many_at_once_are_all_or_none(pangea: Pangea, ann: Person, bob: Person):
    library = pangea.library(ann)
    body = {"library": library["uuid"], "names": ["c", "a", "b"]}
    uuids = ann("POST", "bulk_samples", 201, json=body)["uuids"]
    assert [ann("GET", f"samples/{uuid}")["name"] for uuid in uuids] == ["c", "a", "b"]
    for names in (["d", "a"], ["e", "E"]):
        assert ann("POST", "bulk_samples", 400, json={**body, "names": names})
    assert ann("GET", f"samples?library_id={library['uuid']}")["count"] == 3
    bob("POST", "bulk_samples", 403, json={**body, "names": ["x"]})
    for wrong in ("x", [1], [""], None):
        assert "names" in ann("POST", "bulk_samples", 400, json={**body, "names": wrong})


@pytest.mark.parametrize("of_samples", [True, False])
def test_results_and_fields(pangea: Pangea, ann: Person, bob: Person, stranger: Person, of_samples: bool):
    library = pangea.library(ann)
    place = f"nested/{library['organization_obj']['name']}/sample_groups/{library['name']}"
    kind, owner, words = "sample_group", library, "sample group"
    if of_samples:
        kind, owner, words = "sample", pangea.sample(ann, library, "s"), "sample"
        place += "/samples/s"
    routes, fields = f"{kind}_ars", f"{kind}_ar_fields"
    sent = {"module_name": "a::b.c%d", kind: owner["uuid"], "metadata": {"module": "x", "k": 1.5}, "replicate": None}
    made = ann("POST", f"{routes}?format=json", 201, json=sent)
    assert len(made["replicate"]) == 12
    assert made["replicate"].isalnum()
    assert (made["module_name"], made["metadata"], made[kind]) == ("a::b.c%d", {"module": "x", "k": 1.5}, owner["uuid"])
    assert (made["is_private"], made["is_hidden"], made["pipeline_module"], made["description"]) == (
        False, False, None, "",
    )  # fmt: skip
    assert made[f"{kind}_obj"]["uuid"] == owner["uuid"]
    again = {**sent, "replicate": made["replicate"]}
    assert ann("POST", routes, 400, json=again) == {
        "non_field_errors": [f"The fields module_name, replicate, {kind} must make a unique set."]
    }
    assert ann("POST", routes, 400, json={**again, "metadata": None}) == {"metadata": ["This field may not be null."]}
    assert bob("POST", routes, 403, json=sent) == {
        "detail": f"Organization membership is required to create a {words} analysis result."
    }
    second = ann("POST", f"{place}/analysis_results", 201, json={"module_name": "a::b.c%d", "replicate": "r2"})
    # The one that was changed last has the name; ?replicate= narrows.
    assert stranger("GET", f"{place}/analysis_results/A::b.c%25d") == second
    assert stranger("GET", f"{place}/analysis_results/a::b.c%25d?replicate={made['replicate']}") == made
    changed = ann("PUT", f"{routes}/{made['uuid']}", json={**made, "metadata": {"z": 1}, "description": "d"})
    assert (changed["metadata"], changed["description"], changed["uuid"]) == ({"z": 1}, "d", made["uuid"])
    assert stranger("GET", f"{place}/analysis_results/a::b.c%25d") == changed
    listed = stranger("GET", f"{place}/analysis_results")
    assert listed["results"] == [changed, second]
    assert stranger("GET", f"{routes}?{kind}_id={owner['uuid']}")["results"] == [changed, second]
    assert stranger("GET", f"{routes}?{kind}_id={owner['uuid']}&replicate=r2&module_name=a::b.c%25d")["count"] == 1
    other = "sample_group_ars" if of_samples else "sample_ars"
    ann("GET", f"{other}/{made['uuid']}", 404)

    body = {"analysis_result": made["uuid"], "name": "f.1", "stored_data": {"v": [1, 2.0, None, "ü"], "e": {}}}
    one = ann("POST", f"{fields}?format=json", 201, json=body)
    assert (one["stored_data"], one["analysis_result"], one["description"]) == (body["stored_data"], made["uuid"], "")
    assert one["analysis_result_obj"] == changed
    assert ann("POST", fields, 400, json=body) == {
        "non_field_errors": ["The fields analysis_result, name must make a unique set."]
    }
    assert ann("POST", fields, 400, json={"analysis_result": made["uuid"], "name": "x"}) == {
        "stored_data": ["This field is required."]
    }
    assert bob("POST", fields, 403, json={**body, "name": "x"}) == {
        "detail": f"Organization membership is required to create a {words} analysis result field."
    }
    for value in ({}, [], 5, "text", True, 12345678901234567890):
        path = f"{fields}/{one['uuid']}"
        assert ann("PUT", path, json={"name": "f.1", "stored_data": value})["stored_data"] == value
        assert (
            stranger("GET", f"{place}/analysis_results/a::b.c%25d/fields/F.1?replicate={made['replicate']}")[
                "stored_data"
            ]
            == value
        )
    # A new name of a result takes its fields along: the old one is free for all of them.
    ann("PATCH", f"{routes}/{made['uuid']}", json={"module_name": "renamed"})
    third = ann("POST", routes, 201, json=again)
    ann("POST", fields, 201, json={**body, "analysis_result": third["uuid"]})
    ann("PATCH", f"{fields}/{one['uuid']}", json={"name": "f.2", "description": "d"})
    listed = stranger("GET", f"{fields}?analysis_result_id={made['uuid']}")["results"]
    assert [(each["name"], each["description"]) for each in listed] == [("f.2", "d")]
    assert stranger("GET", f"{place}/analysis_results/renamed/fields")["results"] == listed
    assert isinstance(ann("DELETE", f"{place}/analysis_results/renamed/fields/f.2"), dict)
    bob("DELETE", f"{routes}/{made['uuid']}", 403)
    assert isinstance(ann("DELETE", f"{place}/analysis_results/renamed"), dict)
    ann("GET", f"{routes}/{made['uuid']}", 404)
    ann("DELETE", f"{routes}/{second['uuid']}", 204)


def manifests(person: Person, library: dict[str, Any], sample: dict[str, Any]) -> list[Any]:
    return [
        person("GET", f"sample_groups/{library['uuid']}/manifest"),
        person("GET", f"samples/{sample['uuid']}/manifest"),
    ]


def test_manifests(pangea: Pangea, ann: Person, stranger: Person):
    library = pangea.library(ann)
    sample, bare = pangea.sample(ann, library, "s", metadata={"tissue": "x", "n": 1}), pangea.sample(ann, library)
    result = pangea.result(ann, sample, "m", metadata={"k": 1})
    field = ann("POST", "sample_ar_fields", 201, json={
        "analysis_result": result["uuid"], "name": "f", "stored_data": [1],
    })  # fmt: skip
    own = ann("POST", "sample_group_ars", 201, json={"module_name": "gm", "sample_group": library["uuid"]})
    whole, one = manifests(stranger, library, sample)
    del field["analysis_result_obj"], result["sample_obj"], own["sample_group_obj"]
    result["fields"] = [field]
    assert one == {**sample, "analysis_results": [result]}
    del sample["library_obj"], bare["library_obj"]
    assert whole == {
        **library,
        "samples": [{**sample, "analysis_results": [result]}, {**bare, "analysis_results": []}],
        "analysis_results": [{**own, "fields": []}],
    }
    stranger("GET", f"sample_groups/{NOBODY}/manifest", 404)
    stranger("GET", f"samples/{NOBODY}/manifest", 404)
    # A group of samples of several libraries shows what each reader may read.
    hidden = pangea.library(ann, is_public=False)
    secret = pangea.sample(ann, hidden)
    group = ann("POST", "sample_groups", 201, json={
        "name": pangea.name("g"), "organization": library["organization"],
    })  # fmt: skip
    ann("POST", f"sample_groups/{group['uuid']}/samples", json={"sample_uuids": [secret["uuid"], sample["uuid"]]})
    path = f"sample_groups/{group['uuid']}/manifest"
    assert [each["uuid"] for each in stranger("GET", path)["samples"]] == [sample["uuid"]]
    found = ann("GET", path)["samples"]
    assert [each["library"] for each in found] == [library["uuid"], hidden["uuid"]]


def test_private_results_are_for_members(pangea: Pangea, ann: Person, bob: Person, stranger: Person):
    library = pangea.library(ann)
    sample = pangea.sample(ann, library, "s")
    shown, secret = pangea.result(ann, sample, "m"), pangea.result(ann, sample, "m", is_private=True)
    own = ann("POST", "sample_group_ars", 201, json={
        "module_name": "gm", "sample_group": library["uuid"], "is_private": True,
    })  # fmt: skip
    field = ann("POST", "sample_ar_fields", 201, json={
        "analysis_result": secret["uuid"], "name": "f", "stored_data": "top secret",
    })  # fmt: skip
    place = f"nested/{library['organization_obj']['name']}/sample_groups/{library['name']}"
    for person in (bob, stranger):
        for path in (
            f"sample_ars/{secret['uuid']}", f"sample_group_ars/{own['uuid']}", f"sample_ar_fields/{field['uuid']}",
            f"{place}/analysis_results/gm", f"{place}/samples/s/analysis_results/m/fields/f",
            f"{place}/samples/s/analysis_results/m?replicate={secret['replicate']}",
        ):  # fmt: skip
            person("GET", path, 403)
        # The newest is private: the newest that he may read has the name.
        assert person("GET", f"{place}/samples/s/analysis_results/m")["uuid"] == shown["uuid"]
        for path in (
            f"sample_ars?sample_id={sample['uuid']}", f"{place}/samples/s/analysis_results",
            f"sample_ars?uuid={secret['uuid']}", f"sample_group_ars?sample_group_id={library['uuid']}",
            f"sample_ar_fields?analysis_result_id={secret['uuid']}", f"{place}/analysis_results",
        ):  # fmt: skip
            found = person("GET", path)
            assert [one["uuid"] for one in found["results"]] in ([], [shown["uuid"]])
            assert found["count"] == len(found["results"])
        # b12: nor are they in manifests.
        assert "secret" not in str(manifests(person, library, sample))
        assert [one["uuid"] for one in manifests(person, library, sample)[1]["analysis_results"]] == [shown["uuid"]]
    assert ann("GET", f"{place}/samples/s/analysis_results/m")["uuid"] == secret["uuid"]
    assert "top secret" in str(manifests(ann, library, sample))
    # Made public, and private again, with its field.
    ann("PATCH", f"sample_ars/{secret['uuid']}", json={"is_private": False})
    assert stranger("GET", f"sample_ar_fields/{field['uuid']}")["stored_data"] == "top secret"
    ann("PATCH", f"sample_ars/{secret['uuid']}", json={"is_private": True})
    stranger("GET", f"sample_ar_fields/{field['uuid']}", 403)
    assert ann("GET", f"sample_ars?uuid={secret['uuid']}")["results"][0]["is_private"] is True


def test_a_uuid_in_a_path_is_the_thing_itself_before_what_bears_it_as_a_name(pangea: Pangea, ann: Person):
    library = pangea.library(ann)
    place = f"nested/{library['organization']}/sample_groups/{library['uuid']}/samples"
    sample = pangea.sample(ann, library, "s")
    twin = pangea.sample(ann, library, sample["uuid"])
    assert ann("GET", f"{place}/{sample['uuid']}")["uuid"] == sample["uuid"]
    assert ann("GET", f"{place}/{twin['uuid']}")["uuid"] == twin["uuid"]
    result = pangea.result(ann, sample, "m")
    pangea.result(ann, sample, result["uuid"])
    place += f"/s/analysis_results/{result['uuid']}"
    assert ann("GET", place)["uuid"] == result["uuid"]
    sent = {"analysis_result": result["uuid"], "name": "f", "stored_data": 1}
    field = ann("POST", "sample_ar_fields", 201, json=sent)
    ann("POST", "sample_ar_fields", 201, json={**sent, "name": field["uuid"]})
    assert ann("GET", f"{place}/fields/{field['uuid']}")["uuid"] == field["uuid"]


def test_a_move_with_a_change_is_both_or_neither(pangea: Pangea, ann: Person, bob: Person):
    here, there = pangea.library(ann), pangea.library(ann)
    sample = pangea.sample(ann, here, "s", metadata={"a": 1})
    pangea.sample(ann, there, "taken")
    place = f"samples/{sample['uuid']}"
    sent = {"library": there["uuid"], "name": "taken", "metadata": {"a": 2}}
    assert ann("PATCH", place, 400, json=sent) == {
        "non_field_errors": ["The fields name, library must make a unique set."]
    }
    kept = ann("GET", place)
    assert (kept["library"], kept["name"], kept["metadata"]) == (here["uuid"], "s", {"a": 1})
    moved = ann("PATCH", place, json={**sent, "name": "t"})
    assert (moved["library"], moved["name"], moved["metadata"]) == (there["uuid"], "t", {"a": 2})
    assert moved == ann("GET", place)
    own = pangea.library(bob)
    for who, library in ((bob, own), (ann, own)):
        who("PATCH", place, 403, json={"library": library["uuid"]})


def test_results_and_fields_stay_where_they_are(pangea: Pangea, ann: Person):
    library = pangea.library(ann)
    one, two = pangea.sample(ann, library, "s"), pangea.sample(ann, library, "t")
    results = [pangea.result(ann, one, "m"), pangea.result(ann, two, "m")]
    sent = {"analysis_result": results[0]["uuid"], "name": "f", "stored_data": 1}
    field = ann("POST", "sample_ar_fields", 201, json=sent)
    place = f"sample_ars/{results[0]['uuid']}"
    said = ["This cannot be changed: make it anew there."]
    assert ann("PATCH", place, 400, json={"sample": two["uuid"]}) == {"sample": said}
    assert ann("PUT", place, json={**results[0], "description": "d"})["sample"] == one["uuid"]
    place = f"sample_ar_fields/{field['uuid']}"
    assert ann("PATCH", place, 400, json={"analysis_result": results[1]["uuid"]}) == {"analysis_result": said}
    assert ann("PUT", place, json={**sent, "stored_data": 2})["stored_data"] == 2


def test_refusals_and_a_new_privacy_are_in_the_audit(pangea: Pangea, ann: Person, bob: Person):
    library = pangea.library(ann)
    result = pangea.result(ann, pangea.sample(ann, library, "s"), "m")
    hushed = ann.send("PATCH", f"sample_ars/{result['uuid']}", json={"is_private": True})
    refused = bob.send("POST", f"sample_groups/{library['uuid']}/samples", json={"sample_uuids": []})
    assert refused.json() == {"detail": "Insufficient permissions to add sample to sample group."}
    sql = "select action, result, details from audit_events where request_id = $1 and door = 'pangea' and action <> $2"
    (change,) = run_sql(pangea.dsn, sql, hushed.headers["x-request-id"], "result.read")
    assert (change["action"], json.loads(change["details"])["private"]) == ("result.settings", True)
    (event,) = run_sql(pangea.dsn, sql, refused.headers["x-request-id"], "project.read")
    assert (event["action"], event["result"]) == ("update", "refused")
