"""Services for a command at the console: beside a running server, or with a database started for the moment."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from commensal.errors import NotFound, SetupError
from commensal.server.edge import FreeSpace
from commensal.server.master_key import master_key
from commensal.server.settings import Settings, load_settings
from commensal.services import Services
from commensal.storage.embedded import DataFolder, EmbeddedPostgres, attach_dsn, is_running

if TYPE_CHECKING:
    from commensal.importers.sink import Sink

__all__ = ["Local", "local_database", "local_services", "local_sink"]

#: Seconds that a command waits for a server that is just starting.
WAIT_SECONDS = 30.0


class Local:
    """What a command has: settings, the data folder, the database's address, and its own PostgreSQL if it runs one."""

    def __init__(self, settings: Settings, folder: DataFolder, dsn: str, postgres: EmbeddedPostgres | None) -> None:
        self.settings = settings
        self.folder = folder
        self.dsn = dsn
        self.postgres = postgres

    @property
    def key(self) -> bytes:
        """The master key."""
        return master_key(self.folder.master_key_file)


def settings_of(data: str | None) -> tuple[Settings, DataFolder]:
    """Return the settings kept in a data folder, and the folder.

    What only a server does (a demo, ports) plays no part here, so the environment's values for it are left out.
    """
    settings = load_settings(data, {"demo": ""})
    folder = DataFolder(settings.data)
    folder.check_account()  # beside a server of another account, root would leave files that it cannot read
    return replace(settings, data=str(folder.path)), folder


@asynccontextmanager
async def local_database(data: str | None) -> AsyncIterator[Local]:
    """Give the database's address: of a running server, else of a PostgreSQL that runs until the block ends."""
    end = time.monotonic() + WAIT_SECONDS
    while True:
        settings, folder = settings_of(data)  # a server that is starting keeps its --database once it is ready
        if settings.database is not None:
            folder.prepare(database=False)
            yield Local(settings, folder, settings.database, None)
            return
        if not is_running(folder):
            break
        dsn = attach_dsn(folder)
        if dsn is not None:
            yield Local(settings, folder, dsn, None)
            return
        if time.monotonic() > end:
            raise SetupError(
                f"A server uses {folder.path}, and its database is not ready; try again when the server is."
            )
        await asyncio.sleep(0.1)
    postgres = EmbeddedPostgres(folder)
    try:
        await asyncio.to_thread(postgres.start)
        yield Local(settings, folder, postgres.app_dsn, postgres)
    finally:
        await asyncio.to_thread(postgres.stop)


@asynccontextmanager
async def local_services(data: str | None) -> AsyncIterator[tuple[Services, Local]]:
    """Give the services on a data folder, whether a server runs there or not; a new folder becomes a commons."""
    from commensal.server.first_steps import load_dictionary, open_services
    from commensal.server.schema import bring_up

    async with local_database(data) as local:
        fresh = await bring_up(local.dsn, foreign=local.settings.database is not None)
        Path(local.settings.blob_folder).mkdir(mode=0o700, parents=True, exist_ok=True)
        async with open_services(local.settings, local.dsn, local.key) as services:
            if local.postgres is not None or fresh:
                # Later, what stands in the database counts; a server that is given another one says so.
                await load_dictionary(services, local.settings if fresh else replace(local.settings, dictionary=None))
            yield services, local


@asynccontextmanager
async def local_sink(data: str | None, owner: str | None) -> AsyncIterator[Sink]:
    """Give the sink for an import at the console; what it makes belongs to ``owner`` (an e-mail) when given."""
    from commensal.importers.service_sink import ServiceSink
    from commensal.services.identity import operator

    async with local_services(data) as (services, local):
        who = operator("import")
        if owner is not None:
            try:
                await services.identity.user(who, owner)  # a typing error is told before anything is written
            except NotFound:
                raise NotFound(f"--owner: there is no account with the e-mail {owner!r}.") from None
        yield cast("Sink", _SpaceGuarded(ServiceSink(services, who, owner=owner), local.settings))


class _SpaceGuarded:
    """A sink that writes nothing while the disk is nearly full: the free-space guard of a server, at the console."""

    def __init__(self, sink: Sink, settings: Settings) -> None:
        self._sink = sink
        self._space = FreeSpace((settings.data, str(settings.blob_folder)), settings.min_free)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._sink, name)

        async def guarded(*args: Any, **values: Any) -> Any:
            self._space.require()
            return await method(*args, **values)

        return guarded
