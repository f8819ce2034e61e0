"""Two servers: one that can be told to misbehave, and a real commons with a project in it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from commensal.client.gen3 import Gen3
from tests.client.wire_server import WireServer
from tests.conftest import make_data_base
from tests.running import ADMIN, Running, start_commons


@pytest.fixture(autouse=True)
def no_server_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COMMENSAL_URL", raising=False)


@pytest.fixture
def wire() -> Iterator[WireServer]:
    with WireServer() as server:
        yield server


@pytest.fixture
def gen3(wire: WireServer) -> Iterator[Gen3]:
    with Gen3(credentials={"api_key": wire.api_key, "key_id": "k"}) as client:
        yield client


@pytest.fixture(scope="session")
def commons() -> Iterator[Running]:
    """A real server with a site admin."""
    base = make_data_base()
    running = start_commons(base / "data", "--min-free", "1MB")
    try:
        running.add_user(ADMIN, "--site-admin")
        yield running
        assert running.stop() == 0
    finally:
        if running.process.poll() is None:
            running.kill()
        shutil.rmtree(base, ignore_errors=True)


@pytest.fixture(scope="session")
def credentials(commons: Running, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The admin's key, saved as the Profile page saves it."""
    path = tmp_path_factory.mktemp("key") / "credentials.json"
    path.write_text(json.dumps(commons.key(ADMIN, "gen3")))
    return path


@pytest.fixture
def real(credentials: Path) -> Iterator[Gen3]:
    """A client of the real server, which it finds by its key alone."""
    with Gen3(credentials=credentials) as client:
        yield client
