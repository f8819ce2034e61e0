"""What the parts of the catalog have in common: what they are built from, and how they look things up."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from commensal.core import names
from commensal.core.free_metadata import refuse_unstorable
from commensal.core.permissions import PublicLevel, Right
from commensal.core.principals import Principal
from commensal.core.projects import Program, Project
from commensal.errors import NotFound, Problem
from commensal.services.audit import Audit
from commensal.services.clock import Clock, utc_now
from commensal.services.guard import Guard
from commensal.storage.ports import Database, Unit
from commensal.storage.ports.catalog import CollectionStore, ObjectStore, ProgramStore, ProjectStore, Ref
from commensal.storage.ports.grants import GrantStore

__all__ = ["CatalogParts", "PublicCheck", "StrictViolations", "checked_properties", "no_project"]

#: Raises Invalid when a project must not get this public level (patients, genomes, …).
PublicCheck = Callable[[Unit, Project, PublicLevel], Awaitable[None]]
#: Returns what would break if the dictionary bound every door of this project.
StrictViolations = Callable[[Unit, Project], Awaitable[Sequence[Problem]]]


class CatalogParts:
    """Holds what every part of the catalog needs.

    ``public_checks`` is a list that other services add to. ``strict_violations`` is set by the
    records service; until then only an empty project can become strict.
    """

    def __init__(
        self,
        *,
        database: Database,
        programs: ProgramStore,
        projects: ProjectStore,
        collections: CollectionStore,
        objects: ObjectStore,
        grants: GrantStore,
        guard: Guard,
        audit: Audit,
        self_service: bool = True,
        strict_violations: StrictViolations | None = None,
        now: Clock = utc_now,
    ) -> None:
        self._database = database
        self._programs = programs
        self._projects = projects
        self._collections = collections
        self._objects = objects
        self._grants = grants
        self._guard = guard
        self._audit = audit
        self._self_service = self_service
        self._now = now
        self.strict_violations = strict_violations
        self.public_checks: list[PublicCheck] = []

    # --- for other services: look up without asking the guard ---------------------------------------

    async def find_program(self, unit: Unit, ref: Ref, *, lock: bool = False) -> Program:
        """Return a program by uuid, number or code (any case); raises NotFound. Asks no guard."""
        found = await self._programs.find(unit, ref, lock=lock)
        if found is None:
            raise NotFound(f"There is no program {_shown(ref)}.")
        return found

    async def find_project(self, unit: Unit, ref: Ref, *, lock: bool = False) -> Project:
        """Return a project by uuid, number, accession, project id or code (any case); raises NotFound.

        Asks no guard. With ``lock`` its row is held until the transaction ends, and writers wait.
        """
        found = await self._projects.find(unit, ref, lock=lock)
        if found is None:
            raise no_project(ref)
        return found

    async def _project(
        self, unit: Unit, principal: Principal, ref: Ref | Project, right: Right, *, lock: bool = False
    ) -> Project:
        """Look a project up and require a right on it; an absent one is told to token holders only."""
        if isinstance(ref, Project):
            ref = ref.seq
        # Where anonymous access is off, callers without an account are refused before anything is looked up.
        await self._guard.access(unit, principal)
        project = await self.find_project(unit, ref, lock=lock)
        await self._guard.require(unit, principal, right, project=project)
        return project

    # --- names --------------------------------------------------------------------------------------

    async def _free_project_code(self, unit: Unit, wish: str) -> str:
        """Return the code, or with ``_2``, ``_3``, … when its Polly form is taken on the site."""
        # What is made from a wish keeps all but the last characters of it, so these are all that can be met.
        start = names.polly_form(wish)[: names.CODE_LENGTH - 8]
        taken = await self._projects.taken_codes(unit, start)
        return names.unused(wish, lambda code: names.polly_form(code) in taken, names.CODE_LENGTH)

    async def _free_program_code(self, unit: Unit, wish: str) -> str:
        taken = await self._programs.taken_codes(unit, names.fold(wish)[: names.CODE_LENGTH - 8])
        return names.unused(wish, lambda code: names.fold(code) in taken, names.CODE_LENGTH)


def checked_properties(properties: Mapping[str, Any] | None, extra: Any = None) -> dict[str, Any]:
    """Return properties as a dict; raises Malformed for what JSON in PostgreSQL cannot hold."""
    kept = dict(properties or {})
    refuse_unstorable(kept)
    if extra is not None:
        refuse_unstorable(extra)
    return kept


def _shown(ref: Ref) -> str:
    text = str(ref)
    return repr(text if len(text) <= 80 else text[:77] + "...")


def no_project(ref: Ref) -> NotFound:
    """Return the error for a reference that names no project."""
    return NotFound(f"There is no project {_shown(ref)}.")
