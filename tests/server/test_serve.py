"""`commensal serve` as its users start and stop it."""

from __future__ import annotations

import asyncio
import concurrent.futures
import json
import os
import signal
import socket
import stat
import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from commensal.server.runtime import connections_per_worker
from tests.conftest import with_database
from tests.running import ADMIN, PASSWORD, Running, free_port, run_commensal, start_commons


def test_health_says_more_to_site_admins_only(commons: Running, admin: dict[str, str]):
    client = commons.client
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/healthz?full").status_code == 401
    full = client.get("/healthz?full", headers=admin).json()
    assert "limits of time, memory and files" in full["contents"]
    assert full["contents"] in commons.wait_line("Files are parsed by a process of their own: (.*)").string
    assert full["status"] == full["database"] == "ok"
    assert "commensal" in full["faces"]
    someone = commons.bearer(commons.add_user("health@example.org"))
    assert client.get("/healthz?full", headers=someone).status_code == 403


def test_metrics_are_for_site_admins_and_add_up_requests_and_statements(commons: Running, admin: dict[str, str]):
    client = commons.client
    assert client.get("/metrics").status_code == 401

    def total(name: str) -> float:
        lines = client.get("/metrics", headers=admin).text.splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name) and 'door="api"' in line)

    before = total("commensal_requests_total")
    statements = total("commensal_sql_statements_total")
    for _ in range(3):
        assert client.get("/commensal/v1/projects", headers=admin).status_code == 200
    assert total("commensal_requests_total") - before >= 3
    assert total("commensal_sql_statements_total") > statements


def test_data_folder_is_private_and_remembers_the_options(commons: Running):
    assert stat.S_IMODE((commons.data / "settings.json").stat().st_mode) == 0o600
    assert stat.S_IMODE((commons.data / "master.key").stat().st_mode) == 0o600
    kept = json.loads((commons.data / "settings.json").read_text())
    assert kept["support_contact"] == "help@example.org"
    assert kept["port"] == str(commons.port)


def test_a_second_server_on_the_same_folder_or_port_is_told_why(commons: Running, data_base: Path):
    second = run_commensal("serve", "--data", commons.data, "--port", str(free_port()), check=False)
    assert second.returncode == 1
    assert "another commensal" in second.stderr + second.stdout
    taken = run_commensal("serve", "--data", data_base / "d", "--port", str(commons.port), check=False)
    assert taken.returncode == 1
    assert f"Port {commons.port}" in taken.stderr
    assert commons.client.get("/healthz").status_code == 200


def test_secrets_are_neither_in_arguments_nor_in_the_environment_of_workers(commons: Running):
    secrets = [
        (commons.data / "app.secret").read_text().strip(),
        (commons.data / "pg.secret").read_text().strip(),
        (commons.data / "master.key").read_bytes().hex(),
    ]
    for pid in (commons.process.pid, *(pid for pid, _ in commons.children())):
        shown = Path(f"/proc/{pid}/cmdline").read_bytes() + Path(f"/proc/{pid}/environ").read_bytes()
        for secret in secrets:
            assert secret.encode() not in shown


def test_requests_in_flight_finish_and_the_database_is_left_clean(data_base: Path):
    running = start_commons(data_base / "data", "--workers", "2")
    running.add_user(ADMIN, "--site-admin")
    headers = running.bearer(ADMIN)
    running.client.post("/commensal/v1/programs", json={"code": "P"}, headers=headers).raise_for_status()
    running.client.post("/commensal/v1/programs/P/projects", json={"code": "one"}, headers=headers).raise_for_status()

    def slow_body():
        for _ in range(20):
            yield b"x" * 1000
            time.sleep(0.1)

    with concurrent.futures.ThreadPoolExecutor() as pool:
        upload = pool.submit(
            httpx.put,
            f"{running.url}/commensal/v1/projects/P-one/files/slow.bin",
            content=slow_body(),
            headers=headers,
            timeout=60,
        )
        time.sleep(0.7)
        running.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        with pytest.raises(httpx.TransportError):
            httpx.get(f"{running.url}/healthz", timeout=5)
        answer = upload.result(30)
    assert answer.status_code == 201
    assert answer.json()["size"] == 20_000
    assert running.wait() == 0
    log = (data_base / "data" / "pg.log").read_text()
    assert "database system is shut down" in log.splitlines()[-1]
    again = start_commons(data_base / "data")
    info = again.client.get("/commensal/v1/projects/P-one/files/slow.bin?info", headers=headers)
    assert info.json()["size"] == 20_000
    assert "automatic recovery" not in (data_base / "data" / "pg.log").read_text()
    assert again.stop() == 0


def test_a_second_interrupt_ends_the_workers_at_once_and_the_database_cleanly(data_base: Path):
    running = start_commons(data_base / "data")
    with socket.create_connection(("127.0.0.1", running.port)) as stuck:
        running.add_user(ADMIN, "--site-admin")
        token = running.bearer(ADMIN)["Authorization"]
        running.client.post("/commensal/v1/programs", json={"code": "P"}, headers={"Authorization": token})
        stuck.sendall(
            b"POST /commensal/v1/programs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n"
            + f"Authorization: {token}\r\n\r\n{{".encode()
        )
        time.sleep(0.5)
        running.process.send_signal(signal.SIGINT)
        running.wait_line("finishing requests in flight")
        time.sleep(0.5)
        assert running.process.poll() is None
        running.process.send_signal(signal.SIGINT)
        assert running.wait(20) == 0
    assert "database system is shut down" in (data_base / "data" / "pg.log").read_text().splitlines()[-1]


def test_demo_makes_accounts_with_new_passwords_at_every_start(data_base: Path):
    shown: list[dict[str, str]] = []
    for _ in range(2):
        running = start_commons(data_base / "data", "--demo")
        running.wait_line("Next steps")
        found = {}
        for email in ("admin@demo.example", "viewer@demo.example"):
            found[email] = running.wait_line(rf"{email}\s+(\S+)")[1]
        shown.append(found)
        running.wait_line("Written to DEMO-")
        listed = running.client.get("/commensal/v1/projects").json()
        assert [project["program"] for project in listed["items"]] == ["DEMO"]
        proxied = running.client.get("/commensal/v1/projects", headers={"X-Forwarded-For": "192.0.2.1"})
        assert proxied.status_code == 400
        users = running.admin("user", "list")
        assert running.stop() == 0
    assert users.count("site admin") == 1
    assert set(shown[0].values()).isdisjoint(shown[1].values())
    plain = start_commons(data_base / "data")
    assert plain.client.get("/commensal/v1/projects").status_code == 401
    assert plain.stop() == 0


def test_demo_refuses_to_be_reached_from_elsewhere(data_base: Path):
    refused = run_commensal("serve", "--data", data_base / "d", "--demo", "--host", "0.0.0.0", check=False)
    assert refused.returncode == 1
    assert "this machine" in refused.stderr
    assert not (data_base / "d").exists()


def test_tls_with_a_certificate_made_here_and_the_redirect_beside_it(data_base: Path):
    port, plain = free_port(), free_port()
    running = start_commons(
        data_base / "data", "--tls", "auto", "--http-redirect-port", str(plain), "--metrics-port", str(free_port()),
        port=port,
    )  # fmt: skip
    assert running.client.get("/healthz").status_code == 200
    assert stat.S_IMODE((running.data / "tls.key").stat().st_mode) == 0o600
    answer = httpx.get(f"http://127.0.0.1:{plain}/docs/?q=1", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (308, f"https://127.0.0.1:{port}/docs/?q=1")
    metrics = int(json.loads((running.data / "settings.json").read_text())["metrics_port"])
    text = httpx.get(f"http://127.0.0.1:{metrics}/metrics").text
    assert "commensal_workers_ready 1.0" in text
    assert running.stop() == 0


def test_workers_answer_503_while_the_database_is_away_and_come_back(data_base: Path):
    running = start_commons(data_base / "data")
    running.add_user(ADMIN)
    headers = running.bearer(ADMIN)
    os.kill(running.process.pid, signal.SIGSTOP)  # nobody starts PostgreSQL again meanwhile
    try:
        os.kill(running.postgres(), signal.SIGKILL)
        answers = []
        end = time.monotonic() + 20
        while time.monotonic() < end and (not answers or answers[-1].status_code == 200):
            answers.append(running.client.get("/healthz"))
            time.sleep(0.05)
        assert answers[-1].status_code == 503
        assert answers[-1].headers["retry-after"] == "1"
        own = running.client.get("/commensal/v1/projects", headers=headers)
        assert own.status_code == 503
        assert own.json()["error"]["code"] == "unavailable"
        assert int(own.headers["retry-after"]) >= 1
    finally:
        os.kill(running.process.pid, signal.SIGCONT)
    running.wait_line("runs again", 60)
    running.wait_ready()
    assert running.client.get("/commensal/v1/projects", headers=headers).status_code == 200
    assert running.stop() == 0


@pytest.mark.parametrize("signed", [True, False])
def test_wrong_master_key_is_told_at_the_start(data_base: Path, signed: bool):
    running = start_commons(data_base / "data")
    if signed:  # else nothing was sealed but what tells master keys apart
        running.add_user(ADMIN)
        running.key(ADMIN, "gen3")
    assert running.stop() == 0
    other = run_commensal(
        "serve", "--data", data_base / "data", "--port", str(free_port()),
        environment={"COMMENSAL_MASTER_KEY": "ab" * 32}, check=False, timeout=60,
    )  # fmt: skip
    assert other.returncode == 1
    assert "master key" in other.stdout + other.stderr


def test_external_database_and_two_nodes(data_base: Path, dsn: str):
    first = start_commons(data_base / "one", "--database", dsn)
    key = (data_base / "one" / "master.key").read_bytes().hex()
    second = start_commons(data_base / "two", "--database", dsn, environment={"COMMENSAL_MASTER_KEY": key})
    try:
        first.add_user(ADMIN, "--site-admin")
        headers = first.bearer(ADMIN)
        made = first.client.post("/commensal/v1/programs", json={"code": "SHARED"}, headers=headers)
        assert made.status_code == 201
        assert second.client.get("/commensal/v1/programs/SHARED", headers=headers).status_code == 200
        assert not (data_base / "one" / "pg").exists()
        assert stat.S_IMODE((data_base / "one" / "settings.json").stat().st_mode) == 0o600
    finally:
        assert first.stop() == 0
        assert second.stop() == 0


def test_wrong_database_is_told_and_nothing_is_left_running(data_base: Path, dsn: str):
    nowhere = with_database(dsn, "no_such_database")
    wrong = run_commensal(
        "serve", "--data", data_base / "d", "--port", str(free_port()), "--database", nowhere, check=False
    )
    assert wrong.returncode == 1
    assert wrong.stderr.splitlines()[-1].startswith("error: --database: the server refuses the connection")


@pytest.mark.parametrize("command", [["serve"], ["admin", "user", "list"]])
async def test_a_role_that_may_not_make_tables_is_told(data_base: Path, dsn: str, command: list[str]):
    import asyncpg

    role = f"guest_{os.urandom(4).hex()}"
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(f"create role {role} login password 'guest'")
        parts = urlsplit(dsn)
        host = parts.netloc.rpartition("@")[2]
        own = parts._replace(netloc=f"{role}:guest@{host}").geturl()
        done = await asyncio.to_thread(
            run_commensal, *command, check=False,
            environment={"COMMENSAL_DATA": str(data_base / "d"), "COMMENSAL_DATABASE": own, "COMMENSAL_PORT": "0"},
        )  # fmt: skip
    finally:
        await connection.execute(f"drop role {role}")
        await connection.close()
    assert done.returncode == 1
    assert "It must own the database" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_files_that_are_no_certificate_are_told_and_nothing_starts(data_base: Path, tmp_path: Path):
    broken = tmp_path / "broken.pem"
    broken.write_text("this is no certificate")
    done = run_commensal("serve", "--data", data_base / "d", "--port", "0", "--tls", f"{broken}:{broken}", check=False)
    assert done.returncode == 1
    assert "not a certificate and its key" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert not (data_base / "d" / "pg").exists()


@pytest.mark.parametrize("workers", [1, 2, 4, 8])
def test_all_workers_together_stay_below_the_connections_of_the_embedded_database(workers: int):
    from commensal.server.app import AUDIT_CONNECTIONS

    assert workers * (connections_per_worker(workers) + AUDIT_CONNECTIONS) <= 56


def test_sign_in_by_password_works_with_the_account_made_at_the_console(commons: Running):
    commons.add_user("basic@example.org")
    key = commons.key("basic@example.org", "opal")
    answer = commons.client.get("/commensal/v1/whoami", auth=(key["login"], key["password"]))
    assert answer.json()["email"] == "basic@example.org"
    assert PASSWORD not in commons.output
