"""Nested answers as tables, and exports as frames and files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commensal import errors
from commensal.client import _http, _transfer
from commensal.client._frames import cell_values, flatten
from commensal.client._graphql import literal
from commensal.client._progress import Progress
from commensal.client._results import ExportResult, QueryResult
from commensal.client._tables import table_rows
from commensal.client.errors import QueryFailed
from commensal.client.gen3 import Gen3
from tests.client.test_submit import samples
from tests.client.wire_server import WireServer, status

SUBJECT = {
    "submitter_id": "P-1",
    "project": {"code": "PILOT"},
    "samples": [
        {"submitter_id": "S-1", "aliquots": [{"mass": 1.5}, {"mass": 2}], "notes": [{"text": "a"}, {"text": "b"}]},
        {"submitter_id": "S-2", "aliquots": [], "notes": []},
    ],
    "doctors": [{"name": "Ada"}],
}
EMPTY = {"submitter_id": "P-2", "project": {"code": "PILOT"}, "samples": [], "doctors": []}


def test_chains_of_lists_open_to_their_innermost_items() -> None:
    flat = flatten([SUBJECT, EMPTY])
    assert [(r["submitter_id"], r["samples.submitter_id"], r["samples.aliquots.mass"]) for r in flat] == [
        ("P-1", "S-1", 1.5),
        ("P-1", "S-1", 2),
        ("P-1", "S-2", None),
        ("P-2", None, None),
    ]
    assert {r["project.code"] for r in flat} == {"PILOT"}
    assert [r["doctors.name"] for r in flat] == ["Ada", "Ada", "Ada", None]
    assert [r["samples.notes.text"] for r in flat] == [["a", "b"], ["a", "b"], None, None]


def test_lists_side_by_side_do_not_multiply() -> None:
    row = {"id": 1, "a": [{"x": 1}, {"x": 2}], "b": [{"y": 1}, {"y": 2}, {"y": 3}]}
    assert flatten([row], explode="b") == [{"id": 1, "a.x": [1, 2], "b.y": n} for n in (1, 2, 3)]
    assert flatten([row], explode=False) == [{"id": 1, "a.x": [1, 2], "b.y": [1, 2, 3]}]
    with pytest.raises(errors.NotFound, match="lists of these rows are: a, b"):
        flatten([row], explode="c")


def test_values_survive_and_empty_answers_are_empty_tables() -> None:
    assert flatten([]) == []
    assert flatten([{"a": [1, 2], "b": None}]) == [{"a": [1, 2], "b": None}]
    frame = QueryResult({"sample": []}).to_pandas()
    assert frame.empty
    assert QueryResult({"sample": []}).to_polars().is_empty()


def test_query_results_choose_their_list() -> None:
    result = QueryResult({"sample": [{"a": 1}, {"a": None}], "_sample_count": 2})
    assert result.rows() == [{"a": 1}, {"a": None}]
    assert result.to_pandas()["a"].tolist()[0] == 1
    assert str(result.to_pandas()["a"].dtype) == "Int64"
    assert result.to_polars()["a"].to_list() == [1, None]
    assert repr(result) == "<QueryResult sample: 2 rows, _sample_count: 2>"
    assert QueryResult({"_sample_count": 2}).to_polars()["_sample_count"].to_list() == [2]
    two = QueryResult({"x": [{"a": 1}], "y": [{"b": 2}]})
    assert two.to_polars("y")["b"].to_list() == [2]
    with pytest.raises(errors.BadRequest, match="x, y"):
        two.to_pandas()


def test_polars_takes_columns_of_mixed_kinds() -> None:
    frame = QueryResult({"s": [{"a": 1, "b": 1, "c": ["x"]}, {"a": 1.5, "b": "two", "c": None}]}).to_polars()
    assert frame["a"].to_list() == [1.0, 1.5]
    assert frame["b"].to_list() == ["1", "two"]
    assert frame["c"].to_list() == [["x"], None]


@given(st.lists(st.one_of(st.sampled_from(["", "1", "01", "-0", "1.5", "1.50", "1e3", "True", "nan", "٣"]), st.text())))
def test_cells_lose_nothing_as_values(cells: list[str]) -> None:
    values = cell_values(cells)
    kinds = {type(value) for value in values if value is not None}
    assert len(kinds) <= 1
    whole = kinds == {float} and any(float(cell).is_integer() and "." not in cell for cell in cells if cell)
    for cell, value in zip(cells, values, strict=True):
        assert (value is None) == (cell == "")
        if value is not None:
            assert str(value) == cell or (whole and str(int(value)) == cell)


def test_columns_of_cells_have_kinds() -> None:
    assert cell_values(["1", "", "3"]) == [1, None, 3]
    assert cell_values(["1", "2.5"]) == [1.0, 2.5]
    assert cell_values(["True", "", "False"]) == [True, None, False]
    assert cell_values(["007", "8"]) == ["007", "8"]


@given(st.lists(st.lists(st.text(alphabet='a"\t\n,', max_size=5), min_size=2, max_size=3), max_size=5))
def test_tables_are_cut_as_the_standard_reader_cuts_them(rows: list[list[str]]) -> None:
    import csv
    import io

    target = io.StringIO()
    csv.writer(target, lineterminator="\n").writerows(rows)
    text = target.getvalue()
    cut = list(table_rows(io.StringIO(text, newline=""), ","))
    assert [row.cells for row in cut] == list(csv.reader(io.StringIO(text, newline="")))
    assert "".join(row.text for row in cut) == text
    lines = text.split("\n")
    assert all(lines[row.line - 1].startswith(row.text.split("\n")[0]) for row in cut)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ('a"b\\', '"a\\"b\\\\"'),
        ([1, 2.5, None, True], "[1, 2.5, null, true]"),
        ({"type": "sample", "not": {"x": ["y"]}}, '{type: "sample", not: {x: ["y"]}}'),
    ],
)
def test_graphql_literals(value: Any, text: str) -> None:
    assert literal(value) == text


def test_odd_names_and_values_do_not_reach_a_query() -> None:
    for value in ({"a b": 1}, object(), {"x) {": 1}):
        with pytest.raises(errors.Malformed):
            literal(value)


# --- over the wire


def test_pages_are_read_to_the_end(wire: WireServer, gen3: Gen3) -> None:
    gen3.submit("KIDNEY", "PILOT", samples(10))
    found = [row["submitter_id"] for row in gen3.paginate("sample", ["id", "submitter_id"], page_size=4)]
    assert sorted(found) == [f"S-{n:03}" for n in range(1, 11)]
    assert len(wire.asked("/graphql")) == 3


def test_refused_queries_carry_every_sentence(gen3: Gen3) -> None:
    with pytest.raises(QueryFailed, match='Cannot query field "nope"') as caught:
        gen3.query("{ nope }")
    assert caught.value.errors == ['Cannot query field "nope" on type "Root".']


def test_exports_go_to_memory_files_and_folders(wire: WireServer, gen3: Gen3, tmp_path: Path) -> None:
    gen3.submit("KIDNEY", "PILOT", samples(3))
    held = gen3.export("KIDNEY", "PILOT", node_label="sample")
    assert len(held) == 3
    assert held.rows[0]["type"] == "sample"
    told: list[Progress] = []
    path = gen3.export("KIDNEY", "PILOT", node_label="sample", path=tmp_path, progress=told.append)
    assert path == tmp_path / "sample.tsv"
    assert path.read_text() == held.text == str(held)
    assert told[-1].done == told[-1].total == path.stat().st_size
    assert held.save(tmp_path / "again.tsv").read_text() == held.text
    assert path.stat().st_mode & 0o777 == (tmp_path / "again.tsv").stat().st_mode & 0o777
    assert gen3.submit("KIDNEY", "PILOT", held).updated == 3
    ids = [wire.records["sample", "S-002"]["id"]]
    assert [row["submitter_id"] for row in gen3.export("KIDNEY", "PILOT", ids=ids)] == ["S-002"]
    gen3.export("KIDNEY", "PILOT", ids=ids * 51)
    assert [method for method, *_ in wire.asked("/export")] == ["GET", "GET", "GET", "POST"]


def test_half_an_export_is_no_file(
    wire: WireServer, gen3: Gen3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (_http, _transfer):
        monkeypatch.setattr(module.time, "sleep", lambda _: None)

    def half(handler: Any) -> bool:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        handler.wfile.write(b"type\tid\n")
        handler.close_connection = True
        return True

    target = tmp_path / "s.tsv"
    target.write_text("before")
    wire.next("/export", half, times=3)
    with pytest.raises(errors.Unavailable, match="broke"):
        gen3.export("KIDNEY", "PILOT", node_label="sample", path=target)
    assert [path.name for path in tmp_path.iterdir()] == ["s.tsv"]
    assert target.read_text() == "before"
    wire.next("/export", half)
    gen3.export("KIDNEY", "PILOT", node_label="sample", path=target)
    assert target.read_text().startswith("type\tid\tproject_id")
    with pytest.raises(errors.SetupError, match="cannot be written"):
        gen3.export("KIDNEY", "PILOT", node_label="sample", path=tmp_path / "no" / "s.tsv")


def test_the_servers_name_for_a_file_stays_in_the_folder(wire: WireServer, gen3: Gen3, tmp_path: Path) -> None:
    for given_name in ("../../evil.tsv", "..", "/etc/passwd"):
        wire.next("/export", status(200, b"type\n", Content_Disposition=f'attachment; filename="{given_name}"'))
        path = gen3.export("KIDNEY", "PILOT", node_label="sample", path=tmp_path)
        assert path.parent == tmp_path


def test_exports_of_every_format_become_frames() -> None:
    tsv = 'type\tid\tage\tlabel\tsubjects.id\nsample\tu1\t3\t"a\tb"\tu2\nsample\tu3\t\t007\tu4,u5\n'
    frame = ExportResult(tsv, "tsv", "s.tsv").to_polars()
    assert frame.rows() == [("sample", "u1", 3, "a\tb", "u2"), ("sample", "u3", None, "007", "u4,u5")]
    unquoted = ExportResult('type\tlabel\nsample\t"a\nsample\tb "c"\n', "tsv", "s.tsv")
    assert [row["label"] for row in unquoted.rows] == ['"a', 'b "c"']
    link = {"node_id": "u2", "submitter_id": "P"}
    text = json.dumps({"data": [{"type": "sample", "age": 3, "subjects": [link]}, {"type": "sample"}]})
    frame = ExportResult(text, "json", "s.json").to_pandas()
    assert list(frame.columns) == ["type", "age", "subjects.id", "subjects.submitter_id"]
    assert frame["subjects.id"].tolist()[0] == "u2"
    assert ExportResult("type\tid\n", "tsv", "s.tsv").to_pandas().columns.tolist() == ["type", "id"]


def test_what_to_export_must_be_said(gen3: Gen3) -> None:
    for more in ({}, {"node_label": "sample", "ids": ["a"]}, {"ids": []}):
        with pytest.raises(errors.Malformed):
            gen3.export("KIDNEY", "PILOT", **more)


def test_the_client_stays_light() -> None:
    code = (
        "import sys, commensal.client.gen3\n"
        "heavy = {'pandas', 'polars', 'numpy', 'starlette', 'asyncpg', 'sqlalchemy', 'anndata', 'uvicorn'}\n"
        "ours = {m for m in sys.modules if m.startswith('commensal.')}\n"
        "others = [m for m in ours if m.split('.')[1] not in ('client', 'errors')]\n"
        "print(sorted(heavy & set(sys.modules)), others)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout.strip() == "[] []"
