"""The GraphQL steps of the acceptance cases, on records that the submission service wrote."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from commensal.core.permissions import PublicLevel
from commensal.core.principals import Door, Principal, PrincipalKind
from commensal.core.projects import Mode
from commensal.faces.gen3.graphql.execute import Endpoint
from commensal.services.catalog import Catalog
from commensal.services.data_files import DataFiles
from commensal.services.submission import Submission
from commensal.storage.dictionary_source import read_source
from commensal.storage.postgres.catalog import PgProgramStore, PgProjectStore
from commensal.storage.postgres.catalog_objects import PgCollectionStore, PgObjectStore
from commensal.storage.postgres.database import PgDatabase
from commensal.storage.postgres.grants import PgGrantStore
from commensal.storage.postgres.index import PgIndexStore
from commensal.storage.postgres.record_writes import PgRecordWrites
from tests.gen3.graphql.conftest import Site

OPERATOR = Principal(PrincipalKind.OPERATOR, Door.GEN3)
OPS: dict[str, Any] = {
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "len": lambda a, b: len(a) == b,
    "contains": lambda a, b: b in a,
    "type": lambda a, b: type(a).__name__ == b,
    "superset": lambda a, b: set(b) <= set(a),
}


def filled(value: Any, known: dict[str, Any]) -> Any:
    if isinstance(value, str):
        whole = re.fullmatch(r"<<(\w+)>>", value)
        return known[whole[1]] if whole else re.sub(r"<<(\w+)>>", lambda m: str(known[m[1]]), value)
    if isinstance(value, list):
        return [filled(one, known) for one in value]
    if isinstance(value, dict):
        return {filled(key, known): filled(one, known) for key, one in value.items()}
    return value


def found(body: Any, path: str) -> Any:
    if "|" in path:
        head, key = path.split("|")
        return [one[key] for one in found(body, head)]
    for part in re.findall(r"[^.\[\]]+|\[\d+\]", path):
        body = body[int(part[1:-1])] if part.startswith("[") else body[part]
    return body


@pytest.fixture
async def generic(site: Site, shared: Path, database: PgDatabase) -> Site:
    """The generic dictionary, program CGCI, and the graph of the cases in project CGCI-T1."""
    dictionaries = site.endpoint._dictionaries
    golden = shared / "acceptance/gen3/golden/generic/dictionary_all.json.gz"
    await dictionaries.start(read_source(str(golden)), "generic")
    catalog = Catalog(
        database=database,
        programs=PgProgramStore(),
        projects=PgProjectStore(),
        objects=PgObjectStore(),
        collections=PgCollectionStore(),
        grants=PgGrantStore(),
        guard=site.guard,
        audit=site.audit,
    )
    site.endpoint = Endpoint(site.endpoint._graph, dictionaries)
    site.numbers["CGCI"] = (await catalog.add_program(OPERATOR, "CGCI")).seq
    project = await catalog.add_project(OPERATOR, "CGCI", "T1", mode=Mode.STRICT, public=PublicLevel.NONE)
    site.numbers["T1"], site.ids["T1"] = project.seq, str(project.uuid)
    site.submission = Submission(  # type: ignore[attr-defined]
        database=database,
        store=PgRecordWrites(),
        dictionaries=dictionaries,
        data_files=DataFiles(store=PgIndexStore(), programs=PgProgramStore(), guard=site.guard, audit=site.audit),
        guard=site.guard,
        audit=site.audit,
    )
    return site


async def test_cases(generic: Site, shared: Path) -> None:
    cases = json.loads((shared / "acceptance/gen3/cases.json").read_text())
    submission: Submission = generic.submission  # type: ignore[attr-defined]
    known = {"P": "CGCI", "J": "T1", "PID": "CGCI-T1"}
    (upload,) = filled(cases["setups"]["graph"], known)
    result = await submission.submit(OPERATOR, "CGCI", "T1", upload["json"], create_only=True)
    assert result.success, result
    callers = {
        "admin": OPERATOR,
        "reader": await generic.user(("viewer", "CGCI", None)),
        "nobody": await generic.user(),
    }
    tried = 0
    for case in cases["cases"]:
        steps = case["steps"]
        # Cases that write more, or go over other routes, belong to the tests of the whole door.
        if not all("gql" in step and step.get("as", "admin") in callers for step in steps):
            continue
        if "_transaction_log_count" in json.dumps(steps):
            steps = [step for step in steps if "t:_transaction_log_count" not in step["gql"]]
        for step in steps:
            body = json.dumps({"query": filled(step["gql"], known), "variables": step.get("variables")}).encode()
            status, answer = await generic.send(body, callers[step.get("as", "admin")])
            assert status == step.get("status", 200), (case["name"], answer)
            for path, op, wanted in filled(step["expect"], known):
                assert OPS[op](found(answer, path), wanted), (case["name"], path, op, wanted, answer)
            tried += 1
    assert tried >= 18
    log = await generic.ask(
        '{transaction_log(project_id:"CGCI-T1",last:1){state type role submitter '
        "documents{doc_format doc_size response{success code "
        "created_entity_count entities{type action valid errors{type}}}} snapshots{action new_props old_props}}}"
    )
    (one,) = log["transaction_log"]
    (document,) = one["documents"]
    assert (one["state"], one["type"], one["role"]) == ("SUCCEEDED", "upload", "create")
    assert document["response"]["created_entity_count"] == len(one["snapshots"]) == 9
    assert document["response"]["entities"][0] == {
        "type": "experiment",
        "action": "create",
        "valid": True,
        "errors": [],
    }
    assert {snapshot["action"] for snapshot in one["snapshots"]} == {"create"}
    assert json.loads(one["snapshots"][0]["new_props"])["submitter_id"] == "e1"
