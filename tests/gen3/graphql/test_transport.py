"""Requests and answers of the endpoint (contracts/gen3.md 5.1)."""

from __future__ import annotations

import json

import pytest
from graphql import get_introspection_query

from commensal.dictionaries import compile_for_site
from commensal.errors import Unauthenticated
from commensal.faces.gen3.graphql.plans import Refused, Schema
from commensal.storage.postgres.database import counting
from commensal.storage.postgres.graph.reads import PgGraphReads
from tests.gen3.graphql.conftest import ADMIN, ANONYMOUS, Site

SCHEMA = Schema(compile_for_site(), PgGraphReads().prepare)
ERRORS = [
    ("{ nope { id } }", 'Cannot query field "nope" on type "Root". Did you mean "node"?'),
    ("{sample{submiter_id}}", 'Cannot query field "submiter_id" on type "sample". Did you mean "submitter_id"?'),
    (
        "{node{tissue}}",
        'Cannot query field "tissue" on type "Node". Did you mean to use an inline fragment on "sample"?',
    ),
    ('{sample(first:"2"){id}}', 'Argument "first" has invalid value "2".\nExpected type "Int", found "2".'),
    (
        '{sample(with_path_to:{typ:"x"}){id}}',
        (
            'Argument "with_path_to" has invalid value {typ: "x"}.\nIn field "typ": Unknown field.\n'
            'In field "type": Expected "String!", found null.'
        ),
    ),
    (
        "{sample(ids:[1]){id}}",
        'Argument "ids" has invalid value [1].\nIn element #0: Expected type "String", found 1.',
    ),
    ('{sample(nme:"x"){id}}', 'Unknown argument "nme" on field "sample" of type "Root".'),
    ("{sample}", 'Field "sample" of type "[sample]" must have a sub selection.'),
    ("{sample{id{x}}}", 'Field "id" of type "ID" must not have a sub selection.'),
    ("mutation{a}", "Schema is not configured for mutations"),
    ("subscription{a}", "Schema is not configured for subscriptions"),
    (
        "query a{sample{id}} query b{sample{id}}",
        "Must provide operation name if query contains multiple operations.",
    ),
    ("{...f}", 'Unknown fragment "f".'),
    ("{sample @skip{id}}", 'Directive "skip" argument "if" of type "Boolean!" is required but not provided.'),
    (
        "{a:sample{id} a:subject{id}}",
        (
            'Fields "a" conflict because "sample" and "subject" are different fields. Use different aliases on the '
            "fields to fetch both if this was intentional."
        ),
    ),
    (
        "query($x:String){sample(first:$x){id}}",
        'Variable "x" of type "String" used in position expecting type "Int".',
    ),
    ("query($x:Int!){sample(first:$x){id}}", 'Variable "$x" of required type "Int!" was not provided.'),
    ("{sample(-1)}", 'Syntax Error GraphQL (1:9) Expected Name, found Int "-1"\n\n1: {sample(-1)}\n           ^\n'),
    ("{sample", "Syntax Error GraphQL (1:8) Expected Name, found EOF\n\n1: {sample\n          ^\n"),
]


@pytest.mark.parametrize(("query", "text"), ERRORS)
def test_errors_are_the_texts_that_clients_know(query: str, text: str) -> None:
    with pytest.raises(Refused) as error:
        SCHEMA.plan(json.dumps({"query": query}).encode())
    assert json.loads(error.value.body()) == {"data": None, "errors": [text]}


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"5", b"\xff\xfe", b"[" * 50_000, b'{"query":"{__typename}","variables":"{"}', b"NaN"]
)
def test_a_body_that_is_no_request_is_400_with_a_message(body: bytes) -> None:
    with pytest.raises(Refused) as error:
        SCHEMA.plan(body)
    assert list(json.loads(error.value.body())) == ["message"]


async def test_variables_in_every_form(mice: Site) -> None:
    for variables in ({"n": 1}, '{"n": 1}', {"n": "1"}, '{"n":1.0}', {"n": 1, "other": [2]}):
        data = await mice.ask("query($n: Int){sample(first: $n){type}}", variables)
        assert data == {"sample": [{"type": "sample"}]}


async def test_absent_null_and_default_variables(mice: Site) -> None:
    query = "query($n: Int = 2, $t: [String]){sample(first: $n, tissue: $t){id}}"
    for variables in (None, {}, "", {"n": None, "t": None}):
        assert len((await mice.ask(query, variables))["sample"]) == 2
    assert (await mice.ask(query, {"t": []}))["sample"] == []
    assert (await mice.ask(query, {"t": "skin"}))["sample"] == []
    errors = await mice.refused(query, {"n": "many"})
    assert errors == ['Variable "$n" got invalid value "many".\nExpected type "Int", found "many".']


async def test_operation_name_is_ignored(site: Site) -> None:
    body = json.dumps({"query": "query A{__typename}", "operationName": "B"}).encode()
    assert await site.send(body) == (200, {"data": {"__typename": "Root"}})


async def test_field_errors_leave_the_other_data(mice: Site) -> None:
    query = '{a:sample(first:1){type} b:sample(order_by_asc:"nope"){id} c:sample(with_links:["x"]){id} _sample_count}'
    status, body = await mice.send(json.dumps({"query": query}).encode())
    assert status == 400
    assert body["errors"] == ["Cannot order by nope on sample", "Invalid link name 'x'"]
    assert body["data"] == {"a": [{"type": "sample"}], "b": None, "c": None, "_sample_count": 11}


async def test_unreadable_dates_are_told(site: Site) -> None:
    (error,) = await site.refused('{sample(created_after:"soon"){id}}')
    assert error.startswith("Unable to parse date 'soon'")


async def test_introspection_inside_a_query(site: Site) -> None:
    schema = (await site.ask(get_introspection_query(input_value_deprecation=False)))["__schema"]
    known = json.loads(await site.endpoint.getschema())["data"]["__schema"]
    assert {one["name"] for one in schema["types"]} == {one["name"] for one in known["types"]}
    assert schema["queryType"]["name"] == "Root"
    sample = await site.ask(
        '{__type(name:"sample"){kind fields{name type{kind ofType{name}}}} none:__type(name:"x"){name}}'
    )
    assert sample["none"] is None
    assert {"name": "subjects", "type": {"kind": "LIST", "ofType": {"name": "subject"}}} in sample["__type"]["fields"]


async def test_introspection_goes_on_from_references(site: Site) -> None:
    data = await site.ask("{__schema{queryType{fields{name type{ofType{fields{name}}}}}}}")
    fields = {one["name"]: one["type"]["ofType"] for one in data["__schema"]["queryType"]["fields"]}
    assert {"name": "tissue"} in fields["sample"]["fields"]


async def test_one_statement_for_each_root_field(mice: Site) -> None:
    queries = {
        "{sample{id}}": 1,
        "{subject{id samples{id subjects{id samples{id _links{id}}}} _samples_count projects{programs{name}}}}": 1,
        "{a:sample{id} viewer{_sample_count node{id ... on sample{tissue}}}}": 3,
        "{transaction_log{id documents{response{entities{id}}} snapshots{id}} _transaction_log_count}": 2,
        "{_node_type{id} __schema{queryType{name}} __typename}": 0,
    }
    for query, statements in queries.items():
        await mice.ask(query)
        with counting() as sent:
            await mice.ask(query)
        assert sent.n == statements, query


async def test_the_answer_of_a_later_request_is_not_the_remembered_one(mice: Site) -> None:
    query = "{_sample_count sample(first:0){submitter_id}}"
    before = await mice.ask(query)
    await mice.record("A", "sample", "late")
    after = await mice.ask(query)
    assert after["_sample_count"] == before["_sample_count"] + 1
    assert len(after["sample"]) == len(before["sample"]) + 1


async def test_anonymous_callers_are_refused_where_the_site_is_closed(site: Site) -> None:
    for query in ("{sample{id}}", "{__schema{queryType{name}}}", "{__typename}"):
        with pytest.raises(Unauthenticated):
            await site.endpoint.answer(json.dumps({"query": query}).encode(), ANONYMOUS)


async def test_queries_are_in_the_audit(mice: Site) -> None:
    await mice.ask("{sample{id}}", caller=await mice.user())
    await mice.audit.flush()
    async with mice.database.read() as unit:
        assert await unit.value("select count(*) from audit_events where action = 'records.query'") == 1
    assert ADMIN.site_admin
