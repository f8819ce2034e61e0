"""Import jobs when things go wrong: stopped, killed, cut off; and who sees which job."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import TORTURE
from tests.gen3.conftest import run_sql
from tests.odm.conftest import FILES, Odm

JOBS = "/api/v1/jobs"
DATA = bytes(range(256)) * 2000


def until(check: Callable[[], Any], seconds: float = 60) -> Any:
    end = time.monotonic() + seconds
    while not (found := check()):
        if time.monotonic() > end:
            raise AssertionError("it did not come to that")
        time.sleep(0.02)
    return found


class Imports:
    """Requests of one caller."""

    def __init__(self, odm: Odm, who: str) -> None:
        self.odm, self.who = odm, who

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        return self.odm.running.client.request(method, path, headers=self.odm.headers(self.who), **more)

    def start(self, kind: str, query: str = "", **body: str) -> httpx.Response:
        return self.ask("POST", f"{JOBS}/import/{kind}{query}", json=body)

    def file(self, study: str, link: str, query: str = "", **more: str) -> httpx.Response:
        return self.start("file", query, dataLink=link, studyAccession=study, dataClass="Other", **more)

    def number(self, started: httpx.Response) -> int:
        assert started.status_code == 200, started.text
        return started.json()["jobExecId"]

    def info(self, number: int) -> dict[str, Any]:
        return self.ask("GET", f"{JOBS}/{number}/info").json()

    def status(self, number: int, *wanted: str) -> str:
        return until(lambda: (status := self.info(number)["status"]) in wanted and status)

    def done(self, started: httpx.Response) -> dict[str, Any]:
        number = self.number(started)
        self.status(number, "COMPLETED", "FAILED", "STOPPED", "ABANDONED")
        return {"id": number, **self.ask("GET", f"{JOBS}/{number}/output").json()}

    def study(self, name: str) -> str:
        link = self.odm.remote.put(f"/{name}.tsv", f"genestack:name\n{name}\n")
        return self.done(self.start("study", metadataLink=link))["result"]["accession"]

    def names(self, study: str) -> list[str]:
        """The files in a study, as the database has them."""
        rows = run_sql(self.odm.dsn, "select name from files where project = $1 order by seq", int(study[3:]))
        return [row["name"] for row in rows]


@pytest.fixture(scope="module")
def mine(odm: Odm) -> Imports:
    return Imports(odm, "importer")


@pytest.fixture
def gate(odm: Odm) -> Iterator[threading.Event]:
    """Opens ``/slow.bin``, of which only half comes before."""
    event = threading.Event()
    odm.remote.put("/slow.bin", DATA)
    odm.remote.gates["/slow.bin"] = event
    odm.remote.asked.clear()
    yield event
    event.set()
    odm.remote.gates.clear()


def link(odm: Odm, path: str) -> str:
    return f"http://127.0.0.1:{odm.remote.port}{path}"


def test_stop_and_restart(odm: Odm, mine: Imports, gate: threading.Event):
    study = mine.study("stopped")
    number = mine.number(mine.file(study, link(odm, "/slow.bin")))
    until(lambda: "/slow.bin" in odm.remote.asked)
    assert mine.file(study, link(odm, "/slow.bin")).status_code == 409  # it runs
    again = mine.ask("PUT", f"{JOBS}/{number}/restart")
    assert again.status_code == 409
    stopped = mine.ask("PUT", f"{JOBS}/{number}/stop")
    assert stopped.json()["status"] in ("STOPPING", "STOPPED")
    assert mine.status(number, "STOPPED", "COMPLETED", "FAILED") == "STOPPED"
    assert mine.names(study) == []
    assert "endTime" in mine.info(number)
    assert not any((Path(odm.running.data) / "blobs" / "tmp").iterdir())
    gate.set()
    assert mine.ask("PUT", f"{JOBS}/{number}/restart").json()["jobExecId"] == number
    assert mine.status(number, "COMPLETED", "FAILED") == "COMPLETED"
    assert mine.names(study) == ["slow.bin"]


@pytest.mark.parametrize("round_", range(10 if TORTURE else 1))
def test_kill_in_the_middle(odm: Odm, mine: Imports, gate: threading.Event, round_: int):
    """The job of a killed process is done again by the next, once; bytes that came with a request are lost."""
    study = mine.study(f"killed-{round_}")
    number = mine.number(mine.file(study, link(odm, "/slow.bin")))
    until(lambda: "/slow.bin" in odm.remote.asked)
    with cut_form(odm, study, len(DATA)) as connection:
        connection.sendall(DATA[:1000])
        query = "select seq from import_jobs where request ->> 'name' = 'cut.bin' and project = $1"
        sent = until(lambda: run_sql(odm.dsn, query, int(study[3:])))
        [worker] = odm.running.workers()
        os.kill(worker, signal.SIGKILL)
        until(lambda: odm.running.workers() not in ([], [worker]))
    odm.running.wait_ready()
    assert mine.info(number)["status"] == "RUNNING"
    gate.set()
    # Nobody may take a job before it was not heard of for a while: that while passes here.
    run_sql(odm.dsn, "update import_jobs set claimed = claimed - interval '1 minute' where ended is null")
    assert mine.status(number, "COMPLETED", "FAILED") == "COMPLETED"
    assert mine.names(study) == ["slow.bin"]
    assert odm.remote.asked.count("/slow.bin") == 2
    assert run_sql(odm.dsn, "select attempts from import_jobs where seq = $1", number) == [{"attempts": 2}]
    assert mine.status(sent[0]["seq"], "ABANDONED") == "ABANDONED"


def test_a_sender_that_goes_away_leaves_nothing(odm: Odm, mine: Imports):
    study, folder = mine.study("cut"), Path(odm.running.data) / "blobs" / "tmp"
    before = set(folder.iterdir())  # what a killed process left is swept later
    with cut_form(odm, study, len(DATA)) as connection:
        connection.sendall(DATA[:100_000])
        query = "select seq from import_jobs where request ->> 'name' = 'cut.bin' and project = $1"
        [job] = until(lambda: run_sql(odm.dsn, query, int(study[3:])))
    assert mine.status(job["seq"], "FAILED", "ABANDONED", "COMPLETED") == "FAILED"
    output = mine.ask("GET", f"{JOBS}/{job['seq']}/output").json()
    assert output["errors"][0]["stage"] == "receive file"
    assert "sender went away" in output["errors"][0]["stack"][0]["message"]
    assert mine.names(study) == []
    until(lambda: set(folder.iterdir()) <= before)


def test_who_sees_a_job(odm: Odm, mine: Imports):
    other = Imports(odm, "stranger")
    study = mine.study("private")
    odm.remote.put("/private.bin", b"private")
    job = mine.done(mine.file(study, link(odm, "/private.bin")))
    assert job["status"] == "COMPLETED"
    for method, action in (("GET", "info"), ("GET", "output"), ("PUT", "stop"), ("PUT", "restart")):
        assert other.ask(method, f"{JOBS}/{job['id']}/{action}").status_code == 404
    assert other.file(study, link(odm, "/private.bin")).status_code == 404
    assert other.ask("DELETE", f"/api/v1/manage-data/data?accessions={study}").status_code == 404
    # The same link of a study, by somebody else: what others imported is not told.
    same = other.start("study", metadataLink=link(odm, "/private.tsv"))
    assert other.done(same)["result"]["accession"] != study
    assert mine.start("study", metadataLink=link(odm, "/private.tsv")).status_code == 409
    sql = (
        "select g.code || '-' || p.code as place from projects p join programs g on g.seq = p.program where p.seq = $1"
    )
    place = run_sql(odm.dsn, sql, int(study[3:]))[0]["place"]
    odm.running.admin("grant", "stranger@example.org", "viewer", place)
    until(lambda: other.file(study, link(odm, "/private.bin")).status_code == 403)
    assert other.ask("GET", f"{JOBS}/{job['id']}/info").status_code == 404
    assert other.ask("DELETE", f"/api/v1/manage-data/data?accessions={study}").status_code == 403
    odm.running.admin("grant", "stranger@example.org", "contributor", place)
    until(lambda: other.ask("GET", f"{JOBS}/{job['id']}/info").status_code == 200)
    refused = other.file(study, link(odm, "/private.bin"))
    assert refused.status_code == 409
    assert refused.json()["error"]["message"].endswith(f"jobExecId={job['id']}")
    assert other.done(other.file(study, link(odm, "/private.bin"), "?allow_dups=true"))["status"] == "COMPLETED"
    assert mine.names(study) == ["private.bin", "private.bin"]
    assert other.ask("DELETE", f"/api/v1/manage-data/data?accessions={study}").status_code == 403
    gone = mine.ask("DELETE", f"/api/v1/manage-data/data?accessions={study}")
    assert (gone.status_code, gone.json()[0]["objectType"]) == (202, "STUDY")
    assert mine.names(study) == []
    assert other.ask("GET", f"{JOBS}/{job['id']}/info").status_code == 404
    assert mine.ask("GET", f"{JOBS}/{job['id']}/info").status_code == 200


def test_our_own_links_mean_files_of_the_same_study(odm: Odm, mine: Imports):
    first, second = mine.study("own-one"), mine.study("own-two")
    odm.remote.put("/own.bin", DATA)
    accession = mine.done(mine.file(first, link(odm, "/own.bin")))["result"]["accession"]
    own = f"{odm.url}{FILES}/{accession}/download"
    copy = mine.done(mine.file(first, own))
    assert copy["status"] == "COMPLETED"
    assert mine.ask("GET", f"{FILES}/{copy['result']['accession']}/download").content == DATA
    assert mine.names(first) == ["own.bin", "own.bin"]
    refused = mine.file(second, own)
    assert refused.status_code == 400
    assert "must mean a file of the study" in refused.json()["error"]["message"]
    for address in (f"{odm.url}/", f"http://localhost:{odm.running.port}/healthz", f"{odm.url}{FILES}/GSF1/download"):
        assert mine.file(first, address).status_code == 400
    assert mine.start("study", metadataLink=own).status_code == 400


def test_the_documents_show_the_routes(odm: Odm):
    document = odm.running.client.get("/docs/odm/openapi.json").json()
    shown = {(method, path) for path, item in document["paths"].items() for method in item}
    assert ("post", f"{JOBS}/import/file/multipart") in shown
    assert ("put", f"{JOBS}/{{job}}/restart") in shown
    assert ("delete", "/api/v1/manage-data/data") in shown
    assert "Chemoinformatics; Imaging features" in odm.running.client.get("/docs/odm/").text


def test_requests_that_cannot_be_read(odm: Odm, mine: Imports):
    study = mine.study("requests")
    assert odm.get(f"{JOBS}/1/info", who=None).status_code == 401
    assert mine.ask("GET", f"{JOBS}/abc/info").status_code == 400
    assert mine.ask("GET", f"{JOBS}/99999999999999999999999/info").status_code == 400
    for body in ([], {}, {"dataLink": 1}, {"dataLink": link(odm, "/a"), "dataClass": "Other"}):
        assert mine.ask("POST", f"{JOBS}/import/file", json=body).status_code == 400
    assert mine.file(study, link(odm, "/a"), "?allow_dups=yes").status_code == 400
    assert mine.file(study, f"http://localhost:{odm.remote.port}/a").status_code == 403  # a name that is not listed
    assert mine.ask("DELETE", "/api/v1/manage-data/data").status_code == 400
    assert mine.ask("POST", f"{JOBS}/import/file/multipart", json={}).status_code == 400
    twice = mine.ask("POST", f"{JOBS}/import/file/multipart", files=[("file", b"a"), ("file", b"b")], data={})
    assert twice.status_code == 400
    for boundary, body, status in (
        ("X" * 300, b"", 400),
        (
            "X",
            b"".join(b'--X\r\nContent-Disposition: form-data; name="%d"\r\n\r\n\r\n' % n for n in range(20_000)),
            413,
        ),
    ):
        form = {**odm.headers("importer"), "Content-Type": f"multipart/form-data; boundary={boundary}"}
        answer = odm.running.client.post(f"{JOBS}/import/file/multipart", content=body, headers=form)
        assert (answer.status_code, list(answer.json())) == (status, ["error"])


class cut_form:
    """A connection on which a form with a file has begun; it is cut at the end."""

    def __init__(self, odm: Odm, study: str, size: int) -> None:
        self.odm = odm
        fields = "".join(
            f'--X\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
            for name, value in (("studyAccession", study), ("dataClass", "Other"))
        )
        fields += '--X\r\nContent-Disposition: form-data; name="file"; filename="cut.bin"\r\n\r\n'
        token = odm.keys["importer"]["api_token"]
        self.head = (
            f"POST {JOBS}/import/file/multipart HTTP/1.1\r\nHost: 127.0.0.1:{odm.running.port}\r\n"
            f"Genestack-API-Token: {token}\r\nContent-Type: multipart/form-data; boundary=X\r\n"
            f"Content-Length: {len(fields) + size + 9}\r\n\r\n{fields}"
        )

    def __enter__(self) -> socket.socket:
        self.socket = socket.create_connection(("127.0.0.1", self.odm.running.port))
        self.socket.sendall(self.head.encode())
        return self.socket

    def __exit__(self, *_: object) -> None:
        self.socket.close()
