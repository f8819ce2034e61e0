"""Backup and restore, compared row by row and byte by byte."""

from __future__ import annotations

import asyncio
import json
import os
import stat
from pathlib import Path
from typing import Any

import asyncpg

from commensal.server.local import local_database
from tests.running import ADMIN, run_commensal, start_commons


async def everything(data: Path) -> dict[str, list[str]]:
    """Every row of every table as text; the audit and the times of last use go on while one looks."""
    async with local_database(str(data)) as local:
        connection = await asyncpg.connect(local.dsn)
        try:
            names = await connection.fetch(
                "select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace "
                "where n.nspname = 'public' and c.relkind = 'r' order by 1"
            )
            found: dict[str, list[str]] = {}
            for (name,) in names:
                if name.startswith(("audit_", "credentials")):
                    continue
                rows = await connection.fetch(f'select t::text from "{name}" t order by 1')
                found[name] = [row[0] for row in rows if not row[0].startswith("(audit_head,")]
            return found
        finally:
            await connection.close()


def blobs(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*/*/*")}


def fill(data: Path, backup: Path) -> tuple[dict[str, Any], dict[str, list[str]]]:
    running = start_commons(data)
    try:
        running.add_user(ADMIN, "--site-admin")
        headers = running.bearer(ADMIN)
        key = running.key(ADMIN, "gen3")
        client = running.client
        client.post("/commensal/v1/programs", json={"code": "B"}, headers=headers).raise_for_status()
        client.post("/commensal/v1/programs/B/projects", json={"code": "one"}, headers=headers).raise_for_status()
        documents = [{"type": "subject", "submitter_id": f"P-{n}", "projects": {"code": "one"}} for n in range(50)]
        client.post("/commensal/v1/projects/B-one/records", json=documents, headers=headers).raise_for_status()
        for n in range(3):
            url = f"/commensal/v1/projects/B-one/files/f{n}.bin"
            client.put(url, content=os.urandom(100_000 * n), headers=headers).raise_for_status()
        said = running.admin("backup", str(backup))  # beside the running server
        assert "move it to another, safe place" in said
        before = asyncio.run(everything(data))
    finally:
        assert running.stop() == 0
    return key, before


def test_restore_gives_back_what_was_there(data_base: Path):
    data, backup, restored = data_base / "data", data_base / "backup", data_base / "restored"
    key, before = fill(data, backup)
    assert stat.S_IMODE((backup / "database.dump").stat().st_mode) == 0o600
    assert stat.S_IMODE((backup / "master-key" / "master.key").stat().st_mode) == 0o600
    manifest = [json.loads(line) for line in (backup / "blobs.jsonl").read_text().splitlines()]
    assert [blob["size"] for blob in sorted(manifest, key=lambda b: b["size"])] == [0, 100_000, 200_000]

    apart = data_base / "key"
    (backup / "master-key").rename(apart)
    without = run_commensal("admin", "--data", restored, "restore", backup, check=False)
    assert without.returncode == 1
    assert "--master-key" in without.stderr
    run_commensal("admin", "--data", restored, "restore", backup, "--master-key", apart / "master.key")
    assert asyncio.run(everything(restored)) == before
    assert blobs(restored / "blobs") == blobs(data / "blobs")
    assert (restored / "master.key").read_bytes() == (data / "master.key").read_bytes()
    assert "whole" in run_commensal("admin", "--data", restored, "audit", "verify").stdout

    again = run_commensal("admin", "--data", restored, "restore", backup, "--master-key", apart, check=False)
    assert again.returncode == 1
    assert "holds a commons already" in again.stderr

    running = start_commons(restored)
    token = running.client.post("/commensal/v1/access-token", json={"api_key": key["api_key"]})
    assert token.status_code == 200, "keys made before the backup go on working"
    assert running.stop() == 0


def test_a_later_backup_copies_what_is_new_and_a_damaged_one_is_refused(data_base: Path):
    data, backup = data_base / "data", data_base / "backup"
    fill(data, backup)
    second = run_commensal("admin", "--data", data, "backup", backup)
    assert "(0 copied now)" in second.stdout
    inside = run_commensal("admin", "--data", data, "backup", data / "blobs", check=False)
    assert inside.returncode == 1
    stuff = data_base / "stuff"
    stuff.mkdir()
    (stuff / "thesis.txt").write_text("x")
    assert run_commensal("admin", "--data", data, "backup", stuff, check=False).returncode == 1

    victim = next(path for path in (backup / "blobs").glob("*/*/*") if path.stat().st_size)
    good = victim.read_bytes()
    victim.write_bytes(bytes([good[0] ^ 1]) + good[1:])
    refused = run_commensal("admin", "--data", data_base / "r1", "restore", backup, check=False)
    assert refused.returncode == 1
    assert victim.name in refused.stderr
    victim.write_bytes(good)

    dump = backup / "database.dump"
    dump.write_bytes(dump.read_bytes()[:-1])
    refused = run_commensal("admin", "--data", data_base / "r2", "restore", backup, check=False)
    assert refused.returncode == 1
    assert "damaged" in refused.stderr
    assert not (data_base / "r2").exists()


def test_bytes_that_are_damaged_in_the_store_are_told_by_the_backup(data_base: Path):
    data, backup = data_base / "data", data_base / "backup"
    fill(data, backup)
    victim = next(path for path in (data / "blobs").glob("*/*/*") if path.stat().st_size)
    victim.write_bytes(b"x" * victim.stat().st_size)
    told = run_commensal("admin", "--data", data, "backup", data_base / "other", check=False)
    assert told.returncode == 1
    assert victim.name in told.stderr
