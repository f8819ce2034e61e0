"""How people come in: registration, invitations, and links that set a password."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from urllib.parse import urlencode

from commensal.core.principals import CredentialKind, Door, Principal, PrincipalKind
from commensal.core.users import GivenRole, Invitation, User, clean_line, fold_email, normal_email
from commensal.errors import AlreadyExists, Closed, Forbidden, Invalid, NotFound, StateConflict, WrongPassword
from commensal.services.accounts import Accounts
from commensal.services.audit import is_site_admin
from commensal.services.passwords import check_password
from commensal.services.secret_text import SECRET_LENGTH, digest, random_letters
from commensal.storage.ports import Unit

__all__ = ["INVITATION_PATH", "RESET_PATH", "SignUp"]

#: Where the links point, below the base URL; the secret follows as ``?token=``.
INVITATION_PATH = "/portal/invitation"
RESET_PATH = "/portal/reset"

#: Roles that one invitation can bring.
MOST_GRANTS = 20
INVITED_FOR = timedelta(days=14)
RESET_FOR = timedelta(hours=1)
#: One account gets at most one reset mail in this time.
RESET_EVERY = timedelta(minutes=1)
#: How long asking for one takes at least, so that the time does not tell whether there is an account.
RESET_SECONDS = 0.25

_DEAD_LINK = "This link is not valid any more: it was used, replaced or is too old. Ask for a new one."


class SignUp(Accounts):
    """Registration by setting (``open``, ``invite``, ``closed``), invitations, password links."""

    @property
    def registration(self) -> str:
        """``open``: anybody signs up; ``invite``: by invitation; ``closed``: by the operator alone."""
        return self._parts.registration

    def _link(self, path: str, secret: str) -> str:
        return f"{self._parts.base_url.rstrip('/')}{path}?{urlencode({'token': secret})}"

    async def register(self, principal: Principal, email: str, password: str, *, name: str = "") -> User:
        """Add an account of one's own; ``principal`` is the anonymous caller, for the audit.

        Raises ``Closed`` unless registration is open, ``AlreadyExists``, ``Invalid``, ``InvalidRows``.
        """
        if self._parts.registration != "open":
            await self._parts.audit.refusal(principal, "user.register")
            raise Closed(
                "Registration is by invitation here: ask an administrator of this site for one."
                if self._parts.registration == "invite"
                else "Registration is closed here: ask an administrator of this site for an account."
            )
        return await self._add(principal, email, name=name, password=password)

    # --- invitations ------------------------------------------------------------------------------

    async def invite(
        self, principal: Principal, email: str, *, name: str = "", grants: Sequence[GivenRole] = ()
    ) -> Invitation:
        """Invite someone; the answer's ``link`` can be used once within 14 days, and is mailed too.

        Site admins and the operator invite anybody; others only together with grants, all of which they may
        give themselves. A second invitation of an address by the same person replaces the first. Raises
        ``AlreadyExists`` when the address has an account, ``Closed`` when registration is closed and the caller is
        no site admin.
        """
        if len(grants) > MOST_GRANTS:
            raise Invalid(f"An invitation brings {MOST_GRANTS} roles at most.", field="grants")
        email = normal_email(email)
        name = clean_line(name, field="name")
        async with self._parts.database.begin() as unit:
            return await self._invite(unit, principal, email, name, grants)

    async def _invite(
        self, unit: Unit, principal: Principal, email: str, name: str, grants: Sequence[GivenRole]
    ) -> Invitation:
        parts = self._parts
        secret = random_letters(43)
        now = parts.now()
        await parts.guard.require_signed_in(unit, principal, "user.invite")
        await self._require_own_hand(principal, "user.invite")
        await self._may_invite(principal, grants)
        if grants:
            if parts.grants is None:
                raise Invalid("Invitations with grants are not available here.", field="grants")
            await parts.grants.check(unit, principal, grants)
        if await parts.users.by_email(unit, fold_email(email)) is not None:
            raise AlreadyExists("This address has an account already: give the rights to it.", field="email")
        invitation = await parts.invitations.put(
            unit,
            email=email,
            folded=fold_email(email),
            name=name,
            sha256=digest(secret),
            grants=grants,
            made_by=principal.user,
            made=now,
            expires=now + INVITED_FOR,
        )
        link = self._link(INVITATION_PATH, secret)
        await self._mail_invitation(unit, principal, email, link)
        await parts.audit.write(
            unit, principal, "user.invite", target=email, details={"grants": [grant.to_json() for grant in grants]}
        )
        return _with_link(invitation, link)

    async def _may_invite(self, principal: Principal, grants: Sequence[GivenRole]) -> None:
        if is_site_admin(principal):
            return
        if self._parts.registration == "closed":
            await self._parts.audit.refusal(principal, "user.invite")
            raise Closed("Invitations are switched off here: ask an administrator of this site.")
        if not grants:
            await self._parts.audit.refusal(principal, "user.invite")
            raise Forbidden("Only a site admin invites without a role; name a role in a program that you manage.")

    async def _mail_invitation(self, unit: Unit, principal: Principal, email: str, link: str) -> None:
        who = principal.name or principal.email or "An administrator"
        await self._parts.mail.send(
            unit,
            email,
            "You are invited to a data commons",
            f"{who} invites you to the data commons at {self._parts.base_url}.\n\n"
            f"Choose your password here (the link works once, for {INVITED_FOR.days} days):\n{link}\n\n"
            "If you do not expect this, ignore this message.\n",
        )

    async def list_invitations(self, principal: Principal) -> list[Invitation]:
        """Return the open invitations: all for site admins, the own ones for others."""
        parts = self._parts
        async with parts.database.read() as unit:
            seq = await parts.guard.require_signed_in(unit, principal)
            found = await parts.invitations.open_ones(
                unit, parts.now(), made_by=None if is_site_admin(principal) else seq
            )
        await parts.audit.read(principal, "invitation.list", n=len(found))
        return found

    async def _own_invitation(self, unit: Unit, principal: Principal, number: int) -> Invitation:
        await self._parts.guard.require_signed_in(unit, principal)
        found = await self._parts.invitations.get(unit, number) if abs(number) < 1 << 63 else None
        if found is not None and not (is_site_admin(principal) or found.made_by == principal.user):
            await self._parts.audit.refusal(principal, "user.invite", target=f"invitation {found.id}")
            found = None
        if found is None:
            raise NotFound("There is no such invitation.")
        if found.used is not None:
            raise StateConflict("This invitation has been used.")
        return found

    async def resend_invitation(self, principal: Principal, number: int) -> Invitation:
        """Make and send a new link for an open invitation; the old one dies, the 14 days begin again."""
        async with self._parts.database.begin() as unit:
            found = await self._own_invitation(unit, principal, number)
            if found.made_by != principal.user:  # the new one does not replace it: it would stay good beside it
                await self._parts.invitations.withdraw(unit, number)
            return await self._invite(unit, principal, found.email, found.name, found.grants)

    async def withdraw_invitation(self, principal: Principal, number: int) -> None:
        """Make an open invitation void."""
        parts = self._parts
        async with parts.database.begin() as unit:
            found = await self._own_invitation(unit, principal, number)
            await parts.invitations.withdraw(unit, number)
            await parts.audit.write(unit, principal, "user.withdraw_invitation", target=found.email)

    async def invitation(self, token: str) -> Invitation:
        """Return the open invitation of a link, for the page that asks for a password; raises ``NotFound``."""
        async with self._parts.database.read() as unit:
            found = await self._parts.invitations.peek(unit, _link_digest(token), self._parts.now())
        if found is None:
            raise NotFound(_DEAD_LINK)
        return found

    async def accept_invitation(self, principal: Principal, token: str, password: str, *, name: str = "") -> User:
        """Use an invitation: add the account with its grants; ``principal`` is the anonymous caller.

        An account that came into being since gets the grants, if the password is its own: an address proves nothing
        about who registered it. Raises ``NotFound`` for a link that was used or is too old, ``WrongPassword`` and
        ``TooManyRequests`` as ``sign_in``, ``InvalidRows`` for a new password (the link then stays good).
        """
        parts = self._parts
        waiting = await self.invitation(token)
        async with parts.database.read() as unit:
            there = await parts.users.by_email(unit, fold_email(waiting.email))
        if there is not None:
            proved, _ = await self._proved(waiting.email, password, principal, "user.accept_invitation")
            if proved is None:
                raise WrongPassword("This address has an account already: type its password.", field="password")
            email, name, hashed = waiting.email, name, None
        else:
            email, name, hashed = await self._new_account(waiting.email, name or waiting.name, password)
        async with parts.database.begin() as unit:
            used = await parts.invitations.use(unit, _link_digest(token), parts.now())
            if used is None or used.email != waiting.email:
                raise NotFound(_DEAD_LINK)
            user = await parts.users.by_email(unit, fold_email(email))
            if (user is None) != (there is None):
                raise StateConflict("An account was made with this address at this moment; open the link again.")
            if user is None:
                user = await self._store(unit, principal, email, name=name, hashed=hashed, site_admin=False)
            await parts.audit.write(
                unit, principal, "user.accept_invitation", target=email, details={"invitation": used.id}
            )
            if used.grants and parts.grants is not None:
                inviter = await self._inviter(unit, principal, used)
                if inviter is not None:
                    await parts.grants.apply(unit, inviter, user.seq, used.grants)
        parts.guard.forget()
        return user

    async def _inviter(self, unit: Unit, principal: Principal, invitation: Invitation) -> Principal | None:
        """Return who gives the grants: the inviter as he is now, or the operator; None when he is switched off."""
        door, address, request_id, route = principal.door, principal.address, principal.request_id, principal.route
        if invitation.made_by is None:
            return Principal(
                kind=PrincipalKind.OPERATOR, door=door, address=address, request_id=request_id, route=route
            )
        found = await self._parts.users.get(unit, invitation.made_by)
        if found is None or not found.active:
            return None
        return Principal(
            kind=PrincipalKind.USER,
            door=door,
            user=found.seq,
            email=found.email,
            name=found.name,
            site_admin=found.site_admin,
            address=address,
            request_id=request_id,
            route=route,
        )

    # --- password links ---------------------------------------------------------------------------

    async def request_password_reset(self, principal: Principal, email: str) -> None:
        """Mail a link that sets a new password; the answer is the same whether there is an account or not.

        It also takes the same time. Without a mail server the link is in the log.
        """
        await asyncio.gather(self._request_reset(principal, email), asyncio.sleep(RESET_SECONDS))

    async def _request_reset(self, principal: Principal, email: str) -> None:
        parts = self._parts
        try:
            folded = fold_email(normal_email(email))
        except Invalid:
            return
        async with parts.database.begin() as unit:
            found = await parts.users.by_email(unit, folded)
            if found is None or not found.active:
                parts.audit.unknown_caller(principal.address, principal.door)
                return
            if await parts.credentials.made_since(unit, found.seq, CredentialKind.RESET, parts.now() - RESET_EVERY):
                return
            await self._reset_link(unit, principal, found)

    async def reset_link(self, principal: Principal, user: int) -> str:
        """Return a link that sets a new password of an account, for handing over (site admins, the operator)."""
        parts = self._parts
        async with parts.database.begin() as unit:
            await parts.guard.require_site_admin(unit, principal, "user.reset_link")
            await self._require_own_hand(principal, "user.reset_link")
            found = await self._may_change(unit, principal, user, "user.reset_link")
            if not found.active:
                raise StateConflict("This account is switched off; switch it on first.")
            return await self._reset_link(unit, principal, found)

    async def _reset_link(self, unit: Unit, principal: Principal, user: User) -> str:
        parts = self._parts
        now = parts.now()
        secret = random_letters(43)
        await parts.credentials.revoke_kinds(unit, user.seq, [CredentialKind.RESET], now)
        await parts.credentials.add(
            unit,
            user=user.seq,
            door=Door.PORTAL,
            kind=CredentialKind.RESET,
            sha256=digest(secret),
            made=now,
            expires=now + RESET_FOR,
        )
        link = self._link(RESET_PATH, secret)
        await parts.mail.send(
            unit,
            user.email,
            "Set a new password",
            f"Somebody asked for a new password of your account at {parts.base_url}.\n\n"
            f"Set it here (the link works once, for one hour):\n{link}\n\n"
            "If it was not you, ignore this message: nothing has changed.\n",
        )
        await parts.audit.write(unit, principal, "user.reset_link", target=user.email)
        return link

    async def reset_password(self, principal: Principal, token: str, password: str) -> User:
        """Set a new password by a link; all sessions and the login token end. ``principal`` is the anonymous caller.

        Raises ``NotFound`` for a link that was used or is too old, ``InvalidRows`` for the password (the link
        then stays good).
        """
        parts = self._parts
        check_password(password)
        sha256 = _link_digest(token)
        async with parts.database.read() as unit:
            waiting = await parts.credentials.by_secret(unit, sha256)
        if waiting is None or waiting.credential.kind is not CredentialKind.RESET or not waiting.user.active:
            raise NotFound(_DEAD_LINK)
        check_password(password, email=waiting.user.email)
        hashed = await parts.passwords.hash(password)
        async with parts.database.begin() as unit:
            user = await parts.users.lock(unit, waiting.user.seq)
            seq = await parts.credentials.use_once(unit, sha256, CredentialKind.RESET, parts.now())
            if user is None or seq != user.seq or not user.active:
                raise NotFound(_DEAD_LINK)
            await self._store_password(unit, principal, user, hashed, "user.reset_password")
        parts.live.forget(user.seq)
        return user


def _link_digest(token: str) -> bytes:
    return digest(token.strip()[:SECRET_LENGTH])


def _with_link(invitation: Invitation, link: str) -> Invitation:
    return Invitation(
        id=invitation.id,
        email=invitation.email,
        name=invitation.name,
        grants=invitation.grants,
        made_by=invitation.made_by,
        made=invitation.made,
        expires=invitation.expires,
        link=link,
    )
