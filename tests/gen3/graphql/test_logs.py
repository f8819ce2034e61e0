"""Transaction logs (contracts/gen3.md 5.5)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.gen3.graphql.conftest import Site


async def write_log(site: Site, project: str, role: str, *, records: tuple[str, ...] = (), **columns: Any) -> int:
    async with site.database.begin() as unit:
        number = await unit.value(
            "insert into transactions (program, project, project_seq, role, state, submitter_name, door, is_dry_run, "
            "closed, committed_by) values ($1, $2, $3, $4, $5, 'me@example.org', 'gen3', $6, $7, $8) returning id",
            *("lab" if project in "AB" else "pub", project, site.numbers[project], role),
            *(columns.get("state", "SUCCEEDED"), columns.get("is_dry_run", False)),
            *(columns.get("closed", False), columns.get("committed_by")),
        )
        response = {
            "transaction_id": number, "success": False, "code": 400, "message": "Transaction aborted.",
            "entities": [
                {
                    "valid": False, "action": None, "type": "sample", "id": None,
                    "errors": [
                        {"keys": ["subjects"], "message": "No link", "type": "INVALID_LINK",
                         "dependents": [{"id": "d", "type": "sample"}]}
                    ],
                    "warnings": [], "unique_keys": [{"project_id": "lab-A", "submitter_id": "x"}],
                }
            ],
            "entity_error_count": 1, "transactional_error_count": 2, "transactional_errors": ["a", "b"],
            "created_entity_count": 0, "updated_entity_count": 0,
        }  # fmt: skip
        await unit.run(
            "insert into transaction_documents (transaction, name, doc_format, doc, response) "
            "values ($1, 'd', 'json', $2, $3)",
            *(number, '[{"type": "sample"}]', response),
        )
        for name in records:
            for n, action in ((1, "create"), (2, "update")):
                await unit.run(
                    "insert into record_versions (project, seq, n, type, door, transaction, action, at, after) "
                    "values ($1, $2, $3, 'sample', 'gen3', $4, $5, now(), $6)",
                    *(site.numbers[project], site.numbers[name], n, number, action, {"props": {"n": n}}),
                )
    return number


async def test_every_field(mice: Site) -> None:
    number = await write_log(mice, "A", "update", records=("A-s0",))
    data = await mice.ask(
        "{transaction_log{id is_dry_run closed committed_by state type quick_search submitter role program project "
        "created_datetime canonical_json project_id __typename related_cases{id} "
        "snapshots{id transaction_id action old_props new_props} documents{id transaction_id doc_format doc doc_size "
        "name response_json response{transaction_id success entity_error_count transactional_error_count code message "
        "transactional_errors created_entity_count updated_entity_count released_entity_count "
        "cases_related_to_updated_entities_count cases_related_to_created_entities_count entities{valid action type id "
        "unique_keys warnings related_cases{id} errors{keys message type dependents{id type}}}}}}}"
    )
    (log,) = data["transaction_log"]
    snapshots, (document,) = log.pop("snapshots"), log.pop("documents")
    assert log.pop("created_datetime").endswith("+00:00")
    assert json.loads(log.pop("canonical_json")) == [[{"type": "sample"}]]
    assert log == {
        "id": str(number), "is_dry_run": False, "closed": False, "committed_by": None, "state": "SUCCEEDED",
        "type": "upload", "quick_search": None, "submitter": "me@example.org", "role": "update", "program": "lab",
        "project": "A", "project_id": "lab-A", "__typename": "TransactionLog", "related_cases": [],
    }  # fmt: skip
    assert [(one["action"], one["id"], one["transaction_id"]) for one in snapshots] == [
        ("create", mice.ids["A-s0"], number),
        ("update", mice.ids["A-s0"], number),
    ]
    assert [one["old_props"] and json.loads(one["old_props"]) for one in snapshots] == [None, {"props": {"n": 1}}]
    assert json.loads(snapshots[1]["new_props"]) == {"props": {"n": 2}}
    response = document.pop("response")
    assert json.loads(document.pop("response_json"))["code"] == 400
    assert document["doc_size"] == len(document["doc"]) == 20
    (entity,) = response.pop("entities")
    assert response == {
        "transaction_id": str(number), "success": False, "entity_error_count": 1, "transactional_error_count": 2,
        "code": 400, "message": "Transaction aborted.", "transactional_errors": 2, "created_entity_count": 0,
        "updated_entity_count": 0, "released_entity_count": None, "cases_related_to_updated_entities_count": None,
        "cases_related_to_created_entities_count": None,
    }  # fmt: skip
    assert json.loads(entity.pop("unique_keys")) == [{"project_id": "lab-A", "submitter_id": "x"}]
    assert entity == {
        "valid": False, "action": None, "type": "sample", "id": None, "warnings": "[]", "related_cases": [],
        "errors": [
            {"keys": ["subjects"], "message": "No link", "type": "INVALID_LINK",
             "dependents": [{"id": "d", "type": "sample"}]}
        ],
    }  # fmt: skip


@pytest.fixture
async def logged(mice: Site) -> Site:
    mice.numbers["first"] = await write_log(mice, "A", "create", records=("A-s0",))
    mice.numbers["dry"] = await write_log(mice, "A", "update", is_dry_run=True)
    mice.numbers["failed"] = await write_log(mice, "A", "delete", state="FAILED")
    mice.numbers["done"] = await write_log(mice, "C", "update", is_dry_run=True, committed_by=mice.numbers["first"])
    for _ in range(8):
        await write_log(mice, "C", "review", closed=True)
    return mice


ARGUMENTS: dict[str, int] = {
    "": 12,
    "is_dry_run:true": 2,
    "is_dry_run:false,closed:false": 2,
    "committable:true": 1,
    "committable:false": 11,
    'type:"upload"': 3,
    'type:"update"': 0,
    'type:"delete"': 1,
    'type:"review"': 8,
    'state:"FAILED"': 1,
    'project_id:["lab-A","x"]': 3,
    "project_id:[]": 0,
    'program:"pub"': 9,
    'project:"C",closed:true': 8,
    "id:FIRST": 1,
    'quick_search:"FIRST"': 1,
    'id:"nope"': 0,
    "committed_by:FIRST": 1,
    'entities:["ENTITY"]': 1,
    'entities:["ENTITY"],related_cases:["x"]': 0,
}


async def test_arguments(logged: Site) -> None:
    for arguments, n in ARGUMENTS.items():
        text = arguments.replace("FIRST", str(logged.numbers["first"])).replace("ENTITY", logged.ids["A-s0"])
        given = f"({text})" if text else ""
        listed = f"({text}, first: 0)" if text else "(first: 0)"
        data = await logged.ask(f"{{_transaction_log_count{given} transaction_log{listed}{{id}}}}")
        assert data["_transaction_log_count"] == len(data["transaction_log"]) == n, arguments


async def test_paging_and_order(logged: Site) -> None:
    data = await logged.ask(
        "{ten:transaction_log{id} last:transaction_log(last:2){id} "
        'newest:transaction_log(first:1,order_by_desc:"id"){id} '
        'skip:transaction_log(first:0,offset:11){id} by:transaction_log(first:1,order_by_asc:"role"){role}}'
    )
    every = (await logged.ask("{transaction_log(first:0){id}}"))["transaction_log"]
    assert len(data["ten"]) == 10
    assert data["last"] == every[-2:]
    assert data["newest"] == data["skip"] == every[-1:]
    assert data["by"] == [{"role": "create"}]
    assert await logged.refused('{transaction_log(order_by_asc:"state"){id}}') == [
        "Cannot order by state on TransactionLog"
    ]


async def test_logs_of_a_record(logged: Site) -> None:
    data = await logged.ask(
        '{sample(submitter_id:"A-s0"){_transaction_logs{id role} _transaction_logs_count '
        '_dry:_transaction_logs_count(is_dry_run:true)} other:sample(submitter_id:"A-s1"){_transaction_logs_count}}'
    )
    assert data["sample"] == [
        {
            "_transaction_logs": [{"id": str(logged.numbers["first"]), "role": "create"}],
            "_transaction_logs_count": 1,
            "_dry": 0,
        }
    ]
    assert data["other"] == [{"_transaction_logs_count": 0}]


async def test_only_readable_projects(logged: Site) -> None:
    data = await logged.ask("{transaction_log(first:0){project_id} _transaction_log_count}", caller=await logged.user())
    assert {row["project_id"] for row in data["transaction_log"]} == {"pub-C"}
    assert data["_transaction_log_count"] == 9
