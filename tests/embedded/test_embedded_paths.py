"""Data folders with names that break quoting or a socket's length."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from commensal.errors import SetupError
from commensal.storage.embedded import DataFolder, default_data_folder

ODD = {
    "space": "my data",
    "comma": "a,b",
    "single quote": "it's",
    "double quote": 'say "so"',
    "backslash": "back\\slash",
    "percent": "100%20",
    "umlaut": "Dätä",
    "dollar and star": "$HOME *;&",
    "long": "x" * 60 + "/" + "y" * 60,
}


@pytest.mark.parametrize("name", ODD.values(), ids=ODD.keys())
def test_odd_path(name, play):
    def scenario(kit, name):
        folder = kit.ready_below(kit.base, name)
        with kit.server(folder) as server:
            assert kit.query(server.app_dsn, "select 1") == 1
            assert len(os.fsencode(folder.run)) <= 85
            assert folder.run.stat().st_mode & 0o777 == 0o700

    play(scenario, name)


def test_first_start_on_an_odd_path(play):
    def scenario(kit):
        with kit.server(DataFolder(kit.base / 'it\'s, "50%" \\ Dätä')) as server:
            assert kit.query(server.app_dsn, "select 1") == 1

    play(scenario)


def test_path_that_is_too_long_is_named(data_base):
    for path in (data_base.joinpath(*["d" * 100] * 10), data_base / ("d" * 300)):
        with pytest.raises(SetupError, match="too long"):
            DataFolder(path).prepare()


def test_control_characters_are_refused(data_base):
    with pytest.raises(SetupError, match="control character"):
        DataFolder(data_base / "two\nlines").prepare()


def test_socket_folder_made_by_somebody_else_is_refused(root, kit):
    folder = DataFolder(kit.base / ("long" * 25))
    outside = folder.run
    assert folder.path not in outside.parents
    outside.mkdir()
    try:
        os.chown(outside, 1, 1)
        with pytest.raises(SetupError, match="belongs to"):
            folder.prepare()
        assert not folder.path.exists()
        outside.rmdir()
        outside.symlink_to(kit.base)
        with pytest.raises(SetupError, match="should be a folder"):
            folder.prepare()
    finally:
        if outside.is_symlink():
            outside.unlink()


def test_default_folder(monkeypatch, tmp_path: Path):
    monkeypatch.setenv("COMMENSAL_DATA", "/some/where")
    assert default_data_folder() == Path("/some/where")
    monkeypatch.delenv("COMMENSAL_DATA")
    expected = Path("/var/lib/commensal") if os.geteuid() == 0 else Path("commensal-data")
    monkeypatch.chdir(tmp_path)
    assert default_data_folder() == expected
    # What root keeps here (`make serve`) is found again; what another account put here is not taken.
    here = tmp_path / "commensal-data"
    here.mkdir(mode=0o711)
    (here / "supervisor.lock").touch(mode=0o600)
    assert default_data_folder() == Path("commensal-data")
    if os.geteuid() == 0:
        os.chown(here, 1, 1)
        assert default_data_folder() == expected
