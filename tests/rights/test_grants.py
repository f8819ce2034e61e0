"""Giving and taking rights, and groups."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest

from commensal.core.permissions import ROLES, Right
from commensal.errors import AlreadyExists, Closed, Forbidden, Invalid, NotFound, StateConflict, Unauthenticated
from tests.rights.conftest import ANONYMOUS, OPERATOR, Site, build_site


async def test_nobody_grants_what_he_does_not_hold(site: Site):
    program = await site.program()
    manager = await site.holder("manager", program)
    other = await site.user()
    for role in ("counter", "viewer", "analyst", "contributor", "curator", "manager"):
        await site.grants.grant(manager, other.email, role, program.code)
    for role in ("owner", "clinician"):
        with pytest.raises(Forbidden, match="identify"):
            await site.grants.grant(manager, other.email, role, program.code)
    for role in ("viewer", "contributor", "clinician", "curator"):
        holder = await site.holder(role, program)
        with pytest.raises(Forbidden):
            await site.grants.grant(holder, other.email, "counter", program.code)
    with pytest.raises(Unauthenticated):
        await site.grants.grant(ANONYMOUS, other.email, "viewer", program.code)
    with pytest.raises(Invalid, match="roles are counter, viewer"):
        await site.grants.grant(manager, other.email, "king", program.code)
    with pytest.raises(NotFound):
        await site.grants.grant(manager, "nobody@example.org", "viewer", program.code)
    with pytest.raises(NotFound):
        await site.grants.grant(manager, other.email, "viewer", "NOTHING")


async def test_a_manager_of_a_project_grants_there_only(site: Site):
    program = await site.program("P1")
    project = await site.project(program, "a-b")
    manager, other = await site.holder("manager", project), await site.user()
    row = await site.grants.grant(manager, other.email, "viewer", "p1-A-B")
    assert (row.program, row.project, row.holder, row.role) == (program.seq, project.seq, other.email, "viewer")
    with pytest.raises(Forbidden):
        await site.grants.grant(manager, other.email, "viewer", "P1")
    with pytest.raises(NotFound):
        await site.grants.grant(manager, other.email, "viewer", "P1-nothing")


async def test_site_admins_take_identify_for_themselves_and_the_audit_shows_it(site: Site):
    program = await site.program()
    admin, other = await site.user(site_admin=True), await site.user()
    with pytest.raises(Forbidden, match="themselves first"):
        await site.grants.grant(admin, other.email, "owner", program.code)
    await site.grants.grant(admin, admin.email, "owner", program.code)
    await site.grants.grant(admin, other.email, "owner", program.code)
    events = [event for event in await site.events("grant.add") if event.result == "ok"]
    assert [(event.who, event.details["holder"]) for event in events] == [
        (admin.user, other.email),
        (admin.user, admin.email),
    ]


async def test_taking_away(site: Site):
    program = await site.program()
    owner, manager = await site.holder("owner", program), await site.holder("manager", program)
    clinician, viewer = await site.holder("clinician", program), await site.holder("viewer", program)
    for who in (owner, clinician):
        with pytest.raises(Forbidden, match="exceeds"):
            await site.grants.revoke(manager, who.email, program.code)
    with pytest.raises(Forbidden):
        await site.grants.revoke(viewer, manager.email, program.code)
    assert await site.grants.revoke(clinician, clinician.email, program.code) == 1  # one's own
    with pytest.raises(NotFound):
        await site.grants.revoke(owner, viewer.email, program.code, role="curator")
    await site.grants.grant(owner, viewer.email, "curator", program.code)
    assert await site.grants.revoke(owner, viewer.email, program.code) == 2
    (row,) = [r for r in await site.grants.list_grants(owner, program.code) if r.user == manager.user]
    await site.grants.revoke_id(owner, row.id)
    with pytest.raises(NotFound):
        await site.grants.revoke_id(owner, row.id)
    admin = await site.user(site_admin=True)
    await site.grants.revoke(admin, owner.email, program.code)
    assert await site.grants.list_grants(admin, program.code) == []


async def test_a_program_keeps_an_owner(site: Site):
    maker, second = await site.user(), await site.user()
    program = await site.catalog.open_own_program(maker, "Lab")
    with pytest.raises(StateConflict, match="no owner left"):
        await site.grants.revoke(maker, maker.email, "Lab")
    with pytest.raises(StateConflict):
        await site.grants.grant(maker, maker.email, "owner", "Lab", until=site.clock() + timedelta(days=1))
    await site.grants.grant(maker, second.email, "owner", "Lab", until=site.clock() + timedelta(days=1))
    with pytest.raises(StateConflict):  # an owner whose grant ends is not enough
        await site.grants.revoke(maker, maker.email, "Lab")
    await site.grants.grant(maker, second.email, "owner", "Lab")
    results = await asyncio.gather(
        site.grants.revoke(maker, maker.email, "Lab"),
        site.grants.revoke(second, second.email, "Lab"),
        return_exceptions=True,
    )
    assert sorted(type(result).__name__ for result in results) == ["StateConflict", "int"]
    for who in (maker, second):
        async with site.database.read() as unit:
            holds = await site.guard.rights(unit, who, program=program)
        if holds:
            assert await site.grants.revoke(OPERATOR, who.email, "Lab") == 1


async def test_the_end_of_a_grant(site: Site):
    program = await site.program()
    user = await site.user()
    now = site.clock()
    with pytest.raises(Invalid):
        await site.grants.grant(OPERATOR, user.email, "viewer", program, until=now)
    with pytest.raises(Invalid):
        await site.grants.grant(OPERATOR, user.email, "viewer", program, until=datetime(2999, 1, 1))  # noqa: DTZ001
    first = await site.grants.grant(OPERATOR, user.email, "viewer", program, until=now + timedelta(days=1))
    again = await site.grants.grant(OPERATOR, user.email, "viewer", program)
    assert (first.id, again.until) == (again.id, None)


async def test_who_may_see_grants(site: Site):
    program = await site.program()
    project = await site.project(program)
    manager, viewer = await site.holder("manager", project), await site.holder("viewer", program)
    rows = await site.grants.list_grants(manager, project)
    assert [(row.holder, row.role, row.project) for row in rows] == [
        (viewer.email, "viewer", None),
        (manager.email, "manager", project.seq),
    ]
    for who, target in ((viewer, project), (manager, program)):
        with pytest.raises(Forbidden):
            await site.grants.list_grants(who, target)


# --- groups --------------------------------------------------------------------------------------


async def test_groups_belong_to_their_maker_and_site_admins(site: Site):
    maker, member, stranger = await site.user(), await site.user(), await site.user()
    group = await site.groups.add(maker, "Lab One", members=[member.email])
    assert (group.name, group.made_by, group.members) == ("Lab One", maker.user, 1)
    with pytest.raises(AlreadyExists):
        await site.groups.add(stranger, "LAB one")
    with pytest.raises(NotFound, match="ghost"):
        await site.groups.add(maker, "Lab Two", members=["ghost@example.org", member.email])
    for who in (stranger, member):
        for refused in (
            site.groups.add_members(who, "lab one", [stranger.email]),
            site.groups.rename(who, group.seq, "Mine"),
            site.groups.delete(who, group),
        ):
            with pytest.raises(Forbidden):
                await refused
    with pytest.raises(Forbidden):
        await site.groups.members(stranger, "Lab One")
    assert [m.email for m in await site.groups.members(member, "Lab One")] == [member.email]
    assert await site.groups.add_members(maker, "Lab One", [stranger.email, member.email]) == 1
    assert await site.groups.remove_members(stranger, "Lab One", [stranger.email]) == 1
    admin = await site.user(site_admin=True)
    assert (await site.groups.rename(admin, "Lab One", "Lab A")).name == "Lab A"
    await site.groups.add(maker, "Lab B")
    with pytest.raises(AlreadyExists):
        await site.groups.rename(admin, "Lab B", "LAB A")
    page = await site.groups.list_groups(stranger, limit=2)
    assert ([g.name for g in page.items], page.total) == (["Curator", "Lab A"], 3)
    page = await site.groups.list_groups(stranger, offset=2, limit=2)
    assert [g.name for g in page.items] == ["Lab B"]
    assert [g.name for g in (await site.groups.list_groups(member, mine=True)).items] == ["Lab A"]
    await site.groups.delete(maker, "Lab A")
    with pytest.raises(NotFound):
        await site.groups.group(maker, "Lab A")


async def test_who_may_make_groups(site: Site, audit, guard, clock):
    closed = build_site(site.database, audit, guard, clock, self_service=False)
    user, admin = await site.user(), await site.user(site_admin=True)
    with pytest.raises(Closed):
        await closed.groups.add(user, "Lab")
    await closed.groups.add(admin, "Lab")
    with pytest.raises(Unauthenticated):
        await site.groups.add(ANONYMOUS, "Lab")
    for name in ("", "  ", "a\nb", "x" * 201):
        with pytest.raises(Invalid):
            await site.groups.add(user, name)


async def test_curator_is_computed(site: Site):
    project = await site.project(await site.program())
    viewer, writer = await site.holder("viewer", project), await site.holder("contributor", project)
    by_group, admin = await site.user(), await site.user(site_admin=True)
    await site.groups.add(OPERATOR, "Writers", members=[by_group.email])
    await site.grants.grant(OPERATOR, "group:Writers", "clinician", project)
    expected = sorted([writer.email, by_group.email, admin.email])
    assert [m.email for m in await site.groups.members(admin, "curator")] == expected
    elsewhere = await site.holder("contributor", await site.project(await site.program()))
    seen = sorted([writer.email, by_group.email])  # not who works in other programs, nor who administers the site
    assert [m.email for m in await site.groups.members(writer, "curator")] == seen
    assert [m.email for m in await site.groups.members(elsewhere, "curator")] == [elsewhere.email]
    assert (await site.groups.group(viewer, "CURATOR")).members == 4
    for who in (writer, by_group, admin):
        assert await site.groups.is_curator(who)
    assert not await site.groups.is_curator(viewer)
    assert not await site.groups.is_curator(ANONYMOUS)
    for refused in (
        site.groups.add_members(OPERATOR, "Curator", [viewer.email]),
        site.groups.remove_members(writer, "Curator", [writer.email]),
        site.groups.rename(OPERATOR, "Curator", "X"),
        site.groups.delete(OPERATOR, "Curator"),
        site.grants.grant(OPERATOR, "group:Curator", "viewer", project),
    ):
        with pytest.raises(Invalid, match="computed"):
            await refused
    with pytest.raises(AlreadyExists):
        await site.groups.add(admin, "curator")
    assert ROLES["clinician"] & Right.CREATE
