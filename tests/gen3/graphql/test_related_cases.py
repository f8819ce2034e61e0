"""``_related_cases``, which settings switch off (contracts/gen3.md 5.2), and a property called category."""

from __future__ import annotations

import json
import random
from typing import Any

from commensal.core.permissions import Scope
from commensal.dictionaries import compile_for_site
from commensal.faces.gen3.graphql.plans import Schema
from commensal.storage.postgres.database import PgDatabase
from commensal.storage.postgres.graph.reads import PgGraphReads
from tests.gen3.graphql.worlds import SYSTEM, TO_MANY, Item, World, _link, _node, random_dictionary, store


def dictionary(**settings: Any) -> Any:
    base = {name: dict(random_dictionary(random.Random(1)).types[name].schema) for name in ("program", "project")}

    def kind(name: str, category: str, link: str, target: str) -> dict[str, Any]:
        properties = {**SYSTEM, "category": {"type": "string"}, link: TO_MANY}
        return _node(name, category, properties, [_link(link, f"{name}s", target)], "submitter_id")

    return compile_for_site(
        {
            **base,
            "case": kind("case", "administrative", "projects", "project"),
            "sample": kind("sample", "biospecimen", "cases", "case"),
            "slide": kind("slide", "biospecimen", "samples", "sample"),
            "_settings": settings,
        }
    )


async def ask(database: PgDatabase, world: World, query: str) -> Any:
    reads = PgGraphReads()
    plan = Schema(world.dictionary, reads.prepare).plan(json.dumps({"query": query}).encode())
    scope = Scope(projects=frozenset(world.readable))
    async with database.read() as unit:
        answers = [await reads.answer(unit, one, read=scope, count=scope, min_count=5) for one in plan.prepared]
    return json.loads(plan.fill(answers))["data"]


def test_the_field_follows_the_settings() -> None:
    reads = PgGraphReads()
    for settings, there in (({}, True), ({"enable_case_cache": True}, True), ({"enable_case_cache": False}, False)):
        model = Schema(dictionary(**settings), reads.prepare).model
        assert ("_related_cases" in model.types["sample"].fields) is there


async def test_cases_at_any_distance_each_once(database: PgDatabase) -> None:
    world = World(dictionary())
    program = Item(6001, "program", "00000000-0000-4000-8000-000000000001", {"name": "P"})
    project = Item(6002, "project", "00000000-0000-4000-8000-000000000002", {"code": "J", "name": "J", "state": "open"})
    project.props["released"] = False
    project.program, project.project = program, project
    world.programs, world.projects, world.readable = [program], [project], {6002}

    def record(seq: int, kind: str, name: str, **props: Any) -> Item:
        item = Item(seq, kind, f"00000000-0000-4000-8000-00000000{seq}", {"state": "validated", **props}, name)
        item.project = project
        world.records.append(item)
        return item

    one, two = record(7001, "case", "c1", category="x"), record(7002, "case", "c2", category="y")
    samples = [record(7003, "sample", "s1"), record(7004, "sample", "s2")]
    slide = record(7005, "slide", "l1")
    world.links = [(samples[0], "cases", one), (samples[1], "cases", one), (samples[1], "cases", two)]
    world.links += [(slide, "samples", sample) for sample in samples]
    async with database.begin() as unit:
        await store(unit, world)
    data = await ask(
        database,
        world,
        '{slide{_related_cases{submitter_id} some:_related_cases(category:"y"){submitter_id}} '
        'sample(first:1){_related_cases{submitter_id}} case(category:"y"){submitter_id _related_cases{id}} '
        'not:_case_count(not:{category:"y"})}',
    )
    cases = [{"submitter_id": "c1"}, {"submitter_id": "c2"}]
    assert data == {
        "slide": [{"_related_cases": cases, "some": cases[1:]}],
        "sample": [{"_related_cases": cases[:1]}],
        "case": [{"submitter_id": "c2", "_related_cases": []}],
        "not": 1,
    }
