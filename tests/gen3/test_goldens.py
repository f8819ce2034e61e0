"""Exports and templates equal those of the reference server, as sets of rows, for the simulated records."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from tests.gen3.conftest import PROGRAM, Gen3

PROJECT = f"/{PROGRAM}/SIM"
#: Made by the index service of the reference, so different in every run.
RANDOM = "object_id"


@pytest.fixture(scope="module")
def simulated(gen3: Gen3, gen3_files: Path) -> Gen3:
    """The simulated records, in project CGCI-SIM."""
    folder = gen3_files / "simulated" / "generic"
    for name in (folder / "DataImportOrder.txt").read_text().split():
        documents = json.loads((folder / f"{name}.json").read_text())
        place = f"/{PROGRAM}" if name == "project" else PROJECT
        answer = gen3.call("PUT", place, json=documents)
        assert answer.status_code == 200, f"{name}: {answer.text[:2000]}"
    return gen3


def rows(text: str) -> list[dict[str, str]]:
    table = list(csv.reader(io.StringIO(text), delimiter="\t"))
    return [dict(zip(table[0], row, strict=True)) for row in table[1:]]


def without_random(values: dict[str, Any]) -> str:
    return json.dumps({key: value for key, value in values.items() if key != RANDOM}, sort_keys=True)


def names(gen3_files: Path, suffix: str) -> list[str]:
    return sorted(path.stem for path in (gen3_files / "golden" / "generic" / "exports").glob(f"*.{suffix}"))


def test_exports_equal_the_goldens(simulated: Gen3, gen3_files: Path) -> None:
    golden = gen3_files / "golden" / "generic" / "exports"
    exported = [name for name in names(gen3_files, "json") if not name.startswith("template_")]
    assert len(exported) == 26
    for name in exported:
        answer = simulated.call("GET", f"{PROJECT}/export?node_label={name}&format=tsv&without_id=true")
        assert answer.status_code == 200
        assert answer.headers["content-disposition"] == f"attachment; filename={name}.tsv"
        wanted = (golden / f"{name}.tsv").read_text()
        assert answer.text.split("\n")[0] == wanted.split("\n")[0]
        assert sorted(map(without_random, rows(answer.text))) == sorted(map(without_random, rows(wanted)))
        answer = simulated.call("GET", f"{PROJECT}/export/?node_label={name}&format=json&without_id=true")
        found, wanted = answer.json()["data"], json.loads((golden / f"{name}.json").read_text())["data"]
        assert sorted(map(without_random, found)) == sorted(map(without_random, wanted)), name


def test_templates_equal_the_goldens(gen3: Gen3, gen3_files: Path) -> None:
    golden = gen3_files / "golden" / "generic" / "exports"
    templates = [name for name in names(gen3_files, "tsv") if name.startswith("template_")]
    assert len(templates) == 26
    for name in templates:
        node = name.removeprefix("template_")
        answer = gen3.call("GET", f"/template/{node}?format=tsv", None)
        assert answer.headers["content-disposition"] == f"attachment; filename=submission_{node}_template.tsv"
        assert answer.text == (golden / f"{name}.tsv").read_text()


@pytest.mark.parametrize("doc_format", ["tsv", "csv", "json"])
def test_an_export_can_be_submitted_back_unchanged(simulated: Gen3, gen3_files: Path, doc_format: str) -> None:
    for name in (gen3_files / "simulated" / "generic" / "DataImportOrder.txt").read_text().split()[1:]:
        for without_id in ("true", "false"):
            place = f"{PROJECT}/export?node_label={name}&format={doc_format}&without_id={without_id}"
            before = simulated.call("GET", place)
            if doc_format == "json":
                answer = simulated.call("PUT", PROJECT, json=before.json()["data"])
            else:
                answer = simulated.table(PROJECT, before.content, doc_format)
            assert answer.status_code == 200, f"{name} {without_id}: {answer.text[:1500]}"
            assert answer.json()["created_entity_count"] == 0
            assert simulated.call("GET", place).content == before.content
