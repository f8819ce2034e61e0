"""How fast records are submitted through the service, against a floor measured in the same run.

The floor writes the same rows into the same tables and indexes of the same database: records, links and versions by
COPY, counters, transaction and audit, in one transaction a batch, from rows that are encoded beforehand. It does not
validate, look anything up, check rights or answer. Run::

    python -m benchmarks.submission --dsn postgresql://…/an_empty_database
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import time
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import asyncpg
import msgspec

from commensal.core.ids import program_uuid, project_uuid, uuid7_texts
from commensal.core.principals import Door, Principal, PrincipalKind
from commensal.core.records import Target, Write
from commensal.dictionaries import open_dictionary
from commensal.server.collector import calm_collector
from commensal.services.audit import Audit
from commensal.services.data_files import DataFiles
from commensal.services.dictionaries import Dictionaries
from commensal.services.guard import Guard
from commensal.services.submission import Submission
from commensal.storage.ports.records import Stamp
from commensal.storage.postgres.audit import PgAuditStore
from commensal.storage.postgres.catalog import PgProgramStore
from commensal.storage.postgres.database import PgDatabase
from commensal.storage.postgres.dictionaries import PgDictionaries
from commensal.storage.postgres.grants import PgGrantStore
from commensal.storage.postgres.index import PgIndexStore
from commensal.storage.postgres.migrate import migrate
from commensal.storage.postgres.record_rows import (
    LINK_COLUMNS,
    RECORD_COLUMNS,
    VERSION_COLUMNS,
    first_version_rows,
    link_rows,
    record_rows,
)
from commensal.storage.postgres.record_writes import PgRecordWrites, copy_binary
from commensal.storage.postgres.records import PgRecords

__all__ = ["main", "measure"]

_GEN3 = Principal(kind=PrincipalKind.OPERATOR, door=Door.GEN3)


def case_dictionary() -> dict[str, Any]:
    """Return a dictionary with a case-like type: twelve properties, one required link."""
    base = {name: schema for name, schema in open_dictionary().items() if name in ("program", "project")}
    uuid = {"type": "string", "pattern": "^[a-fA-F0-9]{8}(-[a-fA-F0-9]{4}){3}-[a-fA-F0-9]{12}$"}
    target = {
        "type": "object",
        "additionalProperties": True,
        "properties": {"id": uuid, "submitter_id": {"type": "string"}},
    }
    link = {"anyOf": [{"type": "array", "items": target}, target]}
    moment = {"oneOf": [{"type": "string", "format": "date-time"}, {"type": "null"}]}
    system = ["id", "project_id", "created_datetime", "updated_datetime", "state"]
    common = {
        "type": {"type": "string"}, "id": uuid, "submitter_id": {"type": ["string", "null"]},
        "project_id": {"type": "string"}, "created_datetime": moment, "updated_datetime": moment,
        "state": {"default": "validated", "enum": ["validated", "submitted", "released"]},
    }  # fmt: skip

    def node(name: str, link_name: str, to: str, properties: dict[str, Any]) -> dict[str, Any]:
        return {
            "id": name, "title": name, "type": "object", "category": "administrative", "program": "*", "project": "*",
            "additionalProperties": False, "submittable": True, "systemProperties": system,
            "uniqueKeys": [["id"], ["project_id", "submitter_id"]], "required": ["submitter_id", "type", link_name],
            "links": [{"name": link_name, "backref": f"{name}s", "label": "of", "target_type": to,
                       "multiplicity": "many_to_one", "required": True}],
            "properties": {**common, **properties, link_name: link},
        }  # fmt: skip

    values = {
        "consent_codes": {"type": "array", "items": {"type": "string"}},
        "disease_type": {"type": "string"},
        "primary_site": {"type": "string"},
        "sex": {"enum": ["female", "male", "unknown"]},
        "age_at_index": {"type": "integer", "minimum": 0},
    }
    return {
        **base,
        "experiment": node("experiment", "projects", "project", {}),
        "case": node("case", "experiments", "experiment", values),
    }


def documents(first: int, count: int) -> list[dict[str, Any]]:
    """Return ``count`` cases with one link each."""
    return [
        {
            "type": "case",
            "submitter_id": f"case-{number:08d}",
            "experiments": {"submitter_id": "experiment-1"},
            "consent_codes": ["GRU", "HMB"],
            "disease_type": "Adenomas and adenocarcinomas",
            "primary_site": "Bronchus and lung",
            "sex": "female" if number % 2 else "male",
            "age_at_index": number % 90,
        }
        for number in range(first, first + count)
    ]


async def _site(database: PgDatabase) -> Submission:
    audit = Audit(database=database, store=PgAuditStore())
    guard = Guard(grants=PgGrantStore(), audit=audit)
    dictionaries = Dictionaries(
        database=database, store=PgDictionaries(), records=PgRecords(), guard=guard, audit=audit
    )
    await dictionaries.start(case_dictionary(), "benchmark")
    async with database.begin() as unit:
        await unit.run(
            "insert into programs (uuid, code, code_folded, title, title_folded) values ($1, 'B', 'b', 'B', 'b')",
            program_uuid("B"),
        )
        for code in ("SERVICE", "FLOOR"):
            await unit.run(
                "insert into projects (uuid, program, code, polly_code, title, mode) "
                "select $1, seq, $2, $3, $2, 'strict' from programs where code = 'B'",
                project_uuid(code),
                code,
                code.lower(),
            )
    return Submission(
        database=database,
        store=PgRecordWrites(),
        dictionaries=dictionaries,
        data_files=DataFiles(store=PgIndexStore(), programs=PgProgramStore(), guard=guard, audit=audit),
        guard=guard,
        audit=audit,
    )


class Floor:
    """The least work that leaves the same rows."""

    def __init__(self, database: PgDatabase, project: int) -> None:
        self._database = database
        self._project = project
        self._target = Target(project, str(uuid4()), "experiment", project)
        self._prepared: list[tuple[bytes, bytes, bytes, str, str]] = []
        self._at = datetime.now(UTC)

    async def prepare(self, first: int, count: int, response: str) -> None:
        """Encode one batch, outside the clock; its change is that of the first batch, which costs the same."""
        async with self._database.read() as unit:
            seqs = await unit.value(
                "select array_agg(v) from (select nextval('commensal_seq') as v from generate_series(1, $1)) t", count
            )
        docs = documents(first, count)
        ids = uuid7_texts(int(time.time() * 1000), count)
        stamp = Stamp(self._project, None, "gen3", self._at, 1, {"case": 1})
        writes = [self._write(doc, seq, uuid) for doc, seq, uuid in zip(docs, seqs, ids, strict=True)]
        records, texts = record_rows(stamp, writes)
        rows = (records, link_rows(stamp, writes), first_version_rows(stamp, writes, texts))
        self._prepared.append((*rows, msgspec.json.encode(docs).decode(), response))

    def _write(self, doc: dict[str, Any], seq: int, uuid: str) -> Write:
        write = Write(seq, uuid, "case", self._project, doc["submitter_id"])
        write.props = {key: value for key, value in doc.items() if key not in ("type", "submitter_id", "experiments")}
        write.extra = {}
        write.label = None
        write.state = "validated"
        write.version = 1
        write.added = [("experiments", self._target)]
        write.links = {"experiments": [self._target]}
        return write

    async def write(self, batch: int, count: int) -> None:
        """Write one prepared batch in one transaction."""
        records, links, versions, text, response = self._prepared[batch]
        async with self._database.begin() as unit:
            await unit.run(
                "insert into counters (project, type, n, change) values ($1, 'case', $2, 1) on conflict "
                "(project, type) do update set n = counters.n + excluded.n, change = counters.change + 1",
                self._project,
                count,
            )
            number = await unit.value(
                "insert into transactions (program, project, project_seq, role, state, submitter_name, door) "
                "values ('B', 'FLOOR', $1, 'update', 'SUCCEEDED', 'x', 'gen3') returning id",
                self._project,
            )
            await copy_binary(unit, "records", RECORD_COLUMNS, [records])
            await copy_binary(unit, "links", LINK_COLUMNS, [links])
            await copy_binary(unit, "record_versions", VERSION_COLUMNS, [versions])
            await unit.run(
                "insert into transaction_documents (transaction, doc_format, doc, response) "
                "values ($1, 'json', $2, $3::text::json)",
                number,
                text,
                response,
            )
            await unit.run(
                "insert into audit_events (who_label, door, route, address, request_id, action, target, result) "
                "values ('x', 'gen3', '', '', '', 'records.submit', 'B-FLOOR', 'ok')"
            )


async def measure(dsn: str, *, batches: int = 20, size: int = 1_000, singles: int = 200) -> dict[str, float]:
    """Run the benchmark on an empty database and return its figures (records a second, ratio, CPU seconds)."""
    await migrate(dsn)
    calm_collector()  # as in a worker
    database = PgDatabase(dsn, size=2)
    await database.open()
    try:
        submission = await _site(database)
        await submission.submit(_GEN3, "B", "SERVICE", [
            {"type": "experiment", "submitter_id": "experiment-1", "projects": {"code": "SERVICE"}}
        ])  # fmt: skip
        async with database.read() as unit:
            project = await unit.value("select seq from projects where code = 'FLOOR'")
        floor = Floor(database, project)
        warm = await submission.submit(_GEN3, "B", "SERVICE", documents(90_000_000, size))
        assert warm.success, warm.message
        response = msgspec.json.encode(warm).decode()
        for batch in range(batches + 1):
            await floor.prepare(batch * size, size, response)
        await floor.write(batches, size)
        work = [documents(batch * size, size) for batch in range(batches)]
        service = least = 0.0
        best_service = best_floor = float("inf")
        cpu = 0.0
        # Turn about, so that a busy machine weighs on both alike.
        for batch in range(batches):
            start = time.perf_counter()
            await floor.write(batch, size)
            took = time.perf_counter() - start
            least += took
            best_floor = min(best_floor, took)
            before, start = time.process_time(), time.perf_counter()
            result = await submission.submit(_GEN3, "B", "SERVICE", work[batch])
            took = time.perf_counter() - start
            service += took
            best_service = min(best_service, took)
            cpu += time.process_time() - before
            assert result.success, result.message
        start = time.perf_counter()
        for number in range(singles):
            await submission.submit(_GEN3, "B", "SERVICE", documents(50_000_000 + number, 1))
        single = time.perf_counter() - start
    finally:
        await database.close()
    total = batches * size
    return {
        "records_per_second": total / service,
        "floor_records_per_second": total / least,
        "ratio": least / service,
        "best_records_per_second": size / best_service,
        "best_floor_records_per_second": size / best_floor,
        "client_cpu_seconds_per_100000": cpu / total * 100_000,
        "single_record_requests_per_second": singles / single if singles else 0.0,
    }


async def _run(dsn: str, batches: int, size: int) -> dict[str, float]:
    """Measure in a database of its own beside the one that the DSN names, or in that one if no other can be made."""
    name = f"commensal_bench_{uuid4().hex[:8]}"
    head, _, tail = dsn.partition("?")
    own = f"{head.rpartition('/')[0]}/{name}" + (f"?{tail}" if tail else "")
    admin = await asyncpg.connect(dsn)
    try:
        await admin.execute(f'create database "{name}"')
    except asyncpg.InsufficientPrivilegeError:
        await admin.close()
        return await measure(dsn, batches=batches, size=size)
    try:
        return await measure(own, batches=batches, size=size)
    finally:
        await admin.execute(f'drop database if exists "{name}" with (force)')
        await admin.close()


def main() -> None:
    """Print the figures as lines, or as JSON with ``--json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dsn", default=os.environ.get("COMMENSAL_TEST_DSN"), help="a role that may create databases")
    parser.add_argument("--batches", type=int, default=20)
    parser.add_argument("--size", type=int, default=1_000)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    if not given.dsn:
        parser.error("give --dsn, or set COMMENSAL_TEST_DSN")
    figures = asyncio.run(_run(given.dsn, given.batches, given.size))
    if given.json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        print(f"{name.replace('_', ' '):40} {value:12,.2f}")


if __name__ == "__main__":
    main()
