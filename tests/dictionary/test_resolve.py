"""The resolved form equals what Gen3 commons serve, and broken references are named."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commensal.core.dictionary import nullable, resolve
from commensal.errors import SetupError
from commensal.storage.dictionary_source import read_source

from .conftest import golden


def small(**files: Any) -> dict[str, Any]:
    node = {"id": "thing", "category": "clinical", "properties": {"a": {"$ref": "_definitions.yaml#/a"}}}
    return {"thing.yaml": node, **{f"{name}.yaml": value for name, value in files.items()}}


def test_the_generic_dictionary_resolves_to_the_served_one(package, shared):
    source = read_source(str(package("gen3dictionary") / "gdcdictionary"))
    assert resolve(source) == golden(shared, "generic")


def test_the_older_generic_dictionary_resolves(package):
    resolved = resolve(read_source(str(package("gdcdictionary"))))
    text = json.dumps({name: node for name, node in resolved.items() if not name.startswith(("_", "metaschema"))})
    assert '"$ref' not in text
    assert {"case", "root", "data_release", "metaschema", "_settings"} <= set(resolved)


@pytest.mark.parametrize("name", ["generic", "midrc", "tcga"])
def test_a_resolved_dictionary_stays_as_it_is_and_gets_what_it_lacks(shared, name):
    served = golden(shared, name)
    assert resolve(served) == served
    without = {key: value for key, value in served.items() if key not in ("root", "data_release", "metaschema")}
    assert resolve(without) == served


def test_referenced_keys_win_and_own_keys_stay():
    definitions = {"a": {"type": "string", "description": "theirs", "$ref": "#/b", "$ref_2": "#/c"}, "b": {"x": 1}}
    resolved = resolve(small(_definitions=definitions | {"c": {"x": 2, "description": "last"}}))
    assert resolved["thing"]["properties"]["a"] == {"type": "string", "description": "last", "x": 2}
    mine = small(_definitions={"a": {"type": "string"}})
    mine["thing.yaml"]["properties"]["a"] |= {"type": "number", "systemAlias": "node_id"}
    assert resolve(mine)["thing"]["properties"]["a"] == {"type": "string", "systemAlias": "node_id"}


def test_what_no_type_reaches_stays_as_written():
    definitions = {"a": {"$ref": "#/b"}, "b": {"type": "string"}, "unused": {"$ref": "_terms.yaml#/nothing"}}
    resolved = resolve(small(_definitions=definitions))
    assert resolved["_definitions"]["a"] == {"type": "string"}
    assert resolved["_definitions"]["unused"] == {"$ref": "_terms.yaml#/nothing"}


def test_the_input_is_not_changed():
    raw = small(_definitions={"a": {"$ref": "#/b"}, "b": {"type": "string"}})
    before = copy.deepcopy(raw)
    resolve(raw)
    assert raw == before


@pytest.mark.parametrize(
    ("definitions", "words"),
    [
        ({"a": {"$ref": "#/b"}, "b": {"$ref": "#/a"}}, "circle"),
        ({"a": {"$ref": "#/a"}}, "circle"),
        ({"a": {"properties": {"deep": {"$ref": "#/a"}}}}, "circle"),
        ({}, "has no 'a' there"),
        ({"a": {"$ref": "nowhere.yaml#/x"}}, "nowhere.yaml, which is not part of the dictionary"),
        ({"a": "text"}, "no object"),
        ({"a": {"$ref": 5}}, "must be a text"),
    ],
)
def test_broken_references_are_named(definitions, words):
    with pytest.raises(SetupError, match=words) as caught:
        resolve(small(_definitions=definitions))
    assert ".yaml#" in caught.value.message


def test_every_broken_reference_is_listed():
    raw = small(_definitions={})
    raw["other.yaml"] = {"id": "other", "properties": {"b": {"$ref": "#/nope"}, "c": {"$ref": "_terms.yaml#/x"}}}
    with pytest.raises(SetupError) as caught:
        resolve(raw)
    assert len(caught.value.message.splitlines()) == 4


def test_an_id_used_twice_and_a_missing_id_are_refused():
    raw = {"a.yaml": {"id": "x"}, "b.yaml": {"id": "x"}, "c.yaml": {"title": "no id"}, "d.yaml": []}
    with pytest.raises(SetupError, match=r"d\.yaml: must contain an object"):
        resolve(raw)
    del raw["d.yaml"]
    with pytest.raises(SetupError, match="also the id of") as caught:
        resolve(raw)
    assert "c.yaml: has no id" in caught.value.message


def test_pointers_step_into_lists_and_escaped_keys():
    definitions = {"a": {"$ref": "#/list/1/x~1y~0z%20w"}, "list": [{}, {"x/y~z w": {"type": "integer"}}]}
    assert resolve(small(_definitions=definitions))["thing"]["properties"]["a"] == {"type": "integer"}


@given(
    st.dictionaries(st.sampled_from("abcdef"), st.sampled_from("abcdef"), max_size=6),
    st.dictionaries(st.sampled_from(["type", "title", "pattern"]), st.text(max_size=3), max_size=3),
)
def test_chains_of_references_end_or_are_refused(chain: dict[str, str], body: dict[str, str]):
    """Whatever refers to whatever: the answer has no reference left, or the error says why; never a crash."""
    definitions: dict[str, Any] = {name: dict(body) for name in "abcdef"}
    for source, target in chain.items():
        definitions[source] = {"$ref": f"#/{target}", "own": source}
    seen, name = [], "a"
    while name in chain and name not in seen:
        seen.append(name)
        name = chain[name]
    raw = small(_definitions=definitions)
    if name in seen:
        with pytest.raises(SetupError, match="circle"):
            resolve(raw)
        return
    got = resolve(raw)["thing"]["properties"]["a"]
    # The referenced key wins at every step, so the last definition that has a key gives it.
    owners = {"own": seen[-1]} if seen else {}
    assert got == {**owners, **body}


def test_null_is_allowed_where_a_document_may_carry_it(shared):
    schema = golden(shared, "generic")["sample"]
    before = copy.deepcopy(schema)
    loose = nullable(schema)["properties"]
    assert schema == before
    assert loose["is_ffpe"]["type"] == ["boolean", "null"]
    assert loose["sample_type"]["enum"][-1] is None
    assert loose["cases"] == schema["properties"]["cases"]
    required = nullable({"required": ["a"], "properties": {"a": {"type": "string"}, "b": {"type": ["null", "string"]}}})
    assert required["properties"] == {"a": {"type": "string"}, "b": {"type": ["null", "string"]}}
    assert nullable({"properties": {"a": {"type": "string", "enum": ["x"]}}})["properties"]["a"] == {
        "type": ["string", "null"],
        "enum": ["x", None],
    }


def test_files_that_are_no_types():
    raw = small(_definitions={"a": {"$ref": "_common.yaml#/x"}}, _common={"x": {"type": "string"}})
    resolved = resolve(raw)
    assert resolved["thing"]["properties"]["a"] == {"type": "string"}
    parts = {"metaschema", "_definitions", "_settings", "_terms", "_common"}
    assert set(resolved) == {"root", "data_release", "thing"} | parts
    with pytest.raises(SetupError, match="must begin with a letter"):
        resolve({"thing.yaml": {"id": "_thing"}})
