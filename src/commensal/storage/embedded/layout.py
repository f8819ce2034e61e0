"""The data folder: what is in it, who owns it, and the checks before anything is touched.

::

    <data>            0700; 0711 when root runs PostgreSQL under another account
      supervisor.lock the flock of the running server
      settings.json   0600  what `serve` was started with
      master.key      0600
      pg.secret       0600  password of PostgreSQL's superuser
      app.secret      0600  password of the role `commensal_app`
      pg.log          0600  what PostgreSQL says; pg.log.1 before it
      pg/             0700  the cluster, owned by PostgreSQL's account
      run/            0700  its socket, same owner (elsewhere when the path is too long for a socket)
      blobs/ logs/    0700  ours
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
import tempfile
from functools import cached_property
from pathlib import Path

from commensal.errors import SetupError, WrongOwner
from commensal.storage.embedded.account import Account, account_name, first_blocked, server_account

__all__ = ["DataFolder", "default_data_folder", "setup_error"]

MAX_SOCKET_FOLDER = 85
"""Bytes; a socket address holds 107 on Linux and 103 on macOS, and PostgreSQL adds its file name."""
MAX_PATH = 900
"""Bytes; PostgreSQL's own limit is 1024 including the files below its folder."""

_OURS = ("supervisor.lock", "settings.json", "master.key", "pg.secret", "app.secret")
_FOLDERS = ("blobs", "logs")
_NEUTRAL = {"lost+found", ".gitkeep", ".gitignore", ".dockerignore"}


def default_data_folder() -> Path:
    """``COMMENSAL_DATA``; else ./commensal-data, for root only where that is a data folder of root's already.

    A new one of root's is made in the system's place, /var/lib/commensal.
    """
    chosen = os.environ.get("COMMENSAL_DATA")
    if chosen:
        return Path(chosen)
    here = Path("commensal-data")
    return here if os.geteuid() != 0 or _is_data_of_root(here) else Path("/var/lib/commensal")


def _is_data_of_root(folder: Path) -> bool:
    """Whether root made this data folder; a folder that somebody else put there is not taken."""
    try:
        infos = (folder.lstat(), (folder / "supervisor.lock").lstat())
    except OSError:
        return False
    return stat.S_ISDIR(infos[0].st_mode) and all(info.st_uid == 0 and not info.st_mode & 0o022 for info in infos)


def setup_error(doing: str, error: OSError) -> SetupError:
    """The sentence for an operating-system error while ``doing`` something with the data folder."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return SetupError(
            f"{doing}: the disk is full ({error.strerror}); free space or choose another disk with --data"
        )
    if error.errno == errno.ENAMETOOLONG:
        return SetupError(f"{doing}: the path is too long; choose a shorter one with --data")
    return SetupError(f"{doing}: {error.strerror or error}; choose another folder with --data")


class DataFolder:
    """The places in one data folder and the rules about who owns them.

    ``run_as`` names the account for PostgreSQL when root starts it (see
    :func:`~commensal.storage.embedded.account.server_account`). Making the object touches nothing.
    """

    def __init__(self, path: Path | str, run_as: str | None = None) -> None:
        self.path = Path(path).expanduser().resolve()
        self.run_as = run_as
        self.pg = self.path / "pg"
        self.pg_init = self.path / "pg.init"
        self.pg_log = self.path / "pg.log"
        self.pg_secret_file = self.path / "pg.secret"
        self.app_secret_file = self.path / "app.secret"
        self.lock_file = self.path / "supervisor.lock"
        self.settings_file = self.path / "settings.json"
        self.master_key_file = self.path / "master.key"
        self.blobs = self.path / "blobs"
        self.logs = self.path / "logs"

    def __repr__(self) -> str:
        return f"DataFolder({str(self.path)!r})"

    @cached_property
    def account(self) -> Account:
        """The account of the PostgreSQL processes."""
        return server_account(self.run_as)

    @cached_property
    def run(self) -> Path:
        """The folder of PostgreSQL's socket: ``run`` inside, or one outside where a socket cannot have that path."""
        inside = self.path / "run"
        if _fits_socket(inside):
            return inside
        account = self.account
        name = f"commensal-{account.uid}-{hashlib.sha256(os.fsencode(self.path)).hexdigest()[:12]}"
        own_runtime = "" if account.switch else os.environ.get("XDG_RUNTIME_DIR", "")
        for base in (own_runtime, tempfile.gettempdir(), "/tmp"):  # noqa: S108 - owner and mode are checked
            folder = Path(base) / name
            if base and _fits_socket(folder) and Path(base).is_dir():
                open_to_all = first_blocked(folder, account.uid, account.gid) is None
                if open_to_all and os.access(base, os.W_OK | os.X_OK):
                    return folder
        raise SetupError(
            f"the path of the data folder {self.path} is too long for a socket, and there is no short folder for "
            "temporary files: set TMPDIR to one, or choose a shorter path with --data"
        )

    def prepare(self, *, database: bool = True) -> None:
        """Make or check the folder. Nothing is changed unless every check passed.

        ``database=False``: the database is elsewhere, so no account for PostgreSQL is needed.
        Raises :class:`WrongOwner` and :class:`SetupError`.
        """
        self._check_path()
        owner = self.account if database else Account(account_name(os.geteuid()), os.geteuid(), os.getegid())
        self._check_parents(owner)
        self._check_contents()
        if database:
            for folder in (self.pg, self.run):
                _check_owner(folder, owner.uid, folder=True)
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            _set_mode(self.path, 0o711 if owner.switch else 0o700)
            for name in _FOLDERS:
                folder = self.path / name
                folder.mkdir(mode=0o700, exist_ok=True)
                _set_mode(folder, 0o700)
            for name in _OURS:
                if (self.path / name).exists():
                    _set_mode(self.path / name, 0o600)
            if database:
                self._make_run(owner)
        except PermissionError as error:
            raise SetupError(
                f"{error.filename} cannot be made or changed by {account_name(os.geteuid())}: give this account the "
                "right to write there, or choose another folder with --data"
            ) from error
        except OSError as error:
            raise setup_error(f"the data folder {self.path} cannot be made", error) from error

    def check_account(self) -> None:
        """Raise :class:`WrongOwner` when the folder exists and belongs to another account than this process's."""
        try:
            owner = self.path.stat().st_uid
        except OSError:
            return  # what stands in the way is told by :meth:`prepare`
        if owner != os.geteuid():
            name = account_name(owner)
            raise WrongOwner(f"{self.path} belongs to {name}: run this command as {name} (sudo -u, su, setpriv)")

    def _check_path(self) -> None:
        text = os.fsencode(self.path)
        if len(text) > MAX_PATH:
            raise SetupError(
                f"the path of the data folder is too long ({len(text)} bytes, at most {MAX_PATH}): "
                "choose a shorter one with --data"
            )
        if re.search(rb"[\x00-\x1f\x7f]", text):
            raise SetupError("the path of the data folder holds a control character: choose another one with --data")

    def _check_parents(self, owner: Account) -> None:
        if owner.switch:
            blocked = first_blocked(self.path, owner.uid, owner.gid)
            if blocked is not None:
                raise SetupError(
                    f"PostgreSQL runs as {owner.name}, and this account cannot enter {blocked}: choose a data folder "
                    f"elsewhere with --data (for example /var/lib/commensal), or open {blocked} yourself (chmod o+x)"
                )

    def _check_contents(self) -> None:
        me = os.geteuid()
        try:
            info = self.path.stat()
        except FileNotFoundError:
            return
        except OSError as error:
            raise setup_error(f"the data folder {self.path} cannot be read", error) from error
        if not stat.S_ISDIR(info.st_mode):
            raise SetupError(f"{self.path} is not a folder: choose another data folder with --data")
        if info.st_uid != me:
            raise _wrong_owner(self.path, info.st_uid, me)
        try:
            names = {path.name for path in self.path.iterdir()} - _NEUTRAL
        except OSError as error:
            raise setup_error(f"the data folder {self.path} cannot be read", error) from error
        if names and not names & {*_OURS, *_FOLDERS, "pg"}:
            raise SetupError(
                f"{self.path} holds other things ({', '.join(sorted(names)[:3])}) and no data of commensal: "
                "choose an empty or new folder with --data"
            )
        for name in (*_OURS, *_FOLDERS, "pg.log"):
            _check_owner(self.path / name, me, folder=name in _FOLDERS)

    def _make_run(self, owner: Account) -> None:
        if not self.run.exists():
            # Made aside and renamed: an interrupted start leaves no folder of the wrong owner in its place.
            part = Path(tempfile.mkdtemp(prefix=f"{self.run.name}.part-", dir=self.run.parent))
            owner.own(part)
            part.rename(self.run)
        _check_owner(self.run, owner.uid, folder=True)
        _set_mode(self.run, 0o700)


def _fits_socket(folder: Path) -> bool:
    text = os.fsencode(folder)
    if len(text) > MAX_SOCKET_FOLDER or re.search(rb"[,\"']", text):
        return False
    try:
        text.decode()  # it becomes part of an address that clients read as UTF-8
    except UnicodeDecodeError:
        return False
    return True


def _set_mode(path: Path, mode: int) -> None:
    if stat.S_IMODE(path.lstat().st_mode) != mode:
        path.chmod(mode)


def _check_owner(path: Path, uid: int, *, folder: bool) -> None:
    try:
        info = path.lstat()
    except FileNotFoundError:
        return
    kind = stat.S_ISDIR if folder else stat.S_ISREG
    if not kind(info.st_mode):
        raise SetupError(f"{path} should be a {'folder' if folder else 'plain file'}: move it away, then start again")
    if info.st_uid != uid:
        raise _wrong_owner(path, info.st_uid, uid)


def _wrong_owner(path: Path, owner: int, expected: int) -> WrongOwner:
    return WrongOwner(
        f"{path} belongs to {account_name(owner)}, and this start needs it to belong to {account_name(expected)}: "
        "start as the account that used the data folder before (or with its --user NAME), or choose another folder "
        "with --data"
    )
