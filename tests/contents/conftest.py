"""A pool of the real separate process, and short ways to a tree."""

from __future__ import annotations

import io
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import pytest

from commensal.storage.contents.limits import Limits
from commensal.storage.contents.parse import parse
from commensal.storage.contents.pool import ContentsPool
from commensal.storage.ports.contents import ContentsResult

TORTURE = os.environ.get("COMMENSAL_TORTURE") == "1"


@pytest.fixture(scope="session")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ContentsPool]:
    one = ContentsPool(tmp_path_factory.mktemp("unpacked"))
    yield one
    one.close()


async def read_path(pool: ContentsPool, path: Path, name: str | None = None) -> ContentsResult:
    return await pool.read(lambda: os.open(path, os.O_RDONLY), name or path.name, path.stat().st_size)


async def read_bytes(pool: ContentsPool, body: bytes, name: str) -> ContentsResult:
    return await pool.read(lambda: lambda start, end: body[start:end], name, len(body))


def tree_here(body: bytes, name: str, limits: Limits | None = None) -> dict[str, Any]:
    """Parse in this process: for files that are only odd, and for errors without the cost of a new process."""
    with tempfile.TemporaryFile() as file:
        tree = parse(lambda start, end: body[start:end], name, len(body), file.fileno(), limits or Limits())
        return json.loads(tree.json())


def hdf5(fill: Callable[[h5py.File], Any], **options: Any) -> bytes:
    file = io.BytesIO()
    with h5py.File(file, "w", **options) as opened:
        fill(opened)
    return file.getvalue()


def paths(node: dict[str, Any]) -> list[str]:
    found = [f"{node['type']} {node['path']}"]
    for child in node.get("children", []):
        found += paths(child)
    return found
