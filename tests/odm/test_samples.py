"""The four samples of the document, as they stand there: only the import lines, host, id, filter and query change."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.odm.conftest import Odm

OURS = {
    "import odm_api\n": "import os\nimport commensal.client.odm as odm_api\n",
    "from odm_api.rest import": "from commensal.client.odm.rest import",
    "from odm_api.models.list_response import": "from commensal.client.odm.models.list_response import",
}
ANSWERS = {
    "get_file_as_user": "The response of FilesAsUserApi->get_file_as_user:\n",
    "get_file_metadata_by_id_as_user": "The response of FilesAsUserApi->get_file_metadata_by_id_as_user:\n",
    "get_files_metadata_as_user": "The response of FilesAsUserApi->get_files_metadata_as_user:\n",
    "head_file_as_user": "",
}


@pytest.fixture(scope="session")
def samples(shared: Path) -> dict[str, str]:
    """The samples by the operation they show."""
    (document,) = (shared / "documents").glob("003_*.txt")
    text = document.read_text()
    found = re.findall(
        r"^import odm_api\n.*?^        print\(\"Exception when calling.*?\n", text, re.DOTALL | re.MULTILINE
    )
    made = {re.search(r"FilesAsUserApi->(\w+)", one)[1]: one for one in found}  # pyright: ignore[reportOptionalSubscript]
    assert set(made) == set(ANSWERS)
    return made


@pytest.mark.parametrize("operation", ANSWERS)
def test_a_sample_runs(odm: Odm, samples: dict[str, str], own_python: Path, tmp_path: Path, operation: str):
    script = samples[operation]
    changed = {
        **OURS,
        'host = "http://localhost"': f'host = "{odm.url}"',
        "'id_example'": f"'{odm.files['loops.h5']}'",
        "'filter_example'": "'genestack:name=loops.h5'",
        "'query_example'": "'loops'",
        "page_offset = 56": "page_offset = 0",
    }
    for old, new in changed.items():
        script = script.replace(old, new)
    done = subprocess.run(
        [str(own_python), "-c", script],
        cwd=tmp_path,
        env={"API_KEY": odm.keys["analyst"]["api_token"], "HOME": str(tmp_path), "NO_PROXY": "*"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "Exception when calling" not in done.stdout
    assert done.stdout.startswith(ANSWERS[operation])
    if operation == "get_file_as_user":
        assert done.stdout.count("bytearray(b") == 1
    elif operation == "get_file_metadata_by_id_as_user":
        assert f"'genestack:accession': '{odm.files['loops.h5']}'" in done.stdout
    elif operation == "get_files_metadata_as_user":
        assert "ListResponse(" in done.stdout
        assert "total=1" in done.stdout
        assert "'genestack:name': 'loops.h5'" in done.stdout
    else:
        assert done.stdout == ""


def test_a_sample_without_a_key_says_so(odm: Odm, samples: dict[str, str], own_python: Path, tmp_path: Path):
    script = samples["head_file_as_user"]
    for old, new in {**OURS, "http://localhost": odm.url}.items():
        script = script.replace(old, new)
    environment = {"API_KEY": "wrong", "HOME": str(tmp_path), "NO_PROXY": "*"}
    done = subprocess.run([str(own_python), "-c", script], env=environment, capture_output=True, text=True, timeout=60)
    assert "Exception when calling FilesAsUserApi->head_file_as_user: (401)" in done.stdout
