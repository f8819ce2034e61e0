"""The guard: the one place that decides who may do what.

A service asks it before acting; lists take the ``Scope`` it gives. What a caller holds is gathered
by one statement and kept for at most one second; a change of grants in this process shows at once,
one in another process within that second. Every refusal of a known caller is in the audit before
the error leaves here.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from commensal.core.permissions import NO_RIGHTS, Access, Right, Scope, rights_of_role
from commensal.core.principals import Principal, PrincipalKind
from commensal.core.projects import Program, Project
from commensal.errors import Forbidden, Unauthenticated
from commensal.services.audit import Audit, is_site_admin
from commensal.services.clock import Clock, utc_now
from commensal.storage.ports import Unit
from commensal.storage.ports.grants import GrantStore

__all__ = ["Guard"]

#: How long what a user holds may be remembered (seconds).
REMEMBER = 1.0
_MANY_USERS = 10_000


@dataclass(frozen=True, slots=True)
class _Held:
    until: float
    programs: dict[int, Right]
    projects: dict[int, Right]
    #: The programs in which the user holds anything, by a grant on them or on one of their projects.
    seen: frozenset[int]


class Guard:
    """Decides by grants, groups, public levels and site administration."""

    def __init__(
        self,
        *,
        grants: GrantStore,
        audit: Audit,
        anonymous: bool = False,
        min_count: int = 5,
        now: Clock = utc_now,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._grants = grants
        self._audit = audit
        self._anonymous = anonymous
        self._min_count = min_count
        self._now = now
        self._monotonic = monotonic
        self._held: dict[int, _Held] = {}
        self._epoch = 0

    # --- what a caller holds ----------------------------------------------------------------------

    @property
    def anonymous(self) -> bool:
        """Whether callers without an account see what is public."""
        return self._anonymous

    async def access(self, unit: Unit, principal: Principal) -> Access:
        """Return all that a caller holds; at most one statement, none within a second of the last.

        Raises ``Unauthenticated`` for callers without an account where anonymous access is off.
        """
        if principal.kind in (PrincipalKind.OPERATOR, PrincipalKind.SYSTEM):
            return Access(site_admin=True, public=True, only_program=principal.only_program)
        if principal.kind is PrincipalKind.ANONYMOUS or principal.user is None:
            if not self._anonymous:
                await self._audit.refusal(principal, "anonymous")
                raise Unauthenticated("Sign in, or send a valid token: this site has no anonymous access.")
            return Access(public=True, only_program=principal.only_program)
        held = await self._user(unit, principal.user)
        projects = held.projects
        for project, right in principal.lent:
            projects = {**projects, project: projects.get(project, NO_RIGHTS) | Right(right)}
        return Access(
            site_admin=principal.site_admin,
            public=True,
            programs=held.programs,
            projects=projects,
            only_program=principal.only_program,
        )

    async def _user(self, unit: Unit, user: int) -> _Held:
        moment = self._monotonic()
        held = self._held.get(user)
        if held is not None and moment < held.until:
            return held
        epoch, now = self._epoch, self._now()
        programs: dict[int, Right] = {}
        projects: dict[int, Right] = {}
        seen: set[int] = set()
        keep = REMEMBER
        for grant in await self._grants.held_by(unit, user, now):
            rights = rights_of_role(grant.role)
            if grant.project is None:
                programs[grant.program] = programs.get(grant.program, NO_RIGHTS) | rights
            else:
                projects[grant.project] = projects.get(grant.project, NO_RIGHTS) | rights
            seen.add(grant.program)
            if grant.until is not None:
                keep = min(keep, max(0.0, (grant.until - now).total_seconds()))
        held = _Held(moment + keep, programs, projects, frozenset(seen))
        # What was read before a grant changed must not be remembered after it.
        if epoch == self._epoch:
            if len(self._held) >= _MANY_USERS:
                self._held.clear()
            self._held[user] = held
        return held

    def forget(self) -> None:
        """Forget what callers hold: called after every change of grants, groups or accounts in this process."""
        self._epoch += 1
        self._held.clear()

    async def seen_programs(self, unit: Unit, principal: Principal) -> frozenset[int]:
        """Return the programs in which a caller holds a grant, on them or on one of their projects."""
        if principal.kind is not PrincipalKind.USER or principal.user is None:
            return frozenset()
        seen = (await self._user(unit, principal.user)).seen
        return seen if principal.only_program is None else seen & {principal.only_program}

    async def scope(self, unit: Unit, principal: Principal, right: Right, *, by_grant_only: bool = False) -> Scope:
        """Return where a caller holds a right: what every list is limited by (``scope_sql``).

        ``by_grant_only`` leaves public levels out, as the Gen3 export route asks.
        """
        return (await self.access(unit, principal)).scope(right, by_grant_only=by_grant_only)

    async def rights(
        self,
        unit: Unit,
        principal: Principal,
        *,
        program: Program | int | None = None,
        project: Project | None = None,
        by_grant_only: bool = False,
    ) -> Right:
        """Return the rights held on a project, or on a program, without refusing anything."""
        number = _program(program, project)
        access = await self.access(unit, principal)
        if by_grant_only:
            return access.granted(program=number, project=None if project is None else project.seq)
        if project is None:
            return access.rights(program=number, project=None)
        return access.rights(program=number, project=project.seq, public_level=int(project.public_level))

    async def sees_private(self, unit: Unit, principal: Principal, project: Project) -> bool:
        """Tell whether a caller reads a project by a grant: nobody else is shown private results and their files."""
        return bool(await self.rights(unit, principal, project=project, by_grant_only=True) & Right.READ)

    # --- decisions --------------------------------------------------------------------------------

    async def require(
        self,
        unit: Unit,
        principal: Principal,
        right: Right,
        *,
        program: Program | int | None = None,
        project: Project | None = None,
        by_grant_only: bool = False,
    ) -> Right:
        """Return the rights held on a project (or program) when ``right`` is among them, else refuse.

        With several rights or-ed together, all of them are needed. Raises ``Unauthenticated`` for an
        anonymous caller and ``Forbidden`` for a known one, whose refusal is in the audit by then.
        """
        held = await self.rights(unit, principal, program=program, project=project, by_grant_only=by_grant_only)
        if held & right == right:
            return held
        number = _program(program, project)
        error = await self.refused(
            principal, _words(right & ~held), program=number, project=project, named=held != NO_RIGHTS
        )
        if isinstance(error, Forbidden):
            error.unseen = project is not None and held == NO_RIGHTS and not by_grant_only
        raise error

    async def refused(
        self,
        principal: Principal,
        action: str,
        *,
        program: Program | int | None = None,
        project: Project | None = None,
        named: bool = False,
        sentence: str | None = None,
    ) -> Forbidden | Unauthenticated:
        """Store a refusal and return the error to raise, for rules that are more than a right.

        The project is named in the sentence only to callers who hold something on it.
        """
        target = project.project_id if project is not None else program.code if isinstance(program, Program) else ""
        await self._audit.refusal(principal, action, program=program, project=project, target=target)
        if not principal.signed_in:
            return Unauthenticated("Sign in, or send a valid token, to do this.")
        if sentence is not None:
            return Forbidden(sentence)
        place = "this project" if project is not None else "this program"
        if named and project is not None:
            place = f"project {project.project_id}"
        return Forbidden(f"You do not hold the right '{action}' on {place}; ask one of its managers for it.")

    async def require_site_admin(self, unit: Unit, principal: Principal, action: str = "site_admin") -> None:
        """Refuse all but site admins (with a credential that is not limited to a program), operator and system."""
        if is_site_admin(principal):
            return
        raise await self.refused(principal, action, sentence="Only site admins may do this.")

    async def require_signed_in(self, unit: Unit, principal: Principal, action: str = "sign_in") -> int | None:
        """Refuse callers without an account; return the number of the account (None for operator and system)."""
        if principal.signed_in:
            return principal.user
        raise await self.refused(principal, action)

    # --- small counts -----------------------------------------------------------------------------

    @property
    def min_count(self) -> int:
        """The smallest count shown to callers who may count but not read."""
        return self._min_count

    def hide(self, n: int) -> int | None:
        """Return a count, or None when it is too small to be shown to a caller who may not read."""
        return n if n >= self._min_count else None

    def shown(self, held: Right, n: int) -> int | None:
        """Return a count as a caller with these rights may see it; None is hidden."""
        if held & Right.READ:
            return n
        return self.hide(n) if held & Right.AGGREGATE else None


def _program(program: Program | int | None, project: Project | None) -> int:
    if project is not None:
        return project.program
    if program is None:
        raise TypeError("name a program or a project")
    return program if isinstance(program, int) else program.seq


def _words(right: Right) -> str:
    return ", ".join(one.word for one in Right if one & right)
