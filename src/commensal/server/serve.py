"""``commensal serve``: check everything, bind, hand over to the supervisor, tell the user what to do next."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from commensal.errors import SetupError
from commensal.server.banner import Banner
from commensal.server.listen import bind
from commensal.server.master_key import master_key
from commensal.server.settings import Settings, chosen_texts, load_settings, save_settings
from commensal.server.supervisor import Supervisor
from commensal.storage.embedded import DataFolder, EmbeddedPostgres, FolderLock, drop_privileges

__all__ = ["serve"]


def serve(data: str | None, chosen: Mapping[str, str]) -> int:
    """Run a commons until it is told to stop; returns the exit status.

    ``chosen``: options of the command line as texts, by field name. Raises SetupError with a sentence
    for the user.
    """
    user = chosen.get("user") or os.environ.get("COMMENSAL_USER")
    if user:
        drop_privileges(user)  # before anything of the data folder is touched, its settings included
    settings = load_settings(data, chosen)
    banner = Banner()
    if os.geteuid() == 0 and not user:
        banner.warn(_root_warning(settings))
    folder = DataFolder(settings.data)
    settings = replace(settings, data=str(folder.path))
    embedded = settings.database is None
    folder.prepare(database=embedded)
    with contextlib.ExitStack() as stack:
        if not embedded:
            lock = FolderLock(folder.lock_file)
            lock.acquire()
            stack.callback(lock.release)
        sockets = _sockets(settings, stack)
        if settings.port == 0:
            settings = replace(settings, port=sockets[0][0].getsockname()[1])
        key = master_key(folder.master_key_file)
        Path(settings.blob_folder).mkdir(mode=0o700, parents=True, exist_ok=True)
        if settings.secure:
            from commensal.server.tls import check_certificate, ensure_certificate

            (ensure_certificate if settings.tls == "auto" else check_certificate)(settings)
        banner.settings = settings
        supervisor = Supervisor(
            settings,
            key,
            sockets,
            EmbeddedPostgres(folder) if embedded else None,
            tell=banner.note,
            on_ready=lambda: _ready(settings, chosen, banner),
            on_demo=banner.demo,
        )
        return supervisor.run()


def _ready(settings: Settings, chosen: Mapping[str, str], banner: Banner) -> None:
    # Kept only now: options that did not lead to a running server are not worth remembering.
    try:
        save_settings(settings, chosen_texts(chosen))
    except (OSError, SetupError) as error:
        banner.warn(f"The settings could not be kept in {settings.data}: {error}")
    banner.ready()


def _root_warning(settings: Settings) -> str:
    if settings.database is not None:
        return "commensal runs as root: better create an account for it and give --user NAME."
    return (
        "commensal runs as root, and PostgreSQL under an account without rights: better create an account for "
        "commensal and give --user NAME."
    )


def _sockets(settings: Settings, stack: contextlib.ExitStack) -> list[tuple[socket.socket, bool]]:
    bound = [(sock, settings.secure) for sock in bind(settings.host, settings.port)]
    for sock, _ in bound:
        stack.callback(sock.close)
    if settings.http_redirect_port is not None:
        for sock in bind(settings.host, settings.http_redirect_port, "--http-redirect-port"):
            stack.callback(sock.close)
            bound.append((sock, False))
    return bound


def stderr_is_terminal() -> bool:
    """Tell whether a person looks at the messages."""
    return sys.stderr.isatty()
