"""Who is calling: credentials by value, sign-in by password, sessions (architecture, "Identity in one place")."""

from __future__ import annotations

from datetime import datetime, timedelta

from commensal.core.principals import Credential, CredentialKind, Door, Principal, PrincipalKind
from commensal.core.users import LiveCredential, User, fold_email, normal_email
from commensal.errors import CredentialExpired, Invalid, TooManyRequests, Unauthenticated, WrongPassword
from commensal.services.identity_parts import (
    FORGET_AFTER,
    IdentityPart,
    IdentityParts,
    basic_account,
    waits,
)
from commensal.services.live_credentials import SESSION_LONGEST, SESSION_SLIDE
from commensal.services.secret_text import SECRET_LENGTH, basic_digest, digest, random_letters
from commensal.services.tokens import Signer, new_key_id, session_of_token
from commensal.storage.ports import Unit

__all__ = ["Authentication"]

_AGAIN = {
    Door.GEN3: "make a new API key on your profile page.",
    Door.POLLY: "make a new key on your profile page.",
    Door.PANGEA: "log in again.",
    Door.ODM: "make a new token on your profile page.",
    Door.OPAL: "make a new key on your profile page.",
    Door.PORTAL: "sign in again.",
}
#: What opens a door when it is sent by itself; ``api`` takes what any of the others takes.
_BEARERS = {
    Door.POLLY: {CredentialKind.API_KEY},
    Door.PANGEA: {CredentialKind.LOGIN_TOKEN},
    Door.ODM: {CredentialKind.API_TOKEN, CredentialKind.ACCESS_TOKEN},
}
_ADDRESS = 100


def _principal(
    user: User,
    door: Door,
    credential: Credential | None,
    *,
    address: str,
    request_id: str,
    route: str,
    scopes: frozenset[str],
    session: bool = False,
) -> Principal:
    return Principal(
        kind=PrincipalKind.USER,
        door=door,
        user=user.seq,
        email=user.email,
        name=user.name,
        site_admin=user.site_admin,
        credential=None if credential is None else credential.id,
        scopes=scopes,
        only_program=None if credential is None else credential.program,
        session=session,
        address=address,
        request_id=request_id,
        route=route,
    )


class Authentication(IdentityPart):
    """Turns what a request carries into a Principal."""

    def __init__(self, parts: IdentityParts, signer: Signer) -> None:
        super().__init__(parts)
        self._signer = signer

    async def authenticate(
        self, door: Door, secret: str, *, address: str = "", request_id: str = "", route: str = ""
    ) -> Principal:
        """Return the caller behind a token sent at a door (``api`` takes the tokens of all doors).

        ``secret`` is the bare token, without a scheme. At most one statement; none when the token was seen
        within the last second. Raises ``CredentialExpired`` for one that has run out, ``Unauthenticated`` for
        one that is unknown, revoked, of another door, or of an account that is switched off.
        """
        secret = secret.strip()
        try:
            if door is Door.GEN3 or (door is Door.API and secret.count(".") == 2):
                found, scopes = await self._access_token(secret)
            else:
                found, scopes = await self._bearer(door, secret), frozenset[str]()
        except Unauthenticated:
            self._parts.audit.unknown_caller(address, door)
            raise
        self._parts.live.used(found)
        return _principal(
            found.user, door, found.credential, address=address, request_id=request_id, route=route, scopes=scopes
        )

    async def _access_token(self, secret: str) -> tuple[LiveCredential, frozenset[str]]:
        if not secret or len(secret) > SECRET_LENGTH:
            raise Unauthenticated("This credential is not known here.")
        claims = await self._signer.verify_access(secret)
        door, kind = Door.GEN3, CredentialKind.API_KEY
        session = session_of_token(claims.key_id)
        if session:
            door, kind = Door.PORTAL, CredentialKind.SESSION
        found = await self._parts.live.by_public_id(door, session or claims.key_id)
        if found is not None and (found.user.seq != claims.user or found.credential.kind is not kind):
            found = None
        return self._parts.live.check(found, again=_AGAIN[Door.GEN3]), claims.scopes

    async def _bearer(self, door: Door, secret: str) -> LiveCredential:
        if not secret or len(secret) > SECRET_LENGTH:
            raise Unauthenticated("This credential is not known here.")
        found = await self._parts.live.by_secret(digest(secret))
        if found is not None:
            made_for, kind = found.credential.door, found.credential.kind
            if (door is not Door.API and made_for is not door) or kind not in _BEARERS.get(made_for, ()):
                found = None
        again = "make a new one." if found is None else _AGAIN[found.credential.door]
        return self._parts.live.check(found, again=again)

    async def authenticate_basic(
        self,
        door: Door,
        login: str,
        password: str,
        *,
        address: str = "",
        request_id: str = "",
        route: str = "",
    ) -> Principal:
        """Return the caller behind an Opal key sent by HTTP Basic; the Principal sees the key's program only.

        One statement, none when the key was seen within the last second; a wrong password is counted, and
        slowed after ten (``TooManyRequests``). Other errors as ``authenticate``.
        """
        strange = ":" in login or not login.isprintable()
        if door not in (Door.OPAL, Door.API) or strange or max(len(login), len(password)) > SECRET_LENGTH:
            self._parts.audit.unknown_caller(address, door)
            raise Unauthenticated("This login and password are not known here.")
        address = address[:_ADDRESS]
        secret = basic_digest(login, password)
        live = self._parts.live
        found = live.known(secret)
        if found is None:
            since, epoch = live.moment()
            account = basic_account(login)
            async with self._parts.database.read() as unit:
                found, known, failures = await self._parts.credentials.by_basic(unit, secret, login, account, address)
            self._slow(waits(failures, self._parts.now))
            if found is not None and (
                found.credential.kind is not CredentialKind.BASIC or found.credential.public_id != login
            ):
                found = None
            if found is None:
                self._parts.audit.unknown_caller(address, door)
                if known:  # made-up logins must not fill the table
                    async with self._parts.database.begin() as unit:
                        await self._failed(unit, account, address)
                raise Unauthenticated("This login and password are not known here.")
            live.remember(secret, found, since=since, epoch=epoch)
        try:
            live.check(found, again=_AGAIN[Door.OPAL])
        except Unauthenticated:
            self._parts.audit.unknown_caller(address, door)
            raise
        live.used(found)
        return _principal(
            found.user,
            door,
            found.credential,
            address=address,
            request_id=request_id,
            route=route,
            scopes=frozenset(),
        )

    # --- passwords --------------------------------------------------------------------------------

    def _slow(self, seconds: int) -> None:
        if seconds:
            raise TooManyRequests(
                f"Too many wrong passwords: wait {seconds} seconds and try again.", retry_after=seconds
            )

    async def _failed(self, unit: Unit, account: str, address: str) -> None:
        now = self._parts.now()
        await self._parts.failures.add(unit, account, address, now, forget_before=now - timedelta(seconds=FORGET_AFTER))

    async def _proved(
        self, email: str, password: str, tried: Principal, action: str
    ) -> tuple[User | None, tuple[str, str] | None]:
        """Return (account if the password is right, old and new hash if the old is outdated).

        What is refused is counted and audited in one transaction, so that an unknown account takes as long as a known
        one. The turn lasts from reading the failures until a wrong password is counted: no more tries than it
        lets through can pass unslowed.
        """
        parts = self._parts
        address = tried.address[:_ADDRESS]
        try:
            folded = fold_email(normal_email(email))
        except Invalid:
            folded = None
        async with parts.passwords.turn():
            if folded is None:
                await parts.passwords.verify(None, password)
                parts.audit.unknown_caller(address, tried.door)
                return None, None
            async with parts.database.read() as unit:
                row = await parts.users.for_sign_in(unit, folded, address)
            self._slow(waits(row.failures, parts.now))
            right = await parts.passwords.verify(row.password, password)
            user = row.user
            if not right or user is None or not user.active or row.password is None:
                async with parts.database.begin() as unit:
                    if not right:
                        await self._failed(unit, folded, address)
                    if user is None:
                        parts.audit.unknown_caller(address, tried.door)
                    else:
                        if tried.user != user.seq:
                            tried = _principal(
                                user, tried.door, None, address=address, request_id=tried.request_id,
                                route=tried.route, scopes=frozenset(),
                            )  # fmt: skip
                        await parts.audit.write(unit, tried, action, target=user.email, n=0, result="refused")
                return None, None
        if parts.passwords.outdated(row.password):
            return user, (row.password, await parts.passwords.hash(password))
        return user, None

    async def sign_in(
        self,
        email: str,
        password: str,
        *,
        door: Door,
        address: str = "",
        request_id: str = "",
        route: str = "",
    ) -> Principal:
        """Return the caller who proved an account by its password; such a Principal may make credentials.

        Raises ``WrongPassword`` for an unknown address, a wrong password and an account that is switched
        off alike, after the same time, and ``TooManyRequests`` after ten wrong ones from one address.
        """
        address = address[:_ADDRESS]
        parts = self._parts
        tried = Principal(PrincipalKind.ANONYMOUS, door, address=address, request_id=request_id, route=route)
        right, fresh = await self._proved(email, password, tried, "user.sign_in")
        if right is None:
            raise WrongPassword("The e-mail address and the password do not belong together.")
        principal = _principal(
            right,
            door,
            None,
            address=address,
            request_id=request_id,
            route=route,
            scopes=frozenset({"credentials"}),
        )
        async with parts.database.begin() as unit:
            await parts.users.signed_in(unit, right.seq, parts.now(), folded=fold_email(right.email), address=address)
            if fresh is not None:
                await parts.users.rehash(unit, right.seq, *fresh)
            await parts.audit.write(unit, principal, "user.sign_in", target=right.email)
        return principal

    # --- sessions ---------------------------------------------------------------------------------

    async def open_session(self, principal: Principal) -> tuple[str, datetime]:
        """Open a portal session for someone who just signed in; return the cookie's secret and its last moment.

        A session ends 7 days after its last use, 30 days after it was opened at the latest (that is the moment
        returned, for the cookie).
        """
        await self._require_own_hand(principal, "user.open_session")
        if principal.user is None:
            raise Unauthenticated("Only a user can have a session.")
        now = self._parts.now()
        secret = random_letters(43)
        async with self._parts.database.begin() as unit:
            await self._parts.credentials.add(
                unit,
                user=principal.user,
                door=Door.PORTAL,
                kind=CredentialKind.SESSION,
                sha256=digest(secret),
                made=now,
                expires=now + timedelta(seconds=SESSION_SLIDE),
                public_id=new_key_id(),
            )
        return secret, now + timedelta(seconds=SESSION_LONGEST)

    async def session(
        self,
        cookie: str,
        *,
        door: Door = Door.PORTAL,
        address: str = "",
        request_id: str = "",
        route: str = "",
    ) -> Principal | None:
        """Return the caller behind a session cookie; None when the session is over or unknown."""
        found = await self._session(cookie)
        if found is None:
            return None
        self._parts.live.used(found)
        return _principal(
            found.user,
            door,
            found.credential,
            address=address,
            request_id=request_id,
            route=route,
            scopes=frozenset({"credentials"}),
            session=True,
        )

    async def _session(self, cookie: str) -> LiveCredential | None:
        if not cookie or len(cookie) > SECRET_LENGTH:
            return None
        found = await self._parts.live.by_secret(digest(cookie))
        if found is None or found.credential.kind is not CredentialKind.SESSION:
            return None
        try:
            return self._parts.live.check(found, again=_AGAIN[Door.PORTAL])
        except (Unauthenticated, CredentialExpired):
            return None

    async def close_session(self, principal: Principal) -> None:
        """End the session that this call came with; one that is over already is no error."""
        if not principal.session or principal.credential is None:
            return
        async with self._parts.database.begin() as unit:
            if await self._parts.credentials.revoke(unit, principal.credential, self._parts.now()):
                await self._parts.audit.write(unit, principal, "user.sign_out", target=principal.email)
        self._parts.live.forget(principal.user)
