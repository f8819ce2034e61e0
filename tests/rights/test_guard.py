"""The guard: what is held, for how long it is remembered, and what a refusal leaves behind."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from commensal.core.permissions import ALL_RIGHTS, NO_RIGHTS, ROLES, SITE_ADMIN_RIGHTS, PublicLevel, Right
from commensal.core.principals import Door, Principal, PrincipalKind
from commensal.errors import Forbidden, Unauthenticated
from commensal.services.guard import Guard
from commensal.storage.postgres.database import counting
from commensal.storage.postgres.grants import PgGrantStore
from tests.rights.conftest import ANONYMOUS, OPERATOR, Site

SYSTEM = Principal(PrincipalKind.SYSTEM, Door.SYSTEM)


async def held(site: Site, who: Principal, **where) -> Right:
    async with site.database.read() as unit:
        return await site.guard.rights(unit, who, **where)


@pytest.mark.parametrize("role", list(ROLES))
async def test_a_role_holds_its_rights_where_it_was_given(site: Site, role):
    program, other = await site.program(), await site.program()
    first, second = await site.project(program), await site.project(program)
    on_project, on_program = await site.holder(role, first), await site.holder(role, program)
    assert await held(site, on_project, project=first) == ROLES[role]
    assert await held(site, on_project, project=second) == NO_RIGHTS
    assert await held(site, on_project, program=program) == NO_RIGHTS
    later = await site.project(program)
    for project in (first, second, later):
        assert await held(site, on_program, project=project) == ROLES[role]
    assert await held(site, on_program, program=program) == ROLES[role]
    assert await held(site, on_program, program=other) == NO_RIGHTS


async def test_access_takes_one_statement_and_is_remembered_for_a_second(site: Site):
    program = await site.program()
    user = await site.holder("viewer", program)
    async with site.database.read() as unit:
        with counting() as sent:
            for _ in range(3):
                await site.guard.require(unit, user, Right.READ, program=program)
            assert sent.n == 1
            # another process takes the grant away: seen within a second
            await unit.run("delete from grants where user_seq = $1", user.user)
            await site.guard.require(unit, user, Right.READ, program=program)
            site.clock.move(seconds=1)
            with pytest.raises(Forbidden):
                await site.guard.require(unit, user, Right.READ, program=program)
    user = await site.holder("viewer", program)
    assert await held(site, user, program=program)
    await site.grants.revoke(OPERATOR, user.email, program.code)  # by this process: seen at once
    assert await held(site, user, program=program) == NO_RIGHTS


async def test_what_was_read_before_a_change_is_not_remembered_after_it(site: Site, audit, clock):
    """A request that reads the grants while another one of this process changes them."""
    program = await site.program()
    user = await site.holder("viewer", program)

    class Slow(PgGrantStore):
        async def held_by(self, unit, user, now):
            rows = await super().held_by(unit, user, now)
            async with site.database.begin() as other:
                await other.run("delete from grants where user_seq = $1", user)
            guard.forget()
            return rows

    guard = Guard(grants=Slow(), audit=audit, now=clock, monotonic=clock.monotonic)
    async with site.database.read() as unit:
        assert await guard.rights(unit, user, program=program)
        assert await guard.rights(unit, user, program=program) == NO_RIGHTS


async def test_a_grant_ends_by_itself(site: Site):
    program = await site.program()
    user = await site.user()
    end = site.clock() + timedelta(seconds=0.4)
    await site.grants.grant(OPERATOR, user.email, "viewer", program, until=end)
    assert await held(site, user, program=program)
    site.clock.move(seconds=0.5)  # less than a remembered access lives
    assert await held(site, user, program=program) == NO_RIGHTS


async def test_groups_give_what_they_hold(site: Site):
    program = await site.program()
    project = await site.project(program)
    user = await site.user()
    await site.groups.add(OPERATOR, "Lab")
    await site.grants.grant(OPERATOR, "group:lab", "contributor", project)
    assert await held(site, user, project=project) == NO_RIGHTS
    await site.groups.add_members(OPERATOR, "LAB", [user.email.upper()])
    assert await held(site, user, project=project) == ROLES["contributor"]
    await site.grants.grant(OPERATOR, user.email, "clinician", program)
    assert await held(site, user, project=project) == ROLES["clinician"]
    await site.groups.delete(OPERATOR, "lab")
    await site.grants.revoke(OPERATOR, user.email, program.code)
    assert await held(site, user, project=project) == NO_RIGHTS


async def test_public_levels(site: Site, audit, clock):
    project = await site.project(await site.program())
    user = await site.user()
    for level in PublicLevel:
        await site.catalog.set_public_level(OPERATOR, project, level)
        project = await site.catalog.project(OPERATOR, project.seq)
        assert await held(site, user, project=project) == level.rights
        assert await held(site, ANONYMOUS, project=project) == level.rights
        assert await held(site, user, project=project, by_grant_only=True) == NO_RIGHTS
    closed = Guard(grants=PgGrantStore(), audit=audit, anonymous=False, now=clock)
    async with site.database.read() as unit:
        with pytest.raises(Unauthenticated):
            await closed.rights(unit, ANONYMOUS, project=project)
        with pytest.raises(Unauthenticated):
            await closed.scope(unit, ANONYMOUS, Right.READ)
        with pytest.raises(Unauthenticated):
            await site.guard.require(unit, ANONYMOUS, Right.UPDATE, project=project)


async def test_site_admins_hold_everything_but_identify(site: Site):
    program = await site.program()
    project = await site.project(program)
    admin = await site.user(site_admin=True)
    for who in (admin, OPERATOR, SYSTEM):
        assert await held(site, who, project=project) == SITE_ADMIN_RIGHTS
        async with site.database.read() as unit:
            await site.guard.require_site_admin(unit, who)
    assert (await site.catalog.list_projects(admin, right=Right.IDENTIFY)).total == 0
    own = await site.catalog.add_program(admin, "OWN")
    assert await held(site, admin, program=own) == ALL_RIGHTS


async def test_a_key_that_is_limited_to_a_program(site: Site):
    mine, other = await site.program(), await site.program()
    inside, outside = await site.project(mine), await site.project(other, public=PublicLevel.DOWNLOAD)
    admin = await site.user(site_admin=True)
    user = await site.holder("owner", other)
    await site.grants.grant(OPERATOR, user.email, "viewer", mine)
    for who in (admin, user):
        key = replace(who, only_program=mine.seq, door=Door.OPAL)
        assert await held(site, key, project=inside) & Right.READ
        assert await held(site, key, project=outside) == NO_RIGHTS
        assert await held(site, key, project=outside, by_grant_only=True) == NO_RIGHTS
        assert [p.seq for p in (await site.catalog.list_projects(key)).items] == [inside.seq]
        assert [p.seq for p in await site.catalog.list_programs(key)] == [mine.seq]
        async with site.database.read() as unit:
            with pytest.raises(Forbidden):
                await site.guard.require_site_admin(unit, key)


async def test_a_refusal_names_the_project_only_to_those_who_know_it(site: Site):
    project = await site.project(await site.program("SECRET"), "hidden")
    stranger, reader = await site.user(), await site.holder("viewer", project)
    with pytest.raises(Forbidden) as refused:
        await site.catalog.project(stranger, project.seq)
    assert "hidden" not in refused.value.message
    with pytest.raises(Forbidden, match="'delete' on project SECRET-hidden"):
        await site.catalog.project(reader, project.seq, right=Right.DELETE)
    with pytest.raises(Forbidden, match="'update, delete'"):
        await site.catalog.project(reader, project.seq, right=Right.READ | Right.UPDATE | Right.DELETE)
    events = [event for event in await site.events() if event.result == "refused"]
    assert [(event.who, event.action, event.project, event.program) for event in events] == [
        (reader.user, "update, delete", project.seq, project.program),
        (reader.user, "delete", project.seq, project.program),
        (stranger.user, "read", project.seq, project.program),
    ]
    with pytest.raises(Unauthenticated):
        await site.catalog.project(ANONYMOUS, project.seq)
    await site.audit.flush()
    async with site.database.read() as unit:
        assert await unit.value("select n from audit_refusals where address = $1", ANONYMOUS.address) == 1


def test_small_counts_are_hidden(guard: Guard):
    assert [guard.hide(n) for n in (0, 4, 5, 600)] == [None, None, 5, 600]
    assert guard.shown(Right.AGGREGATE, 3) is None
    assert guard.shown(Right.AGGREGATE | Right.READ, 3) == 3
    assert guard.shown(NO_RIGHTS, 300) is None
    assert guard.min_count == 5
