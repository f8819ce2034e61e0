"""Gen3: the real ``gen3`` SDK."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.hub.doors.door import Door, Sent, Thing, run_script

_SCRIPT = Path(__file__).parent / "gen3_script.py"


def write(sent: Sent, thing: Thing) -> None:
    """A project by PUT, a sample and a data_file by submission, the bytes by upload_file and the signed PUT."""
    (sent.folder / "data.bin").write_bytes(thing.data)
    run_script("gen3", _SCRIPT, sent, "write", **asdict(thing))


def read(sent: Sent, thing: Thing) -> dict[str, Any]:
    """The sample by GraphQL, the file by the index and download_single."""
    return run_script("gen3", _SCRIPT, sent, "read", **asdict(thing))


def refused(sent: Sent, handle: str) -> int:
    """A presigned address for a GUID."""
    return run_script("gen3", _SCRIPT, sent, "refused", handle=handle)["status"]


DOOR = Door(
    name="gen3",
    reads=frozenset({"title", "sample", "values", "file"}),
    writes=frozenset({"project", "sample", "file"}),
    refusal=401,
    read=read,
    refused=refused,
    write=write,
)
