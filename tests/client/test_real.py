"""The client against a real commons: everything that its page shows, and that errors name rows."""

from __future__ import annotations

import gzip
import json
import re
import tarfile
import time
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from commensal import errors
from commensal.client.errors import QueryFailed, SubmissionFailed
from commensal.client.gen3 import Gen3
from tests.running import Running

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/how-to/use-the-python-client.md"


def subjects(project: str) -> list[dict[str, Any]]:
    return [
        {"type": "subject", "submitter_id": f"P-{n}", "sex": "female", "age": 40 + n, "projects": {"code": project}}
        for n in range(3)
    ]


SAMPLES = [
    {
        "type": "sample",
        "submitter_id": f"P-{n // 2}-S-{n}",
        "tissue": "kidney" if n % 2 else "liver",
        "age": 40.5 + n,
        "label": 'a "quoted"\ttext' if n == 0 else f"sample {n}",
        "subjects": {"submitter_id": f"P-{n // 2}"},
    }
    for n in range(6)
]


@pytest.fixture
def project(real: Gen3, request: pytest.FixtureRequest) -> str:
    """A project of its own for each test, in program CLIENT."""
    name = re.sub(r"\W", "_", request.node.name)[-60:]
    real.create_program("CLIENT")
    assert real.create_project("CLIENT", name)
    return name


@pytest.fixture
def filled(real: Gen3, project: str) -> str:
    """The same with three subjects and six samples."""
    assert real.submit("CLIENT", project, [*SAMPLES, *subjects(project)]).created == 9
    return project


def test_programs_and_projects(real: Gen3, project: str, commons: Running) -> None:
    assert real.base_url == commons.url
    assert "CLIENT" in real.programs()
    assert project in real.projects("CLIENT")
    with pytest.raises(errors.NotFound):
        real.projects("NOWHERE")
    with pytest.raises(errors.BadRequest):
        real.delete_program("CLIENT")
    real.delete_project("CLIENT", project)
    assert project not in real.projects("CLIENT")
    with pytest.raises(errors.NotFound, match=project):
        real.submit("CLIENT", project, subjects(project))


def test_dictionary_and_templates_need_no_key(commons: Running) -> None:
    with Gen3(commons.url, credentials=None) as nobody:
        assert nobody.dictionary("sample")["id"] == "sample"
        assert {"sample", "subject"} <= set(nobody.dictionary())
        assert nobody.template("sample").startswith("*type\t")
        with pytest.raises(errors.Unauthenticated):
            nobody.programs()


def test_records_are_created_and_updated(real: Gen3, filled: str) -> None:
    again = real.submit("CLIENT", filled, [*subjects(filled), *SAMPLES], chunk_rows=4)
    assert (again.created, again.updated, len(again.chunks)) == (0, 9, 3)
    assert again.transaction_ids == sorted(set(again.transaction_ids))
    (entity,) = real.entities("CLIENT", filled, again.ids[:1])
    assert (entity["submitter_id"], entity["sex"], entity["state"]) == ("P-0", "female", "validated")
    with pytest.raises(SubmissionFailed, match="already exists"):
        real.submit("CLIENT", filled, subjects(filled)[:1], create_only=True)


def test_bad_rows_are_named_and_nothing_of_their_chunk_is_written(real: Gen3, project: str, tmp_path: Path) -> None:
    table = tmp_path / "subjects.tsv.gz"
    rows = [f"subject\tP-{n}\t{'old' if n == 7 else n}\t\t{project}" for n in range(10)]
    table.write_bytes(gzip.compress("\n".join(["type\tsubmitter_id\tage\tsex\tprojects.code", *rows]).encode()))
    with pytest.raises(SubmissionFailed) as caught:
        real.submit("CLIENT", project, table, chunk_rows=5)
    (problem,) = caught.value.problems
    assert (problem.row, problem.line, problem.record, problem.field) == (8, 9, "P-7", "age")
    assert "'old' is not of type" in problem.message
    assert caught.value.written.created == 5
    assert real.query("query ($p: [String]) { _subject_count(project_id: $p) }", {"p": [f"CLIENT-{project}"]}).data == {
        "_subject_count": 5
    }
    with pytest.raises(SubmissionFailed, match="P-99") as caught:
        real.submit("CLIENT", project, [{**SAMPLES[0], "subjects": {"submitter_id": "P-99"}}])
    assert caught.value.problems[0].field == "subjects"
    with pytest.raises(SubmissionFailed, match="nope"):
        real.submit("CLIENT", project, {"type": "nope", "submitter_id": "x"})


def test_dry_run_writes_nothing(real: Gen3, project: str) -> None:
    assert real.submit("CLIENT", project, subjects(project), dry_run=True).created == 3
    with pytest.raises(errors.NotFound):
        real.export("CLIENT", project, ids=["00000000-0000-4000-8000-000000000000"])
    assert real.export("CLIENT", project, node_label="subject").rows == []


def test_queries_become_frames(real: Gen3, filled: str) -> None:
    text = """query ($project: [String]) {
        subject(project_id: $project, first: 0, order_by_asc: "submitter_id") {
            submitter_id age samples(first: 0, order_by_asc: "submitter_id") { submitter_id tissue } } }"""
    result = real.query(text, {"project": [f"CLIENT-{filled}"]})
    assert [row["submitter_id"] for row in result.rows()] == ["P-0", "P-1", "P-2"]
    frame = result.to_pandas()
    assert list(frame.columns) == ["submitter_id", "age", "samples.submitter_id", "samples.tissue"]
    assert frame["samples.submitter_id"].tolist() == [sample["submitter_id"] for sample in SAMPLES]
    assert result.to_polars(explode=False)["samples.tissue"].to_list() == [["liver", "kidney"]] * 3
    with pytest.raises(QueryFailed, match='Cannot query field "nope"'):
        real.query("{ nope }")
    pages = real.paginate(
        "sample", "submitter_id subjects { submitter_id }", page_size=4, project_id=[f"CLIENT-{filled}"]
    )
    assert sorted(row["submitter_id"] for row in pages) == [sample["submitter_id"] for sample in SAMPLES]


@pytest.mark.parametrize("form", ["tsv", "csv", "json"])
@pytest.mark.parametrize("by", ["node", "ids"])
def test_exports_can_be_submitted_back(real: Gen3, filled: str, tmp_path: Path, form: Any, by: str) -> None:
    project = f"CLIENT-{filled}"
    ids = [row["id"] for row in real.paginate("sample", project_id=[project])]
    which: dict[str, Any] = {"node_label": "sample"} if by == "node" else {"ids": ids}
    held = real.export("CLIENT", filled, format=form, **which)
    assert len(held) == 6
    path = real.export("CLIENT", filled, format=form, **which, path=tmp_path)
    assert path.suffix == f".{form}"
    assert path.read_bytes().decode() == held.text
    back_again: list[Any] = [held, held.to_pandas(), held.to_polars()]
    if (form, by) != ("json", "ids"):  # this one shows links without targets as [], which no dictionary takes
        back_again.append(path)
    for back in back_again:
        result = real.submit("CLIENT", filled, back)
        assert (result.created, result.updated) == (0, 6)
    after = real.export("CLIENT", filled, format=form, **which)
    assert after.text == held.text
    frame = held.to_polars().sort("submitter_id")
    assert frame["age"].to_list() == [sample["age"] for sample in SAMPLES]
    assert frame["label"].to_list()[0] == 'a "quoted"\ttext'
    assert frame["subjects.submitter_id"].to_list() == [f"P-{n // 2}" for n in range(6)]


def test_rows_of_a_json_export_can_be_submitted_back(real: Gen3, filled: str) -> None:
    rows = real.export("CLIENT", filled, node_label="sample", format="json").rows
    rows[0]["tissue"] = "lung"
    assert real.submit("CLIENT", filled, rows).updated == 6
    assert "lung" in real.export("CLIENT", filled, node_label="sample").to_polars()["tissue"].to_list()


def test_frames_link_by_columns(real: Gen3, filled: str) -> None:
    frame = pl.DataFrame(
        {"type": ["sample"], "submitter_id": ["new"], "age": [3.0], "subjects.submitter_id": ["P-2"]},
    )
    assert real.submit("CLIENT", filled, frame).created == 1
    assert real.submit("CLIENT", filled, frame.to_dicts()).updated == 1
    fields = "age subjects { submitter_id }"
    (row,) = real.paginate("sample", fields, submitter_id=["new"], project_id=[f"CLIENT-{filled}"])
    assert row == {"age": 3, "subjects": [{"submitter_id": "P-2"}]}


def test_empty_cells_clear_also_at_the_end_of_a_chunk(real: Gen3, filled: str, tmp_path: Path) -> None:
    table = tmp_path / "clear.tsv"
    rows = [f"sample\t{sample['submitter_id']}\t\t" for sample in SAMPLES]
    table.write_text("\n".join(["type\tsubmitter_id\tlabel\ttissue", *rows]))
    assert real.submit("CLIENT", filled, table, chunk_rows=2).updated == 6
    pages = real.paginate("sample", "label tissue age", project_id=[f"CLIENT-{filled}"])
    assert [(row["label"], row["tissue"], row["age"] > 40) for row in pages] == [(None, None, True)] * 6


def test_records_of_several_types_are_an_archive(real: Gen3, filled: str, tmp_path: Path) -> None:
    ids = [next(real.paginate(node, "id", project_id=[f"CLIENT-{filled}"]))["id"] for node in ("sample", "subject")]
    with pytest.raises(errors.Malformed, match="several types"):
        real.export("CLIENT", filled, ids=ids)
    path = real.export("CLIENT", filled, ids=ids, path=tmp_path)
    with tarfile.open(path) as archive:
        assert len(archive.getnames()) == 2
    rows = real.export("CLIENT", filled, ids=ids, format="json").rows
    assert {row["type"] for row in rows} == {"sample", "subject"}


def test_records_are_deleted_and_what_stays_is_named(real: Gen3, filled: str) -> None:
    ids = {row["submitter_id"]: row["id"] for row in real.paginate("sample", project_id=[f"CLIENT-{filled}"])}
    result = real.delete("CLIENT", filled, list(ids.values())[:4])
    assert (result.deleted, len(result.transaction_ids)) == (4, 1)
    with pytest.raises(SubmissionFailed) as caught:
        real.delete("CLIENT", filled, ["00000000-0000-4000-8000-000000000000"])
    assert caught.value.problems[0].code == "NOT_FOUND"


def test_who_may_not_is_told_so(commons: Running, project: str) -> None:
    stranger = commons.add_user("stranger@example.org")
    with Gen3(credentials=commons.key(stranger, "gen3")) as client:
        with pytest.raises(errors.Forbidden, match="access"):
            client.submit("CLIENT", project, subjects(project))
        with pytest.raises(errors.Forbidden, match="admin"):
            client.create_program("THEIRS")
        assert client.query("{ sample { id } }").rows() == []


def ask_for_five_seconds(client: Gen3) -> None:
    """An access token dies with its key, within a second."""
    for _ in range(50):
        client.programs()
        time.sleep(0.1)


def test_a_revoked_key_is_named(commons: Running) -> None:
    key = commons.key("admin@example.org", "gen3")
    with Gen3(credentials=key) as client:
        assert client.programs() is not None
        commons.admin("key", "revoke", key["key_id"])
        with pytest.raises(errors.Unauthenticated, match=r"does not accept the API key.*may be revoked"):
            ask_for_five_seconds(client)
    with pytest.raises(errors.Unauthenticated, match="does not accept the API key"):
        Gen3(credentials={**key, "api_key": key["api_key"][:-8] + "AAAAAAAA"}).programs()


def test_the_page_does_what_it_shows(commons: Running, credentials: Path, tmp_path: Path, monkeypatch: Any) -> None:
    """The blocks of docs/how-to/use-the-python-client.md, in order, as one script in a fresh folder."""
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 6
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COMMENSAL_URL", commons.url)
    Path("credentials.json").write_text(json.dumps(json.loads(credentials.read_text())))
    names: dict[str, Any] = {"__name__": "page"}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
