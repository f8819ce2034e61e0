"""Names: what is refused, what is made, and that making and taking apart are inverse."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commensal.core import names
from commensal.errors import Invalid

titles = st.one_of(st.text(max_size=90), st.text(alphabet="abAB019-_. é", max_size=90))
storable = st.characters(exclude_categories=["Cc", "Cs"])
parts = st.one_of(
    st.text(alphabet="ab%.25E \u00e9", min_size=1, max_size=12),
    st.text(alphabet=storable, min_size=1, max_size=12),
)


@pytest.mark.parametrize("code", ["GEO", "a", "A_b.9", "x" * 64, "u1000", "1a"])
def test_program_codes(code):
    assert names.check_program_code(code) == code


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("", "1 to 64"),
        ("x" * 65, "1 to 64"),
        ("a-b", "no '-'"),
        ("a b", "1 to 64"),
        ("é", "1 to 64"),
        ("a\n", "1 to 64"),
        ("GraphQL", "reserved"),
        ("ADMIN", "reserved"),
        ("_Dictionary", "reserved"),
        ("123", "digits only"),
        (".", "dots only"),
        ("..", "dots only"),
        ("0" * 31 + "a", "uuid"),
    ],
)
def test_refused_program_codes(code, words):
    with pytest.raises(Invalid, match=words) as caught:
        names.check_program_code(code)
    assert caught.value.field == "code"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("open", "reserved"),
        ("Information_Schema", "reserved"),
        ("data-matrices", "reserved"),
        ("2d1f6ab0-85B0-4c6a-9c30-b65abfd214a8", "uuid"),
        ("12", "digits only"),
        ("a/b", "1 to 64"),
        ("x" * 65, "1 to 64"),
        ("..", "dots only"),
    ],
)
def test_refused_project_codes(code, words):
    with pytest.raises(Invalid, match=words):
        names.check_project_code(code)


def test_project_codes_and_their_polly_form():
    assert names.check_project_code("GSE-7.81_x") == "GSE-7.81_x"
    assert names.polly_form("GSE-7.81_x") == "gse_7_81_x"
    assert names.project_id("GEO", "GSE-781") == "GEO-GSE-781"
    assert names.split_project_id("GEO-GSE-781") == ("GEO", "GSE-781")
    assert names.split_project_id("GEO") is None
    assert names.split_project_id("-x") is None


def test_titles():
    assert names.check_title("Kidney, née 腎") == "Kidney, née 腎"
    for bad, words in (("  ", "empty"), ("a\x07", "control"), ("a\ud800", "control"), ("x" * 1001, "at most")):
        with pytest.raises(Invalid, match=words):
            names.check_title(bad)
    with pytest.raises(Invalid, match="uuid"):
        names.check_title("2d1f6ab0-85b0-4c6a-9c30-b65abfd214a8")


@pytest.mark.parametrize(
    ("title", "program", "code"),
    [
        ("Renal clear cell carcinoma", False, "Renal_clear_cell_carcinoma"),
        ("GSE781: kidney - RCC", False, "GSE781_kidney_RCC"),
        ("Ärzte & Söhne", False, "Arzte_Sohne"),
        ("a-b", True, "a_b"),
        ("Open", False, "Open_"),
        ("graphql", True, "graphql_"),
        ("12345", False, "12345_"),
        ("腎", False, "project"),
        ("腎", True, "program"),
    ],
)
def test_codes_from_titles(title, program, code):
    assert names.code_from_title(title, program=program) == code


@given(titles, st.booleans(), st.integers(0, 12))
def test_a_code_from_a_title_is_always_allowed_and_free(title: str, program: bool, count: int):
    problem, key = (
        (names.program_code_problem, names.fold) if program else (names.project_code_problem, names.polly_form)
    )
    taken: set[str] = set()
    for _ in range(count + 1):
        code = names.code_from_title(title, taken, program=program)
        assert problem(code) is None
        assert key(code) not in taken
        taken.add(key(code))


@given(st.text(max_size=40))
def test_folding_ignores_case_and_is_stable(text: str):
    assert names.fold(text) == names.fold(names.fold(text))
    assert names.fold("STRASSE") == names.fold("straße")
    assert names.fold(text) == names.fold(text.swapcase().swapcase()) or text != text.swapcase().swapcase()


@given(st.text(max_size=300))
def test_submitter_ids(text: str):
    allowed = 0 < len(text) <= 256 and not any(
        ord(c) < 32 or 127 <= ord(c) < 160 or 0xD800 <= ord(c) < 0xE000 for c in text
    )
    if allowed:
        assert names.check_submitter_id(text) == text
    else:
        with pytest.raises(Invalid):
            names.check_submitter_id(text)


@pytest.mark.parametrize("bad", ["", "a\x00", "a\tb", "\x7f", "\x85", "\ud800", "x" * 257])
def test_refused_submitter_ids(bad):
    with pytest.raises(Invalid) as caught:
        names.check_submitter_id(bad)
    assert caught.value.field == "submitter_id"


def test_made_names():
    assert names.default_submitter_id("sample", 1000) == "sample-1000"
    assert names.default_submitter_id("commensal.genome", 7) == "genome-7"
    assert names.home_code(1234) == "u1234"
    assert names.accession(1000) == "GSF1000"


@given(st.uuids(), parts, st.one_of(st.just(""), parts), parts)
def test_result_and_field_names_round_trip(owner: UUID, module: str, replicate: str, field: str):
    result = names.result_submitter_id(owner, module, replicate)
    assert names.parse_result_submitter_id(result) == (owner, module, replicate)
    assert names.parse_field_submitter_id(result) is None
    text = names.field_submitter_id(owner, module, replicate, field)
    assert names.parse_field_submitter_id(text) == (owner, module, replicate, field)
    assert names.parse_result_submitter_id(text) is None
    assert text.startswith(result + ".")


@given(st.uuids(), parts, parts, parts, parts)
def test_different_parts_give_different_names(owner: UUID, a: str, b: str, c: str, d: str):
    same = names.result_submitter_id(owner, a, b) == names.result_submitter_id(owner, c, d)
    assert same == ((a, b) == (c, d))


def test_names_that_are_no_result_names():
    owner = UUID(int=5)
    for text in ("", "a.b.c", f"{owner}..r", f"{owner}.m", f"{owner}.m.%2e", f"{owner}.m.%", f"{owner}.m.%41"):
        assert names.parse_result_submitter_id(text) is None, text
    assert names.parse_result_submitter_id(f"{UUID(int=0xABCDEF)}".upper() + ".m.r") is None
    with pytest.raises(Invalid, match="must have a name"):
        names.result_submitter_id(owner, "", "r")
    with pytest.raises(Invalid, match="at most 256"):
        names.result_submitter_id(owner, "m" * 100, "." * 50)
    with pytest.raises(Invalid, match="control"):
        names.field_submitter_id(owner, "m", "r", "a\nb")


@given(st.integers(1, (1 << 63) - 1))
def test_accessions_round_trip(seq: int):
    assert names.parse_accession(names.accession(seq)) == seq
    assert names.parse_accession(names.accession(seq).lower()) == seq


@pytest.mark.parametrize("text", ["", "GSF", "GSF0", "GSF01", "GSF-1", "GSE781", "GSF1 ", "GSF" + "9" * 20, "GSF٣"])
def test_no_accessions(text):
    assert names.parse_accession(text) is None


def test_unused_names_stay_within_the_limit():
    taken = {"x" * 10, "x" * 8 + "_2"}
    assert names.unused("x" * 10, taken.__contains__, 10) == "x" * 8 + "_3"
    assert names.unused("y", taken.__contains__) == "y"
