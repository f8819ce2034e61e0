from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commensal.importers.characteristics import characteristics, fold, from_description, number


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *[("70", 70), ("7.09", 7.09), ("0", 0), ("-3", -3), ("-0.5", -0.5), ("2.60", 2.6), ("0.0", 0.0)],
        *[("1.2e-05", 1.2e-05), ("2E+3", 2000.0), ("999999999999999", 999999999999999)],
    ],
)
def test_numbers(text: str, value: float):
    assert number(text) == value
    assert type(number(text)) is type(value)


@pytest.mark.parametrize(
    "text",
    [
        *("007", "02130", "1e5000", "1e+500", "1e-400", "1e3", "2E5", "1_000", "1,000", "nan", "inf", "-inf", "0x1F"),
        *("+5", ".5", "5.", "-0", "", " 5", "5\n", "٣", "true", "1234567890123456", "0.12345678901234567", "1/2"),
    ],
)
def test_what_stays_text(text: str):
    assert number(text) is text


@given(st.one_of(st.text(max_size=20), st.from_regex(r"-?[0-9]{1,17}(\.[0-9]{0,17})?([eE][+-]?[0-9]{1,4})?\Z")))
def test_a_number_survives_json(text: str):
    value = number(text)
    assert json.loads(json.dumps(value, allow_nan=False)) == value
    if not isinstance(value, str):
        assert float(text) == value


def test_characteristics_lines():
    assert characteristics(
        [
            "tissue: kidney",
            "age: 70",
            "marker: CD4",
            "marker: CD8",
            "time: 12:30",
            "no key",
            "http://a.b",
            "empty:",
            ": v",
        ]
    ) == {
        "tissue": "kidney",
        "age": 70,
        "marker": ["CD4", "CD8"],
        "time": "12:30",
        "characteristics": ["no key", "http://a.b", ": v"],
        "empty": "",
    }


def test_pieces_of_a_description():
    found, text = from_description(
        ["Age = 70; Gender = Female; Right Kidney; Tumor Location: mid; Noise = 2.60.", "Keywords = a", "Keywords = b"]
    )
    assert found == {"Age": 70, "Gender": "Female", "Noise": 2.6, "Keywords": ["a", "b"]}
    assert text == "Right Kidney; Tumor Location: mid"


@pytest.mark.parametrize(
    "line",
    [
        *("Cells were treated (n = 3)", "see http://x.org/?a=b", "p <= 0.05", "a == b", "x != y", "Empty ="),
        *("First a sentence. Then n = 5", "k" * 81 + " = 1", "plain words", "= 5"),
    ],
)
def test_prose_stays_prose(line: str):
    assert from_description([line]) == ({}, line)


@given(st.lists(st.text(max_size=60), max_size=5))
def test_any_text_is_taken(lines: list[str]):
    found, _ = from_description(lines)
    assert all(key.strip() and value != "" for key, value in found.items())
    characteristics(lines)


def test_fold():
    assert fold(" Cell-Type ") == fold("cell_type") == "cell_type"
    assert fold("Größe (cm)") == "größe_cm"
