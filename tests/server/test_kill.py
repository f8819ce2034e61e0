"""`kill -9` during submissions: no acknowledged record is lost, no half transaction stays, and it comes back."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from tests.running import ADMIN, Running, run_commensal, start_commons

BATCH = 20
WRITERS = 3


class Writer(threading.Thread):
    """Submits batches of samples, each in one transaction, and notes which of them were acknowledged."""

    def __init__(self, address: Callable[[], str], headers: dict[str, str], name: str) -> None:
        super().__init__(daemon=True)
        self.address = address
        self.headers = headers
        self.label = name
        self.acknowledged: list[str] = []
        self.sent: list[str] = []
        self.refused: list[str] = []
        self.stopped = threading.Event()

    def run(self) -> None:
        number = 0
        with httpx.Client(timeout=30, headers=self.headers) as client:
            while not self.stopped.is_set():
                number += 1
                batch = f"{self.label}-{number}"
                self.sent.append(batch)
                documents = [
                    {
                        "type": "sample",
                        "submitter_id": f"{batch}-{i}",
                        "datasets": {"submitter_id": "all"},
                        "label": batch,
                    }
                    for i in range(BATCH)
                ]
                try:
                    answer = client.post(f"{self.address()}/commensal/v1/projects/KILL-one/records", json=documents)
                except httpx.TransportError:
                    time.sleep(0.05)
                    continue
                if answer.status_code == 200:
                    self.acknowledged.append(batch)
                elif answer.status_code not in (503, 502):
                    self.refused.append(answer.text)
                else:
                    time.sleep(0.05)


def stored(running: Running, headers: dict[str, str]) -> dict[str, int]:
    """How many samples of each batch are there."""
    counts: dict[str, int] = {}
    listed = running.client.get("/commensal/v1/projects/KILL-one/records", headers=headers, params={"type": "sample"})
    assert listed.status_code == 200, listed.text
    for item in all_items(running, headers):
        counts[item["label"]] = counts.get(item["label"], 0) + 1
    return counts


def all_items(running: Running, headers: dict[str, str]) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    while True:
        answer = running.client.get(
            "/commensal/v1/projects/KILL-one/records",
            headers=headers,
            params={"type": "sample", "offset": len(items), "limit": 1000},
        ).json()
        items += answer["items"]
        if len(items) >= answer["total"]:
            return items


def kill_worker(running: Running) -> Running:
    os.kill(random.choice(running.workers()), signal.SIGKILL)
    return running


def kill_postgres(running: Running) -> Running:
    os.kill(running.postgres(), signal.SIGKILL)
    return running


def kill_server(running: Running) -> Running:
    running.kill()
    return start_commons(running.data, "--workers", "2", port=running.port)


def wait_back(running: Running) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            if len(running.workers()) == 2 and running.client.get("/healthz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise AssertionError(f"not back:\n{running.output}")


def test_no_acknowledged_record_is_lost_whatever_is_killed(data_base: Path, torture: bool):
    rounds = 50 if torture else 5
    running = start_commons(data_base / "data", "--workers", "2")
    running.add_user(ADMIN, "--site-admin")
    headers = running.bearer(ADMIN)
    post = running.client.post
    post("/commensal/v1/programs", json={"code": "KILL"}, headers=headers).raise_for_status()
    post("/commensal/v1/programs/KILL/projects", json={"code": "one"}, headers=headers).raise_for_status()
    everything = [{"type": "dataset", "submitter_id": "all", "projects": {"code": "one"}}]
    post("/commensal/v1/projects/KILL-one/records", json=everything, headers=headers).raise_for_status()
    url = running.url
    writers = [Writer(lambda: url, headers, f"w{n}") for n in range(WRITERS)]
    for writer in writers:
        writer.start()
    kills = (kill_worker, kill_postgres, kill_server)
    for number in range(rounds):
        time.sleep(random.uniform(0.3, 1.0))
        running = kills[number % len(kills)](running)
        wait_back(running)
    time.sleep(0.5)
    for writer in writers:
        writer.stopped.set()
    for writer in writers:
        writer.join(60)
    counts = stored(running, headers)
    for writer in writers:
        assert writer.refused == []
        assert writer.acknowledged, "nothing was written at all"
        for batch in writer.acknowledged:
            assert counts.get(batch) == BATCH, f"{batch} was acknowledged"
    assert set(counts.values()) == {BATCH}, "a half transaction is visible"
    assert set(counts) <= {batch for writer in writers for batch in writer.sent}
    listed = running.client.get("/commensal/v1/projects?program=KILL", headers=headers).json()
    assert listed["items"][0]["counts"]["sample"] == sum(counts.values()), "the counters agree with the rows"
    assert running.stop() == 0
    assert "database system is shut down" in (running.data / "pg.log").read_text().splitlines()[-1]
    verified = run_commensal("admin", "--data", running.data, "audit", "verify")
    assert "The audit is whole." in verified.stdout


def test_killed_server_leaves_no_process_and_the_next_start_is_clean(data_base: Path):
    import psutil

    running = start_commons(data_base / "data", "--workers", "2")
    children = [psutil.Process(pid) for pid, _ in running.children()]
    assert len(children) >= 3
    running.kill()
    _, alive = psutil.wait_procs(children, timeout=30)
    assert [p for p in alive if p.status() != psutil.STATUS_ZOMBIE] == []
    again = start_commons(data_base / "data", port=running.port)
    assert again.client.get("/healthz").status_code == 200
    assert again.stop() == 0


def test_a_worker_that_dies_is_replaced_while_the_other_goes_on(data_base: Path):
    running = start_commons(data_base / "data", "--workers", "2")
    running.wait_line("ready at")
    for _ in range(2):
        before = set(running.workers())
        victim = before.pop()
        os.kill(victim, signal.SIGKILL)
        # New connections, for those to the dead worker are gone.
        answers = [httpx.get(f"{running.url}/healthz", timeout=30).status_code for _ in range(5)]
        assert answers == [200] * 5
        wait_back(running)
        assert victim not in running.workers()
    running.wait_line(r"Worker \d .* ended with status -9")
    assert running.stop() == 0
