"""The account that PostgreSQL runs under, and leaving root.

PostgreSQL refuses to run as root. Two ways lead out: ``--user NAME`` makes the *whole* process leave
root before it touches the data folder (:func:`drop_privileges`), or PostgreSQL alone runs under an
existing unprivileged account (:func:`server_account`). Accounts are never created here, and nothing
outside the data folder has its mode changed.
"""

from __future__ import annotations

import os
import pwd
import stat
import sys
from dataclasses import dataclass
from pathlib import Path

from commensal.errors import SetupError

__all__ = ["Account", "account_name", "drop_privileges", "first_blocked", "server_account"]

FALLBACK_ACCOUNTS = ("commensal", "nobody")
"""Accounts that PostgreSQL runs under when root starts it without ``--user``, the first that exists."""


@dataclass(frozen=True, slots=True)
class Account:
    """The account of the PostgreSQL processes; ``switch`` when it differs from the account of this process."""

    name: str
    uid: int
    gid: int
    switch: bool = False

    def own(self, path: Path) -> None:
        """Hand ``path`` (inside the data folder, not a symbolic link) to this account."""
        if self.switch:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)


def account_name(uid: int) -> str:
    """The name for ``uid``, or ``user id N`` where no account entry names it."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user id {uid}"


def server_account(run_as: str | None = None) -> Account:
    """The account that PostgreSQL has to run under when this process starts it.

    Ordinary user: that user. Root: ``run_as``, else ``commensal`` if there is such an account, else
    ``nobody``. Raises :class:`SetupError` where that is not possible.
    """
    uid = os.geteuid()
    if uid != 0:
        name = account_name(uid)
        if run_as not in (None, name):
            raise SetupError(f"only root can run PostgreSQL as {run_as!r}; this process runs as {name}")
        return Account(name, uid, os.getegid())
    for name in (run_as,) if run_as else FALLBACK_ACCOUNTS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid == 0:
            raise SetupError(f"PostgreSQL does not run as root, and {name!r} is root: name an ordinary account")
        return Account(name, entry.pw_uid, entry.pw_gid, switch=True)
    wanted = repr(run_as) if run_as else " or ".join(map(repr, FALLBACK_ACCOUNTS))
    raise SetupError(
        f"PostgreSQL does not run as root and there is no account {wanted} for it: "
        "create an ordinary account and start with --user NAME"
    )


def passable(path: Path, uid: int, gid: int) -> bool:
    """Whether a process with this uid, this gid and no other group may enter the folder ``path``."""
    info = path.stat()
    if uid == 0:
        return True
    if info.st_uid == uid:
        return bool(info.st_mode & stat.S_IXUSR)
    if info.st_gid == gid:
        return bool(info.st_mode & stat.S_IXGRP)
    return bool(info.st_mode & stat.S_IXOTH)


def first_blocked(path: Path, uid: int, gid: int) -> Path | None:
    """The topmost existing folder above ``path`` that this account cannot enter; None when all are open."""
    for parent in reversed(path.parents):
        if parent.is_dir() and not passable(parent, uid, gid):
            return parent
    return None


def _program_files() -> list[Path]:
    """Files that this program still has to open after leaving root: interpreter, standard library, itself."""
    files = [Path(sys.executable), Path(os.__file__), Path(__file__)]
    return [path.resolve() for path in files]


def drop_privileges(name: str) -> None:
    """Make the whole process leave root for the account ``name``, for good: groups, then gid, then uid.

    Call it before the data folder, a log or a socket is opened, and before threads start. Does
    nothing when the process already runs as ``name``. Raises :class:`SetupError` for an unknown
    account, for root itself, when this process is not root, and when the account could not read the
    program's own files afterwards (for example a virtual environment below /root).
    """
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise SetupError(f"--user {name}: there is no such account on this machine") from None
    if os.geteuid() == entry.pw_uid and os.getuid() == entry.pw_uid != 0:
        return
    if os.geteuid() != 0:
        raise SetupError(f"--user {name}: only root can change to another account; start without --user")
    if entry.pw_uid == 0:
        raise SetupError(f"--user {name}: this is root; name an ordinary account")
    for path in _program_files():
        blocked = first_blocked(path, entry.pw_uid, entry.pw_gid)
        if blocked is not None:
            raise SetupError(
                f"--user {name}: this account cannot enter {blocked}, and the program needs {path}: "
                "install commensal in a folder that every account can read"
            )
    os.setgroups([])
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)
    os.environ.update(HOME=entry.pw_dir, USER=name, LOGNAME=name)
    os.environ.pop("XDG_RUNTIME_DIR", None)  # root's own; the account cannot enter it
