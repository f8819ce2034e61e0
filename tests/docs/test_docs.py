"""The documents keep their promises: generated pages are current, links lead somewhere, code blocks run.

In every page, ```` ```console ```` blocks are run line by line (``$ `` marks a command).
```` ```python ```` blocks need a server and a client: tests/client runs them, and a test here sees
that it runs them all. ``` ```text ``` blocks are shown only: what needs real input from elsewhere,
or a machine of its own.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.generate import PAGES, REFERENCE, ROOT

DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]+\]\(([^)#\s]+)(?:#[^)]*)?\)")


def _commands(page: Path) -> list[str]:
    return [
        line[2:]
        for kind, body in _BLOCK.findall(page.read_text(encoding="utf-8"))
        if kind == "console"
        for line in body.splitlines()
        if line.startswith("$ ")
    ]


def _name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("name", PAGES)
def test_generated_page_is_current(name: str) -> None:
    assert (REFERENCE / name).read_text(encoding="utf-8") == PAGES[name](), "run: make docs"


@pytest.mark.parametrize("page", DOCUMENTS, ids=_name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in _LINK.findall(page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{_name(page)} links to {target}"


@pytest.mark.parametrize("page", DOCUMENTS, ids=_name)
def test_code_blocks_say_what_they_are(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    kinds = re.findall(r"^```(\w*)$", text, re.MULTILINE)
    assert set(kinds[::2]) <= {"console", "python", "text", "json", "yaml", "graphql"}, kinds[::2]


@pytest.mark.parametrize("page", [page for page in DOCUMENTS if _commands(page)], ids=_name)
def test_commands_run(page: Path, data_base: Path) -> None:
    """Every command of a page, in order, in a fresh data folder."""
    commensal = Path(sys.executable).parent / "commensal"
    assert commensal.exists()
    environment = {
        "PATH": f"{commensal.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "HOME": str(data_base),
        "COMMENSAL_DATA": str(data_base / "data"),
        "NO_COLOR": "1",
        "LC_ALL": "C.UTF-8",
    }
    if binaries := os.environ.get("COMMENSAL_PG_BIN"):
        environment["COMMENSAL_PG_BIN"] = binaries
    bash = shutil.which("bash")
    assert bash is not None
    if page.name == "users-and-rights.md":  # the page begins where the tutorial ends
        subprocess.run([bash, "-c", "commensal admin program add PRIMER"], env=environment, cwd=data_base, check=True)
    for command in _commands(page):
        done = subprocess.run(
            [bash, "-euo", "pipefail", "-c", command],
            env=environment,
            cwd=data_base,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, f"$ {command}\n{done.stdout}\n{done.stderr}"


def test_every_page_with_python_is_run_somewhere() -> None:
    tests = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").glob("*/test_*.py"))
    for page in DOCUMENTS:
        if "```python" in page.read_text(encoding="utf-8"):
            assert f'"{page.name}"' in tests or f"/{page.name}" in tests, f"no test runs the code of {_name(page)}"


def test_every_dependency_is_explained() -> None:
    import tomllib

    page = (REFERENCE / "dependencies.md").read_text(encoding="utf-8").lower()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = [
        re.split(r"[\[<>=;! ]", line, maxsplit=1)[0]
        for line in [
            *project["dependencies"],
            *(x for extra in project["optional-dependencies"].values() for x in extra),
        ]
    ]
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").lower().replace("_", "-")
    for name in names:
        assert name.lower() in page, f"docs/reference/dependencies.md does not say why {name} is here"
        assert f"{name.lower()}==" in pins, f"constraints.txt does not pin {name}"


def test_schema_head_is_the_newest_version() -> None:
    from commensal.storage.postgres.migrate import HEAD

    versions = sorted((ROOT / "src/commensal/storage/postgres/migrations/versions").glob("m*.py"))
    assert versions[-1].name.startswith(f"m{HEAD}_")


def test_nothing_names_a_machine() -> None:
    """No file of the repository carries an absolute path of somebody's machine or a registry's host."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    bad = re.compile(r"/(?:root|home/[a-z]+|work)/|pypi\.org|registry\.npmjs")
    for name in listed.stdout.split():
        path = ROOT / name
        if (
            path.suffix in {".py", ".md", ".toml", ".txt", ".html", ".yaml", ".sh"}
            and name != "tests/docs/test_docs.py"
        ):
            assert not bad.search(path.read_text(encoding="utf-8")), name


def test_no_file_is_longer_than_600_lines() -> None:
    for path in (ROOT / "src").rglob("*.py"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 600, path.name
