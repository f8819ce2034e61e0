"""Slow recovery, a killed supervisor, a full disk."""

from __future__ import annotations

import os
import signal
import subprocess
import threading

import psutil
import pytest

from commensal.errors import SetupError
from commensal.storage.embedded import DataFolder, die_with_parent, is_running

SECONDS = 7 if os.environ.get("COMMENSAL_TORTURE") else 2


def slow(kit, folder, **options):
    """A server whose recovery waits some seconds for an archived file that never comes."""
    (folder.pg / "recovery.signal").touch()
    os.chown(folder.pg / "recovery.signal", folder.account.uid, -1)
    return kit.server(folder, options={"restore_command": f"sleep {SECONDS}; false"}, **options)


def test_slow_recovery_is_waited_for_and_told(play):
    def scenario(kit):
        words: list[str] = []
        server = slow(kit, kit.ready())
        server.start(words.append)
        try:
            assert any("recovering" in word for word in words)
            assert kit.query(server.app_dsn, "select 1") == 1
        finally:
            server.stop()

    play(scenario)


def test_recovery_over_the_limit_is_not_killed(kit):
    folder = kit.ready()
    server = slow(kit, folder, recovery_timeout=0.5)
    with pytest.raises(SetupError, match=r"not ready after 0\.5 s"):
        server.start()
    assert server.running
    assert is_running(folder)
    server.stop()
    assert not is_running(folder)
    assert "was interrupted" not in folder.pg_log.read_text()
    with slow(kit, folder) as again:
        assert kit.query(again.app_dsn, "select 1") == 1


def test_stop_ends_the_wait_for_a_recovery(kit):
    folder = kit.ready()
    server = slow(kit, folder)
    failed: list[Exception] = []

    def start():
        try:
            server.start()
        except SetupError as error:
            failed.append(error)

    starter = threading.Thread(target=start)
    starter.start()
    kit.wait(lambda: server.running)
    server.stop()
    starter.join(30)
    assert "interrupted by a stop" in str(failed[0])
    assert not is_running(folder)


def test_killed_supervisor_takes_the_server_down_cleanly(play):
    def supervise(kit, folder, writer):
        server = kit.server(folder)
        server.start()
        kit.query(server.app_dsn, "create table t as select generate_series(1, 1000) as n")
        os.write(writer, f"{server.pid}\n".encode())
        signal.pause()

    def scenario(kit):
        folder = kit.ready()
        reader, writer = os.pipe()
        supervisor = os.fork()
        if supervisor == 0:
            try:
                supervise(kit, folder, writer)
            finally:
                os._exit(1)
        os.close(writer)
        pid = int(os.read(reader, 100))
        os.close(reader)
        assert is_running(folder)
        os.kill(supervisor, signal.SIGKILL)
        os.waitpid(supervisor, 0)
        kit.wait(lambda: kit.gone(pid))
        assert not (folder.pg / "postmaster.pid").exists()
        assert folder.pg_log.read_text().rstrip().endswith("database system is shut down")
        assert not is_running(folder)
        begin = folder.pg_log.stat().st_size
        with kit.server(folder) as server:
            assert kit.query(server.app_dsn, "select count(*) from t") == 1000
        assert "automatic recovery" not in folder.pg_log.read_text()[begin:]

    play(scenario)


def test_die_with_parent_ends_a_worker(kit):
    reader, writer = os.pipe()
    parent = os.fork()
    if parent == 0:
        try:
            worker = subprocess.Popen(["sleep", "600"], preexec_fn=die_with_parent(signal.SIGTERM))
            os.write(writer, f"{worker.pid}\n".encode())
            signal.pause()
        finally:
            os._exit(1)
    os.close(writer)
    worker = int(os.read(reader, 100))
    os.close(reader)
    assert psutil.Process(worker).is_running()
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    kit.wait(lambda: kit.gone(worker))


@pytest.fixture
def small_disk(root, kit):
    disk = kit.base / "disk"
    disk.mkdir(mode=0o755)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=60m,mode=755", "none", disk], check=False).returncode:
        pytest.skip("this machine does not allow a small disk to be mounted")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


def fill(path):
    with path.open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)


def test_full_disk_is_named_at_the_first_start_and_later(kit, small_disk):
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 45_000_000)
    folder = DataFolder(small_disk / "data")
    with pytest.raises(SetupError, match=r"disk.* is full"):
        kit.server(folder).start()
    assert not (folder.pg / "PG_VERSION").exists()
    ballast.unlink()
    with kit.server(folder) as server:
        kit.query(server.app_dsn, "create table t as select 1 as n")
        os.kill(server.pid, signal.SIGKILL)
        kit.wait(lambda: not server.running)
    with pytest.raises(OSError, match="space"):
        fill(ballast)
    server = kit.server(folder)
    said = ""
    try:
        server.start()
    except SetupError as error:
        said = str(error)
    server.stop()
    assert not said or "is full" in said  # a recovery that finds room in the files it replaces is as good
    ballast.unlink()
    with kit.server(folder) as server:
        assert kit.query(server.app_dsn, "select n from t") == 1
