"""Real dictionaries: the two packages of the package index, and the resolved ones among the real input."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from commensal.core.dictionary import Dictionary, resolve
from commensal.core.validation import Validators, compile_validators
from commensal.dictionaries import compile_for_site

PACKAGES = {"gen3dictionary": "2.0.4", "gdcdictionary": "1.2.0"}


def installed(name: str) -> Path:
    """Return a folder with this one package in it, made once for all test runs of this machine and account."""
    version = PACKAGES[name]
    folder = Path(tempfile.gettempdir()) / f"commensal-test-packages-{Path.home().name}" / f"{name}-{version}"
    if (folder / "gdcdictionary").is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(dir=folder.parent))
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    try:
        done = subprocess.run(
            [*command, "--target", str(fresh), f"{name}=={version}"],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if done.returncode != 0:
            pytest.skip(f"{name} cannot be installed here: {done.stderr.strip().splitlines()[-1:]}")
        fresh.rename(folder)
    except subprocess.TimeoutExpired:
        pytest.skip(f"{name} cannot be installed here: the package index does not answer")
    except OSError:
        assert folder.is_dir(), "another run made it meanwhile"
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return folder


@pytest.fixture(scope="session")
def package() -> Callable[[str], Path]:
    """Give the folder that a dictionary package is installed in."""
    return installed


def golden(shared: Path, name: str) -> dict[str, Any]:
    folder = shared / ("acceptance/gen3/golden/generic" if name == "generic" else f"data/gen3/{name}/golden")
    with gzip.open(folder / "dictionary_all.json.gz", "rb") as stream:
        return json.load(stream)


@pytest.fixture(scope="session")
def real(shared: Path) -> dict[str, Dictionary]:
    """The dictionaries of three commons, compiled."""
    return {name: compile_for_site(resolve(golden(shared, name))) for name in ("generic", "midrc", "tcga")}


@pytest.fixture(scope="session")
def real_validators(real: dict[str, Dictionary]) -> dict[str, Validators]:
    return {name: compile_validators(dictionary) for name, dictionary in real.items()}


@pytest.fixture(scope="session")
def ours() -> Dictionary:
    return compile_for_site()


@pytest.fixture(scope="session")
def our_validators(ours: Dictionary) -> Validators:
    return compile_validators(ours)
