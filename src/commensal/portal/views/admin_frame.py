"""What the pages for site admins share."""

from __future__ import annotations

from typing import Any

from commensal.errors import Forbidden, Unauthenticated
from commensal.faces.kit.answers import Respond
from commensal.faces.kit.request import Request
from commensal.portal.caller import View
from commensal.portal.pages import render

__all__ = ["SECTIONS", "SMALL", "admin_only", "admin_page"]

SMALL = 65_536
SECTIONS = (
    ("users", "Users"),
    ("programs", "Programs"),
    ("audit", "Audit"),
    ("deletions", "Deleted"),
)


def admin_only(view: View) -> View:
    """Let only site admins open a page; the services below check it again, and audit refusals."""

    async def guarded(request: Request) -> Respond:
        principal = request.principal
        if principal.user is None:
            raise Unauthenticated("Sign in to open this page.")
        if not principal.site_admin:
            await request.services.audit.refusal(principal, "portal.admin")
            raise Forbidden("Only site admins may open this page.")
        return await view(request)

    return guarded


def admin_page(request: Request, section: str, *, status: int = 200, template: str = "", **values: Any) -> Respond:
    """Make one of the pages for site admins."""
    titles = dict(SECTIONS)
    return render(
        request,
        template or f"admin/{section}.html",
        status=status,
        title=titles[section],
        sections=SECTIONS,
        section=section,
        **values,
    )
