"""Keys of each door: what they look like, what they open, how long they live."""

from __future__ import annotations

import base64
import json
import re
from datetime import timedelta
from typing import Any

import pytest

from commensal.core.principals import CredentialKind, Door, Principal
from commensal.errors import (
    BadRequest,
    CredentialExpired,
    Forbidden,
    Invalid,
    NotFound,
    StateConflict,
    Unauthenticated,
)
from commensal.services.identity import operator
from commensal.storage.postgres.database import counting
from tests.identity.conftest import MovableClock, Site


def claims_of(token: str) -> dict[str, object]:
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


async def every_key(site: Site, session: Principal) -> dict[Door, dict[str, str]]:
    return {
        door: (await site.keys.make(session, door)).shown
        for door in (Door.GEN3, Door.POLLY, Door.PANGEA, Door.ODM, Door.OPAL)
    }


async def secrets_of(site: Site, session: Principal) -> dict[Door, list[str]]:
    """Return what is sent by itself at each door."""
    shown = await every_key(site, session)
    return {
        Door.GEN3: [await site.keys.exchange(shown[Door.GEN3]["api_key"])],
        Door.POLLY: [shown[Door.POLLY]["token"]],
        Door.PANGEA: [shown[Door.PANGEA]["token"]],
        Door.ODM: [shown[Door.ODM]["api_token"], shown[Door.ODM]["access_token"]],
    }


async def test_the_json_of_each_door(site: Site) -> None:
    session = await site.signed_in(await site.person())
    shown = await every_key(site, session)
    assert {door: set(names) for door, names in shown.items()} == {
        Door.GEN3: {"api_key", "key_id"},
        Door.POLLY: {"token"},
        Door.PANGEA: {"token"},
        Door.ODM: {"api_token", "access_token"},
        Door.OPAL: {"login", "password"},
    }


async def test_a_key_opens_its_door_and_our_own_api_only(site: Site) -> None:
    user = await site.person()
    session = await site.signed_in(user)
    secrets = await secrets_of(site, session)
    for door, mine in secrets.items():
        for secret in mine:
            for at in (*secrets, Door.API, Door.PORTAL, Door.OPAL):
                if at in (door, Door.API):
                    principal = await site.identity.authenticate(at, secret)
                    assert (principal.user, principal.door, principal.email) == (user.seq, at, user.email)
                    assert not principal.session
                else:
                    with pytest.raises(Unauthenticated):
                        await site.identity.authenticate(at, secret)
            assert await site.identity.session(secret) is None


async def test_gen3_claims(site: Site, clock: MovableClock) -> None:
    user = await site.person()
    shown = (await site.keys.make(await site.signed_in(user), Door.GEN3)).shown
    key = claims_of(shown["api_key"])
    now = int(clock().timestamp())
    assert key == {
        "pur": "api_key",
        "sub": str(user.seq),
        "iss": "http://127.0.0.1:8080/user",
        "aud": ["gen3"],
        "iat": now,
        "exp": now + 30 * 86_400,
        "jti": shown["key_id"],
        "azp": "",
        "scope": ["data", "fence", "openid", "user"],
    }
    header = json.loads(base64.urlsafe_b64decode(shown["api_key"].split(".")[0] + "=="))
    assert header["alg"] == "RS256"
    assert header["kid"] in {jwk["kid"] for jwk in (await site.keys.jwks())["keys"]}

    token = await site.keys.exchange(shown["api_key"], base_url="https://commons.example.org/")
    access = claims_of(token)
    assert (access["pur"], access["sub"], access["iss"]) == (
        "access",
        str(user.seq),
        "https://commons.example.org/user",
    )
    assert access["exp"] == now + 1_800
    assert access["context"] == {
        "user": {"name": user.email, "is_admin": False, "google": {"proxy_group": None}},
    }
    assert len(token) < 4_096


async def test_a_longest_address_still_makes_a_short_token(site: Site) -> None:
    user = await site.identity.add_user(operator(), "n" * 189 + "@" + "d" * 60 + ".org", password="Foobar22")
    key = await site.keys.make(operator(), Door.GEN3, user=user.seq, base_url="https://" + "h" * 240 + ".org")
    assert len(await site.keys.exchange(key.shown["api_key"])) < 4_096


async def test_an_api_key_is_no_bearer(site: Site) -> None:
    shown = (await site.keys.make(await site.signed_in(await site.person()), Door.GEN3)).shown
    for door in (Door.GEN3, Door.API):
        with pytest.raises(Unauthenticated, match="exchange it"):
            await site.identity.authenticate(door, shown["api_key"])
    with pytest.raises(Unauthenticated):
        await site.keys.exchange(await site.keys.exchange(shown["api_key"]))


async def test_keys_made_by_keys(site: Site) -> None:
    """Only a person, or a key that the operator made, makes keys; what such a key makes cannot."""
    user = await site.person()
    by_session = await site.keys.make(await site.signed_in(user), Door.GEN3)
    caller = await site.identity.authenticate(Door.GEN3, await site.keys.exchange(by_session.shown["api_key"]))
    assert "credentials" not in caller.scopes
    with pytest.raises(Forbidden):
        await site.keys.make(caller, Door.GEN3)

    by_operator = await site.keys.make(operator(), Door.GEN3, user=user.seq)
    caller = await site.identity.authenticate(Door.GEN3, await site.keys.exchange(by_operator.shown["api_key"]))
    assert "credentials" in caller.scopes
    made = await site.keys.make(caller, Door.GEN3)
    assert "credentials" not in claims_of(made.shown["api_key"])["scope"]  # type: ignore[operator]

    with pytest.raises(Unauthenticated):
        await site.keys.make(Principal(kind=caller.kind.ANONYMOUS, door=Door.GEN3), Door.GEN3)


async def test_gen3_scopes(site: Site) -> None:
    session = await site.signed_in(await site.person())
    made = await site.keys.make(session, Door.GEN3, scopes=["data", "user"])
    assert claims_of(made.shown["api_key"])["scope"] == ["data", "user"]
    for scope in ("credentials", "nonsense"):
        with pytest.raises(BadRequest, match=scope):
            await site.keys.make(session, Door.GEN3, scopes=["data", scope])


async def test_lives(site: Site, clock: MovableClock) -> None:
    user = await site.person()
    session = await site.signed_in(user)
    day = timedelta(days=1)

    async def life(door: Door, **wish: Any) -> timedelta | None:
        expires = (await site.keys.make(session, door, **wish)).expires
        return None if expires is None else expires - clock()

    assert await life(Door.GEN3) == await life(Door.POLLY) == 30 * day
    assert await life(Door.ODM) is await life(Door.OPAL) is await life(Door.PANGEA) is None
    assert await life(Door.GEN3, seconds=3_600) == timedelta(hours=1)
    assert await life(Door.GEN3, seconds=10**9) == await life(Door.POLLY, days=90) == 30 * day
    assert await life(Door.ODM, days=2) == 2 * day
    assert (await site.keys.make(operator(), Door.GEN3, user=user.seq, days=365)).expires == clock() + 365 * day
    wishes: list[dict[str, Any]] = [{"days": 0}, {"days": -1}, {"days": 10**9}, {"seconds": 0}]
    for wish in wishes:
        with pytest.raises(Invalid):
            await site.keys.make(session, Door.POLLY, **wish)


async def test_expiry(site: Site, clock: MovableClock) -> None:
    session = await site.signed_in(await site.person())
    polly = (await site.keys.make(session, Door.POLLY)).shown["token"]
    gen3 = (await site.keys.make(session, Door.GEN3)).shown["api_key"]
    token = await site.keys.exchange(gen3)
    clock.move(seconds=1_799)
    await site.identity.authenticate(Door.GEN3, token)
    clock.move(seconds=1)
    with pytest.raises(CredentialExpired, match="new one"):
        await site.identity.authenticate(Door.GEN3, token)
    clock.move(days=29, hours=23, seconds=1)
    with pytest.raises(BadRequest, match="new API key"):
        await site.keys.exchange(gen3)
    await site.identity.authenticate(Door.POLLY, polly)
    clock.move(hours=1)
    with pytest.raises(CredentialExpired, match="new key"):
        await site.identity.authenticate(Door.POLLY, polly)
    with pytest.raises(CredentialExpired, match="new API key"):
        await site.keys.exchange(gen3)


async def test_polly_keys_suit_every_version_of_the_client(site: Site) -> None:
    session = await site.signed_in(await site.person())
    for _ in range(20):
        token = (await site.keys.make(session, Door.POLLY)).shown["token"]
        assert "." not in token
        decoded = base64.b64decode(token, validate=True)
        assert base64.b64encode(decoded).decode() == token
        with pytest.raises(ValueError):
            json.loads(decoded)


async def test_pangea_login_token(site: Site) -> None:
    user = await site.person()

    async def log_in() -> str:
        signed_in = await site.identity.sign_in(user.email, PASSWORD_OF, door=Door.PANGEA)
        return (await site.keys.make(signed_in, Door.PANGEA)).shown["token"]

    PASSWORD_OF = "grey heron by the weir"
    token = await log_in()
    assert re.fullmatch("[0-9a-f]{40}", token)
    assert await log_in() == token
    caller = await site.identity.authenticate(Door.PANGEA, token)
    await site.keys.log_out(caller)
    with pytest.raises(Unauthenticated):
        await site.identity.authenticate(Door.PANGEA, token)
    second = await log_in()
    assert second != token

    # Revoking it in the list is a log-out too: the next log-in works.
    session = await site.signed_in(user)
    (row,) = [key for key in await site.keys.list(session, door=Door.PANGEA) if key.revoked is None]
    await site.keys.revoke(session, row.id)
    third = await log_in()
    assert third not in (token, second)
    assert (await site.identity.authenticate(Door.PANGEA, third)).user == user.seq


async def test_opal_keys_see_one_program(site: Site) -> None:
    user = await site.person()
    session = await site.signed_in(user)
    home = await site.keys.make(session, Door.OPAL)
    other = await site.keys.make(session, Door.OPAL, program=4_711)
    programs = {program.seq: program for program in await site.catalog.list_programs(session)}
    assert home.program is not None
    assert programs[home.program].home_of == user.seq
    assert (await site.keys.make(session, Door.OPAL)).program == home.program
    assert home.shown["login"] != other.shown["login"]
    for key in (home, other):
        principal = await site.identity.authenticate_basic(Door.OPAL, **key.shown)
        assert (principal.user, principal.only_program) == (user.seq, key.program)
        with pytest.raises(Forbidden):
            await site.identity.rename(principal, user.seq, "Somebody")
    with pytest.raises(Unauthenticated):
        await site.identity.authenticate_basic(Door.OPAL, home.shown["login"], other.shown["password"])
    for door in (Door.POLLY, Door.GEN3, Door.PORTAL):
        with pytest.raises(Unauthenticated):
            await site.identity.authenticate_basic(door, **home.shown)


async def test_revoking_a_parent_revokes_the_children(site: Site) -> None:
    session = await site.signed_in(await site.person())
    odm = await site.keys.make(session, Door.ODM)
    gen3 = await site.keys.make(session, Door.GEN3)
    token = await site.keys.exchange(gen3.shown["api_key"])
    await site.identity.authenticate(Door.ODM, odm.shown["access_token"])
    await site.identity.authenticate(Door.GEN3, token)

    await site.keys.revoke(session, odm.id)
    await site.keys.revoke(session, gen3.shown["key_id"])
    for secret in odm.shown.values():
        with pytest.raises(Unauthenticated):
            await site.identity.authenticate(Door.ODM, secret)
    with pytest.raises(Unauthenticated):
        await site.identity.authenticate(Door.GEN3, token)
    with pytest.raises(Unauthenticated):
        await site.keys.exchange(gen3.shown["api_key"])


async def test_an_access_token_can_be_revoked_alone(site: Site) -> None:
    session = await site.signed_in(await site.person())
    odm = await site.keys.make(session, Door.ODM)
    (child,) = [key for key in await site.keys.list(session) if key.parent == odm.id]
    assert child.kind is CredentialKind.ACCESS_TOKEN
    await site.keys.revoke(session, child.id)
    await site.identity.authenticate(Door.ODM, odm.shown["api_token"])
    with pytest.raises(Unauthenticated):
        await site.identity.authenticate(Door.ODM, odm.shown["access_token"])


async def test_lists_and_others_keys(site: Site, clock: MovableClock) -> None:
    ada, bob, admin = await site.person(), await site.person(), await site.person(site_admin=True)
    ada_session, bob_session, admin_session = [await site.signed_in(user) for user in (ada, bob, admin)]
    first = await site.keys.make(ada_session, Door.GEN3, label="laptop")
    clock.move(hours=1)
    second = await site.keys.make(ada_session, Door.GEN3)
    listed = await site.keys.list(ada_session, door=Door.GEN3)
    assert [key.id for key in listed] == [second.id, first.id]
    assert (listed[1].label, listed[1].public_id) == ("laptop", first.shown["key_id"])
    assert await site.keys.list(bob_session) == []
    for ref in (first.id, first.shown["key_id"], 10**30, "x\0y"):
        with pytest.raises(NotFound):
            await site.keys.revoke(bob_session, ref)
    for act in (site.keys.list(bob_session, user=ada.seq), site.keys.make(bob_session, Door.POLLY, user=ada.seq)):
        with pytest.raises(Forbidden):
            await act
    assert [key.id for key in await site.keys.list(admin_session, user=ada.seq)] == [second.id, first.id]
    await site.keys.revoke(admin_session, first.id)
    revoked = await site.keys.list(ada_session, door=Door.GEN3)
    assert [key.revoked is not None for key in revoked] == [False, True]


async def test_no_secret_is_stored(site: Site) -> None:
    session = await site.signed_in(await site.person())
    shown = await every_key(site, session)
    secrets = [value for names in shown.values() for name, value in names.items() if name not in ("key_id", "login")]
    async with site.database.read() as unit:
        stored = await unit.rows(
            "select credentials::text from credentials union all select audit_events::text from audit_events"
        )
    text = "\n".join(row[0] for row in stored)
    assert len(secrets) == 6
    assert not [secret for secret in secrets if secret in text]


async def test_statements(site: Site, clock: MovableClock) -> None:
    session = await site.signed_in(await site.person())
    secrets = await secrets_of(site, session)
    opal = (await site.keys.make(session, Door.OPAL)).shown
    for door, mine in secrets.items():
        await site.identity.authenticate(door, mine[0])
    clock.move(seconds=5)
    for door, mine in secrets.items():
        with counting() as count:
            await site.identity.authenticate(door, mine[0])
        assert count.n == 1, count.texts
        with counting() as count:
            await site.identity.authenticate(door, mine[0])
        assert count.n == 0
    for expected in (1, 0):
        with counting() as count:
            await site.identity.authenticate_basic(Door.OPAL, **opal)
        assert count.n == expected


async def test_last_use_is_written_in_batches(site: Site, clock: MovableClock) -> None:
    session = await site.signed_in(await site.person())
    secrets = await secrets_of(site, session)
    used_at = clock()
    for door, mine in secrets.items():
        await site.identity.authenticate(door, mine[0])
    with counting() as count:
        await site.identity.flush()
    assert count.n == 1
    last = {
        key.door: key.last_used for key in await site.keys.list(session) if key.parent is None and key.door in secrets
    }
    assert last == dict.fromkeys(secrets, used_at)

    for seconds, written in ((30, False), (31, True)):
        clock.move(seconds=seconds)
        await site.identity.authenticate(Door.POLLY, secrets[Door.POLLY][0])
        await site.identity.flush()
        (polly,) = await site.keys.list(session, door=Door.POLLY)
        assert (polly.last_used == clock()) is written


async def test_keys_of_a_switched_off_account(site: Site) -> None:
    user = await site.person()
    session = await site.signed_in(user)
    polly = (await site.keys.make(session, Door.POLLY)).shown["token"]
    await site.identity.deactivate(operator(), user.seq)
    with pytest.raises(Unauthenticated, match="switched off"):
        await site.identity.authenticate(Door.POLLY, polly)
    with pytest.raises(StateConflict):
        await site.keys.make(session, Door.POLLY)
    await site.identity.activate(operator(), user.seq)
    assert (await site.identity.authenticate(Door.POLLY, polly)).user == user.seq
