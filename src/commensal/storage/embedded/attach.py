"""For commands beside a running server: does one run here, and how is its database reached?"""

from __future__ import annotations

import os

from commensal.errors import WrongOwner
from commensal.storage.embedded.account import Account, account_name
from commensal.storage.embedded.cluster import APP_ROLE, DATABASE
from commensal.storage.embedded.layout import DataFolder
from commensal.storage.embedded.lock import is_locked
from commensal.storage.embedded.pidfile import is_server_of, read_pid_file
from commensal.storage.embedded.secret import read_secret
from commensal.storage.embedded.supervisor import socket_dsn

__all__ = ["attach_dsn", "is_running"]


def is_running(folder: DataFolder) -> bool:
    """Whether a commensal owns this data folder now. Raises :class:`WrongOwner` when it may not be read."""
    return is_locked(folder.lock_file)


def attach_dsn(folder: DataFolder) -> str | None:
    """The address of the running embedded database for the role of the program; None when none is ready.

    The socket's place comes from the server itself, so it does not matter which environment this
    command has. Raises :class:`WrongOwner` when the folder belongs to another account.
    """
    if not is_running(folder):
        return None
    state = read_pid_file(folder.pg)
    if state is None or not state.ready or not state.socket_folder:
        return None
    try:
        info = folder.pg.stat()
    except PermissionError:
        raise WrongOwner(f"{folder.path} belongs to another account: run this as that account") from None
    secret = read_secret(folder.app_secret_file)
    owner = Account(account_name(info.st_uid), info.st_uid, info.st_gid, switch=os.geteuid() == 0 != info.st_uid)
    if secret is None or not is_server_of(folder.pg, state.pid, owner):
        return None
    return socket_dsn(APP_ROLE, secret, DATABASE, state.socket_folder, state.port)
