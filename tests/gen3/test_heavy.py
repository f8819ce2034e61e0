"""Expensive queries: refused where they are too many searches, in turns, given up when their caller is gone."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from threading import Event, Thread

import asyncpg
import httpx
import pytest

from commensal.errors import Unavailable
from commensal.services import turns as turns_module
from commensal.services.graph import AT_ONCE
from commensal.services.turns import Turns
from tests.gen3.conftest import PROGRAM, SUBMISSION, Gen3, case, experiment, run_sql


@contextmanager
def held(dsn: str) -> Iterator[None]:
    """Hold the table of records, so that whatever reads it waits."""
    ready, stop = Event(), Event()

    async def hold() -> None:
        connection = await asyncpg.connect(dsn)
        try:
            async with connection.transaction():
                await connection.execute("lock table records in access exclusive mode")
                ready.set()
                while not stop.is_set():
                    await asyncio.sleep(0.02)
        finally:
            await connection.close()

    thread = Thread(target=lambda: asyncio.run(hold()))
    thread.start()
    try:
        assert ready.wait(30)
        yield
    finally:
        stop.set()
        thread.join(30)


def waiting(dsn: str) -> int:
    sql = """select count(*) as n from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock' and backend_type = 'client backend'"""
    return run_sql(dsn, sql)[0]["n"]


def until(dsn: str, count: int) -> None:
    end = time.monotonic() + 30
    while waiting(dsn) != count:
        assert time.monotonic() < end, f"{waiting(dsn)} queries wait, not {count}"
        time.sleep(0.05)


@pytest.mark.parametrize("name", ["with_path_to", "with_path_to_any", "without_path_to"])
def test_many_searches_are_refused(gen3: Gen3, name: str) -> None:
    paths = [{"type": "sample", "submitter_id": f"s{n}"} for n in range(501)]
    query = f"query($paths: [WithPathToInput]) {{ _case_count({name}: $paths) }}"
    answer = gen3.call("POST", "/graphql", json={"query": query, "variables": {"paths": paths}})
    assert answer.status_code == 400
    assert "searches over links" in answer.json()["errors"][0]
    few = gen3.call("POST", "/graphql", json={"query": query, "variables": {"paths": paths[:20]}})
    assert few.status_code == 200


def test_much_can_be_left_out_at_once(gen3: Gen3) -> None:
    project = gen3.project()
    gen3.put(project, [experiment(project), *(case(f"c{n}") for n in range(5)), case("other", disease_type="x")])
    query = (
        "query($left: [NotPropertiesInput_case], $in: [String]) { case(project_id: $in, not: $left) { submitter_id } }"
    )
    left = [{"submitter_id": f"c{n}"} for n in range(1, 20_000)] + [{"disease_type": "x"}, {"disease_type": "y"}]
    variables = {"left": left, "in": [project[1:].replace("/", "-")]}
    answer = gen3.call("POST", "/graphql", json={"query": query, "variables": variables})
    assert answer.json() == {"data": {"case": [{"submitter_id": "c0"}]}}
    lists = [{"consent_codes": ["a", str(n)]} for n in range(501)]
    answer = gen3.call("POST", "/graphql", json={"query": query, "variables": {**variables, "left": lists}})
    assert answer.status_code == 400
    assert "left out" in answer.json()["errors"][0]


async def test_who_waits_long_for_a_turn_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns_module, "PATIENCE", 0.01)
    turns = Turns(2, 3)
    async with turns.of(1), turns.of(1), turns.of(2):
        for user in (1, 3):
            with pytest.raises(Unavailable, match="try again later"):
                async with turns.of(user):
                    pass
    async with turns.of(1), turns.of(1):
        pass
    assert not turns._gates


async def test_each_caller_has_turns_of_their_own() -> None:
    turns = Turns(2, 5)
    inside: list[int] = []
    most = 0

    async def one(user: int) -> None:
        nonlocal most
        async with turns.of(user):
            inside.append(user)
            most = max(most, inside.count(1))
            await asyncio.sleep(0)
            inside.remove(user)

    await asyncio.gather(*(one(user) for user in [1] * 10 + [2]))
    assert most == 2
    assert not turns._gates


def test_one_caller_s_slow_queries_leave_room_and_end_with_their_caller(gen3: Gen3) -> None:
    headers = {"Authorization": f"bearer {gen3.token('writer')}"}
    gen3.token("reader")
    place = f"{gen3.url}{SUBMISSION}/graphql"

    def ask(number: int) -> str:
        query = f"{{ a{number}: case {{ id }} }}"
        try:
            return str(httpx.post(place, json={"query": query}, headers=headers, timeout=4).status_code)
        except httpx.ReadTimeout:
            return "went away"

    with held(gen3.dsn), ThreadPoolExecutor(12) as threads:
        asked = [threads.submit(ask, number) for number in range(12)]
        until(gen3.dsn, AT_ONCE)
        other = gen3.call("POST", "/graphql", "reader", json={"query": "{ program { name } }"}, timeout=3)
        assert PROGRAM in other.text
        assert {one.result() for one in asked} == {"went away"}
        until(gen3.dsn, 0)
    assert ask(99) == "200"


def test_clients_that_do_not_read_their_export_leave_room(gen3: Gen3) -> None:
    project = gen3.project()
    cases = [case(f"c{n}", disease_type="x" * 2_000) for n in range(10_000)]
    gen3.put(project, [experiment(project), *cases])
    gen3.token("reader")
    request = (
        f"GET {SUBMISSION}{project}/export?node_label=case&format=json HTTP/1.1\r\n"
        f"Host: 127.0.0.1:{gen3.running.port}\r\n"
        f"Authorization: bearer {gen3.token('writer')}\r\n\r\n"
    )
    with ExitStack() as open_sockets:
        for _ in range(14):
            one = open_sockets.enter_context(socket.socket())
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            one.connect(("127.0.0.1", gen3.running.port))
            one.sendall(request.encode())
        sql = "select count(*) as n from pg_stat_activity where datname = current_database() and query like 'COPY (%'"
        end = time.monotonic() + 30
        while run_sql(gen3.dsn, sql)[0]["n"] < 2:
            assert time.monotonic() < end
            time.sleep(0.05)
        time.sleep(0.5)
        assert gen3.call("POST", "/graphql", "reader", json={"query": "{ program { name } }"}).status_code == 200
    assert gen3.call("GET", f"{project}/export?node_label=case&format=json").status_code == 200


@pytest.mark.parametrize("lost", ["grant", "account"])
def test_a_submission_for_later_needs_the_right_when_its_turn_comes(gen3: Gen3, lost: str) -> None:
    project = gen3.project()
    who, code = f"{lost}-later@example.org", project[1:].replace("/", "-")
    gen3.running.add_user(who)
    gen3.running.admin("grant", who, "curator", code)
    gen3.keys[who] = gen3.running.key(who, "gen3")
    with held(gen3.dsn):
        first = gen3.put(project, [experiment(project, "first")], params={"async": "true"})["transaction_id"]
        end = time.monotonic() + 30
        while not waiting(gen3.dsn):  # the first waits; what the server does beside requests may wait too
            assert time.monotonic() < end, "the submission does not wait for the lock"
            time.sleep(0.02)
        later = gen3.put(project, [experiment(project, "later")], who, params={"async": "true"})["transaction_id"]
        if lost == "grant":
            gen3.running.admin("revoke", who, "curator", code)
        else:
            gen3.running.admin("user", "deactivate", who)
        time.sleep(1.1)  # grants are known for a second
    query = f'{{ a: transaction_log(id: "{first}") {{ state }} b: transaction_log(id: "{later}") {{ state }} }}'
    end = time.monotonic() + 30
    while "PENDING" in (text := gen3.call("POST", "/graphql", json={"query": query}).text):
        assert time.monotonic() < end, text
        time.sleep(0.1)
    states = gen3.call("POST", "/graphql", json={"query": query}).json()["data"]
    assert (states["a"][0]["state"], states["b"][0]["state"]) == ("SUCCEEDED", "FAILED")
