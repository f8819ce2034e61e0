"""Search by words of names: live, and only what the caller may read (contracts/pangea.md b10, b12)."""

from __future__ import annotations

from typing import Any

from commensal.storage.postgres.words import words_query
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
