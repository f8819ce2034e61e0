"""Signing keys and tokens: nothing altered is accepted, rotation, several processes, the wrong master key."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import os
import string

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from commensal.core.principals import Door
from commensal.errors import Forbidden, SetupError, Unauthenticated
from commensal.services.identity import operator
from commensal.services.sealed import MasterKey
from commensal.services.tokens import issuer_of
from commensal.storage.postgres.database import counting
from tests.conftest import with_database
from tests.identity.conftest import Build, MovableClock, Site, make_site

_MANY = 2_000 if os.environ.get("COMMENSAL_TORTURE") == "1" else 60
FUZZ = settings(
    max_examples=_MANY, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)


async def gen3(site: Site) -> tuple[str, str]:
    """Return an API key and an access token of it."""
    key = await site.keys.make(await site.signed_in(await site.person()), Door.GEN3)
    return key.shown["api_key"], await site.keys.exchange(key.shown["api_key"])


async def refused(site: Site, token: str) -> bool:
    try:
        await site.identity.authenticate(Door.GEN3, token)
    except Unauthenticated:
        return True
    return False


async def exchange_refused(site: Site, key: str) -> bool:
    try:
        await site.keys.exchange(key)
    except Unauthenticated:
        return True
    return False


async def test_every_altered_place_of_a_token(site: Site) -> None:
    """Each character, the last ones too, whose spare bits a lenient decoder would not look at."""
    api_key, token = await gen3(site)
    letters = string.ascii_letters + string.digits + "-_"
    for text, ask in ((token, refused), (api_key, exchange_refused)):
        for place in (*range(0, len(text), 29), *range(len(text) - 4, len(text))):
            now = letters.find(text[place])
            for letter in (letters[(now + 1) % 64], letters[(now + 8) % 64], "=", "*"):
                assert await ask(site, text[:place] + letter + text[place + 1 :]), place
        cut = f"{text[:40]}={text[40:]}"
        for other in (text + "=", text + "A", text[:-1], f"{text}.{text}", text.replace(".", ""), cut, text + "\n."):
            assert await ask(site, other)
        assert not await ask(site, text)


@FUZZ
@given(data=st.data())
def test_bent_tokens(data: st.DataObject, bent_site: tuple[asyncio.AbstractEventLoop, Site, str, str]) -> None:
    loop, site, api_key, token = bent_site
    for text, ask in ((token, refused), (api_key, exchange_refused)):
        raw = bytearray(text.encode())
        for place in data.draw(st.lists(st.integers(0, len(raw) - 1), min_size=1, max_size=3, unique=True)):
            raw[place] ^= data.draw(st.integers(1, 255))
        altered = raw.decode("latin-1")
        if altered.strip() != text:
            assert loop.run_until_complete(ask(site, altered))


@FUZZ
@given(secret=st.text(max_size=200))
def test_any_text_is_refused_at_every_door(
    secret: str, bent_site: tuple[asyncio.AbstractEventLoop, Site, str, str]
) -> None:
    loop, site, _, _ = bent_site
    for door in Door:
        with pytest.raises(Unauthenticated):
            loop.run_until_complete(site.identity.authenticate(door, secret))
    with pytest.raises(Unauthenticated):
        loop.run_until_complete(
            site.identity.authenticate_basic(Door.OPAL, secret + "x", secret, address=secret[:3].encode().hex())
        )
    assert loop.run_until_complete(site.identity.session(secret)) is None


@pytest.fixture
def bent_site(admin_dsn: str, template_database: str):
    """A site on a loop of its own: hypothesis runs many examples in one test."""
    loop = asyncio.new_event_loop()
    name = "commensal_test_" + os.urandom(6).hex()

    async def admin(sql: str) -> None:
        connection = await asyncpg.connect(admin_dsn)
        await connection.execute(sql)
        await connection.close()

    loop.run_until_complete(admin(f'create database "{name}" template "{template_database}"'))
    site = make_site(with_database(admin_dsn, name), MovableClock())
    api_key, token = loop.run_until_complete(gen3(site))
    yield loop, site, api_key, token
    for pool in site.pools:
        loop.run_until_complete(pool.close())
    loop.run_until_complete(admin(f'drop database "{name}" with (force)'))
    loop.close()


async def test_forged_tokens(site: Site, clock: MovableClock) -> None:
    """Another key under our kid, no signature, the public key as an HMAC secret, another purpose."""
    _, token = await gen3(site)
    head, body, _ = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    kid = json.loads(base64.urlsafe_b64decode(head + "=="))["kid"]
    stranger = RSAKey.generate_key(2048)
    assert await refused(site, jwt.encode({"alg": "RS256", "kid": kid}, claims, stranger))
    assert await refused(site, jwt.encode({"alg": "RS256", "kid": "unknown"}, claims, stranger))
    none = base64.urlsafe_b64encode(json.dumps({"alg": "none", "kid": kid}).encode()).rstrip(b"=").decode()
    assert await refused(site, f"{none}.{body}.")
    ((_, pem),) = await site.keys.public_pems()
    hs = base64.urlsafe_b64encode(json.dumps({"alg": "HS256", "kid": kid}).encode()).rstrip(b"=").decode()
    digest = hmac.new(pem.encode(), f"{hs}.{body}".encode(), hashlib.sha256).digest()
    assert await refused(site, f"{hs}.{body}." + base64.urlsafe_b64encode(digest).rstrip(b"=").decode())
    assert not await refused(site, token)


async def test_the_jwks_verifies_what_we_sign(site: Site) -> None:
    api_key, token = await gen3(site)
    jwks = await site.keys.jwks()
    assert {name for jwk in jwks["keys"] for name in jwk} == {"kty", "n", "e", "use", "alg", "key_ops", "kid"}
    keys = KeySet.import_key_set(jwks)  # type: ignore[arg-type]
    assert jwt.decode(token, keys, algorithms=["RS256"]).claims["pur"] == "access"
    assert jwt.decode(api_key, keys, algorithms=["RS256"]).claims["pur"] == "api_key"
    ((kid, pem),) = await site.keys.public_pems()
    assert jwt.decode(token, RSAKey.import_key(pem), algorithms=["RS256"]).header["kid"] == kid


async def test_rotation(site: Site, other: Site, clock: MovableClock) -> None:
    """Tokens of the old key go on in every process; its public key leaves when nothing of it runs any more."""
    api_key, token = await gen3(site)
    (old,) = [kid for kid, _ in await other.keys.public_pems()]
    new = await site.keys.rotate_signing_key(operator())
    assert [kid for kid, _ in await site.keys.public_pems()] == [new, old]
    fresh = await site.keys.exchange(api_key)
    # The other process still knows the old key only: it reads the new one at the sight of its kid.
    for process in (site, other):
        assert not await refused(process, token)
        assert not await refused(process, fresh)
    clock.move(seconds=1)
    assert [kid for kid, _ in await other.keys.public_pems()] == [new, old]
    clock.move(days=29)
    assert [kid for kid, _ in await site.keys.public_pems()] == [new, old]
    clock.move(days=1)
    assert [kid for kid, _ in await site.keys.public_pems()] == [new]
    assert ("key.rotate_signing", "ok", new, None) in await site.events()


async def test_only_site_admins_rotate(site: Site, nobody) -> None:
    session = await site.signed_in(await site.person())
    with pytest.raises(Forbidden):
        await site.keys.rotate_signing_key(session)
    with pytest.raises(Unauthenticated):
        await site.keys.rotate_signing_key(nobody)
    admin = await site.signed_in(await site.person(site_admin=True))
    assert await site.keys.rotate_signing_key(admin)


async def test_processes_that_race_make_one_key(build: Build) -> None:
    sites = [await build() for _ in range(3)]
    found = await asyncio.gather(*(site.keys.public_pems() for site in sites for _ in range(3)))
    assert len({tuple(kid for kid, _ in keys) for keys in found}) == 1


async def test_the_wrong_master_key_is_told(site: Site, build: Build) -> None:
    await site.keys.check()
    await gen3(site)
    await site.keys.check()
    stranger = await build(master_key=os.urandom(32))
    with pytest.raises(SetupError, match="master key"):
        await stranger.keys.check()
    with pytest.raises(SetupError, match="master key"):
        await gen3(stranger)
    with pytest.raises(SetupError, match="31 bytes"):
        await build(master_key=os.urandom(31))


async def test_the_private_key_is_sealed(site: Site) -> None:
    await gen3(site)
    async with site.database.read() as unit:
        sealed = await unit.value("select sealed from signing_keys")
        public = await unit.value("select public_jwk from signing_keys")
    assert b"PRIVATE" not in sealed
    assert "d" not in public


@settings(max_examples=50, deadline=None)
@given(plain=st.binary(max_size=200), place=st.integers(0, 10_000), flip=st.integers(1, 255))
def test_sealing(plain: bytes, place: int, flip: int) -> None:
    master = MasterKey(os.urandom(32))
    sealed = master.seal(plain, "one")
    assert master.open(sealed, "one") == plain
    bent = bytearray(sealed)
    bent[place % len(bent)] ^= flip
    for key, box, purpose in (
        (master, bytes(bent), "one"),
        (master, sealed, "two"),
        (MasterKey(os.urandom(32)), sealed, "one"),
        (master, b"", "one"),
    ):
        with pytest.raises(SetupError):
            key.open(box, purpose)


def test_issuer() -> None:
    assert issuer_of("http://localhost:8080/") == "http://127.0.0.1:8080/user"
    assert issuer_of("http://localhost") == "http://127.0.0.1/user"
    assert issuer_of("https://localhost.example.org") == "https://localhost.example.org/user"


async def test_verified_tokens_cost_nothing(site: Site) -> None:
    _, token = await gen3(site)
    await site.identity.authenticate(Door.GEN3, token)
    with counting() as count:
        for _ in range(50):
            await site.identity.authenticate(Door.GEN3, token)
    assert count.n == 0
