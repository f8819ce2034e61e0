"""What all pages of one project share: the project, the caller's rights, the tabs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from commensal.core.permissions import Right
from commensal.core.projects import Project
from commensal.faces.kit.answers import Respond
from commensal.faces.kit.request import Request
from commensal.portal.listing import TypeCount, type_counts
from commensal.portal.pages import render
from commensal.portal.paths import project_path

__all__ = ["OpenProject", "open_project", "project_page"]


@dataclass(frozen=True, slots=True)
class OpenProject:
    """A project as this caller may see it."""

    project: Project
    rights: Right
    counts: tuple[TypeCount, ...]

    @property
    def here(self) -> str:
        """The address of its page."""
        return project_path(self.project)

    def may(self, right: Right) -> bool:
        """Tell whether the caller holds a right."""
        return bool(self.rights & right)


async def open_project(request: Request, right: Right = Right.AGGREGATE) -> OpenProject:
    """Return the project that the address names; raises NotFound, and Forbidden without ``right`` on it."""
    services, principal = request.services, request.principal
    project: Project = await services.catalog.project(principal, request.params["project"], right=right)
    rights: Right = await services.catalog.project_rights(principal, project)
    counts = await services.records.counts(principal, project)
    return OpenProject(project, rights, type_counts(counts))


def _tabs(opened: OpenProject, *, signed_in: bool) -> list[tuple[str, str, int | None]]:
    total = None if any(row.n is None for row in opened.counts) else sum(row.n or 0 for row in opened.counts)
    tabs: list[tuple[str, str, int | None]] = [("", "Records", total)]
    if opened.may(Right.READ):
        tabs.append(("files", "Files", None))
    if opened.may(Right.READ) and opened.may(Right.CREATE) and signed_in:
        tabs.append(("submit", "Submit", None))
    if opened.may(Right.MANAGE):
        tabs += [("members", "Members", None), ("settings", "Settings", None)]
    return tabs


def _summary(opened: OpenProject) -> str:
    """Return what the project says about itself in a paragraph."""
    if not opened.may(Right.READ):
        return ""
    extra = opened.project.extra
    facts = {**(extra if isinstance(extra, Mapping) else {}), **opened.project.properties}
    return next((str(facts[name]) for name in ("description", "summary") if isinstance(facts.get(name), str)), "")


def project_page(
    request: Request, template: str, opened: OpenProject, tab: str, *, status: int = 200, **values: Any
) -> Respond:
    """Make one of the pages of a project."""
    return render(
        request,
        template,
        status=status,
        title=opened.project.title or opened.project.code,
        project=opened.project,
        here=opened.here,
        summary=_summary(opened),
        tabs=_tabs(opened, signed_in=request.principal.user is not None),
        tab=tab,
        **values,
    )
