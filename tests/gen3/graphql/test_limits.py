"""Queries that only want to be expensive are refused before they cost anything, and garbage is never a 500."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from commensal.core.graph.model import Nodes, Table, Value
from commensal.core.permissions import Scope
from commensal.dictionaries import compile_for_site
from commensal.errors import TooLarge
from commensal.faces.gen3.graphql.limits import MOST_FIELDS, MOST_ROOTS
from commensal.faces.gen3.graphql.plans import Refused, Schema
from commensal.services import graph
from commensal.storage.postgres.database import PgDatabase
from commensal.storage.postgres.graph.reads import PgGraphReads
from tests.gen3.graphql.conftest import ADMIN, Site

EXAMPLES = 5_000 if os.environ.get("COMMENSAL_TORTURE") == "1" else 150

BOMBS = {
    "deep": "{" + "subject{samples{" * 20 + "id" + "}}" * 20 + "}",
    "back and forth": "{subject(first:100){" + "samples(first:100){subjects(first:100){" * 6 + "id" + "}}" * 6 + "}}",
    "back and forth with all": "{subject{" + "samples(first:0){subjects(first:0){" * 4 + "id" + "}}" * 4 + "}}",
    "neighbours": "{node{" + "... on sample{_links(first:1000){" * 4 + "id" + "}}" * 4 + "}}",
    "aliases": "{" + " ".join(f"a{n}:sample{{id}}" for n in range(5_000)) + "}",
    "roots": "{" + " ".join(f"a{n}:_sample_count" for n in range(MOST_ROOTS + 1)) + "}",
    "roots in viewer": "{viewer{" + " ".join(f"a{n}:_sample_count" for n in range(MOST_ROOTS + 1)) + "}}",
    "inner aliases": "{sample{" + " ".join(f"a{n}:id" for n in range(MOST_FIELDS)) + "}}",
    "the same field": "{sample{" + "id " * 2_000 + "}}",
    "fragments": "{sample{...f0}} "
    + " ".join(f"fragment f{n} on sample{{...f{n + 1} ...f{n + 1}}}" for n in range(30))
    + " fragment f30 on sample{id}",
    "fragments of types": "{sample{...f0}} "
    + " ".join(
        f"fragment f{n} on sample{{a:subjects{{samples{{...f{n + 1}}}}} b:subjects{{samples{{...f{n + 1}}}}}}}"
        for n in range(20)
    )
    + " fragment f20 on sample{id}",
    "braces": "{" * 1_000_000,
    "brackets": "{sample(ids:" + "[" * 500_000,
    "texts": '{sample(ids:["' + '","' .join(["x"] * 60_000) + '"]){id}}',
    "comments": "#\n" * 60_000 + "{sample{id}}",
    "introspection": "{__schema{types{fields{type" + "{ofType{fields{type" * 6 + "{name}" + "}}}" * 6 + "}}}}",
}  # fmt: skip


async def test_wide_and_deep_queries_of_real_work_pass(site: Site) -> None:
    model = (await site.endpoint.schema()).model
    wide = " ".join(
        f"{node}(first:0){{{' '.join(f for f, one in model.types[node].fields.items() if not one.arguments)}}} "
        f"_{node}_count"
        for node in model.nodes
    )
    await site.ask("{" + wide + "}")
    down = (
        "program(first:0){projects(first:0){subjects(first:0){samples(first:0){data_files(first:0){id submitter_id}}}}}"
    )
    await site.ask("{" + down + "}")
    ids = [f"id-{n}" for n in range(20_000)]
    await site.ask("query($i:[String]){sample(ids:$i){id}}", {"i": ids})
    await site.ask("{sample(submitter_id:" + json.dumps(ids) + "){id}}")


WORDS = st.sampled_from(
    [
        *("{", "}", "(", ")", "[", "]", ":", "!", "$", "@", "...", "=", "|", '"', '"""', "#", "\n", "&"),
        *(
            "query",
            "mutation",
            "fragment",
            "on",
            "sample",
            "subject",
            "node",
            "id",
            "first",
            "type",
            "_links",
            "viewer",
        ),
        *(
            "with_path_to",
            "not",
            "order_by_asc",
            "true",
            "null",
            "-1",
            "1e400",
            "99999999999999999999",
            '"x"',
            '"\\u0000"',
        ),
        *(
            "__schema",
            "__type",
            "@skip",
            "$v",
            "Int",
            "\ufeff",
            "\x00",
            "caf\u00e9",
            "0x1",
            "transaction_log",
            "datanode",
        ),
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)
SCHEMA = Schema(compile_for_site(), PgGraphReads().prepare)


def answered(body: bytes) -> Any:
    try:
        plan = SCHEMA.plan(body)
    except Refused as error:
        return json.loads(error.body())
    return plan


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused_in_words(name: str) -> None:
    body = answered(json.dumps({"query": BOMBS[name]}).encode())
    assert body["data"] is None
    (text,) = body["errors"]
    assert text.startswith(("This query", "This question")), text
    assert len(text) < 300


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(WORDS, max_size=40).map(" ".join) | st.text(max_size=60))
def test_garbage_queries_are_refused(query: str) -> None:
    answered(json.dumps({"query": query}).encode())


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=60) | JSON.map(lambda one: json.dumps(one).encode()))
def test_garbage_bodies_are_refused(body: bytes) -> None:
    assert isinstance(answered(body), dict)


ARGUMENTS = (
    "sample(first:$i,offset:$i,ids:$l,id:$s,submitter_id:$l,quick_search:$s,created_after:$s,order_by_asc:$s,"
    "with_links:$l,with_path_to:$p,not:$n,tissue:$l)"
)


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(values=st.fixed_dictionaries({}, optional=dict.fromkeys("ilspnd", JSON)), which=st.integers(0, 3))
async def test_garbage_variables_are_answered_or_refused(site: Site, values: dict[str, Any], which: int) -> None:
    heads = "$i:Int,$l:[String],$s:String,$p:[WithPathToInput],$n:[NotPropertiesInput_sample]"
    queries = (
        f"query({heads}){{{ARGUMENTS}{{id subjects(first:$i,quick_search:$s){{id}}}}}}",
        f"query({heads}){{_{ARGUMENTS.replace('sample(', 'sample_count(')}}}",
        "query($i:Int,$s:String,$l:[String]){node(first:$i,offset:$i,of_type:$l,project_id:$s,category:$s,quick_search:$s){id}}",
        "query($i:Int,$s:String,$l:[String],$d:ID){transaction_log(first:$i,last:$i,id:$d,project_id:$l,state:$s,entities:$l){id}}",
    )
    status, body = await site.send(json.dumps({"query": queries[which], "variables": values}).encode())
    assert status in (200, 400)
    assert status == 200 or body.get("errors") or body.get("message")


async def test_an_answer_that_is_too_long_is_refused(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    query = json.dumps({"query": "{ a: sample { id } b: sample { id } }"}).encode()
    status, _ = await site.endpoint.answer(query, ADMIN)
    assert status == 200
    monkeypatch.setattr(graph, "MOST_ANSWER", 3)
    status, body = await site.endpoint.answer(query, ADMIN)
    assert status == 400
    assert "ask for fewer rows" in json.loads(body)["errors"][0]


async def test_a_query_that_takes_too_long_is_too_much(site: Site, database: PgDatabase) -> None:
    reads, everything = PgGraphReads(), Scope(everything=True)
    prepared = reads.prepare(Nodes("sample", "sample", Table.RECORDS, (Value("id", "id"),)))
    async with database.begin() as holder:
        await holder.run("lock table records in access exclusive mode")
        async with database.begin() as unit:
            await unit.run("set local statement_timeout = '50ms'")
            with pytest.raises(TooLarge, match="timed out"):
                await reads.answer(unit, prepared, read=everything, count=everything, min_count=5)
