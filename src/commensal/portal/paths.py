"""Addresses of the portal's pages."""

from __future__ import annotations

from urllib.parse import quote

from commensal.core.projects import Project

__all__ = ["project_path", "record_path"]


def project_path(project: Project) -> str:
    """Return the address of a project's page."""
    return f"/portal/projects/{quote(project.project_id, safe='')}"


def record_path(project: Project, uuid: object) -> str:
    """Return the address of a record's page."""
    return f"{project_path(project)}/records/{uuid}"
