"""A file of the field: the 10x example that scanpy's wheel brings."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import h5py
import pytest

from commensal.storage.contents.pool import ContentsPool
from tests.contents.conftest import paths, read_path

MEMBER = "scanpy/datasets/10x_pbmc68k_reduced.h5ad"


@pytest.fixture(scope="session")
def wheel() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "commensal-tests"
    found = sorted(cache.glob("scanpy-1.11.*.whl"))
    if not found:
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--dest",
            str(cache),
            "scanpy==1.11.*",
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        found = sorted(cache.glob("scanpy-1.11.*.whl"))
        if not found:
            pytest.skip(f"scanpy's wheel cannot be had here: {done.stderr.strip().splitlines()[-1:]}")
    return found[0]


async def test_the_h5ad_of_scanpy(pool: ContentsPool, wheel: Path, tmp_path: Path):
    with zipfile.ZipFile(wheel) as archive:
        path = tmp_path / "10x_pbmc68k_reduced.h5ad"
        path.write_bytes(archive.read(MEMBER))
    result = await read_path(pool, path)
    seen: list[str] = []
    with h5py.File(path) as f:
        f.visititems(
            lambda name, thing: seen.append(f"{'group' if isinstance(thing, h5py.Group) else 'dataset'} /{name}")
        )
        shape = list(f["X"].shape)
    tree = json.loads(result.tree)
    assert sorted(paths(tree)[1:]) == sorted(seen)
    assert next(one for one in tree["children"] if one["name"] == "X")["shape"] == shape


async def test_the_wheel_itself_is_a_zip_with_hdf5_inside(pool: ContentsPool, wheel: Path):
    result = await read_path(pool, wheel, "scanpy.zip")
    found = paths(json.loads(result.tree))
    with zipfile.ZipFile(wheel) as archive:
        assert sum(path.startswith(("file", "h5")) for path in found[:]) >= len(archive.namelist())
    assert f"h5 /{MEMBER}" in found
    assert any(path.startswith(f"dataset /{MEMBER}/uns/") for path in found)
