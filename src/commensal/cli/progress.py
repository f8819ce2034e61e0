"""Progress bars of the terminal; nothing is drawn where nobody looks."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

__all__ = ["Bars"]


class Bars:
    """One bar for each stage of an import (``importers.progress.Progress``)."""

    def __init__(self) -> None:
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._total: int | None = None

    def __enter__(self) -> Bars:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

            self._progress = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.fields[shown]}"),
                TimeElapsedColumn(),
                console=Console(stderr=True),
            )
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave the terminal as it was; a second call does nothing."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def start(self, total: int | None, unit: str, label: str) -> None:
        """A new stage."""
        self._total = total
        if self._progress is not None:
            self._task = self._progress.add_task(label, total=total, shown="", unit=unit)

    def advance(self, n: int) -> None:
        """So much more of the stage is done."""
        if self._progress is not None and self._task is not None:
            self._progress.advance(self._task, n)
            task = self._progress.tasks[self._progress.task_ids.index(self._task)]
            unit = task.fields["unit"]
            done, total = (
                (f"{task.completed / 1e6:,.1f}", "" if self._total is None else f" of {self._total / 1e6:,.1f}")
                if unit == "bytes"
                else (f"{task.completed:,.0f}", "" if self._total is None else f" of {self._total:,}")
            )
            self._progress.update(self._task, shown=f"{done}{total} {'MB' if unit == 'bytes' else unit}")

    def note(self, text: str) -> None:
        """A sentence that stays on the screen."""
        if self._progress is not None:
            self._progress.console.print(text, markup=False, highlight=False)
        else:
            print(text, file=sys.stderr)

    def done(self) -> None:
        """The stage is over."""
        if self._progress is not None and self._task is not None:
            self._progress.stop_task(self._task)
        self._task = None
