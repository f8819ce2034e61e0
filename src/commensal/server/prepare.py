"""What happens once at each start, in a process of its own: schema, dictionary, demo accounts and data.

``python -m commensal.server.prepare``, started by the supervisor only. Like a worker it imports first
and waits for one line of JSON; then it writes one line of JSON for each thing done.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

import msgspec

from commensal.errors import CommensalError
from commensal.server import first_steps
from commensal.server.schema import bring_up
from commensal.server.settings import Settings

__all__ = ["main"]

CONNECT_SECONDS = 30.0
_status_fd = int(os.environ.get("COMMENSAL_STATUS_FD", "2"))


class PrepareConfig(msgspec.Struct):
    """The line that the supervisor sends."""

    settings: dict[str, Any]
    dsn: str
    master_key: str


def _say(kind: str, **fields: Any) -> None:
    os.write(_status_fd, msgspec.json.encode({"kind": kind, **fields}) + b"\n")


async def _run(config: PrepareConfig) -> None:
    settings = Settings.decode(config.settings)
    await bring_up(
        config.dsn,
        foreign=settings.database is not None,
        seconds=CONNECT_SECONDS,
        tell=lambda text: _say("note", text=text),
    )
    async with first_steps.open_services(settings, config.dsn, bytes.fromhex(config.master_key)) as services:
        await first_steps.load_dictionary(services, settings)
        if "://" not in (settings.blobs or ""):  # a bucket, which answers slowly, is swept by the hourly job alone
            await services.uploads.sweep()
        _say("prepared")
        if settings.demo:
            _say("demo", accounts=await first_steps.demo_accounts(services))
            try:
                _say("note", text=await first_steps.demo_data(services))
            except CommensalError as error:  # for example a dictionary without these types; the server goes on
                _say("note", text=f"The demo data was not written: {error.message}")
    _say("done")


def main() -> int:
    """Do it and return the exit status."""
    line = sys.stdin.buffer.readline()
    if not line.strip():
        return 0
    config = msgspec.json.decode(line, type=PrepareConfig)
    from commensal.server.logs import configure_logs

    configure_logs()
    try:
        asyncio.run(_run(config))
    except CommensalError as error:
        _say("error", text=error.message)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
