"""Two processes on one database: what one ends, the other refuses within a second; at once in its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from commensal.core.principals import Door, Principal
from commensal.core.users import User
from commensal.errors import Unauthenticated
from commensal.services.identity import operator
from tests.identity.conftest import PASSWORD, MovableClock, Site
from tests.identity.test_keys import secrets_of

Ending = Callable[[Site, Principal, User], Awaitable[object]]


async def _revoke_all(site: Site, session: Principal, user: User) -> None:
    for key in await site.keys.list(session):
        await site.keys.revoke(session, key.id)


async def _deactivate(site: Site, session: Principal, user: User) -> None:
    await site.identity.deactivate(operator(), user.seq)


async def working(site: Site, secrets: dict[Door, list[str]], opal: dict[str, str]) -> list[str]:
    """Return the doors that open."""
    doors: list[str] = []
    for door, mine in secrets.items():
        for secret in mine:
            try:
                await site.identity.authenticate(door, secret)
            except Unauthenticated:
                continue
            doors.append(door)
    try:
        await site.identity.authenticate_basic(Door.OPAL, **opal)
    except Unauthenticated:
        return doors
    return [*doors, "opal"]


@pytest.mark.parametrize("ending", [_revoke_all, _deactivate])
async def test_ending_reaches_all_doors_and_processes(
    site: Site, other: Site, clock: MovableClock, ending: Ending
) -> None:
    user = await site.person()
    session = await site.signed_in(user)
    secrets = await secrets_of(site, session)
    opal = (await site.keys.make(session, Door.OPAL)).shown
    everything = ["gen3", "polly", "pangea", "odm", "odm", "opal"]
    assert await working(other, secrets, opal) == everything
    assert await working(site, secrets, opal) == everything
    await ending(site, session, user)
    assert await working(site, secrets, opal) == []
    clock.move(seconds=1)
    assert await working(other, secrets, opal) == []


async def test_a_key_made_in_one_process_works_at_once_in_the_other(site: Site, other: Site) -> None:
    session = await site.signed_in(await site.person())
    secrets = await secrets_of(site, session)
    opal = (await site.keys.make(session, Door.OPAL)).shown
    assert len(await working(other, secrets, opal)) == 6


async def test_sessions_end_everywhere(site: Site, other: Site, clock: MovableClock) -> None:
    user = await site.person()
    signed_in = await site.identity.sign_in(user.email, PASSWORD, door=Door.PORTAL)
    cookies = [(await site.identity.open_session(signed_in))[0] for _ in range(3)]
    sessions = [await other.identity.session(cookie) for cookie in cookies]
    assert None not in sessions

    await site.identity.close_session(await site.identity.session(cookies[0]))  # type: ignore[arg-type]
    assert await site.identity.session(cookies[0]) is None
    clock.move(seconds=1)
    assert [await other.identity.session(cookie) is None for cookie in cookies] == [True, False, False]

    mine = await site.identity.session(cookies[1])
    assert mine is not None
    await site.identity.change_password(mine, PASSWORD, "another heron by the weir")
    clock.move(seconds=1)
    for process in (site, other):
        assert [await process.identity.session(cookie) is None for cookie in cookies] == [True, False, True]


async def test_sessions_slide(site: Site, clock: MovableClock) -> None:
    user = await site.person()
    signed_in = await site.identity.sign_in(user.email, PASSWORD, door=Door.PORTAL)
    used, _ = await site.identity.open_session(signed_in)
    unused, _ = await site.identity.open_session(signed_in)
    for _ in range(4):
        clock.move(days=6)
        assert await site.identity.session(used) is not None
        await site.identity.flush()
    assert await site.identity.session(unused) is None
    clock.move(days=6)  # thirty days after it was opened
    assert await site.identity.session(used) is None


async def test_old_sessions_are_removed_and_keys_stay_listed(site: Site, clock: MovableClock) -> None:
    user = await site.person()
    session = await site.signed_in(user)
    await site.keys.make(session, Door.POLLY)
    clock.move(days=40)
    await site.identity.clean()
    async with site.database.read() as unit:
        kinds = await unit.rows("select kind, expires from credentials")
    assert [row["kind"] for row in kinds] == ["api_key"]


async def test_log_in_and_log_out_at_the_same_moment(site: Site, other: Site, clock: MovableClock) -> None:
    """Whatever the order: a token that was ended does not come back, one handed out after the end works."""
    import asyncio

    user = await site.person()
    signed_in = await site.identity.sign_in(user.email, PASSWORD, door=Door.PANGEA)
    first = (await site.keys.make(signed_in, Door.PANGEA)).shown["token"]
    for _ in range(5):
        made, _ = await asyncio.gather(site.keys.make(signed_in, Door.PANGEA), other.keys.log_out(signed_in))
        token = made.shown["token"]
        clock.move(seconds=1)
        async with site.database.read() as unit:
            counter = await unit.value("select login_counter from users where seq = $1", user.seq)
            live = await unit.value("select count(*) from credentials where kind = 'login_token' and revoked is null")
        assert live <= 1
        again = (await site.keys.make(signed_in, Door.PANGEA)).shown["token"]
        assert (await site.identity.authenticate(Door.PANGEA, again)).user == user.seq
        if again != token:
            with pytest.raises(Unauthenticated):
                await site.identity.authenticate(Door.PANGEA, token)
        assert counter >= 1
        assert again != first
