from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from commensal.errors import Invalid, InvalidRows, NotFound
from commensal.importers import CancelFlag, Counts, import_tsv, rows
from commensal.importers.table_rows import parse_rows

from .support import MemorySink, write


def parsed(tmp_path: Path, text: str | bytes, type_: str | None = None, name: str = "x.tsv"):
    problems = []
    found = list(parse_rows(write(tmp_path / name, text), problems, type_))
    return found, problems


def test_cells_links_and_places(tmp_path: Path):
    found, problems = parsed(
        tmp_path,
        "\ufefftype\t*submitter_id \tage\tnote\t"
        "cases.submitter_id\tgroups.id\tgroups.submitter_id\tfiles.id#1\tfiles.id#2\r\n"
        "sample\t s1 \t007\t\tc1\tu1,u2\tg1, g2\tf1\tf2\r\n"
        "\r\n"
        "\ts2\t1\r\n"
        "sample\ts3\tnull\tx\t\t\t\t\tf9\r\n"
        "sample\ts4",
    )
    assert problems == []
    assert [(row.line, row.row) for row in found] == [(2, 1), (5, 3), (6, 4)]
    assert [row.document for row in found] == [
        {
            "type": "sample",
            "submitter_id": "s1",
            "age": "007",
            "note": None,
            "cases": {"submitter_id": "c1"},
            "groups": [{"id": "u1", "submitter_id": "g1"}, {"id": "u2", "submitter_id": "g2"}],
            "files": [{"id": "f1"}, {"id": "f2"}],
        },
        {"type": "sample", "submitter_id": "s3", "age": None, "note": "x", "files": {"id": "f9"}},
        {"type": "sample", "submitter_id": "s4"},
    ]


def test_csv_separates_targets_by_hashes_and_quotes_cells(tmp_path: Path):
    found, _ = parsed(
        tmp_path, 'submitter_id,a,cases.submitter_id\ns1,"x, ""y""\nz",c1#c2\ns2,b,"c,3"\n', "sample", name="x.csv"
    )
    assert [row.document for row in found] == [
        {
            "type": "sample",
            "submitter_id": "s1",
            "a": 'x, "y"\nz',
            "cases": [{"submitter_id": "c1"}, {"submitter_id": "c2"}],
        },
        {"type": "sample", "submitter_id": "s2", "a": "b", "cases": {"submitter_id": "c,3"}},
    ]
    assert [row.line for row in found] == [2, 4]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        ("\t\n", "line 1: the first line must name the columns"),
        ("type\t\ta\n", "line 1: column 2 has no name"),
        ("type\ta\t*a\n", "line 1: the column 'a' stands twice"),
        ("a\tb\n", "line 1: there is no column 'type'"),
        ("type\ta.b.c\n", "line 1: 'a.b.c' is no link column"),
        ('type\ta\nx\t"open\n\n', "line 2: the row cannot be read"),
        ("type\ta\nx\ta\0b\n", "line 2: .*NUL"),
        (b"type\ta\nx\t\xff\n", "not UTF-8"),
        ("type\ta\nx\t" + "y" * (1 << 20) + "\n", "line 2: the line is longer"),
        ("\t".join(f"c{n}" for n in range(10_001)), "more than 10,000 columns"),
        ('type\ta\nx\t"' + "open\n" * 40_000, "line 2: the row cannot be read"),
    ],
)
def test_broken_tables_are_refused_by_line(tmp_path: Path, text: str | bytes, says: str):
    with pytest.raises(Invalid, match=says):
        parsed(tmp_path, text)


def test_rows_that_do_not_fit_are_collected(tmp_path: Path):
    found, problems = parsed(tmp_path, "type\tsubmitter_id\ncase\tc\nsample\ts\tx\nsample\tt\n", "sample")
    assert [row.document["submitter_id"] for row in found] == ["t"]
    assert [(problem.line, problem.row, problem.field) for problem in problems] == [(2, 1, "type"), (3, 2, None)]


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.one_of(st.binary(max_size=80), st.text(alphabet='type\t\r\n",.#*ab', max_size=80).map(str.encode)))
def test_any_bytes_are_read_or_refused(tmp_path: Path, data: bytes):
    try:
        found, _ = parsed(tmp_path, data, "sample")
    except Invalid:
        pass
    else:
        assert all(row.document["type"] == "sample" for row in found)


def table(tmp_path: Path, count: int) -> Path:
    return write(tmp_path / "x.tsv", "submitter_id\tage\n" + "".join(f"s{n}\t{n}\n" for n in range(count)))


async def test_a_table_is_one_submission_and_the_same_twice(tmp_path: Path):
    sink, path = MemorySink(), table(tmp_path, 5)
    report = await import_tsv(path, sink, program="LAB", project="p", type="sample")
    assert sink.submissions == [(5, True)]
    assert sink.projects["LAB", "p"]["kind"] == "study"
    assert report.counts == {"sample": Counts(created=5)}
    again = await import_tsv(path, sink, program="LAB", project="p", type="sample")
    assert again.counts == {"sample": Counts(unchanged=5)}


async def test_a_large_table_goes_in_batches_and_stops_between_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(rows, "WHOLE_FILE", 10)
    monkeypatch.setattr(rows, "BATCH", 4)
    sink, path = MemorySink(), table(tmp_path, 11)
    await import_tsv(path, sink, program="LAB", project="p", type="sample")
    assert [size for size, _ in sink.submissions] == [4, 4, 3]
    assert len(sink.records) == 11

    cancel = CancelFlag()

    class CancelsAfterOne(MemorySink):
        async def submit(self, *arguments, **options):
            cancel.request()
            return await super().submit(*arguments, **options)

    second = CancelsAfterOne()
    report = await import_tsv(path, second, program="LAB", project="p", type="sample", cancel=cancel)
    assert report.interrupted
    assert report.total == Counts(created=4)


async def test_batches_are_bounded_by_size_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(rows, "BATCH_CHARS", 5)
    sink, path = MemorySink(), table(tmp_path, 4)
    await import_tsv(path, sink, program="LAB", project="p", type="sample")
    assert [size for size, _ in sink.submissions] == [1, 1, 1, 1]
    monkeypatch.setattr(rows, "BATCH_CHARS", 6)
    await import_tsv(path, sink, program="LAB", project="p", type="sample")
    assert [size for size, _ in sink.submissions[4:]] == [2, 2]


async def test_refusals_keep_their_places_in_later_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(rows, "WHOLE_FILE", 2)
    monkeypatch.setattr(rows, "BATCH", 2)
    sink = MemorySink(refuse=lambda document: "no" if document["submitter_id"] == "s3" else None)
    with pytest.raises(InvalidRows) as caught:
        await import_tsv(table(tmp_path, 5), sink, program="LAB", project="p", type="sample")
    assert str(caught.value.problems[0]) == "line 5, x.tsv row 4 (s3): no"


async def test_nothing_is_written_when_a_row_does_not_fit(tmp_path: Path):
    sink = MemorySink()
    path = write(tmp_path / "x.tsv", "submitter_id\na\nb\tc\n")
    with pytest.raises(InvalidRows, match="1 of 2 rows"):
        await import_tsv(path, sink, program="LAB", project="p", type="sample")
    assert sink.programs == []
    with pytest.raises(NotFound):
        await import_tsv(tmp_path / "none.tsv", sink, program="LAB", project="p")
    with pytest.raises(Invalid, match="neither"):
        await import_tsv(write(tmp_path / "x.xlsx", "a"), sink, program="LAB", project="p")
