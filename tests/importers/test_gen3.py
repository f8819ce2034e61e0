from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from commensal.errors import Invalid, InvalidRows, NotFound
from commensal.importers import CancelFlag, Counts, SilentProgress, import_gen3, json_rows
from commensal.importers.json_rows import json_objects

from .support import MemorySink, shared, write


def folder(tmp_path: Path, files: dict[str, object], order: str | None = None) -> Path:
    made = tmp_path / "LAB"
    made.mkdir(exist_ok=True)
    for name, content in files.items():
        write(made / name, content if isinstance(content, str) else json.dumps(content, indent=1))
    names = "\n".join(dict.fromkeys(name.split(".")[0] for name in files))
    write(made / "DataImportOrder.txt", names + "\n" if order is None else order)
    return made


PROJECT = {"type": "project", "code": "SIM", "name": "Simulated", "availability_type": "Open"}


@pytest.mark.parametrize(
    "path",
    ["acceptance/gen3/simulated/generic", "data/gen3/midrc/simulated", "data/gen3/tcga/simulated"],
)
async def test_the_simulated_projects(path: str):
    source, sink = shared(path), MemorySink()
    report = await import_gen3(source, sink, program="simulated")
    described = json.loads((source / "project.json").read_text())
    project = sink.projects["simulated", "SIM"]
    assert project["title"] == described["name"]
    assert project["properties"] == {key: value for key, value in described.items() if key not in ("type", "code")}
    order = (source / "DataImportOrder.txt").read_text().split()
    assert list(report.counts) == order[1:]
    for name in order[1:]:
        rows = json.loads((source / f"{name}.json").read_text())
        assert sink.of(name) == rows
        assert report.counts[name] == Counts(created=len(rows))
    again = await import_gen3(source, sink, program="simulated")
    assert again.total == Counts(unchanged=report.total.created)


async def test_names_and_links_of_another_project(tmp_path: Path):
    rows = [
        {"type": "case", "submitter_id": "c", "projects": {"code": "SIM"}, "more": [{"code": "SIM"}, {"code": "X"}]}
    ]
    source = folder(tmp_path, {"project.json": PROJECT, "case.json": rows})
    sink = MemorySink()
    report = await import_gen3(source, sink, project="other", public="read")
    assert (report.program, report.project) == ("LAB", "other")
    assert sink.projects["LAB", "other"]["public"] == "read"
    assert sink.of("case")[0]["projects"] == {"code": "other"}
    assert sink.of("case")[0]["more"] == [{"code": "other"}, {"code": "X"}]


async def test_tables_stand_beside_json_and_types_are_filled_in(tmp_path: Path):
    source = folder(
        tmp_path,
        {
            "project.tsv": "type\tcode\tname\nproject\tT\tTitle\n",
            "case.csv": "*submitter_id,projects.code\nc1,T\n",
            "sample.json": {"*submitter_id": "s", "cases": {"submitter_id": "c1"}},
        },
    )
    sink = MemorySink()
    await import_gen3(source, sink)
    assert sink.projects["LAB", "T"]["title"] == "Title"
    assert sink.of("case") == [{"type": "case", "submitter_id": "c1", "projects": {"code": "T"}}]
    assert sink.of("sample") == [{"type": "sample", "submitter_id": "s", "cases": {"submitter_id": "c1"}}]
    assert [cells for _, cells in sink.submissions] == [True, False]


@pytest.mark.parametrize(
    ("order", "says"),
    [
        ("case\nnone\n", "line 2: there is no none.json, none.tsv or none.csv"),
        ("case\n\ncase\n", "line 3: case already stands in line 1"),
        ("../case\n", "line 1: '../case' is no record type"),
        ("case sample\n", "line 1: 'case sample' is no record type"),
    ],
)
async def test_the_order_is_checked_before_anything_is_written(tmp_path: Path, order: str, says: str):
    sink = MemorySink()
    with pytest.raises(Invalid) as caught:
        await import_gen3(folder(tmp_path, {"project.json": PROJECT, "case.json": []}, order), sink)
    assert says in caught.value.message
    assert sink.programs == []


async def test_folders_that_are_not_complete(tmp_path: Path):
    with pytest.raises(NotFound):
        await import_gen3(tmp_path / "none", MemorySink())
    with pytest.raises(Invalid, match=r"has no DataImportOrder\.txt"):
        await import_gen3(tmp_path, MemorySink())
    with pytest.raises(Invalid, match="--project"):
        await import_gen3(folder(tmp_path, {"case.json": []}), MemorySink())
    odd = folder(tmp_path, {"project.json": PROJECT, "case.json": []}).rename(tmp_path / "a-b")
    with pytest.raises(Invalid, match="--program"):
        await import_gen3(odd, MemorySink())


async def test_every_bad_row_of_every_file_is_named_and_nothing_written(tmp_path: Path):
    source = folder(
        tmp_path,
        {
            "project.json": PROJECT,
            "case.json": [{"type": "case", "submitter_id": "a"}, {"type": "sample", "submitter_id": "b"}],
            "sample.tsv": "type\tsubmitter_id\nsample\ts\nsample\tt\tmore\n",
        },
    )
    sink = MemorySink()
    with pytest.raises(InvalidRows) as caught:
        await import_gen3(source, sink)
    assert [(p.line, p.row, p.field, p.record) for p in caught.value.problems] == [
        (6, 2, "type", "case.json row 2 (b)"),
        (3, 2, None, "sample.tsv row 2 (t)"),
    ]
    assert sink.programs == []


async def test_a_row_that_the_commons_refuses(tmp_path: Path):
    cases = [{"submitter_id": f"c{n}"} for n in range(3)]
    source = folder(tmp_path, {"project.json": PROJECT, "case.json": cases, "sample.json": [{"submitter_id": "bad"}]})
    sink = MemorySink(refuse=lambda document: "no" if document["submitter_id"] == "bad" else None)
    progress = SilentProgress()
    with pytest.raises(InvalidRows, match=r"sample\.json") as caught:
        await import_gen3(source, sink, progress=progress)
    assert str(caught.value.problems[0]) == "line 2, sample.json row 1 (bad): no"
    assert "3 case (3 new, 0 changed, 0 unchanged)" in progress.notes[0]


async def test_cancel_between_files(tmp_path: Path):
    source = folder(tmp_path, {"project.json": PROJECT, "case.json": [{"submitter_id": "c"}], "sample.json": []})
    write(source / "sample.json", '[{"submitter_id": "s"}]')
    cancel = CancelFlag()

    class CancelsWhenWritten(MemorySink):
        async def submit(self, *arguments, **options):
            cancel.request()
            return await super().submit(*arguments, **options)

    sink = CancelsWhenWritten()
    report = await import_gen3(source, sink, cancel=cancel)
    assert report.interrupted
    assert [key[0] for key in sink.records] == ["case"]


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("", 1, "expected is a JSON object or an array"),
        ("3", 1, "expected is a JSON object or an array"),
        ('[\n{"a": 1}\n', 3, "cut off"),
        ('[\n{"a": 1},\n]', 3, "expected is an object"),
        ('[{"a": 1}\n{"a": 2}]', 2, "expected is ',' or ']'"),
        ('[\n{"a":\n nope}]', 3, "no JSON"),
        ("[\n7]", 2, "expected is an object"),
        ("{}\n{}", 2, "more text follows"),
        ('[\n{"a": NaN}]', 2, "NaN"),
        ('[\n{"a": 1e999}]', 2, "too large"),
        ('[{"a": ' + "9" * 5000 + "}]", 1, "too many digits"),
        ('[{"a": ' + "[" * 100_000 + "]" * 100_000 + "}]", 1, "nested too deeply"),
        ('[{"a": "\udcff"}]', 1, "not UTF-8"),
    ],
)
def test_broken_json_is_refused_by_line(tmp_path: Path, text: str, line: int, says: str):
    path = write(tmp_path / "x.json", text.encode(errors="surrogateescape"))
    with pytest.raises(Invalid, match=f"line {line}: ") as caught:
        list(json_objects(path))
    assert says in caught.value.message


def test_an_object_without_end_is_refused_in_bounded_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(json_rows, "MAX_ITEM_CHARS", 1 << 20)
    path = write(tmp_path / "x.json", b'[{"a": "' + b"x" * (32 << 20))
    tracemalloc.start()
    with pytest.raises(Invalid, match="has no end"):
        list(json_objects(path))
    assert tracemalloc.get_traced_memory()[1] < 24 << 20
    tracemalloc.stop()


def test_a_long_array_is_read_in_flat_memory(tmp_path: Path):
    path = tmp_path / "x.json"
    with path.open("w") as out:
        out.write("[")
        for n in range(40_000):
            out.write((",\n" if n else "") + json.dumps({"submitter_id": f"s{n}", "text": "y" * 200}))
        out.write("]")
    tracemalloc.start()
    count = sum(1 for found in json_objects(path) if found.value["submitter_id"] == f"s{found.line - 1}")
    assert tracemalloc.get_traced_memory()[1] < 6 << 20
    tracemalloc.stop()
    assert count == 40_000


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
same_folder = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@same_folder
@given(
    items=st.lists(st.dictionaries(st.text(), values, max_size=4), max_size=6),
    indent=st.sampled_from([None, 1]),
    ascii_only=st.booleans(),
    chunk=st.sampled_from([1, 3, 1 << 18]),
)
def test_what_is_written_is_read(tmp_path: Path, items: list, indent: int | None, ascii_only: bool, chunk: int):
    path = tmp_path / "x.json"
    path.write_text(json.dumps(items, indent=indent, ensure_ascii=ascii_only), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_rows, "_CHUNK", chunk)
        assert [found.value for found in json_objects(path)] == items


@same_folder
@given(data=st.one_of(st.binary(max_size=60), st.text(alphabet='[]{}",:1a \n\\', max_size=60).map(str.encode)))
def test_any_bytes_are_read_or_refused(tmp_path: Path, data: bytes):
    path = write(tmp_path / "x.json", data)
    try:
        items = [found.value for found in json_objects(path)]
    except Invalid:
        pass
    else:
        read = json.loads(data.decode("utf-8-sig"))
        assert items == (read if isinstance(read, list) else [read])
