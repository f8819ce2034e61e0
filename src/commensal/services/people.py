"""People: who one is, and whom one works with.

A caller sees himself and those who are given a role in a program in which he is given one; site admins see everybody.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from commensal.core.catalog import ItemPage
from commensal.core.people import Person, clean_profile
from commensal.core.permissions import Right
from commensal.core.principals import Principal
from commensal.core.projects import Program
from commensal.errors import NotFound, Unauthenticated
from commensal.services.audit import Audit, is_site_admin
from commensal.services.guard import Guard
from commensal.storage.ports import Database, Unit
from commensal.storage.ports.people import PeopleStore, Viewer

__all__ = ["People"]


class People:
    """Profiles and the people of a program."""

    def __init__(self, *, database: Database, store: PeopleStore, guard: Guard, audit: Audit) -> None:
        self._database = database
        self._store = store
        self._guard = guard
        self._audit = audit

    async def me(self, principal: Principal) -> Person:
        """Return the caller. Raises Unauthenticated for one without an account."""
        if principal.user is None:
            raise Unauthenticated("Sign in, or send a valid token, to see your account.")
        return await self.person(principal, principal.user)

    async def person(self, principal: Principal, ref: UUID | int) -> Person:
        """Return an account by uuid or number; raises NotFound for one that the caller does not see."""
        async with self._database.read() as unit:
            viewer = await self._viewer(unit, principal)
            if isinstance(ref, int) and not 0 <= ref < 1 << 63:
                raise NotFound("There is no such user.")
            uuid, seq = (None, ref) if isinstance(ref, int) else (ref, None)
            found, _ = await self._store.page(unit, viewer, uuid=uuid, seq=seq, limit=1)
        if not found:
            raise NotFound("There is no such user.")
        await self._audit.read(principal, "user.read", target=found[0].user.email)
        return found[0]

    async def page(self, principal: Principal, *, offset: int, limit: int) -> ItemPage[Person]:
        """Return a page of the people whom the caller sees."""
        async with self._database.read() as unit:
            viewer = await self._viewer(unit, principal)
            found, total = await self._store.page(unit, viewer, offset=offset, limit=limit)
        await self._audit.read(principal, "user.list", n=len(found))
        return ItemPage(tuple(found), total, offset, limit)

    async def of_program(self, principal: Principal, program: Program, *, offset: int, limit: int) -> ItemPage[Person]:
        """Return a page of those who are given a role in a program, to whom has one there too; raises Forbidden."""
        async with self._database.read() as unit:
            viewer = await self._viewer(unit, principal)
            if not viewer.everybody and program.seq not in viewer.programs:
                await self._guard.require(unit, principal, Right.MANAGE, program=program)
            found, total = await self._store.page(unit, viewer, program=program.seq, offset=offset, limit=limit)
        await self._audit.read(principal, "user.list", program=program, n=len(found))
        return ItemPage(tuple(found), total, offset, limit)

    async def address_of(self, principal: Principal, program: Program, number: int) -> str | None:
        """Return the e-mail address of an account by number, to who may give roles on a program; None: no such account.

        Raises Forbidden for others.
        """
        async with self._database.read() as unit:
            await self._guard.require(unit, principal, Right.MANAGE, program=program)
            everybody = Viewer(None, frozenset(), everybody=True)
            found, _ = await self._store.page(unit, everybody, seq=min(number, (1 << 63) - 1), limit=1)
        return found[0].user.email if found else None

    async def write_profile(self, principal: Principal, changes: Mapping[str, Any]) -> Person:
        """Lay changes over the caller's own profile; keys that it does not have are left out. Raises Invalid."""
        kept = clean_profile(changes)
        if principal.user is None:
            raise Unauthenticated("Sign in, or send a valid token, to change your account.")
        if kept:
            async with self._database.begin() as unit:
                await self._store.set_profile(unit, principal.user, kept)
                await self._audit.write(unit, principal, "user.profile", target=principal.email)
        return await self.me(principal)

    async def _viewer(self, unit: Unit, principal: Principal) -> Viewer:
        await self._guard.require_signed_in(unit, principal, "user.read")
        return Viewer(principal.user, await self._guard.seen_programs(unit, principal), is_site_admin(principal))
