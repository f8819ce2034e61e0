"""Free metadata: what was written comes back equal, whatever it is."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commensal.core import free_metadata as free
from commensal.core.free_metadata import IDENTITY_KEYS, MAX_DEPTH, metadata_from_text, metadata_text, read, split
from commensal.errors import Invalid, Malformed, TooLarge

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=10)
numbers = st.one_of(
    st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.sampled_from([1, 1.0, -0.0, 10**30])
)
json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=6,
)
KEYS = sorted(
    IDENTITY_KEYS
    | {"tissue", "age", "subjects", "datasets", "label", "file_name", "file_size", "module", "year", "key"},
)
objects = st.dictionaries(st.one_of(st.sampled_from(KEYS), texts), json_values, max_size=8)
types = st.sampled_from(["sample", "dataset", "data_file", "analysis_result", "commensal.genome"])


def same(a: Any, b: Any) -> bool:
    """Equal as JSON texts are equal: 1 is not 1.0 and not true."""
    return json.dumps(a, sort_keys=True) == json.dumps(b, sort_keys=True)


@given(types, objects, objects, objects)
def test_what_replaces_comes_back_equal(ours, our_validators, name, first, second, start):
    """Required properties that the new metadata does not name stay; everything else is exactly what was written."""
    node, validate = ours.type(name), our_validators[name].validate_property
    props, extra = split(node, start, "replace", {}, {}, validate)
    props, extra = split(node, first, "replace", props, extra, validate)
    props, extra = split(node, second, "replace", props, extra, validate)
    kept = {key: value for key, value in props.items() if key not in second}
    assert all(node.properties[key].required for key in kept)
    assert same(read(node, props, extra), {**second, **kept})
    assert not set(props) & set(extra)


@given(types, json_values.filter(lambda value: not isinstance(value, dict)), objects)
def test_what_is_no_object_comes_back_equal(ours, our_validators, name, value, start):
    node, validate = ours.type(name), our_validators[name].validate_property
    props, extra = split(node, start, "replace", {}, {}, validate)
    for mode in ("replace", "merge"):
        assert same(read(node, *split(node, value, mode, props, extra, validate)), value)
    after = split(node, value, "replace", props, extra, validate)
    assert all(node.properties[key].required for key in after[0]), "nothing is set"


@given(types, objects, st.lists(objects, max_size=4))
def test_merging_is_merging(ours, our_validators, name, start, changes):
    """A model of one dict: named keys change, null removes, the rest stays."""
    node, validate = ours.type(name), our_validators[name].validate_property
    props, extra = split(node, start, "replace", {}, {}, validate)
    model = dict(start)
    for change in changes:
        props, extra = split(node, change, "merge", props, extra, validate)
        for key, value in change.items():
            model.pop(key, None)
            if value is not None:
                model[key] = value
        assert same(read(node, props, extra), model)


@given(types, objects)
def test_only_valid_declared_values_become_properties(ours, our_validators, name, metadata):
    node, validate = ours.type(name), our_validators[name].validate_property
    props, extra = split(node, metadata, "replace", {}, {}, validate)
    assert all(free.settable(node, key) and validate(key, value) for key, value in props.items())
    for key, value in extra.items():
        assert not free.settable(node, key) or value is None or not validate(key, value)
        assert key not in props
    assert not set(props) & (IDENTITY_KEYS | set(node.links_by_name))


def test_examples(ours, our_validators):
    node, validate = ours.type("sample"), our_validators["sample"].validate_property
    written = {"tissue": "kidney", "age": "old", "id": 5, "subjects": ["x"], "metadata": {}, "mood": None, "sex": None}
    props, extra = split(node, written, "replace", {"age": 7, "sex": "f", "state": "validated"}, {"gone": 1}, validate)
    assert props == {"tissue": "kidney", "state": "validated"}
    assert extra == {"age": "old", "id": 5, "subjects": ["x"], "metadata": {}, "mood": None, "sex": None}
    assert read(node, props, extra) == written
    props, extra = split(node, {"age": 5.0, "tissue": 1, "id": None}, "merge", props, extra, validate)
    assert props == {"age": 5.0, "state": "validated"}
    assert extra == {"tissue": 1, "subjects": ["x"], "metadata": {}, "mood": None, "sex": None}


def test_required_properties_survive_a_replace_that_does_not_name_them(ours, our_validators):
    node, validate = ours.type("data_file"), our_validators["data_file"].validate_property
    before = {"file_name": "a", "file_size": 5, "data_type": "x", "object_id": "o", "file_state": "registered"}
    props, extra = split(node, {"file_size": 6}, "replace", before, {}, validate)
    assert props == {"file_name": "a", "file_size": 6, "object_id": "o", "file_state": "registered"}
    assert extra == {}


def test_arguments_are_not_changed(ours, our_validators):
    props, extra, metadata = {"age": 1}, {"a": [1]}, {"age": None, "a": None, "b": 1}
    split(ours.type("sample"), metadata, "merge", props, extra, our_validators["sample"].validate_property)
    assert (props, extra, metadata) == ({"age": 1}, {"a": [1]}, {"age": None, "a": None, "b": 1})


def test_types_of_a_site_take_their_own_properties(real, real_validators):
    node, validate = real["generic"].type("case"), real_validators["generic"]["case"].validate_property
    props, extra = split(node, {"primary_site": "Kidney", "age": 5}, "replace", {}, {}, validate)
    assert (props, extra) == ({"primary_site": "Kidney"}, {"age": 5})
    assert free.untaken_keys(node, extra) == ["age"]
    assert free.untaken_keys(node, {}) == []
    assert free.untaken_keys(node, [1]) == ["metadata"]


def test_types_of_ours_take_everything(ours):
    assert free.untaken_keys(ours.type("sample"), {"a": 1}) == []
    assert free.untaken_keys(ours.type("commensal.genome"), [1]) == []


@pytest.mark.parametrize(
    "bad",
    ["\0", "a\0b", "\ud800", ["\0"], {"\0": 1}, {"a": {"b": ["x", {"c": "\ud83d"}]}}, math.nan, [math.inf]],
)
def test_what_cannot_be_stored_is_refused(ours, our_validators, bad):
    for mode in ("replace", "merge"):
        with pytest.raises(Malformed):
            split(ours.type("sample"), {"x": bad}, mode, {}, {}, our_validators["sample"].validate_property)
    with pytest.raises(Malformed):
        free.refuse_unstorable(bad)


def test_depth_is_limited():
    value: Any = "x"
    for _ in range(MAX_DEPTH):
        value = [value]
    free.refuse_unstorable(value)
    with pytest.raises(TooLarge, match="levels deep"):
        free.refuse_unstorable([value])
    with pytest.raises(TooLarge):
        metadata_from_text("[" * 100_000)


@given(json_values)
def test_metadata_text_round_trips(extra: Any):
    text = metadata_text(extra)
    assert (text is None) == (extra == {})
    assert same(metadata_from_text(text), extra)


@pytest.mark.parametrize("text", ["", "{", "{'a': 1}", "NaN", "[Infinity]", "kidney", "9" * 5000])
def test_text_that_is_no_json(text):
    with pytest.raises(Invalid, match="must be the text of a JSON value") as caught:
        metadata_from_text(text)
    assert caught.value.field == "metadata"


def test_text_that_cannot_be_stored():
    with pytest.raises(Malformed, match=r"U\+0000"):
        metadata_from_text(r'{"a": "\u0000"}')
    with pytest.raises(Malformed, match="surrogate"):
        metadata_from_text(r'"\ud800"')


@given(types, objects)
def test_splitting_alone_agrees_with_a_replace(ours, our_validators, name, metadata):
    class Plan:
        node = ours.type(name)
        validator = our_validators[name]

    assert free.split_extra(Plan(), metadata) == split(
        Plan.node, metadata, "replace", {}, {}, Plan.validator.validate_property
    )
