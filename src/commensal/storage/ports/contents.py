"""What services ask for the structure inside a file: its contents tree (contracts/odm.md, ``contents``)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

__all__ = ["UNPARSED", "ContentsReader", "ContentsResult", "Fetch", "OpenSource", "has_contents"]

UNPARSED = b'{"error":"The contents could not be parsed."}'
"""The documented answer for a file that is not what its name says, or that breaks a limit."""

_ENDINGS = (".h5", ".h5ad", ".zip", ".gz")

Fetch = Callable[[int, int], bytes]
"""``fetch(start, end)`` returns exactly the bytes ``start`` to ``end - 1``; it blocks, and is called in a thread."""

OpenSource = Callable[[], int | Fetch]
"""Opens the bytes of one file, in a thread: a read-only descriptor that the reader closes, or a Fetch."""


@dataclass(frozen=True, slots=True)
class ContentsResult:
    """The structure of one file.

    ``tree`` is JSON text (UTF-8): the root node, or UNPARSED; it holds no U+0000 and no lone surrogate,
    so PostgreSQL takes it as jsonb. ``reason`` tells the operator why there is no tree; it may quote the file
    and is not for the wire. ``nodes`` counts the entries, ``bytes_read`` what was read of the file.
    """

    tree: bytes
    reason: str | None = None
    nodes: int = 0
    truncated: bool = False
    bytes_read: int = 0

    @property
    def parsed(self) -> bool:
        """Whether ``tree`` is a tree."""
        return self.reason is None


class ContentsReader(Protocol):
    """Makes contents trees without trusting the file."""

    async def read(self, open_source: OpenSource, name: str, size: int) -> ContentsResult:
        """Return the tree of a file of ``size`` bytes called ``name``; the ending of the name tells the format.

        A file that cannot be parsed, or only beyond the limits, is a result with UNPARSED, not an error. What
        ``open_source`` and its Fetch raise is passed on. Raises Unavailable or NoSpace when this machine, not
        the file, is to blame: try again later. Raises ValueError for a name without contents (``has_contents``).
        """
        ...

    async def check(self) -> str:
        """Start a separate process and return :meth:`confinement`. Raises Unavailable."""
        ...

    def confinement(self) -> str:
        """Return in words what keeps the separate process from harm, for operators."""
        ...


def has_contents(name: str) -> bool:
    """Whether files of this name have a contents tree: ``.h5 .h5ad .zip .gz``, in any case of letters."""
    return name.lower().endswith(_ENDINGS)
