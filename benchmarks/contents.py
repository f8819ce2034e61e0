"""Contents trees of a large HDF5 file and a large zip archive: time against the libraries alone, and bytes read.

``python -m benchmarks.contents [--mib 200]`` makes a file like a single-cell matrix (828 objects, chunks in a
B-tree) and an archive of 1,001 members. Each way runs on warm caches; the separate
process is started before the clock. The remote rows count the requests, with 20 ms added to each.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

from commensal.storage.contents.pool import ContentsPool
from commensal.storage.ports.contents import ContentsResult

_ROUNDS = 7
_DELAY = 0.02
_MIB = 1024 * 1024


def _make_hdf5(path: Path, mib: int) -> None:
    with h5py.File(path, "w") as f:
        x = f.create_group("X")
        values = mib * _MIB // 8
        for name in ("data", "indices"):
            one = x.create_dataset(name, (values,), "f4" if name == "data" else "i4", chunks=(100_000,))
            chunk = bytes(400_000)
            for start in range(0, values, 100_000):
                one.id.write_direct_chunk((start,), chunk)
        x["indptr"] = np.zeros(60_001, "i8")
        properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        properties.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
        properties.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
        for group, columns in (("obs", 400), ("var", 300), ("uns", 115)):
            made = f.create_group(group)
            for number in range(columns):
                space = h5py.h5s.create_simple((20_000,))
                h5py.h5d.create(made.id, f"column_{number:03}".encode(), h5py.h5t.IEEE_F32LE, space, properties)


def _make_zip(path: Path, mib: int) -> None:
    body = bytes(mib * _MIB // 1000)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", b"made up")
        for number in range(1000):
            archive.writestr(f"run/{number % 10}/part-{number:04}.bin", body)


def _visit(path: Path) -> None:
    found: list[object] = []

    def see(name: str, thing: object) -> None:
        found.append((name, thing.shape, thing.dtype) if isinstance(thing, h5py.Dataset) else name)

    with h5py.File(path, "r") as f:
        f.visititems(see)


def _list(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        archive.infolist()


def _time(call: Callable[[], object]) -> float:
    times: list[float] = []
    for _ in range(_ROUNDS):
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


async def _ours(pool: ContentsPool, path: Path) -> tuple[float, ContentsResult]:
    times: list[float] = []
    size = path.stat().st_size
    for _ in range(_ROUNDS):
        began = time.perf_counter()
        result = await pool.read(lambda: os.open(path, os.O_RDONLY), path.name, size)
        times.append(time.perf_counter() - began)
        assert result.parsed, result.reason
    return statistics.median(times), result


async def _remote(pool: ContentsPool, path: Path) -> tuple[float, int, int]:
    asked: list[int] = []
    with path.open("rb", buffering=0) as file:

        def fetch(start: int, end: int) -> bytes:
            asked.append(end - start)
            time.sleep(_DELAY)
            return os.pread(file.fileno(), end - start, start)

        began = time.perf_counter()
        result = await pool.read(lambda: fetch, path.name, path.stat().st_size)
        assert result.parsed, result.reason
        return time.perf_counter() - began, len(asked), sum(asked)


async def run(folder: Path, mib: int) -> None:
    """Make the files in ``folder`` and print the rows."""
    pool = ContentsPool(folder)
    try:
        began = time.perf_counter()
        confinement = await pool.check()
        print(f"contents: process ready in {time.perf_counter() - began:.2f} s ({confinement})")
        for name, make, plain, what in (
            ("matrix.h5ad", _make_hdf5, _visit, "h5py visit in this process"),
            ("archive.zip", _make_zip, _list, "zipfile in this process"),
        ):
            path = folder / name
            make(path, mib)
            floor = _time(lambda plain=plain, path=path: plain(path))
            ours, result = await _ours(pool, path)
            print(
                f"contents: {name} {path.stat().st_size / _MIB:.0f} MiB, {result.nodes} nodes: {ours * 1e3:.1f} ms, "
                f"{result.bytes_read / 1e6:.2f} MB read; {what} {floor * 1e3:.1f} ms; ratio {ours / floor:.2f}"
            )
            seconds, requests, count = await _remote(pool, path)
            print(
                f"contents: {name} remote, {_DELAY * 1e3:.0f} ms a request: {seconds:.2f} s, "
                f"{requests} requests, {count / 1e6:.2f} MB"
            )
            path.unlink()
    finally:
        pool.close()


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mib", type=int, default=200, help="size of the files")
    parser.add_argument("--dsn", help="not used: no database takes part")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(Path(folder), arguments.mib))


if __name__ == "__main__":
    main()
