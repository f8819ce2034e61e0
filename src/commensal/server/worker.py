"""One worker process: ``python -m commensal.server.worker``, started by the supervisor only.

It imports everything first, then waits for one line of JSON on its standard input (settings, address
of the database, master key, numbers of the inherited sockets): so imports and the start of PostgreSQL
happen at the same time, and no secret stands in an argument or the environment. The end of the input
means that the supervisor is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import Generator
from typing import Any

import msgspec
import uvicorn
import uvloop

from commensal.errors import SetupError
from commensal.server import metrics as metrics_module
from commensal.server.collector import calm_collector
from commensal.server.logs import configure_logs
from commensal.server.protocol import Protocol
from commensal.server.settings import Settings

# What the first request would otherwise import.
import commensal.server.runtime as runtime  # isort: skip

__all__ = ["main"]

GRACE_SECONDS = 30
IDLE_SECONDS = 0.5
_status_fd = int(os.environ.get("COMMENSAL_STATUS_FD", "2"))


class WorkerConfig(msgspec.Struct):
    """The line that the supervisor sends; sockets are (file descriptor, speaks TLS)."""

    settings: dict[str, Any]
    dsn: str
    master_key: str
    sockets: list[tuple[int, bool]]
    metrics_folder: str
    number: int


class _Server(uvicorn.Server):
    """Uvicorn without signal handlers of its own: one handler stops all servers of the process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield

    async def _wait_tasks_to_complete(self) -> None:
        """Wait for requests in flight and unsent bytes, but not for peers that keep an idle connection open.

        A TLS connection is otherwise waited for until its peer, which may sleep, says goodbye.
        """
        while self.server_state.tasks:
            await asyncio.sleep(0.02)
        idle_since = time.monotonic()
        while connections := list(self.server_state.connections):
            if time.monotonic() - idle_since > IDLE_SECONDS:
                for connection in connections:
                    transport = connection.transport
                    if transport is not None and transport.get_write_buffer_size() == 0:
                        transport.abort()
            await asyncio.sleep(0.02)


def _tls_options(settings: Settings) -> dict[str, Any]:
    if settings.tls == "auto":
        from commensal.server.tls import certificate_paths

        certificate, key = certificate_paths(settings)
    else:
        certificate, _, key = settings.tls.rpartition(":")
    return {"ssl_certfile": str(certificate), "ssl_keyfile": str(key)}


def _server(app: Any, settings: Settings, *, secure: bool) -> _Server:
    config = uvicorn.Config(
        app,
        http=Protocol,
        loop="none",
        lifespan="off",
        ws="none",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=GRACE_SECONDS,
        **(_tls_options(settings) if secure else {}),
    )
    return _Server(config)


def _tell(kind: str, text: str = "") -> None:
    with contextlib.suppress(OSError):
        os.write(_status_fd, msgspec.json.encode({"kind": kind, "text": text}) + b"\n")


async def _run(config: WorkerConfig, log: Any) -> int:
    settings = Settings.decode(config.settings)
    worker = runtime.Worker(settings, config.dsn, bytes.fromhex(config.master_key), log=log)
    app = worker.app
    calm_collector()
    servers: list[tuple[_Server, socket.socket]] = []
    for fd, secure in config.sockets:
        servers.append((_server(app, settings, secure=secure), socket.socket(fileno=fd)))
    loop = asyncio.get_running_loop()

    def stop() -> None:
        worker.edge.stopping = True
        for server, _ in servers:
            server.should_exit = True

    for sig in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sig, stop)

    def supervisor_gone() -> None:
        if not os.read(0, 1024):
            loop.remove_reader(0)
            stop()

    loop.add_reader(0, supervisor_gone)
    telling: asyncio.Task[None] | None = None
    try:
        await worker.start(on_ready=lambda: _tell("ready"))
        if config.number == 0:
            telling = asyncio.create_task(worker.tell_confinement(lambda text: _tell("note", text)))
        await asyncio.gather(*(server.serve(sockets=[sock]) for server, sock in servers))
    finally:
        if telling is not None:
            telling.cancel()
        await worker.stop()
    return 0


def main() -> int:
    """Run until told to stop; returns the exit status (3: the installation is wrong)."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    line = sys.stdin.buffer.readline()
    if not line.strip():
        return 0
    config = msgspec.json.decode(line, type=WorkerConfig)
    os.environ[metrics_module.FOLDER_VARIABLE] = config.metrics_folder
    log = configure_logs()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_run(config, log))
    except SetupError as error:
        _tell("error", error.message)
        return 3


if __name__ == "__main__":
    sys.exit(main())
