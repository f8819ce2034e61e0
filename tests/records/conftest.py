"""Fixtures: the services on a fresh database, with the generic dictionary or our open one."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from commensal.dictionaries import compile_for_site
from commensal.storage.postgres.database import PgDatabase
from tests.records.records_site import Site, load_dictionary, make_site


@pytest.fixture
def site(database: PgDatabase) -> Site:
    """A site with our open dictionary."""
    return make_site(database)


@pytest.fixture
def generic(shared: Path) -> dict[str, Any]:
    return load_dictionary(shared / "acceptance" / "gen3" / "golden" / "generic" / "dictionary_all.json.gz")


@pytest.fixture
async def gen3_site(database: PgDatabase, generic: dict[str, Any]) -> Site:
    """A site with the generic Gen3 dictionary and the project P-J."""
    site = make_site(database)
    await site.dictionaries.start(generic, "generic")
    await site.project()
    return site


@pytest.fixture
def use(database: PgDatabase) -> Callable[[], Site]:
    return lambda: make_site(database)


@pytest.fixture
def generic_node(generic: dict[str, Any]) -> Callable[[str], Any]:
    """Types of the generic dictionary by name."""
    dictionary = _compiled(json.dumps(generic))
    return dictionary.type


@cache
def _compiled(text: str) -> Any:
    return compile_for_site(json.loads(text))
