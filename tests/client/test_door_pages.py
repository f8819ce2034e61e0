"""The Python code of docs/faces runs as it stands, with the real client, in an environment of its own."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from tests.clients import run_client
from tests.running import Running

FACES = Path(__file__).resolve().parents[2] / "docs" / "faces"


def _code(page: str) -> str:
    blocks = re.findall(r"^```python\n(.*?)^```$", (FACES / page).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert blocks, page
    return "\n".join(blocks)


def test_the_gen3_page_works_with_the_sdk(commons: Running, credentials: Path, tmp_path: Path) -> None:
    shutil.copy(credentials, tmp_path / "credentials.json")
    rows = ["type\tsubmitter_id\ttissue", "sample\ts1\tkidney", "sample\ts2\tlung"]
    (tmp_path / "samples.tsv").write_text("\n".join(rows) + "\n")
    (tmp_path / "counts.h5ad").write_bytes(b"counts")
    done = run_client("gen3", _code("gen3.md"), folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "downloads" / "counts.h5ad").read_bytes() == b"counts"
    exported = [line.split("\t") for line in done.stdout.splitlines() if line.startswith("sample\t")]
    assert {line[3] for line in exported} == {"s1", "s2"}, done.stdout
