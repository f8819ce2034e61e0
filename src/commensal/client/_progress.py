"""How far a long call is, for a function of the caller's own or as one line on the terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TextIO

__all__ = ["Bar", "Progress", "reporter"]

_WIDTH = 30


@dataclass(frozen=True, slots=True)
class Progress:
    """``done`` of ``total`` (None: not known) in ``unit`` (records or bytes); ``fraction`` from 0 to 1 where known."""

    unit: str
    done: int
    total: int | None = None
    fraction: float | None = None
    created: int = 0
    updated: int = 0

    @property
    def part(self) -> float | None:
        """How much is done, from 0 to 1; None where nobody knows."""
        if self.total:
            return min(1.0, self.done / self.total)
        return self.fraction


class Bar:
    """A progress line on standard error, drawn at most ten times a second."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._drawn = -1.0
        self._begin = time.monotonic()
        self._last = ""
        self._latest: Progress | None = None

    def __call__(self, progress: Progress) -> None:
        """Draw a state, unless one was drawn a moment ago."""
        self._latest = progress
        now = time.monotonic()
        if now - self._drawn >= 0.1:
            self._drawn = now
            self._draw(progress)

    def close(self) -> None:
        """Draw the last state and end the line."""
        if self._latest is not None:
            self._draw(self._latest)
            self._stream.write("\n")
            self._stream.flush()

    def _draw(self, progress: Progress) -> None:
        done = f"{progress.done:,}" if progress.unit == "records" else f"{progress.done / 1e6:,.1f} MB"
        unit = " records" if progress.unit == "records" else ""
        speed = progress.done / max(time.monotonic() - self._begin, 1e-3)
        pace = f"{speed:,.0f}/s" if progress.unit == "records" else f"{speed / 1e6:,.1f} MB/s"
        part = progress.part
        bar = ""
        if part is not None:
            full = round(part * _WIDTH)
            bar = f"[{'#' * full}{'.' * (_WIDTH - full)}] {part:4.0%} "
        line = f"{bar}{done}{unit} {pace}"
        self._stream.write("\r" + line.ljust(len(self._last)))
        self._stream.flush()
        self._last = line


class _Rising:
    """Tells of a state that is behind an earlier one only once it is beyond that: what is begun anew comes again."""

    def __init__(self, report: Callable[[Progress], None]) -> None:
        self._report = report
        self._highest = -1

    def __call__(self, progress: Progress) -> None:
        """Tell of a state."""
        if progress.done >= self._highest:
            self._highest = progress.done
            self._report(progress)


def reporter(
    progress: Callable[[Progress], None] | bool,  # noqa: FBT001 as users give it
) -> tuple[Callable[[Progress], None] | None, Callable[[], None]]:
    """Return the function that is told of every step, and the one that ends it."""
    if progress is True:
        bar = Bar()
        return _Rising(bar), bar.close
    if callable(progress):
        return _Rising(progress), lambda: None
    return None, lambda: None
