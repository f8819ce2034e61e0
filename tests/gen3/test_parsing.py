"""Texts to documents: what is right is read exactly, what is wrong is a clear Malformed and never anything else."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commensal.core.dictionary import Dictionary
from commensal.core.tabular.columns import columns_of, template_header
from commensal.core.tabular.documents import document_format, parse_documents, parse_json
from commensal.core.tabular.tables import parse_table
from commensal.dictionaries import compile_for_site
from commensal.errors import BadRequest, Malformed, TooLarge
from commensal.faces.gen3.templates import table_template
from tests.records.conftest import load_dictionary

CASE = "type\tsubmitter_id\texperiments.submitter_id"


@pytest.fixture(scope="module")
def generic(shared: Path) -> Dictionary:
    return compile_for_site(
        load_dictionary(shared / "acceptance" / "gen3" / "golden" / "generic" / "dictionary_all.json.gz")
    )


# --- JSON -------------------------------------------------------------------------------------------

TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


@given(VALUES, st.booleans(), st.sampled_from([None, 2]))
def test_json_is_read_as_it_is(value: Any, ascii_only: bool, indent: int | None) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    read = parse_json(text.encode())
    assert json.dumps(read, sort_keys=True) == json.dumps(value, sort_keys=True)


@given(st.dictionaries(TEXT, VALUES, min_size=1, max_size=3), st.integers(0, 2), st.booleans())
def test_a_key_that_stands_twice_is_refused(value: dict[str, Any], deep: int, ascii_only: bool) -> None:
    key, inner = next(iter(value.items()))
    dump = json.dumps(key, ensure_ascii=ascii_only)
    pairs = [*(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in value.items()), f"{dump}: {json.dumps(inner)}"]
    text = "{" + ", ".join(pairs) + "}"
    for _ in range(deep):
        text = f'[{{"x": {text}}}]'
    with pytest.raises(Malformed, match="duplicate keys"):
        parse_json(text.encode())


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "Expecting value"),
        (b"{", "Expecting property name"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": -Infinity}', "Infinity"),
        (b'{"a": 1e999}', "too large"),
        (b'{"a": ' + b"9" * 5000 + b"}", "too long"),
        (b'{"a": 1} x', "Extra data"),
        (b'"\xff"', "no UTF-8"),
        (b"\xff\xfe{\x00}\x00", "no UTF-8"),
        (b'{"a" 1}', "Expecting ':'"),
        (b"\x00", "Expecting value"),
        (gzip.compress(b"[]", mtime=0), "compressed"),
    ],
)
def test_what_is_no_json(data: bytes, words: str) -> None:
    with pytest.raises(Malformed, match=words) as caught:
        parse_json(data)
    assert caught.value.message.startswith("Unable to parse json: ")


def test_deep_nesting_is_too_large() -> None:
    for opening in (b"[", b'{"a":'):
        with pytest.raises((TooLarge, Malformed)):
            parse_json(opening * 100_000)
    with pytest.raises(TooLarge):
        parse_json(b"[" * 100_000 + b"]" * 100_000)


def test_numbers_keep_all_digits() -> None:
    assert parse_json(str(2**63).encode()) == 2**63
    assert parse_json(b"123456789012345678901234567890") == 123456789012345678901234567890


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    for data in (raw, b'{"a": "' + raw + b'"}'):
        try:
            parse_json(data)
        except BadRequest:
            continue


def test_content_types() -> None:
    for text, wanted in (
        (None, "json"), ("", "json"), ("application/json", "json"), ("text/plain", "json"),
        ("text/csv", "csv"), ("TEXT/TSV", "tsv"), ("text/tab-separated-values; charset=utf-8", "tsv"),
    ):  # fmt: skip
        assert document_format(text) == wanted


# --- tables -----------------------------------------------------------------------------------------


def test_cells_are_cast_by_their_property(generic: Dictionary) -> None:
    text = (
        "*type\t*submitter_id\t cases.submitter_id\tis_ffpe\tdays_to_collection\tinitial_weight\ttumor_code\n"
        "sample\t s1 \tc1\tTRUE\t12\t1.50\t01\n"
        "sample\ts2\tc1\tmaybe\tabc\t\tnull\n"
        "\tno type\t\t\t\t\t\n"
        "sample\ts3\t\t\t\t1e3\t\n"
        "sample\ts4\n"
    )
    first, second, third, fourth = parse_table(text, "tsv", generic)
    assert first == {
        "type": "sample", "submitter_id": "s1", "cases": {"submitter_id": "c1"}, "is_ffpe": True,
        "days_to_collection": 12, "initial_weight": 1.5, "tumor_code": "01",
    }  # fmt: skip
    assert (second["is_ffpe"], second["days_to_collection"]) == ("maybe", "abc")
    assert (second["initial_weight"], second["tumor_code"]) == (None, None)
    assert third["initial_weight"] == 1000
    assert isinstance(third["initial_weight"], int)
    assert fourth == {"type": "sample", "submitter_id": "s4"}


def test_link_columns(generic: Dictionary) -> None:
    def targets(text: str, doc_format: str = "tsv") -> Any:
        return parse_table(text, doc_format, generic)[0].get("experiments")

    kind = "experimental_metadata"
    two = [{"submitter_id": "a"}, {"submitter_id": "b"}]
    assert targets(f"type\texperiments.submitter_id\n{kind}\ta,b ,\n") == two
    assert targets(f"type,experiments.submitter_id\n{kind},a#b\n", "csv") == two
    both = f"type\texperiments.id\texperiments.submitter_id\n{kind}\t1,2\ta,b\n"
    assert targets(both) == [{"id": "1", "submitter_id": "a"}, {"id": "2", "submitter_id": "b"}]
    one = f"type\texperiments.id\texperiments.submitter_id\n{kind}\t1\ta\n"
    assert targets(one) == {"id": "1", "submitter_id": "a"}
    columns = "\t".join(f"experiments.submitter_id#{n}" for n in (1, 2, 3))
    numbered = f"type\t{columns}\n{kind}\ta\t\tc\n"
    assert targets(numbered) == [{"submitter_id": "a"}, {"submitter_id": "c"}]
    assert targets(f"type\tsubmitter_id\texperiments.submitter_id\n{kind}\tx\t\n{kind}\ty\ta") is None
    with pytest.raises(Malformed, match="Unable to parse document: case has no link 'nope'"):
        targets("type\tnope.submitter_id\ncase\tx\n")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_line_ends_and_byte_order_marks(generic: Dictionary, end: str, mark: str) -> None:
    text = mark + end.join([CASE, "case\tc1\te1", "", "case\tc2\te1", ""])
    documents = parse_documents(text.encode(), "tsv", generic)
    assert [one["submitter_id"] for one in documents] == ["c1", "c2"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a\tb\n1\t2", "no column 'type'"),
        (f"{CASE}\tsubmitter_id\ncase\ta\tb\tc", "twice"),
        (f"{CASE}\t\tx\ncase\ta\tb\tc\td", "column 4 has no name"),
        (f"{CASE}\ncase\tc1\te1\ncase\tc2\te1\textra", "line 3 has 4 cells"),
        (f"{CASE}\ncase\tc\0\te1", "line 2 holds a zero"),
        (f'{CASE}\ncase\t"c1\te1\n', "nothing closes"),
        ("type\t" + "\t".join(f"c{n}" for n in range(10_000)) + "\ncase", "10,001 columns"),
        (f"{CASE}\texperiments.\ncase\ta\tb\tc", "by which property"),
    ],
)
def test_what_is_no_table(generic: Dictionary, text: str, words: str) -> None:
    with pytest.raises(Malformed, match=words) as caught:
        parse_table(text, "tsv", generic)
    assert caught.value.message.startswith("Unable to parse document: ")


def test_empty_tables_have_no_documents(generic: Dictionary) -> None:
    for text in ("", "\n\n", "  ", CASE, f"{CASE}\n\t\t\n"):
        assert parse_table(text, "tsv", generic) == []


def test_templates_can_be_filled_in(generic: Dictionary) -> None:
    for node in generic.types.values():
        if not node.submittable:
            continue
        names = template_header(columns_of(node, generic))
        assert len(set(names)) == len(names)
        for doc_format in ("tsv", "csv"):
            documents = parse_table(table_template(node, generic, doc_format), doc_format, generic)
            assert [one["type"] for one in documents] == [node.label]


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6)


@settings(max_examples=60)
@given(st.lists(st.tuples(CELL, CELL), min_size=1, max_size=5), st.sampled_from(["tsv", "csv"]))
def test_what_a_table_writer_wrote_is_read(generic: Dictionary, pairs: list[tuple[str, str]], doc_format: str) -> None:
    out = io.StringIO()
    writer = csv.writer(out, delimiter="\t" if doc_format == "tsv" else ",", quoting=csv.QUOTE_ALL)
    writer.writerow(["type", "submitter_id", "primary_site"])
    writer.writerows([("case", *pair) for pair in pairs])
    documents = parse_table(out.getvalue(), doc_format, generic)

    def shown(text: str) -> str | None:
        text = text.strip()
        return None if text in ("", "null") else text

    assert [(one["submitter_id"], one["primary_site"]) for one in documents] == [
        (shown(first), shown(second)) for first, second in pairs
    ]


@settings(max_examples=200)
@given(st.text(st.sampled_from('\t\n\r", #.*\0ax1é') | st.characters(codec="utf-8"), max_size=60))
def test_any_text_is_a_table_or_refused(generic: Dictionary, text: str) -> None:
    for doc_format in ("tsv", "csv"):
        for start in ("", "type\tsubmitter_id\n", "type,cases.submitter_id\nsample,"):
            try:
                documents = parse_table(start + text, doc_format, generic)
            except BadRequest:
                continue
            json.dumps(documents)
