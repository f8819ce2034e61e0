"""Genestack ODM: the real ``odm_api``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.hub.doors.door import Door, Sent, Thing, run_script

_SCRIPT = Path(__file__).parent / "odm_script.py"


def write(sent: Sent, thing: Thing) -> None:
    """A study by the link to its table, its samples and its file by the forms of direct upload."""
    (sent.folder / "data.bin").write_bytes(thing.data)
    link = sent.offer("/study.tsv", f"genestack:name\n{thing.title}\n".encode())
    run_script("odm", _SCRIPT, sent, "write", link=link, **asdict(thing))


def read(sent: Sent, thing: Thing) -> dict[str, Any]:
    """Sample and file by filters on their names, the study by its sample; the bytes whole and by range."""
    return run_script("odm", _SCRIPT, sent, "read", **asdict(thing))


def refused(sent: Sent, handle: str) -> int:
    """The bytes of an accession."""
    return run_script("odm", _SCRIPT, sent, "refused", handle=handle)["status"]


DOOR = Door(
    name="odm",
    reads=frozenset({"title", "sample", "values", "file"}),
    writes=frozenset({"project", "sample", "file"}),
    refusal=404,
    read=read,
    refused=refused,
    write=write,
)
