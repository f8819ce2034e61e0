"""The 63 cases that pass on the reference servers pass here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.gen3.conftest import Gen3


def test_all_cases_pass(gen3: Gen3, gen3_files: Path, tmp_path: Path) -> None:
    out = tmp_path / "cases.json"
    roles = [part for who in ("admin", "writer", "reader", "nobody") for part in (f"--{who}", str(gen3.key_file(who)))]
    done = subprocess.run(
        [sys.executable, str(gen3_files / "run_cases.py"), "--base", gen3.url, *roles, "--out", str(out)],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    cases = json.loads(out.read_text()) if out.exists() else []
    failed = {one["name"]: one["error"] for one in cases if not one["ok"]}
    assert not failed, done.stdout
    assert len(cases) == 63, done.stdout + done.stderr
    assert done.returncode == 0
