from __future__ import annotations

import gzip
import os
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from commensal.errors import Invalid, NotFound
from commensal.importers import soft as module
from commensal.importers.soft import read_soft

from .support import shared, soft, write

TORTURE = os.environ.get("COMMENSAL_TORTURE") == "1"


def read(tmp_path: Path, text: str | bytes, name: str = "x.soft"):
    return list(read_soft(write(tmp_path / name, text)))


@pytest.mark.parametrize("name", ["a.soft", "a.soft.gz"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_entities_attributes_lines(tmp_path: Path, name: str, end: str):
    text = soft({"GSM1": ["description = one", "description = ", "description = two = 2"]}).replace("\n", end)
    entities = read(tmp_path, text, name)
    assert [(e.kind, e.accession) for e in entities] == [
        ("DATABASE", "GeoMiame"),
        ("SERIES", "GSE1"),
        ("PLATFORM", "GPL1"),
        ("SAMPLE", "GSM1"),
    ]
    sample = entities[-1]
    lines = text.split(end)
    assert lines[sample.line - 1] == "^SAMPLE = GSM1"
    assert lines[sample.line_of("description") - 1] == "!Sample_description = one"
    assert lines[sample.line_of("platform_id") - 1] == "!Sample_platform_id = GPL1"
    assert sample.attributes["description"] == ["one", "", "two = 2"]
    assert sample.values("description") == ["one", "two = 2"]
    assert (entities[2].table_rows, sample.table_rows) == (3, 3)


def test_bytes_of_latin_1_and_a_byte_order_mark(tmp_path: Path):
    text = "\ufeff^SERIES = GSE1\n".encode() + b"!Series_title = 5 \xb5m\n" + "!Series_summary = 5 µm\n".encode()
    (series,) = read(tmp_path, text)
    assert series.first("title") == series.first("summary") == "5 µm"


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 64, 1000])
def test_the_size_of_chunks_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int):
    text = soft({"GSM1": ["a = 1"], "GSM2": []}).replace("a\t1", "a\t1\n!odd row\n!\n! x\n\n!sample_table_endless\nb")
    whole = read(tmp_path, text)
    monkeypatch.setattr(module, "_CHUNK", chunk)
    assert read(tmp_path, text) == whole
    assert [e.line for e in whole] == [n for n, line in enumerate(text.split("\n"), 1) if line.startswith("^")]
    assert whole[-1].table_rows == 9


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("hello\n", 1, "no SOFT file"),
        ("PK\3\4\0\0", 1, "no SOFT file"),
        ('!Series_title\t"x"\n', 1, "series matrix"),
        ("\n\n^SERIES\n", 3, "^KIND = accession"),
        ("^SERIES = \n", 1, "^KIND = accession"),
        ("^SERIES = GSE1\n!Series_title = a\nstray\n", 3, "no SOFT line"),
        ("^SERIES = GSE1\n!= a\n", 2, "!Name = value"),
        ("^SERIES = GSE1\n!Series_title = a\0b\n", 2, "NUL"),
        ("^SAMPLE = GSM1\n!sample_table_end\n", 2, "never began"),
        ("^SAMPLE = GSM1\n!sample_table_begin\na\nb\n", 4, "cut off"),
        ("^SAMPLE = GSM1\n!sample_table_begin\na\n^SAMPLE = GSM2\n", 4, "opened in line 2"),
    ],
)
def test_what_is_refused_and_where(tmp_path: Path, text: str, line: int, says: str):
    with pytest.raises(Invalid, match=f"x.soft, line {line}: ") as caught:
        read(tmp_path, text)
    assert says in caught.value.message


def test_an_empty_file_and_no_file(tmp_path: Path):
    with pytest.raises(Invalid, match="is empty"):
        read(tmp_path, "\n \r\n")
    with pytest.raises(NotFound):
        list(read_soft(tmp_path / "none.soft"))
    with pytest.raises(Invalid, match="cannot be read"):
        list(read_soft(tmp_path))


def test_a_damaged_gzip_names_the_line(tmp_path: Path):
    # Random text does not compress, so that the cut falls into the table.
    rows = "\n".join(os.urandom(20).hex() for _ in range(5_000))
    data = gzip.compress(soft({"GSM1": []}).replace("a\t1", rows).encode())
    for broken in (data[: len(data) // 2], data[:-4], data[:200] + b"\xff" * 50 + data[250:], b"\x1f\x8bnonsense"):
        with pytest.raises(Invalid, match=r"line \d+: the gzip data is cut off or damaged"):
            list(read_soft(write(tmp_path / "x.soft", broken)))


def test_endless_lines_and_entities_are_refused_in_flat_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "x.soft.gz"
    with gzip.open(path, "wb", compresslevel=1) as out:
        out.write(b"^SERIES = GSE1\n!Series_title = ")
        for _ in range(64):
            out.write(b"x" * (1 << 20))
    tracemalloc.start()
    with pytest.raises(Invalid, match="line 2: the line is longer"):
        list(read_soft(path))
    assert tracemalloc.get_traced_memory()[1] < 16 << 20
    tracemalloc.stop()
    monkeypatch.setattr(module, "MAX_ENTITY_BYTES", 1000)
    with pytest.raises(Invalid, match="attribute lines"):
        read(tmp_path, "^SERIES = GSE1\n" + "!Series_summary = x\n" * 100)


def test_a_table_without_line_ends_is_skipped_in_flat_memory(tmp_path: Path):
    path = tmp_path / "x.soft.gz"
    with gzip.open(path, "wb", compresslevel=1) as out:
        out.write(b"^SAMPLE = GSM1\n!sample_table_begin\n")
        for _ in range(64):
            out.write(b"\t" * (1 << 20))
        out.write(b"\n!sample_table_end\n^SAMPLE = GSM2\n")
    tracemalloc.start()
    first, second = read_soft(path)
    assert tracemalloc.get_traced_memory()[1] < 16 << 20
    tracemalloc.stop()
    assert (first.table_rows, second.line) == (1, 5)


def test_stop_ends_without_the_entity_that_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_CHUNK", 16)
    path = write(tmp_path / "x.soft", soft({"GSM1": [], "GSM2": []}))
    reads: list[int] = []
    found = list(read_soft(path, on_bytes=reads.append, stop=lambda: sum(reads) > 300))
    assert [e.kind for e in found] == ["DATABASE", "SERIES"]
    reads.clear()
    list(read_soft(path, on_bytes=reads.append))
    assert sum(reads) == path.stat().st_size


line = st.one_of(
    st.sampled_from(
        [
            *("^SERIES = GSE1", "^SAMPLE = GSM1", "^PLATFORM = GPL1", "^DATASET = GDS1", "^ = ", "^"),
            *("!Sample_title = x", "!Sample_title", "!Sample_title=", "! = ", "!", "#A = b", "", " ", "\r"),
            *("!sample_table_begin", "!sample_table_end", "!Series_sample_id = GSM1", "!Sample_platform_id = GPL1"),
            *("!SAMPLE_TABLE_BEGIN", "!x_table_end  ", "a\tb", "!Sample_characteristics_ch1 = a: b"),
        ]
    ).map(str.encode),
    st.text(max_size=30).map(str.encode),
    st.binary(max_size=30),
)


@settings(
    max_examples=3000 if TORTURE else 150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(lines=st.lists(line, max_size=25), chunk=st.sampled_from([1, 5, 1 << 20]), packed=st.booleans())
@example(lines=[b"^A = b", b"!a_table_begin", b"!" * 70, b"!a_table_end" + b" " * 80], chunk=5, packed=False)
def test_any_lines_are_read_or_refused(tmp_path: Path, lines: list[bytes], chunk: int, packed: bool):
    path = write(tmp_path / ("x.soft.gz" if packed else "x.soft"), b"\n".join(lines))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_CHUNK", chunk)
        try:
            entities = list(read_soft(path))
        except Invalid:
            return
    text = b"\n".join(lines).split(b"\n")
    for entity in entities:
        assert text[entity.line - 1].lstrip(b"\xef\xbb\xbf").startswith(b"^")


def test_the_real_series():
    found = list(read_soft(shared("data/geo/GSE781_family.soft.gz")))
    kinds = [entity.kind for entity in found]
    assert (kinds.count("SERIES"), kinds.count("PLATFORM"), kinds.count("SAMPLE")) == (1, 2, 34)
    # Each table has a header line above the rows that the attribute counts.
    for entity in found[2:]:
        assert entity.table_rows == int(entity.first("data_row_count") or 0) + 1
    assert found[-1].line == 787_592
