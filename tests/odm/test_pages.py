"""The code of docs/faces/odm.md and of two pages of docs/how-to runs: only host, filter, query and links change."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from tests.clients import run_client
from tests.odm.conftest import Odm

DOCS = Path(__file__).resolve().parents[2] / "docs"


def _code(page: str, odm: Odm) -> str:
    blocks = re.findall(r"^```python\n(.*?)^```$", (DOCS / page).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert blocks
    changed = {
        "https://commons.example.org": odm.url,
        "https://data.example.org": f"http://127.0.0.1:{odm.remote.port}",
        "tissue=kidney": "genestack:name=loops.h5",
        "carcinoma": "loops",
        "kidney OR liver": "loops",
    }
    script = "\n".join(blocks)
    for old, new in changed.items():
        script = script.replace(old, new)
    return script


def test_the_door_s_page_works_with_the_real_client(odm: Odm, tmp_path: Path) -> None:
    environment = {"API_KEY": odm.keys["analyst"]["api_token"]}
    done = run_client("odm", _code("faces/odm.md", odm), folder=tmp_path, environment=environment)
    assert done.returncode == 0, done.stderr
    assert "'genestack:name': 'loops.h5'" in done.stdout
    assert "'contents'" in done.stdout


def test_the_client_s_page_works(odm: Odm, own_python: Path, tmp_path: Path) -> None:
    environment = {
        "API_KEY": odm.keys["analyst"]["api_token"], "COMMENSAL_URL": odm.url, "HOME": str(tmp_path), "NO_PROXY": "*",
    }  # fmt: skip
    script = _code("how-to/use-the-odm-client.md", odm)
    done = subprocess.run(
        [str(own_python), "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "loops.h5" in done.stdout
    assert (tmp_path / "loops.h5").read_bytes() == odm.bytes["loops.h5"]


def test_the_page_of_imports_works_with_the_real_client(odm: Odm, tmp_path: Path) -> None:
    odm.remote.put("/study.tsv", "genestack:name\tStudy Description\nOf the page\tKidneys\n")
    odm.remote.put("/counts.tsv", "gene\tS1\tS2\nBRCA1\t3\t4\n")
    environment = {"API_KEY": odm.keys["importer"]["api_token"], "COMMENSAL_URL": odm.url}
    script = _code("how-to/import-into-odm.md", odm).replace("/study.tsv", "/study.tsv?page")
    done = run_client("odm", script, folder=tmp_path, environment=environment)
    assert done.returncode == 0, done.stderr
    assert "'batch': 'lot 7'" in done.stdout
    assert "['FILE', 'SAMPLE_GROUP']" in done.stdout
