"""One commons with the open dictionary for all pairs of doors, and what each door wrote into it."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import make_data_base, with_database
from tests.gen3.conftest import run_sql
from tests.hub.doors import DOORS
from tests.hub.doors.door import Sent, Thing
from tests.odm.file_server import FileServer
from tests.running import Running, start_commons

PROGRAM = "HUB"


@dataclass
class Hub:
    """The commons; ``written`` is what each door wrote."""

    running: Running
    dsn: str
    base: Path
    remote: FileServer
    keys: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    written: dict[str, Thing] = field(default_factory=dict)

    def sent(self, who: str, door: str) -> Sent:
        """How somebody uses a door, in a folder of his own."""
        folder = self.base / f"{who}-{door}-{uuid.uuid4().hex[:6]}"
        folder.mkdir()
        return Sent(self.running.url, self.key(who, door), folder, self.remote.put)

    def key(self, who: str, door: str) -> dict[str, Any]:
        if (who, door) not in self.keys:
            self.keys[who, door] = self.running.key(f"{who}@example.org", door)
        return self.keys[who, door]

    def thing(self, door: str) -> Thing:
        """What a door wrote; it does so at first need, and the reader is let in."""
        if door not in self.written:
            name = f"{door}{uuid.uuid4().hex[:6]}"
            thing = Thing(PROGRAM, name, f"Study of {name}", f"sample of {name}", f"matrix {name}.bin")
            write = DOORS[door].write
            assert write is not None
            write(self.sent("writer", door), thing)
            self.running.admin("grant", "reader@example.org", "analyst", self.project(thing))
            self.written[door] = thing
        return self.written[door]

    def project(self, thing: Thing) -> str:
        """The project id of a thing, wherever its door put it."""
        rows = self.sql(
            "select g.code || '-' || p.code as id from projects p join programs g on g.seq = p.program "
            "where p.title = $1",
            thing.title,
        )
        assert len(rows) == 1, rows
        return rows[0]["id"]

    def events(self, thing: Thing, door: str) -> set[tuple[str, str]]:
        """(caller, result) of the audit's events of a door on a thing's project."""
        rows = self.sql(
            "select e.* from audit_events e join projects p on p.seq = e.project where p.title = $1 and e.door = $2",
            thing.title,
            door,
        )
        return {(row["who_label"], row["result"]) for row in rows}

    def sql(self, text: str, *values: object) -> list[dict[str, Any]]:
        return run_sql(self.dsn, text, *values)


@pytest.fixture(scope="session")
def hub(admin_dsn: str) -> Iterator[Hub]:
    base = make_data_base()
    name = f"commensal_hub_{uuid.uuid4().hex[:10]}"
    run_sql(admin_dsn, f'create database "{name}"')
    dsn = with_database(admin_dsn, name)
    running, remote = None, FileServer()
    try:
        options = ("--database", dsn, "--min-free", "1MB", "--allow-fetch", f"127.0.0.1:{remote.port}")
        running = start_commons(base / "data", *options)
        running.add_user("admin@example.org", "--site-admin")
        for who in ("writer", "reader", "stranger"):
            running.add_user(f"{who}@example.org")
        running.admin("program", "add", PROGRAM)
        running.admin("grant", "writer@example.org", "manager", PROGRAM)
        yield Hub(running, dsn, base, remote)
        assert running.stop() == 0
    finally:
        if running is not None and running.process.poll() is None:
            running.kill()
        remote.close()
        run_sql(admin_dsn, f'drop database if exists "{name}" with (force)')
        shutil.rmtree(base, ignore_errors=True)
