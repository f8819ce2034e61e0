"""Run every benchmark: ``python -m benchmarks [NAME …]``.

Each stands alone (``python -m benchmarks.NAME --dsn DSN``) and prints lines of figures. Those that
need a database get a fresh one on an embedded server that is started here with its usual settings,
or on ``COMMENSAL_TEST_DSN``.
"""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
import subprocess
import sys
import uuid
from pathlib import Path

import asyncpg

from commensal.storage.embedded import DataFolder, EmbeddedPostgres
from commensal.storage.postgres.migrate import migrate
from tests.conftest import make_data_base, with_database

#: In this order; ``start`` first, while the machine is quiet.
ORDER = ("start",)


def _names() -> list[str]:
    found = {path.stem for path in Path(__file__).parent.glob("*.py") if not path.stem.startswith("_")}
    return [*ORDER, *sorted(found - set(ORDER))]


async def _fresh(admin_dsn: str) -> str:
    name = f"commensal_bench_{uuid.uuid4().hex[:8]}"
    connection = await asyncpg.connect(admin_dsn)
    await connection.execute(f'create database "{name}"')
    await connection.close()
    dsn = with_database(admin_dsn, name)
    await migrate(dsn)
    return dsn


async def _drop(admin_dsn: str, dsn: str) -> None:
    name = dsn.partition("?")[0].rsplit("/", 1)[-1]
    connection = await asyncpg.connect(admin_dsn)
    await connection.execute(f'drop database if exists "{name}" with (force)')
    await connection.close()


def main() -> int:
    """Run the benchmarks named on the command line, or all; the status counts those that failed."""
    wanted = sys.argv[1:] or _names()
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}", flush=True)
    base = server = None
    admin_dsn = os.environ.get("COMMENSAL_TEST_DSN")
    if admin_dsn is None:
        base = make_data_base()
        folder = DataFolder(base / "data")
        folder.prepare()
        server = EmbeddedPostgres(folder)
        server.start()
        admin_dsn = server.admin_dsn("postgres")
    failed = 0
    try:
        for name in wanted:
            print(f"\n== {name}", flush=True)
            dsn = asyncio.run(_fresh(admin_dsn))
            done = subprocess.run([sys.executable, "-m", f"benchmarks.{name}", "--dsn", dsn], check=False)
            failed += done.returncode != 0
            asyncio.run(_drop(admin_dsn, dsn))
    finally:
        if server is not None:
            server.stop()
        if base is not None:
            shutil.rmtree(base, ignore_errors=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
