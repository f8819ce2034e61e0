"""What attackers try: keys that make themselves more, accounts that are guessed, bytes that nobody writes."""

from __future__ import annotations

import asyncio
import base64

import pytest

from commensal.core.principals import Door, Principal
from commensal.core.users import Invitation
from commensal.errors import CommensalError, Forbidden, Malformed, StateConflict, Unauthenticated, WrongPassword
from commensal.services import sign_up
from commensal.services.identity import operator
from commensal.storage.ports.mail import Letter
from commensal.storage.postgres.database import counting
from tests.identity.conftest import PASSWORD, Site


async def key_of(site: Site, principal: Principal, door: Door = Door.POLLY) -> Principal:
    """Return the same caller behind a key of his."""
    shown = (await site.keys.make(principal, door)).shown
    if door is Door.OPAL:
        return await site.identity.authenticate_basic(door, shown["login"], shown["password"])
    return await site.identity.authenticate(door, shown["token"])


async def test_a_key_of_a_site_admin_sets_no_passwords(site: Site) -> None:
    """A stolen key must not become a password, and with it a session that makes keys."""
    admin = await site.person(site_admin=True)
    key = await key_of(site, await site.signed_in(admin))
    for act in (
        site.identity.set_password(key, admin.seq, "a new grey heron"),
        site.identity.reset_link(key, admin.seq),
        site.keys.make(key, Door.ODM),
        site.identity.invite(key, "eve@example.org"),
        site.identity.open_session(key),
    ):
        with pytest.raises(Forbidden, match="A key cannot do this"):
            await act
    refused = {(action, who) for action, result, _, who in await site.events() if result == "refused"}
    assert refused == {
        (action, admin.seq)
        for action in ("user.password", "user.reset_link", "key.make", "user.invite", "user.open_session")
    }


async def test_a_key_of_one_program_sees_no_other_key(site: Site) -> None:
    session = await site.signed_in(await site.person())
    await site.keys.make(session, Door.POLLY, label="laptop")
    opal = await key_of(site, session, Door.OPAL)
    assert [one.id for one in await site.keys.list(opal)] == [opal.credential]
    assert len(await site.keys.list(session)) == 2


async def test_a_wrong_password_costs_the_same_with_and_without_an_account(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One transaction each: the commit is what could be measured from outside."""
    user = await site.person()
    begun: list[str] = []
    for pool in site.pools:
        real = pool.begin
        monkeypatch.setattr(pool, "begin", lambda real=real: begun.append("") or real())
    counts: list[int] = []
    for email in (user.email, "nobody@example.org"):
        begun.clear()
        with pytest.raises(WrongPassword):
            await site.identity.sign_in(email, "a new grey heron", door=Door.PORTAL)
        counts.append(len(begun))
    assert counts == [1, 1]
    assert ("user.sign_in", "refused", user.email, user.seq) in await site.events()


async def test_asking_for_a_reset_waits_for_any_address(
    site: Site, nobody: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    sleep = asyncio.sleep
    monkeypatch.setattr(sign_up.asyncio, "sleep", lambda seconds: waited.append(seconds) or sleep(0))
    for email in ((await site.person()).email, "nobody@example.org", "no address"):
        await site.identity.request_password_reset(nobody, email)
    assert waited == [sign_up.RESET_SECONDS] * 3


async def test_two_site_admins_cannot_end_each_other(site: Site, other: Site) -> None:
    one, two = await site.person(site_admin=True), await site.person(site_admin=True)
    answers = await asyncio.gather(
        site.identity.set_site_admin(operator(), one.seq, site_admin=False),
        other.identity.deactivate(operator(), two.seq),
        return_exceptions=True,
    )
    assert sorted(type(answer) for answer in answers if answer is not None) == [StateConflict]


async def test_a_token_of_nested_brackets_is_no_token(site: Site) -> None:
    header = base64.urlsafe_b64encode(b"[" * 3000).decode()
    with pytest.raises(Unauthenticated):
        await site.identity.authenticate(Door.GEN3, f"{header}.YQ.YQ")


@pytest.mark.parametrize("number", [1 << 63, 10**30, -(10**30)])
async def test_numbers_that_nothing_has(site: Site, number: int) -> None:
    admin = await site.signed_in(await site.person(site_admin=True))
    for act in (
        site.identity.rename(admin, number, "x"),
        site.identity.deactivate(admin, number),
        site.identity.set_password(admin, number, PASSWORD),
        site.keys.make(admin, Door.OPAL, program=number),
        site.keys.list(admin, number),
    ):
        with pytest.raises(CommensalError):
            await act


async def test_a_text_that_cannot_be_stored_is_the_callers_mistake(site: Site) -> None:
    with pytest.raises(Malformed):
        await site.identity.authenticate_basic(Door.OPAL, "login", "password", address="\ud800")


def test_links_are_in_no_repr() -> None:
    made = Invitation.__dataclass_fields__
    assert not made["link"].repr
    assert "secret" not in repr(Letter(1, "eve@example.org", "subject", "secret", 1))


async def test_a_sign_in_needs_few_statements(site: Site) -> None:
    user = await site.person()
    with counting() as sent, pytest.raises(WrongPassword):
        await site.identity.sign_in(user.email, "a new grey heron", door=Door.PORTAL)
    assert sent.n <= 3


async def test_a_site_admin_makes_no_keys_of_others(site: Site) -> None:
    """With one he would act in another's name, and hold what only the other was given."""
    user, admin = await site.person(), await site.signed_in(await site.person(site_admin=True))
    with pytest.raises(Forbidden, match="console"):
        await site.keys.make(admin, Door.ODM, user=user.seq)
    assert ("key.make", "refused", "", admin.user) in await site.events()
    assert (await site.keys.make(operator(), Door.ODM, user=user.seq)).id


async def test_made_up_logins_leave_nothing_behind(site: Site) -> None:
    session = await site.signed_in(await site.person())
    shown = (await site.keys.make(session, Door.OPAL)).shown
    for login in ("nobody", "", "\ud800", "a\0b", shown["login"]):
        with pytest.raises(Unauthenticated):
            await site.identity.authenticate_basic(Door.OPAL, login, "wrong", address="198.51.100.1")
    async with site.database.read() as unit:
        assert await unit.value("select count(*) from sign_in_failures") == 1
