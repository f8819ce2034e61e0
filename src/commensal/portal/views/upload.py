"""Uploading files: the page whose script sends them in pieces (tus 1.0, own API), and a plain form without scripts."""

from __future__ import annotations

import mimetypes
from collections.abc import AsyncIterator
from typing import Any

from commensal.core.files import check_path
from commensal.core.folders import FileEntry, check_prefix
from commensal.core.permissions import Right
from commensal.errors import CommensalError, Conflict, Invalid, Malformed, Unauthenticated
from commensal.faces.face import Route
from commensal.faces.kit.answers import Respond, json_answer
from commensal.faces.kit.bodies import stream
from commensal.faces.kit.form_file import FormFile
from commensal.faces.kit.request import Request
from commensal.portal.caller import person_only
from commensal.portal.formats import iso
from commensal.portal.forms import Form, read_form, require_token
from commensal.portal.pages import done
from commensal.portal.paths import file_path, folder_path
from commensal.portal.views.files import crumbs_of
from commensal.portal.views.project_frame import OpenProject, open_project, project_page

__all__ = ["ROUTES"]

#: Where the script sends files to.
UPLOADS = "/commensal/v1/uploads"
#: Most paths that are looked up at a time, and the bytes that they may take in a form.
PATHS = 500
_PATHS_BYTES = 4_000_000
#: Of a refused file, so much is still read: browsers show the answer only when they could send what they began.
_READ_ON = 64 * 1024 * 1024


async def _opened(request: Request) -> OpenProject:
    return await open_project(request, Right.READ | Right.CREATE)


def _page(request: Request, opened: OpenProject, form: Form, *, status: int = 200) -> Respond:
    folder = check_prefix(form.text("folder"))
    return project_page(
        request,
        "project_upload.html",
        opened,
        "files",
        status=status,
        form=form,
        folder=folder,
        crumbs=crumbs_of(opened.project, folder),
        folder_at=folder_path(opened.project, folder),
        uploads=UPLOADS,
        paths=PATHS,
        person_number=request.principal.user,
        may_replace=opened.may(Right.UPDATE),
    )


async def upload_page(request: Request) -> Respond:
    """Show where files are chosen and sent."""
    return _page(request, await _opened(request), Form({"folder": request.query_params.get("folder", "")}))


async def check(request: Request) -> Respond:
    """Tell the script which of some paths are taken, and which no file can have."""
    form = await read_form(request)
    opened = await _opened(request)
    paths = form.lists.get("path", [])
    if len(paths) > PATHS:
        raise Malformed(f"Ask for at most {PATHS} paths at a time.", field="path")
    refused: dict[str, str] = {}
    for path in paths:
        try:
            check_path(path)
        except Invalid as error:
            refused[path] = error.message
    found: list[FileEntry] = await request.services.folders.at(
        request.principal, opened.project, [path for path in paths if path not in refused]
    )
    taken: dict[str, Any] = {
        one.path: {"size": one.size, "updated": iso(one.updated), "page": file_path(opened.project, one.uuid)}
        for one in found
    }
    return json_answer({"taken": taken, "refused": refused}, 200, {"cache-control": "no-store"})


async def send(request: Request) -> Respond:
    """Take one file as the last field of a plain form."""
    body = FormFile(request.headers.get("content-type", ""), stream(request))
    fields = await body.fields()
    require_token(request, fields.get("form_token", ""))
    opened = await _opened(request)
    form = Form({"folder": fields.get("folder", ""), "replace": fields.get("replace", ""), "file": ""})
    chunks = body.chunks()
    try:
        return await _keep(request, opened, form, body.file_name, chunks)
    except Unauthenticated:
        raise
    except CommensalError as error:
        seen = 0
        async for chunk in chunks:
            seen += len(chunk)
            if seen > _READ_ON:
                break
        return _page(request, opened, form.refuse(error, path="file").shown(), status=error.status)


async def _keep(
    request: Request, opened: OpenProject, form: Form, file_name: str, chunks: AsyncIterator[bytes]
) -> Respond:
    name = _plain(file_name)
    if not name:
        raise Invalid("Choose a file first.", field="file")
    path = check_prefix(form.text("folder")) + name
    check_path(path)
    services, principal = request.services, request.principal
    if not form.ticked("replace") and await services.folders.at(principal, opened.project, [path]):
        raise Conflict("A file is already there. Tick the box to replace it, or name another folder.", field="replace")
    media_type, packed = mimetypes.guess_type(name)
    if packed or media_type is None:
        media_type = "application/gzip" if packed == "gzip" else "application/octet-stream"
    result = await services.files.put(principal, opened.project, path, chunks, media_type=media_type)
    async for _ in chunks:  # the rest of bytes that were known already
        pass
    word = "uploaded" if result.created else "replaced" if result.changed else "unchanged: these bytes were there"
    return done(request, file_path(opened.project, result.file.uuid), f"{name[:80]} is {word}.")


def _plain(name: str) -> str:
    """Return a file's own name as a browser sends it: without folders, quotation marks and line ends unescaped."""
    name = name.replace("\\", "/").rpartition("/")[2]
    return name.replace("%22", '"').replace("%0D", "\r").replace("%0A", "\n")


_UPLOAD = "/portal/projects/{project}/upload"

ROUTES = (
    Route("GET", _UPLOAD, person_only(upload_page), "Upload files", access="anonymous"),
    Route("POST", _UPLOAD, person_only(send), "Upload a file by a form", access="anonymous", body_limit=None),
    Route(
        "POST",
        f"{_UPLOAD}/check",
        person_only(check),
        "Which paths are taken",
        access="anonymous",
        body_limit=_PATHS_BYTES,
        writes=False,
    ),
)
