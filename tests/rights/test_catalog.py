"""Programs and projects: names, numbers, homes, default projects, public level, mode, lists."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest

from commensal.core.ids import program_uuid, project_uuid
from commensal.core.permissions import PublicLevel, Right
from commensal.core.projects import Mode, ProjectKind
from commensal.errors import (
    AlreadyExists,
    Closed,
    Forbidden,
    Invalid,
    InvalidRows,
    Malformed,
    NotFound,
    Problem,
    StateConflict,
    Unauthenticated,
)
from commensal.storage.postgres.database import counting
from tests.rights.conftest import ANONYMOUS, OPERATOR, Site, build_site


async def test_names_compare_without_case_and_titles_are_unique(site: Site):
    first = await site.catalog.add_program(OPERATOR, "GEO", title="Gene Expression")
    assert first.uuid == program_uuid("GEO")
    with pytest.raises(AlreadyExists) as code:
        await site.catalog.add_program(OPERATOR, "geo")
    assert code.value.field == "code"
    with pytest.raises(AlreadyExists) as title:
        await site.catalog.add_program(OPERATOR, "OTHER", title="GENE expression")
    assert title.value.field == "title"
    project = await site.project(first, "GSE-781")
    assert project.uuid == project_uuid("GSE-781")
    assert (project.polly_code, project.project_id, project.title) == ("gse_781", "GEO-GSE-781", "GSE-781")
    other = await site.program()
    for code in ("GSE-781", "gse.781", "Gse_781"):
        with pytest.raises(AlreadyExists, match="taken on this site"):
            await site.project(other, code)


@pytest.mark.parametrize("code", ["graphql", "GraphQL", "_dictionary", "admin", "12", "a-b", "ä", "", "x" * 65])
async def test_program_codes_that_are_refused(site: Site, code):
    with pytest.raises(Invalid):
        await site.catalog.add_program(OPERATOR, code)


@pytest.mark.parametrize("code", ["export", "Entities", "queries", "data-matrices", "77", "a b", ""])
async def test_project_codes_that_are_refused(site: Site, code):
    program = await site.program()
    with pytest.raises(Invalid) as refused:
        await site.catalog.add_project(OPERATOR, program, code)
    assert refused.value.field == "code"


async def test_a_rename_keeps_uuid_and_number_and_frees_the_name(site: Site):
    program = await site.program("OLD")
    project = await site.project(program, "P1")
    renamed = await site.catalog.update_program(OPERATOR, "old", code="NEW", title="New")
    assert (renamed.uuid, renamed.seq, renamed.code) == (program.uuid, program.seq, "NEW")
    moved = await site.catalog.rename_project(OPERATOR, project, "P2")
    assert (moved.uuid, moved.project_id) == (project.uuid, "NEW-P2")
    again = await site.catalog.add_program(OPERATOR, "OLD")
    assert again.uuid.version == 4
    assert (await site.project(again, "P1")).uuid.version == 4
    with pytest.raises(AlreadyExists) as taken:
        await site.catalog.update_program(OPERATOR, "OLD", code="new")
    assert taken.value.field == "code"
    with pytest.raises(AlreadyExists):
        await site.catalog.rename_project(OPERATOR, "OLD-P1", "p2")


async def test_a_project_is_found_by_all_its_names(site: Site):
    program = await site.program("GEO")
    project = await site.project(program, "GSE-781")
    await site.project(program, "GEO-GSE")
    for ref in (
        project.seq, str(project.seq), project.uuid, str(project.uuid).upper(), f"GSF{project.seq}",
        "GEO-GSE-781", "geo-gse-781", "gse_781", "GSE-781",
    ):  # fmt: skip
        assert (await site.catalog.project(OPERATOR, ref)).seq == project.seq
    assert (await site.catalog.project_in(OPERATOR, "geo", "GSE-781")).seq == project.seq
    for ref in ("nothing", "GEO-nothing", 7, 1 << 70, UUID(int=5), "a\0b", "", "9" * 30, "OTHER-GSE-781"):
        with pytest.raises(NotFound):
            await site.catalog.project(OPERATOR, ref)


async def test_a_code_is_made_from_a_title(site: Site):
    program = await site.program()
    first = await site.catalog.add_project(OPERATOR, program, None, title="My Study!")
    second = await site.catalog.add_project(OPERATOR, program, None, title="my study")
    assert (first.code, first.title, second.polly_code) == ("My_Study", "My Study!", "my_study_2")
    assert (await site.catalog.add_project(OPERATOR, program, None, title="export")).code == "export_"
    assert (await site.catalog.add_project(OPERATOR, program, None, title="u12")).code == "u12"
    with pytest.raises(AlreadyExists):
        await site.catalog.add_project(OPERATOR, program, None, title="MY STUDY!", unique_title=True)
    with pytest.raises(Invalid):
        await site.catalog.add_project(OPERATOR, program, None)
    page = await site.catalog.list_projects(OPERATOR, title="MY study!")
    assert [p.seq for p in page.items] == [first.seq]


async def test_two_writers_of_one_code(site: Site):
    program = await site.program()
    results = await asyncio.gather(
        *(site.catalog.add_project(OPERATOR, program, code) for code in ("Race", "RACE", "race")),
        return_exceptions=True,
    )
    assert sum(isinstance(result, AlreadyExists) for result in results) == 2
    results = await asyncio.gather(
        *(site.catalog.add_project(OPERATOR, program, None, title="Same title") for _ in range(4))
    )
    assert len({project.polly_code for project in results}) == 4
    programs = await asyncio.gather(
        *(site.catalog.add_program(OPERATOR, code) for code in ("Twin", "TWIN")), return_exceptions=True
    )
    assert sum(isinstance(result, AlreadyExists) for result in programs) == 1


async def test_own_programs(site: Site, audit, guard, clock):
    user = await site.user()
    mine = await site.catalog.open_own_program(user, "My Lab")
    assert (mine.code, mine.listed) == ("My_Lab", False)
    async with site.database.read() as unit:
        assert await site.guard.rights(unit, user, program=mine) & Right.IDENTIFY
    project = await site.catalog.add_project(user, mine, "x1")
    assert project.made_by == user.user
    with pytest.raises(AlreadyExists):
        await site.catalog.open_own_program(user, "MY LAB")
    assert (await site.catalog.open_own_program(user, "My-Lab")).code == "My_Lab_2"
    with pytest.raises(Unauthenticated):
        await site.catalog.open_own_program(ANONYMOUS, "Nobody's")
    closed = build_site(site.database, audit, guard, clock, self_service=False)
    with pytest.raises(Closed):
        await closed.catalog.open_own_program(user, "Another")


async def test_a_taken_home_name_gets_a_number(site: Site):
    user = await site.user("homeless@example.org")
    await site.catalog.add_program(OPERATOR, f"U{user.user}")
    await site.catalog.add_program(OPERATOR, "other", title=f"u{user.user}_2")
    home = await site.catalog.home_project(user)
    assert home.program_code.startswith(f"u{user.user}_")
    assert (await site.catalog.home_project(user)).seq == home.seq


async def test_the_home_is_made_once_however_many_ask_at_once(site: Site):
    user = await site.user()
    found = await asyncio.gather(*(site.catalog.home_project(user) for _ in range(5)))
    assert len({project.seq for project in found}) == 1
    home = found[0]
    assert (home.project_id, home.title) == (f"u{user.user}-u{user.user}",) * 1 + (f"u{user.user}",)
    program = await site.catalog.program(user, home.program)
    assert (program.home_of, program.listed) == (user.user, False)
    with counting() as sent:
        assert (await site.catalog.home_project(user)).seq == home.seq
    assert sent.n <= 2
    other = await site.user()
    with pytest.raises(NotFound):
        await site.catalog.program(other, home.program)
    assert [p.seq for p in await site.catalog.list_programs(user)] == [program.seq]
    assert await site.catalog.list_programs(OPERATOR) == []
    await site.grants.grant(user, other.email, "viewer", home)
    assert [p.seq for p in await site.catalog.list_programs(other)] == [program.seq]
    assert len(await site.catalog.list_programs(OPERATOR, homes=True)) == 1
    with pytest.raises(Invalid, match="operator"):
        await site.catalog.home_project(OPERATOR)
    with pytest.raises(Unauthenticated):
        await site.catalog.home_project(ANONYMOUS)
    with pytest.raises(Invalid):
        await site.catalog.update_program(user, home.program, title="Palace")


async def test_the_default_project(site: Site):
    program = await site.program("Clinic")
    writer, reader = await site.holder("contributor", program), await site.holder("viewer", program)
    with pytest.raises(Forbidden):
        await site.catalog.default_project(reader, program)
    made = await asyncio.gather(*(site.catalog.default_project(writer, program) for _ in range(4)))
    assert {project.project_id for project in made} == {"Clinic-Clinic_cases"}
    user = await site.user()
    home = await site.catalog.home_project(user)
    assert (await site.catalog.default_project(user, home.program)).seq == home.seq
    blocked = await site.program("Ward")
    await site.project(program, "ward_cases")
    writer = await site.holder("contributor", blocked)
    assert (await site.catalog.default_project(writer, blocked)).code == "Ward_cases_2"
    assert (await site.catalog.default_project(writer, blocked)).code == "Ward_cases_2"


async def test_availability_is_the_public_level(site: Site):
    program = await site.program()
    manager = await site.holder("manager", program)
    project = await site.catalog.add_project(
        manager, program, "open1", properties={"availability_type": "Open", "a": 1}
    )
    assert (project.public_level, project.properties) == (PublicLevel.READ, {"a": 1})
    assert site.catalog.shown_properties(project) == {"a": 1, "availability_type": "Open"}
    project = await site.catalog.update_project(manager, project, properties={"availability_type": "Restricted"})
    assert (project.public_level, project.properties) == (PublicLevel.NONE, {})
    await site.catalog.set_public_level(manager, project, PublicLevel.DOWNLOAD)
    kept = await site.catalog.update_project(manager, project, properties={"availability_type": "Open"}, extra={"k": 0})
    assert (kept.public_level, kept.extra) == (PublicLevel.DOWNLOAD, {"k": 0})
    writer = await site.holder("contributor", project)
    assert (await site.catalog.update_project(writer, project, title="T")).extra == {"k": 0}
    assert (await site.catalog.update_project(writer, project, extra=None)).extra is None
    with pytest.raises(Forbidden):
        await site.catalog.update_project(writer, project, properties={"availability_type": "Restricted"})
    with pytest.raises(Malformed):
        await site.catalog.update_project(writer, project, properties={"a": "\0"})


async def test_what_must_not_be_public_is_refused(site: Site):
    project = await site.project(await site.program())

    async def patients(unit, project, level):
        raise Invalid("There are patients in it.")

    site.catalog.public_checks.append(patients)
    with pytest.raises(Invalid, match="patients"):
        await site.catalog.set_public_level(OPERATOR, project, PublicLevel.AGGREGATE)
    with pytest.raises(Invalid, match="patients"):
        await site.catalog.update_project(OPERATOR, project, properties={"availability_type": "Open"})
    with pytest.raises(Invalid, match="patients"):
        await site.catalog.add_project(OPERATOR, project.program, "public1", public=PublicLevel.READ)
    assert (await site.catalog.project(OPERATOR, project.seq)).public_level == PublicLevel.NONE
    await site.catalog.set_public_level(OPERATOR, project, PublicLevel.NONE)


async def test_strict_only_without_violations(site: Site):
    project = await site.project(await site.program())
    await site.record(project)
    with pytest.raises(StateConflict):
        await site.catalog.set_mode(OPERATOR, project, Mode.STRICT)
    problems = [Problem("is no number", record="s1", field="age")]

    async def violations(unit, project):
        return problems

    site.catalog.strict_violations = violations
    with pytest.raises(InvalidRows) as refused:
        await site.catalog.set_mode(OPERATOR, project, "strict")
    assert refused.value.problems == problems
    problems.clear()
    assert (await site.catalog.set_mode(OPERATOR, project, "strict")).mode == Mode.STRICT
    assert (await site.catalog.set_mode(OPERATOR, project, "open")).mode == Mode.OPEN
    with pytest.raises(Invalid):
        await site.catalog.set_mode(OPERATOR, project, "lax")


async def test_the_state_of_a_project(site: Site):
    project = await site.project(await site.program())
    with pytest.raises(StateConflict):
        await site.catalog.set_state(OPERATOR, project, "submitted")
    await site.catalog.set_state(OPERATOR, project, "review")
    with pytest.raises(StateConflict):
        await site.catalog.set_state(OPERATOR, project, "submitted", released=True)
    await site.catalog.set_state(OPERATOR, project, "submitted")
    done = await site.catalog.set_state(OPERATOR, project, "submitted", released=True)
    assert (done.state, done.released) == ("submitted", True)


async def test_which_programs_are_listed(site: Site):
    listed, hidden = await site.program("LISTED"), await site.catalog.add_program(OPERATOR, "HIDDEN", listed=False)
    inside = await site.project(hidden, "inside")
    user = await site.user()

    async def seen(who):
        return [program.code for program in await site.catalog.list_programs(who)]

    assert await seen(user) == ["LISTED"]
    assert await seen(ANONYMOUS) == []
    assert await seen(OPERATOR) == ["HIDDEN", "LISTED"]
    assert await seen(await site.holder("viewer", inside)) == ["HIDDEN", "LISTED"]
    with pytest.raises(NotFound):
        await site.catalog.program(user, "HIDDEN")
    await site.catalog.set_public_level(OPERATOR, inside, PublicLevel.AGGREGATE)
    assert await seen(ANONYMOUS) == ["HIDDEN"]
    assert await seen(user) == ["HIDDEN", "LISTED"]
    assert (await site.catalog.program_titled(user, "hidden")).seq == hidden.seq
    page = await site.catalog.page_programs(user, search="list", limit=1)
    assert (page.total, page.items[0].seq) == (1, listed.seq)
    assert (await site.catalog.page_programs(user, offset=9, limit=1)).total == 2


async def test_lists_take_two_statements_and_count(site: Site):
    program = await site.program()
    projects = [await site.project(program, f"p{number}") for number in range(8)]
    await site.project(program, "coll", kind=ProjectKind.COLLECTION)
    for _ in range(6):
        await site.record(projects[0])
    await site.record(projects[0], type_="case")
    reader, counter = await site.holder("viewer", program), await site.holder("counter", program)
    with counting() as sent:
        page = await site.catalog.list_projects(reader, counts=True, limit=5)
    assert sent.n <= 2
    assert (len(page.items), page.total) == (5, 8)
    assert page.counts[projects[0].seq] == {"sample": 6, "case": 1}
    assert page.rights[projects[0].seq] == Right.AGGREGATE | Right.READ
    assert (await site.catalog.list_projects(counter)).total == 0
    page = await site.catalog.list_projects(counter, right=Right.AGGREGATE, counts=True, collections=True)
    assert page.total == 9
    assert page.counts[projects[0].seq] == {"sample": 6, "case": None}
    assert (await site.catalog.list_projects(reader, kind="collection")).total == 1
    assert [p.code for p in (await site.catalog.list_projects(reader, search="-P3")).items] == ["p3"]
    assert (await site.catalog.list_projects(reader, offset=100)).total == 8
    assert (await site.catalog.list_projects(reader, program=program.code, limit=None)).limit == 8
    newest = await site.catalog.list_projects(reader, order="created", limit=1)
    assert newest.items[0].code == "p7"


async def test_events_of_the_catalog(site: Site):
    program = await site.program("AUD")
    await site.project(program, "one")
    actions = [(event.action, event.target) for event in reversed(await site.events())]
    assert actions == [("program.add", "AUD"), ("project.add", "AUD-one")]
