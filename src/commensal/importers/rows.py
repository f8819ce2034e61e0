"""Rows of files on their way to a sink: in batches, with their places, so that errors can name them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from commensal.errors import InvalidRows, Problem

from .progress import CancelFlag, Progress
from .sink import Document, ImportReport, Sink

__all__ = [
    "BATCH",
    "BATCH_CHARS",
    "MAX_PROBLEMS",
    "WHOLE_FILE",
    "Row",
    "Target",
    "batches",
    "check_file",
    "refuse",
    "say_what_is_written",
    "write_file",
]

WHOLE_FILE = 10_000
"""A file of at most so many rows is one transaction."""

BATCH = 5_000
"""Rows in a transaction of a larger file."""

BATCH_CHARS = 64 << 20
"""Most characters of file in one transaction, whatever the number of rows."""

MAX_PROBLEMS = 1_000
"""Most problems that are collected before an import gives up and shows them."""


@dataclass(slots=True)
class Row:
    """One document and where it stands: ``line`` of the file, ``row`` counted from 1 without header.

    ``size`` is about its length in characters, 0 where another limit bounds it.
    """

    document: Document
    line: int
    row: int
    size: int = 0

    def place(self, file: str) -> str:
        """File, row and name, as a person looks for them."""
        name = self.document.get("submitter_id")
        return f"{file} row {self.row}" + (f" ({name})" if isinstance(name, str) and name else "")

    def problem(self, file: str, message: str, *, field: str | None = None) -> Problem:
        """Something that is wrong with this row."""
        return Problem(message, row=self.row, line=self.line, field=field, record=self.place(file))


@dataclass(slots=True)
class Target:
    """Where an import writes, what it has written, and who watches."""

    sink: Sink
    report: ImportReport
    progress: Progress
    cancel: CancelFlag

    async def submit(self, rows: Sequence[Row], file: str, *, cells: bool = False) -> None:
        """Write one batch in one transaction and count it.

        Raises InvalidRows whose problems name the file, its line and its row instead of the place
        in the batch.
        """
        report = self.report
        try:
            result = await self.sink.submit(report.program, report.project, [row.document for row in rows], cells=cells)
        except InvalidRows as error:
            raise InvalidRows(
                f"{file}: {error.message}", [_placed(problem, rows, file) for problem in error.problems]
            ) from error
        report.add(result)
        self.progress.advance(len(rows))

    def stopped(self) -> bool:
        """Whether to stop here; marks the report if so."""
        if self.cancel.requested:
            self.report.interrupted = True
        return self.report.interrupted


def refuse(file: str, problems: Sequence[Problem], *, rows: int) -> None:
    """Raise InvalidRows if there are problems; ``rows`` is the number of rows that were looked at."""
    if problems:
        count = "more than " if len(problems) >= MAX_PROBLEMS else ""
        raise InvalidRows(
            f"{file}: {count}{len(problems)} of {rows} rows cannot be imported; nothing of the file was written.",
            list(problems),
        )


async def write_file(
    target: Target, file: str, source: Callable[[list[Problem]], Iterator[Row]], rows: int, *, cells: bool = False
) -> None:
    """Submit the rows of one file: in one transaction up to ``WHOLE_FILE`` rows, else ``BATCH`` at a time.

    ``source`` gives the rows anew; ``rows`` is how many it gave when the file was checked. Returns early
    when the import was cancelled. Raises what the sink raises, with the places in the file.
    """
    size = WHOLE_FILE if rows <= WHOLE_FILE else BATCH
    problems: list[Problem] = []
    for batch in batches(source(problems), size):
        if target.stopped():
            return
        # Checked before; only a file that changes under the import still has problems here.
        refuse(file, problems, rows=rows)
        await target.submit(batch, file, cells=cells)
    refuse(file, problems, rows=rows)


async def check_file(
    target: Target, file: str, source: Callable[[list[Problem]], Iterator[Row]]
) -> tuple[int, list[Problem]]:
    """Read a whole file without writing: the number of good rows, and what is wrong with the others.

    Ends early when the import was cancelled or ``MAX_PROBLEMS`` are found. Raises Invalid for a file that
    cannot be read to its end.
    """
    problems: list[Problem] = []
    good = 0
    for good, _ in enumerate(source(problems), 1):
        if good % 1_000 == 0:
            await asyncio.sleep(0)
            if target.stopped():
                break
        if len(problems) >= MAX_PROBLEMS:
            break
    return good, problems


def batches(rows: Iterable[Row], size: int) -> Iterator[list[Row]]:
    """The rows in lists of ``size``, the last one shorter, others only to stay below ``BATCH_CHARS``."""
    batch: list[Row] = []
    chars = 0
    for row in rows:
        if batch and (len(batch) >= size or chars + row.size > BATCH_CHARS):
            yield batch
            batch, chars = [], 0
        batch.append(row)
        chars += row.size
    if batch:
        yield batch


@contextmanager
def say_what_is_written(report: ImportReport, progress: Progress) -> Iterator[None]:
    """When the import ends early, by cancel, Ctrl-C or error, leave a note of what it has written."""
    try:
        yield
    except BaseException:
        progress.note(f"Stopped. {report.written()} Running the same import again completes it.")
        raise
    finally:
        progress.done()
    if report.interrupted:
        progress.note(f"Cancelled. {report.written()} Running the same import again completes it.")


def _placed(problem: Problem, rows: Sequence[Row], file: str) -> Problem:
    if problem.row is None or not 1 <= problem.row <= len(rows):
        return problem
    row = rows[problem.row - 1]
    return replace(problem, row=row.row, line=row.line, record=row.place(file))
