"""Organizations, libraries and other groups: bodies, names, members, lists, rights (contracts/pangea.md b3-b5)."""

from __future__ import annotations

import csv
import io
from concurrent.futures import ThreadPoolExecutor

import httpx

from tests.pangea.conftest import Pangea, Person


def test_organizations(pangea: Pangea, ann: Person, bob: Person, stranger: Person):
    name = pangea.name("Ünï org")
    made = ann("POST", "organizations", 201, json={"name": name})
    assert set(made) == {"uuid", "name", "created_at", "updated_at", "core_sample_group_uuid"}
    assert (made["name"], made["core_sample_group_uuid"], len(made["created_at"])) == (name, None, 27)
    taken = ann("POST", "organizations", 400, json={"name": name.upper()})
    assert taken == {"name": ["organization with this name already exists."]}
    assert ann("POST", "organizations", 400, json={"name": " "}) == {"name": ["This field may not be blank."]}
    assert ann("POST", "organizations", 400, json={}) == {"name": ["This field is required."]}
    # Along a nested route: by name in any case or by uuid, with and without the slash, without a redirect.
    for path in (name, name.lower(), f"{name}/", made["uuid"]):
        assert ann("GET", f"nested/{path}") == made
    assert ann("GET", f"organizations?uuid={made['uuid']}")["results"] == [made]
    assert ann("GET", "organizations", params={"name": name})["results"] == [made]
    # Nothing public is in it yet: nobody else may know of it.
    bob("GET", f"organizations/{made['uuid']}", 404)
    group = ann("POST", f"nested/{name}/sample_groups", 201, json={"name": pangea.name("g")})
    assert stranger("GET", f"organizations/{made['uuid']}") == made
    # b12: outsiders neither edit nor delete it.
    for method in ("PUT", "PATCH", "DELETE"):
        for path in (f"organizations/{made['uuid']}", f"nested/{made['uuid']}/"):
            answer = bob(method, path, 403, json={"name": "mine"})
            assert answer == {"detail": "You do not have permission to perform this action."}
    renamed = ann("PUT", f"nested/{name}", json={"name": f"{name}!"})
    assert (renamed["uuid"], renamed["name"]) == (made["uuid"], f"{name}!")
    other = ann("POST", "organizations", 201, json={"name": pangea.name("org")})
    assert "already exists" in ann("PATCH", f"organizations/{other['uuid']}", 400, json={"name": f"{name}!"})["name"][0]
    # A nested DELETE answers with JSON, a flat one with nothing.
    assert isinstance(ann("DELETE", f"nested/{made['uuid']}"), dict)
    ann("GET", f"sample_groups/{group['uuid']}", 404)
    assert ann("DELETE", f"organizations/{other['uuid']}", 204) is None


def test_groups_and_libraries(pangea: Pangea, ann: Person, bob: Person, stranger: Person):
    org = ann("POST", "organizations", 201, json={"name": pangea.name("org")})
    name = pangea.name("Library")
    sent = {"organization": org["uuid"], "name": name, "is_library": True, "metadata": {"a": [1, 2.5, None]}}
    made = ann("POST", "sample_groups?format=json", 201, json=sent)
    rest = {key: made[key] for key in ("description", "long_description", "theme", "bucket", "storage_provider_name")}
    assert rest == {
        "description": "", "long_description": "", "theme": "", "bucket": None, "storage_provider_name": "custom",
    }  # fmt: skip
    assert (made["is_library"], made["is_public"], made["metadata"]) == (True, True, {"a": [1, 2.5, None]})
    assert (made["organization"], made["organization_obj"], made["sample_metadata_schema"]) == (org["uuid"], org, {})
    assert stranger("GET", f"nested/{org['name']}/sample_groups/{name}/") == made
    # Names are unique over the whole site.
    answer = bob("POST", "organizations", 201, json={"name": pangea.name("org")})
    answer = bob("POST", "sample_groups", 400, json={"organization": answer["uuid"], "name": name})
    assert answer == {"name": ["sample group with this name already exists."]}
    answer = bob("POST", "sample_groups", 403, json={"organization": org["uuid"], "name": "x"})
    assert answer == {"detail": "Organization membership is required to create a sample group."}
    nobody = "00000000-0000-4000-8000-000000000000"
    assert ann("POST", "sample_groups", 400, json={"organization": nobody, "name": "x"}) == {
        "organization": [f'Invalid pk "{nobody}" - object does not exist.']
    }
    private = ann("POST", f"nested/{org['name']}/sample_groups/", 201, json={
        "name": pangea.name("g"), "is_public": False,
    })  # fmt: skip
    assert (private["is_library"], private["is_public"]) == (False, False)
    assert bob("GET", f"sample_groups/{private['uuid']}", 403)["detail"].startswith("You do not have permission")
    bob("GET", f"nested/{org['name']}/sample_groups/{private['name']}", 403)
    # Lists show what the caller may see, nested ones only what is below (b12).
    listed = [one["uuid"] for one in ann("GET", f"nested/{org['name']}/sample_groups")["results"]]
    assert listed == [made["uuid"], private["uuid"]]
    listed = [one["uuid"] for one in stranger("GET", f"sample_groups?organization_id={org['uuid']}")["results"]]
    assert listed == [made["uuid"]]
    assert ann("GET", f"sample_groups?organization_id={org['uuid']}&is_public=false")["results"] == [private]
    assert ann("GET", "sample_groups", params={"name": name})["results"] == [made]


def test_a_name_is_given_once_however_many_ask(pangea: Pangea, ann: Person):
    org = ann("POST", "organizations", 201, json={"name": pangea.name("org")})
    name = pangea.name("Race")

    def ask(i: int) -> int:
        with httpx.Client(base_url=pangea.url, headers=ann.headers(), timeout=30) as client:
            body = {"name": name if i % 2 else name.upper(), "organization": org["uuid"], "is_library": True}
            return client.post("/api/sample_groups", json=body).status_code

    with ThreadPoolExecutor(6) as threads:
        assert sorted(threads.map(ask, range(6))) == [201, 400, 400, 400, 400, 400]


def test_change_and_delete_a_group(pangea: Pangea, ann: Person, bob: Person, stranger: Person):
    library = pangea.library(ann, description="before")
    path = f"sample_groups/{library['uuid']}"
    # b12: the published client sends all fields, the description empty.
    sent = {**library, "description": "", "long_description": "**long**", "metadata": {"k": "v"}}
    changed = ann("PUT", path, json=sent)
    assert changed == {**sent, "updated_at": changed["updated_at"]}
    assert changed["updated_at"] > library["updated_at"]
    assert ann("PATCH", path, json={"metadata": {}})["metadata"] == {}
    assert bob("PUT", path, 403, json=sent)["detail"].startswith("You do not have permission")
    sample = pangea.sample(ann, library)
    assert stranger("GET", f"samples/{sample['uuid']}")["uuid"] == sample["uuid"]
    assert ann("PATCH", path, json={"is_public": False})["is_public"] is False
    stranger("GET", f"samples/{sample['uuid']}", 403)
    assert bob("GET", f"{path}/samples") == {"count": 0, "next": None, "previous": None, "results": []}
    assert stranger("GET", f"{path}/samples")["results"] == []
    assert "is_library" in ann("PATCH", path, 400, json={"is_library": False})
    other = pangea.library(ann)
    assert "organization" in ann("PATCH", path, 400, json={"organization": other["organization"]})
    assert "already exists" in ann("PATCH", path, 400, json={"name": other["name"]})["name"][0]
    bob("DELETE", path, 403)
    ann("DELETE", path, 204)
    ann("GET", f"samples/{sample['uuid']}", 404)


def test_members(pangea: Pangea, ann: Person, bob: Person, stranger: Person):
    library, hidden = pangea.library(ann), pangea.library(ann, is_public=False)
    one, two = pangea.sample(ann, library, "one"), pangea.sample(ann, hidden, "two")
    group = ann("POST", "sample_groups", 201, json={
        "name": pangea.name("g"), "organization": library["organization"],
    })  # fmt: skip
    path = f"sample_groups/{group['uuid']}/samples"
    both = {"sample_uuids": [one["uuid"], two["uuid"]]}
    assert bob("POST", path, 403, json=both) == {"detail": "Insufficient permissions to add sample to sample group."}
    for _ in range(2):
        assert ann("POST", path, json=both) == {"status": "success"}
    assert [each["name"] for each in ann("GET", path)["results"]] == ["one", "two"]
    # Who reads the group reads the members that he may read, and finds them below it by name.
    assert [each["name"] for each in stranger("GET", path)["results"]] == ["one"]
    nested = f"nested/{group['organization_obj']['name']}/sample_groups/{group['name']}/samples"
    assert stranger("GET", f"{nested}/ONE") == stranger("GET", f"samples/{one['uuid']}")
    stranger("GET", f"{nested}/two", 403)
    assert [each["name"] for each in stranger("GET", f"{nested}/")["results"]] == ["one"]
    # Nobody puts somebody else's samples into a group of his own.
    own = pangea.library(bob)
    mine = bob("POST", "sample_groups", 201, json={"name": pangea.name("g"), "organization": own["organization"]})
    bob("POST", f"sample_groups/{mine['uuid']}/samples", 403, json={"sample_uuids": [one["uuid"]]})
    nobody = "00000000-0000-4000-8000-000000000000"
    assert "sample_uuids" in ann("POST", path, 400, json={"sample_uuids": [nobody]})
    assert "sample_uuids" in ann("POST", f"sample_groups/{library['uuid']}/samples", 400, json=both)
    assert ann("POST", f"sample_groups/{library['uuid']}/samples", json={"sample_uuids": [one["uuid"]]})
    # The published client sends no body with DELETE: nothing happens.
    assert ann("DELETE", path) == {"status": "success"}
    assert ann("GET", path)["count"] == 2
    bob("DELETE", path, 403, json=both)
    assert ann("DELETE", path, json={"sample_uuids": [two["uuid"]]}) == {"status": "success"}
    assert [each["name"] for each in ann("GET", path)["results"]] == ["one"]
    ann("GET", f"sample_groups/{nobody}/samples", 404)
    ann("POST", f"sample_groups/{nobody}/samples", 404, json=both)


def test_tables_of_a_group(pangea: Pangea, ann: Person, stranger: Person):
    library = pangea.library(ann)
    one = pangea.sample(ann, library, "a,1", metadata={"x": 1, "tissue": "li,ver"})
    two = pangea.sample(ann, library, "b", metadata={"y": [1]})
    pangea.result(ann, one, "m1")
    pangea.result(ann, one, "m1", replicate="again")
    pangea.result(ann, two, "m1")
    pangea.result(ann, two, "secret", is_private=True)
    path = f"sample_groups/{library['uuid']}"
    assert stranger("GET", f"{path}/metadata") == {"a,1": {"x": 1, "tissue": "li,ver"}, "b": {"y": [1]}}
    answer = stranger.send("GET", f"{path}/metadata?kind=csv")
    assert answer.headers["content-type"].startswith("text/csv")
    assert f'"{library["name"]}_metadata.csv"' in answer.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert rows == [
        {"": "a,1", "x": "1", "tissue": "li,ver", "y": ""},
        {"": "b", "x": "", "tissue": "", "y": "[1]"},
    ]
    assert ann("GET", f"{path}/module_counts") == {"n_samples": 2, "m1": 2, "secret": 1}
    assert stranger("GET", f"{path}/module_counts") == {"n_samples": 2, "m1": 2}
    links = stranger("GET", f"{path}/sample_links?metadata=1")
    assert links == {"count": 2, "links": [
        {"uuid": one["uuid"], "name": "a,1", "metadata": one["metadata"]},
        {"uuid": two["uuid"], "name": "b", "metadata": two["metadata"]},
    ]}  # fmt: skip
    ann("PATCH", path, json={"is_public": False})
    for what in ("metadata", "module_counts", "sample_links", "manifest"):
        assert stranger("GET", f"{path}/{what}", 403) == {"detail": "Insufficient permissions to access group."}
    # The token may come with the address of a read.
    assert stranger("GET", f"{path}/module_counts?token={ann.token}")["n_samples"] == 2
    assert stranger("GET", f"{path}?token={ann.token}", 403)


def test_pages(pangea: Pangea, ann: Person):
    library = pangea.library(ann)
    names = [f"p{i}" for i in range(205)]
    uuids = ann("POST", "bulk_samples", 201, json={"library": library["uuid"], "names": names})["uuids"]
    first = f"{pangea.url}/api/sample_groups/{library['uuid']}/samples"
    page = ann("GET", first)
    assert (page["count"], page["next"], page["previous"]) == (205, f"{first}?page=2", None)
    assert [one["uuid"] for one in page["results"]] == uuids[:100]
    page = ann("GET", page["next"])
    assert (page["next"], page["previous"]) == (f"{first}?page=3", first)
    page = ann("GET", page["next"])
    assert (page["next"], page["previous"]) == (None, f"{first}?page=2")
    assert [one["uuid"] for one in page["results"]] == uuids[200:]
    for wrong in ("4", "0", "-1", "x", "9" * 30):
        assert ann("GET", f"{first}?page={wrong}", 404) == {"detail": "Invalid page."}
    # Other parameters stay; a client whose endpoint ends with a slash gets its own spelling back.
    page = ann("GET", f"{pangea.url}//api/samples?library_id={library['uuid']}&page=2")
    assert page["next"] == f"{pangea.url}//api/samples?library_id={library['uuid']}&page=3"
    assert ann("GET", page["next"])["count"] == 205


def test_schema_of_metadata(pangea: Pangea, ann: Person, bob: Person, stranger: Person):
    library = pangea.library(ann)
    pangea.sample(ann, library, "a", metadata={"n": 1, "x": 1.5, "t": "w", "b": True, "m": 1, "e": None})
    pangea.sample(ann, library, "b", metadata={"n": 2, "x": 2, "t": "v", "b": False, "m": "text"})
    path = f"sample_groups/{library['uuid']}"
    assert stranger("GET", f"{path}/validate_metadata_schema") == {"errors": [], "stats": {"errors": 0, "tasks": 1}}
    bob("POST", f"{path}/generate_metadata_schema", 403)
    kinds = {"n": "integer", "x": "number", "t": "string", "b": "boolean", "m": "any", "e": "string"}
    made = ann("POST", f"{path}/generate_metadata_schema", 201)["schema"]
    assert {one["name"]: one["type"] for one in made["fields"]} == kinds
    assert ann("GET", path)["sample_metadata_schema"] == made
    again = ann("POST", f"{path}/generate_metadata_schema", 400)
    assert again == ["no_overwrite_existing_sample_metadata_schema"]
    ann("POST", f"{path}/generate_metadata_schema?overwrite=1", 201)
    # b12: integers are no false errors.
    assert ann("GET", f"{path}/validate_metadata_schema")["errors"] == []
    pangea.sample(ann, library, "c", metadata={"n": "many", "new": 1})
    found = stranger("GET", f"{path}/validate_metadata_schema")
    assert ([one[:3] for one in found["errors"]], found["stats"]["errors"]) == ([["c", "n", "type-error"]], 1)
    ann("PATCH", path, json={"is_public": False})
    refused = stranger("GET", f"{path}/validate_metadata_schema", 403)
    assert refused == {"detail": "Insufficient permissions to access group."}
