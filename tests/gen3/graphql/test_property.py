"""Compiled queries give what plain evaluation over the same rows gives."""

from __future__ import annotations

import json
import os
import random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from commensal.core.permissions import Scope
from commensal.faces.gen3.graphql.plans import Schema
from commensal.faces.gen3.graphql.schema import graphql_schema
from commensal.storage.postgres.database import PgDatabase, counting
from commensal.storage.postgres.graph.reads import PgGraphReads
from tests.gen3.graphql.evaluator import LEAST, Evaluator
from tests.gen3.graphql.queries import QueryMaker
from tests.gen3.graphql.worlds import World, random_world, store

EXAMPLES = 600 if os.environ.get("COMMENSAL_TORTURE") == "1" else 12
QUERIES = 12


class Undo(Exception):
    pass


async def compiled(unit: Any, schema: Schema, world: World, query: str, variables: dict[str, Any]) -> Any:
    reads = PgGraphReads()
    plan = schema.plan(json.dumps({"query": query, "variables": variables}).encode())
    assert plan.errors == []
    read = Scope(projects=frozenset(world.readable))
    count = Scope(projects=frozenset(world.counted))
    with counting() as sent:
        answers = [await reads.answer(unit, one, read=read, count=count, min_count=LEAST) for one in plan.prepared]
    assert sent.n == len(plan.prepared)
    return json.loads(plan.fill(answers))["data"]


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    print_blob=True,
)
@given(seed=st.integers(0, 2**32))
async def test_compiled_is_evaluated(database: PgDatabase, seed: int) -> None:
    rnd = random.Random(seed)
    world = random_world(rnd)
    schema = Schema(world.dictionary, PgGraphReads().prepare)
    evaluator = Evaluator(world, graphql_schema(schema.model))
    try:
        async with database.begin() as unit:
            await store(unit, world)
            for _ in range(QUERIES):
                query, variables = QueryMaker(rnd, world).query()
                expected = evaluator.run(query, variables)
                assert expected.errors is None, (query, variables, expected.errors)
                got = await compiled(unit, schema, world, query, variables)
                assert got == expected.data, (query, variables)
            raise Undo
    except Undo:
        pass
