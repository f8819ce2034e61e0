"""Passwords at the door: what is said, what is counted, who is slowed."""

from __future__ import annotations

import asyncio

import pytest
from argon2 import PasswordHasher

from commensal.core.principals import Door, Principal
from commensal.errors import (
    CommensalError,
    Forbidden,
    InvalidRows,
    TooManyRequests,
    Unauthenticated,
    WrongPassword,
)
from commensal.services.identity import operator
from commensal.services.passwords import password_problems
from commensal.storage.postgres.database import counting
from tests.identity.conftest import PASSWORD, Build, MovableClock, Site


async def test_signing_in(site: Site) -> None:
    user = await site.person()
    for email in (user.email, user.email.upper(), f"  {user.email} "):
        principal = await site.identity.sign_in(email, PASSWORD, door=Door.PANGEA, address="192.0.2.1", route="login")
        assert (principal.user, principal.door, principal.route) == (user.seq, Door.PANGEA, "login")
    assert (await site.identity.user(principal)).last_signed_in is not None
    assert ("user.sign_in", "ok", user.email, user.seq) in await site.events("user.sign_in")


async def test_one_answer_for_every_failure(site: Site) -> None:
    user, off = await site.person(), await site.person()
    closed = await site.identity.add_user(operator(), "no-password@example.org")
    await site.identity.deactivate(operator(), off.seq)
    answers: set[str] = set()
    for email, password in (
        (user.email, "wrong"),
        (user.email, ""),
        (user.email, PASSWORD + " "),
        (user.email, PASSWORD * 100),
        ("nobody@example.org", PASSWORD),
        ("no address", PASSWORD),
        ("nul\0@example.org", PASSWORD),
        (user.email, "half a pair \ud800"),
        (off.email, PASSWORD),
        (closed.email, ""),
        (closed.email, PASSWORD),
    ):
        with pytest.raises(WrongPassword) as caught:
            await site.identity.sign_in(email, password, door=Door.PORTAL)
        answers.add(caught.value.message)
    assert len(answers) == 1
    refused = [event for event in await site.events("user.sign_in") if event[1] == "refused"]
    assert {event[3] for event in refused} == {user.seq, off.seq, closed.seq}


async def test_unknown_accounts_cost_the_same_work(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Known, unknown and unreadable: one argon2 check each."""
    from commensal.services.passwords import Passwords

    user = await site.person()
    checks: list[str | None] = []
    real = Passwords.verify

    async def counted(self: Passwords, stored: str | None, password: str) -> bool:
        checks.append(stored)
        return await real(self, stored, password)

    monkeypatch.setattr(Passwords, "verify", counted)
    for email in (user.email, "nobody@example.org", "no address"):
        with pytest.raises(WrongPassword):
            await site.identity.sign_in(email, "wrong", door=Door.PORTAL)
    assert len(checks) == 3
    assert [stored is None for stored in checks] == [False, True, True]


async def test_guessing_is_slowed_in_all_processes(site: Site, other: Site, clock: MovableClock) -> None:
    user = await site.person()

    async def attempt(process: Site, password: str, address: str = "198.51.100.1") -> type[CommensalError] | None:
        try:
            await process.identity.sign_in(user.email, password, door=Door.PORTAL, address=address)
        except CommensalError as error:
            return type(error)
        return None

    for n in range(10):
        assert await attempt((site, other)[n % 2], f"wrong {n}") is WrongPassword
    # The right one has to wait too, in both processes; from another address it does not.
    for process in (site, other):
        assert await attempt(process, PASSWORD) is TooManyRequests
    assert await attempt(site, PASSWORD, "198.51.100.2") is None

    waits: list[int] = []
    for _ in range(12):
        with pytest.raises(TooManyRequests) as caught:
            await site.identity.sign_in(user.email, PASSWORD, door=Door.PORTAL, address="198.51.100.1")
        waits.append(caught.value.retry_after)
        clock.move(seconds=caught.value.retry_after)
        assert await attempt(site, "wrong") is WrongPassword
    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (2, 900)

    clock.move(seconds=900)
    assert await attempt(site, PASSWORD) is None
    assert await attempt(site, "wrong") is WrongPassword  # counted from one again
    assert await attempt(site, PASSWORD) is None


async def test_failures_are_forgotten_after_a_quiet_hour(site: Site, clock: MovableClock) -> None:
    user = await site.person()
    for _ in range(3):
        for _ in range(9):
            with pytest.raises(WrongPassword):
                await site.identity.sign_in(user.email, "wrong", door=Door.PORTAL)
        clock.move(hours=1, seconds=1)
    await site.identity.sign_in(user.email, PASSWORD, door=Door.PORTAL)


async def test_many_tries_at_once_are_no_way_around(site: Site) -> None:
    user = await site.person()

    async def attempt(n: int) -> type[BaseException]:
        try:
            await site.identity.sign_in(user.email, f"wrong {n}", door=Door.PORTAL, address="198.51.100.1")
        except (WrongPassword, TooManyRequests) as error:
            return type(error)
        raise AssertionError

    answers = await asyncio.gather(*(attempt(n) for n in range(40)))
    assert 10 <= answers.count(WrongPassword) <= 11  # two are checked at a time


async def test_a_crowd_is_told_to_come_back(site: Site) -> None:
    """What waits for a check is bounded, and every slot is given back."""
    user = await site.person()
    answers = await asyncio.gather(
        *(site.identity.sign_in(user.email, PASSWORD, door=Door.PANGEA) for _ in range(150)), return_exceptions=True
    )
    refused = [answer for answer in answers if isinstance(answer, TooManyRequests)]
    assert 0 < len(refused) <= 50
    assert len(answers) - len(refused) == sum(isinstance(answer, Principal) for answer in answers)
    assert await site.identity.sign_in(user.email, PASSWORD, door=Door.PANGEA)


async def test_opal_secrets_are_slowed_and_bearers_are_not(site: Site, clock: MovableClock) -> None:
    session = await site.signed_in(await site.person())
    opal = (await site.keys.make(session, Door.OPAL)).shown
    polly = (await site.keys.make(session, Door.POLLY)).shown["token"]
    for n in range(30):
        with pytest.raises(Unauthenticated):
            await site.identity.authenticate(Door.POLLY, f"wrong {n}", address="198.51.100.1")
    assert (await site.identity.authenticate(Door.POLLY, polly, address="198.51.100.1")).user == session.user
    for n in range(10):
        with pytest.raises(Unauthenticated):
            await site.identity.authenticate_basic(Door.OPAL, opal["login"], f"wrong {n}", address="198.51.100.1")
    with pytest.raises(TooManyRequests):
        await site.identity.authenticate_basic(Door.OPAL, **opal, address="198.51.100.1")
    await site.identity.authenticate_basic(Door.OPAL, **opal, address="198.51.100.2")
    clock.move(seconds=3)
    await site.identity.authenticate_basic(Door.OPAL, **opal, address="198.51.100.1")


async def test_refused_tokens_are_counted_by_address(site: Site) -> None:
    for _ in range(3):
        with pytest.raises(Unauthenticated):
            await site.identity.authenticate(Door.ODM, "unknown", address="203.0.113.77")
    await site.audit.flush()
    async with site.database.read() as unit:
        rows = await unit.rows("select address, door, n from audit_refusals")
    assert [tuple(row) for row in rows] == [("203.0.113.77", "odm", 3)]


async def test_a_hash_of_another_cost_is_renewed(site: Site, build: Build) -> None:
    user = await site.person()
    dearer = await build(hasher=PasswordHasher(time_cost=2, memory_cost=8, parallelism=1))

    async def stored() -> str:
        async with site.database.read() as unit:
            return await unit.value("select password from users where seq = $1", user.seq)

    assert "t=1," in await stored()
    await dearer.identity.sign_in(user.email, PASSWORD, door=Door.PORTAL)
    assert "t=2," in await stored()
    await dearer.identity.sign_in(user.email, PASSWORD, door=Door.PORTAL)


async def test_sign_in_statements(site: Site) -> None:
    user = await site.person()
    with counting() as count:
        await site.identity.sign_in(user.email, PASSWORD, door=Door.PORTAL)
    assert count.n <= 4, count.texts


@pytest.mark.parametrize(
    ("password", "codes"),
    [
        ("Foobar22", []),
        ("correct horse battery staple", []),
        ("ünïcödé…", []),
        ("short", ["password_too_short"]),
        ("", ["password_too_short"]),
        ("1234567", ["password_too_short", "password_entirely_numeric"]),
        ("90817263540981", ["password_entirely_numeric"]),
        ("password", ["password_too_common"]),
        ("PassWord1", ["password_too_common"]),
        ("p@ssw0rd", ["password_too_common"]),
        ("iloveyou", ["password_too_common"]),
        ("qwertyuiop", ["password_too_common"]),
        ("Sunshine2024", ["password_too_common"]),
        ("aaaaaaaaaa", ["password_too_common"]),
        ("ada@example.org", ["password_too_common"]),
        ("x" * 1_025, ["password_too_long"]),
        ("with\nlines", ["password_unreadable"]),
    ],
)
def test_password_rules(password: str, codes: list[str]) -> None:
    problems = password_problems(password, email="ada@example.org")
    assert [problem.code for problem in problems] == codes
    assert all(problem.field == "password" for problem in problems)


async def test_passwords_in_two_spellings_of_one_text(site: Site) -> None:
    user = await site.person(password="caf\u00e9 au lait bowl")
    await site.identity.sign_in(user.email, "cafe\u0301 au lait bowl", door=Door.PORTAL)


async def test_changing_the_password(site: Site) -> None:
    user = await site.person()
    session, elsewhere = await site.signed_in(user), await site.signed_in(user)
    token = (await site.keys.make(session, Door.PANGEA)).shown["token"]
    polly = (await site.keys.make(session, Door.POLLY)).shown["token"]
    with pytest.raises(WrongPassword) as caught:
        await site.identity.change_password(session, "wrong", "a new grey heron")
    assert caught.value.field == "current_password"
    with pytest.raises(InvalidRows):
        await site.identity.change_password(session, PASSWORD, "12345678")
    await site.identity.change_password(session, PASSWORD, "a new grey heron")
    with pytest.raises(WrongPassword):
        await site.identity.sign_in(user.email, PASSWORD, door=Door.PORTAL)
    await site.identity.sign_in(user.email, "a new grey heron", door=Door.PORTAL)
    with pytest.raises(Unauthenticated):
        await site.identity.authenticate(Door.PANGEA, token)
    await site.identity.authenticate(Door.POLLY, polly)  # keys are not passwords
    assert elsewhere.credential != session.credential
    async with site.database.read() as unit:
        live = await unit.rows("select id from credentials where kind = 'session' and revoked is null")
    assert [row["id"] for row in live] == [session.credential]


async def test_guessing_the_current_password_is_slowed_too(site: Site) -> None:
    session = await site.signed_in(await site.person())
    for _ in range(10):
        with pytest.raises(WrongPassword):
            await site.identity.change_password(session, "wrong", "a new grey heron")
    with pytest.raises(TooManyRequests):
        await site.identity.change_password(session, PASSWORD, "a new grey heron")


async def test_a_key_opens_no_session(site: Site) -> None:
    session = await site.signed_in(await site.person())
    polly = (await site.keys.make(session, Door.POLLY)).shown["token"]
    caller = await site.identity.authenticate(Door.POLLY, polly)
    with pytest.raises(Forbidden):
        await site.identity.open_session(caller)
    with pytest.raises(Unauthenticated):
        await site.identity.open_session(operator())
