"""Real clients in virtual environments of their own, built once into a cache folder and used by all tests.

A test that needs one skips, with the reason, where pip cannot install it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest

INSTALL_SECONDS = 600
#: What each client is, pinned; the tests say which one they need.
CLIENTS: dict[str, tuple[str, ...]] = {
    "gen3": ("gen3==4.28.5",),
    "pangea": ("pangea-api==0.9.24",),
    "odm": ("odm-api==1.64.1",),
    "odm 1.60": ("odm-api==1.60.0",),
    "tus": ("tuspy==1.1.0",),
    "schemathesis": ("schemathesis==4.32.5",),
}


def cache_folder() -> Path:
    """Where environments are kept between runs."""
    given = os.environ.get("COMMENSAL_TEST_CACHE")
    return Path(given) if given else Path(tempfile.gettempdir()) / f"commensal-test-clients-{os.getuid()}"


@cache
def client_python(name: str) -> Path:
    """Return the interpreter of a client's environment; skips the test when it cannot be built."""
    packages = CLIENTS[name]
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    key = hashlib.sha256(" ".join((version, *packages)).encode()).hexdigest()[:10]
    home = cache_folder() / f"{name.replace(' ', '-')}-{key}"
    python = home / "bin" / "python"
    done = home / "complete"
    lock = home.with_suffix(".lock")
    home.parent.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + INSTALL_SECONDS
    while not done.exists():
        try:
            descriptor = os.open(lock, os.O_CREAT | os.O_EXCL)
        except FileExistsError:  # another run builds it
            if time.monotonic() > end or time.time() - lock.stat().st_mtime > INSTALL_SECONDS:
                lock.unlink(missing_ok=True)
            time.sleep(0.5)
            continue
        os.close(descriptor)
        try:
            _build(home, packages)
            done.touch()
        except (subprocess.SubprocessError, OSError) as error:
            shutil.rmtree(home, ignore_errors=True)
            reason = getattr(error, "stderr", "") or str(error)
            pytest.skip(f"pip cannot install {' '.join(packages)}: {reason.strip()[-300:]}")
        finally:
            lock.unlink(missing_ok=True)
    return python


def _build(home: Path, packages: tuple[str, ...]) -> None:
    shutil.rmtree(home, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", str(home)], check=True, capture_output=True, text=True, timeout=120)
    subprocess.run(
        [str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages],
        check=True,
        capture_output=True,
        text=True,
        timeout=INSTALL_SECONDS,
    )


def run_client(
    name: str, script: str, *args: str, folder: Path, environment: Mapping[str, str] | None = None, timeout: float = 120
) -> subprocess.CompletedProcess[str]:
    """Run a script with a client's interpreter in a folder that is also its home; its output is captured."""
    python = client_python(name)
    path = folder / "script.py"
    path.write_text(script, encoding="utf-8")
    kept = {key: value for key, value in os.environ.items() if key in ("PATH", "LANG", "SSL_CERT_FILE")}
    return subprocess.run(
        [str(python), str(path), *args],
        cwd=folder,
        env={**kept, "HOME": str(folder), "NO_PROXY": "*", **(environment or {})},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
