"""Options: order of sources, readers, what is kept, and what is refused."""

from __future__ import annotations

import dataclasses
import inspect
import json
import stat
from pathlib import Path

import pytest

from commensal.cli.serve import serve
from commensal.errors import EngineMissing, SetupError
from commensal.server.master_key import master_key
from commensal.server.options import OPTIONS, parse_size
from commensal.server.settings import Settings, chosen_texts, is_loopback, load_settings, save_settings


def test_command_line_before_environment_before_data_folder_before_default(tmp_path: Path):
    assert load_settings(tmp_path, {}, {}).port == 8000
    save_settings(Settings(data=str(tmp_path)), {"port": "8001", "min_count": "7", "timezone": "Europe/Berlin"})
    kept = load_settings(tmp_path, {}, {})
    assert (kept.port, kept.min_count, kept.timezone) == (8001, 7, "Europe/Berlin")
    environment = {"COMMENSAL_PORT": "8002", "COMMENSAL_MIN_COUNT": "8"}
    with_environment = load_settings(tmp_path, {}, environment)
    assert (with_environment.port, with_environment.min_count, with_environment.timezone) == (8002, 8, "Europe/Berlin")
    assert load_settings(tmp_path, {"port": "8003"}, environment).port == 8003


def test_an_empty_value_sets_an_option_back(tmp_path: Path):
    save_settings(Settings(data=str(tmp_path)), {"base_url": "https://a.example.org"})
    assert load_settings(tmp_path, {}, {}).base_url == "https://a.example.org"
    assert load_settings(tmp_path, {"base_url": ""}, {}).base_url is None
    save_settings(Settings(data=str(tmp_path)), {"base_url": ""})
    assert load_settings(tmp_path, {}, {}).base_url is None


def test_the_dictionary_is_kept_in_the_database_only(tmp_path: Path):
    settings = load_settings(tmp_path, {"dictionary": "gen3dictionary", "port": "8001"}, {})
    assert settings.dictionary == "gen3dictionary"
    save_settings(settings, {"dictionary": "gen3dictionary", "port": "8001"})
    assert load_settings(tmp_path, {}, {}).dictionary is None


def test_kept_settings_are_private_and_hold_neither_demo_nor_user(tmp_path: Path):
    texts = chosen_texts({"demo": "on", "user": "someone", "port": "8009"}, {"COMMENSAL_QUOTA": "2GB"})
    save_settings(Settings(data=str(tmp_path)), texts)
    path = tmp_path / "settings.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert json.loads(path.read_text()) == {"port": "8009", "quota": "2GB"}


def test_broken_settings_file_is_named(tmp_path: Path):
    (tmp_path / "settings.json").write_text("{")
    with pytest.raises(SetupError, match=r"settings\.json is broken"):
        load_settings(tmp_path, {}, {})


def test_data_folder_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COMMENSAL_DATA", str(tmp_path / "there"))
    assert load_settings(None, {}, {}).data == str(tmp_path / "there")


@pytest.mark.parametrize(
    ("option", "text", "says"),
    [
        ("port", "eighty", "no number from 0 to 65535"),
        ("port", "70000", "no number from 0 to 65535"),
        ("base_url", "commons.example.org", "no address"),
        ("base_url", "https://example.org/commons", "without a path"),
        ("anonymous", "maybe", "neither on nor off"),
        ("registration", "never", "none of open, invite, closed"),
        ("trusted_proxy", "10.0.0.300", "300"),
        ("database", "mysql://x", "PostgreSQL address"),
        ("tls", "/nowhere/cert.pem:/nowhere/key.pem", "no file"),
        ("timezone", "Mars/Olympus", "no time zone"),
        ("quota", "plenty", "no size"),
        ("smtp", "mail.example.org", "smtp://"),
        ("blobs", "relative/folder", "absolute path"),
        ("allow_fetch", "data.example.org, http://x/", "no host to fetch from"),
    ],
)
def test_bad_values_name_the_option_and_what_would_be_right(tmp_path: Path, option: str, text: str, says: str):
    name = "--" + option.replace("_", "-")
    with pytest.raises(SetupError) as caught:
        load_settings(tmp_path, {option: text}, {})
    assert caught.value.message.startswith(f"{name} (command line)")
    assert says in caught.value.message
    with pytest.raises(SetupError, match=rf"\(COMMENSAL_{option.upper()}\)"):
        load_settings(tmp_path, {}, {f"COMMENSAL_{option.upper()}": text})


@pytest.mark.parametrize(
    ("option", "text"),
    [("sql", "sc://spark:15002")],
)
def test_what_is_not_built_yet_is_refused_with_that_sentence(tmp_path: Path, option: str, text: str):
    with pytest.raises(EngineMissing, match="not built yet"):
        load_settings(tmp_path, {option: text}, {})


@pytest.mark.parametrize(
    ("text", "bytes_"), [("1000", 1000), ("2kB", 2000), ("1KiB", 1024), ("1.5G", 1_500_000_000), ("2GiB", 2 * 1024**3)]
)
def test_sizes(text: str, bytes_: int):
    assert parse_size(text) == bytes_


def test_demo_opens_what_it_says_unless_told_otherwise(tmp_path: Path):
    demo = load_settings(tmp_path, {"demo": "on"}, {})
    assert (demo.anonymous, demo.registration) == (True, "open")
    told = load_settings(tmp_path, {"demo": "on", "registration": "closed", "anonymous": "off"}, {})
    assert (told.anonymous, told.registration) == (False, "closed")
    plain = load_settings(tmp_path, {}, {})
    assert (plain.anonymous, plain.registration) == (False, "invite")


@pytest.mark.parametrize(
    "chosen",
    [
        {"host": "0.0.0.0"},
        {"host": "192.0.2.7"},
        {"base_url": "https://commons.example.org"},
        {"host": "::"},
    ],
)
def test_demo_refuses_to_be_reached_from_elsewhere(tmp_path: Path, chosen: dict[str, str]):
    with pytest.raises(SetupError, match="this machine"):
        load_settings(tmp_path, {"demo": "on", **chosen}, {})


def test_demo_refuses_a_real_certificate(tmp_path: Path):
    for name in ("cert.pem", "key.pem"):
        (tmp_path / name).write_text("x")
    with pytest.raises(SetupError, match="certificate"):
        load_settings(tmp_path, {"demo": "on", "tls": f"{tmp_path}/cert.pem:{tmp_path}/key.pem"}, {})
    assert load_settings(tmp_path, {"demo": "on", "tls": "auto"}, {}).demo


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("::1", True),
        ("[::1]", True),
        ("localhost", True),
        ("a.localhost", True),
        ("0.0.0.0", False),
        ("10.0.0.1", False),
        ("localhost.example.org", False),
        ("127.0.0.1.example.org", False),
    ],
)
def test_loopback(host: str, loopback: bool):
    assert is_loopback(host) is loopback


def test_every_option_is_on_the_command_line_and_in_the_settings():
    on_command_line = set(inspect.signature(serve).parameters) - {"data"}
    in_table = {option.field for option in OPTIONS}
    in_settings = {field.name for field in dataclasses.fields(Settings)} - {"data", "given"}
    assert on_command_line == in_table == in_settings


def test_settings_survive_the_pipe_to_a_worker(tmp_path: Path):
    settings = load_settings(tmp_path, {"trusted_proxy": "10.0.0.0/8", "allowed_hosts": "a.example,b.example"}, {})
    assert Settings.decode(json.loads(json.dumps(settings.encode()))) == settings


def test_master_key_is_made_once_and_private(tmp_path: Path):
    path = tmp_path / "master.key"
    key = master_key(path, {})
    assert len(key) == 32
    assert master_key(path, {}) == key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert master_key(tmp_path / "other", {"COMMENSAL_MASTER_KEY": key.hex()}) == key
    with pytest.raises(SetupError, match="COMMENSAL_MASTER_KEY is no key of 32 bytes"):
        master_key(path, {"COMMENSAL_MASTER_KEY": "abc"})


def test_orchestrators_own_port_variable_is_not_taken_for_ours(tmp_path: Path):
    assert load_settings(tmp_path, {}, {"COMMENSAL_PORT": "tcp://10.0.0.1:8000"}).port == 8000
