"""The inside of one worker: database, services, faces, the app, and the tasks beside the requests."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Any

from starlette.types import ASGIApp

from commensal.errors import CommensalError, SetupError
from commensal.faces.commensal.caller import authenticate
from commensal.faces.face import Faces, load_faces
from commensal.server.app import AUDIT_CONNECTIONS, BackgroundTasks, build_services
from commensal.server.chain import build_chain
from commensal.server.docs.face import docs_face
from commensal.server.edge import Edge, FreeSpace
from commensal.server.health import health_face
from commensal.server.metrics import Metrics
from commensal.server.settings import Settings
from commensal.storage.postgres.database import PgDatabase

__all__ = ["Worker", "connections_per_worker"]

#: Connections that all workers together may hold; the embedded server takes 60.
CONNECTIONS = 48
CHECK_SECONDS = 1.0
#: How long a start waits for the database before it answers with 503.
FIRST_SECONDS = 5.0
#: When the start lines tell how the parser of files is confined.
CONFINEMENT_SECONDS = 3.0


def connections_per_worker(workers: int) -> int:
    """Return the size of one worker's pool, without the audit's own connections."""
    return max(2, min(10, CONNECTIONS // workers - AUDIT_CONNECTIONS - 1))


class Worker:
    """One worker; ``app`` answers from the start, with 503 until the database is reached."""

    def __init__(self, settings: Settings, dsn: str, master_key: bytes, *, log: Any) -> None:
        self.settings = settings
        self.log = log
        self.database = PgDatabase(dsn, size=connections_per_worker(settings.workers))
        self.audit_database = PgDatabase(dsn, size=AUDIT_CONNECTIONS, application="commensal audit", sessions=True)
        self.services = build_services(settings, self.database, self.audit_database, master_key)
        self.metrics = Metrics()
        space = FreeSpace((settings.data, str(settings.blob_folder)), settings.min_free)
        self.edge = Edge(
            settings=settings, faces=Faces(()), metrics=self.metrics, space=space, services=self.services, log=log
        )
        faces = load_faces()
        self.edge.set_faces(Faces([*faces, docs_face(faces), health_face(self.edge, authenticate)]))
        self.app: ASGIApp = build_chain(self.edge)
        self._background = BackgroundTasks(self.services, log)
        self._watching: asyncio.Task[None] | None = None

    async def tell_confinement(self, tell: Callable[[str], None]) -> None:
        """Say what confines the process that parses files, a moment after the start, which it would slow down."""
        await asyncio.sleep(CONFINEMENT_SECONDS)
        tell(f"Files are parsed by a process of their own: {await self.services.file_jobs.confinement()}.")

    async def start(self, on_ready: Callable[[], None]) -> None:
        """Reach the database and start the tasks beside the requests; a database that is away is waited for later.

        Raises SetupError when the master key is not the one that this site's keys are sealed with.
        """
        end = time.monotonic() + FIRST_SECONDS
        while not await self._check() and time.monotonic() < end:
            await asyncio.sleep(0.1)
        if self.edge.ready:
            await self.services.keys.check()
        self._background.start()
        self._watching = asyncio.create_task(self._watch(on_ready), name="watch")

    async def _check(self) -> bool:
        """Ask the database whether it answers, for ``/healthz``."""
        before = self.edge.ready
        try:
            async with asyncio.timeout(6), self.database.read() as unit:
                await unit.value("select 1")
        except SetupError:
            raise
        except (CommensalError, TimeoutError) as error:
            self.edge.ready = False
            self.edge.database_error = "The database cannot be reached right now; try again in a moment."
            if before:
                self.log.warning("database", state="lost", reason=str(error))
        else:
            self.edge.ready = True
        self.metrics.ready.set(1 if self.edge.ready else 0)
        return self.edge.ready

    async def _watch(self, on_ready: Callable[[], None]) -> None:
        told = False
        while True:
            was = self.edge.ready
            if await self._check():
                if not told:
                    told = True
                    on_ready()
                elif not was:
                    self.log.info("database", state="back")
            await asyncio.sleep(CHECK_SECONDS)

    async def stop(self) -> None:
        """End the tasks, write what is queued, give the connections back."""
        if self._watching is not None:
            self._watching.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await self._watching
        await self._background.stop()
        await self.audit_database.close()
        await self.database.close()
