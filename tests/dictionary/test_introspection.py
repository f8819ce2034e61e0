"""Kinds, links and backrefs against the query schema that a reference commons makes of the same dictionary."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

SCALARS = {"boolean": "Boolean", "number": "Float", "integer": "Float", "array": "[String]"}
COMMON = {"id", "submitter_id", "type", "project_id", "created_datetime", "updated_datetime"}


def type_name(body: dict[str, Any]) -> str:
    if body["kind"] == "LIST":
        return f"[{type_name(body['ofType'])}]"
    return type_name(body["ofType"]) if body["kind"] == "NON_NULL" else body["name"]


@pytest.mark.parametrize("name", ["generic", "midrc", "tcga"])
def test_fields_follow_from_kinds_links_and_backrefs(shared, real, name):
    folder = shared / ("acceptance/gen3/golden/generic" if name == "generic" else f"data/gen3/{name}/golden")
    with gzip.open(folder / "getschema.json.gz", "rb") as stream:
        schema = json.load(stream)["data"]["__schema"]
    types = {entry["name"]: entry for entry in schema["types"]}
    for node in real[name].types.values():
        shown = {field["name"]: type_name(field["type"]) for field in types[node.name]["fields"]}
        expected = dict.fromkeys(COMMON, "String") | {"id": "ID"}
        expected |= {key: SCALARS.get(p.kind, "String") for key, p in node.properties.items() if key not in COMMON}
        for link in node.links:
            expected |= {link.name: f"[{link.target}]", f"_{link.name}_count": "Int"}
        for backref, link in node.backrefs.items():
            expected |= {backref: f"[{link.source}]", f"_{backref}_count": "Int"}
        differences = {key for key, value in expected.items() if shown.get(key, value) != value or key not in shown}
        assert not differences, (node.name, {key: (expected[key], shown.get(key)) for key in differences})
        rest = set(shown) - set(expected)
        assert rest <= {"_links", "_transaction_logs", "_transaction_logs_count", "project_id", "_related_cases"}
