"""What a door of the five-way test is, and the thing that is written and read through it."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.clients import run_client

__all__ = ["Door", "Sent", "Thing", "run_script"]

#: Three texts and one number that every door with metadata carries.
VALUES: dict[str, Any] = {"tissue": "kidney", "cell_type": "podocyte", "disease": "no disease", "age": 41.5}
FILE_BYTES = 3_000_000


@dataclass(frozen=True)
class Thing:
    """A project with a sample, its metadata and a file; names are unique for each writer."""

    program: str
    code: str
    title: str
    sample: str
    file_name: str
    values: dict[str, Any] = field(default_factory=lambda: dict(VALUES))

    @property
    def data(self) -> bytes:
        """The bytes of the file: always the same for a name."""
        return random.Random(self.file_name).randbytes(FILE_BYTES)

    @property
    def md5(self) -> str:
        return hashlib.md5(self.data).hexdigest()


@dataclass(frozen=True)
class Sent:
    """How one door's client is run: whose key, against what server, in what folder."""

    url: str
    key: dict[str, Any]
    folder: Path
    #: Puts bytes under a path where the server may fetch from, and returns the link.
    offer: Callable[[str, bytes], str]


Parts = frozenset[str]


@dataclass(frozen=True)
class Door:
    """A door with its real client.

    ``write(sent, thing)`` makes the thing. ``read(sent, thing)`` finds it by its names and returns the parts of
    ``reads`` among ``title``, ``sample``, ``values``, ``md5`` (of the bytes as they came), ``told_md5`` (what the
    door says it is; None where it says nothing), and ``handle``: what this door calls the file.
    ``refused(sent, handle)`` asks for the file by that name and returns the status of the refusal, which must be
    ``refusal``. ``writes`` are the parts that the client can write: ``project``, ``sample``, ``file``.
    """

    name: str
    reads: Parts
    writes: Parts
    refusal: int
    read: Callable[[Sent, Thing], dict[str, Any]]
    refused: Callable[[Sent, str], int]
    write: Callable[[Sent, Thing], None] | None = None


def run_script(client: str, script: Path, sent: Sent, action: str, **more: Any) -> dict[str, Any]:
    """Run a script with a client's interpreter: it gets JSON as its argument and prints JSON as its last line."""
    given = {"action": action, "url": sent.url, "key": sent.key, **more}
    done = run_client(client, script.read_text(encoding="utf-8"), json.dumps(given), folder=sent.folder)
    assert done.returncode == 0, f"{script.name} {action}:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return json.loads(done.stdout.strip().splitlines()[-1])
