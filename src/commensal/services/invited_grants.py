"""The roles that come with an invitation, given through the grants service."""

from __future__ import annotations

from collections.abc import Sequence

from commensal.core.principals import Principal
from commensal.core.users import GivenRole
from commensal.errors import Forbidden, NotFound
from commensal.services.catalog import Catalog
from commensal.services.grants import Grants, Target
from commensal.storage.ports import Unit

__all__ = ["InvitedGrants"]


class InvitedGrants:
    """See ``identity_parts.InvitationGrants``."""

    def __init__(self, *, grants: Grants, catalog: Catalog) -> None:
        self._grants = grants
        self._catalog = catalog

    async def _target(self, unit: Unit, given: GivenRole) -> Target:
        program = await self._catalog.find_program(unit, given.program)
        project = None if given.project is None else await self._catalog.find_project(unit, given.project)
        if project is not None and project.program != program.seq:
            raise NotFound("The project of this role is not in its program.")
        return Target(program, project)

    async def check(self, unit: Unit, principal: Principal, grants: Sequence[GivenRole]) -> None:
        """Raise Forbidden unless the caller may give all of these now."""
        for given in grants:
            await self._grants.check_in(unit, principal, given.role, await self._target(unit, given))

    async def apply(self, unit: Unit, inviter: Principal, user: int, grants: Sequence[GivenRole]) -> None:
        """Give these to a user; what the inviter may no longer give, or what is gone, is left out."""
        for given in grants:
            try:
                await self._grants.give_in(unit, inviter, given.role, await self._target(unit, given), user=user)
            except (Forbidden, NotFound):
                continue
