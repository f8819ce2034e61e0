"""Signed tokens: the keys that sign them and the claims that Gen3 clients read (contracts/gen3.md §3.1, RFC 7519).

API keys and access tokens are RS256 JWTs. The private keys live in the database, sealed by the master
key, and are made at first need; any process may verify what another signed.
"""

from __future__ import annotations

import asyncio
import base64
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from commensal.core.users import User
from commensal.errors import CredentialExpired, Unauthenticated
from commensal.services.clock import Clock
from commensal.services.sealed import MasterKey
from commensal.storage.ports import Database, Unit
from commensal.storage.ports.credentials import SigningKeyRow, SigningKeys

__all__ = ["AccessClaims", "Signer", "SigningKey", "issuer_of", "new_key_id", "session_of_token", "session_token_key"]

_PURPOSE = "signing key tokens"
_WITNESS = "master key witness"
_MEMBERS = {"kty": "RSA", "use": "sig", "alg": "RS256", "key_ops": ["verify"]}
_REMEMBERED = 20_000
#: How old (seconds) the known keys may be for signing, and for verifying, where an unknown kid reads them anyway.
_SIGN_AGE = 1.0
_VERIFY_AGE = 60.0
_NOT_OURS = "This token is not valid here; use one that was made on this site."


def issuer_of(base_url: str) -> str:
    """Return the ``iss`` claim of this site's tokens: ``<base>/user``.

    The host is never the word ``localhost``: the Gen3 SDK then asks other paths (contracts/gen3.md §2).
    """
    parts = urlsplit(base_url)
    if parts.hostname == "localhost":
        parts = parts._replace(netloc="127.0.0.1" + (f":{parts.port}" if parts.port else ""))
    return urlunsplit(parts).rstrip("/") + "/user"


def new_key_id() -> str:
    """Return a new ``jti``."""
    return str(uuid4())


_SESSION = "session:"


def session_token_key(public_id: str) -> str:
    """Return the ``key_id`` of access tokens that a portal session makes, and that end with it."""
    return _SESSION + public_id


def session_of_token(key_id: str) -> str:
    """Return the public id of the portal session that made a token; empty for tokens of API keys."""
    return key_id.removeprefix(_SESSION) if key_id.startswith(_SESSION) else ""


@dataclass(frozen=True, slots=True)
class AccessClaims:
    """What a verified access token says: the key it was made from, its holder's number, its end and its scopes."""

    key_id: str
    user: int
    expires: int
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The key that signs now, opened."""

    kid: str
    key: RSAKey = field(repr=False)


@dataclass(slots=True)
class _Keys:
    """The usable keys as one process knows them; ``read`` is the moment on the process's own clock."""

    read: float
    rows: list[SigningKeyRow]
    public: dict[str, RSAKey]


class Signer:
    """Signs and verifies tokens; knows of a rotation by another process within one second."""

    def __init__(
        self,
        *,
        database: Database,
        keys: SigningKeys,
        master_key: MasterKey,
        now: Clock,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._store = keys
        self._master = master_key
        self._now = now
        self._ticks = ticks
        self._keys: _Keys | None = None
        self._private: dict[str, RSAKey] = {}
        self._verified: dict[str, AccessClaims] = {}

    async def _load(self, unit: Unit | None = None) -> _Keys:
        read = self._ticks()
        if unit is None:
            async with self._database.read() as own:
                rows = await self._store.usable(own, self._now())
        else:
            rows = await self._store.usable(unit, self._now())
        old = self._keys
        known = {} if old is None else old.public
        public = {row.kid: known.get(row.kid) or RSAKey.import_key(row.public_jwk) for row in rows}
        if old is not None and set(old.public) - set(public):
            # A key was withdrawn: what it signed must be looked at again.
            self._verified.clear()
        self._private = {kid: key for kid, key in self._private.items() if kid in public}
        self._keys = _Keys(read, rows, public)
        return self._keys

    async def _fresh(self, age: float = _SIGN_AGE) -> _Keys:
        keys = self._keys
        if keys is None or self._ticks() - keys.read >= age:
            keys = await self._load()
        return keys

    async def check(self) -> None:
        """Open the present signing key, if there is one, and what the first process here sealed.

        Raises ``SetupError`` when the master key is not the one that this database was made with.
        """
        keys = await self._load()
        if keys.rows:
            await self._open(keys.rows[0])
        # Before any token was signed there is no key to open, but the audit is sealed from the first event on.
        async with self._database.read() as unit:
            witness = await self._store.witness(unit)
        if witness is None:
            async with self._database.begin() as unit:
                witness = await self._store.keep_witness(unit, self._master.seal(b"", _WITNESS))
        self._master.open(witness, _WITNESS)

    async def _open(self, row: SigningKeyRow) -> RSAKey:
        key = self._private.get(row.kid)
        if key is None:
            pem = self._master.open(row.sealed, f"{_PURPOSE} {row.kid}")
            key = self._private[row.kid] = await asyncio.to_thread(RSAKey.import_key, pem)
        return key

    async def _make(self, unit: Unit) -> SigningKeyRow:
        made = self._now()
        kid = f"commensal-{made:%Y%m%d}-{secrets.token_hex(6)}"
        key = await asyncio.to_thread(RSAKey.generate_key, 2048)
        row = SigningKeyRow(
            kid=kid,
            sealed=self._master.seal(key.as_pem(private=True), f"{_PURPOSE} {kid}"),
            public_jwk=dict(key.as_dict(private=False)) | _MEMBERS | {"kid": kid},
            made=made,
            retired=None,
        )
        await self._store.add(unit, row)
        self._private[kid] = key
        return row

    async def current(self) -> SigningKey:
        """Return the key to sign with, made now if there is none; never call it inside a transaction."""
        keys = await self._fresh()
        if not keys.rows or keys.rows[0].retired is not None:
            async with self._database.begin() as unit:
                await self._store.lock(unit)
                rows = await self._store.usable(unit, self._now())
                if not rows or rows[0].retired is not None:
                    await self._make(unit)
            keys = await self._load()
        row = keys.rows[0]
        return SigningKey(row.kid, await self._open(row))

    async def rotate(self, unit: Unit) -> str:
        """Make a new signing key in the caller's transaction and return its kid; the old ones go on verifying.

        Call ``forget`` once the transaction has ended.
        """
        await self._store.lock(unit)
        return (await self._make(unit)).kid

    def forget(self) -> None:
        """Read the keys again at the next need."""
        self._keys = None

    async def public_keys(self) -> list[tuple[dict[str, Any], str]]:
        """Return the JWK (RFC 7517) and the PEM of each key under which a token may still run, newest first."""
        await self.current()
        keys = await self._fresh()
        return [(row.public_jwk, keys.public[row.kid].as_pem(private=False).decode()) for row in keys.rows]

    def api_key(
        self,
        signing: SigningKey,
        user: User,
        *,
        key_id: str,
        issuer: str,
        expires: datetime,
        scopes: frozenset[str],
    ) -> str:
        """Return a signed Gen3 API key."""
        claims = {
            "pur": "api_key",
            "sub": str(user.seq),
            "iss": issuer,
            "aud": ["gen3"],
            "iat": int(self._now().timestamp()),
            "exp": int(expires.timestamp()),
            "jti": key_id,
            "azp": "",
            "scope": sorted(scopes),
        }
        return jwt.encode({"alg": "RS256", "typ": "JWT", "kid": signing.kid}, claims, signing.key)

    async def access_token(self, user: User, *, key_id: str, issuer: str, lifetime: int, scopes: frozenset[str]) -> str:
        """Return a signed access token of a key, good for ``lifetime`` seconds.

        ``key_id`` names the API key: with it the token dies. It is not stored anywhere.
        """
        signing = await self.current()
        made = self._now()
        claims = {
            "pur": "access",
            "sub": str(user.seq),
            "iss": issuer,
            "aud": ["gen3"],
            "iat": int(made.timestamp()),
            "exp": int((made + timedelta(seconds=lifetime)).timestamp()),
            "jti": new_key_id(),
            "azp": "",
            "scope": sorted(scopes),
            "key_id": key_id,
            "context": {
                "user": {"name": user.email, "is_admin": user.site_admin, "google": {"proxy_group": None}},
            },
        }
        return jwt.encode({"alg": "RS256", "typ": "JWT", "kid": signing.kid}, claims, signing.key)

    async def verify_access(self, token: str) -> AccessClaims:
        """Return the claims of an access token that one of our keys signed.

        Raises ``CredentialExpired`` when it has run out, ``Unauthenticated`` for anything else, an API
        key among them. Whether its key still stands is not looked at here.
        """
        keys = await self._fresh(_VERIFY_AGE)
        found = self._verified.get(token)
        if found is None:
            found = _access_claims(await self._decode(token, keys))
            if len(self._verified) >= _REMEMBERED:
                self._verified.clear()
            self._verified[token] = found
        if found.expires <= self._now().timestamp():
            raise CredentialExpired("This access token has expired; get a new one with your API key.")
        return found

    async def _decode(self, token: str, keys: _Keys) -> dict[str, Any]:
        kid = _kid_of(token)
        key = keys.public.get(kid)
        if key is None:
            # Another process may have made a key a moment ago.
            key = (await self._load()).public.get(kid)
            if key is None:
                raise Unauthenticated(_NOT_OURS)
        try:
            return jwt.decode(token, key, algorithms=["RS256"]).claims
        except (JoseError, ValueError, TypeError) as error:
            raise Unauthenticated(_NOT_OURS) from error


def _kid_of(token: str) -> str:
    """Return the ``kid`` of a token whose three parts are canonical base64url.

    A decoder that skips foreign characters and spare bits would accept many spellings of one signature.
    """
    parts = token.split(".")
    try:
        if len(parts) != 3:
            raise ValueError
        raw = [base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in parts]
        again = ".".join(base64.urlsafe_b64encode(data).rstrip(b"=").decode() for data in raw)
        if again != token:
            raise ValueError
        header = cast("object", msgspec.json.decode(raw[0]))
    except (ValueError, UnicodeError, RecursionError, msgspec.MsgspecError) as error:
        raise Unauthenticated(_NOT_OURS) from error
    kid = cast("dict[str, object]", header).get("kid") if isinstance(header, dict) else None
    if not isinstance(kid, str):
        raise Unauthenticated(_NOT_OURS)
    return kid


def _access_claims(claims: dict[str, Any]) -> AccessClaims:
    if claims.get("pur") == "api_key":
        raise Unauthenticated("This is an API key: exchange it for an access token and send that.")
    if claims.get("pur") != "access":
        raise Unauthenticated(_NOT_OURS)
    return AccessClaims(
        key_id=str(claims["key_id"]),
        user=int(claims["sub"]),
        expires=int(claims["exp"]),
        scopes=frozenset(str(scope) for scope in claims["scope"]),
    )
