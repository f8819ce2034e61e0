"""The command line: quick to start, clear about errors, the same with and without a running server."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest

from commensal.server.local import local_services
from commensal.services.identity import operator
from tests.running import ADMIN, PASSWORD, free_port, run_commensal, start_commons

HEAVY = ("asyncpg", "uvicorn", "starlette", "structlog", "prometheus_client", "jsonschema", "httpx", "rich.console")


def test_help_loads_nothing_heavy():
    code = (
        "import sys; sys.argv = ['commensal', '--help']\n"
        "from commensal.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    for command in ("serve", "admin", "import"):
        assert f"  {command}" in done.stdout


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["--version"], ["commensal 0"]),
        (["serve", "--help"], ["--data", "--demo", "--base-url", "--min-free", "--trusted-proxy"]),
        (["admin", "--help"], ["user", "grant", "key", "backup", "restore", "undelete", "dictionary", "audit"]),
        (["admin", "user", "--help"], ["add", "invite", "passwd", "deactivate", "activate", "list"]),
        (["admin", "key", "--help"], ["new", "list", "revoke", "rotate"]),
        (["import", "--help"], ["geo", "gen3", "tsv"]),
        (["import", "geo", "--help"], ["--atlas", "--program", "--owner", "--public", "--url"]),
    ],
)
def test_help_names_what_there_is(command: list[str], words: list[str]):
    text = run_commensal(*command).stdout
    for word in words:
        assert word in text


@pytest.mark.parametrize(
    "command",
    [
        ["admin", "lake", "rebuild"],
        ["import", "vcf", "x.vcf"],
        ["import", "h5ad", "x.h5ad", "--project", "p"],
        ["serve", "--sql", "sc://spark"],
    ],
)
def test_what_is_not_built_yet_says_so(command: list[str], tmp_path: Path):
    done = run_commensal(*command, environment={"COMMENSAL_DATA": str(tmp_path / "d")}, check=False)
    assert done.returncode == 1
    assert "not built yet" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "d").exists()


def test_errors_are_one_sentence_and_status_1(data_base: Path):
    (data_base / "thesis.txt").write_text("x")
    done = run_commensal("serve", "--data", data_base, "--port", str(free_port()), check=False)
    assert done.returncode == 1
    assert "holds other things" in done.stderr
    assert "Traceback" not in done.stderr + done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory):
    """A data folder that is filled without any server, and removed afterwards."""
    import shutil

    from tests.conftest import make_data_base

    base = make_data_base()
    yield base / "data"
    shutil.rmtree(base, ignore_errors=True)


def test_everything_works_without_a_server(folder: Path):
    def admin(*args: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return run_commensal("admin", "--data", folder, *args, check=check)

    assert "site admin" in admin("user", "add", ADMIN, "--password", PASSWORD, "--site-admin").stdout
    again = admin("user", "add", ADMIN, check=False)
    assert again.returncode == 1
    assert again.stderr.startswith("error: ")
    assert "Made program P" in admin("program", "add", "P").stdout


async def delete_project(folder: Path) -> None:
    """Make a project and delete it, as a door would."""
    async with local_services(str(folder)) as (services, _):
        who = operator("test")
        project = await services.catalog.add_project(who, "P", "gone")
        await services.deletion.delete_project(who, project)


def test_and_the_same_beside_a_running_server(folder: Path):
    running = start_commons(folder)
    try:
        client = running.client
        made = running.admin("user", "add", "b@example.org", "--name", "B Person")
        assert len(made.split("Password: ")[1].strip()) >= 12
        running.admin("grant", "b@example.org", "contributor", "P")
        running.admin("group", "add", "b@example.org", "Lab")
        with pytest.raises(AssertionError, match="no role"):
            running.admin("grant", "b@example.org", "emperor", "P")
        shapes = {
            "gen3": {"api_key", "key_id"},
            "polly": {"token", "id"},
            "pangea": {"token", "id"},
            "odm": {"api_token", "access_token", "id"},
            "opal": {"login", "password", "id"},
        }
        for door, names in shapes.items():
            assert set(running.key("b@example.org", door)) == names
        headers = running.bearer("b@example.org")
        assert client.get("/commensal/v1/programs/P", headers=headers).status_code == 200
        listed = running.admin("key", "list", "b@example.org")
        number = next(line.split()[0] for line in listed.splitlines() if " odm " in line and "access" in line)
        assert headers["Authorization"].removeprefix("Bearer ") not in listed
        for ref in [line.split()[0] for line in listed.splitlines()[1:] if " odm " in line]:
            running.admin("key", "revoke", ref)
        assert number.isdigit()
        end = time.monotonic() + 5
        while client.get("/commensal/v1/whoami", headers=headers).status_code == 200 and time.monotonic() < end:
            time.sleep(0.05)
        assert client.get("/commensal/v1/whoami", headers=headers).status_code == 401

        polly = {"x-api-key": running.key("b@example.org", "polly")["token"]}
        assert client.get("/commensal/v1/whoami", headers=polly).status_code == 200
        running.admin("user", "deactivate", "b@example.org")
        time.sleep(1.2)  # what is known of a credential is remembered for a second
        assert client.get("/commensal/v1/whoami", headers=polly).status_code == 401
        running.admin("user", "activate", "b@example.org")
        time.sleep(1.2)
        assert client.get("/commensal/v1/whoami", headers=polly).status_code == 200

        assert "deactivated" not in running.admin("user", "list")
        assert "http" in running.admin("user", "invite", "new@example.org")
        running.admin("user", "passwd", "b@example.org", "--password", "another long password")
        running.admin("group", "remove", "b@example.org", "Lab")
        running.admin("revoke", "b@example.org", "contributor", "P")
        assert "New signing key" in running.admin("key", "rotate")
        assert "operator" in running.admin("audit", "tail")
        assert "whole" in running.admin("audit", "verify")
        assert "Nobody did." in running.admin("audit", "patient", "1")
        assert "Nothing can be brought back." in running.admin("undelete", "list")
        asyncio.run(delete_project(folder))
        number = next(line.split()[0] for line in running.admin("undelete", "list").splitlines() if "P-gone" in line)
        assert "Brought back: " in running.admin("undelete", number)
        assert "P-gone is open" in running.admin("project", "open", "P-gone")
        assert "P-gone is strict" in running.admin("project", "strict", "P-gone")
    finally:
        assert running.stop() == 0


def test_dictionary_apply(folder: Path, tmp_path: Path):
    from commensal.dictionaries import open_dictionary

    source = tmp_path / "mine.json"
    mine = json.loads(json.dumps(open_dictionary()))
    name = next(key for key in mine if key.startswith("sample"))
    mine[name]["properties"]["mood"] = {"type": "string"}
    source.write_text(json.dumps(mine))
    done = run_commensal("admin", "--data", folder, "dictionary", "apply", source)
    assert "in use now (version 2)" in done.stdout
    again = run_commensal("admin", "--data", folder, "dictionary", "apply", source)
    assert "in use already" in again.stdout


def test_data_folder_comes_from_the_environment(folder: Path):
    done = run_commensal("admin", "user", "list", environment={"COMMENSAL_DATA": str(folder)})
    assert ADMIN in done.stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can leave root")
def test_root_can_leave_root(data_base: Path):
    import pwd

    names = [entry.pw_name for entry in pwd.getpwall() if entry.pw_uid not in (0, 65534)]
    if not names or not os.access(sys.executable, os.X_OK):
        pytest.skip("no ordinary account here")
    refused = run_commensal("serve", "--data", data_base / "d", "--user", "no-such-account", check=False)
    assert refused.returncode == 1
    assert "no such account" in refused.stderr
    assert not (data_base / "d").exists()


WRONG_CALLS = [
    (["admin", "user", "add", "e@example.org", "--password", ""], "too short"),
    (["admin", "user", "passwd", ADMIN, "--password", ""], "too short"),
    (["admin", "user", "deactivate", "no@example.org"], "no account with the e-mail 'no@example.org'"),
    (["admin", "key", "new", ADMIN, "--door", "odm", "--program", "P"], "Only an Opal key"),
    (["admin", "undelete", "9" * 30], "number of a deletion"),
    (["admin", "audit", "patient", "9" * 30], "less than or equal to"),
    (["import", "geo", ".", "--key", "x"], "give its address with --url"),
    (["import", "geo", ".", "--url", "http://127.0.0.1:1", "--data", "d"], "--data or --url"),
    (["import", "geo", ".", "--owner", "no@example.org"], "--owner: there is no account"),
]


def test_wrong_calls_say_what_is_wrong(data_base: Path):
    running = start_commons(data_base / "data")
    try:
        running.add_user(ADMIN)
        running.admin("program", "add", "P")
        for command, sentence in WRONG_CALLS:
            done = run_commensal(*command, environment={"COMMENSAL_DATA": str(running.data)}, check=False)
            assert done.returncode in (1, 2), command
            assert done.stderr.count(sentence) == 1, done.stderr
            assert "Traceback" not in done.stderr
    finally:
        assert running.stop() == 0


def test_a_dictionary_that_was_applied_stays_in_use(data_base: Path, tmp_path: Path):
    from commensal.dictionaries import open_dictionary

    first, second = tmp_path / "first.json", tmp_path / "second.json"
    mine = json.loads(json.dumps(open_dictionary()))
    for path in (first, second):
        mine["sample"]["properties"][path.stem] = {"type": "string"}
        path.write_text(json.dumps(mine))
    running = start_commons(data_base / "data", "--dictionary", str(first))
    assert running.stop() == 0
    run_commensal("admin", "--data", data_base / "data", "dictionary", "apply", second)
    run_commensal("admin", "--data", data_base / "data", "user", "list")
    running = start_commons(data_base / "data")
    assert running.stop() == 0
    other = run_commensal("serve", "--data", data_base / "data", "--dictionary", first, "--port", "0", check=False)
    assert other.returncode == 1
    assert f"commensal admin dictionary apply {first}" in other.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root meets folders of other accounts")
def test_root_leaves_nothing_in_a_folder_of_another_account(folder: Path):
    os.chown(folder, 1, 1)
    try:
        done = run_commensal("admin", "--data", folder, "user", "list", check=False)
    finally:
        os.chown(folder, 0, 0)
    assert done.returncode == 1
    assert f"{folder} belongs to" in done.stderr
    assert "run this command as" in done.stderr


def test_next_steps_can_be_typed_as_they_stand(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    from commensal.server.banner import Banner
    from commensal.server.settings import Settings

    monkeypatch.setattr(sys, "argv", [".venv/bin/commensal", "serve"])
    banner = Banner()
    banner.settings = Settings(data="/srv/a lab's data")
    banner.ready()
    line = next(line for line in capsys.readouterr().out.splitlines() if "import geo" in line)
    words = shlex.split(line.partition("series ")[2])
    assert words[0] == ".venv/bin/commensal"
    assert words[-1] == "/srv/a lab's data"


def test_scrub_tells_damaged_bytes(data_base: Path):
    folder = data_base / "data"
    table = data_base / "subjects.tsv"
    table.write_text("type\tsubmitter_id\tprojects.code\nsubject\tp1\tPILOT\n")
    run_commensal("import", "tsv", table, "--program", "KIDNEY", "--project", "PILOT", "--data", folder)
    assert "are as they were written" in run_commensal("admin", "--data", folder, "files", "scrub").stdout
    kept = data_base / "GSE1_family.soft"
    kept.write_text(
        "^SERIES = GSE1\n!Series_title = t\n!Series_platform_id = GPL1\n!Series_sample_id = GSM1\n^PLATFORM = GPL1\n"
        "^SAMPLE = GSM1\n!Sample_title = s\n!Sample_platform_id = GPL1\n"
    )
    run_commensal("import", "geo", kept, "--data", folder)
    assert "1 stored objects" in run_commensal("admin", "--data", folder, "files", "scrub").stdout
    blob = next(path for path in (folder / "blobs").rglob("*") if path.is_file() and path.stat().st_size)
    blob.chmod(0o600)
    blob.write_bytes(b"x" * blob.stat().st_size)
    done = run_commensal("admin", "--data", folder, "files", "scrub", check=False)
    assert done.returncode == 1
    assert "changed" in done.stdout
    assert "GSE1_family.soft" in done.stdout
