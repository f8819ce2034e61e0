"""Limits of one parse, and the errors that end it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Limits", "NoRoom", "Unparsable"]

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """Beyond the first three a tree is marked ``truncated``; beyond the others there is none.

    ``nodes`` and ``depth`` (levels, the root is the first): contracts/odm.md. ``text``: characters of all
    names and paths together, because one link name may have 64 KiB and is repeated in every path below.
    """

    nodes: int = 100_000
    depth: int = 64
    text: int = 32 * MIB
    #: Bytes that HDF5 files inside archives may take unpacked in a temporary file, together.
    unpacked: int = 2048 * MIB
    #: Bytes that a listing pass over a packed stream may inflate (they are thrown away).
    streamed: int = 64 * 1024 * MIB
    #: An archive is a bomb, not only large, when it unpacks to more than this many times its size.
    ratio: int = 100
    #: Seconds of processor time for one file, and of wall-clock time without waiting for a remote store.
    cpu_seconds: int = 60
    wall_seconds: float = 120.0
    #: Address space of the separate process.
    memory: int = 1024 * MIB


class Unparsable(Exception):
    """The file is not what its name says, or breaks a limit; the text is for operators."""


class NoRoom(Exception):
    """The disk under the temporary file is full: not the file's fault."""
