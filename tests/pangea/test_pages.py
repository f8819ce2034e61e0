"""The code of docs/how-to/use-the-pangea-client.md runs: only the host and the names that are unique change."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.pangea.conftest import PASSWORD, Pangea, Person

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "use-the-pangea-client.md"


def test_the_client_s_page_works(pangea: Pangea, ann: Person, tmp_path: Path):
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    script = "\n".join(blocks).replace("https://commons.example.org", pangea.url)
    (tmp_path / "plot-1.fastq.gz").write_bytes(os.urandom(5_000))
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(tmp_path), "EMAIL": ann.email, "PASSWORD": PASSWORD, "NO_PROXY": "*",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "['plot-1', 'plot-2']" in done.stdout
    assert "plot-1/plot-1.kraken2.reads.fastq.gz" in done.stdout
    assert "3 {'n_samples': 3, 'kraken2': 1}" in done.stdout
    assert (tmp_path / "copy.fastq.gz").read_bytes() == (tmp_path / "plot-1.fastq.gz").read_bytes()
