"""``import tsv``: records from one TSV or CSV table with Gen3's columns (see :mod:`.table_rows`)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from commensal.core.names import check_program_code, check_project_code
from commensal.errors import NotFound, Problem

from .progress import CancelFlag, Progress, SilentProgress
from .rows import Row, Target, check_file, refuse, say_what_is_written, write_file
from .sink import ImportReport, Sink
from .table_rows import parse_rows, table_format

__all__ = ["import_tsv"]


async def import_tsv(
    path: Path,
    sink: Sink,
    *,
    program: str,
    project: str,
    type: str | None = None,
    public: str | None = None,
    progress: Progress | None = None,
    cancel: CancelFlag | None = None,
) -> ImportReport:
    """Import the rows of a table as records of ``project``, which is made when it does not exist.

    ``type`` is the record type of a table without a ``type`` column. The table is read and checked whole
    before anything is written, then submitted as cell texts (``cells=True``), in one transaction up to
    ``rows.WHOLE_FILE`` rows and in batches beyond. Raises NotFound, Invalid and InvalidRows with line and row.
    """
    progress, cancel = progress or SilentProgress(), cancel or CancelFlag()
    check_program_code(program)
    check_project_code(project)
    if not path.is_file():
        raise NotFound(f"There is no file {path}.")
    table_format(path)

    def source(problems: list[Problem]) -> Iterator[Row]:
        return parse_rows(path, problems, type)

    target = Target(sink, ImportReport(program, project), progress, cancel)
    with say_what_is_written(target.report, progress):
        progress.start(None, "rows", f"Checking {path.name}")
        count, problems = await check_file(target, path.name, source)
        progress.done()
        if target.stopped():
            return target.report
        refuse(path.name, problems, rows=count + len(problems))
        await sink.ensure_program(program)
        await sink.ensure_project(program, project, kind="study", title=project, properties={}, public=public)
        progress.start(count, "rows", f"Writing {path.name}")
        await write_file(target, path.name, source, count, cells=True)
    return target.report
