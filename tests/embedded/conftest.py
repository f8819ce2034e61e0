"""Scenarios run as the caller (root: PostgreSQL under another account) and as an ordinary user.

The ordinary user is a forked child that left root for ``nobody``: no program has to be started, so it
works also where the interpreter lies in a folder that only root can enter.
"""

from __future__ import annotations

import asyncio
import encodings.idna  # noqa: F401 - loaded before a child leaves root, like the others below
import os
import pickle
import pwd
import select
import shutil
import signal
import subprocess
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import psutil
import pytest

from commensal.storage.embedded import DataFolder, EmbeddedPostgres, attach, backup  # noqa: F401

ORDINARY = "nobody"
STRANGER = "daemon"
SMALL = {"shared_buffers": "16MB"}


@pytest.fixture
def data_base(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that every account can enter: pytest's own are 0700, and root's PostgreSQL is not root."""
    base = Path(tempfile.mkdtemp(prefix="commensal-test-")).resolve()
    base.chmod(0o755)
    (base / "tmp").mkdir()
    (base / "tmp").chmod(0o1777)
    monkeypatch.setattr(tempfile, "tempdir", str(base / "tmp"))  # for sockets of paths that are too long
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    yield base
    shutil.rmtree(base, ignore_errors=True)


@pytest.fixture(scope="session")
def templates() -> Iterator[Path]:
    base = Path(tempfile.mkdtemp(prefix="commensal-template-")).resolve()
    base.chmod(0o1777)
    yield base
    shutil.rmtree(base, ignore_errors=True)


def in_child(function: Callable[..., Any], *args: Any, account: str | int | None = None, seconds: float = 60) -> Any:
    """Run ``function`` in a forked child, as another account if one is given; returns or raises what it did."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            if account is not None:
                leave_root(account)
            answer = (True, function(*args))
        except BaseException as error:
            answer = (False, (error if isinstance(error, Exception) else None, traceback.format_exc()))
        try:
            try:
                data = pickle.dumps(answer)
            except Exception:
                data = pickle.dumps((False, (None, traceback.format_exc() + repr(answer))))
            with os.fdopen(writer, "wb") as file:
                file.write(data)
            status = 0
        finally:
            os._exit(status)
    os.close(writer)
    data, end = b"", time.monotonic() + seconds
    with os.fdopen(reader, "rb", buffering=0) as file:
        while True:
            ready, _, _ = select.select([file], [], [], max(0.0, end - time.monotonic()))
            if not ready:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                pytest.fail(f"the child was not done after {seconds} s")
            chunk = file.read(65536)
            if not chunk:
                break
            data += chunk
    os.waitpid(pid, 0)
    assert data, "the child died without an answer"
    done, value = pickle.loads(data)
    if done:
        return value
    error, text = value
    print(text)
    if error is not None:
        raise error
    pytest.fail(text)
    return None


def leave_root(account: str | int) -> None:
    uid, gid = (account, account) if isinstance(account, int) else pwd.getpwnam(account)[2:4]
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
    os.environ.pop("XDG_RUNTIME_DIR", None)
    os.environ["HOME"] = "/"


class Kit:
    """What scenarios need: a base folder, a cluster made beforehand, one query."""

    def __init__(self, base: Path, templates: Path) -> None:
        self.base = base
        self.templates = templates

    def ready(self, path: Path | None = None) -> DataFolder:
        """A data folder with a complete cluster, copied from one that is made once per account and major."""
        binaries = os.environ.get("COMMENSAL_PG_BIN", "default").replace("/", "_")
        template = self.templates / f"{os.geteuid()}-{binaries}"
        if not template.exists():
            part = template.with_name(template.name + ".part")
            with EmbeddedPostgres(DataFolder(part), **SMALL):
                pass
            part.rename(template)
        path = path or self.base / "data"
        subprocess.run(["cp", "-a", template, path], check=True)
        return DataFolder(path)

    def ready_below(self, base: Path, name: str) -> DataFolder:
        (base / name).parent.mkdir(exist_ok=True)
        return self.ready(base / name)

    def server(self, folder: DataFolder, **options: Any) -> EmbeddedPostgres:
        return EmbeddedPostgres(folder, **{**SMALL, **options})

    def query(self, dsn: str, sql: str, *args: Any) -> Any:
        async def ask() -> Any:
            connection = await asyncpg.connect(dsn, timeout=30)
            try:
                return await connection.fetchval(sql, *args)
            finally:
                await connection.close(timeout=10)

        return asyncio.run(ask())

    def wait(self, condition: Callable[[], Any], seconds: float = 60) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "it did not come true"
            time.sleep(0.02)

    def gone(self, pid: int) -> bool:
        try:
            return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True

    in_child = staticmethod(in_child)


@pytest.fixture
def kit(data_base: Path, templates: Path) -> Kit:
    return Kit(data_base, templates)


@pytest.fixture(params=["caller", "ordinary"])
def play(request: pytest.FixtureRequest, kit: Kit) -> Callable[..., Any]:
    """Runs ``scenario(kit, *args)`` as the caller, and from root also as an ordinary user."""
    if request.param == "caller":
        return lambda scenario, *args: scenario(kit, *args)
    if os.geteuid() != 0:
        pytest.skip("this run is an ordinary user's already")
    shutil.chown(kit.base, ORDINARY)
    return lambda scenario, *args: in_child(scenario, kit, *args, account=ORDINARY)


@pytest.fixture
def root() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root, to act as several accounts")
