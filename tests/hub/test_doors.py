"""The same thing through every pair of doors: written by one real client, read by another (design hub)."""

from __future__ import annotations

import time

import pytest

from tests.hub.conftest import Hub
from tests.hub.doors import DOORS

PAIRS = [(a.name, b.name) for a in DOORS.values() if a.write is not None for b in DOORS.values()]


def wait_for(condition, seconds: float = 20) -> bool:
    """Reads are in the audit within half a second; a busy machine takes longer."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_what_one_door_writes_another_reads(hub: Hub, a: str, b: str) -> None:
    writer, reader = DOORS[a], DOORS[b]
    thing = hub.thing(a)
    seen = reader.read(hub.sent("reader", b), thing)
    if "file" in writer.writes & reader.reads:
        assert seen["md5"] == thing.md5
        assert seen["told_md5"] == (None if a == b == "pangea" else thing.md5)
    if "sample" in writer.writes & reader.reads:
        assert seen["sample"] == thing.sample
    if "sample" in writer.writes and "values" in reader.reads:
        assert seen["values"] == thing.values
    if "project" in writer.writes and "title" in reader.reads:
        assert seen["title"] == thing.title
    # Who holds nothing is refused, with this door's own status.
    assert reader.refused(hub.sent("stranger", b), seen["handle"]) == reader.refusal
    # One audit trail: the write by its door, the read by its own.
    assert ("writer@example.org", "ok") in hub.events(thing, a)
    assert wait_for(lambda: ("reader@example.org", "ok") in hub.events(thing, b)), hub.events(thing, b)


def test_every_door_reads_and_most_write() -> None:
    assert {"gen3", "odm", "pangea"} <= set(DOORS)
    for door in DOORS.values():
        assert "file" in door.reads
        assert (door.write is not None) == bool(door.writes)
