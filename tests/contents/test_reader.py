"""The reader as services use it: sources, limits, faults, and what the separate process may not do."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path

import h5py
import numpy as np
import psutil
import pytest

from commensal.errors import Unavailable
from commensal.storage.contents import sandbox
from commensal.storage.contents.limits import Limits
from commensal.storage.contents.pool import ContentsPool
from commensal.storage.ports.contents import UNPARSED, ContentsReader
from tests.contents.conftest import hdf5, paths, read_bytes, read_path

SMALL = hdf5(lambda f: f.create_group("g"))


def workers() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if "commensal.storage.contents.child" in child.cmdline()]


async def test_a_local_file_by_descriptor_and_a_remote_one_by_requests(pool: ContentsPool, tmp_path: Path):
    path = tmp_path / "a.h5ad"
    with h5py.File(path, "w") as f:
        f.create_dataset("X", data=np.zeros(4_000_000, "u1"))
        for number in range(200):
            f.create_group(f"g{number:03}")["x"] = number
    local = await read_path(pool, path)
    asked: list[tuple[int, int]] = []
    body = path.read_bytes()

    def fetch(start: int, end: int) -> bytes:
        asked.append((start, end))
        return body[start:end]

    remote = await pool.read(lambda: fetch, path.name, len(body))
    assert remote.tree == local.tree
    assert local.nodes == 402 == len(paths(json.loads(local.tree)))
    assert local.bytes_read < remote.bytes_read == sum(end - start for start, end in asked)
    assert len(asked) <= 6
    assert local.bytes_read < len(body) / 10


async def test_hdf5_stored_in_a_zip_is_read_in_place(pool: ContentsPool, tmp_path: Path):
    path = tmp_path / "a.zip"
    inner = hdf5(lambda f: f.create_dataset("X", data=np.zeros(20_000_000, "u1")))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("before.bin", bytes(3_000_000))
        archive.writestr("m.h5", inner)
    result = await read_path(pool, path)
    assert paths(json.loads(result.tree)) == ["folder /", "file /before.bin", "h5 /m.h5", "dataset /m.h5/X"]
    assert result.bytes_read < 2_000_000


async def test_a_packed_remote_file_is_fetched_in_large_pieces(pool: ContentsPool):
    dice = np.random.default_rng(1)
    body = gzip.compress(hdf5(lambda f: f.create_dataset("X", data=dice.integers(0, 255, 9_000_000, "u1"))), 1)
    asked = []

    def fetch(start: int, end: int) -> bytes:
        asked.append(end - start)
        return body[start:end]

    result = await pool.read(lambda: fetch, "m.h5.gz", len(body))
    assert paths(json.loads(result.tree)) == ["folder /", "h5 /m.h5", "dataset /m.h5/X"]
    assert len(asked) <= 6


@pytest.mark.parametrize("name", ["a.h5", "a.h5ad", "a.zip", "a.gz", "a.tar.gz", "a.h5.gz", "a.h5ad.zip"])
async def test_the_documented_error(pool: ContentsPool, name: str):
    result = await read_bytes(pool, b"not what the name says", name)
    assert json.loads(result.tree) == {"error": "The contents could not be parsed."}
    assert not result.parsed
    assert result.reason


async def test_other_names_are_a_mistake_of_the_caller(pool: ContentsPool):
    with pytest.raises(ValueError, match=r"a\.txt"):
        await read_bytes(pool, b"", "a.txt")


async def test_errors_of_the_store_are_passed_on_and_the_next_file_is_read(pool: ContentsPool):
    def broken(start: int, end: int) -> bytes:
        raise Unavailable("the store is away")

    def missing() -> int:
        raise FileNotFoundError("gone")

    with pytest.raises(Unavailable, match="the store is away"):
        await pool.read(lambda: broken, "a.h5", 5000)
    with pytest.raises(FileNotFoundError):
        await pool.read(missing, "a.h5", 5000)
    assert (await read_bytes(pool, SMALL, "a.h5")).nodes == 2


async def test_a_store_that_gives_too_little(pool: ContentsPool):
    result = await pool.read(lambda: lambda start, end: SMALL[start : end - 1], "a.h5", len(SMALL))
    assert result.tree == UNPARSED
    longer = await pool.read(lambda: lambda start, end: SMALL[start:end], "a.zip", 10**12)
    assert longer.tree == UNPARSED


async def test_one_process_serves_many_files_and_is_replaced(tmp_path: Path):
    pool = ContentsPool(tmp_path, files_each=3)
    try:
        pids = []
        for _ in range(4):
            await read_bytes(pool, SMALL, "a.h5")
            pids.append([process.pid for process in pool._all])
        assert pids[0] == pids[1] != []
        assert pids[2] == []  # full: ended
        assert pids[3] != pids[0]
        await read_bytes(pool, b"", "a.h5")
        assert not pool._all  # whatever a bad file left behind goes with its process
        assert list(tmp_path.iterdir()) == []
    finally:
        pool.close()


async def test_idle_processes_end(tmp_path: Path):
    pool = ContentsPool(tmp_path, idle_seconds=0.05)
    try:
        await read_bytes(pool, SMALL, "a.h5")
        until = time.monotonic() + 20
        while pool._all and time.monotonic() < until:
            await asyncio.sleep(0.02)
        assert not pool._all
        assert (await read_bytes(pool, SMALL, "a.h5")).parsed
    finally:
        pool.close()


async def test_too_much_memory_ends_in_the_documented_error(tmp_path: Path):
    tight = ContentsPool(tmp_path, limits=Limits(memory=192 * 1024 * 1024, nodes=10**9, text=10**12))
    name = "x" * 50_000

    def fill(f: h5py.File) -> None:
        group = f
        for _ in range(60):
            group = group.create_group(name)
            for number in range(30):
                group.create_group(f"{number}")

    body = hdf5(fill, libver="latest")
    try:
        assert (await read_bytes(tight, body, "a.h5")).tree == UNPARSED
        assert (await read_bytes(tight, SMALL, "a.h5")).parsed
    finally:
        tight.close()


async def test_processor_time_and_wall_clock_are_limited(pool: ContentsPool, tmp_path: Path):
    """A chain of groups that doubles at each level keeps any walker busy: the clock must end it."""

    def fill(f: h5py.File) -> None:
        group = f.create_group("g")
        for _ in range(50):
            above = f.create_group(None)
            above["l"], above["r"] = group, group
            group = above
        f["top"] = group

    body = hdf5(fill)
    assert (await read_bytes(pool, body, "a.h5")).truncated
    for limits in (Limits(wall_seconds=0.2, nodes=10**9, text=10**12), Limits(cpu_seconds=1, nodes=10**9, text=10**12)):
        short = ContentsPool(tmp_path, limits=limits)
        try:
            result = await read_bytes(short, body, "a.h5")
        finally:
            short.close()
        assert result.tree == UNPARSED
        assert "took more" in str(result.reason) or "SIGPROF" in str(result.reason)


async def test_a_process_that_is_killed_from_outside_is_not_the_files_fault(pool: ContentsPool):
    pids: list[int] = []

    def fetch(start: int, end: int) -> bytes:
        pids.extend(worker.pid for worker in pool._all)
        os.kill(pids[0], signal.SIGKILL)
        return SMALL[start:end]

    with pytest.raises(Unavailable):
        await pool.read(lambda: fetch, "a.h5", len(SMALL))
    assert (await read_bytes(pool, SMALL, "a.h5")).parsed


async def test_a_process_that_died_while_idle_is_replaced(pool: ContentsPool):
    await read_bytes(pool, SMALL, "a.h5")
    for worker in list(pool._idle):
        os.kill(worker.pid, signal.SIGKILL)
        worker._process.wait()
    assert (await read_bytes(pool, SMALL, "a.h5")).parsed


async def test_cancelling_ends_the_process(tmp_path: Path):
    pool = ContentsPool(tmp_path)
    asked, answer = threading.Event(), threading.Event()

    def fetch(start: int, end: int) -> bytes:
        asked.set()
        answer.wait(20)
        return SMALL[start:end]

    try:
        task = asyncio.create_task(pool.read(lambda: fetch, "a.h5", len(SMALL)))
        await asyncio.to_thread(asked.wait, 20)
        (worker,) = pool._all
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not worker.alive
    finally:
        answer.set()
        pool.close()


async def test_processes_end_with_the_server():
    """kill -9 of the server: the kernel ends the process that parses for it."""
    program = (
        "import asyncio, os, sys, time\n"
        "from commensal.storage.contents.pool import ContentsPool\n"
        "pool = ContentsPool()\n"
        "asyncio.run(pool.check())\n"
        "print(next(iter(pool._all)).pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    server = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert server.stdout is not None
    child = psutil.Process(int(server.stdout.readline()))
    server.kill()
    server.wait()
    server.stdout.close()
    _, alive = psutil.wait_procs([child], timeout=20)
    assert not [one for one in alive if one.status() != psutil.STATUS_ZOMBIE]


def data_folder(tmp_path: Path) -> list[str]:
    for name in ("pg", "run"):
        (tmp_path / name).mkdir(mode=0o755)
    for name in ("master.key", "pg.secret"):
        (tmp_path / name).write_text("secret")
        (tmp_path / name).chmod(0o644)  # the modes of the files are not what protects them here
    return [str(tmp_path / name) for name in ("pg", "run", "master.key", "pg.secret")] + ["/etc/passwd", "/"]


async def test_what_the_separate_process_may_not_do(pool: ContentsPool, tmp_path: Path):
    reader: ContentsReader = pool
    told = await pool.check()
    assert told == reader.confinement()
    assert "limits" in told
    if os.geteuid() == 0:
        assert f"user id {sandbox.ACCOUNT}" in told
    with socket.create_server(("127.0.0.1", 0)) as server:
        worker = pool._take()
        try:
            pids = [os.getpid(), os.getppid(), worker.pid, 1]
            worked = worker.probe(data_folder(tmp_path), pids, server.getsockname())
            info = psutil.Process(worker.pid)
            if os.geteuid() == 0:
                assert set(info.uids()) == set(info.gids()) == {sandbox.ACCOUNT}
                status = Path(f"/proc/{worker.pid}/status").read_text()
                assert "Groups:\t \n" in status or "Groups:\t\n" in status
            assert len(os.listdir(f"/proc/{worker.pid}/fd")) <= 5 if os.geteuid() == 0 else True
        finally:
            pool._give_back(worker)
    if sys.platform == "linux" and ("Landlock" in told or "filter" in told):
        assert worked == []


@pytest.mark.skipif(sys.platform != "linux", reason="Landlock and the filter are Linux's")
@pytest.mark.parametrize("account", ["root", "ordinary"])
@pytest.mark.parametrize("without", ["allow_only_parsing", "_landlock", "neither"])
def test_each_wall_stands_alone(account: str, without: str, tmp_path: Path):
    """The same attempts with one wall taken out, as root and as an ordinary user: the other one holds.

    The ordinary user's target is a process of his own, which nothing else protects.
    """
    if account == "root" and os.geteuid() != 0:
        pytest.skip("needs root")
    target = data_folder(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as server:
        program = (
            "import json, os, signal, time\n"
            "from commensal.storage.contents import sandbox\n"
            "from commensal.storage.contents.limits import Limits\n"
            f"without, account = {without!r}, {account!r}\n"
            "parent = os.getppid()\n"
            "if account == 'ordinary' and os.geteuid() == 0:\n"
            "    os.setgroups([]); os.setgid(61185); os.setuid(61185)\n"
            "other = os.fork()\n"
            "if other == 0:\n"
            "    os.close(1); signal.alarm(20); time.sleep(20); os._exit(0)\n"
            "if without != 'neither': setattr(sandbox, without, lambda *_: 0)\n"
            "alone = sandbox.leave_network()\n"
            "words = sandbox.confine(Limits(), parent, no_network=alone)\n"
            f"worked = sandbox.attempts({target!r}, [parent, other], {server.getsockname()!r})\n"
            "print(json.dumps([words, worked, other]), flush=True)\n"
        )
        done = subprocess.run([sys.executable, "-I", "-c", program], stdout=subprocess.PIPE, cwd="/", timeout=30)
    words, worked, other = json.loads(done.stdout)
    os.kill(other, signal.SIGKILL)
    wall = {"_landlock": "filter", "allow_only_parsing": "Landlock", "neither": ""}[without]
    if not any(wall in word for word in words):
        pytest.skip(f"this system has no {wall}")
    if without == "allow_only_parsing":
        version = int(next(word for word in words if "Landlock" in word).split()[-1])
        # What Landlock alone does not stop: reading a limit of one's own process is no harm; older
        # kernels let signals through, and datagrams where there is no network namespace.
        worked = [one for one in worked if not one.startswith("limit")]
        if version < 6:
            worked = [one for one in worked if not one.startswith("signal")]
        if "empty network namespace" not in words:
            worked = [one for one in worked if one != "send a datagram"]
    assert worked == []
