"""Who may own, enter and read what; what root does and does not do."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
from pathlib import Path

import asyncpg
import psutil
import pytest

from commensal.errors import SetupError, WrongOwner
from commensal.storage.embedded import DataFolder, account, attach_dsn, drop_privileges, find_all, is_running

NOBODY = pwd.getpwnam("nobody")
NO_ENTRY = 54321


def modes(path: Path) -> dict[Path, tuple[int, int]]:
    return {parent: (parent.stat().st_mode, parent.stat().st_uid) for parent in path.parents}


def test_root_runs_postgres_alone_under_another_account(root, kit):
    folder = kit.ready()
    before = modes(folder.path) | modes(find_all()[0].folder / "postgres")
    with kit.server(folder) as server:
        owner = folder.account
        assert owner.uid != 0
        server_process = psutil.Process(server.pid)
        for process in (server_process, *server_process.children(recursive=True)):
            assert set(process.uids()) == {owner.uid}
            assert set(process.gids()) == {owner.gid}
        groups = [line for line in Path(f"/proc/{server.pid}/status").read_text().splitlines() if "Groups" in line]
        assert groups[0].split() == ["Groups:"]
        kit.query(server.app_dsn, "create table t as select 1")
    after = modes(folder.path) | modes(find_all()[0].folder / "postgres")
    assert after == before
    for path in folder.path.iterdir():
        assert path.stat().st_uid == (owner.uid if path.name in ("pg", "run") else 0), path
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o711


def test_postgres_account_cannot_read_our_secrets(root, kit):
    def pry(folder):
        for path in (folder.app_secret_file, folder.pg_secret_file, folder.master_key_file, folder.lock_file):
            with pytest.raises(PermissionError):
                path.open()
        for path in (folder.blobs, folder.path):
            with pytest.raises(PermissionError):
                list(path.iterdir())
        return True

    folder = kit.ready()
    folder.master_key_file.write_text("key")
    folder.master_key_file.chmod(0o644)
    with kit.server(folder):
        assert kit.in_child(pry, folder, account=NOBODY.pw_name)


def test_parent_that_the_account_cannot_enter_is_named(root, kit):
    closed = kit.base / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(SetupError, match=rf"nobody.*cannot enter {closed}[:,]"):
        kit.server(DataFolder(closed / "deep" / "data", run_as="nobody")).start()
    assert list(closed.iterdir()) == []
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700


def test_binaries_that_the_account_cannot_reach_are_copied(root, kit, monkeypatch):
    closed = kit.base / "closed"
    closed.mkdir(mode=0o700)
    original = find_all()[0].folder.parent
    packages = original.parent.parent
    copied = closed / "site" / original.parent.name / original.name
    shutil.copytree(original, copied)
    libraries = packages / f"{original.parent.name}.libs"
    if not libraries.is_dir():
        pytest.skip("these programs are not one folder that can be copied")
    shutil.copytree(libraries, closed / "site" / libraries.name)
    monkeypatch.setenv("COMMENSAL_PG_BIN", str(copied / "bin"))
    folder = DataFolder(kit.base / "data", run_as="nobody")
    for _ in range(2):
        with kit.server(folder) as server:
            assert Path(psutil.Process(server.pid).exe()).is_relative_to(folder.path)
            assert server.bin == copied / "bin"
            assert kit.query(server.app_dsn, "select 1") == 1
    assert len(list((folder.path / "postgresql").iterdir())) == 1
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700


def test_binaries_that_cannot_be_copied_name_the_closed_folder(root, kit, monkeypatch):
    closed = kit.base / "closed"
    (closed / "bin").mkdir(parents=True)
    closed.chmod(0o700)
    for name in ("postgres", "initdb"):
        (closed / "bin" / name).write_text("#!/bin/sh\necho 'postgres (PostgreSQL) 17.2'\n")
        (closed / "bin" / name).chmod(0o755)
    monkeypatch.setenv("COMMENSAL_PG_BIN", str(closed / "bin"))
    with pytest.raises(SetupError, match=f"cannot enter {closed}.*COMMENSAL_PG_BIN"):
        kit.server(DataFolder(kit.base / "data", run_as="nobody")).start()


def test_folder_of_another_account(root, kit):
    def start(kit, path):
        kit.server(DataFolder(path)).start()

    shutil.chown(kit.base, "nobody")
    ours = kit.ready()  # used by root
    with pytest.raises(WrongOwner, match=r"belongs to root.*nobody"):
        kit.in_child(start, kit, ours.path, account="nobody")
    theirs = kit.in_child(lambda kit: kit.ready(kit.base / "theirs").path, kit, account="nobody")
    before = sorted((str(path), path.lstat().st_mode, path.lstat().st_uid) for path in theirs.rglob("*"))
    with pytest.raises(WrongOwner, match=r"belongs to nobody.*--user"):
        start(kit, theirs)
    assert sorted((str(path), path.lstat().st_mode, path.lstat().st_uid) for path in theirs.rglob("*")) == before
    with pytest.raises(WrongOwner, match=r"pg belongs to nobody.*daemon"):
        kit.server(DataFolder(ours.path, run_as="daemon")).start()


def test_folder_that_cannot_be_written(root, kit):
    def start(kit, path):
        with pytest.raises(SetupError, match=r"cannot be made or changed by nobody|Permission denied"):
            kit.server(DataFolder(path)).start()
        return True

    (kit.base / "locked").mkdir(mode=0o755)
    assert kit.in_child(start, kit, kit.base / "locked" / "data", account="nobody")
    (kit.base / "locked").chmod(0o700)
    assert kit.in_child(start, kit, kit.base / "locked" / "data", account="nobody")
    assert list((kit.base / "locked").iterdir()) == []


def test_own_folder_without_rights_is_repaired_or_named(play):
    def scenario(kit):
        folder = kit.ready()
        folder.path.chmod(0o500)
        with kit.server(folder) as server:
            assert kit.query(server.app_dsn, "select 1") == 1

    play(scenario)


def test_folder_with_other_things_is_not_taken(kit):
    home = kit.base / "home"
    home.mkdir(mode=0o755)
    (home / "thesis.txt").touch()
    with pytest.raises(SetupError, match=r"thesis\.txt"):
        DataFolder(home).prepare()
    assert stat.S_IMODE(home.stat().st_mode) == 0o755
    assert [path.name for path in home.iterdir()] == ["thesis.txt"]
    file = home / "thesis.txt"
    with pytest.raises(SetupError, match="not a folder"):
        DataFolder(file).prepare()


def test_other_user_is_refused_even_when_modes_are_opened(root, kit):
    def intrude(kit, dsns):
        for dsn in dsns:
            with pytest.raises((asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError)):
                kit.query(dsn, "select 1")
        return True

    def closed(kit, folder, dsn):
        with pytest.raises(WrongOwner):
            attach_dsn(folder)
        with pytest.raises(OSError, match="denied"):
            kit.query(dsn, "select 1")
        return True

    folder = kit.ready()
    with kit.server(folder) as server:
        assert kit.in_child(closed, kit, folder, server.app_dsn, account="daemon")
        folder.run.chmod(0o777)
        for path in folder.run.iterdir():
            path.chmod(0o777)
        host = server.app_dsn.partition("?")[2]
        dsns = [
            f"postgresql://{user}{password}@/{database}?{host}"
            for user in ("commensal", "commensal_app", "postgres", "daemon")
            for password in ("", ":guess")
            for database in ("commensal", "postgres")
        ]
        assert kit.in_child(intrude, kit, dsns, account="daemon")


def test_user_id_without_an_account_entry(root, kit):
    def start(kit):
        with pytest.raises(SetupError, match=rf"user id {NO_ENTRY}.*--database"):
            kit.server(DataFolder(kit.base / "data")).start()
        return True

    os.chown(kit.base, NO_ENTRY, NO_ENTRY)
    assert kit.in_child(start, kit, account=NO_ENTRY)


def test_drop_privileges_leaves_root_for_good(root, kit, monkeypatch):
    def leave(kit):
        drop_privileges("nobody")
        assert (os.getresuid(), os.getresgid()) == ((NOBODY.pw_uid,) * 3, (NOBODY.pw_gid,) * 3)
        assert os.getgroups() == []
        for name in ("root", "daemon", "no-such-account"):
            with pytest.raises(SetupError):
                drop_privileges(name)
        drop_privileges("nobody")
        with pytest.raises(PermissionError):
            os.setuid(0)
        with kit.server(DataFolder(kit.base / "data")) as server:
            assert psutil.Process(server.pid).uids().real == NOBODY.pw_uid
        return True

    shutil.chown(kit.base, "nobody")
    # The interpreter of this run may lie where only root gets in; the child has loaded all it needs.
    monkeypatch.setattr(account, "_program_files", list)
    assert kit.in_child(leave, kit)


def test_drop_privileges_refuses_what_cannot_work(root, kit, monkeypatch):
    closed = kit.base / "closed"
    closed.mkdir(mode=0o700)
    monkeypatch.setattr(account, "_program_files", lambda: [closed / "python"])
    with pytest.raises(SetupError, match=f"cannot enter {closed}"):
        drop_privileges("nobody")
    for name in ("root", "no-such-account"):
        with pytest.raises(SetupError, match=name):
            drop_privileges(name)
    assert os.geteuid() == 0


def test_unknown_account_for_postgres(root, data_base):
    for name in ("no-such-account", "root"):
        with pytest.raises(SetupError, match=name):
            DataFolder(data_base / "data", run_as=name).prepare()
    assert not (data_base / "data").exists()


def test_links_in_the_cluster_are_not_followed(root, kit):
    """The cluster belongs to another account, so root must not write where that account points."""
    folder = kit.ready()
    victim = kit.base / "victim"
    victim.write_text(f"{os.getpid()}\nkeep")
    link = folder.pg / "postmaster.pid"
    for make in (link.symlink_to, link.hardlink_to):
        make(victim)
        with pytest.raises(SetupError):
            kit.server(folder).start()
        assert victim.read_text().endswith("keep")
        link.unlink()
    assert not is_running(folder)


def test_external_database_needs_no_account(data_base):
    folder = DataFolder(data_base / "data", run_as="no-such-account")
    folder.prepare(database=False)
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
    assert not (folder.path / "run").exists()
