"""Keys of all doors: made, shown once, listed, exchanged, revoked; the signing keys and their rotation."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from commensal.core.principals import KEY_DOORS, Credential, CredentialKind, Door, Principal, PrincipalKind
from commensal.core.users import NewKey, User, clean_line
from commensal.errors import BadRequest, Conflict, Invalid, NotFound, StateConflict, Unauthenticated
from commensal.services.audit import is_site_admin
from commensal.services.identity_parts import HomeProgram, IdentityPart, IdentityParts
from commensal.services.sealed import MasterKey
from commensal.services.secret_text import SECRET_LENGTH, basic_digest, digest, opal_login, polly_key, random_letters
from commensal.services.tokens import Signer, SigningKey, issuer_of, new_key_id, session_token_key
from commensal.storage.ports import Unit

__all__ = ["ACCESS_TOKEN_SECONDS", "GEN3_SCOPES", "Keys"]

MONTH = timedelta(days=30)
#: Gen3 access tokens last 30 minutes; a caller may ask for an hour at most (contracts/gen3.md §3.1).
ACCESS_TOKEN_SECONDS = 1_800
LONGEST_ACCESS_TOKEN = 3_600
#: Tokens for the scripts of the portal's pages are made anew when they run out.
SESSION_TOKEN_SECONDS = 300
SHORTEST_ACCESS_TOKEN = 1
#: What a Gen3 key may ask for, and has when it does not ask; ``credentials`` is for keys made at the console.
GEN3_SCOPES = frozenset({"data", "fence", "openid", "user"})
#: Keys of one door that one user may have at a time.
MOST_KEYS = 200
_MOST_DAYS = 36_500
_NEW_KEY = "make a new API key on your profile page."


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    """What a key is asked to be."""

    user: User
    now: datetime
    expires: datetime | None
    label: str
    program: int | None
    scopes: frozenset[str]
    base_url: str
    signing: SigningKey | None


class Keys(IdentityPart):
    """Makes and ends the credentials that clients send."""

    def __init__(
        self, parts: IdentityParts, signer: Signer, *, master_key: MasterKey, home_program: HomeProgram
    ) -> None:
        """``home_program`` gives the program of an Opal key that names none."""
        super().__init__(parts)
        self._signer = signer
        self._master = master_key
        self._home_program = home_program

    # --- making -----------------------------------------------------------------------------------

    async def make(
        self,
        principal: Principal,
        door: Door,
        *,
        user: int | None = None,
        days: int | None = None,
        seconds: int | None = None,
        program: int | None = None,
        label: str = "",
        scopes: Collection[str] | None = None,
        base_url: str | None = None,
    ) -> NewKey:
        """Make a key for oneself, or (the operator) for another ``user``.

        Site admins do not: a key acts as its holder, with the right ``identify`` that they lack, and in his name.

        ``days`` sets the life of the key, ``seconds`` too (Gen3's ``expires_in``); Gen3 and Polly keys last 30
        days at most unless the operator says otherwise, the others until revoked. ``program`` (its ``seq``) is
        what an Opal key sees, by default the user's home program. ``scopes`` and ``base_url`` (as the client
        reaches the site) are Gen3's.

        Raises ``Forbidden`` for callers that came with a key of their own (Gen3: one without the scope
        ``credentials``), ``BadRequest`` for a scope that no key can have, ``Invalid`` for the days.
        """
        parts = self._parts
        if door not in KEY_DOORS:
            raise Invalid(f"There are no keys for the door {door}.", field="door")
        await self._require_own_hand(principal, "key.make")
        if user is None:
            user = principal.user
        if user is None:
            raise Invalid("Name the user whom the key is for.", field="user")
        if principal.user is not None and user != principal.user:
            raise await parts.guard.refused(
                principal, "key.make", sentence="Keys for others are made at the console of the server only."
            )
        now = parts.now()
        if program is not None and door is not Door.OPAL:
            raise Invalid("Only an Opal key is bound to a program; others see what their holder may.", field="program")
        expires = _expiry(principal, door, now, days, seconds)
        label = clean_line(label, field="label")
        granted = _scopes(principal, door, scopes)
        # Before the transaction: the first need makes the signing key, in one of its own.
        signing = await self._signer.current() if door is Door.GEN3 else None
        async with parts.database.begin() as unit:
            holder = await self._may_change(unit, principal, user, "key.make")
            if not holder.active:
                raise StateConflict("This account is switched off; switch it on first.")
            if await parts.credentials.live_keys(unit, user, door, now) >= MOST_KEYS:
                raise Conflict(f"There are {MOST_KEYS} keys for this door already; revoke some first.")
            wish = _Wish(
                user=holder,
                now=now,
                expires=expires,
                label=label,
                program=program,
                scopes=granted,
                base_url=base_url or parts.base_url,
                signing=signing,
            )
            made = await self._make(unit, door, wish)
            await parts.audit.write(
                unit,
                principal,
                "key.make",
                program=made.program,
                target=f"{door} key {made.id}",
                details={"credential": made.id, "user": user, "expires": expires and expires.isoformat()},
            )
        if door is Door.PANGEA:
            # The same token as before may have a new end now.
            parts.live.forget(user)
        return made

    async def _make(self, unit: Unit, door: Door, wish: _Wish) -> NewKey:
        match door:
            case Door.GEN3:
                return await self._gen3(unit, wish)
            case Door.POLLY:
                token = polly_key()
                number = await self._add(unit, door, CredentialKind.API_KEY, digest(token), wish)
                return _shown(number, door, wish, {"token": token})
            case Door.PANGEA:
                return await self._login_token(unit, wish)
            case Door.ODM:
                return await self._odm(unit, wish)
            case _:
                return await self._opal(unit, wish)

    async def _add(
        self,
        unit: Unit,
        door: Door,
        kind: CredentialKind,
        sha256: bytes,
        wish: _Wish,
        *,
        public_id: str = "",
        parent: int | None = None,
        program: int | None = None,
    ) -> int:
        return await self._parts.credentials.add(
            unit,
            user=wish.user.seq,
            door=door,
            kind=kind,
            sha256=sha256,
            made=wish.now,
            expires=wish.expires,
            public_id=public_id,
            label=wish.label,
            parent=parent,
            program=program,
            scopes=wish.scopes,
        )

    async def _gen3(self, unit: Unit, wish: _Wish) -> NewKey:
        assert wish.expires is not None
        assert wish.signing is not None
        key_id = new_key_id()
        api_key = self._signer.api_key(
            wish.signing,
            wish.user,
            key_id=key_id,
            issuer=issuer_of(wish.base_url),
            expires=wish.expires,
            scopes=wish.scopes,
        )
        number = await self._add(unit, Door.GEN3, CredentialKind.API_KEY, digest(api_key), wish, public_id=key_id)
        return _shown(number, Door.GEN3, wish, {"api_key": api_key, "key_id": key_id})

    async def _login_token(self, unit: Unit, wish: _Wish) -> NewKey:
        # The account is locked: a log-out at the same moment comes wholly before or wholly after.
        token = self._master.derive("pangea login", f"{wish.user.seq}:{wish.user.login_counter}")[:40]
        number = await self._add(unit, Door.PANGEA, CredentialKind.LOGIN_TOKEN, digest(token), wish)
        return _shown(number, Door.PANGEA, wish, {"token": token})

    async def _odm(self, unit: Unit, wish: _Wish) -> NewKey:
        api_token, access_token = random_letters(40), random_letters(40)
        number = await self._add(unit, Door.ODM, CredentialKind.API_TOKEN, digest(api_token), wish)
        await self._add(unit, Door.ODM, CredentialKind.ACCESS_TOKEN, digest(access_token), wish, parent=number)
        return _shown(number, Door.ODM, wish, {"api_token": api_token, "access_token": access_token})

    async def _opal(self, unit: Unit, wish: _Wish) -> NewKey:
        program = wish.program
        if program is None:
            program = await self._home_program(unit, wish.user)
        login, password = opal_login(), random_letters(40)
        number = await self._add(
            unit,
            Door.OPAL,
            CredentialKind.BASIC,
            basic_digest(login, password),
            wish,
            public_id=login,
            program=program,
        )
        shown = {"login": login, "password": password}
        return NewKey(number, Door.OPAL, shown, wish.expires, wish.label, program)

    # --- listing and ending -----------------------------------------------------------------------

    async def list(self, principal: Principal, user: int | None = None, door: Door | None = None) -> list[Credential]:
        """Return the keys of oneself, or (site admins) of another, dead ones too: latest expiry first."""
        parts = self._parts
        async with parts.database.read() as unit:
            seq = await parts.guard.require_signed_in(unit, principal)
            if user is not None and user != seq:
                await parts.guard.require_site_admin(unit, principal, "key.list")
                seq = user
            found = [] if seq is None else await parts.credentials.of_user(unit, seq, door)
        # A key that is limited to a program sees no other key.
        shown = [one for one in found if principal.only_program is None or one.id == principal.credential]
        await parts.audit.read(principal, "key.list", target="" if seq is None else str(seq), n=len(shown))
        return shown

    async def revoke(self, principal: Principal, ref: int | str, *, door: Door | None = None) -> None:
        """End a key by number, or by the public name that a door gives it (Gen3 ``key_id``, Opal login).

        What was made from it ends too: on all doors and in all processes within one second. A Pangea login
        token ends as by a log-out. Raises ``NotFound`` when the key is not the caller's, unless a site admin's.
        """
        parts = self._parts
        async with parts.database.begin() as unit:
            seq = await parts.guard.require_signed_in(unit, principal)
            found = await self._find(unit, ref, door)
            limited = principal.only_program is not None and (found is None or found.id != principal.credential)
            if found is not None and (limited or (found.user != seq and not is_site_admin(principal))):
                await parts.audit.refusal(principal, "key.revoke", target=f"{found.door} key {found.id}")
                found = None
            if found is None:
                raise NotFound("There is no such key.")
            if found.kind is CredentialKind.LOGIN_TOKEN:
                await self._end_login(unit, found.user)
            ended = await parts.credentials.revoke(unit, found.id, parts.now())
            if ended:
                await parts.audit.write(
                    unit,
                    principal,
                    "key.revoke",
                    target=f"{found.door} key {found.id}",
                    n=ended,
                    details={"credential": found.id, "user": found.user},
                )
        parts.live.forget(found.user)

    async def _find(self, unit: Unit, ref: int | str, door: Door | None) -> Credential | None:
        store = self._parts.credentials
        if isinstance(ref, int):
            found = await store.get(unit, ref) if abs(ref) < 1 << 63 else None
            return found if found is None or door is None or found.door is door else None
        if not ref.isprintable() or len(ref) > 100:
            return None
        for one in (door,) if door is not None else (Door.GEN3, Door.OPAL):
            live = await store.by_public_id(unit, one, ref)
            if live is not None:
                return live.credential
        return None

    async def log_out(self, principal: Principal) -> None:
        """End the caller's Pangea login token; the next log-in gives another one."""
        parts = self._parts
        async with parts.database.begin() as unit:
            seq = await parts.guard.require_signed_in(unit, principal)
            if seq is None:
                return
            await self._end_login(unit, seq)
            await parts.audit.write(unit, principal, "user.log_out", target=principal.email)
        parts.live.forget(seq)

    async def _end_login(self, unit: Unit, user: int) -> None:
        # The account first: the order in which a log-in takes its locks.
        await self._parts.users.raise_login_counter(unit, user)
        await self._parts.credentials.revoke_kinds(unit, user, [CredentialKind.LOGIN_TOKEN], self._parts.now())

    # --- Gen3 -------------------------------------------------------------------------------------

    async def exchange(
        self,
        api_key: str,
        *,
        lifetime: int = ACCESS_TOKEN_SECONDS,
        base_url: str | None = None,
        address: str = "",
        request_id: str = "",
        route: str = "",
    ) -> str:
        """Return an access token for a Gen3 API key, good for ``lifetime`` seconds (3,600 at most).

        Raises ``Unauthenticated`` for a key that is unknown, altered or revoked, ``CredentialExpired`` for an old
        one, and ``BadRequest`` for one that would run out before the token.
        """
        parts = self._parts
        lifetime = min(max(lifetime, SHORTEST_ACCESS_TOKEN), LONGEST_ACCESS_TOKEN)
        api_key = api_key.strip()
        try:
            if not api_key or len(api_key) > SECRET_LENGTH:
                raise Unauthenticated("This API key is not valid here.")
            found = await parts.live.by_secret(digest(api_key))
            kind = None if found is None else (found.credential.door, found.credential.kind)
            if found is None or kind != (Door.GEN3, CredentialKind.API_KEY):
                raise Unauthenticated("This API key is not valid here.")
            parts.live.check(found, again=_NEW_KEY)
        except Unauthenticated:
            parts.audit.unknown_caller(address, Door.GEN3)
            raise
        key = found.credential
        if key.expires is not None and key.expires < parts.now() + timedelta(seconds=lifetime):
            raise BadRequest(f"This API key expires before the access token would: {_NEW_KEY}")
        token = await self._signer.access_token(
            found.user,
            key_id=key.public_id,
            issuer=issuer_of(base_url or parts.base_url),
            lifetime=lifetime,
            scopes=key.scopes,
        )
        parts.live.used(found)
        caller = Principal(
            kind=PrincipalKind.USER,
            door=Door.GEN3,
            user=found.user.seq,
            email=found.user.email,
            name=found.user.name,
            site_admin=found.user.site_admin,
            credential=key.id,
            address=address,
            request_id=request_id,
            route=route,
        )
        await parts.audit.read(caller, "key.exchange", target=f"gen3 key {key.id}")
        return token

    async def session_token(self, principal: Principal, *, base_url: str | None = None) -> tuple[str, int]:
        """Return a Gen3 access token for the scripts of the portal's own pages, and its life in seconds.

        It acts as the person who is signed in, cannot make keys, and ends with the session at the latest: signing out
        ends it. Raises ``Unauthenticated`` for callers without a session.
        """
        parts = self._parts
        if not principal.session or principal.credential is None:
            raise Unauthenticated("Sign in on the portal first.")
        async with parts.database.read() as unit:
            seq = await parts.guard.require_signed_in(unit, principal)
            session = await parts.credentials.get(unit, principal.credential)
            user = None if seq is None else await parts.users.get(unit, seq)
        if session is None or user is None or not session.public_id:
            raise Unauthenticated("Sign in again: this session was opened by an older version.")
        token = await self._signer.access_token(
            user,
            key_id=session_token_key(session.public_id),
            issuer=issuer_of(base_url or parts.base_url),
            lifetime=SESSION_TOKEN_SECONDS,
            scopes=GEN3_SCOPES,
        )
        await parts.audit.read(principal, "key.exchange", target="portal session")
        return token, SESSION_TOKEN_SECONDS

    # --- signing keys -----------------------------------------------------------------------------

    async def check(self) -> None:
        """Raise ``SetupError`` when the master key is not the one that the signing keys were sealed with."""
        await self._signer.check()

    async def jwks(self) -> dict[str, Any]:
        """Return the public keys as a JWK Set (RFC 7517): the present one, and the ones whose tokens may still run."""
        return {"keys": [jwk for jwk, _ in await self._signer.public_keys()]}

    async def public_pems(self) -> list[tuple[str, str]]:
        """Return (kid, PEM) of the keys of ``jwks``, in its order (Gen3 ``/user/jwt/keys``)."""
        return [(_kid(jwk), pem) for jwk, pem in await self._signer.public_keys()]

    async def rotate_signing_key(self, principal: Principal) -> str:
        """Sign with a new key from now on and return its kid; tokens of the old ones work until they end."""
        parts = self._parts
        async with parts.database.begin() as unit:
            await parts.guard.require_site_admin(unit, principal, "key.rotate_signing")
            kid = await self._signer.rotate(unit)
            await parts.audit.write(unit, principal, "key.rotate_signing", target=kid)
        self._signer.forget()
        return kid


def _kid(jwk: Mapping[str, Any]) -> str:
    return str(jwk["kid"])


def _shown(number: int, door: Door, wish: _Wish, shown: dict[str, str]) -> NewKey:
    return NewKey(number, door, shown, wish.expires, wish.label)


def _expiry(principal: Principal, door: Door, now: datetime, days: int | None, seconds: int | None) -> datetime | None:
    if (days is not None and not 0 < days <= _MOST_DAYS) or (seconds is not None and seconds <= 0):
        raise Invalid("The life of a key is a positive number of days.", field="days")
    life = None
    if days is not None:
        life = timedelta(days=days)
    elif seconds is not None:
        life = timedelta(seconds=min(seconds, _MOST_DAYS * 86_400))
    if door in (Door.GEN3, Door.POLLY):
        if life is None:
            life = MONTH
        elif principal.user is not None or days is None:
            life = min(life, MONTH)
    return None if life is None else now + life


def _scopes(principal: Principal, door: Door, asked: Collection[str] | None) -> frozenset[str]:
    """Return the scopes of a new key: a key that a key made cannot make keys, one made at the console can."""
    if door is not Door.GEN3:
        return frozenset()
    if asked is not None and not set(asked) <= GEN3_SCOPES:
        unknown = ", ".join(sorted(set(asked) - GEN3_SCOPES))
        raise BadRequest(f"A key cannot have the scope {unknown[:200]}; it can have {', '.join(sorted(GEN3_SCOPES))}.")
    scopes = GEN3_SCOPES if not asked else frozenset(asked)
    return scopes | {"credentials"} if principal.user is None else scopes
