"""Validation: the wire's messages, and that the fast and the slow validator always agree."""

from __future__ import annotations

import json
import math
import os
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commensal.core.dictionary import nullable
from commensal.core.validation import ErrorType, FieldError, TypeValidator, compile_validators, is_rfc3339
from commensal.core.validation.messages import python_validator
from commensal.core.validation.schemas import prepared
from commensal.core.validation.validators import _fast
from commensal.dictionaries import compile_for_site, open_dictionary
from commensal.errors import SetupError

MANY = settings(max_examples=10_000 if os.environ.get("COMMENSAL_TORTURE") == "1" else 400, deadline=None)

ODD = [
    *(
        None,
        True,
        False,
        0,
        1,
        -1,
        2**31,
        2**53 + 1,
        2**63,
        2**64,
        10**40,
        -(10**40),
        0.0,
        -0.0,
        1.0,
        1.5,
        0.1,
        0.3,
        1e16,
    ),
    *(
        1e300,
        5e-324,
        math.nan,
        math.inf,
        -math.inf,
        "",
        "a",
        "1",
        "true",
        "null",
        "é",
        "e\u0301",
        "😀",
        "a\n",
        "a" * 32,
    ),
    *("a" * 32 + "\n", "٣", "2020-01-01", "2020-01-01T00:00:00Z", "2020-01-01T00:00:00", "2020-02-30T00:00:00Z"),
    *("2016-12-31T23:59:60Z", "0000-01-01T00:00:00Z", "2020-01-01t00:00:00.123z", "2020-01-01T00:00:00Z\n"),
    *("2020-01-01T00:00:00+24:00", "2d1f6ab0-85b0-4c6a-9c30-b65abfd214a8", [], {}, [None], [[]], {"id": 1}, [1, 1.0]),
    *(
        {"submitter_id": "x"},
        [{"submitter_id": "x"}],
        {"id": "x"},
        {"submitter_id": 5},
        [{"code": "P"}, {}],
        ["a", "a"],
    ),
]
values = st.one_of(
    st.sampled_from(ODD),
    st.recursive(
        st.one_of(
            st.none(),
            st.booleans(),
            st.integers(),
            st.floats(),
            st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
        ),
        lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)),
        max_leaves=5,
    ),
)


def fitting(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values that a property schema is likely to take, or nearly."""
    if schema.get("enum"):
        return st.sampled_from(schema["enum"])
    for key in ("oneOf", "anyOf"):
        if schema.get(key):
            return st.one_of(*(fitting(part) for part in schema[key]))
    kinds = schema.get("type", [])
    kind = kinds if isinstance(kinds, str) else next(iter(kinds), "any")
    if kind == "integer":
        return st.integers(-5, 100)
    if kind == "number":
        return st.one_of(st.integers(-5, 100), st.floats(-5, 100))
    if kind == "boolean":
        return st.booleans()
    if kind == "array":
        return st.lists(fitting(schema.get("items") or {}), max_size=2)
    if kind == "string":
        pool = ["x", "2020-01-01T00:00:00Z", "0123456789abcdef" * 2, "2d1f6ab0-85b0-4c6a-9c30-b65abfd214a8"]
        return st.sampled_from(pool)
    return st.sampled_from([{"submitter_id": "x"}, {"code": "P"}, {}])


def documents(data: st.DataObject, schema: dict[str, Any], type_name: str) -> dict[str, Any]:
    properties = schema["properties"]
    chosen = set(schema.get("required") or ()) | set(
        data.draw(st.lists(st.sampled_from(sorted(properties)), max_size=5))
    )
    chosen -= set(data.draw(st.lists(st.sampled_from(sorted(properties)), max_size=1)))
    document: dict[str, Any] = {}
    for key in sorted(chosen):
        document[key] = data.draw(st.one_of(fitting(properties[key]), fitting(properties[key]), values))
    if "type" in chosen and data.draw(st.integers(0, 5)):
        document["type"] = type_name
    if not data.draw(st.integers(0, 7)):
        document[data.draw(st.sampled_from(["foo", "urls", "é", "submitter_id "]))] = data.draw(values)
    return document


def check_agreement(validator: TypeValidator, document: Any) -> bool:
    fast = validator.is_valid(document)
    slow = validator._slow.errors(document)
    assert fast == (not slow), (validator.name, document, slow)
    assert bool(validator.errors(document)) != fast
    return fast


@MANY
@given(data=st.data())
def test_the_two_validators_agree_on_real_dictionaries(data: st.DataObject, real, real_validators):
    name = data.draw(st.sampled_from(sorted(real)))
    node = data.draw(st.sampled_from(sorted(real[name].types)))
    document = documents(data, real[name].resolved[node], node)
    check_agreement(real_validators[name][node], document)


def test_both_outcomes_are_met(real, real_validators):
    """The agreement above is worth something only if such documents are sometimes valid and sometimes not."""
    seen = {True: 0, False: 0}

    @settings(max_examples=200, deadline=None, database=None, derandomize=True)
    @given(data=st.data())
    def count(data: st.DataObject) -> None:
        node = data.draw(st.sampled_from(["case", "sample", "aliquot", "demographic"]))
        document = documents(data, real["generic"].resolved[node], node)
        seen[check_agreement(real_validators["generic"][node], document)] += 1

    count()
    assert min(seen.values()) >= 10, seen


numbers = st.sampled_from([0, 1, 5, 0.5, 1.5, 0.1, 10**20, -3, 2**63, 1e16])
schemas = st.recursive(
    st.one_of(
        st.fixed_dictionaries(
            {}, optional={"type": st.sampled_from(["integer", "number", "string", "boolean", "null"])}
        ),
        st.fixed_dictionaries({"enum": st.lists(st.sampled_from(ODD[:19] + ODD[23:30]), min_size=1, max_size=4)}),
        st.fixed_dictionaries(
            {"type": st.sampled_from(["number", "integer", ["number", "null"]])},
            optional={
                "minimum": numbers,
                "maximum": numbers,
                "multipleOf": st.sampled_from([1, 2, 0.1, 0.5, 0.01, 3.0]),
            },
        ),
        st.fixed_dictionaries({"minimum": numbers, "exclusiveMinimum": st.booleans()}),
        st.fixed_dictionaries({"maximum": numbers, "exclusiveMaximum": st.booleans()}),
        st.fixed_dictionaries(
            {"type": st.just("string")},
            optional={
                "pattern": st.sampled_from(
                    [r"^[a-f0-9]{32}$", r"^\d+$", r"\w", "a|é", r"(?i)A", r"^(?!a)", r"\Z", "^.$"]
                ),
                "format": st.sampled_from(["date-time", "date", "uri", "email", "ipv4", "regex", "nonsense", "time"]),
                "minLength": st.integers(0, 3),
                "maxLength": st.integers(0, 3),
            },
        ),
    ),
    lambda inner: st.one_of(
        st.fixed_dictionaries(
            {"type": st.just("array"), "items": inner},
            optional={"uniqueItems": st.booleans(), "minItems": st.integers(0, 2), "maxItems": st.integers(0, 2)},
        ),
        st.fixed_dictionaries({"anyOf": st.lists(inner, min_size=1, max_size=2)}),
        st.fixed_dictionaries({"oneOf": st.lists(inner, min_size=1, max_size=2)}),
        st.fixed_dictionaries({"not": inner}),
        st.fixed_dictionaries(
            {"type": st.just("object"), "properties": st.dictionaries(st.sampled_from(["a", "id", "é"]), inner)},
            optional={"additionalProperties": st.booleans(), "required": st.just(["a"])},
        ),
    ),
    max_leaves=4,
)


@MANY
@given(schema=schemas, value=values)
def test_the_two_validators_agree_on_any_schema(schema: dict[str, Any], value: Any):
    ready = prepared(schema)
    assert _fast(ready, "test").is_valid(value) == python_validator(ready).is_valid(value)


def test_simulated_records_are_valid(shared, real, real_validators):
    folders = {"generic": "acceptance/gen3/simulated/generic", "midrc": "data/gen3/midrc/simulated"}
    folders["tcga"] = "data/gen3/tcga/simulated"
    checked = 0
    for name, folder in folders.items():
        for path in sorted((shared / folder).glob("*.json")):
            rows = json.loads(path.read_text())
            rows = rows if isinstance(rows, list) else [rows]
            if path.stem in ("project", "program"):
                continue
            assert real_validators[name].errors(path.stem, rows[0]) == [], path
            assert real_validators[name].invalid_rows(path.stem, rows) == []
            checked += len(rows)
    assert checked > 100


# --- messages


def sample(**changes: Any) -> dict[str, Any]:
    return {"type": "sample", "submitter_id": "s1", "cases": {"submitter_id": "c1"}, **changes}


def test_the_wire_case_of_error_types(real_validators):
    document = sample(is_ffpe="maybe", longest_dimension=-1.0, sample_type="Blood Derived Normal")
    errors = real_validators["generic"].errors("sample", document)
    assert {error.keys for error in errors} == {("is_ffpe",), ("longest_dimension",)}
    assert {error.type for error in errors} == {ErrorType.INVALID_VALUE}
    assert {error.message for error in errors} == {
        "'maybe' is not of type 'boolean', 'null'",
        "-1.0 is not of type 'string', 'null'",
    }


def test_kinds_of_messages(real_validators):
    generic = real_validators["generic"]
    (missing,) = generic.errors("sample", {"type": "sample", "cases": {"submitter_id": "c"}})
    assert missing == FieldError(
        ("submitter_id",),
        "'submitter_id' is a required property",
        ErrorType.MISSING_PROPERTY,
        ("submitter_id",),
    )
    (unknown,) = generic.errors("sample", sample(foo=1))
    assert unknown == FieldError(
        (),
        "Additional properties are not allowed ('foo' was unexpected)",
        ErrorType.ERROR,
        ("foo",),
    )
    (enum,) = generic.errors("case", {"type": "case"} | {"submitter_id": "c", "experiments": {}, "state": "x"})
    assert enum.type == ErrorType.ERROR
    assert enum.message.startswith("'x' is not valid under any of the given schemas: 'x' is not one of ['uploading',")
    assert " and 'x' is not one of ['validated'," in enum.message
    (link,) = generic.errors("sample", sample(cases="c1"))
    assert (link.keys, link.type) == (("cases",), ErrorType.INVALID_VALUE)
    assert link.message == (
        "'c1' is not valid under any of the given schemas: 'c1' is not of type 'array' and 'c1' is not of type 'object'"
    )
    (pattern,) = generic.errors("sample", sample(id="x"))
    assert pattern.message.startswith("'x' does not match '^[a-fA-F0-9]{8}-")
    assert pattern.type == ErrorType.ERROR
    (value,) = generic.errors("sample", [])
    assert (value.keys, value.type) == ((), ErrorType.INVALID_VALUE)
    assert value.message == "[] is not of type 'object'"
    (inner,) = generic.errors(
        "case", {"type": "case", "submitter_id": "c", "experiments": {}, "consent_codes": ["a", 5]}
    )
    assert inner.keys == ("consent_codes.1",)
    assert inner.fields == ("consent_codes",)
    (date,) = generic.errors("sample", sample(created_datetime="yesterday"))
    assert "'yesterday' is not a 'date-time'" in date.message


def test_errors_come_in_the_order_of_the_properties(ours, our_validators):
    wrong = dict.fromkeys(("treatment", "age", "label", "sex"), object)
    document = {"type": "sample", "submitter_id": "s", **{key: [] for key in wrong}}
    order = [error.keys[0] for error in our_validators.errors("sample", document)]
    assert order == [key for key in ours.type("sample").schema["properties"] if key in wrong]


def test_null_clears_optional_things_only(real_validators):
    generic = real_validators["generic"]
    assert generic.errors("sample", sample(sample_type=None, is_ffpe=None, diagnoses=None)) == []
    assert [error.keys for error in generic.errors("sample", sample(cases=None))] == [("cases",)]


def test_system_types_are_validated_by_their_stored_name(our_validators):
    document = {"type": "genome", "submitter_id": "g", "samples": {"submitter_id": "s"}, "assembly": "GRCh38"}
    assert our_validators.is_valid("commensal.genome", document)
    assert not our_validators.is_valid("commensal.genome", document | {"assembly": 38})


def test_rows(our_validators):
    good = {"type": "sample", "submitter_id": "s", "age": 5}
    rows = [good, good | {"age": "5"}, good, {}, good | {"age": math.nan}]
    assert our_validators.invalid_rows("sample", rows) == [1, 3, 4]
    assert our_validators.first_invalid("sample", rows) == 1
    assert our_validators.invalid_rows("sample", [good] * 10) == []
    assert our_validators.first_invalid("sample", [good] * 10) is None
    assert our_validators.invalid_rows("sample", ()) == []


def test_single_properties(our_validators):
    check = our_validators["sample"].validate_property
    assert check("age", 5)
    assert check("age", 5.5)
    assert not check("age", "5")
    assert not check("age", True)
    assert not check("age", None)
    assert not check("age", math.nan)
    assert check("tissue", "kidney")
    assert not check("nothing", "x")
    assert not check("subjects", {"submitter_id": "x"}), "a link is no property"
    assert our_validators.validate_property("dataset", "year", 2020)
    assert not our_validators.validate_property("dataset", "year", 2020.0)


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("2020-01-01T00:00:00Z", True),
        ("2020-01-01t23:59:59.999999999z", True),
        ("2020-01-01T00:00:00+05:30", True),
        ("2020-01-01T00:00:00-00:00", True),
        ("2020-02-29T00:00:00Z", True),
        ("2021-02-29T00:00:00Z", False),
        ("2020-01-01T24:00:00Z", False),
        ("2020-01-01T00:00:00", False),
        ("2020-01-01 00:00:00Z", False),
        ("2020-01-01", False),
        ("2016-12-31T23:59:60Z", False),
        ("0000-01-01T00:00:00Z", False),
        ("2020-01-01T00:00:00Z\n", False),
        ("٢٠٢٠-01-01T00:00:00Z", False),
        ("2020-01-01T00:00:00+24:00", False),
        ("2020-01-01T00:00:00+0000", False),
    ],
)
def test_date_times(text, valid):
    assert is_rfc3339(text) is valid


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "string", "pattern": "("}, r"sample.*pattern"),
        ({"minLength": -1}, "sample.*minLength"),
        ({"maxLength": "x"}, "sample.*maxLength"),
        ({"anyOf": []}, "sample.*anyOf"),
    ],
)
def test_a_type_that_is_no_json_schema_is_named(schema, words):
    content = json.loads(json.dumps(open_dictionary()))
    content["sample"]["properties"]["tissue"] = schema
    with pytest.raises(SetupError, match=words):
        compile_validators(compile_for_site(content))


def test_values_listed_twice_do_no_harm():
    """The metaschema forbids them; published dictionaries have them."""
    content = json.loads(json.dumps(open_dictionary()))
    content["sample"]["properties"]["tissue"] = {"type": ["string", "string"], "enum": ["a", "b", "a"]}
    content["sample"]["required"] *= 2
    validators = compile_validators(compile_for_site(content))
    good = {"type": "sample", "submitter_id": "s", "tissue": "a"}
    assert validators.is_valid("sample", good)
    (error,) = validators.errors("sample", good | {"tissue": "c"})
    assert error.message == "'c' is not one of ['a', 'b', None]"
    assert prepared({"enum": [1, True, 1.0, 0, False, [1], [1], None]})["enum"] == [1, True, 0, False, [1], None]


def test_expressions_that_only_python_reads_still_count():
    content = json.loads(json.dumps(open_dictionary()))
    content["sample"]["properties"]["tissue"] = {"type": "string", "pattern": r"\A(?P<first>[a-z])(?P=first)\Z"}
    validators = compile_validators(compile_for_site(content))
    good = {"type": "sample", "submitter_id": "s", "tissue": "aa"}
    assert validators.is_valid("sample", good)
    assert validators.invalid_rows("sample", [good, good | {"tissue": "ab"}]) == [1]
    assert validators["sample"].validate_property("tissue", "bb")
    assert not validators["sample"].validate_property("tissue", "bc")


def test_keywords_that_draft_4_does_not_know_mean_nothing():
    schema = {"const": 1, "if": {}, "$ref": "#/x", "required": [], "format": "uuid", "term": {"type": "string"}}
    assert prepared(schema) == {}
    assert nullable({"properties": {"a": {}}})["properties"] == {"a": {}}


def test_a_text_that_does_not_match_is_not_tried_in_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's expressions may take for ever over a hostile value; the fast validator's cannot."""
    from jsonschema import _keywords

    validator = python_validator(prepared({"properties": {"a": {"type": "string", "pattern": "^(a+)+$"}}}))
    monkeypatch.setattr(_keywords.re, "search", lambda *_: pytest.fail("a regular expression ran in Python"))
    text = "a" * 40 + "!"
    assert [error.message for error in validator.iter_errors({"a": text})] == [f"{text!r} does not match '^(a+)+$'"]
