"""Dry runs and their commit, several documents at once, submission later (contracts/gen3.md 4.5 to 4.7)."""

from __future__ import annotations

import json
import shutil
import time
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import make_data_base
from tests.gen3.conftest import Gen3, case, experiment, fresh_database, run_sql, start_gen3


def log(gen3: Gen3, number: int, fields: str = "state type role is_dry_run closed committed_by") -> dict[str, Any]:
    answer = gen3.call("POST", "/graphql", json={"query": f"{{transaction_log(id:{number}){{{fields}}}}}"})
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]["transaction_log"][0]


def count(gen3: Gen3, project: str, node: str) -> int:
    query = f'{{n:_{node}_count(project_id:"{project[1:].replace("/", "-")}")}}'
    return gen3.call("POST", "/graphql", json={"query": query}).json()["data"]["n"]


def test_a_dry_run_writes_nothing_and_is_committed_once(gen3: Gen3) -> None:
    place = gen3.project()
    for method, status in (("POST", 201), ("PUT", 200)):
        dry = gen3.call(method, f"{place}/_dry_run", json=experiment(place, method))
        assert (dry.status_code, dry.json()["success"], dry.json()["code"]) == (200, True, 200)
        assert "would have" in dry.json()["message"]
        number = dry.json()["transaction_id"]
        assert log(gen3, number)["is_dry_run"] is True
        commit = gen3.call(method, f"{place}/transactions/{number}/commit", "writer")
        assert commit.status_code == status, commit.text
        assert commit.json()["created_entity_count"] == 1
        again = gen3.call(method, f"{place}/transactions/{number}/commit")
        text = f"This transaction_log was committed already by transaction '{commit.json()['transaction_id']}'."
        assert (again.status_code, again.json()["message"]) == (400, text)
        assert str(log(gen3, number)["committed_by"]) == str(commit.json()["transaction_id"])
    assert count(gen3, place, "experiment") == 2


def test_an_invalid_dry_run_is_200_and_cannot_be_committed(gen3: Gen3) -> None:
    place = gen3.project()
    dry = gen3.call("POST", f"{place}/_dry_run", json=case("c1", "nowhere"))
    assert (dry.status_code, dry.json()["success"]) == (200, False)
    assert dry.json()["entities"][0]["errors"][0]["type"] == "INVALID_LINK"
    refused = gen3.call("PUT", f"{place}/transactions/{dry.json()['transaction_id']}/commit")
    assert refused.status_code == 400
    assert gen3.call("PUT", f"{place}/transactions/999999999/commit").status_code == 404
    assert gen3.call("PUT", f"{place}/transactions/{'9' * 19}/commit").status_code == 404


def test_a_closed_dry_run_cannot_be_committed(gen3: Gen3) -> None:
    place, other = gen3.project(), gen3.project()
    number = gen3.put(f"{place}/_dry_run", experiment(place))["transaction_id"]
    assert gen3.call("PUT", f"{other}/transactions/{number}/close").status_code == 404
    closed = gen3.call("POST", f"{place}/transactions/{number}/close").json()
    assert closed == {"code": 200, "message": "Closed transaction.", "transaction_id": number}
    assert gen3.call("PUT", f"{place}/transactions/{number}/commit").status_code == 400
    real = gen3.put(place, experiment(place))["transaction_id"]
    assert gen3.call("PUT", f"{place}/transactions/{real}/commit").status_code == 400


def test_a_table_s_dry_run_is_committed_as_a_table(gen3: Gen3) -> None:
    place = gen3.project()
    text = f"type\tsubmitter_id\tprojects.code\tnumber_experimental_group\nexperiment\te9\t{place.split('/')[2]}\t3\n"
    number = gen3.table(f"{place}/_dry_run", text).json()["transaction_id"]
    done = gen3.call("PUT", f"{place}/transactions/{number}/commit").json()
    shown = gen3.call("GET", f"{place}/entities/{done['entities'][0]['id']}").json()["entities"][0]["properties"]
    assert shown["number_experimental_group"] == 3
    assert log(gen3, done["transaction_id"], "documents{doc_format doc}")["documents"][0]["doc"].strip() == text.strip()


def test_deletions(gen3: Gen3) -> None:
    place = gen3.project()
    made = gen3.put(place, [experiment(place, experimental_description="x"), case("c1")])["entities"]
    first, second = (entity["id"] for entity in made)
    refused = gen3.call("DELETE", f"{place}/entities/{first}")
    assert refused.status_code == 400
    error = refused.json()["entities"][0]["errors"][0]
    assert error["type"] == "INVALID_LINK"
    assert error["dependents"] == [{"id": second, "type": "case"}]
    assert refused.json()["dependent_ids"] == second
    assert "created_entity_count" not in refused.json()
    unknown = gen3.call("DELETE", f"{place}/entities/nope").json()
    assert (unknown["code"], unknown["entities"][0]["errors"][0]["type"]) == (400, "NOT_FOUND")
    assert unknown["entities"][0]["errors"][0]["id"] == "nope"
    cleared = gen3.call("DELETE", f"{place}/entities/{first}?fields=experimental_description", "writer")
    assert cleared.status_code == 200
    assert (
        gen3.call("GET", f"{place}/entities/{first}").json()["entities"][0]["properties"]["experimental_description"]
        is None
    )
    dry = gen3.call("DELETE", f"{place}/entities/_dry_run/{first}?fields=type_of_data").json()
    assert gen3.call("PUT", f"{place}/transactions/{dry['transaction_id']}/commit").status_code == 200
    assert count(gen3, place, "experiment") == 1
    both = gen3.call("DELETE", f"/admin{place}/entities/{first},{second}/to_delete/true")
    assert (both.status_code, both.json()["deleted_entity_count"]) == (200, 2)
    missing = gen3.call("GET", f"{place}/entities/{first}")
    assert (missing.status_code, missing.json()["message"]) == (400, f"Not found: {first}")


def bulk(place: str) -> list[dict[str, Any]]:
    return [
        {"name": "cases", "doc_format": "tsv", "doc": "type\tsubmitter_id\texperiments.submitter_id\ncase\tc1\te1\n"},
        {"name": "experiments", "doc_format": "json", "doc": json.dumps(experiment(place))},
        {"name": None, "doc_format": "CSV", "doc": "type,submitter_id,cases.submitter_id\nsample,s1,c1\nsample,s2,c1"},
    ]  # fmt: skip


def test_several_documents_are_one_transaction(gen3: Gen3) -> None:
    place = gen3.project()
    dry = gen3.call("PUT", f"{place}/bulk/_dry_run", json=bulk(place)).json()
    assert (dry["success"], dry["code"]) == (True, 200)
    answer = gen3.call("POST", f"{place}/bulk", json=bulk(place))
    assert answer.status_code == 201, answer.text
    told = answer.json()
    assert (told["success"], told["created_entity_count"], told["document_error_count"]) == (True, 4, 0)
    assert [part["name"] for part in told["subtransactions"]] == ["cases", "experiments", None]
    assert [part["response_json"]["created_entity_count"] for part in told["subtransactions"]] == [1, 1, 2]
    documents = log(gen3, told["transaction_id"], "documents{name doc_format}")["documents"]
    kinds = [(one["name"], one["doc_format"]) for one in documents]
    assert kinds == [("cases", "tsv"), ("experiments", "json"), (None, "csv")]
    wrong = bulk(place)
    wrong[0]["doc"] = "type\tsubmitter_id\texperiments.submitter_id\ncase\tc5\tnone\n"
    failed = gen3.call("PUT", f"{place}/bulk", json=wrong)
    assert failed.status_code == 400
    assert (failed.json()["document_error_count"], failed.json()["updated_entity_count"]) == (1, 0)
    assert count(gen3, place, "case") == 1
    committed = gen3.call("PUT", f"{place}/transactions/{dry['transaction_id']}/commit")
    assert committed.json()["updated_entity_count"] == 4


@pytest.mark.parametrize(
    "body", [{}, [7], [{"name": "a"}], [{"name": "a", "doc_format": "xml", "doc": ""}],
             [{"name": 7, "doc_format": "json", "doc": "{}"}], [{"name": "a", "doc_format": "json", "doc": "{"}]]
)  # fmt: skip
def test_bulk_bodies_of_another_shape(gen3: Gen3, body: Any) -> None:
    answer = gen3.call("PUT", f"{gen3.project()}/bulk", json=body)
    assert answer.status_code == 400
    assert answer.json()["message"]


def wait(gen3: Gen3, number: int) -> dict[str, Any]:
    for _ in range(200):
        found = log(gen3, number, "state documents{response{success code message created_entity_count}}")
        if found["state"] != "PENDING":
            return found
        time.sleep(0.05)
    raise AssertionError("still pending")


def test_a_submission_for_later_is_done(gen3: Gen3) -> None:
    place = gen3.project()
    answer = gen3.call("PUT", f"{place}?async=true", json=[experiment(place), case("c1")])
    told = answer.json()
    assert (answer.status_code, told["code"], told["message"]) == (200, 200, "Transaction submitted.")
    done = wait(gen3, told["transaction_id"])
    assert done["state"] == "SUCCEEDED"
    assert done["documents"][0]["response"]["created_entity_count"] == 2
    assert count(gen3, place, "case") == 1
    snapshots = log(gen3, told["transaction_id"], "snapshots{action}")["snapshots"]
    assert [one["action"] for one in snapshots] == ["create", "create"]
    wrong = gen3.call("PUT", f"{place}?async=TRUE", json=case("c2", "none")).json()["transaction_id"]
    failed = wait(gen3, wrong)
    assert (failed["state"], failed["documents"][0]["response"]["success"]) == ("FAILED", False)
    assert gen3.call("PUT", f"{place}?async=true", "nobody", json=case("c3")).status_code == 403
    assert count(gen3, place, "case") == 1


def test_what_a_dead_worker_left_is_marked(gen3: Gen3) -> None:
    place = gen3.project()
    program, project = place[1:].split("/")
    seq = run_sql(gen3.dsn, "select seq from projects where code = $1", project)[0]["seq"]
    long_ago = datetime.now(UTC) - timedelta(minutes=10)
    number = run_sql(
        gen3.dsn,
        "insert into transactions (program, project, project_seq, role, state, submitter_name, door, touched) "
        "values ($1, $2, $3, 'update', 'PENDING', 'x', 'gen3', $4) returning id",
        program, project, seq, long_ago,
    )[0]["id"]  # fmt: skip
    for _ in range(300):
        if log(gen3, number)["state"] == "ERRORED":
            break
        time.sleep(0.1)
    assert log(gen3, number)["state"] == "ERRORED"
    assert gen3.call("PUT", f"{place}/transactions/{number}/commit").status_code == 400


def test_every_error_of_every_entity_is_told(gen3: Gen3) -> None:
    place = gen3.project()
    answer = gen3.call(
        "PUT",
        place,
        json=[
            experiment(place, nope=1, type_of_data="No", number_experimental_group="x"),
            {"type": "experiment", "projects": {"code": place.split("/")[2]}},
            case("c1", "none"),
            {"type": "program", "submitter_id": "p"},
            [1],
            experiment(place, "good"),
        ],
    )
    told = answer.json()
    assert (answer.status_code, told["success"], told["entity_error_count"]) == (400, False, 5)
    assert told["message"] == "Transaction aborted due to 5 invalid entities."
    entities = told["entities"]
    assert [entity["valid"] for entity in entities] == [False] * 5 + [True]
    kinds = {tuple(error["keys"]): error["type"] for error in entities[0]["errors"]}
    assert kinds == {(): "ERROR", ("type_of_data",): "ERROR", ("number_experimental_group",): "INVALID_VALUE"}
    file = gen3.call("PUT", place, json={"type": "submitted_methylation", "submitter_id": "m", "data_category": "x"})
    missing = {tuple(error["keys"]) for error in file.json()["entities"][0]["errors"]}
    names = ("data_category", "data_format", "data_type", "file_name", "file_size", "md5sum")
    assert missing >= {(name,) for name in names}
    assert entities[1]["errors"][0]["type"] == "MISSING_PROPERTY"
    assert entities[1]["errors"][0]["keys"] == ["submitter_id"]
    assert entities[2]["errors"][0]["keys"] == ["experiments"]
    assert entities[3]["errors"][0]["type"] == "INVALID_TYPE"
    assert all("submitter_id" in entity["unique_keys"][0] for entity in entities)


def test_a_stop_ends_what_waits(admin_dsn: str, gen3_files: Path) -> None:
    """A graceful stop leaves no log PENDING: each is done, or ERRORED with nothing written."""
    base, name = make_data_base(), f"commensal_gen3_{uuid.uuid4().hex[:10]}"
    dsn = fresh_database(admin_dsn, name)
    try:
        gen3 = start_gen3(base, dsn, gen3_files / "golden" / "generic" / "dictionary_all.json.gz")
        try:
            place = gen3.project()
            gen3.put(place, experiment(place))
            for batch in range(12):
                documents = [case(f"c{batch}-{n}") for n in range(400)]
                assert gen3.put(f"{place}?async=true", documents)["message"] == "Transaction submitted."
            assert gen3.running.stop() == 0
        finally:
            if gen3.running.process.poll() is None:
                gen3.running.kill()
        logs = run_sql(dsn, "select id, state from transactions where role = 'update' and project_seq is not null")
        assert {row["state"] for row in logs} <= {"SUCCEEDED", "ERRORED"}
        done = sum(row["state"] == "SUCCEEDED" for row in logs) - 1
        written = run_sql(dsn, "select count(*) as n from records where type = 'case'")[0]["n"]
        assert written % 400 == 0
        assert written // 400 <= done
    finally:
        run_sql(admin_dsn, f'drop database if exists "{name}" with (force)')
        shutil.rmtree(base, ignore_errors=True)
