"""A project's files: a list with sizes and checksums, and the bytes themselves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from commensal.core.files import File
from commensal.core.permissions import Right
from commensal.core.projects import Project
from commensal.faces.face import Route
from commensal.faces.kit.answers import Respond
from commensal.faces.kit.request import Request
from commensal.faces.kit.stored import stored_bytes
from commensal.portal.pages import Paging, addresses, page_of
from commensal.portal.views.project_frame import open_project, project_page

__all__ = ["ROUTES"]


@dataclass(frozen=True, slots=True)
class FileShown:
    """One file as the table shows it."""

    path: str
    size: int | None
    md5: str
    media_type: str
    state: str
    updated: datetime
    href: str


def _shown(file: File, here: str, *, may_download: bool) -> FileShown:
    href = f"{here}/files/{quote(file.path, safe='/')}" if may_download and file.blob is not None else ""
    return FileShown(file.path, file.size, file.md5 or "", file.media_type, file.state, file.updated, href)


async def files_page(request: Request) -> Respond:
    """List the files of a project by path."""
    opened = await open_project(request, Right.READ)
    offset, limit = page_of(request, limit=50)
    may_download = opened.may(Right.DOWNLOAD)
    files, total = await request.services.files.list(request.principal, opened.project, offset=offset, limit=limit)
    return project_page(
        request,
        "project_files.html",
        opened,
        "files",
        files=[_shown(file, opened.here, may_download=may_download) for file in files],
        may_download=may_download,
        paging=Paging(offset, limit, total),
        address=addresses(request),
    )


async def download(request: Request) -> Respond:
    """Send a file's bytes as an attachment."""
    files, principal = request.services.files, request.principal
    project: Project = await request.services.catalog.project(principal, request.params["project"], right=Right.READ)
    file: File = await files.get(principal, project, path=request.params["path"])

    async def open_(start: int, length: int) -> AsyncIterator[bytes]:
        return await files.open(principal, project, file, start, length)

    return await stored_bytes(
        request, open_, size=file.size or 0, name=file.name, media_type=file.media_type, etag=file.sha256 or ""
    )


_FILES = "/portal/projects/{project}/files"

ROUTES = (
    Route("GET", _FILES, files_page, "A project's files", access="anonymous"),
    Route("GET", f"{_FILES}/{{path:path}}", download, "A file's bytes", access="anonymous"),
)
