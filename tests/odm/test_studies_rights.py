"""Who may do what with studies, samples, links, accounts and groups: each role, and those without one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from commensal.core.files_query import parse_filter
from commensal.core.permissions import ROLE_NAMES, ROLES, Right
from commensal.core.principals import Principal
from commensal.core.projects import Project
from commensal.core.puts import LinkTo, Put
from commensal.core.studies import Kind, ObjectLink, ObjectQuery
from commensal.errors import Forbidden, Invalid, NotFound
from commensal.services import Services
from tests.odm.test_studies import OPERATOR, add, caller, found, project, services  # noqa: F401 - fixtures

READ, CHANGE, MOVE = Right.READ, Right.READ | Right.UPDATE, Right.READ | Right.DELETE


async def outcome(call: Callable[[], Awaitable[Any]]) -> str:
    try:
        await call()
    except (NotFound, Forbidden) as error:
        return type(error).__name__
    return "allowed"


async def test_each_role(services: Services):  # noqa: F811
    program = await services.catalog.add_program(OPERATOR, "R")
    for role in ("nobody", *ROLE_NAMES):
        await one_role(services, await services.catalog.add_project(OPERATOR, program, f"for-{role}"), role)
    await moving_a_file_needs_both_studies(services, await services.catalog.add_project(OPERATOR, program, "bytes"))


async def one_role(services: Services, project: Project, role: str):  # noqa: F811
    who = await caller(services, f"{role}@x", "" if role == "nobody" else role, project)
    held = ROLES.get(role, Right(0))
    sample = await add(services, project, "S1", tissue="kidney")
    group = (await services.records.put(OPERATOR, project, [Put(type="import_group", metadata={"kind": "libraries"})]))[
        0
    ]
    put = Put(type="library", submitter_id="L1", links=[LinkTo("owner", uuid=group.uuid)])
    library = (await services.records.put(OPERATOR, project, [put]))[0].seq
    task = await services.studies.publish(OPERATOR, project.seq)
    studies, links = services.studies, services.study_links
    calls: list[tuple[Right, Callable[[], Awaitable[Any]]]] = [
        (READ, lambda: studies.find(who, Kind.STUDY, project.seq)),
        (READ, lambda: studies.find(who, Kind.SAMPLE, sample)),
        (READ, lambda: studies.versions(who, Kind.SAMPLE, sample)),
        (READ, lambda: studies.version(who, Kind.STUDY, project.seq, 1)),
        (READ, lambda: studies.publication(who, task.id)),
        (READ, lambda: studies.invalid_values(who, project.seq)),
        (READ, lambda: links.groups(who, project.seq, Kind.SAMPLE)),
        (READ, lambda: links.pairs_of_group(who, group.seq, Kind.LIBRARY)),
        (READ, lambda: links.object(who, sample, "sample")),
        (CHANGE, lambda: studies.change(who, Kind.STUDY, project.seq, {"a": 1})),
        (CHANGE, lambda: studies.change(who, Kind.SAMPLE, sample, {"a": 1})),
        (CHANGE, lambda: studies.publish(who, project.seq)),
        (CHANGE, lambda: links.link(who, [ObjectLink(library, "library", sample, "sample")])),
        (CHANGE, lambda: links.unlink(who, ObjectLink(library, "library", sample, "sample"))),
        (MOVE, lambda: links.unlink(who, ObjectLink(project.seq, "study", sample, "sample"))),
    ]
    if not held & Right.UPDATE:  # so that there is something to part
        await links.link(OPERATOR, [ObjectLink(library, "library", sample, "sample")])
    for need, call in calls:
        expected = "allowed" if held & need == need else "Forbidden" if held & READ else "NotFound"
        assert await outcome(call) == expected, (role, need)
    query = ObjectQuery(Kind.SAMPLE, nodes=(parse_filter("a=1 OR tissue=kidney"),))  # type: ignore[arg-type]
    moved = held & MOVE == MOVE
    assert await found(services, query, who) == ([sample] if held & READ or moved else [])
    rows, total = await links.links(who, [project.seq])
    assert (len(rows) > 0, total > 0) == (bool(held & READ) and not moved,) * 2 or moved
    assert bool(await studies.facets(who, ObjectQuery(Kind.STUDY))) == bool(held & CHANGE == CHANGE)


async def moving_a_file_needs_both_studies(services: Services, project: Project) -> None:  # noqa: F811
    async def data() -> AsyncIterator[bytes]:
        yield b"bytes"

    other = await services.catalog.add_project(OPERATOR, project.program, "Y")
    file = (await services.files.put(OPERATOR, project, "a.txt", data())).file
    link = [ObjectLink(other.seq, "study", file.seq, "file")]
    who = await caller(services, "f@x", "curator", project)
    with pytest.raises(NotFound):
        await services.study_links.link(who, link)
    await services.grants.grant(OPERATOR, "f@x", "viewer", other)
    with pytest.raises(Forbidden):
        await services.study_links.link(who, link)
    await services.grants.grant(OPERATOR, "f@x", "contributor", other)
    await services.study_links.link(who, link)
    page = await services.file_search.search(who, project=other.seq)
    assert [one.seq for one in page.items] == [file.seq]
    assert (await services.study_links.links(who, [file.seq]))[0] == [ObjectLink(file.seq, "file", other.seq, "study")]


async def test_accounts_and_groups(services: Services, project: Project):  # noqa: F811
    scim = services.scim
    ada, eve = await caller(services, "ada@x"), await caller(services, "eve@x")
    group = (await scim.add_group(ada, "Renal", external_id="r-1")).group
    assert [one.email for one in (await scim.group(ada, group.seq)).members or ()] == ["ada@x"]
    for call in (
        lambda: scim.users(ada), lambda: scim.user(ada, ada.user or 0), lambda: scim.save_user(ada, "new@x"),
        lambda: scim.change_user(ada, ada.user or 0, active=False),
    ):  # fmt: skip
        assert await outcome(call) == "Forbidden"
    for call in (
        lambda: scim.group(eve, group.seq), lambda: scim.change_group(eve, group.seq, name="Mine"),
        lambda: scim.delete_group(eve, group.seq),
    ):  # fmt: skip
        assert await outcome(call) == "NotFound"
    assert (await scim.groups(eve))[1] == 0
    # Numbers can be guessed: a group must not tell whose they are.
    for change in ({"add": [eve.user or 0]}, {"replace": [ada.user or 0, eve.user or 0]}):
        with pytest.raises(Invalid, match=f"no user {eve.user} that you may see"):
            await scim.change_group(ada, group.seq, **change)
    await services.grants.grant(OPERATOR, "ada@x", "viewer", project)
    await services.grants.grant(OPERATOR, "eve@x", "viewer", project)
    await scim.change_group(ada, group.seq, add=[eve.user or 0])
    assert [one.group.name for one in (await scim.groups(eve))[0]] == ["Renal"]
    for call in (lambda: scim.change_group(eve, group.seq, name="Mine"), lambda: scim.delete_group(eve, group.seq)):
        assert await outcome(call) == "Forbidden"
    with pytest.raises(Invalid):  # nothing of a change that is refused in part
        await scim.change_group(ada, group.seq, name="Liver", replace=[1])
    assert (await scim.group(ada, group.seq)).group.name == "Renal"
    await services.grants.revoke(OPERATOR, "eve@x", project)
    await scim.change_group(ada, group.seq, replace=[ada.user or 0, eve.user or 0])  # who is in it stays known
    await services.grants.grant(OPERATOR, "ada@x", "contributor", project)
    assert [one.group.name for one in (await scim.groups(ada))[0]] == ["Curator", "Renal"]
    other = await services.catalog.add_project(OPERATOR, await services.catalog.add_program(OPERATOR, "Q"), "Y")
    await caller(services, "zoe@x", "contributor", other)
    for who, seen in ((ada, ["ada@x"]), (OPERATOR, ["ada@x", "zoe@x"])):  # of Curator, whom one works with
        assert [one.email for one in (await scim.group(who, 0)).members or ()] == seen
    page, total = await scim.groups(ada, offset=1, limit=1)
    assert ([one.group.name for one in page], total) == (["Renal"], 2)
    with pytest.raises(Invalid, match="computed"):
        await scim.change_group(ada, 0, name="Mine")
    operator: Principal = OPERATOR
    assert [one.user.email for one in (await scim.users(operator, email="EVE@x"))[0]] == ["eve@x"]
    await scim.change_user(operator, eve.user or 0, external_id="e-1", name="Eve", active=False)
    assert (await scim.users(operator, external_id="e-1"))[1] == 0
    again = await scim.save_user(operator, "eve@x", name="Eve again", active=True)
    assert (again.user.active, again.user.name, again.external_id) == (True, "Eve again", "e-1")
    assert (await scim.save_user(operator, "eve@x")).user.name == "Eve again"
    await scim.change_group(ada, group.seq, replace=[], external_id=None)
    shown = await scim.group(ada, group.seq)
    assert (shown.members, shown.external_id) == ((), None)
