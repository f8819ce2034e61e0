"""What callers try in order to hold, keep or learn more than was given to them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from commensal.core.permissions import PublicLevel
from commensal.core.projects import ProjectKind
from commensal.errors import Forbidden, Malformed, NotFound, StateConflict
from tests.rights.conftest import OPERATOR, MovableClock, Site


async def test_rights_for_a_time_cannot_be_made_lasting(site: Site, clock: MovableClock):
    program = await site.program()
    project = await site.project(program)
    end = clock() + timedelta(hours=1)
    guest, friend = await site.user("guest"), await site.user("friend")
    await site.grants.grant(OPERATOR, guest.email, "manager", program, until=end)
    for holder in (guest.email, friend.email):
        for target in (program, project):
            for until in (None, end + timedelta(seconds=1)):
                with pytest.raises(Forbidden, match="Your own rights"):
                    await site.grants.grant(guest, holder, "viewer", target, until=until)
    await site.grants.grant(guest, friend.email, "viewer", project, until=end)
    clock.move(hours=1, seconds=1)
    for principal in (guest, friend):
        with pytest.raises(Forbidden):
            await site.catalog.project(principal, project.seq)


async def test_the_longest_of_several_grants_counts(site: Site, clock: MovableClock):
    program = await site.program()
    keeper, friend = await site.user("keeper"), await site.user("friend")
    await site.grants.grant(OPERATOR, keeper.email, "owner", program, until=clock() + timedelta(hours=1))
    group = await site.groups.add(OPERATOR, "Keepers", members=[keeper.email])
    await site.grants.grant(OPERATOR, f"group:{group.name}", "manager", program)
    assert (await site.grants.grant(keeper, friend.email, "manager", program)).until is None
    with pytest.raises(Forbidden, match="Your own rights"):
        await site.grants.grant(keeper, friend.email, "owner", program)


async def test_a_number_does_not_tell_a_name(site: Site):
    program = await site.program("SECRET")
    stranger = await site.user("stranger")
    with pytest.raises(NotFound) as told:
        await site.grants.revoke(stranger, stranger.email, str(program.seq))
    assert "SECRET" not in told.value.message


async def test_lists_do_not_tell_of_programs_that_one_may_not_know(site: Site):
    owner, stranger = await site.user("owner"), await site.user("stranger")
    hidden = await site.catalog.open_own_program(owner, "Hidden things")
    await site.catalog.add_project(owner, hidden, "HID")
    sentences: list[str] = []
    for name in (hidden.code, "No_such"):
        with pytest.raises(NotFound) as told:
            await site.catalog.list_projects(stranger, program=name)
        sentences.append(told.value.message.replace(name, "…"))
        with pytest.raises(NotFound):
            await site.catalog.program_titled(stranger, name)
    assert len(set(sentences)) == 1
    with pytest.raises(NotFound) as told:
        await site.catalog.program_titled(stranger, "Hidden things")
    assert str(hidden.seq) not in told.value.message
    assert (await site.catalog.list_projects(owner, program=hidden)).total == 1


async def test_a_project_is_looked_up_in_its_program_only(site: Site):
    one, two = await site.program("ONE"), await site.program("TWO")
    await site.project(two, "ONE-a")
    with pytest.raises(NotFound):
        await site.catalog.project_in(OPERATOR, one, "a")
    mine = await site.project(one, "mine")
    assert (await site.catalog.project_in(OPERATOR, "one", "MINE")).seq == mine.seq


async def test_a_collection_does_not_tell_of_records_that_one_may_not_read(site: Site):
    program = await site.program()
    collection = await site.project(program, kind=ProjectKind.COLLECTION, public=PublicLevel.READ)
    record = await site.record(await site.project(await site.program()))
    await site.catalog.add_members(OPERATOR, collection, [record])
    stranger = await site.user("stranger")
    assert await site.catalog.collections_of(stranger, record) == []
    assert [one.seq for one in await site.catalog.collections_of(OPERATOR, record)] == [collection.seq]


@pytest.mark.parametrize("text", ["\0", "a\ud800"])
async def test_texts_that_cannot_be_compared(site: Site, text: str):
    await site.program("P")
    for act in (
        site.grants.revoke(OPERATOR, "eve@example.org", "P", role=text),
        site.grants.grant(OPERATOR, text, "viewer", "P"),
        site.groups.members(OPERATOR, text),
        site.catalog.list_projects(OPERATOR, title=text),
        site.catalog.list_objects(OPERATOR, kind=text),
    ):
        with pytest.raises((Malformed, NotFound)):
            await act
    with pytest.raises(Malformed):
        await site.catalog.list_projects(OPERATOR, offset=10**30)


async def test_an_address_is_found_however_it_is_composed(site: Site):
    """Accounts are stored under NFKC; a decomposed spelling is the same address."""
    program = await site.program()
    async with site.database.begin() as unit:
        await unit.run(
            "insert into users (uuid, email, email_folded) values (gen_random_uuid(), $1, $2)",
            "re\u0301mi@example.org",
            "r\u00e9mi@example.org",
        )
    row = await site.grants.grant(OPERATOR, "re\u0301mi@example.org", "viewer", program)
    assert row.holder == "re\u0301mi@example.org"
    assert (await site.groups.add(OPERATOR, "Rs", members=["Re\u0301mi@example.org"])).members == 1


async def test_a_group_does_not_take_the_last_owner_along(site: Site):
    program = await site.program()
    maker, keeper = await site.user("maker"), await site.user("keeper")
    group = await site.groups.add(maker, "Owners", members=[maker.email, keeper.email])
    await site.grants.grant(OPERATOR, "group:Owners", "owner", program)
    assert await site.groups.remove_members(keeper, group, [keeper.email]) == 1
    for act in (
        site.groups.delete(maker, "Owners"),
        site.groups.remove_members(maker, "Owners", [maker.email]),
    ):
        with pytest.raises(StateConflict, match=program.code):
            await act
    other = await site.holder("owner", program)
    assert other.user is not None
    await site.groups.delete(maker, "Owners")
