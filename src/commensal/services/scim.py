"""Accounts and groups for systems that provision them (SCIM 2.0, RFC 7643 and 7644), over Identity and Groups.

Accounts are for site admins. A group is shown to its members, its maker and site admins; its maker and site admins
change it. ``Curator``, number 0, is computed.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from commensal.core import names
from commensal.core.groups import CURATOR, Group, Member
from commensal.core.principals import Principal
from commensal.core.users import User, clean_line, fold_email
from commensal.errors import Invalid, NotFound
from commensal.services.audit import Audit, is_site_admin
from commensal.services.groups import Groups
from commensal.services.guard import Guard
from commensal.services.identity import Identity
from commensal.storage.ports import Database, Unit
from commensal.storage.ports.scim import ScimStore

__all__ = ["UNCHANGED", "GroupResource", "Scim", "UserResource"]

#: For ``external_id``, None is a value.
UNCHANGED: Any = object()
PAGE = 1000
_LARGEST_SEQ = 2**63 - 1


@dataclass(frozen=True, slots=True)
class UserResource:
    """An account, and the name that the provisioning system has for it."""

    user: User
    external_id: str | None = None


@dataclass(frozen=True, slots=True)
class GroupResource:
    """A group with its members (None: not asked for), and the name that the provisioning system has for it."""

    group: Group
    members: tuple[Member, ...] | None = None
    external_id: str | None = None


class Scim:
    """Finds, makes and changes accounts and groups."""

    def __init__(
        self, *, database: Database, store: ScimStore, identity: Identity, groups: Groups, guard: Guard, audit: Audit
    ) -> None:
        self._database = database
        self._store = store
        self._identity = identity
        self._groups = groups
        self._guard = guard
        self._audit = audit

    # --- accounts ---------------------------------------------------------------------------------

    async def users(
        self,
        principal: Principal,
        *,
        seq: int | None = None,
        email: str | None = None,
        name: str | None = None,
        external_id: str | None = None,
        active: bool | None = True,
        offset: int = 0,
        limit: int = 100,
    ) -> tuple[list[UserResource], int]:
        """Return a page of the accounts that meet all conditions, by number, and how many there are; site admins."""
        async with self._database.read() as unit:
            await self._guard.require_site_admin(unit, principal, "user.list")
            rows, total = await self._store.users(
                unit,
                seq=seq if seq is None or seq <= _LARGEST_SEQ else -1,
                email_folded=None if email is None else fold_email(_clean(email)),
                name=None if name is None else _clean(name),
                external_id=None if external_id is None else _clean(external_id),
                active=active,
                offset=offset,
                limit=max(0, min(limit, PAGE)),
            )
        await self._audit.read(principal, "user.list", n=len(rows))
        return [UserResource(user, external) for user, external in rows], total

    async def user(self, principal: Principal, seq: int) -> UserResource:
        """Return an account by number, also one that is switched off; site admins. Raises NotFound."""
        found, _ = await self.users(principal, seq=seq, active=None)
        if not found:
            raise NotFound(f"There is no user {seq}.")
        return found[0]

    async def save_user(
        self,
        principal: Principal,
        email: str,
        *,
        name: str | None = None,
        external_id: str | None = None,
        active: bool = True,
    ) -> UserResource:
        """Add an account, or change the one with this address, which keeps its name without another; site admins.

        It has no password: its owner sets one by a reset link, which a site admin makes.
        """
        found, _ = await self.users(principal, email=email, active=None)
        if found:
            return await self.change_user(
                principal, found[0].user.seq, name=name, active=active, external_id=external_id or UNCHANGED
            )
        external_id = None if external_id is None else clean_line(external_id, field="externalId")
        user = await self._identity.add_user(principal, email, name=name or "")
        return await self.change_user(principal, user.seq, active=active, external_id=external_id)

    async def change_user(
        self,
        principal: Principal,
        seq: int,
        *,
        name: str | None = None,
        active: bool | None = None,
        external_id: Any = UNCHANGED,
    ) -> UserResource:
        """Change an account: what can be refused is looked at before anything is written. Site admins."""
        was = await self.user(principal, seq)
        if name is not None:
            name = clean_line(name, field="displayName")
        if external_id not in (UNCHANGED, None):
            external_id = clean_line(external_id, field="externalId")
        if active is not None and active != was.user.active:
            await (self._identity.activate if active else self._identity.deactivate)(principal, seq)
        if name is not None and name != was.user.name:
            await self._identity.rename(principal, seq, name)
        await self._keep_external(principal, "User", seq, was.external_id, external_id)
        return await self.user(principal, seq)

    async def _keep_external(self, principal: Principal, resource: str, seq: int, was: str | None, now: Any) -> None:
        if now is UNCHANGED or now == was:
            return
        async with self._database.begin() as unit:
            await self._store.set_external_id(unit, resource, seq, now)
            await self._audit.write(unit, principal, f"{resource.lower()}.external_id", target=str(seq))

    # --- groups -----------------------------------------------------------------------------------

    async def groups(
        self,
        principal: Principal,
        *,
        seq: int | None = None,
        name: str | None = None,
        external_id: str | None = None,
        members: bool = True,
        offset: int = 0,
        limit: int = 100,
    ) -> tuple[list[GroupResource], int]:
        """Return a page of the groups that the caller may see and that meet all conditions, ``Curator`` first."""
        limit = max(0, min(limit, PAGE))
        folded = None if name is None else names.fold(_clean(name))
        async with self._database.read() as unit:
            await self._guard.require_signed_in(unit, principal, "group.list")
            everything = is_site_admin(principal)
            computed = external_id is None and seq in (None, 0) and folded in (None, names.fold(CURATOR))
            computed = computed and (everything or await self._groups.is_curator_in(unit, principal))
            shown: list[GroupResource] = []
            if computed and offset == 0 and limit:
                shown.append(await self._curator(unit, principal, members=members))
            rows, total = await self._store.groups(
                unit,
                seq=seq if seq is None or seq <= _LARGEST_SEQ else -1,
                name_folded=folded,
                external_id=None if external_id is None else _clean(external_id),
                member=None if everything else (principal.user or -1),
                offset=max(0, offset - computed),
                limit=limit - len(shown),
            )
            inside = await self._store.members(unit, [group.seq for group, _ in rows]) if members and rows else {}
        await self._audit.read(principal, "group.list", n=len(rows))
        shown += [
            GroupResource(group, tuple(inside.get(group.seq, ())) if members else None, external)
            for group, external in rows
        ]
        return shown, total + computed

    async def _curator(self, unit: Unit, principal: Principal, *, members: bool) -> GroupResource:
        group = await self._groups.find(unit, CURATOR)
        viewer = await self._groups.viewer(unit, principal)
        inside = await self._groups.members_in(unit, group, viewer=viewer) if members else None
        return GroupResource(group, None if inside is None else tuple(inside))

    async def group(self, principal: Principal, seq: int, *, members: bool = True) -> GroupResource:
        """Return a group by number; raises NotFound, also for one that the caller is no member of."""
        found, _ = await self.groups(principal, seq=seq, members=members)
        if not found:
            raise NotFound(f"There is no group {seq} that you may see.")
        return found[0]

    async def add_group(self, principal: Principal, name: str, *, external_id: str | None = None) -> GroupResource:
        """Make a group with its maker as member. Raises AlreadyExists for a taken name."""
        external_id = None if external_id is None else clean_line(external_id, field="externalId")
        group = await self._groups.add(principal, name, members=[principal.email] if principal.user else [])
        await self._keep_external(principal, "Group", group.seq, None, external_id)
        return await self.group(principal, group.seq)

    async def change_group(
        self,
        principal: Principal,
        seq: int,
        *,
        name: str | None = None,
        add: Collection[int] = (),
        remove: Collection[int] = (),
        replace: Collection[int] | None = None,
        external_id: Any = UNCHANGED,
    ) -> GroupResource:
        """Change a group and its members (numbers of accounts), all or nothing; ``replace`` names all members.

        Raises Invalid for accounts that are not there, or that the caller, who is no site admin, does not see: numbers
        can be guessed, and a group shows who is in it.
        """
        was = await self.group(principal, seq)
        if external_id not in (UNCHANGED, None):
            external_id = clean_line(external_id, field="externalId")
        present = {member.user for member in was.members or ()}
        coming, going = set(add), set(remove)
        if replace is not None:
            coming, going = coming | set(replace), going | (present - set(replace))
        going &= present
        async with self._database.read() as unit:
            viewer = await self._groups.viewer(unit, principal)
            asked = [one for one in coming | going if one <= _LARGEST_SEQ]
            known = await self._store.emails(unit, asked, viewer, among=present)
        absent = sorted((coming | going) - set(known))
        if absent:
            raise Invalid(f"There is no user {str(absent[0])[:40]} that you may see.", field="members")
        await self._groups.change(
            principal,
            was.group if was.group.computed else seq,
            name=name,
            add=_of(known, coming - going),
            remove=_of(known, going),
        )
        await self._keep_external(principal, "Group", seq, was.external_id, external_id)
        return await self.group(principal, seq)

    async def delete_group(self, principal: Principal, seq: int) -> None:
        """Remove a group and all grants made to it; its maker and site admins."""
        was = await self.group(principal, seq, members=False)
        await self._groups.delete(principal, was.group if was.group.computed else seq)
        async with self._database.begin() as unit:
            await self._store.set_external_id(unit, "Group", seq, None)


def _of(known: dict[int, str], seqs: Collection[int]) -> Sequence[str]:
    return [known[seq] for seq in sorted(seqs)]


def _clean(text: str) -> str:
    return text.replace("\0", "")
