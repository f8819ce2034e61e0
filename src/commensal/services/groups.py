"""Groups of users: site-wide, with a unique name; grants may be made to them.

Any signed-in user may make a group while self-service is on, else site admins. Its maker and site
admins change it. Who is put into a group gains what the group holds: who grants to a group trusts
its maker. ``Curator`` is computed (everyone with ``create`` somewhere) and cannot be edited.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from commensal.core import names
from commensal.core.catalog import ItemPage
from commensal.core.groups import CURATOR, Group, Member
from commensal.core.ids import uuid7
from commensal.core.permissions import ROLES, Right
from commensal.core.principals import Principal
from commensal.core.users import fold_email
from commensal.errors import AlreadyExists, Closed, Invalid, NotFound, StateConflict
from commensal.services.audit import Audit, is_site_admin
from commensal.services.clock import Clock, utc_now
from commensal.services.guard import Guard
from commensal.storage.ports import Database, Unit
from commensal.storage.ports.grants import GroupStore
from commensal.storage.ports.people import Viewer

__all__ = ["CURATOR_UUID", "Groups"]

#: The uuid of the computed group, the same on every site.
CURATOR_UUID = UUID("00000000-0000-8000-8000-637572617465")
#: Roles that hold ``create``.
CREATING = tuple(role for role, rights in ROLES.items() if rights & Right.CREATE)
NAME_LENGTH = 200

GroupRef = str | int | Group


class Groups:
    """Makes, shows and changes groups."""

    def __init__(
        self,
        *,
        database: Database,
        store: GroupStore,
        guard: Guard,
        audit: Audit,
        self_service: bool = True,
        now: Clock = utc_now,
    ) -> None:
        self._database = database
        self._store = store
        self._guard = guard
        self._audit = audit
        self._self_service = self_service
        self._now = now

    # --- show ---------------------------------------------------------------------------------------

    async def find(self, unit: Unit, ref: GroupRef) -> Group:
        """Return a group by number or name (any case), inside a transaction; raises NotFound. Asks no guard."""
        if isinstance(ref, Group):
            return ref
        if isinstance(ref, str) and names.fold(ref.strip()) == names.fold(CURATOR):
            return await self._curator(unit)
        clean = ref if isinstance(ref, int) else ref.replace("\0", "").strip()
        found = await self._store.find(
            unit,
            seq=clean if isinstance(clean, int) else None,
            name_folded=names.fold(clean) if isinstance(clean, str) else None,
        )
        if found is None:
            raise NotFound(f"There is no group {str(ref)[:80]!r}.")
        return found

    async def _curator(self, unit: Unit) -> Group:
        members = await self._store.curators(unit, CREATING, self._now())
        return Group(0, CURATOR_UUID, CURATOR, None, None, members=len(members), computed=True)

    async def group(self, principal: Principal, ref: GroupRef) -> Group:
        """Return a group; every signed-in user may know of all groups."""
        async with self._database.read() as unit:
            await self._guard.require_signed_in(unit, principal, "group.read")
            found = await self.find(unit, ref)
        await self._audit.read(principal, "group.read", target=found.name)
        return found

    async def list_groups(
        self, principal: Principal, *, search: str = "", mine: bool = False, offset: int = 0, limit: int = 100
    ) -> ItemPage[Group]:
        """Return a page of groups by name, ``Curator`` first; with ``mine``, those the caller is a member of."""
        async with self._database.read() as unit:
            await self._guard.require_signed_in(unit, principal, "group.list")
            folded = names.fold(search.replace("\0", ""))
            computed: list[Group] = []
            if folded in names.fold(CURATOR):
                curator = await self._curator(unit)
                if not mine or await self.is_curator_in(unit, principal):
                    computed = [curator]
            skip = max(0, offset - len(computed))
            room = max(0, min(limit, 10_000))
            shown = computed[offset : offset + room]
            found, total = await self._store.list(
                unit,
                search=folded,
                offset=skip,
                limit=max(0, room - len(shown)),
                member=(principal.user or -1) if mine else None,
            )
        await self._audit.read(principal, "group.list", n=len(found) + len(shown))
        return ItemPage((*shown, *found), total + len(computed), offset, limit)

    async def members(self, principal: Principal, ref: GroupRef) -> list[Member]:
        """Return the members of a group by e-mail; for its members, its maker and site admins.

        Of ``Curator``, which everybody is in who has a place to write, those whom the caller sees (``People``).
        """
        async with self._database.read() as unit:
            await self._guard.require_signed_in(unit, principal, "group.members")
            group = await self.find(unit, ref)
            found = await self.members_in(unit, group, viewer=await self.viewer(unit, principal))
            allowed = is_site_admin(principal) or (
                principal.user is not None
                and (principal.user == group.made_by or any(member.user == principal.user for member in found))
            )
            if not allowed:
                raise await self._guard.refused(
                    principal,
                    "group.members",
                    sentence="Only its members, its maker and site admins may see who is in it.",
                )
        await self._audit.read(principal, "group.members", target=group.name, n=len(found))
        return found

    async def members_in(self, unit: Unit, group: Group, *, viewer: Viewer | None = None) -> list[Member]:
        """Return the members of a group by e-mail inside a transaction: for services that have asked the guard.

        ``viewer``: of ``Curator``, only those whom he sees.
        """
        if group.computed:
            return await self._store.curators(unit, CREATING, self._now(), viewer=viewer)
        return await self._store.members(unit, group.seq)

    async def viewer(self, unit: Unit, principal: Principal) -> Viewer:
        """Return whose accounts a caller sees, as in ``People``: his own, and those of his programs."""
        return Viewer(principal.user, await self._guard.seen_programs(unit, principal), is_site_admin(principal))

    async def is_curator(self, principal: Principal) -> bool:
        """Tell whether the caller holds ``create`` somewhere."""
        async with self._database.read() as unit:
            return await self.is_curator_in(unit, principal)

    async def is_curator_in(self, unit: Unit, principal: Principal) -> bool:
        """Tell inside a transaction whether the caller holds ``create`` somewhere."""
        if not principal.signed_in:
            return False
        return not (await self._guard.scope(unit, principal, Right.CREATE)).empty

    # --- make and change ----------------------------------------------------------------------------

    async def add(self, principal: Principal, name: str, *, members: Sequence[str] = ()) -> Group:
        """Make a group, with these members by e-mail. Raises AlreadyExists for a taken name (any case)."""
        async with self._database.begin() as unit:
            await self._guard.require_signed_in(unit, principal, "group.add")
            if principal.only_program is not None:
                raise await self._guard.refused(
                    principal, "group.add", sentence="This key is limited to its program; sign in to make a group."
                )
            if not (self._self_service or is_site_admin(principal)):
                await self._audit.refusal(principal, "group.add")
                raise Closed("Only site admins make groups here; ask one of them.")
            name = _checked(name)
            made = self._now()
            group = await self._store.add(
                unit, uuid=_uuid(made), name=name, name_folded=names.fold(name), made_by=principal.user, created=made
            )
            if group is None:
                raise AlreadyExists(f"A group with the name {name!r} already exists.", field="name")
            users = await self._users(unit, members)
            if users:
                await self._store.add_members(unit, group.seq, users, added_by=principal.user, added=made)
            await self._audit.write(unit, principal, "group.add", target=group.name, n=1 + len(users))
            group = await self.find(unit, group.seq)
        self._guard.forget()
        return group

    async def rename(self, principal: Principal, ref: GroupRef, name: str) -> Group:
        """Give a group another name; its maker and site admins."""
        async with self._database.begin() as unit:
            group = await self._editable(unit, principal, ref, "group.rename")
            name = _checked(name)
            try_name = await self._store.rename(unit, group.seq, name=name, name_folded=names.fold(name))
            if not try_name:
                raise AlreadyExists(f"A group with the name {name!r} already exists.", field="name")
            await self._audit.write(unit, principal, "group.rename", target=name, details={"was": group.name})
            return await self.find(unit, group.seq)

    async def delete(self, principal: Principal, ref: GroupRef) -> None:
        """Remove a group and all grants made to it; its maker and site admins."""
        async with self._database.begin() as unit:
            group = await self._editable(unit, principal, ref, "group.delete")
            await self._keep_owners(unit, principal, group, None)
            await self._store.delete(unit, group.seq)
            await self._audit.write(unit, principal, "group.delete", target=group.name, n=group.members)
        self._guard.forget()

    async def add_members(self, principal: Principal, ref: GroupRef, emails: Sequence[str]) -> int:
        """Add accounts by e-mail; return how many were no members. Raises NotFound, naming those that do not exist."""
        async with self._database.begin() as unit:
            group = await self._editable(unit, principal, ref, "group.members.add")
            users = await self._users(unit, emails)
            added = await self._store.add_members(unit, group.seq, users, added_by=principal.user, added=self._now())
            await self._audit.write(
                unit, principal, "group.members.add", target=group.name, n=added, details={"users": users}
            )
        self._guard.forget()
        return added

    async def remove_members(self, principal: Principal, ref: GroupRef, emails: Sequence[str]) -> int:
        """Take accounts out by e-mail; return how many were members. Everybody may take himself out."""
        async with self._database.begin() as unit:
            await self._guard.require_signed_in(unit, principal, "group.members.remove")
            group = await self.find(unit, ref)
            users = await self._users(unit, emails)
            if group.computed or users != [principal.user]:
                group = await self._editable(unit, principal, group, "group.members.remove")
            await self._keep_owners(unit, principal, group, users)
            removed = await self._store.remove_members(unit, group.seq, users)
            await self._audit.write(
                unit, principal, "group.members.remove", target=group.name, n=removed, details={"users": users}
            )
        self._guard.forget()
        return removed

    async def change(
        self,
        principal: Principal,
        ref: GroupRef,
        *,
        name: str | None = None,
        add: Sequence[str] = (),
        remove: Sequence[str] = (),
    ) -> Group:
        """Rename a group and change its members (by e-mail) in one transaction; its maker and site admins."""
        async with self._database.begin() as unit:
            group = await self._editable(unit, principal, ref, "group.change")
            if name is not None and name != group.name:
                name = _checked(name)
                if not await self._store.rename(unit, group.seq, name=name, name_folded=names.fold(name)):
                    raise AlreadyExists(f"A group with the name {name!r} already exists.", field="name")
            going, coming = await self._users(unit, remove), await self._users(unit, add)
            if going:
                await self._keep_owners(unit, principal, group, going)
                await self._store.remove_members(unit, group.seq, going)
            if coming:
                await self._store.add_members(unit, group.seq, coming, added_by=principal.user, added=self._now())
            await self._audit.write(
                unit, principal, "group.change", target=group.name, n=len(going) + len(coming),
                details={"name": name, "added": coming, "removed": going},
            )  # fmt: skip
            group = await self.find(unit, group.seq)
        self._guard.forget()
        return group

    async def _keep_owners(self, unit: Unit, principal: Principal, group: Group, users: Sequence[int] | None) -> None:
        """Refuse what would leave a program without an owner, as taking the grant away would be (``Grants``)."""
        if is_site_admin(principal):
            return
        program = await self._store.orphaned(unit, group.seq, users)
        if program is not None:
            raise StateConflict(
                f"{program} would have no owner left: make somebody else its owner first, or ask a site admin."
            )

    async def _editable(self, unit: Unit, principal: Principal, ref: GroupRef, action: str) -> Group:
        await self._guard.require_signed_in(unit, principal, action)
        group = await self.find(unit, ref)
        if group.computed:
            raise Invalid(
                f"The group {CURATOR} is computed: everyone who may create records somewhere. "
                "Grant the role contributor on a program or project to put somebody into it.",
                field="group",
            )
        maker = principal.user is not None and principal.user == group.made_by and principal.only_program is None
        if not (maker or is_site_admin(principal)):
            raise await self._guard.refused(
                principal, action, sentence="Only its maker and site admins may change this group."
            )
        return group

    async def _users(self, unit: Unit, emails: Sequence[str]) -> list[int]:
        folded = {fold_email(email): email for email in emails}
        found = await self._store.users_by_email(unit, list(folded))
        absent = [email for key, email in folded.items() if key not in found]
        if absent:
            shown = ", ".join(repr(email[:80]) for email in absent[:10])
            raise NotFound(f"There is no account with the e-mail {shown}.", field="email")
        return sorted(found.values())


def _checked(name: str) -> str:
    name = name.strip()
    if not name or len(name) > NAME_LENGTH or not name.isprintable():
        raise Invalid(f"The name of a group needs 1 to {NAME_LENGTH} printable characters.", field="name")
    if names.fold(name) == names.fold(CURATOR):
        raise AlreadyExists(f"The name {CURATOR} belongs to the computed group.", field="name")
    return name


def _uuid(now: datetime) -> UUID:
    return uuid7(int(now.timestamp() * 1000))
