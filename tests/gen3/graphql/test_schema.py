"""The schema is the one that Gen3's clients know: equal to introspections taken from the reference."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from graphql import assert_valid_schema, parse, validate

from commensal.dictionaries import compile_for_site
from commensal.faces.gen3.graphql.describe import describe
from commensal.faces.gen3.graphql.introspection import getschema
from commensal.faces.gen3.graphql.schema import graphql_schema

GOLDENS = ("acceptance/gen3/golden/generic", "data/gen3/midrc/golden", "data/gen3/tcga/golden")


def load(path: Path) -> Any:
    return json.loads(gzip.decompress(path.read_bytes()))


def plain(named: dict[str, Any]) -> dict[str, Any]:
    """Return a type with everything in it in the order of names: the reference's order is that of sets."""

    def field(one: dict[str, Any]) -> dict[str, Any]:
        return {**one, "args": sorted(one["args"], key=lambda a: a["name"])} if one.get("args") is not None else one

    return {
        key: sorted(map(field, value), key=lambda one: one["name"]) if isinstance(value, list) else value
        for key, value in named.items()
    }


@pytest.mark.parametrize("golden", GOLDENS)
def test_introspection_is_the_reference(shared: Path, golden: str) -> None:
    wanted = load(shared / golden / "getschema.json.gz")["data"]["__schema"]
    dictionary = load(shared / golden / "dictionary_all.json.gz")
    # In which order the reference loaded the types is seen in its root fields; its "_all" may have lost it.
    root = next(one for one in wanted["types"] if one["name"] == "Root")
    order = [one["name"] for one in root["fields"] if one["name"] in dictionary]
    ordered = {name: dictionary[name] for name in order} | dictionary
    body = json.loads(getschema(describe(compile_for_site(ordered))))
    assert set(body) == {"data"}
    got = body["data"]["__schema"]
    assert {key: value for key, value in got.items() if key != "types"} == {
        key: value for key, value in wanted.items() if key != "types"
    }
    ours, theirs = ({one["name"]: plain(one) for one in schema["types"]} for schema in (got, wanted))
    assert set(ours) == set(theirs)
    for name in theirs:
        if not name.startswith("__"):
            assert ours[name] == theirs[name], name


@pytest.mark.parametrize("golden", GOLDENS)
def test_validator_knows_the_same_schema(shared: Path, golden: str) -> None:
    model = describe(compile_for_site(load(shared / golden / "dictionary_all.json.gz")))
    schema = graphql_schema(model)
    assert_valid_schema(schema)
    for name, named in model.types.items():
        if name in ("Root", "viewer") or named.node is not None:
            kind = schema.type_map[name]
            assert {f: str(one.type) for f, one in kind.fields.items()} == {  # type: ignore[attr-defined]
                f: str(one.type) for f, one in named.fields.items()
            }
    leaves = " ".join(f"{node}{{id}} _{node}_count" for node in model.nodes)
    assert validate(schema, parse(f"{{{leaves}}}")) == []


def test_open_dictionary_has_a_schema() -> None:
    model = describe(compile_for_site())
    assert_valid_schema(graphql_schema(model))
    assert {"subject", "sample", "dataset", "data_file"} <= set(model.nodes)
    assert not any("." in name for name in model.types), "system types are not shown"
    assert "metadata" in model.types["sample"].fields
