"""Who sees what, through lists, links, counts and paths (contracts/gen3.md 5.4; design, "Rights")."""

from __future__ import annotations

from commensal.core.permissions import Scope
from commensal.storage.postgres.graph.reads import PgGraphReads
from tests.gen3.graphql.conftest import Site

EVERYTHING = (
    "{sample(first:0){submitter_id} project{project_id} program{name projects{code} _projects_count} _sample_count}"
)


def letters(rows: list[dict[str, str]]) -> set[str]:
    return {row["submitter_id"][0] for row in rows}


async def test_nobody_sees_what_is_public(mice: Site) -> None:
    data = await mice.ask(EVERYTHING, caller=await mice.user())
    assert letters(data["sample"]) == {"C"}
    assert data["project"] == [{"project_id": "pub-C"}]
    assert data["program"] == [
        {"name": "lab", "projects": [], "_projects_count": 0},
        {"name": "pub", "projects": [{"code": "C"}], "_projects_count": 1},
    ]
    # Two in C are read; six in B are counted by everybody.
    assert data["_sample_count"] == 8


async def test_a_grant_on_a_project_and_on_a_program(mice: Site) -> None:
    on_project = await mice.user(("viewer", "lab", "A"))
    on_program = await mice.user(("viewer", "lab", None))
    assert letters((await mice.ask(EVERYTHING, caller=on_project))["sample"]) == {"A", "C"}
    assert letters((await mice.ask(EVERYTHING, caller=on_program))["sample"]) == {"A", "B", "C"}


async def test_unlisted_programs_are_shown_to_those_who_read_in_them(site: Site) -> None:
    await site.program("hidden", listed=False)
    await site.project("hidden", "H")
    assert (await site.ask("{program{name}}", caller=await site.user()))["program"] == []
    caller = await site.user(("viewer", "hidden", "H"))
    assert (await site.ask("{program{name} _program_count}", caller=caller)) == {
        "program": [{"name": "hidden"}],
        "_program_count": 1,
    }


async def test_counts_of_callers_who_may_only_count(mice: Site) -> None:
    caller = await mice.user(("counter", "lab", "A"), ("counter", "lab", "B"))
    data = await mice.ask(
        '{all:_sample_count a:_sample_count(project_id:"lab-A") b:_sample_count(project_id:"lab-B") '
        'rats:_subject_count(organism:"rat",project_id:"lab-B") sample(project_id:["lab-A","lab-B"]){id}}',
        caller=caller,
    )
    # A has 3 and B has 3 rats: fewer than 5 are hidden; C is read.
    assert data == {"all": 8, "a": None, "b": 6, "rats": None, "sample": []}
    nobody = await mice.user()
    data = await mice.ask(
        '{a:_sample_count(project_id:"lab-A") none:_dataset_count(project_id:"lab-A")}', caller=nobody
    )
    assert data == {"a": 0, "none": 0}


async def test_links_into_a_closed_project_are_cut(mice: Site) -> None:
    await mice.record("C", "sample", "C-odd", {"subjects": "A-mouse0"}, tissue="skin")
    query = (
        '{sample(tissue:"skin"){subjects{id} _subjects_count _links{id}} '
        'linked:sample(tissue:"skin",with_links:["subjects"]){id} '
        'lone:sample(tissue:"skin",without_links:["subjects"]){id} '
        'path:sample(tissue:"skin",with_path_to:{type:"subject"}){id} '
        'far:sample(tissue:"skin",with_path_to:{type:"project"}){id}}'
    )
    closed = await mice.ask(query, caller=await mice.user())
    assert closed["sample"] == [{"subjects": [], "_subjects_count": 0, "_links": []}]
    assert (closed["linked"], len(closed["lone"]), closed["path"], closed["far"]) == ([], 1, [], [])
    seen = await mice.ask(query, caller=await mice.user(("viewer", "lab", "A")))
    assert seen["sample"][0]["_subjects_count"] == 1
    assert len(seen["linked"]) == len(seen["path"]) == len(seen["far"]) == 1
    back = '{subject(submitter_id:"A-mouse0"){samples(first:0){submitter_id} _samples_count}}'
    assert (await mice.ask(back, caller=await mice.user()))["subject"] == []


async def test_collections_are_not_shown(site: Site) -> None:
    await site.program("lab")
    await site.project("lab", "picked", level=3, kind="collection")
    data = await site.ask("{project{code} program{_projects_count}}")
    assert data == {"project": [], "program": [{"_projects_count": 0}]}


async def test_a_scope_of_nothing_and_one_of_many_projects(mice: Site) -> None:
    plan = (await mice.endpoint.schema()).plan(b'{"query":"{sample(first:0){id}}"}')
    reads = PgGraphReads()
    async with mice.database.read() as unit:
        for scope, n in (
            (Scope(), 0),
            (Scope(projects=frozenset(range(200_000))), 11),
            (Scope(programs=frozenset([mice.numbers["pub"]]), only_program=mice.numbers["pub"]), 2),
            (Scope(everything=True, only_program=mice.numbers["lab"]), 9),
        ):
            answer = await reads.answer(unit, plan.prepared[0], read=scope, count=scope, min_count=5)
            assert answer.count('"id"') == n
