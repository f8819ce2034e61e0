"""Search by words of names: live, and only what the caller may read (contracts/pangea.md b10, b12)."""

from __future__ import annotations

from typing import Any

from commensal.core.lineage import Kinds
from commensal.core.permissions import Scope
from commensal.storage.ports.catalog import ProgramView
from commensal.storage.postgres.database import PgDatabase
from commensal.storage.postgres.name_search import PgNameSearch
from commensal.storage.postgres.words import words, words_query
from tests.pangea.conftest import Pangea, Person


def found(who: Person, query: str) -> dict[str, Any]:
    answer = who("GET", "search", params={"query": query})
    assert (set(answer), answer["query"]) == ({"query", "samples", "sample_groups", "organizations"}, query)
    return {kind: [one["name"] for one in answer[kind]] for kind in ("samples", "sample_groups", "organizations")}


def test_words_are_beginnings_and_all_are_needed(pangea: Pangea, ann: Person):
    org = ann("POST", "organizations", 201, json={"name": "Zebrafish Consortium"})
    body = {"name": "zebrafish-gut 2024", "organization": org["uuid"], "is_library": True}
    library = ann("POST", "sample_groups", 201, json=body)
    for name in ("ZEBRA_01.liver", "zebrafish été", "quagga"):
        pangea.sample(ann, library, name)
    assert found(ann, "zebraf") == {
        "samples": ["zebrafish été"],
        "sample_groups": ["zebrafish-gut 2024"],
        "organizations": ["Zebrafish Consortium"],
    }
    assert found(ann, "Liver zebra")["samples"] == ["ZEBRA_01.liver"]
    assert found(ann, "ÉTÉ")["samples"] == ["zebrafish été"]
    assert found(ann, "gut/2024")["sample_groups"] == ["zebrafish-gut 2024"]
    assert found(ann, "ebrafish") == {"samples": [], "sample_groups": [], "organizations": []}
    for nothing in ("", "'", "  :* & | !", "zebra' | 'quagga", "\\", "%"):
        assert found(ann, nothing)["samples"] == []


def test_private_things_are_found_by_members_alone(pangea: Pangea, ann: Person, bob: Person):
    library = pangea.library(ann, is_public=False, name="okapi private")
    pangea.sample(ann, library, "okapi one")
    shown = pangea.library(ann, name="okapi public")
    pangea.sample(ann, shown, "okapi two")
    assert found(ann, "okapi")["samples"] == ["okapi one", "okapi two"]
    for who in (bob, pangea.stranger):
        assert found(who, "okapi") == {
            "samples": ["okapi two"],
            "sample_groups": ["okapi public"],
            "organizations": [],
        }
    ann("DELETE", f"sample_groups/{shown['uuid']}", 204)
    assert found(bob, "okapi")["samples"] == []


def test_a_query_is_words_alone():
    assert words_query("a-b  C'd") == "'a':* & 'b':* & 'C':* & 'd':*"
    assert words_query(" :*|& ") is None
    assert words_query(" ".join("x" * 50)).count(":*") == 20  # type: ignore[union-attr]


async def test_each_search_has_an_index(database: PgDatabase):
    async with database.begin() as unit:
        await unit.run(
            "insert into records (project, type, seq, uuid, submitter_id, sid_folded, change, created, updated) "
            "select 1, 'sample', n, gen_random_uuid(), 'w' || n, 'w' || n, 1, now(), now() "
            "from generate_series(1, 5000) n"
        )
        await unit.run("analyze records")
    for table, column, index in (
        ("records", "submitter_id", "samples_words"),
        ("projects", "title", "projects_words"),
        ("programs", "title", "programs_words"),
    ):
        async with database.begin() as unit:
            await unit.run("set local enable_seqscan = off")
            await unit.run("set local enable_indexscan = off")
            where = f"{words(f'x.{column}')} @@ to_tsquery('simple', '''w77'':*')"
            also = "and x.type = 'sample'" if table == "records" else ""
            plan = await unit.rows(f"explain select x.seq from {table} x where {where} {also}")
            assert index in str(plan)


async def test_samples_of_any_type(database: PgDatabase):
    """Where a site's samples are of another type as well, those are found without the index."""
    async with database.begin() as unit:
        await unit.run(
            "insert into programs (seq, uuid, code, code_folded, title, title_folded) "
            "values (1, gen_random_uuid(), 'g', 'g', 'g', 'g')"
        )
        await unit.run(
            "insert into projects (seq, uuid, program, code, polly_code, title) "
            "values (2, gen_random_uuid(), 1, 'p', 'p', 'p')"
        )
        await unit.run(
            "insert into records (project, type, seq, uuid, submitter_id, sid_folded, change, created, updated) "
            "select 2, t, n, gen_random_uuid(), 'tapir ' || t, t, 1, now(), now() "
            "from unnest(array['sample', 'biopsy', 'study']) with ordinality x (t, n)"
        )
    everything, view = Scope(everything=True), ProgramView(True, True, frozenset(), None)
    for types, n in ((("sample",), 1), (("biopsy",), 1), (("biopsy", "sample"), 2), (("case",), 0)):
        async with database.read() as unit:
            hits = await PgNameSearch().find(unit, Kinds(types, (), ()), everything, view, "Tapir", 10)
        assert len(hits.samples) == n
