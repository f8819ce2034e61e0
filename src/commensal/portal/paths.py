"""Addresses of the portal's pages."""

from __future__ import annotations

from urllib.parse import quote, urlencode

from commensal.core.projects import Project

__all__ = ["file_bytes_path", "file_path", "folder_path", "project_path", "record_path"]


def project_path(project: Project) -> str:
    """Return the address of a project's page."""
    return f"/portal/projects/{quote(project.project_id, safe='')}"


def record_path(project: Project, uuid: object) -> str:
    """Return the address of a record's page."""
    return f"{project_path(project)}/records/{uuid}"


def file_path(project: Project, uuid: object) -> str:
    """Return the address of a file's page."""
    return f"{project_path(project)}/file/{uuid}"


def file_bytes_path(project: Project, path: str) -> str:
    """Return the address of a file's bytes, for who is signed in."""
    return f"{project_path(project)}/files/{quote(path, safe='/')}"


def folder_path(project: Project, folder: str) -> str:
    """Return the address of a folder's list; ``folder`` is empty or ends with a slash."""
    return f"{project_path(project)}/files" + (f"?{urlencode({'folder': folder})}" if folder else "")
