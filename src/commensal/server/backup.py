"""Backup to a folder and restore from it.

::

    DIR/manifest.json       what is in here, with digests
    DIR/database.dump       pg_dump's custom format
    DIR/blobs.jsonl         one line for each stored blob: key, size, sha256
    DIR/blobs/ab/cd/…       the bytes; a later backup into the same folder copies only what is new
    DIR/settings.json       the options that the data folder keeps
    DIR/master-key/         the master key, apart: move it to another, safe place

The dump is made first and the bytes are copied after it, while nothing is purged: so every blob that the
dump names is in the copy, whatever the running server stores meanwhile.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg

from commensal import __version__
from commensal.errors import SetupError
from commensal.server.local import Local, local_database, settings_of
from commensal.server.master_key import master_key
from commensal.server.settings import SETTINGS_FILE
from commensal.storage.blobs.local import LocalBlobs
from commensal.storage.embedded import EmbeddedPostgres
from commensal.storage.embedded.backup import dump_database, restore_database
from commensal.storage.postgres.files import PURGE_LOCK
from commensal.storage.postgres.migrate import migrate

__all__ = ["backup", "restore"]

FORMAT = 1
_BLOCK = 1024 * 1024
#: Options that name places of the old machine; the restored commons starts without them.
_PLACES = ("database", "blobs")


@dataclass(frozen=True, slots=True)
class _Blob:
    key: str
    size: int
    sha256: str


def _path(folder: Path, key: str) -> Path:
    return folder / key[:2] / key[2:4] / key


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write(path: Path, data: bytes) -> None:
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def _copy(source: Path, target: Path, blob: _Blob) -> bool:
    """Copy one blob and check it on the way; returns False when the bytes are not those that were stored."""
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    digest = hashlib.sha256()
    try:
        with source.open("rb") as reading, part.open("wb") as writing:
            while block := reading.read(_BLOCK):
                digest.update(block)
                writing.write(block)
            writing.flush()
            os.fsync(writing.fileno())
    except FileNotFoundError:
        return False
    if digest.hexdigest() != blob.sha256:
        part.unlink()
        return False
    part.replace(target)
    return True


async def _blobs(dsn: str) -> list[_Blob]:
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch("select key, size, encode(sha256, 'hex') as sha256 from blobs order by key")
    finally:
        await connection.close()
    return [_Blob(row["key"], row["size"], row["sha256"]) for row in rows]


# --- backup


def _target(folder: Path, data: Path) -> None:
    if folder == data or folder in data.parents or data in folder.parents:
        raise SetupError("A backup does not belong inside the data folder, nor around it: choose another folder.")
    if folder.exists() and any(folder.iterdir()) and not (folder / "manifest.json").exists():
        raise SetupError(f"{folder} holds other things: choose an empty folder, or one of earlier backups.")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SetupError(f"{folder} cannot be made: {error.strerror}.") from None


async def backup(data: str | None, target: str) -> list[str]:
    """Write a backup; returns lines to show. Raises SetupError, also when stored bytes are damaged."""
    folder = Path(target).expanduser().absolute()
    async with local_database(data) as local:
        if "://" in (local.settings.blobs or ""):
            raise SetupError(
                "The bytes of files are in an S3 bucket, which this command does not copy: back up the database with "
                "pg_dump and the bucket by the tools of its store."
            )
        _target(folder, local.folder.path)
        revision = "yes" if await migrate(local.dsn) else "no"
        guard = await asyncpg.connect(local.dsn)
        try:
            await guard.execute("select pg_advisory_lock_shared($1)", PURGE_LOCK)
            dump = folder / "database.dump"
            bin_folder = local.postgres.bin if local.postgres is not None else None
            await asyncio.to_thread(dump_database, local.dsn, dump, bin_folder=bin_folder)
            blobs = await _blobs(local.dsn)
            copied, damaged = await asyncio.to_thread(_copy_all, local.settings.blob_folder, folder / "blobs", blobs)
        finally:
            await guard.close()
        await asyncio.to_thread(_finish, local, folder, blobs, revision)
    if damaged:
        shown = ", ".join(damaged[:5])
        raise SetupError(
            f"The backup in {folder} is written, but {len(damaged)} stored files are missing or damaged in the data "
            f"folder and are not in it: {shown}{' …' if len(damaged) > 5 else ''}."
        )
    size = sum(blob.size for blob in blobs)
    done = (
        f"Backup in {folder}: database {dump.stat().st_size:,} bytes, {len(blobs):,} blobs with {size:,} bytes "
        f"({copied:,} copied now)."
    )
    advice = (
        f"The master key is in {folder / 'master-key'}: move it to another, safe place. Who has both can read and "
        "sign everything; without it the keys of all users end."
    )
    return [done, advice]


def _copy_all(source: Path, target: Path, blobs: list[_Blob]) -> tuple[int, list[str]]:
    """Copy what is new and remove what is no longer named; returns how many were copied, and damaged keys."""
    copied = 0
    damaged: list[str] = []
    for blob in blobs:
        there = _path(target, blob.key)
        if there.exists() and there.stat().st_size == blob.size:
            continue
        if _copy(_path(source, blob.key), there, blob):
            copied += 1
        else:
            damaged.append(blob.key)
    wanted = {blob.key for blob in blobs}
    for path in _stored(target):
        if path.name not in wanted:
            path.unlink()
    return copied, damaged


def _stored(folder: Path) -> Iterator[Path]:
    yield from sorted(folder.glob("*/*/*"))


def _finish(local: Local, folder: Path, blobs: list[_Blob], migrated: str) -> None:
    lines = "".join(
        json.dumps({"key": blob.key, "size": blob.size, "sha256": blob.sha256}) + "\n" for blob in blobs
    ).encode()
    _write(folder / "blobs.jsonl", lines)
    keys = folder / "master-key"
    keys.mkdir(mode=0o700, exist_ok=True)
    _write(keys / "master.key", local.key)
    kept = local.folder.settings_file
    _write(folder / SETTINGS_FILE, kept.read_bytes() if kept.exists() else b"{}\n")
    dump = folder / "database.dump"
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "program": __version__,
        "migrated_first": migrated,
        "database": {"size": dump.stat().st_size, "sha256": _digest(dump)},
        "blobs": {
            "count": len(blobs),
            "bytes": sum(blob.size for blob in blobs),
            "manifest_sha256": hashlib.sha256(lines).hexdigest(),
        },
        "master_key_sha256": hashlib.sha256(local.key).hexdigest(),
    }
    _write(folder / "manifest.json", json.dumps(manifest, indent=2).encode() + b"\n")


# --- restore


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / "manifest.json"
    try:
        manifest = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise SetupError(f"{folder} holds no finished backup: there is no manifest.json.") from None
    except (OSError, ValueError) as error:
        raise SetupError(f"{path} cannot be read: {error}.") from None
    if manifest.get("format") != FORMAT:
        raise SetupError(f"{folder} was written by another version of commensal: install the newer one.")
    return manifest


def _check(folder: Path, manifest: dict[str, Any]) -> list[_Blob]:
    """Check dump and manifest against their digests; returns the blobs."""
    dump = folder / "database.dump"
    if not dump.is_file() or _digest(dump) != manifest["database"]["sha256"]:
        raise SetupError(f"{dump} is missing or damaged: this backup cannot be restored.")
    lines = (folder / "blobs.jsonl").read_bytes() if (folder / "blobs.jsonl").is_file() else b""
    if hashlib.sha256(lines).hexdigest() != manifest["blobs"]["manifest_sha256"]:
        raise SetupError(f"{folder / 'blobs.jsonl'} is missing or damaged: this backup cannot be restored.")
    return [_Blob(**json.loads(line)) for line in lines.splitlines()]


def _key(folder: Path, given: str | None, manifest: dict[str, Any]) -> bytes:
    path = Path(given).expanduser() if given else folder / "master-key" / "master.key"
    if path.is_dir():
        path = path / "master.key"
    if not path.is_file() and not os.environ.get("COMMENSAL_MASTER_KEY"):
        raise SetupError(f"There is no master key at {path}: name it with --master-key FILE.")
    key = master_key(path)
    if hashlib.sha256(key).hexdigest() != manifest["master_key_sha256"]:
        raise SetupError("This is not the master key of the backup: name the right one with --master-key FILE.")
    return key


async def restore(data: str | None, source: str, key_file: str | None) -> list[str]:
    """Bring a backup back; returns lines to show. Raises SetupError, and leaves a data folder with data untouched."""
    folder = Path(source).expanduser().absolute()
    manifest = _read_manifest(folder)
    blobs = await asyncio.to_thread(_check, folder, manifest)
    key = _key(folder, key_file, manifest)
    settings, place = settings_of(data)
    if place.pg.exists() or place.master_key_file.exists() or any(place.blobs.glob("*")):
        raise SetupError(f"{place.path} holds a commons already: restore into a new folder (--data DIR).")
    place.prepare(database=settings.database is None)
    _write(place.master_key_file, key)
    kept = json.loads((folder / SETTINGS_FILE).read_bytes())
    _write(place.settings_file, json.dumps({k: v for k, v in kept.items() if k not in _PLACES}).encode())
    missing = await asyncio.to_thread(_copy_all, folder / "blobs", settings.blob_folder, blobs)
    if missing[1]:
        raise SetupError(
            f"{len(missing[1])} files of the backup are missing or damaged, for example {missing[1][0]}: nothing was "
            f"restored. Remove {place.path} before the next try."
        )
    postgres = None if settings.database is not None else EmbeddedPostgres(place)
    try:
        if postgres is not None:
            await asyncio.to_thread(postgres.start)
        dsn = settings.database or (postgres.app_dsn if postgres is not None else "")
        bin_folder = postgres.bin if postgres is not None else None
        await asyncio.to_thread(restore_database, dsn, folder / "database.dump", bin_folder=bin_folder)
        await migrate(dsn)
        await _compare(dsn, LocalBlobs(settings.blob_folder))
    finally:
        if postgres is not None:
            await asyncio.to_thread(postgres.stop)
    size = sum(blob.size for blob in blobs)
    return [
        f"Restored the backup of {manifest['made']} into {place.path}: {len(blobs):,} blobs with {size:,} bytes.",
        f"Start it with: commensal serve --data {shlex.quote(str(place.path))}",
    ]


async def _compare(dsn: str, blobs: LocalBlobs) -> None:
    """Make sure that every blob that the database names is there, with its size."""
    missing = [blob.key for blob in await _blobs(dsn) if await blobs.size(blob.key) != blob.size]
    if missing:
        raise SetupError(f"{len(missing)} files that the database names are not in the backup: {missing[0]}.")
