"""Registration, invitations, password links."""

from __future__ import annotations

import asyncio
import logging
from urllib.parse import parse_qs, urlsplit

import pytest

from commensal.core.principals import Door, Principal
from commensal.core.users import GivenRole, User
from commensal.errors import (
    AlreadyExists,
    Closed,
    Forbidden,
    Invalid,
    InvalidRows,
    NotFound,
    StateConflict,
    Unauthenticated,
    WrongPassword,
)
from commensal.services.identity import operator
from tests.identity.conftest import PASSWORD, Build, MovableClock, Site


def secret_of(link: str) -> str:
    return parse_qs(urlsplit(link).query)["token"][0]


async def test_open_registration(site: Site, nobody: Principal) -> None:
    user = await site.identity.register(nobody, "Ada@Example.org", "Foobar22", name="Ada")
    assert (user.email, user.site_admin) == ("Ada@example.org", False)
    await site.identity.sign_in("ada@example.org", "Foobar22", door=Door.PANGEA)
    with pytest.raises(AlreadyExists, match="already exists"):
        await site.identity.register(nobody, "ada@EXAMPLE.org", "Foobar22")
    with pytest.raises(InvalidRows) as caught:
        await site.identity.register(nobody, "bob@example.org", "1234567")
    assert [problem.code for problem in caught.value.problems] == ["password_too_short", "password_entirely_numeric"]
    with pytest.raises(Invalid):
        await site.identity.register(nobody, "bob", "Foobar22")
    assert ("user.add", "ok", "Ada@example.org", None) in await site.events()


async def test_two_registrations_of_one_address_at_once(site: Site, other: Site, nobody: Principal) -> None:
    answers = await asyncio.gather(
        *(process.identity.register(nobody, "ada@example.org", "Foobar22") for process in (site, other)),
        return_exceptions=True,
    )
    assert sorted(isinstance(answer, AlreadyExists) for answer in answers) == [False, True]


@pytest.mark.parametrize("registration", ["invite", "closed"])
async def test_closed_registration(build: Build, nobody: Principal, registration: str) -> None:
    site = await build(registration=registration)
    with pytest.raises(Closed, match="administrator"):
        await site.identity.register(nobody, "ada@example.org", "Foobar22")
    assert (await site.identity.list_users(operator()))[1] == 0
    assert site.identity.registration == registration


async def test_an_invitation(build: Build, nobody: Principal, clock: MovableClock) -> None:
    site = await build(registration="invite")
    admin = await site.signed_in(await site.person(site_admin=True))
    invitation = await site.identity.invite(admin, "Eve@Example.org", name="Eve")
    assert invitation.link.startswith("http://localhost:8080/portal/invitation?token=")
    assert [one.email for one in await site.identity.list_invitations(admin)] == ["Eve@example.org"]
    assert (await site.identity.list_invitations(admin))[0].link == ""
    token = secret_of(invitation.link)
    assert (await site.identity.invitation(token)).name == "Eve"
    with pytest.raises(InvalidRows):
        await site.identity.accept_invitation(nobody, token, "short")
    user = await site.identity.accept_invitation(nobody, token, PASSWORD)
    assert (user.email, user.name, user.site_admin) == ("Eve@example.org", "Eve", False)
    await site.identity.sign_in(user.email, PASSWORD, door=Door.PORTAL)
    for _ in range(2):
        with pytest.raises(NotFound):
            await site.identity.accept_invitation(nobody, token, "a new grey heron")
    with pytest.raises(WrongPassword):
        await site.identity.sign_in(user.email, "a new grey heron", door=Door.PORTAL)
    assert await site.identity.list_invitations(admin) == []
    with pytest.raises(AlreadyExists):
        await site.identity.invite(admin, "eve@example.org")
    with pytest.raises(StateConflict):
        await site.identity.resend_invitation(admin, invitation.id)


async def test_invitations_end(build: Build, nobody: Principal, clock: MovableClock) -> None:
    site = await build(registration="closed")
    first = await site.identity.invite(operator(), "eve@example.org")
    again = await site.identity.resend_invitation(operator(), first.id)
    assert again.id == first.id
    with pytest.raises(NotFound):
        await site.identity.invitation(secret_of(first.link))
    clock.move(days=13, hours=23)
    await site.identity.invitation(secret_of(again.link))
    clock.move(hours=1)
    for token in (secret_of(again.link), "", "unknown", "\ud800", "x" * 100_000):
        with pytest.raises(NotFound):
            await site.identity.accept_invitation(nobody, token, PASSWORD)
    fresh = await site.identity.resend_invitation(operator(), first.id)
    await site.identity.withdraw_invitation(operator(), fresh.id)
    with pytest.raises(NotFound):
        await site.identity.accept_invitation(nobody, secret_of(fresh.link), PASSWORD)
    with pytest.raises(NotFound):
        await site.identity.withdraw_invitation(operator(), fresh.id)


async def test_one_of_many_uses_an_invitation(site: Site, other: Site, nobody: Principal) -> None:
    token = secret_of((await site.identity.invite(operator(), "eve@example.org")).link)
    answers = await asyncio.gather(
        *(process.identity.accept_invitation(nobody, token, PASSWORD) for process in (site, other, site)),
        return_exceptions=True,
    )
    assert sorted(isinstance(answer, NotFound) for answer in answers) == [False, True, True]


async def test_invitations_of_others(site: Site) -> None:
    ada = await site.signed_in(await site.person())
    invitation = await site.identity.invite(operator(), "eve@example.org")
    assert await site.identity.list_invitations(ada) == []
    for act in (site.identity.resend_invitation, site.identity.withdraw_invitation):
        with pytest.raises(NotFound):
            await act(ada, invitation.id)
    polly = (await site.keys.make(ada, Door.POLLY)).shown["token"]
    with pytest.raises(Forbidden):
        await site.identity.invite(await site.identity.authenticate(Door.POLLY, polly), "eve@example.org")


async def manager_of(site: Site, place: str, role: str = "manager") -> tuple[User, Principal]:
    user = await site.person()
    await site.grants.grant(operator(), user.email, role, place)
    return user, await site.signed_in(user)


async def roles(site: Site) -> set[tuple[str, str, int, int | None]]:
    async with site.database.read() as unit:
        rows = await unit.rows(
            "select u.email, g.role, g.program, g.project from grants g join users u on u.seq = g.user_seq"
        )
    return {tuple(row) for row in rows}


async def test_a_manager_invites_into_his_program(build: Build, nobody: Principal) -> None:
    site = await build(registration="invite")
    program = await site.catalog.add_program(operator(), "ATLAS")
    foreign = await site.catalog.add_program(operator(), "OTHER")
    project = await site.catalog.add_project(operator(), program, "heart")
    foreign_project = await site.catalog.add_project(operator(), foreign, "lung")
    _, manager = await manager_of(site, "ATLAS")
    grants = [GivenRole("viewer", program.seq), GivenRole("contributor", program.seq, project.seq)]
    invitation = await site.identity.invite(manager, "eve@example.org", grants=grants)
    assert (await site.identity.list_invitations(manager))[0].grants == tuple(grants)
    for wrong in (
        GivenRole("owner", program.seq),  # holds identify, which a manager does not
        GivenRole("viewer", foreign.seq),
        GivenRole("viewer", foreign.seq, project.seq),
        GivenRole("viewer", program.seq, foreign_project.seq),
        GivenRole("king", program.seq),
        GivenRole("viewer", 10**15),
    ):
        with pytest.raises((Forbidden, NotFound, Invalid)):
            await site.identity.invite(manager, "bob@example.org", grants=[wrong])
    with pytest.raises(Invalid):
        await site.identity.invite(manager, "bob@example.org", grants=grants * 20)
    assert [one.email for one in await site.identity.list_invitations(operator())] == ["eve@example.org"]

    await site.identity.accept_invitation(nobody, secret_of(invitation.link), PASSWORD)
    assert {
        ("eve@example.org", "viewer", program.seq, None),
        ("eve@example.org", "contributor", program.seq, project.seq),
    } <= await roles(site)


async def test_what_the_inviter_lost_is_not_given(site: Site, nobody: Principal) -> None:
    program = await site.catalog.add_program(operator(), "ATLAS")
    for ending in ("revoked", "switched off"):
        user, manager = await manager_of(site, "ATLAS")
        email = f"{ending.split()[0]}@example.org"
        invitation = await site.identity.invite(manager, email, grants=[GivenRole("viewer", program.seq)])
        if ending == "revoked":
            await site.grants.revoke(operator(), user.email, "ATLAS", role="manager")
        else:
            await site.identity.deactivate(operator(), user.seq)
        guest = await site.identity.accept_invitation(nobody, secret_of(invitation.link), PASSWORD)
        assert guest.email not in {row[0] for row in await roles(site)}


async def test_two_inviters_do_not_undo_each_other(site: Site, nobody: Principal) -> None:
    program = await site.catalog.add_program(operator(), "ATLAS")
    links: list[str] = []
    for role in ("viewer", "analyst"):
        _, manager = await manager_of(site, "ATLAS")
        invitation = await site.identity.invite(manager, "eve@example.org", grants=[GivenRole(role, program.seq)])
        links.append(secret_of(invitation.link))
    for link in links:
        await site.identity.accept_invitation(nobody, link, PASSWORD)
    mine = {row for row in await roles(site) if row[0] == "eve@example.org"}
    assert mine == {("eve@example.org", role, program.seq, None) for role in ("viewer", "analyst")}


async def test_closed_means_site_admins_only(build: Build) -> None:
    site = await build(registration="closed")
    program = await site.catalog.add_program(operator(), "ATLAS")
    _, manager = await manager_of(site, "ATLAS")
    with pytest.raises(Closed):
        await site.identity.invite(manager, "eve@example.org", grants=[GivenRole("viewer", program.seq)])


async def test_an_account_made_meanwhile_keeps_its_password(build: Build, nobody: Principal) -> None:
    """Nobody can have waited with an invitation to take an account over, nor loses what it brings."""
    site = await build(registration="open")
    program = await site.catalog.add_program(operator(), "ATLAS")
    _, manager = await manager_of(site, "ATLAS")
    grants = [GivenRole("viewer", program.seq)]
    token = secret_of((await site.identity.invite(manager, "eve@example.org", grants=grants)).link)
    first = await site.identity.register(nobody, "EVE@example.org", PASSWORD)
    held = "select count(*) from grants where user_seq = $1"
    # Who registered the address is not known: its password is the proof, else the roles would go to a squatter.
    with pytest.raises(WrongPassword):
        await site.identity.accept_invitation(nobody, token, "a new grey heron")
    async with site.database.read() as unit:
        assert await unit.value(held, first.seq) == 0
    assert ("user.accept_invitation", "refused", first.email, first.seq) in await site.events()
    second = await site.identity.accept_invitation(nobody, token, PASSWORD)
    assert second.seq == first.seq
    async with site.database.read() as unit:
        assert await unit.value(held, first.seq) == 1
    await site.identity.sign_in("eve@example.org", PASSWORD, door=Door.PORTAL)
    with pytest.raises(WrongPassword):
        await site.identity.sign_in("eve@example.org", "a new grey heron", door=Door.PORTAL)


async def test_a_new_link_by_somebody_else_ends_the_old_one(site: Site, nobody: Principal) -> None:
    admin = await site.signed_in(await site.person(site_admin=True))
    first = await site.identity.invite(admin, "eve@example.org")
    again = await site.identity.resend_invitation(operator(), first.id)
    with pytest.raises(NotFound):
        await site.identity.invitation(secret_of(first.link))
    assert (await site.identity.accept_invitation(nobody, secret_of(again.link), PASSWORD)).email == "eve@example.org"


async def test_a_reset_link(site: Site, nobody: Principal, clock: MovableClock) -> None:
    user = await site.person()
    session = await site.signed_in(user)
    pangea = (await site.keys.make(session, Door.PANGEA)).shown["token"]
    link = await site.identity.reset_link(operator(), user.seq)
    assert link.startswith("http://localhost:8080/portal/reset?token=")
    token = secret_of(link)
    assert await site.identity.session(token) is None
    with pytest.raises(Unauthenticated):
        await site.identity.authenticate(Door.API, token)
    for weak in ("12345678", user.email):
        with pytest.raises(InvalidRows):
            await site.identity.reset_password(nobody, token, weak)
    assert (await site.identity.reset_password(nobody, token, "a new grey heron")).seq == user.seq
    await site.identity.sign_in(user.email, "a new grey heron", door=Door.PORTAL)
    with pytest.raises(Unauthenticated):
        await site.identity.authenticate(Door.PANGEA, pangea)
    with pytest.raises(NotFound):
        await site.identity.reset_password(nobody, token, "one more grey heron")

    first = secret_of(await site.identity.reset_link(operator(), user.seq))
    second = secret_of(await site.identity.reset_link(operator(), user.seq))
    clock.move(minutes=60)
    for dead in (first, second, "", "unknown", "\ud800"):
        with pytest.raises(NotFound):
            await site.identity.reset_password(nobody, dead, "one more grey heron")


async def test_a_reset_link_dies_with_a_new_password_and_the_account(site: Site, nobody: Principal) -> None:
    user = await site.person()
    token = secret_of(await site.identity.reset_link(operator(), user.seq))
    await site.identity.set_password(operator(), user.seq, "a new grey heron")
    with pytest.raises(NotFound):
        await site.identity.reset_password(nobody, token, "one more grey heron")
    token = secret_of(await site.identity.reset_link(operator(), user.seq))
    await site.identity.deactivate(operator(), user.seq)
    with pytest.raises(NotFound):
        await site.identity.reset_password(nobody, token, "one more grey heron")
    with pytest.raises(StateConflict):
        await site.identity.reset_link(operator(), user.seq)


async def test_asking_for_a_reset(
    site: Site, nobody: Principal, clock: MovableClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Without a mail server the link is in the log; the answer never tells whether there is an account."""
    caplog.set_level(logging.INFO, "commensal.mail")
    user = await site.person()
    for email in (user.email, "nobody@example.org", "no address", "nul\0@example.org", user.email):
        assert await site.identity.request_password_reset(nobody, email) is None
    links = [record.getMessage() for record in caplog.records if "/portal/reset?token=" in record.getMessage()]
    assert len(links) == 1  # at most one a minute
    assert user.email in links[0]
    token = links[0].partition("token=")[2].split()[0]
    assert (await site.identity.reset_password(nobody, token, "a new grey heron")).seq == user.seq
    clock.move(minutes=1, seconds=1)
    await site.identity.request_password_reset(nobody, user.email)
    assert sum("/portal/reset" in record.getMessage() for record in caplog.records) == 2
