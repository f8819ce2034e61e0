"""Chunks, their sizes, and errors that name rows and say what was written."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest

from commensal import errors
from commensal.client import _http, _submit
from commensal.client._progress import Bar, Progress
from commensal.client.errors import SubmissionFailed, SubmissionStopped
from commensal.client.gen3 import Gen3
from tests.client.wire_server import WireServer, hang_up, status

PROJECT = "/KIDNEY/PILOT"


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_http.time, "sleep", lambda _: None)


def samples(count: int, **more: Any) -> list[dict[str, Any]]:
    return [{"type": "sample", "submitter_id": f"S-{n:03}", "tissue": "kidney", **more} for n in range(1, count + 1)]


def sizes(wire: WireServer) -> list[int]:
    return [len(json.loads(body)) for *_, body in wire.asked(PROJECT)]


def test_records_become_chunks_of_one_transaction_each(wire: WireServer, gen3: Gen3) -> None:
    told: list[Progress] = []
    result = gen3.submit("KIDNEY", "PILOT", samples(10), chunk_rows=4, progress=told.append)
    assert (result.created, result.updated, result.transaction_ids) == (10, 0, [11, 12, 13])
    assert [(chunk.first, chunk.last) for chunk in result.chunks] == [(1, 4), (5, 8), (9, 10)]
    assert result.ids == [wire.records["sample", f"S-{n:03}"]["id"] for n in range(1, 11)]
    assert [(one.done, one.total, one.created) for one in told] == [(4, 10, 4), (8, 10, 8), (10, 10, 10)]
    assert sizes(wire) == [4, 4, 2]
    again = gen3.submit("KIDNEY", "PILOT", iter(samples(3)))
    assert (again.created, again.updated, repr(again)) == (
        0,
        3,
        "<SubmitResult created=0 updated=3, transactions=[14]>",
    )


def test_chunks_grow_and_stay_below_their_bytes(wire: WireServer, gen3: Gen3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_submit, "FIRST_ROWS", 2)
    gen3.submit("KIDNEY", "PILOT", samples(30))
    assert sizes(wire) == [2, 4, 8, 16]
    wire.seen.clear()
    monkeypatch.setattr(_submit, "MOST_BYTES", 1000)
    gen3.submit("KIDNEY", "PILOT", samples(6, label="x" * 400))
    assert max(len(body) for *_, body in wire.asked(PROJECT)) <= 1100
    assert sizes(wire) == [2, 2, 2]


def test_what_is_too_large_is_halved(wire: WireServer, gen3: Gen3) -> None:
    wire.most_rows = 3
    result = gen3.submit("KIDNEY", "PILOT", samples(10))
    assert result.created == 10
    assert max(chunk.last - chunk.first + 1 for chunk in result.chunks) <= 3
    assert result.chunks[0].first == 1
    assert result.chunks[-1].last == 10
    with pytest.raises(errors.TooLarge):
        gen3.submit("KIDNEY", "PILOT", samples(10), atomic=True)


def test_bad_rows_are_named_and_nothing_is_written(wire: WireServer, gen3: Gen3) -> None:
    rows = samples(6)
    rows[1]["tissue"] = rows[4]["tissue"] = "wood"
    with pytest.raises(SubmissionFailed) as caught:
        gen3.submit("KIDNEY", "PILOT", rows)
    error = caught.value
    assert [(p.row, p.record, p.field, p.code) for p in error.problems] == [
        (2, "S-002", "tissue", "ERROR"),
        (5, "S-005", "tissue", "ERROR"),
    ]
    assert str(error).splitlines() == [
        "2 of the 6 records of rows 1 to 6 were refused; none of them was written.",
        "  row 2, S-002, tissue: 'wood' is not one of ['kidney', 'liver']",
        "  row 5, S-005, tissue: 'wood' is not one of ['kidney', 'liver']",
    ]
    assert isinstance(error, errors.InvalidRows)
    assert (error.transaction_id, error.written.created, wire.records) == (11, 0, {})


def test_later_bad_chunk_says_what_stays(wire: WireServer, gen3: Gen3) -> None:
    rows = samples(9)
    rows[7]["tissue"] = "wood"
    with pytest.raises(
        SubmissionFailed, match=r"rows 7 to 9 was refused.* 6 records before them are written"
    ) as caught:
        gen3.submit("KIDNEY", "PILOT", rows, chunk_rows=3)
    assert caught.value.problems[0].row == 8
    assert caught.value.written.transaction_ids == [11, 12]
    assert len(wire.records) == 6


def test_later_chunk_that_cannot_be_sent_says_what_stays(wire: WireServer, gen3: Gen3) -> None:
    def after_two(handler: Any) -> bool:
        return status(507, {"message": "The disk is full."})(handler) if wire.transactions == 12 else wire_again()

    def wire_again() -> bool:
        wire.next("/PILOT", after_two)
        return False

    wire_again()
    with pytest.raises(SubmissionStopped, match=r"rows 7 to 9.*disk is full.* 6 records before them") as caught:
        gen3.submit("KIDNEY", "PILOT", samples(9), chunk_rows=3)
    assert isinstance(caught.value.__cause__, errors.NoSpace)
    assert caught.value.written.created == 6


def test_first_chunk_raises_the_error_itself(wire: WireServer, gen3: Gen3) -> None:
    with pytest.raises(errors.NotFound, match="program LIVER not found"):
        gen3.submit("LIVER", "PILOT", samples(1))


def test_named_records_are_sent_again_after_a_break_and_others_are_not(wire: WireServer, gen3: Gen3) -> None:
    wire.next("/PILOT", hang_up)
    assert gen3.submit("KIDNEY", "PILOT", samples(2)).created == 2
    wire.next("/PILOT", hang_up)
    with pytest.raises(errors.Unavailable):
        gen3.submit("KIDNEY", "PILOT", {"type": "sample"})
    wire.next("/PILOT", hang_up)
    with pytest.raises(errors.Unavailable):
        gen3.submit("KIDNEY", "PILOT", samples(2), create_only=True)
    assert [method for method, *_ in wire.asked(PROJECT)] == ["PUT", "PUT", "PUT", "POST"]


def test_dry_run_is_one_request_and_writes_nothing(wire: WireServer, gen3: Gen3) -> None:
    result = gen3.submit("KIDNEY", "PILOT", samples(5), dry_run=True, chunk_rows=2)
    assert (result.created, len(wire.asked("/_dry_run")), wire.records) == (5, 1, {})
    assert "nothing was written" in repr(result)
    with pytest.raises(SubmissionFailed):
        gen3.submit("KIDNEY", "PILOT", [{**samples(1)[0], "tissue": "wood"}], dry_run=True)


def test_warnings_are_kept_by_row(gen3: Gen3) -> None:
    result = gen3.submit("KIDNEY", "PILOT", [*samples(1), {**samples(2)[1], "state": "live"}])
    assert [(w.row, w.record, w.field) for w in result.warnings] == [(2, "S-002", "state")]


# --- files


TABLE = 'type\tsubmitter_id\ttissue\n\nsample\tS-1\tkidney\n\tskipped\t\nsample\tS-2\t"two\nlines"\nsample\tS-3\twood'


@pytest.mark.parametrize("name", ["samples.tsv", "samples.txt", "samples.tsv.gz"])
def test_tables_keep_their_text_and_name_lines(wire: WireServer, gen3: Gen3, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    data = ("\ufeff" + TABLE).encode()
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    with pytest.raises(SubmissionFailed) as caught:
        gen3.submit("KIDNEY", "PILOT", path, chunk_rows=2)
    (problem,) = caught.value.problems
    assert (problem.row, problem.line, problem.record) == (3, 7, "S-3")
    assert "line 7, S-3, tissue: " in str(caught.value)
    assert caught.value.written.created == 2
    bodies = [(headers["content-type"], body.decode()) for _, _, headers, body in wire.asked(PROJECT)]
    head = "type\tsubmitter_id\ttissue\n"
    media = "text/tab-separated-values"
    assert bodies == [
        (media, head + 'sample\tS-1\tkidney\nsample\tS-2\t"two\nlines"\n'),
        (media, head + "sample\tS-3\twood\n"),
    ]


def test_csv_is_sent_as_csv(wire: WireServer, gen3: Gen3, tmp_path: Path) -> None:
    path = tmp_path / "samples.csv"
    path.write_bytes(b'type,submitter_id,tissue\r\nsample,S-1,"kid,""ney"""\r\n')
    gen3.submit("KIDNEY", "PILOT", str(path))
    _, _, headers, body = wire.asked(PROJECT)[0]
    assert (headers["content-type"], body) == ("text/csv", path.read_bytes())
    assert wire.records["sample", "S-1"]["tissue"] == 'kid,"ney"'


@pytest.mark.parametrize("form", ["array", "lines", "data", "one"])
def test_json_is_cut_where_its_objects_end(wire: WireServer, gen3: Gen3, tmp_path: Path, form: str) -> None:
    rows = samples(1 if form == "one" else 4, label='}], "{')
    text = {
        "array": json.dumps(rows, indent=1),
        "lines": "\n".join(map(json.dumps, rows)) + "\n",
        "data": '{ "data" : ' + json.dumps(rows) + "}\n",
        "one": json.dumps(rows[0]),
    }[form]
    path = tmp_path / ("s.jsonl" if form == "lines" else "s.json")
    path.write_text(text)
    assert gen3.submit("KIDNEY", "PILOT", path, chunk_rows=3).created == len(rows)
    assert [json.loads(body) for *_, body in wire.asked(PROJECT)] == [part for part in (rows[:3], rows[3:]) if part]


def test_json_larger_than_what_is_read_at_once(gen3: Gen3, tmp_path: Path) -> None:
    rows = samples(3, label="ä" * 1_500_000)
    path = tmp_path / "s.json"
    path.write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    told: list[Progress] = []
    assert gen3.submit("KIDNEY", "PILOT", path, progress=told.append).created == 3
    assert told[0].part is not None
    assert told[-1].part == 1.0
    assert len(told) > 1


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.json", '[{"type": "sample"},\n{"type": sample}]', "line 2: this is no JSON"),
        ("a.json", '[{"type": "sample"}', "ends before its array"),
        ("a.json", '[{"type": "sample"}] x', "after the end"),
        ("a.json", "[1]", "not a record"),
        ("a.tsv", "submitter_id\nS-1\n", "no column 'type'"),
        ("a.tsv", "", "no column 'type'"),
        ("a.tsv", 'type\tsubmitter_id\nsample\t"open\n', "line 2: a cell begins with a quotation mark"),
        ("a.xlsx", "", "its name must end in"),
    ],
)
def test_a_damaged_file_is_named_with_its_line(gen3: Gen3, tmp_path: Path, name: str, text: str, said: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(errors.Malformed, match=said):
        gen3.submit("KIDNEY", "PILOT", tmp_path / name)


def test_a_file_that_is_no_text_or_not_there(gen3: Gen3, tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_bytes(b"type\tsubmitter_id\nsample\t\xff\n")
    with pytest.raises(errors.Malformed, match="no UTF-8 text"):
        gen3.submit("KIDNEY", "PILOT", tmp_path / "a.tsv")
    (tmp_path / "b.tsv.gz").write_bytes(gzip.compress(TABLE.encode() * 100)[:-20])
    with pytest.raises(errors.Malformed, match="to its end"):
        gen3.submit("KIDNEY", "PILOT", tmp_path / "b.tsv.gz")
    with pytest.raises(errors.SetupError, match="cannot be read"):
        gen3.submit("KIDNEY", "PILOT", tmp_path / "c.tsv")


def test_damage_after_the_first_chunk_says_what_stays(gen3: Gen3, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(samples(3))[:-1] + ", nothing]")
    with pytest.raises(SubmissionStopped, match=r"this is no JSON.* 3 records before them are written"):
        gen3.submit("KIDNEY", "PILOT", tmp_path / "a.json", chunk_rows=3)


def test_iterators_are_read_as_they_are_sent(wire: WireServer, gen3: Gen3) -> None:
    def rows() -> Iterator[dict[str, Any]]:
        for n, row in enumerate(samples(6)):
            assert n < 2 * (len(wire.asked(PROJECT)) + 1)
            yield row

    assert gen3.submit("KIDNEY", "PILOT", rows(), chunk_rows=2).created == 6
    with pytest.raises(errors.Malformed, match="Row 1 is a int"):
        gen3.submit("KIDNEY", "PILOT", [1])
    with pytest.raises(errors.Malformed, match="cannot be a int"):
        gen3.submit("KIDNEY", "PILOT", 1)


# --- frames and values

CELLS = {
    "type": ["sample", "sample"],
    "submitter_id": ["S-1", "S-2"],
    "age": [41.0, None],
    "treated": [True, None],
    "text": ['a "b"\tc', "x\ny"],
    "many": [["a", "b"], []],
}


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, lambda cells: pl.DataFrame(cells).lazy()])
def test_frames_are_sent_as_tables(wire: WireServer, gen3: Gen3, make: Any) -> None:
    assert gen3.submit("KIDNEY", "PILOT", make(CELLS)).created == 2
    _, _, headers, body = wire.asked(PROJECT)[0]
    assert headers["content-type"] == "text/tab-separated-values"
    assert body.decode() == (
        "type\tsubmitter_id\tage\ttreated\ttext\tmany\n"
        'sample\tS-1\t41\tTrue\t"a ""b""\tc"\ta,b\n'
        'sample\tS-2\t\t\t"x\ny"\t\n'
        "\t\t\t\t\t.\n"  # has no type and is skipped; keeps the empty cell before it
    )
    assert len(wire.records) == 2


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame])
def test_frames_that_cannot_be_tables_are_named(gen3: Gen3, make: Any) -> None:
    for cells, said in (
        ({"submitter_id": ["S-1"]}, "no column 'type'"),
        ({"type": ["sample"], "many": [["a,b"]]}, "Row 1, many: an item of the list holds a comma"),
        ({"type": ["sample", None]}, "Row 2 has no type"),
    ):
        with pytest.raises(errors.Malformed, match=said):
            gen3.submit("KIDNEY", "PILOT", make(cells))


def test_values_of_other_libraries_become_json(wire: WireServer, gen3: Gen3) -> None:
    import numpy as np

    row = {
        "type": "sample",
        "submitter_id": "S-1",
        "n": np.int64(3),
        "x": float("nan"),
        "na": pd.NA,
        "when": pd.Timestamp("2026-11-20T08:00:00Z"),
        "list": np.array([1.5, 2]),
        "subjects.submitter_id": "P-1",
        "subjects.id": None,
        "datasets.submitter_id": ["D-1", "D-2"],
    }
    gen3.submit("KIDNEY", "PILOT", row)
    assert json.loads(wire.asked(PROJECT)[0][3]) == [
        {
            "type": "sample",
            "submitter_id": "S-1",
            "n": 3,
            "x": None,
            "na": None,
            "when": "2026-11-20T08:00:00+00:00",
            "list": [1.5, 2.0],
            "subjects": {"submitter_id": "P-1"},
            "datasets": [{"submitter_id": "D-1"}, {"submitter_id": "D-2"}],
        }
    ]
    with pytest.raises(errors.Malformed, match="Row 1 cannot be written as JSON"):
        gen3.submit("KIDNEY", "PILOT", {"type": "sample", "x": object()})


def test_the_bar_draws_one_line() -> None:
    stream = io.StringIO()
    bar = Bar(stream)
    bar(Progress("records", 500, 1000))
    bar(Progress("records", 1000, 1000))
    bar.close()
    drawn = stream.getvalue()
    assert " 50% 500 records" in drawn
    assert drawn.endswith("\n")
    assert "100% 1,000 records" in drawn.splitlines()[-1]
