"""Graph queries of the Gen3 door through the service, each against a floor measured in the same run.

61,000 cases and as many samples in three projects, written by COPY. The floor of a query is the least that gives the
same rows from the same tables: one plain statement sent by the same driver, rows made into JSON here, without rights,
audit, or any argument that this query does not use. ``million`` adds a project of 1,000,000 cases. Run::

    python -m benchmarks.graphql --dsn postgresql://…/an_empty_database [--million] [--seconds 2]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import time
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import asyncpg
import msgspec

from commensal.core.dictionary import resolve
from commensal.core.principals import Door, Principal, PrincipalKind
from commensal.dictionaries import open_dictionary
from commensal.faces.gen3.graphql.execute import Endpoint
from commensal.services.audit import Audit
from commensal.services.dictionaries import Dictionaries
from commensal.services.graph import GraphQueries
from commensal.services.guard import Guard
from commensal.storage.postgres.audit import PgAuditStore
from commensal.storage.postgres.database import PgDatabase
from commensal.storage.postgres.dictionaries import PgDictionaries
from commensal.storage.postgres.grants import PgGrantStore
from commensal.storage.postgres.graph.reads import PgGraphReads
from commensal.storage.postgres.migrate import migrate
from commensal.storage.postgres.records import PgRecords

__all__ = ["main"]

PROJECTS = (("r1k", 1_000), ("r10k", 10_000), ("r50k", 50_000))
SITES = ("Lung", "Breast", "Kidney", "Brain", "Skin")

#: Query and floor: a statement, and the columns of its rows (none: its one value). Peers' p50 in milliseconds, design
#: goal likewise, from the performance notes.
QUERIES: dict[str, tuple[str, str, tuple[str, ...], str]] = {
    "simple first 100": (
        "{case(first:100){id submitter_id}}",
        "select uuid::text, submitter_id from records where type = 'case' and project = {r1k} order by seq limit 100",
        ("id", "submitter_id"),
        "peer 7.5, goal 1",
    ),
    "three levels of 100 cases": (
        (
            "{case(first:100){id submitter_id disease_type samples(first:100){id submitter_id sample_type} "
            "experiments{id submitter_id projects{id code}}}}"
        ),
        (
            "select c.uuid::text, c.submitter_id, c.props ->> 'disease_type', s.uuid::text, s.submitter_id, "
            "s.props ->> 'sample_type', e.uuid::text, e.submitter_id, p.uuid::text, p.code "
            "from (select * from records where type = 'case' and project = {r1k} order by seq limit 100) c "
            "join links l on l.dst = c.seq and l.name = 'cases' join records s on s.seq = l.src "
            "join links m on m.src = c.seq and m.name = 'experiments' join records e on e.seq = m.dst "
            "join projects p on p.seq = e.project"
        ),
        ("id", "submitter_id", "disease_type", "sid", "ssub", "sample_type", "eid", "esub", "pid", "code"),
        "peer 955, goal 6",
    ),
    "experiments, cases, samples": (
        (
            "{experiment(first:100){id submitter_id cases(first:100){id submitter_id "
            "samples(first:100){id submitter_id}}}}"
        ),
        (
            "select e.uuid::text, e.submitter_id, c.uuid::text, c.submitter_id, s.uuid::text, s.submitter_id "
            "from (select * from records where type = 'experiment' limit 100) e "
            "cross join lateral (select r.* from links l join records r on r.seq = l.src "
            "where l.dst = e.seq and l.name = 'experiments' limit 100) c "
            "join links l on l.dst = c.seq and l.name = 'cases' join records s on s.seq = l.src"
        ),
        ("id", "submitter_id", "cid", "csub", "sid", "ssub"),
        "6,100 + 6,100 records",
    ),
    "count": (
        "{_case_count}",
        "select sum(n)::int from counters where type = 'case'",
        (),
        "peer 19.8, goal 2",
    ),
    "filtered count": (
        '{_case_count(primary_site:"Lung")}',
        (
            "select count(*) from records where type = 'case' and project in ({r1k}, {r10k}, {r50k}) "
            "and props ->> 'primary_site' = 'Lung'"
        ),
        (),
        "goal 3 x floor",
    ),
    "filter + order, first 100": (
        '{case(first:100, primary_site:"Lung", order_by_asc:"submitter_id"){id submitter_id primary_site}}',
        (
            "select uuid::text, submitter_id, props ->> 'primary_site' from records where type = 'case' "
            "and project in ({r1k}, {r10k}, {r50k}) and props ->> 'primary_site' = 'Lung' "
            'order by submitter_id collate "C" limit 100'
        ),
        ("id", "submitter_id", "primary_site"),
        "peer 25, goal 3; no floor index for it",
    ),
    "order, offset 5000": (
        '{case(first:100, offset:5000, order_by_asc:"submitter_id"){id submitter_id}}',
        (
            "select uuid::text, submitter_id from records where type = 'case' and project in ({r1k}, {r10k}, {r50k}) "
            'order by submitter_id collate "C" offset 5000 limit 100'
        ),
        ("id", "submitter_id"),
        "",
    ),
    "by submitter_id": (
        '{case(submitter_id:"case-r50k-004711"){id submitter_id samples{id sample_type}}}',
        (
            "select c.uuid::text, c.submitter_id, s.uuid::text, s.props ->> 'sample_type' from records c "
            "join links l on l.dst = c.seq and l.name = 'cases' join records s on s.seq = l.src "
            "where c.project = {r50k} and c.sid_folded = 'case-r50k-004711' and c.type = 'case'"
        ),
        ("id", "submitter_id", "sid", "sample_type"),
        "",
    ),
    "with_path_to": (
        '{case(first:100, with_path_to:{type:"sample", sample_type:"Primary Tumor"}){id submitter_id}}',
        (
            "select c.uuid::text, c.submitter_id from (select * from records where type = 'case' and project = {r1k} "
            "order by seq limit 300) c where exists (select 1 from links l join records s on s.seq = l.src "
            "where l.dst = c.seq and l.name = 'cases' and s.props ->> 'sample_type' = 'Primary Tumor') limit 100"
        ),
        ("id", "submitter_id"),
        "",
    ),
    "count with_path_to": (
        '{_case_count(with_path_to:{type:"sample", sample_type:"Primary Tumor"})}',
        (
            "select count(distinct l.dst) from links l join records s on s.seq = l.src where l.name = 'cases' "
            "and s.props ->> 'sample_type' = 'Primary Tumor'"
        ),
        (),
        "",
    ),
}


def dictionary() -> dict[str, Any]:
    """Return a dictionary like the generic one: experiments, cases, samples."""
    ours = open_dictionary()
    base = {name: schema for name, schema in ours.items() if name in ("program", "project")}
    sample = ours["sample"]
    shared = ("id", "type", "submitter_id", "project_id", "state", "created_datetime", "updated_datetime")
    keys = {key: sample["properties"][key] for key in shared}
    text = {"type": "string"}
    many = {"anyOf": [{"type": "array"}, {"type": "object"}]}
    for name, link, target, texts in (
        ("experiment", "projects", "project", ("experimental_description",)),
        ("case", "experiments", "experiment", ("primary_site", "disease_type")),
        ("sample", "cases", "case", ("sample_type", "tissue_type", "composition")),
    ):
        base[name] = {
            "id": name,
            "title": name,
            "category": "biospecimen" if name == "sample" else "administrative",
            "additionalProperties": False,
            "uniqueKeys": [["id"], ["project_id", "submitter_id"]],
            "required": ["type", "submitter_id"],
            "links": [
                {
                    "name": link,
                    "backref": f"{name}s",
                    "label": "of",
                    "target_type": target,
                    "multiplicity": "many_to_one",
                    "required": True,
                }
            ],
            "properties": {**keys, **dict.fromkeys(texts, text), link: many},
        }
    return base


class _Rows:
    """The records and links of one project."""

    def __init__(self, place: int, first: int) -> None:
        self.place = place
        self.seq = first
        self.rnd = random.Random(first)
        self.now = datetime.now(UTC)
        self.records: list[tuple[object, ...]] = []
        self.links: list[tuple[object, ...]] = []

    def add(self, kind: str, name: str, props: dict[str, Any], link: str, far: tuple[int, str]) -> int:
        """Add a record with its link."""
        self.seq += 1
        key = uuid.UUID(int=self.rnd.getrandbits(128), version=4)
        self.records.append((self.place, kind, self.seq, key, name, name, props, 1, self.now, self.now))
        self.links.append((self.place, self.seq, kind, link, self.place, *far))
        return self.seq

    def fill(self, code: str, n: int) -> None:
        """Add cases with a sample each, and an experiment for every thousand."""
        choice = self.rnd.choice
        every = [
            self.add("experiment", f"exp-{code}-{i}", {"experimental_description": "x" * 40}, "projects", self.far)
            for i in range(max(1, n // 1000))
        ]
        for i in range(n):
            props = {"primary_site": choice(SITES), "disease_type": choice("AB")}
            case = self.add("case", f"case-{code}-{i:06d}", props, "experiments", (choice(every), "experiment"))
            kind = choice(("Primary Tumor", "Blood Derived Normal"))
            props = {"sample_type": kind, "tissue_type": "Tumor", "composition": "Solid Tissue"}
            self.add("sample", f"sample-{code}-{i:06d}", props, "cases", (case, "case"))

    @property
    def far(self) -> tuple[int, str]:
        """The project as the end of a link."""
        return self.place, "project"


async def seed(database: PgDatabase, projects: tuple[tuple[str, int], ...]) -> dict[str, int]:
    """Write a program, projects and records; return the projects' numbers."""
    numbers: dict[str, int] = {}
    async with database.begin() as unit:
        program = await unit.value(
            "insert into programs (uuid, code, code_folded, title, title_folded) values "
            "(gen_random_uuid(), 'PRG', 'prg', 'PRG', 'prg') on conflict (code_folded) do update set code = 'PRG' "
            "returning seq"
        )
        for code, n in projects:
            place = numbers[code] = await unit.value(
                "insert into projects (uuid, program, code, polly_code, title) "
                "values (gen_random_uuid(), $1, $2, $2, $2) returning seq",
                *(program, code),
            )
            last = await unit.value("select setval('commensal_seq', nextval('commensal_seq') + $1)", 3 * n + 10)
            rows = _Rows(place, last - 3 * n - 9)
            rows.fill(code, n)
            columns = (
                *("project", "type", "seq", "uuid", "submitter_id", "sid_folded", "props", "change", "created"),
                "updated",
            )
            await unit.copy("records", columns, rows.records)
            far = ("project", "src", "src_type", "name", "dst_project", "dst", "dst_type")
            await unit.copy("links", far, rows.links)
        await unit.run(
            "insert into counters (project, type, n) select project, type, count(*) from records group by 1, 2 "
            "on conflict (project, type) do update set n = excluded.n"
        )
    async with database.read() as unit:
        await unit.run("vacuum analyze records, links, counters, projects")
    return numbers


def _cpu() -> float:
    times = os.times()
    return times.user + times.system


async def timed(work: Callable[[], Awaitable[Any]], seconds: float) -> tuple[float, float, float]:
    """Return median and smallest time of a call in milliseconds, and CPU milliseconds of this process a call."""
    for _ in range(8):
        await work()
    took: list[float] = []
    before, end = _cpu(), time.perf_counter() + seconds
    while time.perf_counter() < end or len(took) < 5:
        start = time.perf_counter()
        await work()
        took.append((time.perf_counter() - start) * 1000)
    spent = (_cpu() - before) * 1000 / len(took)
    took.sort()
    return took[len(took) // 2], took[0], spent


async def measure(dsn: str, seconds: float, million: bool) -> None:
    """Print a line for each query."""
    await migrate(dsn)
    database = PgDatabase(dsn)
    await database.open()
    plain = await asyncpg.connect(dsn, server_settings={"jit": "off", "timezone": "UTC"})
    try:
        audit = Audit(database=database, store=PgAuditStore())
        guard = Guard(grants=PgGrantStore(), audit=audit)
        graph = GraphQueries(database=database, reads=PgGraphReads(), guard=guard, audit=audit)
        dictionaries = Dictionaries(
            database=database, store=PgDictionaries(), records=PgRecords(), guard=guard, audit=audit
        )
        await dictionaries.start(resolve(dictionary()), "benchmark")
        endpoint = Endpoint(graph, dictionaries)
        numbers = await seed(database, PROJECTS)
        caller = Principal(PrincipalKind.OPERATOR, Door.GEN3)
        for name, (query, statement, columns, note) in QUERIES.items():
            body = json.dumps({"query": query, "variables": {}}).encode()
            for code, number in numbers.items():
                statement = statement.replace("{" + code + "}", str(number))

            async def ours(body: bytes = body) -> bytes:
                status, answer = await endpoint.answer(body, caller)
                assert status == 200, answer
                return answer

            async def floor(statement: str = statement, columns: tuple[str, ...] = columns) -> bytes:
                rows = await plain.fetch(statement)
                return msgspec.json.encode([dict(zip(columns, row, strict=False)) for row in rows])

            size = len(await ours())
            p50, least, cpu = await timed(ours, seconds)
            floor_p50, floor_least, _ = await timed(floor, seconds)
            print(
                f"{name:28} p50 {p50:8.2f} ms  best {least:8.2f}  floor {floor_p50:8.2f} / {floor_least:8.2f}  "
                f"ratio {floor_p50 / p50:5.2f}  our CPU {cpu:6.2f} ms  {size:>9,} bytes  {note}",
                flush=True,
            )
            await audit.flush()
        if million:
            await seed(database, (("r1m", 1_000_000),))
            body = json.dumps({"query": "{_case_count}"}).encode()
            p50, least, _ = await timed(lambda: endpoint.answer(body, caller), seconds)
            print(f"{'count at 1,061,000':28} p50 {p50:8.2f} ms  best {least:8.2f}  (goal 2)")
        await _four_clients(endpoint, caller, seconds)
    finally:
        await plain.close()
        await database.close()


async def _four_clients(endpoint: Endpoint, caller: Principal, seconds: float) -> None:
    body = json.dumps({"query": QUERIES["simple first 100"][0], "variables": {}}).encode()
    done = 0
    end = time.perf_counter() + seconds

    async def client() -> None:
        nonlocal done
        while time.perf_counter() < end:
            await endpoint.answer(body, caller)
            done += 1

    before = _cpu()
    await asyncio.gather(*(client() for _ in range(4)))
    spent = (_cpu() - before) * 1000 / max(done, 1)
    print(f"{'simple, 4 at once':28} {done / seconds:8.0f} /s, our CPU {spent:.2f} ms each (goal 2,500 /s with HTTP)")


def main() -> None:
    """Read the options and run."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--dsn", required=True)
    options.add_argument("--seconds", type=float, default=2.0)
    options.add_argument("--million", action="store_true", help="also count in a project of a million cases")
    given = options.parse_args()
    asyncio.run(measure(given.dsn, given.seconds, given.million))


if __name__ == "__main__":
    main()
