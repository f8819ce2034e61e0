"""Handlers of our own API for files: bytes in as a stream, bytes out whole or by range."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

from commensal.core.permissions import Right
from commensal.core.projects import Project
from commensal.errors import Malformed
from commensal.faces.commensal.handlers import page
from commensal.faces.commensal.wire import file_values
from commensal.faces.kit.answers import Respond, json_answer
from commensal.faces.kit.bodies import stream
from commensal.faces.kit.paging import page_of, query_bool
from commensal.faces.kit.request import Request
from commensal.faces.kit.stored import stored_bytes

__all__ = ["get_file", "list_files", "put_file"]

_DIGEST = re.compile(r"[0-9a-fA-F]{64}")


async def _project(request: Request, right: Right) -> Project:
    return await request.services.catalog.project(request.principal, request.params["project"], right=right)


async def list_files(request: Request) -> Respond:
    """List a project's files by path."""
    offset, limit = page_of(request.query_params)
    project = await _project(request, Right.READ)
    files, total = await request.services.files.list(
        request.principal, project, prefix=request.query_params.get("prefix", ""), offset=offset, limit=limit
    )
    return page([file_values(file) for file in files], total, offset, limit)


async def put_file(request: Request) -> Respond:
    """Store the body under a path; 201 for a new file, 200 for new bytes or for the same ones again."""
    query = request.query_params
    sha256 = query.get("sha256")
    if sha256 is not None and not _DIGEST.fullmatch(sha256):
        raise Malformed("sha256 must be 64 hex digits.", field="sha256")
    record = None
    if "type" in query or "submitter_id" in query:
        if not (query.get("type") and query.get("submitter_id")):
            raise Malformed("Name the record by type and submitter_id, both.", field="type")
        record = (query["type"], query["submitter_id"])
    project = await _project(request, Right.READ)
    chunks = stream(request)
    result = await request.services.files.put(
        request.principal,
        project,
        request.params["path"],
        chunks,
        media_type=request.headers.get("content-type", "application/octet-stream"),
        record=record,
        sha256=sha256,
    )
    async for _ in chunks:  # the rest of a body that was known already
        pass
    return json_answer({**file_values(result.file), "changed": result.changed}, 201 if result.created else 200)


async def get_file(request: Request) -> Respond:
    """Send a file's bytes; with ``?info`` what is known about it."""
    project = await _project(request, Right.READ)
    files = request.services.files
    if query_bool(request.query_params, "info"):
        return json_answer(file_values(await files.show(request.principal, project, request.params["path"])))
    file = await files.get(request.principal, project, path=request.params["path"])

    async def open_(start: int, length: int) -> AsyncIterator[bytes]:
        return await files.open(request.principal, project, file, start, length)

    return await stored_bytes(
        request,
        open_,
        size=file.size or 0,
        name=file.name,
        media_type=file.media_type,
        etag=file.sha256 or "",
    )
