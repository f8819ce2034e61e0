"""Requests made from our own OpenAPI page of this door: no server error, and no status that the page does not name."""

from __future__ import annotations

from pathlib import Path

from tests.clients import run_client
from tests.gen3.conftest import Gen3

SCRIPT = "import sys\nfrom schemathesis.cli import schemathesis\nsys.exit(schemathesis())\n"


def test_what_the_page_describes_is_what_is_answered(gen3: Gen3, tmp_path: Path, torture: bool) -> None:
    done = run_client(
        "schemathesis",
        SCRIPT,
        "run",
        f"{gen3.url}/docs/gen3/openapi.json",
        *("--header", f"Authorization: bearer {gen3.token('admin')}"),
        *("--checks", "not_a_server_error,status_code_conformance"),
        *("--phases", "examples,coverage,fuzzing" if torture else "examples,fuzzing"),
        *("--max-examples", "100" if torture else "3"),
        *("--seed", "1", "--warnings", "off", "--continue-on-failure", "--request-timeout", "30"),
        folder=tmp_path,
        timeout=1200 if torture else 300,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert "No test cases were generated" not in done.stdout
