"""A project's files: folder by folder, with search, sizes and checksums; and the bytes themselves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from commensal.core.files import File
from commensal.core.folders import ORDERS, FileEntry, Folder, FolderPage, check_prefix
from commensal.core.permissions import Right
from commensal.core.projects import Project
from commensal.errors import NotFound
from commensal.faces.face import Route
from commensal.faces.kit.answers import Respond
from commensal.faces.kit.request import Request
from commensal.faces.kit.stored import stored_bytes
from commensal.portal.pages import PAGE_SIZES, Paging, addresses, go, page_of
from commensal.portal.paths import file_bytes_path, file_path, folder_path
from commensal.portal.views.project_frame import open_project, project_page

__all__ = ["READY", "ROUTES", "crumbs_of"]

#: States in which a file's bytes can be read.
READY = ("stored", "available")
_SEARCH = 200


@dataclass(frozen=True, slots=True)
class FileShown:
    """One file of the list; ``bytes_at`` is empty where its bytes are not here or not for this caller."""

    entry: FileEntry
    shown: str
    href: str
    bytes_at: str


def crumbs_of(project: Project, folder: str) -> list[tuple[str, str]]:
    """Return the folders that lead to a folder, each with its address; the first is the project itself."""
    found = [(project.project_id, folder_path(project, ""))]
    path = ""
    for name in folder.split("/")[:-1]:
        path += f"{name}/"
        found.append((name, folder_path(project, path)))
    return found


def _shown(project: Project, entry: FileEntry, *, may_download: bool, whole: bool, folder: str) -> FileShown:
    at = file_bytes_path(project, entry.path) if may_download and entry.here else ""
    shown = entry.path[len(folder) :] if whole else entry.name
    return FileShown(entry, shown, file_path(project, entry.uuid), at)


async def files_page(request: Request) -> Respond:
    """List a folder of a project, or what is found in and below it."""
    opened = await open_project(request, Right.READ)
    project, query = opened.project, request.query_params
    offset, limit = page_of(request, limit=50)
    folder = check_prefix(query.get("folder", ""))
    search = query.get("search", "").replace("\x00", "").strip()[:_SEARCH]
    order = query.get("order", "path")
    order, descending = order.removesuffix("-down"), order.endswith("-down")
    if order not in ORDERS:
        order, descending = "path", False
    page: FolderPage = await request.services.folders.level(
        request.principal,
        project,
        folder=folder,
        search=search,
        order=order,
        descending=descending,
        offset=offset,
        limit=limit,
    )
    may_download = opened.may(Right.DOWNLOAD)
    return project_page(
        request,
        "project_files.html",
        opened,
        "files",
        folders=[(one, folder_path(project, one.path)) for one in page.entries if isinstance(one, Folder)],
        files=[
            _shown(project, one, may_download=may_download, whole=bool(search), folder=folder)
            for one in page.entries
            if isinstance(one, FileEntry)
        ],
        page=page,
        folder=folder,
        crumbs=crumbs_of(project, folder),
        search=search,
        order=order,
        descending=descending,
        ready=READY,
        may_download=may_download,
        may_upload=request.principal.user is not None and opened.may(Right.CREATE),
        paging=Paging(offset, limit, page.total),
        sizes=PAGE_SIZES,
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


async def find_file(request: Request) -> Respond:
    """Lead from a file's path to its page."""
    services, principal = request.services, request.principal
    project: Project = await services.catalog.project(principal, request.params["project"], right=Right.READ)
    found: list[FileEntry] = await services.folders.at(principal, project, [request.query_params.get("path", "")])
    if not found:
        raise NotFound("There is no file at this path.")
    return go(request, file_path(project, found[0].uuid))


_FILES = "/portal/projects/{project}/files"

ROUTES = (
    Route("GET", _FILES, files_page, "A project's files", access="anonymous"),
    Route("GET", "/portal/projects/{project}/file", find_file, "A file by its path", access="anonymous"),
    Route("GET", f"{_FILES}/{{path:path}}", download, "A file's bytes", access="anonymous"),
)
