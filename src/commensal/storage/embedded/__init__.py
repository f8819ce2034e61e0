"""An embedded PostgreSQL: any PostgreSQL of major 15 or newer as a child of this process.

It needs no installation step, no open port and no rights beyond the data folder, and it is back
within about a second after a crash without losing a commit that was acknowledged.

::

    folder = DataFolder(default_data_folder())
    with EmbeddedPostgres(folder) as postgres:   # makes the cluster when there is none
        connect(postgres.app_dsn)                # and call postgres.ensure() once a second
"""

from __future__ import annotations

from commensal.storage.embedded.account import Account, drop_privileges
from commensal.storage.embedded.attach import attach_dsn, is_running
from commensal.storage.embedded.binaries import Binaries, find_all
from commensal.storage.embedded.layout import DataFolder, default_data_folder
from commensal.storage.embedded.lock import FolderLock
from commensal.storage.embedded.process import die_with_parent
from commensal.storage.embedded.supervisor import EmbeddedPostgres

__all__ = [
    "Account",
    "Binaries",
    "DataFolder",
    "EmbeddedPostgres",
    "FolderLock",
    "attach_dsn",
    "default_data_folder",
    "die_with_parent",
    "drop_privileges",
    "find_all",
    "is_running",
]
