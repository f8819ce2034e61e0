"""Simulated records of two other public dictionaries go in whole by the importer and come out again."""

from __future__ import annotations

import json
import shutil
import uuid
from pathlib import Path

import pytest

from tests.conftest import make_data_base
from tests.gen3.conftest import fresh_database, run_sql
from tests.running import run_commensal, start_commons


@pytest.mark.parametrize("name", ["midrc", "tcga"])
def test_simulated_records_go_in_whole(admin_dsn: str, shared: Path, name: str) -> None:
    source = shared / "data" / "gen3" / name
    base, database = make_data_base(), f"commensal_gen3_{uuid.uuid4().hex[:10]}"
    dsn = fresh_database(admin_dsn, database)
    dictionary = source / "golden" / "dictionary_all.json.gz"
    try:
        running = start_commons(base / "data", "--database", dsn, "--dictionary", str(dictionary), "--min-free", "1MB")
        try:
            running.add_user("admin@example.org", "--site-admin")
            key = running.key("admin@example.org", "gen3")
            more = ("--program", "SIM", "--project", "ONE", "--data", running.data)
            run_commensal("import", "gen3", source / "simulated", *more)
            token = running.client.post("/user/credentials/cdis/access_token", json=key).json()["access_token"]
            running.client.headers["Authorization"] = f"bearer {token}"
            place = "/api/v0/submission/SIM/ONE"
            for path in sorted((source / "simulated").glob("*.json")):
                if path.stem == "project":
                    continue
                documents = json.loads(path.read_text())
                wanted = sorted(one["submitter_id"] for one in documents)
                answer = running.client.get(f"{place}/export?node_label={path.stem}&format=json")
                found = answer.json()["data"]
                assert sorted(one["submitter_id"] for one in found) == wanted, path.stem
                table = running.client.get(f"{place}/export?node_label={path.stem}&format=tsv")
                back = running.client.put(place, content=table.content, headers={"Content-Type": "text/tsv"})
                assert back.status_code == 200, f"{path.stem}: {back.text[:1500]}"
                assert back.json()["updated_entity_count"] == len(wanted)
            assert running.stop() == 0
        finally:
            if running.process.poll() is None:
                running.kill()
    finally:
        run_sql(admin_dsn, f'drop database if exists "{database}" with (force)')
        shutil.rmtree(base, ignore_errors=True)
