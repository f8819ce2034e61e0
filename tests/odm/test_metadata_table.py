"""Tables of metadata: what a cell says, and what is no table."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commensal.core.tabular.metadata_table import parse_cell, parse_value, read_metadata, typed
from commensal.errors import InvalidRows, Malformed


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("", None),
        ("  ", None),
        (" a b ", "a b"),
        ("a|b | c", ["a", "b", "c"]),
        ("a||b", "a|b"),
        ("a|||b", ["a|", "b"]),
        ("||", "|"),
        ("|", None),
        ("a|", ["a"]),
    ],
)
def test_cells(cell: str, value: object):
    assert parse_cell(cell) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("61", 61),
        ("-3", -3),
        ("0", 0),
        ("1.5", 1.5),
        ("true", True),
        ("false", False),
        ("007", "007"),
        ("1.50", "1.50"),
        ("-0", "-0"),
        ("1e3", "1e3"),
        ("+1", "+1"),
        ("TRUE", "TRUE"),
        ("NaN", "NaN"),
        ("0x10", "0x10"),
        ("1_000", "1_000"),
        ("٣", "٣"),
        ("12345678901234567890123", "12345678901234567890123"),
        ("0.1000000000000000055", "0.1000000000000000055"),
    ],
)
def test_values(text: str, value: object):
    found = parse_value(text)
    assert (found, type(found)) == (value, type(value))


@given(st.text() | st.from_regex(r"-?[0-9]{1,20}(\.[0-9]{1,20})?", fullmatch=True))
def test_nothing_is_lost(text: str):
    found = parse_value(text)
    assert (str(found).lower() if isinstance(found, bool) else str(found)) == text


def test_tables():
    table = '\ufeffa\t b \t"c, d"\t\r\n1\t x|y \t"say ""hi"""\r\n\r\n\t\tlast\n'
    assert read_metadata(table.encode()) == [{"a": "1", "b": ["x", "y"], "c, d": 'say "hi"'}, {"c, d": "last"}]
    row = read_metadata(b"genestack:accession\tn\tt\nGSF1\t7\t7|8\n", single=True)[0]
    assert typed(row, lambda key, _value: key == "n") == {"n": "7", "t": [7, 8]}


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (b"a\tb\n", "no record"),
        (b"a\ta\n1\t2\n", "stands twice"),
        (b"a\n\xff\n", "line 2"),
        (b"a\n\0\n", "zero character"),
    ],
)
def test_what_is_no_table(table: bytes, says: str):
    with pytest.raises(Malformed, match=says):
        read_metadata(table)


def test_single_and_bad_lines():
    with pytest.raises(Malformed, match="exactly one record; it has 2"):
        read_metadata(b"a\n1\n2\n", single=True)
    with pytest.raises(InvalidRows) as caught:
        read_metadata(b"a\t\tb\n1\t2\t3\n1\t\t3\t4\n1\t\t3\t\t\n")
    assert [problem.line for problem in caught.value.problems] == [2, 3]
