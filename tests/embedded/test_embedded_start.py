"""Start, restart, stop, and what earlier runs can leave behind."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import threading
import time

import asyncpg
import pytest

from commensal.errors import FolderInUse, SetupError
from commensal.storage.embedded import DataFolder, EmbeddedPostgres, attach_dsn, find_all, is_running, supervisor
from commensal.storage.embedded.pidfile import read_pid_file


def test_first_start_and_the_next(play):
    def scenario(kit):
        folder = DataFolder(kit.base / "data")
        words: list[str] = []
        server = kit.server(folder)
        server.start(words.append)
        assert "making a new database" in words[0]
        assert server.version in kit.query(server.app_dsn, "select version()")
        assert (folder.path.stat().st_mode & 0o777) == (0o711 if os.geteuid() == 0 else 0o700)
        for private in (folder.pg, folder.run, folder.blobs, folder.logs):
            assert private.stat().st_mode & 0o777 == 0o700
        for secret in (folder.app_secret_file, folder.pg_secret_file, folder.lock_file, folder.pg_log):
            assert secret.stat().st_mode & 0o777 == 0o600
        assert not list(folder.run.glob("*password*"))
        kit.query(server.app_dsn, "create table t as select 1 as a")
        server.stop()
        server.stop()
        assert not server.running
        words.clear()
        with kit.server(folder) as again:
            assert kit.query(again.app_dsn, "select a from t") == 1
        assert words == []

    play(scenario)


def test_safe_settings_are_in_force(play):
    def scenario(kit):
        with kit.server(kit.ready(), options={"work_mem": "5MB"}) as server:

            def show(name):
                return kit.query(server.app_dsn, f"show {name}")

            assert [show(name) for name in ("fsync", "full_page_writes", "synchronous_commit")] == ["on"] * 3
            assert [show(name) for name in ("jit", "listen_addresses", "data_checksums")] == ["off", "", "on"]
            assert [show(name) for name in ("server_encoding", "timezone", "work_mem")] == ["UTF8", "UTC", "5MB"]
            assert show("unix_socket_permissions") == "0700"
            assert kit.query(server.app_dsn, "select lower('ÄÖÜÉ')") == "äöüé"

    play(scenario)


@pytest.mark.parametrize("name", ["fsync", "FULL_PAGE_WRITES", "hba_file", "unix_socket_directories"])
def test_settings_that_keep_data_safe_cannot_be_changed(name, data_base):
    with pytest.raises(SetupError, match="cannot be changed"):
        EmbeddedPostgres(DataFolder(data_base / "data"), options={name: "off"})


def test_app_role_is_no_superuser_but_owns_its_database(play):
    def scenario(kit):
        with kit.server(kit.ready()) as server:
            assert kit.query(server.app_dsn, "select rolsuper from pg_roles where rolname = current_user") is False
            owner = "select pg_get_userbyid(datdba) from pg_database where datname = current_database()"
            assert kit.query(server.app_dsn, owner) == "commensal_app"
            kit.query(server.app_dsn, "create schema s")
            for sql in ("copy (select 1) to program 'true'", "copy (select 1) to '/dev/null'", "create role r"):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    kit.query(server.app_dsn, sql)
            assert kit.query(server.admin_dsn("postgres"), "select rolsuper from pg_roles where rolname = current_user")

    play(scenario)


def test_wrong_password_is_refused(kit):
    with kit.server(kit.ready()) as server:
        wrong = server.app_dsn.replace(server.folder.app_secret_file.read_text(), "guess")
        with pytest.raises(asyncpg.InvalidPasswordError):
            kit.query(wrong, "select 1")


def test_tcp_only_on_request_and_with_a_password(kit):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with kit.server(kit.ready(), options={"listen_addresses": "127.0.0.1", "port": str(port)}) as server:
        secret = server.folder.app_secret_file.read_text()
        address = f"@127.0.0.1:{port}/commensal"
        assert kit.query(f"postgresql://commensal_app:{secret}{address}", "select 1") == 1
        with pytest.raises(asyncpg.InvalidPasswordError):
            kit.query(f"postgresql://commensal_app:no{address}", "select 1")
        assert kit.query(server.app_dsn, "select 2") == 2
        assert kit.query(attach_dsn(server.folder), "select 3") == 3


def test_second_supervisor_is_refused(play):
    def second(kit, folder):
        with pytest.raises(FolderInUse, match=rf"process {os.getppid()}.*{folder.path}"):
            kit.server(folder).start()

    def scenario(kit):
        folder = kit.ready()
        with kit.server(folder) as first:
            kit.in_child(second, kit, folder)
            with pytest.raises(FolderInUse):
                kit.server(folder).start()
            assert kit.query(first.app_dsn, "select 1") == 1
        with kit.server(folder) as next_one:
            assert kit.query(next_one.app_dsn, "select 1") == 1

    play(scenario)


def test_forked_child_does_not_keep_the_lock(play):
    def scenario(kit):
        folder = kit.ready()
        server = kit.server(folder)
        server.start()
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(writer)
            os.read(reader, 1)  # lives until the parent lets go
            os._exit(0)
        server.stop()
        try:
            assert not is_running(folder)
            with kit.server(folder):
                pass
        finally:
            os.close(writer)
            os.close(reader)
            os.waitpid(child, 0)

    play(scenario)


def test_attach_finds_the_running_server_from_another_process(play):
    def look(kit, folder):
        os.environ["TMPDIR"] = "/var/tmp"
        dsn = attach_dsn(DataFolder(folder.path))
        return is_running(folder), dsn and kit.query(dsn, "select current_user::text")

    def scenario(kit):
        for path in (kit.base / "data", kit.base / ("long" * 20)):
            folder = kit.ready(path)
            assert attach_dsn(folder) is None
            with kit.server(folder):
                assert kit.in_child(look, kit, folder) == (True, "commensal_app")
            assert kit.in_child(look, kit, folder) == (False, None)

    play(scenario)


def test_ensure_restarts_after_a_kill_and_from_a_thread(play):
    def scenario(kit):
        with kit.server(kit.ready()) as server:
            assert server.ensure() is False
            first = server.pid
            os.kill(first, signal.SIGKILL)
            kit.wait(lambda: not server.running)

            async def inside_a_loop():
                return await asyncio.to_thread(server.ensure)

            assert asyncio.run(inside_a_loop()) is True
            # The thread that asked for the restart is gone by now; the server must not go with it.
            assert not [t for t in threading.enumerate() if t.name.startswith("asyncio")]
            assert server.pid != first
            time.sleep(0.2)
            assert server.ensure() is False
            assert kit.query(server.app_dsn, "select 1") == 1

    play(scenario)


def test_failing_restart_backs_off_and_says_why(play):
    def scenario(kit):
        with kit.server(kit.ready()) as server:
            hidden = server.folder.pg / "global.away"
            (server.folder.pg / "global").rename(hidden)
            os.kill(server.pid, signal.SIGKILL)
            kit.wait(lambda: not server.running)
            assert server.ensure() is False
            assert "PostgreSQL did not start" in server.last_error
            attempts = server.folder.pg_log.read_text().count("could not find the database system")
            assert attempts == 1
            assert server.ensure() is False  # too early: no further attempt
            assert server.folder.pg_log.read_text().count("could not find the database system") == 1
            hidden.rename(server.folder.pg / "global")
            kit.wait(server.ensure)
            assert server.last_error is None
            assert kit.query(server.app_dsn, "select 1") == 1

    play(scenario)


def test_foreign_process_in_the_pid_file_is_left_alone(play):
    def scenario(kit):
        folder = kit.ready()
        elsewhere = kit.base / "postgres"
        elsewhere.symlink_to("/bin/sleep")
        foreign = [
            subprocess.Popen(["sleep", "600"]),
            # the right folder, the wrong name; the right name, the wrong folder
            subprocess.Popen(["sleep", "600"], cwd=folder.pg),
            subprocess.Popen([elsewhere, "600"], cwd="/"),
        ]
        try:
            for process in foreign:
                crash_with_pid(kit, folder, process.pid)
                with kit.server(folder) as server:
                    assert kit.query(server.app_dsn, "select 1") == 1
                assert process.poll() is None
        finally:
            for process in foreign:
                process.kill()
                process.wait()

    play(scenario)


def crash_with_pid(kit, folder, pid):
    """Leave the pid file of a killed server, with ``pid`` as its process."""
    server = kit.server(folder)
    server.start()
    os.kill(server.pid, signal.SIGKILL)
    kit.wait(lambda: not server.running)
    server.stop()
    file = folder.pg / "postmaster.pid"
    lines = file.read_text().split("\n")
    assert len(lines) >= 8
    file.write_text("\n".join([str(pid), *lines[1:]]))


def test_zombie_in_the_pid_file_is_not_a_server(play):
    def scenario(kit):
        folder = kit.ready()
        zombie = os.fork()
        if zombie == 0:
            os._exit(0)
        try:
            kit.wait(lambda: kit.gone(zombie))
            crash_with_pid(kit, folder, zombie)
            with kit.server(folder) as server:
                assert kit.query(server.app_dsn, "select 1") == 1
        finally:
            os.waitpid(zombie, 0)

    play(scenario)


def test_live_server_of_an_earlier_run_is_stopped_first(play):
    def scenario(kit):
        folder = kit.ready()
        account = folder.account
        old = subprocess.Popen(
            [find_all()[0].folder / "postgres", "-D", folder.pg, "-k", folder.run, "-c", "listen_addresses="],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            user=account.uid if account.switch else None,
            group=account.gid if account.switch else None,
            extra_groups=[] if account.switch else None,
        )
        try:
            kit.wait(lambda: (state := read_pid_file(folder.pg)) and state.ready)
            with kit.server(folder) as server:
                assert old.wait(30) == 0
                assert kit.query(server.app_dsn, "select 1") == 1
        finally:
            old.kill()
            old.wait()

    play(scenario)


def test_odd_leftovers_do_not_stop_a_start(play):
    def scenario(kit):
        folder = kit.ready()
        pid_file, secret = folder.pg / "postmaster.pid", folder.app_secret_file.read_text()
        for content in ("", "12", "nonsense\n\n", "0\n", "-4711\n", "1\n", "9" * 30):
            pid_file.write_text(content)
            os.chown(pid_file, folder.account.uid, -1)
            (folder.run / ".s.PGSQL.5432").touch()
            (folder.run / ".s.PGSQL.5432.lock").write_text(f"{os.getpid()}\n{folder.pg}\n")
            (folder.run / "init.password").touch()
            (folder.path / "app.secret.part").touch()
            with kit.server(folder) as server:
                assert kit.query(server.app_dsn, "select 1") == 1
        assert folder.app_secret_file.read_text() == secret

    play(scenario)


def test_half_done_initdb_starts_over(play):
    def scenario(kit):
        folder = DataFolder(kit.base / "data")
        folder.prepare()
        folder.pg_init.mkdir()
        (folder.pg_init / "PG_VERSION").write_text("18\n")
        (folder.pg_init / "base").mkdir()
        folder.pg_secret_file.write_text("half")
        with kit.server(folder) as server:
            assert kit.query(server.app_dsn, "select 1") == 1
            assert kit.query(server.admin_dsn("postgres"), "select 1") == 1
        assert not folder.pg_init.exists()

    play(scenario)


def test_files_without_a_cluster_are_not_overwritten(kit):
    folder = kit.ready()
    (folder.pg / "PG_VERSION").unlink()
    with pytest.raises(SetupError, match="no complete database"):
        kit.server(folder).start()
    assert (folder.pg / "global").is_dir()
    assert not is_running(folder)


def test_lost_passwords_are_made_anew(play):
    def scenario(kit):
        folder = kit.ready()
        old = folder.app_secret_file.read_text()
        folder.app_secret_file.unlink()
        folder.pg_secret_file.unlink()
        with kit.server(folder) as server:
            assert folder.app_secret_file.read_text() != old
            assert kit.query(server.app_dsn, "select current_user::text") == "commensal_app"
            assert kit.query(server.admin_dsn("postgres"), "select current_user::text") == "commensal"

    play(scenario)


def test_unknown_locale_of_the_caller_does_not_matter(monkeypatch, play):
    for name in ("LC_ALL", "LANG", "LC_MESSAGES"):
        monkeypatch.setenv(name, "xx_YY")
    monkeypatch.setenv("TZ", "Nowhere/Land")
    monkeypatch.setenv("PGOPTIONS", "-c nonsense=1")

    def scenario(kit):
        with kit.server(DataFolder(kit.base / "data")) as server:
            assert server.running

    play(scenario)


def test_large_log_is_rotated_at_start_and_while_running(monkeypatch, kit):
    monkeypatch.setattr(supervisor, "LOG_LIMIT", 2000)
    folder = kit.ready()
    folder.pg_log.write_text("x" * 3000)
    old = folder.path / "pg.log.1"
    with kit.server(folder) as server:
        assert old.read_text() == "x" * 3000
        assert folder.pg_log.stat().st_size < 3000
        for _ in range(30):
            with pytest.raises(asyncpg.UndefinedTableError):
                kit.query(server.app_dsn, "select * from missing_table")
        server.ensure()
        assert "missing_table" in old.read_text()
        assert folder.pg_log.stat().st_size < 2000
        with pytest.raises(asyncpg.UndefinedTableError):
            kit.query(server.app_dsn, "select * from another_missing")
        kit.wait(lambda: "another_missing" in folder.pg_log.read_text())
    assert old.stat().st_mode & 0o777 == 0o600
