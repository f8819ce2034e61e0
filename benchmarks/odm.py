"""Searches among many files through the service, as the ODM door sends them, and what keeping the index costs.

100,000 files (``--files N``) in ten projects of one program, written by COPY with the triggers on. ``few`` matches
1,000 of a million, ``half`` every second file; all answers are pages of 100 with the exact total. Run::

    python -m benchmarks.odm --dsn postgresql://…/an_empty_database [--files 1000000]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import time
import uuid
from datetime import UTC, datetime

from commensal.core.files_query import Node, parse_filter, parse_text
from commensal.core.principals import Door, Principal, PrincipalKind
from commensal.services.audit import Audit
from commensal.services.file_search import FileSearch
from commensal.services.guard import Guard
from commensal.storage.postgres.audit import PgAuditStore
from commensal.storage.postgres.database import PgDatabase
from commensal.storage.postgres.file_search import PgFileSearch
from commensal.storage.postgres.grants import PgGrantStore
from commensal.storage.postgres.migrate import migrate

__all__ = ["main"]

PROJECTS = 10
BATCH = 10_000
TISSUES = ("kidney", "liver", "lung", "brain", "skin", "blood", "heart", "colon")
#: Name, filter, query; goal in milliseconds at 1,000,000 files (None: no goal).
SEARCHES: tuple[tuple[str, str, str, float | None], ...] = (
    ("no condition", "", "", None),
    ("filter, few", "lot=L7", "", 5),
    ("query, few", "", "batch7", 5),
    ("filter and query, few", "lot=L7 AND NOT tissue=lung", "carcinoma", 5),
    ("one accession", "genestack:accession={accession}", "", 5),
    ("phrase, few", "", '"lot batch7"', 5),
    ("filter, half", "sex=female", "", 150),
    ("query, half", "", "carcinoma", 150),
    ("filter and query, half", "sex=female", "tumour OR carcinoma", 150),
    ("not, half", "sex!=female", "", 150),
    ("number, half", "age<50", "", 150),
    ("number and filter, half", "sex=female AND age<50", "", None),
    ("number or filter, half", "age<40 OR lot=L7", "", None),
    ("not, nearly all", "lot!=L7", "", None),
    ("wildcard inside, half", "sex=f*e", "", None),
)


async def _fill(database: PgDatabase, files: int) -> tuple[int, int]:
    """Write the rows; return the number of the user who may read all, and the middle file's number."""
    async with database.begin() as unit:
        user = await unit.value(
            "insert into users (uuid, email, email_folded) values ($1, 'a@x', 'a@x') returning seq", uuid.uuid4()
        )
        program = await unit.value(
            "insert into programs (uuid, code, code_folded, title, title_folded) values ($1, 'P', 'p', 'P', 'p') "
            "returning seq",
            uuid.uuid4(),
        )
        await unit.run("insert into grants (user_seq, role, program) values ($1, 'viewer', $2)", user, program)
        await unit.run("insert into blobs (key, sha256, md5, size) values ('k', '\\x01', '\\x02', 5)")
        projects = [
            await unit.value(
                "insert into projects (uuid, program, code, polly_code, title) values ($1, $2, $3, $3, $3) "
                "returning seq",
                uuid.uuid4(),
                program,
                f"x{n}",
            )
            for n in range(PROJECTS)
        ]
    now = datetime.now(UTC)
    columns = [
        "seq",
        "uuid",
        "project",
        "path",
        "name",
        "size",
        "md5",
        "media_type",
        "state",
        "blob",
        "extra",
        "created",
        "updated",
    ]
    began = time.perf_counter()
    for start in range(0, files, BATCH):
        rows = []
        for n in range(start, min(files, start + BATCH)):
            extra = {
                "tissue": TISSUES[n % 8],
                "sex": ("female", "male")[n % 2],
                "age": n * 7919 % 100,
                "lot": f"L{n % 1000}",
                "batch": f"lot batch{n % 1000}",
                "disease": f"{('carcinoma', 'healthy')[n % 2]} case {n % 5000}",
            }
            rows.append(
                (
                    10_000 + n, uuid.UUID(int=n), projects[n % PROJECTS], f"d/{n}.csv", f"{n}.csv", n, b"\2",
                    "text/csv", "stored", "k", extra, now, now,
                )
            )  # fmt: skip
        async with database.begin() as unit:
            await unit.copy("files", columns, rows)
    took = time.perf_counter() - began
    print(f"write {files:,} files with the index kept: {files / took:,.0f} files/s ({took:.0f} s)", flush=True)
    async with database.read() as unit:
        await unit.run("vacuum analyze file_search, file_numbers")
        await unit.run("analyze files, projects")
        sizes = await unit.row(
            "select pg_relation_size('file_search') as heap, pg_total_relation_size('file_search') as whole, "
            "pg_relation_size('file_search_tsv') as gin, pg_total_relation_size('file_numbers') as numbers"
        )
    assert sizes is not None
    print("  " + ", ".join(f"{name} {size / 1e6:,.0f} MB" for name, size in sizes.items()), flush=True)
    return user, 10_000 + files // 2


async def _run(dsn: str, files: int, seconds: float) -> None:
    await migrate(dsn)
    database, second = PgDatabase(dsn, size=2), PgDatabase(dsn, size=1)
    audit = Audit(database=second, store=PgAuditStore())
    search = FileSearch(
        database=database, store=PgFileSearch(), guard=Guard(grants=PgGrantStore(), audit=audit), audit=audit
    )
    user, middle = await _fill(database, files)
    who = Principal(PrincipalKind.USER, Door.ODM, user=user, email="a@x")
    for name, filter_text, query, goal in SEARCHES:
        found = [parse_filter(filter_text.format(accession=f"GSF{middle}")), parse_text(query)]
        nodes: list[Node] = [node for node in found if node is not None]
        times: list[float] = []
        total = 0
        end = time.perf_counter() + seconds
        while len(times) < 8 or (time.perf_counter() < end and len(times) < 500):
            began = time.perf_counter()
            page = await search.search(who, nodes, limit=100)
            times.append((time.perf_counter() - began) * 1000)
            total = page.total
        times = sorted(times[3:])  # the first ones plan and warm up
        wanted = f", goal {goal:g} at 1,000,000" if goal is not None else ""
        print(
            f"{name:28} {total:>9,} of {files:,}: p50 {statistics.median(times):8.2f} ms, "
            f"p95 {times[int(len(times) * 0.95)]:8.2f} ms{wanted}",
            flush=True,
        )
        await audit.flush()
    await database.close()
    await second.close()


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--dsn", required=True)
    torture = os.environ.get("COMMENSAL_TORTURE") == "1"
    parser.add_argument("--files", type=int, default=1_000_000 if torture else 100_000)
    parser.add_argument("--seconds", type=float, default=1.5)
    options = parser.parse_args()
    asyncio.run(_run(options.dsn, options.files, options.seconds))


if __name__ == "__main__":
    main()
