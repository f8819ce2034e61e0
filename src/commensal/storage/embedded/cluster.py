"""Making the cluster, its role and its database, before any server listens.

Role and database are made by PostgreSQL's single-user mode inside ``pg.init``, and that folder is
renamed to ``pg`` last: a cluster that exists is complete, so no start has to look.
"""

from __future__ import annotations

import pwd
import re
import shutil
from pathlib import Path

from commensal.errors import SetupError
from commensal.storage.embedded.account import Account
from commensal.storage.embedded.binaries import Binaries
from commensal.storage.embedded.layout import DataFolder
from commensal.storage.embedded.process import run
from commensal.storage.embedded.secret import new_secret, read_secret, sync_folder, write_secret

__all__ = ["APP_ROLE", "DATABASE", "NO_SPACE", "SUPERUSER", "ensure_cluster", "failure"]

SUPERUSER = "commensal"
APP_ROLE = "commensal_app"
DATABASE = "commensal"

NO_SPACE = "No space left on device"


def failure(doing: str, output: str, folder: Path) -> SetupError:
    """The sentence for a program of PostgreSQL that failed and wrote ``output``."""
    for line in output.splitlines():
        if NO_SPACE not in line:
            continue
        if "shared memory" in line:
            return SetupError(
                f"{doing}: the shared memory of this machine or container is full (/dev/shm; "
                f"with Docker: --shm-size 256m). PostgreSQL says: {line.strip()}"
            )
        if "semaphore" not in line:
            return SetupError(
                f"{doing}: the disk of {folder} is full; free space on it, then start again. "
                f"PostgreSQL says: {line.strip()}"
            )
    hidden = re.sub(r"PASSWORD '[^']*'", "PASSWORD '***'", output)
    return SetupError(f"{doing}: {hidden.strip()[-2000:] or 'the program ended without a word'}")


def ensure_cluster(folder: DataFolder, binaries: Binaries) -> None:
    """Make the cluster when there is none; give both roles new passwords when their files are gone.

    The caller holds the folder's lock and no server runs. An interrupted run leaves nothing that a
    later one would take for a cluster.
    """
    files = (folder.pg_secret_file, folder.app_secret_file)
    fresh = {file: new_secret() for file in files if read_secret(file) is None}
    if not (folder.pg / "PG_VERSION").exists():
        for file, secret in fresh.items():
            write_secret(file, secret)
        _make(folder, binaries)
    elif fresh:
        roles = {folder.pg_secret_file: SUPERUSER, folder.app_secret_file: APP_ROLE}
        statements = [f"ALTER ROLE {roles[file]} PASSWORD '{secret}';" for file, secret in fresh.items()]
        _single_user(folder, binaries, folder.pg, statements)
        for file, secret in fresh.items():
            write_secret(file, secret)


def _make(folder: DataFolder, binaries: Binaries) -> None:
    account = folder.account
    _need_entry(account)
    if folder.pg.exists() and any(folder.pg.iterdir()):
        raise SetupError(
            f"{folder.pg} holds files but no PG_VERSION, so it is no complete database: restore it from a backup, "
            "or move it away to begin anew"
        )
    shutil.rmtree(folder.pg_init, ignore_errors=True)
    folder.pg_init.mkdir(mode=0o700)
    account.own(folder.pg_init)
    password_file = folder.run / "init.password"  # initdb reads it as PostgreSQL's account
    password_file.unlink(missing_ok=True)
    write_secret(password_file, read_secret(folder.pg_secret_file) or "")
    account.own(password_file)
    try:
        status, output = run(_initdb(binaries, folder.pg_init, password_file), account)
    finally:
        password_file.unlink(missing_ok=True)
    if status:
        raise failure("the database cannot be made (initdb)", output, folder.path)
    app_password = read_secret(folder.app_secret_file)
    statements = [
        f"CREATE ROLE {APP_ROLE} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD '{app_password}';",
        f"CREATE DATABASE {DATABASE} OWNER {APP_ROLE} TEMPLATE template0;",
    ]
    _single_user(folder, binaries, folder.pg_init, statements)
    folder.pg_init.rename(folder.pg)
    sync_folder(folder.path)


def _need_entry(account: Account) -> None:
    try:
        pwd.getpwuid(account.uid)
    except KeyError:
        raise SetupError(
            f"this process runs as user id {account.uid}, which has no account entry (/etc/passwd), and PostgreSQL "
            "cannot make a database without one: start as an account of this machine or image, or use a server of "
            "your own with --database"
        ) from None


def _initdb(binaries: Binaries, target: Path, password_file: Path) -> list[str | Path]:
    if binaries.major >= 17:
        locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    else:
        locale = ["--locale=C.UTF-8"]
    return [
        binaries.program("initdb"),
        *("-D", target, "-U", SUPERUSER, "-E", "UTF8", "-k", "--auth=scram-sha-256", f"--pwfile={password_file}"),
        *locale,
    ]


def _single_user(folder: DataFolder, binaries: Binaries, cluster: Path, statements: list[str]) -> None:
    """Run statements (one per line) as the superuser without a server; the first error ends it."""
    args = [binaries.program("postgres"), "--single", "-D", cluster, "-c", "exit_on_error=on", "template1"]
    status, output = run(args, folder.account, "".join(f"{statement}\n" for statement in statements))
    if status:
        raise failure("role and database cannot be made", output, folder.path)
