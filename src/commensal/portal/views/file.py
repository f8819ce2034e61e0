"""One file: what is known about it, what is in it, how to fetch it; its deletion."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any
from uuid import UUID

from commensal.core.files import File
from commensal.core.index import IndexRecord
from commensal.core.permissions import Right
from commensal.core.projects import Project
from commensal.core.records import Deletion, Record
from commensal.errors import CommensalError, NotFound, Unauthenticated
from commensal.faces.face import Route
from commensal.faces.kit.answers import Respond, StreamAnswer
from commensal.faces.kit.disposition import STORED_BYTES_HEADERS, content_disposition
from commensal.faces.kit.request import Request
from commensal.portal.caller import person_only
from commensal.portal.commands import accession, commands_for, with_address
from commensal.portal.forms import read_form
from commensal.portal.listing import shown_type
from commensal.portal.pages import done, render
from commensal.portal.paths import file_bytes_path, file_path, folder_path, record_path
from commensal.portal.preview import GZIP_HEAD, HEAD, LARGEST_IMAGE, Preview, Tree, picture_of, preview_of, tree_of
from commensal.portal.site import site_of
from commensal.portal.views.admin_frame import SMALL
from commensal.portal.views.files import READY, crumbs_of
from commensal.portal.views.project_frame import OpenProject, open_project

__all__ = ["ROUTES"]

#: How long a signed address opens a file, in seconds.
ADDRESS_SECONDS = 3_600
_TREES = (".h5", ".h5ad", ".zip", ".gz")


async def _opened(request: Request, right: Right = Right.READ) -> tuple[OpenProject, File]:
    opened = await open_project(request, right)
    uuid = UUID(request.params["file"])
    file: File = await request.services.files.get(request.principal, opened.project, uuid=uuid)
    return opened, file


async def _head(request: Request, project: Project, file: File, length: int) -> bytes:
    """Return the first bytes of a file; the audit has it as a download."""
    chunks = await request.services.files.open(request.principal, project, file, 0, min(length, file.size or 0))
    return b"".join([chunk async for chunk in chunks])


async def _preview(request: Request, opened: OpenProject, file: File) -> Preview:
    if file.blob is None or file.state not in READY:
        return Preview("none", "The bytes of this file are not here, or not checked yet.")
    if not opened.may(Right.DOWNLOAD):
        return Preview(
            "none", "You may see that this file is there, but not what is in it: that needs the right to download."
        )
    length = GZIP_HEAD if file.name.lower().endswith(".gz") else HEAD
    try:
        head = await _head(request, opened.project, file, length)
    except Unauthenticated:
        raise
    except CommensalError as error:
        return Preview("none", error.message)
    return preview_of(file.name, file.media_type, head, file.size or 0)


async def _inside(request: Request, file: File) -> tuple[Mapping[str, Any], Tree | None, str]:
    """Return a file's attributes, the tree of its contents, and a sentence where there should be one and is none."""
    try:
        found = await request.services.file_search.find(request.principal, file.seq, contents=True)
    except NotFound:  # without bytes there is nothing to search
        return {}, None, ""
    attributes = {
        name: value for name, value in found.attributes.items() if not name.startswith(("genestack:", "commensal:"))
    }
    if not file.name.lower().endswith(_TREES):
        return attributes, None, ""
    if found.contents is None:
        return attributes, None, "The list of what is inside is still being made: load this page again in a moment."
    tree = await asyncio.to_thread(tree_of, found.contents)  # it may have a hundred thousand entries
    return (
        attributes,
        tree,
        "" if tree else "What is inside could not be read: the file is not what its name says, or too large to list.",
    )


async def _indexed(request: Request, file: File) -> IndexRecord | None:
    try:
        return await request.services.index.get(request.principal, str(file.uuid))
    except NotFound:
        return None


async def _address(request: Request, opened: OpenProject, file: File) -> str:
    return await request.services.bytes.address(
        request.principal, opened.project, file, base=request.exchange.base, seconds=ADDRESS_SECONDS
    )


async def _page(request: Request, opened: OpenProject, file: File, *, signing: bool = False) -> Respond:
    services, principal, project = request.services, request.principal, opened.project
    attributes, tree, no_tree = await _inside(request, file)
    records: list[Record] = await services.records.many(principal, [file.record]) if file.record is not None else []
    indexed = await _indexed(request, file)
    guid = indexed.did if indexed else str(file.uuid)
    # The last read gives the audit's event its name: bytes weigh more than words, and an address more than a look.
    preview = await _preview(request, opened, file)
    address = await _address(request, opened, file) if signing else ""
    signed_in = principal.user is not None
    may_download = opened.may(Right.DOWNLOAD) and file.blob is not None and file.state in READY
    folder = file.path[: len(file.path) - len(file.name)]
    return render(
        request,
        "file.html",
        title=file.name,
        project=project,
        here=opened.here,
        at=file_path(project, file.uuid),
        file=file,
        ready=READY,
        accession=accession(file),
        guid=guid,
        indexed=indexed,
        folder_at=folder_path(project, folder),
        crumbs=crumbs_of(project, folder),
        record=records[0] if records else None,
        record_at=record_path(project, records[0].uuid) if records else "",
        record_type=shown_type(records[0].type) if records else "",
        attributes=attributes,
        tree=tree,
        no_tree=no_tree,
        preview=preview,
        bytes_at=file_bytes_path(project, file.path) if may_download else "",
        commands=commands_for(site_of(request), project, file, guid) if may_download else [],
        may_sign=may_download and signed_in,
        signed=with_address(file, address) if address else None,
        address=address,
        may_delete=signed_in and opened.may(Right.DELETE),
    )


async def file_page(request: Request) -> Respond:
    """Show one file."""
    return await _page(request, *await _opened(request))


async def sign(request: Request) -> Respond:
    """Make an address that opens the file without an account for an hour, and show it."""
    await read_form(request)
    opened, file = await _opened(request)
    if "hx-request" in request.headers:
        address = await _address(request, opened, file)
        return render(request, "file_address.html", signed=with_address(file, address), address=address)
    return await _page(request, opened, file, signing=True)


async def image(request: Request) -> Respond:
    """Send a picture to be shown: as what its first bytes say, in a sandbox, and nothing that is no picture."""
    opened, file = await _opened(request, Right.DOWNLOAD)
    size = file.size or 0
    picture = None
    if file.blob is not None and file.state in READY and size <= LARGEST_IMAGE:
        picture = picture_of(await _head(request, opened.project, file, HEAD))
    if picture is None or not picture.opens:
        raise NotFound("This file is no picture that can be shown.")
    chunks: AsyncIterator[bytes] = await request.services.files.open(request.principal, opened.project, file, 0, size)
    headers = [
        ("content-disposition", content_disposition(file.name, "inline")),
        ("cache-control", "no-store"),
        *(pair for pair in STORED_BYTES_HEADERS if pair[0] != "x-content-type-options"),  # every answer has it
    ]
    return StreamAnswer(chunks, media_type=picture.media_type, length=size, headers=headers)


async def delete_file(request: Request) -> Respond:
    """Delete a file; a site admin can bring it back."""
    await read_form(request)
    opened, file = await _opened(request, Right.READ | Right.DELETE)
    try:
        deletion: Deletion = await request.services.deletion.delete_files(
            request.principal, opened.project, [file.seq], title=file.path
        )
    except Unauthenticated:
        raise
    except CommensalError as error:
        return done(request, file_path(opened.project, file.uuid), error.message, "bad")
    name = file.name if len(file.name) <= 80 else f"{file.name[:80]}…"
    sentence = f"{name} is deleted. A site admin can bring it back for 30 days (deletion {deletion.id})."
    return done(request, folder_path(opened.project, file.path[: len(file.path) - len(file.name)]), sentence)


_FILE = "/portal/projects/{project}/file/{file:uuid}"

ROUTES = (
    Route("GET", _FILE, file_page, "A file", access="anonymous"),
    Route("GET", f"{_FILE}/image", image, "A picture", access="anonymous"),
    Route(
        "POST",
        f"{_FILE}/address",
        person_only(sign),
        "An address for an hour",
        access="anonymous",
        body_limit=SMALL,
        writes=False,
    ),
    Route("POST", f"{_FILE}/delete", person_only(delete_file), "Delete a file", access="anonymous", body_limit=SMALL),
)
