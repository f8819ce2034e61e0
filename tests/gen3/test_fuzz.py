"""Whatever is sent: a clear answer below 500, JSON with a message or a result, and nothing written by what fails."""

from __future__ import annotations

import json
import random
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.gen3.conftest import Gen3, case, experiment, run_sql

DEEP = b'{"type":"case","submitter_id":"c","x":' + b"[" * 5_000 + b"]" * 5_000 + b"}"
BODIES: list[tuple[str, bytes]] = [
    ("json", b""),
    ("json", b"\xff\xfe\x00"),
    ("json", b'\xef\xbb\xbf{"type":"case"}'),
    ("json", b"[[[[[[[["),
    ("json", b"{" * 200_000),
    ("json", DEEP),
    ("json", b'{"type":"case","submitter_id":"\\u0000"}'),
    ("json", b'{"type":"case","submitter_id":"\\ud800"}'),
    ("json", b'{"type":"case","\\ud800":1}'),
    ("json", b'{"type":"case","submitter_id":NaN}'),
    ("json", b'{"type":"case","submitter_id":9223372036854775808}'),
    ("json", b'{"type":"sample","submitter_id":"a","days_to_collection":9223372036854775808}'),
    ("json", b'{"type":"sample","submitter_id":"a","initial_weight":1e400}'),
    ("json", b'{"type":"case","type":"case"}'),
    ("json", b'{"type":{"a":1}}'),
    ("json", b'{"type":["case"]}'),
    ("json", b'[null,true,"a",1.5,[],{}]'),
    ("json", b'{"type":"case","submitter_id":"a","experiments":7}'),
    ("json", b'{"type":"case","submitter_id":"a","experiments":[[],null,"x",{"id":7},{"submitter_id":{}}]}'),
    ("json", b'{"type":"case","submitter_id":"a","experiments":{"id":"not-a-uuid"}}'),
    ("json", b'{"type":"case","submitter_id":"' + b"x" * 300 + b'","experiments":{"submitter_id":"e1"}}'),
    ("json", b'{"type":"case","id":"\\u0000"}'),
    ("json", b'{"type":"case","id":"zz","submitter_id":"q","experiments":{"submitter_id":"e1"}}'),
    ("json", json.dumps({"type": "case", **{f"k{n}": n for n in range(10_000)}}).encode()),
    ("json", json.dumps([{"type": f"t{n}"} for n in range(1000)]).encode()),
    ("tsv", b"\xff\xfet\x00y\x00"),
    ("tsv", b"type\tsubmitter_id\ncase\t\x00"),
    ("tsv", b"\xef\xbb\xbftype\tsubmitter_id\r\ncase\tx\r\n"),
    ("tsv", ("type\t" + "\t".join(f"c{n}" for n in range(10_000)) + "\ncase").encode()),
    ("tsv", b'type\tsubmitter_id\ncase\t"a\n\n\n'),
    ("tsv", b"type\tnope.x\ncase\ty"),
    ("tsv", b"type\texperiments.nope\tsubmitter_id\ncase\ty\tz"),
    ("tsv", b"type\texperiments.id\tsubmitter_id\ncase\t\xc3\xa9\tz"),
    ("tsv", b"type\tdays_to_collection\tsubmitter_id\nsample\t" + b"9" * 5000 + b"\tz"),
    ("tsv", b"type\tdays_to_collection\tsubmitter_id\nsample\t9223372036854775808\tz"),
    ("tsv", b"type\tinitial_weight\tsubmitter_id\nsample\tNaN\tz\nsample\tinf\ty\nsample\t1e999\tx"),
    ("tsv", b"no type\there\n1\t2"),
    ("tsv", b"type\ttype\ncase\tcase"),
    ("csv", b'type,submitter_id\n"case","' + b"x" * 200_000 + b'"'),
    ("csv", b'type,submitter_id\n"case,x'),
    ("csv", b"type;submitter_id\ncase;x"),
    ("csv", b",,,\n,,,"),
]


def send(gen3: Gen3, place: str, doc_format: str, body: bytes, method: str = "PUT") -> httpx.Response:
    kind = {"json": "application/json", "tsv": "text/tsv", "csv": "text/csv"}[doc_format]
    return gen3.call(method, place, "writer", content=body, headers={"Content-Type": kind})


def judge(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code < 500, answer.text[:1000]
    told = answer.json()
    assert told["message"]
    if answer.status_code == 400 and "entities" in told:
        assert told["success"] is False
        assert told["transactional_errors"] or any(entity["errors"] for entity in told["entities"])
    return told


@pytest.fixture(scope="module")
def place(gen3: Gen3) -> str:
    made = gen3.project()
    gen3.put(made, [experiment(made), case("c1")])
    return made


@pytest.mark.parametrize("number", range(len(BODIES)))
def test_handmade_bodies(gen3: Gen3, place: str, number: int) -> None:
    doc_format, body = BODIES[number]
    for path, method in (("", "PUT"), ("", "POST"), ("/_dry_run", "PUT")):
        answer = send(gen3, place + path, doc_format, body, method)
        judge(answer)
        if path == "":
            assert 400 <= answer.status_code < 500, answer.text[:300]
    judge(gen3.call("PUT", place + "/bulk", content=body))
    assert gen3.call("POST", "/graphql", content=body).status_code in (400, 413)


def test_nothing_of_it_was_written(gen3: Gen3, place: str) -> None:
    assert gen3.call("GET", f"{place}/export?node_label=case").text.count("\n") == 2
    assert gen3.call("GET", f"{place}/export?node_label=sample").text.count("\n") == 1
    pending = run_sql(gen3.dsn, "select count(*) as n from transactions where state = 'PENDING'")
    assert pending[0]["n"] == 0


KEYS = st.sampled_from(
    ["type", "*type", "submitter_id", "id", "project_id", "state", "experiments", "cases", "consent_codes",
     "primary_site", "is_ffpe", "days_to_collection", "initial_weight", "created_datetime", "file_state", "urls",
     "object_id", "md5sum", "file_size", "", "*", "*extra", "metadata", "x.y", "type.submitter_id#1"]
)  # fmt: skip
LEAVES = (
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(["case", "sample", "experiment", "project", "program", "root", "data_release", "e1", "c1",
                       "submitted_methylation", "commensal.genome", "genome", "00000000-0000-0000-0000-000000000000"])
)  # fmt: skip
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=5
)
DOCUMENTS = st.lists(st.dictionaries(KEYS, VALUES, max_size=6) | VALUES, max_size=4) | VALUES


def examples(torture: bool) -> int:
    return 2_000 if torture else 60


def test_random_documents(gen3: Gen3, place: str, torture: bool) -> None:
    @settings(max_examples=examples(torture), deadline=None, suppress_health_check=list(HealthCheck))
    @given(DOCUMENTS, st.sampled_from(["PUT", "POST"]))
    def run(documents: Any, method: str) -> None:
        body = json.dumps(documents).encode()
        judge(send(gen3, f"{place}/_dry_run", "json", body, method))

    run()


CELLS = st.sampled_from(
    ["case", "sample", "type", "submitter_id", "experiments.submitter_id", "cases.id", "is_ffpe", "*type", "", "null",
     "e1", "c1", "a,b", "a#b", '"', '"x"', "1e3", "TRUE", "é", "\u2028", " x ", "days_to_collection", ".", "a.b.c",
     "\r"]
) | st.text(max_size=5)  # fmt: skip


def test_random_tables(gen3: Gen3, place: str, torture: bool) -> None:
    @settings(max_examples=examples(torture), deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(st.lists(CELLS, max_size=6), max_size=5), st.sampled_from(["tsv", "csv"]))
    def run(rows: list[list[str]], doc_format: str) -> None:
        text = "\n".join(("\t" if doc_format == "tsv" else ",").join(row) for row in rows)
        judge(send(gen3, f"{place}/_dry_run", doc_format, text.encode("utf-8", "surrogatepass")))

    run()


PATHS = [
    "", "/", "//", "/%00", "/%ff", "/%2e%2e", "/%2F", "/é", "/' or 1=1", "/" + "x" * 3000, "/%C3%A9", "/%", "/entities",
    "/entities/", "/entities/,", "/entities/%00", "/export/%00", "/transactions/x/commit", "/files/1", "/xml", "/\\",
]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_odd_paths_and_queries(gen3: Gen3, place: str, path: str) -> None:
    for start in ("", "/CGCI", place, "/_dictionary", "/template", f"{place}/export", f"{place}/entities"):
        for method in ("GET", "PUT", "DELETE", "POST"):
            if start == "" and path in ("", "/", "//") and method == "PUT":
                continue
            answer = gen3.call(method, start + path, "reader")
            assert answer.status_code < 500, (method, start + path, answer.text[:300])


def test_odd_parameters(gen3: Gen3, place: str) -> None:
    rng = random.Random(1)
    names = ["ids", "node_label", "format", "without_id", "with_children", "category", "async", "fields", "nodes",
             "expires_in", "categories", "exclude"]  # fmt: skip
    values = ["", "%00", "%ff", "case", "sample,case", "json", "tsv", "true", "True", "-1", "9" * 30, "é", "..",
              "a" * 2000, "00000000-0000-0000-0000-000000000000", "%ED%A0%80"]  # fmt: skip
    for _ in range(120):
        query = "&".join(f"{rng.choice(names)}={rng.choice(values)}" for _ in range(rng.randint(1, 4)))
        for path in ("/export", "/manifest", "/template/case", "/entities/x"):
            assert gen3.call("GET", f"{place}{path}?{query}", "reader").status_code < 500, query
        assert gen3.call("GET", f"/api/v0/datasets?{query}", "reader").status_code < 500, query
        assert gen3.call("GET", f"/template?{query}", None).status_code < 500, query
        assert gen3.call("PUT", f"{place}?{query}", "reader", content=b"{}").status_code < 500, query


def test_odd_headers(gen3: Gen3, place: str) -> None:
    for value in ("bearer", "Bearer  x", "bearer " + "a" * 20_000, "bearer a.b.c", "bearer \xff.\xff.\xff",
                  "Token x", "x", "bearer e30.e30.e30"):  # fmt: skip
        headers = {"Authorization": value.encode("latin-1")}
        for path in ("/", f"{place}/export?node_label=case", f"{place}/entities/x", "/user/user"):
            assert gen3.call("GET", path, None, headers=headers).status_code in (401, 403), value
    for name in ("X-Document-Name", "Content-Type"):
        for value in ("é\xff", "x" * 5000, ";;;=", ""):
            headers = {name: value.encode("latin-1")}
            answer = gen3.call("PUT", f"{place}/_dry_run", "writer", headers=headers, content=b"{}")
            assert answer.status_code < 500, (name, value)
