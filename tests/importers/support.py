"""A sink in memory, and small SOFT files."""

from __future__ import annotations

import copy
import gzip
import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from commensal.errors import InvalidRows, Problem
from commensal.importers.sink import Counts, Document, ProjectKind, SubmitResult

SHARED = Path(os.environ.get("COMMENSAL_SHARED", Path(__file__).resolve().parents[3] / "shared"))


def shared(path: str) -> Path:
    found = SHARED / path
    if not found.exists():
        pytest.skip(f"needs the shared input {path}")
    return found


class MemorySink:
    """Keeps what it gets, counts what is new, changed and equal; refuses the documents that ``refuse`` picks."""

    def __init__(self, refuse: Callable[[Document], str | None] | None = None) -> None:
        self.programs: list[str] = []
        self.projects: dict[tuple[str, str], dict[str, Any]] = {}
        self.records: dict[tuple[str, str], Document] = {}
        self.submissions: list[tuple[int, bool]] = []
        self.files: dict[str, tuple[str, str, tuple[str, str] | None]] = {}
        self.refuse = refuse

    async def ensure_program(self, code: str, title: str | None = None) -> None:
        if code not in self.programs:
            self.programs.append(code)

    async def ensure_project(
        self,
        program: str,
        code: str,
        *,
        kind: ProjectKind,
        title: str,
        properties: Mapping[str, Any],
        public: str | None,
    ) -> None:
        made = {"kind": kind, "title": title, "properties": dict(properties), "public": public}
        self.projects.setdefault((program, code), made)

    async def submit(
        self, program: str, project: str, documents: Sequence[Document], *, cells: bool = False
    ) -> SubmitResult:
        assert (program, project) in self.projects
        if self.refuse is not None:
            found = [(row, self.refuse(document)) for row, document in enumerate(documents, 1)]
            problems = [Problem(text, row=row) for row, text in found if text]
            if problems:
                raise InvalidRows("refused", problems)
        self.submissions.append((len(documents), cells))
        counts: dict[str, Counts] = {}
        for document in documents:
            key = (document["type"], document["submitter_id"])
            old = self.records.get(key)
            one = Counts(created=1) if old is None else Counts(unchanged=1) if old == document else Counts(updated=1)
            counts[key[0]] = counts.get(key[0], Counts()) + one
            self.records[key] = copy.deepcopy(document)
        return SubmitResult(counts)

    async def put_file(
        self,
        program: str,
        project: str,
        path: str,
        source: Path,
        *,
        media_type: str,
        record: tuple[str, str] | None,
    ) -> None:
        self.files[path] = (hashlib.sha256(source.read_bytes()).hexdigest(), media_type, record)

    def of(self, type_: str) -> list[Document]:
        return [document for (name, _), document in self.records.items() if name == type_]


def soft(
    samples: Mapping[str, Sequence[str]],
    *,
    series: Sequence[str] = (),
    platforms: Sequence[str] = ("GPL1",),
    accession: str = "GSE1",
) -> str:
    """A family file: accession → attribute lines without ``!Sample_``, on the first platform unless they name one."""
    lines = ["^DATABASE = GeoMiame", "!Database_name = Gene Expression Omnibus (GEO)", f"^SERIES = {accession}"]
    lines += ["!Series_title = A made-up series", f"!Series_geo_accession = {accession}"]
    lines += [f"!Series_{line}" for line in series]
    lines += [f"!Series_sample_id = {name}" for name in samples]
    lines += [f"!Series_platform_id = {name}" for name in platforms]
    for name in platforms:
        lines += [f"^PLATFORM = {name}", f"!Platform_title = Array {name}", "!Platform_organism = Homo sapiens"]
        lines += ["#ID = ", "!platform_table_begin", "ID", "a", "b", "!platform_table_end"]
    for name, attributes in samples.items():
        lines += [f"^SAMPLE = {name}", f"!Sample_title = title of {name}"]
        lines += [f"!Sample_{line}" for line in attributes]
        if not any(line.startswith("platform_id") for line in attributes):
            lines.append(f"!Sample_platform_id = {platforms[0]}")
        lines += ["!sample_table_begin", "ID_REF\tVALUE", "a\t1", "b\t2", "!sample_table_end"]
    return "\n".join(lines) + "\n"


def write(path: Path, text: str | bytes) -> Path:
    data = text.encode() if isinstance(text, str) else text
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)
    return path
