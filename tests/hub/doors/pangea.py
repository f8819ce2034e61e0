"""Pangea: the real ``pangea_api``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.hub.doors.door import Door, Sent, Thing, run_script

_SCRIPT = Path(__file__).parent / "pangea_script.py"


def write(sent: Sent, thing: Thing) -> None:
    """A library in an organization that is there, a sample with metadata, a file as the field of a result."""
    (sent.folder / thing.file_name).write_bytes(thing.data)
    run_script("pangea", _SCRIPT, sent, "write", **asdict(thing))


def read(sent: Sent, thing: Thing) -> dict[str, Any]:
    """The library by its name, the sample by name, the file as a field: its own, or that of ``commensal::files``."""
    return run_script("pangea", _SCRIPT, sent, "read", **asdict(thing))


def refused(sent: Sent, handle: str) -> int:
    """A field by its uuid."""
    return run_script("pangea", _SCRIPT, sent, "refused", handle=handle)["status"]


DOOR = Door(
    name="pangea",
    reads=frozenset({"title", "sample", "values", "file"}),
    writes=frozenset({"project", "sample", "file"}),
    refusal=403,
    read=read,
    refused=refused,
    write=write,
)
