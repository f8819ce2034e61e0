"""A commons that is open for everybody, and people who use the Pangea door."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from tests.conftest import make_data_base, with_database
from tests.gen3.conftest import run_sql
from tests.running import ADMIN, Running, start_commons

PASSWORD = "Foobar22xq"


@dataclass
class Person:
    """Somebody with a token (None: a stranger who did not sign in)."""

    running: Running
    email: str = ""
    token: str = ""
    id: int = 0

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Token {self.token}"} if self.token else {}

    def send(self, method: str, path: str, **more: Any) -> httpx.Response:
        headers = {**self.headers(), **more.pop("headers", {})}
        path = path if path.startswith(("http", "/")) else f"/api/{path}"
        return self.running.client.request(method, path, headers=headers, **more)

    def __call__(self, method: str, path: str, status: int = 200, **more: Any) -> Any:
        """Send, demand a status, and return the JSON of the answer (None where there is no body)."""
        answer = self.send(method, path, **more)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text[:1000]}"
        return answer.json() if answer.content else None


@dataclass
class Pangea:
    """The running commons; ``people`` by name."""

    running: Running
    dsn: str
    people: dict[str, Person] = field(default_factory=dict)
    n: int = 0

    @property
    def url(self) -> str:
        return self.running.url

    @property
    def stranger(self) -> Person:
        return Person(self.running)

    def person(self, name: str) -> Person:
        """Return somebody, registered at first need."""
        if name not in self.people:
            made = Person(self.running, f"{name}@example.org")
            made.id = made("POST", "auth/users/", 201, json={"email": made.email, "password": PASSWORD})["id"]
            answer = made("POST", "auth/token/login", json={"email": made.email, "password": PASSWORD})
            made.token = answer["auth_token"]
            self.people[name] = made
        return self.people[name]

    def name(self, what: str) -> str:
        """Return a name that nobody has yet."""
        self.n += 1
        return f"{what} {self.n}"

    def library(self, who: Person, **more: Any) -> dict[str, Any]:
        """Make an organization with a library; the answer of the library."""
        org = who("POST", "organizations", 201, json={"name": self.name("org")})
        body = {"name": self.name("lib"), "organization": org["uuid"], "is_library": True, **more}
        return who("POST", "sample_groups", 201, json=body)

    def sample(self, who: Person, library: dict[str, Any], name: str = "", **more: Any) -> dict[str, Any]:
        body = {"name": name or self.name("s"), "library": library["uuid"], **more}
        return who("POST", "samples", 201, json=body)

    def result(self, who: Person, sample: dict[str, Any], module: str = "mod", **more: Any) -> dict[str, Any]:
        return who("POST", "sample_ars", 201, json={"module_name": module, "sample": sample["uuid"], **more})


@pytest.fixture(scope="session")
def pangea(admin_dsn: str) -> Iterator[Pangea]:
    base = make_data_base()
    name = f"commensal_pangea_{uuid.uuid4().hex[:10]}"
    run_sql(admin_dsn, f'create database "{name}"')
    dsn = with_database(admin_dsn, name)
    running = None
    try:
        running = start_commons(
            base / "data", "--database", dsn, "--min-free", "1MB", "--registration", "open", "--anonymous", "on"
        )
        running.add_user(ADMIN, "--site-admin")
        yield Pangea(running, dsn)
        assert running.stop() == 0
    finally:
        if running is not None and running.process.poll() is None:
            running.kill()
        run_sql(admin_dsn, f'drop database if exists "{name}" with (force)')
        shutil.rmtree(base, ignore_errors=True)


@pytest.fixture(scope="session")
def ann(pangea: Pangea) -> Person:
    return pangea.person("ann")


@pytest.fixture(scope="session")
def bob(pangea: Pangea) -> Person:
    """Somebody who is in no organization of Ann's."""
    return pangea.person("bob")


@pytest.fixture(scope="session")
def stranger(pangea: Pangea) -> Person:
    return pangea.stranger
