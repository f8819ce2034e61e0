"""Accounts: adding, finding, renaming, switching off, passwords."""

from __future__ import annotations

from uuid import UUID

from commensal.core.ids import is_uuid, uuid7
from commensal.core.principals import CredentialKind, Principal
from commensal.core.users import EMAIL_LENGTH, User, clean_line, fold_email, normal_email
from commensal.errors import AlreadyExists, NotFound, StateConflict, WrongPassword
from commensal.services.authentication import Authentication
from commensal.services.passwords import check_password
from commensal.storage.ports import Unit

__all__ = ["Accounts"]

_PAGE = 1_000
_TAKEN = "user with this email address already exists."
#: What ends with a new password and when an account is switched off; keys do not.
_SIGNED_IN = (CredentialKind.SESSION, CredentialKind.LOGIN_TOKEN, CredentialKind.RESET)


class Accounts(Authentication):
    """Site admins and the operator manage all accounts; a user sees, renames and re-passwords the own one."""

    async def user(self, principal: Principal, ref: int | str | UUID | None = None) -> User:
        """Return an account by number, uuid or address; without ``ref`` the caller's own.

        Raises ``NotFound``; others' accounts are shown to site admins only.
        """
        parts = self._parts
        async with parts.database.read() as unit:
            if ref is None:
                seq = await parts.guard.require_signed_in(unit, principal)
                ref = -1 if seq is None else seq
            found = await self._find(unit, ref)
            if found is None or found.seq != principal.user:
                await parts.guard.require_site_admin(unit, principal, "user.read")
        if found is None:
            raise NotFound("There is no such user.")
        if found.seq != principal.user:
            await parts.audit.read(principal, "user.read", target=found.email)
        return found

    async def _find(self, unit: Unit, ref: int | str | UUID) -> User | None:
        users = self._parts.users
        if isinstance(ref, UUID):
            return await users.by_uuid(unit, ref)
        if isinstance(ref, int):
            return await users.get(unit, ref) if abs(ref) < 1 << 63 else None
        if is_uuid(ref):
            return await users.by_uuid(unit, UUID(ref))
        if ref.isascii() and ref.isdigit():
            return await users.get(unit, int(ref)) if len(ref) < 19 else None
        if "@" not in ref or "\0" in ref or len(ref) > EMAIL_LENGTH or not ref.isprintable():
            return None
        return await users.by_email(unit, fold_email(ref))

    async def list_users(
        self, principal: Principal, search: str = "", *, offset: int = 0, limit: int = 100
    ) -> tuple[list[User], int]:
        """Return a page of the accounts whose address or name contains a text, and how many there are."""
        parts = self._parts
        search = fold_email("".join(character for character in search if character.isprintable()))
        async with parts.database.read() as unit:
            await parts.guard.require_site_admin(unit, principal, "user.list")
            found = await parts.users.find(
                unit, search, offset=min(max(offset, 0), 1 << 40), limit=min(max(limit, 0), _PAGE)
            )
        await parts.audit.read(principal, "user.list", n=len(found[0]))
        return found

    async def add_user(
        self,
        principal: Principal,
        email: str,
        *,
        name: str = "",
        password: str | None = None,
        site_admin: bool = False,
    ) -> User:
        """Add an account (site admins, the operator); without a password it can be opened by a reset link only.

        Raises ``AlreadyExists``, ``Invalid`` (address, name) and ``InvalidRows`` (password).
        """
        parts = self._parts
        async with parts.database.read() as unit:
            await parts.guard.require_site_admin(unit, principal, "user.add")
        return await self._add(principal, email, name=name, password=password, site_admin=site_admin)

    async def _add(
        self, principal: Principal, email: str, *, name: str, password: str | None, site_admin: bool = False
    ) -> User:
        email, name, hashed = await self._new_account(email, name, password)
        async with self._parts.database.begin() as unit:
            return await self._store(unit, principal, email, name=name, hashed=hashed, site_admin=site_admin)

    async def _new_account(self, email: str, name: str, password: str | None) -> tuple[str, str, str | None]:
        email = normal_email(email)
        name = clean_line(name, field="name")
        if password is None:
            return email, name, None
        check_password(password, email=email)
        return email, name, await self._parts.passwords.hash(password)

    async def _store(
        self, unit: Unit, principal: Principal, email: str, *, name: str, hashed: str | None, site_admin: bool
    ) -> User:
        parts = self._parts
        added = await parts.users.add(
            unit,
            uuid=uuid7(int(parts.now().timestamp() * 1000)),
            email=email,
            folded=fold_email(email),
            name=name,
            password=hashed,
            site_admin=site_admin,
        )
        if added is None:
            raise AlreadyExists(_TAKEN, field="email")
        await parts.audit.write(
            unit, principal, "user.add", target=email, details={"user": added.seq, "site_admin": site_admin}
        )
        return added

    async def rename(self, principal: Principal, user: int, name: str) -> User:
        """Change the name that people see; the own one, or any for site admins."""
        parts = self._parts
        name = clean_line(name, field="name")
        async with parts.database.begin() as unit:
            found = await self._may_change(unit, principal, user, "user.rename")
            await parts.users.rename(unit, user, name)
            await parts.audit.write(unit, principal, "user.rename", target=found.email)
            renamed = await parts.users.get(unit, user)
        parts.live.forget(user)
        assert renamed is not None
        return renamed

    async def set_site_admin(self, principal: Principal, user: int, *, site_admin: bool) -> None:
        """Make an account a site admin, or an ordinary one again; never the last site admin."""
        parts = self._parts
        async with parts.database.begin() as unit:
            await parts.guard.require_site_admin(unit, principal, "user.site_admin")
            found = await self._may_change(unit, principal, user, "user.site_admin")
            if found.site_admin and not site_admin:
                await self._not_the_last(unit, found)
            await parts.users.set_site_admin(unit, user, site_admin=site_admin)
            await parts.audit.write(
                unit, principal, "user.site_admin", target=found.email, details={"site_admin": site_admin}
            )
        parts.live.forget(user)

    async def _not_the_last(self, unit: Unit, user: User) -> None:
        if user.active and user.site_admin and not await self._parts.users.other_site_admins(unit, user.seq):
            raise StateConflict("This is the last site admin; make another account a site admin first.")

    async def deactivate(self, principal: Principal, user: int) -> None:
        """Switch an account off: sessions and the login token end, keys stop until it is switched on again."""
        parts = self._parts
        async with parts.database.begin() as unit:
            await parts.guard.require_site_admin(unit, principal, "user.deactivate")
            found = await self._may_change(unit, principal, user, "user.deactivate")
            if found.active:
                await self._not_the_last(unit, found)
                await parts.users.set_active(unit, user, active=False)
                await parts.credentials.revoke_kinds(unit, user, _SIGNED_IN, parts.now())
            await parts.audit.write(unit, principal, "user.deactivate", target=found.email)
        parts.live.forget(user)

    async def activate(self, principal: Principal, user: int) -> None:
        """Switch an account on again; its keys work as before."""
        parts = self._parts
        async with parts.database.begin() as unit:
            await parts.guard.require_site_admin(unit, principal, "user.activate")
            found = await self._may_change(unit, principal, user, "user.activate")
            if not found.active:
                await parts.users.set_active(unit, user, active=True)
            await parts.audit.write(unit, principal, "user.activate", target=found.email)
        parts.live.forget(user)

    # --- passwords --------------------------------------------------------------------------------

    async def set_password(self, principal: Principal, user: int, new: str) -> None:
        """Give an account a new password without the old one (site admins, the operator)."""
        parts = self._parts
        async with parts.database.read() as unit:
            await parts.guard.require_site_admin(unit, principal, "user.password")
            await self._require_own_hand(principal, "user.password")
            found = await parts.users.get(unit, user)
        if found is None:
            raise NotFound("There is no such user.")
        await self._new_password(principal, found, new, "user.password")

    async def change_password(self, principal: Principal, old: str, new: str) -> None:
        """Change the own password; all other sessions and the login token end, keys go on.

        Raises ``WrongPassword`` (field ``current_password``) and ``TooManyRequests`` as ``sign_in``.
        """
        parts = self._parts
        if principal.only_program is not None:
            await self._require_own_hand(principal, "user.change_password")
        async with parts.database.read() as unit:
            seq = await parts.guard.require_signed_in(unit, principal)
            found = None if seq is None else await parts.users.get(unit, seq)
        if found is None:
            raise NotFound("There is no such user.")
        right, _ = await self._proved(found.email, old, principal, "user.change_password")
        if right is None:
            raise WrongPassword("The current password is not right.", field="current_password")
        await self._new_password(principal, found, new, "user.change_password")

    async def _new_password(self, principal: Principal, user: User, new: str, action: str) -> None:
        parts = self._parts
        check_password(new, email=user.email)
        hashed = await parts.passwords.hash(new)
        async with parts.database.begin() as unit:
            await self._store_password(unit, principal, user, hashed, action)
        parts.live.forget(user.seq)

    async def _store_password(self, unit: Unit, principal: Principal, user: User, hashed: str, action: str) -> None:
        parts = self._parts
        await parts.users.set_password(unit, user.seq, hashed, raise_counter=True)
        keep = principal.credential if principal.session and principal.user == user.seq else None
        ended = await parts.credentials.revoke_kinds(unit, user.seq, _SIGNED_IN, parts.now(), but=keep)
        await parts.audit.write(unit, principal, action, target=user.email, details={"ended": ended})
