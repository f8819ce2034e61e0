"""A real GEO series, imported with our open dictionary, through the Gen3 door."""

from __future__ import annotations

import csv
import io
import json
import shutil
import uuid
from pathlib import Path

from tests.conftest import make_data_base
from tests.gen3.conftest import fresh_database, run_sql
from tests.running import run_commensal, start_commons

CARCINOMA = "Trizol isolation of total RNA from Renal Clear Cell Carcinoma tissue"
PROJECT = "/api/v0/submission/GEO/GSE781"


def test_the_samples_of_a_series(admin_dsn: str, shared: Path) -> None:
    base, database = make_data_base(), f"commensal_gen3_{uuid.uuid4().hex[:10]}"
    dsn = fresh_database(admin_dsn, database)
    try:
        running = start_commons(base / "data", "--database", dsn, "--min-free", "1MB")
        try:
            running.add_user("admin@example.org", "--site-admin")
            key = running.key("admin@example.org", "gen3")
            series = shared / "data" / "geo" / "GSE781_family.soft.gz"
            run_commensal("import", "geo", series, "--data", running.data)
            token = running.client.post("/user/credentials/cdis/access_token", json=key).json()["access_token"]
            running.client.headers["Authorization"] = f"bearer {token}"
            table = running.client.get(f"{PROJECT}/export/?node_label=sample&format=tsv")
            rows = list(csv.DictReader(io.StringIO(table.text, newline=""), delimiter="\t"))
            assert len(rows) == 34
            assert sum(row["source_name"] == CARCINOMA for row in rows) == 18
            assert all(json.loads(row["metadata"] or "{}") is not None for row in rows)
            query = 'query($s: [String]){sample(first: 0, source_name: $s, project_id: "GEO-GSE781"){submitter_id}}'
            body = {"query": query, "variables": {"s": CARCINOMA}}
            found = running.client.post("/api/v0/submission/graphql", json=body).json()["data"]["sample"]
            assert len(found) == 18
            back = running.client.put(PROJECT, content=table.content, headers={"Content-Type": "text/tsv"})
            assert back.status_code == 200, back.text[:1500]
            assert back.json()["updated_entity_count"] == 34
            assert running.client.get(f"{PROJECT}/export/?node_label=sample&format=tsv").text == table.text
            chosen = running.client.get(f"{PROJECT}/export?ids={rows[0]['id']},{rows[1]['id']}&format=tsv").text
            assert list(csv.DictReader(io.StringIO(chosen, newline=""), delimiter="\t")) == sorted(
                rows[:2], key=lambda row: row["id"]
            )
            assert running.stop() == 0
        finally:
            if running.process.poll() is None:
                running.kill()
    finally:
        run_sql(admin_dsn, f'drop database if exists "{database}" with (force)')
        shutil.rmtree(base, ignore_errors=True)
