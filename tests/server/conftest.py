"""One running server for all tests of this folder; those that break it start their own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from tests.conftest import make_data_base
from tests.running import ADMIN, Running, start_commons


@pytest.fixture(scope="session")
def commons() -> Iterator[Running]:
    base = make_data_base()
    running = start_commons(base / "data", "--min-free", "1MB", "--support-contact", "help@example.org")
    try:
        running.add_user(ADMIN, "--site-admin")
        yield running
        assert running.stop() == 0
    finally:
        if running.process.poll() is None:
            running.kill()
        shutil.rmtree(base, ignore_errors=True)


@pytest.fixture(scope="session")
def admin(commons: Running) -> dict[str, str]:
    """Headers of a site admin."""
    return commons.bearer(ADMIN)
