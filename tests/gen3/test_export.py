"""Exports: who may, chosen records, mixed types, what hangs below, awkward values, flat streaming."""

from __future__ import annotations

import csv
import io
import json
import tarfile
import uuid
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.gen3.conftest import Gen3, case, experiment, run_sql

AWKWARD = [
    'a "quoted" word', '"starts', "tab\there", "line\nend", "back\\slash", "comma, #hash", "ü日本\u2028x", "=1+1",
]  # fmt: skip


@pytest.fixture(scope="module")
def project(gen3: Gen3) -> str:
    place = gen3.project()
    documents: list[dict[str, Any]] = [experiment(place, "e1"), experiment(place, "e2")]
    documents += [case(f"c{n}", primary_site=text, consent_codes=["x", str(n)]) for n, text in enumerate(AWKWARD)]
    documents += [{"type": "sample", "submitter_id": "s1", "cases": {"submitter_id": "c0"}, "is_ffpe": True,
                   "days_to_collection": 2**62, "initial_weight": 1.5}]  # fmt: skip
    documents += [
        {"type": "experimental_metadata", "submitter_id": "f1", "data_category": "data_file", "data_format": "txt",
         "data_type": "Experimental Metadata", "file_name": "f", "file_size": 1, "md5sum": uuid.uuid4().hex,
         "experiments": [{"submitter_id": "e2"}, {"submitter_id": "e1"}]}
    ]  # fmt: skip
    gen3.put(place, documents)
    return place


def ids(gen3: Gen3, project: str, node: str) -> dict[str, str]:
    found = gen3.call("GET", f"{project}/export?node_label={node}&format=json").json()["data"]
    return {one["submitter_id"]: one["id"] for one in found}


def rows(text: str, delimiter: str = "\t") -> list[dict[str, str]]:
    table = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    return [dict(zip(table[0], row, strict=True)) for row in table[1:]]


@pytest.mark.parametrize(("doc_format", "delimiter"), [("tsv", "\t"), ("csv", ",")])
def test_awkward_values_survive(gen3: Gen3, project: str, doc_format: str, delimiter: str) -> None:
    whole = gen3.call("GET", f"{project}/export?node_label=case&format={doc_format}")
    shown = {row["submitter_id"]: row["primary_site"] for row in rows(whole.text, delimiter)}
    assert shown == {f"c{n}": text for n, text in enumerate(AWKWARD)}
    wanted = ",".join(ids(gen3, project, "case").values())
    chosen = gen3.call("GET", f"{project}/export?ids={wanted}&format={doc_format}")
    by_id = {row["submitter_id"]: row for row in rows(chosen.text, delimiter)}
    assert {name: row["primary_site"] for name, row in by_id.items()} == shown
    assert by_id["c3"]["consent_codes"] == "x,3"
    assert {name: row["consent_codes"] for name, row in by_id.items()} == {
        row["submitter_id"]: row["consent_codes"] for row in rows(whole.text, delimiter)
    }


def test_ordinary_quotation_marks_are_not_quoted_in_tsv(gen3: Gen3, project: str) -> None:
    text = gen3.call("GET", f"{project}/export?node_label=case").text
    assert '\ta "quoted" word\t' in text
    assert "\tback\\slash\t" in text


@pytest.mark.parametrize("codes", [["a, b", "c"], ["a"], [" a "], ["[x]"], ["[1, 2]"], ["[1]"], ["", "x"], [""]])
@pytest.mark.parametrize("doc_format", ["tsv", "csv"])
def test_lists_come_back_as_they_were(gen3: Gen3, codes: list[str], doc_format: str) -> None:
    place = gen3.project()
    gen3.put(place, [experiment(place), case("c1", consent_codes=codes)])
    cell = rows(gen3.call("GET", f"{place}/export?node_label=case").text)[0]["consent_codes"]
    assert (cell == ",".join(codes)) or json.loads(cell) == codes
    table = gen3.call("GET", f"{place}/export?node_label=case&format={doc_format}").content
    gen3.put(place, case("c1", consent_codes=None))
    assert gen3.table(place, table, doc_format).status_code == 200
    shown = gen3.call("GET", f"{place}/export?node_label=case&format=json").json()["data"][0]
    assert shown["consent_codes"] == codes


def test_values_of_all_kinds(gen3: Gen3, project: str) -> None:
    row = rows(gen3.call("GET", f"{project}/export?node_label=sample").text)[0]
    assert (row["is_ffpe"], row["days_to_collection"], row["initial_weight"]) == ("True", str(2**62), "1.5")
    assert row["cases.id"] == ids(gen3, project, "case")["c0"]
    assert row["diagnoses.submitter_id"] == ""
    several = rows(gen3.call("GET", f"{project}/export?node_label=experimental_metadata").text)[0]
    by_name = ids(gen3, project, "experiment")
    names = several["experiments.submitter_id"].split(",")
    assert sorted(names) == ["e1", "e2"]
    assert several["experiments.id"].split(",") == [by_name[name] for name in names]
    as_json = gen3.call("GET", f"{project}/export?node_label=experimental_metadata&format=json").json()["data"][0]
    assert {link["submitter_id"]: link["node_id"] for link in as_json["experiments"]} == by_name


def test_chosen_records_as_json_keep_nulls_and_all_links(gen3: Gen3, project: str) -> None:
    sample = ids(gen3, project, "sample")["s1"]
    body = gen3.call("GET", f"{project}/export?ids={sample}&format=json&without_id=true")
    assert body.text.startswith("[\n")
    one = body.json()[0]
    assert one["tumor_code"] is None
    assert one["diagnoses"] == []
    assert one["cases"] == [{"submitter_id": "c0"}]
    assert "id" not in one
    posted = gen3.call("POST", f"{project}/export", json={"ids": [sample], "format": "json", "without_id": True})
    assert posted.json() == body.json()


def test_several_types_and_what_hangs_below(gen3: Gen3, project: str) -> None:
    first = ids(gen3, project, "experiment")["e1"]
    sample = ids(gen3, project, "sample")["s1"]
    mixed = gen3.call("GET", f"{project}/export?ids={first},{sample}")
    assert mixed.headers["content-disposition"].startswith("attachment; filename=gdc_export_")
    with tarfile.open(fileobj=io.BytesIO(mixed.content)) as archive:
        assert sorted(archive.getnames()) == ["experiment.tsv", "sample.tsv"]
        assert rows(archive.extractfile("sample.tsv").read().decode())[0]["submitter_id"] == "s1"
    as_json = gen3.call("GET", f"{project}/export?ids={first},{sample}&format=json")
    assert as_json.headers["content-disposition"].endswith(".json")
    assert {one["type"] for one in as_json.json()} == {"experiment", "sample"}
    below = gen3.call("GET", f"{project}/export?ids={first}&format=json&with_children=true").json()
    assert {one["submitter_id"] for one in below} == {"e1", "s1", "f1", *(f"c{n}" for n in range(len(AWKWARD)))}
    some = gen3.call("GET", f"{project}/export?ids={first}&format=json&with_children=true&category=biospecimen").json()
    assert {one["type"] for one in some} == {"sample"}


def test_unknown_ids_and_parameters(gen3: Gen3, project: str) -> None:
    other = gen3.project()
    gen3.put(other, experiment(other))
    foreign = ids(gen3, other, "experiment")["e1"]
    sample = ids(gen3, project, "sample")["s1"]
    found = gen3.call("GET", f"{project}/export?ids={sample},{foreign},zz,{uuid.uuid4()}&format=json").json()
    assert [one["id"] for one in found] == [sample]
    none = gen3.call("GET", f"{project}/export?ids={foreign}")
    assert none.status_code == 404
    assert none.json()["message"].startswith("Unable to find")
    nothing = gen3.call("GET", f"{project}/export")
    assert (nothing.status_code, nothing.json()["message"]) == (400, "expected either ids or node_label parameter")
    wrong = gen3.call("GET", f"{project}/export?node_label=nope")
    assert (wrong.status_code, wrong.json()["message"]) == (400, "dictionary does not have node with type nope")
    for query in ("node_label=root", "node_label=data_release", "node_label=project", "node_label=case&format=xml"):
        assert gen3.call("GET", f"{project}/export?{query}").status_code == 400
    assert gen3.call("POST", f"{project}/export", content=b"[]").status_code == 400


def test_read_is_needed_by_a_grant_or_download_by_the_public(gen3: Gen3, project: str) -> None:
    query = f"{project}/export?node_label=case"
    for who, status in (("admin", 200), ("writer", 200), ("reader", 200), ("nobody", 403)):
        assert gen3.call("GET", query, who).status_code == status
    place = gen3.project(availability_type="Open")
    gen3.put(place, experiment(place))
    assert gen3.call("GET", f"{place}/export?node_label=experiment", "nobody").status_code == 403
    entity = ids(gen3, place, "experiment")["e1"]
    assert gen3.call("GET", f"{place}/entities/{entity}", "nobody").status_code == 200
    run_sql(gen3.dsn, "update projects set public_level = 3 where code = $1", place.split("/")[2])
    for _ in range(20):
        if gen3.call("GET", f"{place}/export?node_label=experiment", "nobody").status_code == 200:
            break
    assert gen3.call("GET", f"{place}/export?node_label=experiment", "nobody").text.count("\n") == 2


def test_head_and_broken_connections_give_the_database_back(gen3: Gen3, project: str) -> None:
    for _ in range(25):
        assert gen3.call("HEAD", f"{project}/export?node_label=case").status_code == 200
        with gen3.running.client.stream(
            "GET", f"/api/v0/submission{project}/export?node_label=case",
            headers={"Authorization": f"bearer {gen3.token('reader')}"},
        ) as answer:  # fmt: skip
            assert answer.status_code == 200
    assert gen3.call("GET", f"{project}/export?node_label=case").status_code == 200


def test_the_manifest_of_a_data_file(gen3: Gen3, gen3_files: Path) -> None:
    place = gen3.project()
    code = place.split("/")[2]
    simulated = json.loads((gen3_files / "simulated" / "generic" / "submitted_methylation.json").read_text())[0]
    links = [key for key, value in simulated.items() if isinstance(value, dict)]
    file = {key: value for key, value in simulated.items() if key not in links}
    file |= {"core_metadata_collections": {"submitter_id": "cmc"}, "object_id": str(uuid.uuid4()), "urls": "s3://b/k"}
    collection = {"type": "core_metadata_collection", "submitter_id": "cmc", "projects": {"code": code}}
    made = gen3.call("PUT", place, json=[collection, file])
    assert made.status_code == 200, made.text
    entity = made.json()["entities"][1]
    assert entity["warnings"] == []
    for path in ("manifest", "upload_manifest"):
        answer = gen3.call("GET", f"{place}/{path}?ids={entity['id']}", "reader")
        assert answer.headers["content-disposition"] == "attachment; filename=submission_manifest.yaml"
        shown = yaml.safe_load(answer.text)["files"]
        assert [(one["id"], one["local_file_path"], one["object_id"]) for one in shown] == [
            (entity["id"], file["file_name"], file["object_id"])
        ]
        judged = gen3.call("POST", "/validation/upload_manifest", None, content=answer.content)
        assert judged.json() == {"valid": True}
    del file["object_id"]
    again = gen3.put(place, file)["entities"][0]
    assert again["action"] == "update"
    kept = gen3.call("GET", f"{place}/entities/{again['id']}").json()["entities"][0]["properties"]
    assert kept["object_id"] == shown[0]["object_id"]


def test_manifests(gen3: Gen3, project: str) -> None:
    file = ids(gen3, project, "experimental_metadata")["f1"]
    answer = gen3.call("GET", f"{project}/manifest?ids={file}", "reader")
    assert answer.status_code == 400, "experimental_metadata has the category metadata_file"
    assert gen3.call("GET", f"{project}/upload_manifest", "reader").status_code == 400
    assert gen3.call("GET", f"{project}/manifest", "nobody").status_code == 403


def test_a_large_type_streams_whole(gen3: Gen3, torture: bool) -> None:
    place, total = gen3.project(), 50_000 if torture else 3_000
    gen3.put(place, experiment(place))
    for start in range(0, total, 1000):
        gen3.put(place, [case(f"c{n:06}", primary_site=f"site {n}") for n in range(start, start + 1000)])
    table = rows(gen3.call("GET", f"{place}/export?node_label=case").text)
    assert sorted(row["submitter_id"] for row in table) == [f"c{n:06}" for n in range(total)]
    assert [row["id"] for row in table] == sorted(row["id"] for row in table)
    listed = json.loads(gen3.call("GET", f"{place}/export?node_label=case&format=json").content)["data"]
    assert [one["id"] for one in listed] == [row["id"] for row in table]
    assert gen3.call("GET", f"{place}/export?node_label=sample&format=json").json() == {"data": []}
