"""Grants: giving roles on programs and projects to users and groups, and taking them away.

- Nobody gives a role with a right that he does not hold there by a grant, and it needs ``manage``.
  Site admins hold everything but ``identify``; they may give any role to themselves, which the audit
  shows. The operator at the console may give any role.
- Nobody gives a role for longer than he himself holds the rights by which he gives it.
- Taking away follows the same rule; besides, everybody may give up his own grants, and site admins
  may take away any.
- A program keeps an owner: nobody but a site admin can take away, give up, or put an end to the last
  grant by which an active user owns a program.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from commensal.core import names
from commensal.core.groups import GrantRow
from commensal.core.permissions import ROLE_NAMES, ROLES, SITE_ADMIN_RIGHTS, Right
from commensal.core.principals import Principal, PrincipalKind
from commensal.core.projects import Program, Project
from commensal.core.users import fold_email
from commensal.errors import Invalid, NotFound, StateConflict
from commensal.services.audit import Audit, is_site_admin
from commensal.services.catalog import Catalog
from commensal.services.clock import Clock, utc_now
from commensal.services.groups import Groups
from commensal.services.guard import Guard
from commensal.storage.ports import Database, Unit
from commensal.storage.ports.grants import GrantStore

__all__ = ["Grants", "Target"]

GROUP_PREFIX = "group:"


@dataclass(frozen=True, slots=True)
class Target:
    """What a grant stands on: a program, or one project of it."""

    program: Program
    project: Project | None

    @property
    def shown(self) -> str:
        """``P`` or ``P-J``."""
        return self.program.code if self.project is None else self.project.project_id


class Grants:
    """Gives, takes and lists grants."""

    def __init__(
        self,
        *,
        database: Database,
        store: GrantStore,
        groups: Groups,
        catalog: Catalog,
        guard: Guard,
        audit: Audit,
        now: Clock = utc_now,
    ) -> None:
        self._database = database
        self._store = store
        self._groups = groups
        self._catalog = catalog
        self._guard = guard
        self._audit = audit
        self._now = now

    # --- give ---------------------------------------------------------------------------------------

    async def grant(
        self,
        principal: Principal,
        holder: str,
        role: str,
        target: str | Program | Project,
        *,
        until: datetime | None = None,
    ) -> GrantRow:
        """Give a role to an account (by e-mail) or a group (``group:NAME``) on ``PROGRAM`` or ``PROGRAM-PROJECT``.

        ``until`` (aware) ends the grant by itself; giving the same role again sets its end anew.
        Raises Forbidden for a role that exceeds the caller's own rights there, NotFound for unknown
        holders and targets, Invalid for unknown roles.
        """
        async with self._database.begin() as unit:
            place = await self.target(unit, target)
            await self._guard.require(unit, principal, Right.MANAGE, program=place.program, project=place.project)
            user, group, _ = await self._holder(unit, holder)
            row = await self.give_in(unit, principal, role, place, user=user, group=group, until=until)
            await self._audit.write(
                unit, principal, "grant.add", program=place.program, project=place.project, target=place.shown,
                details={"holder": row.holder, "role": role, "until": until.isoformat() if until else None},
            )  # fmt: skip
        self._guard.forget()
        return row

    async def give_in(
        self,
        unit: Unit,
        principal: Principal,
        role: str,
        place: Target,
        *,
        user: int | None = None,
        group: int | None = None,
        until: datetime | None = None,
    ) -> GrantRow:
        """Give a role inside a transaction, after checking that the caller may (``check_in``).

        For services that write the audit themselves; they call ``guard.forget()`` after their commit.
        """
        await self.check_in(unit, principal, role, place, to=user, until=until)
        if until is not None and (until.tzinfo is None or until <= self._now()):
            raise Invalid("The end of a grant must lie in the future and name its time zone.", field="until")
        lasting = role == "owner" and place.project is None
        if lasting:
            await self._store.lock_program(unit, place.program.seq)
        number, new = await self._store.add(
            unit,
            user=user,
            group=group,
            role=role,
            program=place.program.seq,
            project=None if place.project is None else place.project.seq,
            made_by=principal.user,
            made=self._now(),
            until=until,
        )
        if lasting and not new and until is not None:
            await self._keep_owner(unit, principal, place.program, ())
        row = await self._store.get(unit, number)
        if row is None:
            raise NotFound("The grant was taken away meanwhile.")
        return row

    async def check_in(
        self,
        unit: Unit,
        principal: Principal,
        role: str,
        place: Target,
        *,
        to: int | None = None,
        until: datetime | None = None,
    ) -> None:
        """Refuse a role that the caller may not give on a program or project until then (None: for ever).

        ``to`` is the account that would get it: site admins may give themselves any role.
        """
        if role not in ROLES:
            raise Invalid(f"{role[:80]!r} is no role; the roles are {', '.join(ROLE_NAMES)}.", field="role")
        if principal.kind in (PrincipalKind.OPERATOR, PrincipalKind.SYSTEM):
            return
        if is_site_admin(principal) and to is not None and to == principal.user:
            return
        held = await self._guard.require(
            unit, principal, Right.MANAGE, program=place.program, project=place.project, by_grant_only=True
        )
        absent = ROLES[role] & ~held
        if absent:
            words = ", ".join(right.word for right in Right if right & absent)
            hint = " Site admins can grant it to themselves first." if principal.site_admin else ""
            raise await self._guard.refused(
                principal, "grant.add", program=place.program, project=place.project,
                sentence=f"You do not hold '{words}' on {place.shown}, so you cannot grant the role {role}.{hint}",
            )  # fmt: skip
        end = await self._held_until(unit, principal, ROLES[role] | Right.MANAGE, place)
        if end is not None and (until is None or until > end):
            raise await self._guard.refused(
                principal, "grant.add", program=place.program, project=place.project,
                sentence=f"Your own rights on {place.shown} end at {end.isoformat()}: grant {role} until then at most.",
            )  # fmt: skip

    async def _held_until(self, unit: Unit, principal: Principal, rights: Right, place: Target) -> datetime | None:
        """Return when a caller who holds these rights there loses the first of them; None is never."""
        if principal.site_admin:
            rights &= ~SITE_ADMIN_RIGHTS
        if not rights or principal.user is None:
            return None
        project = None if place.project is None else place.project.seq
        held = [
            grant
            for grant in await self._store.held_by(unit, principal.user, self._now())
            if grant.program == place.program.seq and grant.project in (None, project)
        ]
        ends: list[datetime] = []
        for right in Right:
            of_right = [grant.until for grant in held if ROLES.get(grant.role, Right(0)) & right]
            if right & rights and None not in of_right:
                ends.append(max((end for end in of_right if end is not None), default=self._now()))
        return min(ends, default=None)

    # --- take ---------------------------------------------------------------------------------------

    async def revoke(
        self, principal: Principal, holder: str, target: str | Program | Project, *, role: str | None = None
    ) -> int:
        """Take a role, or all roles, from an account or ``group:NAME`` on exactly this program or project.

        Returns how many grants were taken away; raises NotFound when there was none.
        """
        async with self._database.begin() as unit:
            await self._guard.require_signed_in(unit, principal, "grant.revoke")
            place = await self.target(unit, target)
            user, group, shown = await self._holder(unit, holder)
            if user is None or user != principal.user:
                await self._guard.require(unit, principal, Right.MANAGE, program=place.program, project=place.project)
            await self._store.lock_program(unit, place.program.seq)
            rows = await self._store.of(
                unit,
                program=place.program.seq,
                project=None if place.project is None else place.project.seq,
                user=user,
                group=group,
                role=role,
            )
            if not rows:
                named = target if isinstance(target, str) else place.shown  # a number does not tell the name
                raise NotFound(f"{shown} holds no {role + ' ' if role else ''}grant on {named[:160]}.")
            await self._remove(unit, principal, place, rows)
        self._guard.forget()
        return len(rows)

    async def revoke_id(self, principal: Principal, grant: int) -> None:
        """Take away one grant by its number."""
        async with self._database.begin() as unit:
            await self._guard.require_signed_in(unit, principal, "grant.revoke")
            row = await self._store.get(unit, grant)
            if row is None:
                raise NotFound("There is no such grant; it may have been taken away already.")
            place = await self._place(unit, row)
            if row.user is None or row.user != principal.user:
                await self._guard.require(unit, principal, Right.MANAGE, program=place.program, project=place.project)
            await self._store.lock_program(unit, row.program)
            await self._remove(unit, principal, place, [row])
        self._guard.forget()

    async def _remove(self, unit: Unit, principal: Principal, place: Target, rows: list[GrantRow]) -> None:
        own = [row for row in rows if row.user is not None and row.user == principal.user]
        if len(own) < len(rows) and not is_site_admin(principal):
            held = await self._guard.rights(
                unit, principal, program=place.program, project=place.project, by_grant_only=True
            )
            for row in rows:
                if row not in own and ROLES.get(row.role, Right(0)) & ~held:
                    raise await self._guard.refused(
                        principal, "grant.revoke", program=place.program, project=place.project,
                        sentence=f"The role {row.role} exceeds your rights on {place.shown}: you cannot take it away.",
                    )  # fmt: skip
        ids = [row.id for row in rows]
        if place.project is None and any(row.role == "owner" and row.until is None for row in rows):
            await self._keep_owner(unit, principal, place.program, ids)
        await self._store.remove(unit, ids)
        await self._audit.write(
            unit, principal, "grant.revoke", program=place.program, project=place.project, target=place.shown,
            n=len(rows), details={"holder": rows[0].holder, "roles": sorted({row.role for row in rows})},
        )  # fmt: skip

    async def _keep_owner(
        self, unit: Unit, principal: Principal, program: Program, without: list[int] | tuple[()]
    ) -> None:
        if is_site_admin(principal):
            return
        if await self._store.owners(unit, program.seq, self._now(), without=without) == 0:
            raise StateConflict(
                f"{program.code} would have no owner left: make somebody else its owner first, or ask a site admin."
            )

    # --- show ---------------------------------------------------------------------------------------

    async def list_grants(self, principal: Principal, target: str | Program | Project) -> list[GrantRow]:
        """Return the grants that hold on a program, or on a project (its own and its program's); needs ``manage``.

        Grants whose end has passed are among them: they show who could once enter.
        """
        async with self._database.read() as unit:
            place = await self.target(unit, target)
            await self._guard.require(unit, principal, Right.MANAGE, program=place.program, project=place.project)
            if place.project is None:
                rows = await self._store.of(
                    unit, program=place.program.seq, project=None, user=None, group=None, role=None
                )
            else:
                rows = await self._store.on_project(unit, program=place.program.seq, project=place.project.seq)
        await self._audit.read(
            principal, "grant.list", program=place.program, project=place.project, target=place.shown, n=len(rows)
        )
        return rows

    async def target(self, unit: Unit, target: str | Program | Project) -> Target:
        """Return what ``P`` or ``P-J`` (split at the first ``-``) names, inside a transaction; raises NotFound."""
        if isinstance(target, Program):
            return Target(target, None)
        if isinstance(target, str) and "-" not in target:
            return Target(await self._catalog.find_program(unit, target), None)
        if isinstance(target, str):
            parts = names.split_project_id(target)
            if parts is None:
                raise NotFound(f"{target[:160]!r} is neither a program nor PROGRAM-PROJECT.")
            program = await self._catalog.find_program(unit, parts[0])
            project = await self._catalog.find_project(unit, target)
            if project.program != program.seq:
                raise NotFound(f"There is no project {target[:160]!r}.")
            return Target(program, project)
        return Target(await self._catalog.find_program(unit, target.program), target)

    async def _place(self, unit: Unit, row: GrantRow) -> Target:
        program = await self._catalog.find_program(unit, row.program)
        return Target(program, None if row.project is None else await self._catalog.find_project(unit, row.project))

    async def _holder(self, unit: Unit, holder: str) -> tuple[int | None, int | None, str]:
        """Return (user, group, name): one of the two numbers is set."""
        if holder.startswith(GROUP_PREFIX):
            group = await self._groups.find(unit, holder.removeprefix(GROUP_PREFIX))
            if group.computed:
                raise Invalid(f"The group {group.name} is computed; nothing can be granted to it.", field="holder")
            return None, group.seq, group.name
        found = await self._store.user_by_email(unit, fold_email(holder))
        if found is None:
            raise NotFound(f"There is no account with the e-mail {holder[:160]!r}.", field="holder")
        return found[0], None, found[1]
