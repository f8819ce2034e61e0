"""How importers tell what they are doing, and how they are asked to stop."""

from __future__ import annotations

import threading
from typing import Protocol

__all__ = ["CancelFlag", "Progress", "SilentProgress"]


class Progress(Protocol):
    """A display of one stage after the other; the command line draws bars, tests draw nothing.

    Stages do not overlap. ``done`` may come when no stage is running, and does nothing then.
    """

    def start(self, total: int | None, unit: str, label: str) -> None:
        """A new stage of ``total`` units (None: not known), for example ``"bytes"`` or ``"rows"``."""
        ...

    def advance(self, n: int) -> None:
        """``n`` more units of the stage are done."""
        ...

    def note(self, text: str) -> None:
        """A sentence that stays on the screen."""
        ...

    def done(self) -> None:
        """The stage is over, whether it reached its total or not."""
        ...


class SilentProgress:
    """Shows nothing, but keeps the notes."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def start(self, total: int | None, unit: str, label: str) -> None:
        """Nothing to show."""

    def advance(self, n: int) -> None:
        """Nothing to show."""

    def note(self, text: str) -> None:
        """Keep the sentence."""
        self.notes.append(text)

    def done(self) -> None:
        """Nothing to show."""


class CancelFlag:
    """A request to stop, safe to raise from a signal handler or another thread.

    Importers look at it while reading and between batches, never inside one: a batch is written
    whole or not at all. They then return a report with ``interrupted`` set.
    """

    def __init__(self) -> None:
        self._event = threading.Event()

    def request(self) -> None:
        """Ask the import to stop at the next safe point."""
        self._event.set()

    @property
    def requested(self) -> bool:
        """Whether somebody asked."""
        return self._event.is_set()
