"""The first page: what this is, the five doors with code to copy, what is public here."""

from __future__ import annotations

from commensal.core.permissions import Right
from commensal.errors import Unauthenticated
from commensal.faces.face import Route
from commensal.faces.kit.answers import Respond
from commensal.faces.kit.request import Request
from commensal.portal.doors import door_pages
from commensal.portal.listing import ListedProject, listed
from commensal.portal.pages import go, render
from commensal.portal.site import site_of

__all__ = ["ROUTES"]

SHOWN = 8


async def home(request: Request) -> Respond:
    """Show the first page; it is the same for everybody, so it reads no cookie."""
    site = site_of(request)
    projects: list[ListedProject] = []
    total = 0
    if site.anonymous:
        try:
            page = await request.services.catalog.list_projects(
                request.principal, right=Right.AGGREGATE, counts=True, limit=SHOWN, order="created"
            )
            projects, total = listed(page), page.total
        except Unauthenticated:
            projects = []
    return render(request, "home.html", neutral=True, doors=door_pages(site), projects=projects, total=total)


async def portal(request: Request) -> Respond:
    """Send ``/portal`` on to the projects."""
    return go(request, "/portal/projects")


ROUTES = (
    Route("GET", "/", home, "First page", access="anonymous"),
    Route("GET", "/portal", portal, "The portal", access="anonymous", hidden=True),
)
