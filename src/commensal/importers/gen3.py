"""``import gen3``: a folder of Gen3 submissions.

The folder holds ``DataImportOrder.txt``, which names one record type a line, parents before children, and
for each type a file ``<type>.json``, ``.tsv`` or ``.csv``. ``project.json`` describes the project. This is what data
simulators and the submission tools of Gen3 write.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commensal.core.names import check_program_code, check_project_code
from commensal.errors import Invalid, NotFound, Problem

from .json_rows import json_objects
from .progress import CancelFlag, Progress, SilentProgress
from .rows import MAX_PROBLEMS, Row, Target, check_file, refuse, say_what_is_written, write_file
from .sink import Document, ImportReport, Sink
from .table_rows import parse_rows

__all__ = ["ORDER", "import_gen3"]

ORDER = "DataImportOrder.txt"

_SUFFIXES = (".json", ".tsv", ".csv")
_TYPE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}\Z", re.ASCII)
_MAX_ORDER_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class _Part:
    """The file of one record type."""

    type: str
    path: Path

    @property
    def cells(self) -> bool:
        return self.path.suffix != ".json"


async def import_gen3(
    folder: Path,
    sink: Sink,
    *,
    program: str | None = None,
    project: str | None = None,
    public: str | None = None,
    progress: Progress | None = None,
    cancel: CancelFlag | None = None,
) -> ImportReport:
    """Import a folder of Gen3 submissions in the order that it names.

    ``program`` defaults to the folder's name, ``project`` to the ``code`` in ``project.json``; another code also
    replaces the old one where records link to the project. All files are read and checked before anything
    is written; each is then one transaction (large ones several, see ``rows.WHOLE_FILE``), so a row that
    the commons refuses leaves the files before it written, and a note of ``progress`` says which. Raises
    NotFound and Invalid for a folder that is not complete, InvalidRows with file, line and row.
    """
    progress, cancel = progress or SilentProgress(), cancel or CancelFlag()
    parts = _parts(folder)
    described = _project(folder)
    program_code = check_program_code(program if program is not None else _folder_code(folder))
    own_code = described.get("code")
    code = project or (own_code if isinstance(own_code, str) else None)
    if not code:
        raise Invalid("project.json has no 'code'; add one, or name the project with --project.", field="project")
    check_project_code(code)
    renamed = own_code if isinstance(own_code, str) and own_code != code else None

    target = Target(sink, ImportReport(program_code, code), progress, cancel)
    sources = [_source(part, renamed, code) for part in parts]
    with say_what_is_written(target.report, progress):
        counts = await _check(target, parts, sources)
        if target.stopped():
            return target.report
        properties = {key: value for key, value in described.items() if key not in ("type", "code")}
        title = described.get("name")
        await sink.ensure_program(program_code)
        await sink.ensure_project(
            program_code,
            code,
            kind="study",
            title=title if isinstance(title, str) and title else code,
            properties=properties,
            public=public,
        )
        progress.start(sum(counts), "rows", f"Writing {folder.name}")
        for part, source, count in zip(parts, sources, counts, strict=True):
            await write_file(target, part.path.name, source, count, cells=part.cells)
            if target.stopped():
                break
    return target.report


async def _check(
    target: Target, parts: list[_Part], sources: list[Callable[[list[Problem]], Iterator[Row]]]
) -> list[int]:
    """Rows of each file; raises InvalidRows with what is wrong in all of them."""
    target.progress.start(len(parts), "files", "Checking")
    counts: list[int] = []
    problems: list[Problem] = []
    for part, source in zip(parts, sources, strict=True):
        count, found = await check_file(target, part.path.name, source)
        counts.append(count)
        problems += found
        target.progress.advance(1)
        if target.stopped() or len(problems) >= MAX_PROBLEMS:
            break
    target.progress.done()
    refuse(parts[0].path.parent.name if parts else "", problems, rows=sum(counts) + len(problems))
    return counts


def _parts(folder: Path) -> list[_Part]:
    """The files in their order, without program and project; raises when the folder is not complete."""
    order = folder / ORDER
    if not folder.is_dir():
        raise NotFound(f"There is no folder {folder}.")
    if not order.is_file():
        raise Invalid(
            f"{folder.name} has no {ORDER}; write one with a record type on each line, parents first.",
            field="folder",
        )
    parts: list[_Part] = []
    seen: dict[str, int] = {}
    problems: list[str] = []
    for line, text in enumerate(_order_lines(order), 1):
        name = text.strip()
        if not name:
            continue
        if not _TYPE.match(name):
            problems.append(f"line {line}: {name[:80]!r} is no record type; expected is one name a line")
        elif name in seen:
            problems.append(f"line {line}: {name} already stands in line {seen[name]}; remove one of them")
        elif name not in ("program", "project"):
            found = [path for suffix in _SUFFIXES if (path := folder / f"{name}{suffix}").is_file()]
            if len(found) > 1:
                problems.append(f"line {line}: there is more than one file for {name}; keep one of them")
            elif not found:
                problems.append(
                    f"line {line}: there is no {name}.json, {name}.tsv or {name}.csv; add it or remove the line"
                )
            else:
                parts.append(_Part(name, found[0]))
        seen.setdefault(name, line)
    if problems:
        raise Invalid(f"{ORDER}, " + "; ".join(problems[:20]) + ".", field="folder")
    return parts


def _order_lines(order: Path) -> list[str]:
    with order.open("rb") as source:
        data = source.read(_MAX_ORDER_BYTES + 1)
    if len(data) > _MAX_ORDER_BYTES:
        raise Invalid(f"{ORDER} is longer than {_MAX_ORDER_BYTES:,} bytes; it should name one record type a line.")
    try:
        return data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise Invalid(f"{ORDER} is not UTF-8 text; save it as UTF-8.", field="folder") from None


def _project(folder: Path) -> Document:
    """The project's own row, from project.json, .tsv or .csv; empty when there is none."""
    for suffix in _SUFFIXES:
        path = folder / f"project{suffix}"
        if not path.is_file():
            continue
        problems: list[Problem] = []
        rows = _rows(_Part("project", path), problems)
        first, second = next(rows, None), next(rows, None)
        refuse(path.name, problems, rows=len(problems) + 1)
        if first is None or second is not None:
            raise Invalid(f"{path.name} must describe exactly one project.", field="project")
        return first.document
    return {}


def _folder_code(folder: Path) -> str:
    name = folder.resolve().name
    try:
        return check_program_code(name)
    except Invalid as error:
        raise Invalid(f"{error.message} The folder's name is the program unless --program names one.") from None


def _source(part: _Part, renamed: str | None, code: str) -> Callable[[list[Problem]], Iterator[Row]]:
    def rows(problems: list[Problem]) -> Iterator[Row]:
        for row in _rows(part, problems):
            if renamed is not None:
                _relink(row.document, renamed, code)
            yield row

    return rows


def _rows(part: _Part, problems: list[Problem]) -> Iterator[Row]:
    if part.cells:
        yield from parse_rows(part.path, problems, part.type)
        return
    for number, found in enumerate(json_objects(part.path), 1):
        # A leading "*" marks required names in templates (contracts/gen3.md 4.4).
        document = {key.lstrip("*"): value for key, value in found.value.items()}
        row = Row(document, found.line, number, found.size)
        if row.document.setdefault("type", part.type) != part.type:
            message = f"the type is {str(row.document['type'])[:80]!r}, but the file is for {part.type!r}."
            problems.append(row.problem(part.path.name, message, field="type"))
            continue
        yield row


def _relink(document: Document, old: str, new: str) -> None:
    """Point the links to the project (``{"code": …}``, one or a list) at the code it is imported under."""
    for name, value in document.items():
        if value == {"code": old}:
            document[name] = {"code": new}
        elif isinstance(value, list) and {"code": old} in value:
            targets: list[Any] = value
            document[name] = [{"code": new} if target == {"code": old} else target for target in targets]
