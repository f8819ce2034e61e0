"""Files of our own API that go, come back, and get addresses of their own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from commensal.core.files import File
from commensal.core.ids import is_uuid
from commensal.core.permissions import Right
from commensal.core.projects import Project
from commensal.errors import Malformed, NotFound
from commensal.faces.commensal.wire import file_values
from commensal.faces.face import Body, Parameter, Route
from commensal.faces.kit.answers import Respond, json_answer
from commensal.faces.kit.request import Request

__all__ = ["TRANSFER_ROUTES"]

_PROJECT = "/commensal/v1/projects/{project}"
#: Longest life of a signed address: what S3 allows.
_SECONDS = 604_800


async def _file(request: Request, right: Right) -> tuple[Project, File]:
    """Return a file by its path, else by its uuid."""
    project = await request.services.catalog.project(request.principal, request.params["project"], right=right)
    files, name = request.services.files, request.params["path"]
    try:
        return project, await files.get(request.principal, project, path=name, right=right)
    except NotFound:
        if not is_uuid(name):
            raise
    return project, await files.get(request.principal, project, uuid=UUID(name), right=right)


async def delete_file(request: Request) -> Respond:
    """Delete a file; it can be brought back for 30 days."""
    project, file = await _file(request, Right.DELETE)
    deletion = await request.services.deletion.delete_files(request.principal, project, [file.seq], title=file.path)
    return json_answer({"deletion": deletion.id})


async def undelete(request: Request) -> Respond:
    """Bring back what a deletion took."""
    text = request.params["deletion"]
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise NotFound("There is no such deletion.")
    found = await request.services.deletion.undelete(request.principal, int(text))
    return json_answer({"deletion": found.id, "title": found.title})


async def address(request: Request) -> Respond:
    """Sign an address of a file's bytes."""
    text = request.query_params.get("seconds", "3600")
    if not (text.isascii() and text.isdigit() and len(text) < 8 and 1 <= int(text) <= _SECONDS):
        raise Malformed(f"seconds must be from 1 to {_SECONDS:,}.", field="seconds")
    project, file = await _file(request, Right.DOWNLOAD)
    seconds = int(text)
    expires = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=seconds)
    request.exchange.no_store = True
    made = await request.services.bytes.address(
        request.principal, project, file, base=request.exchange.base, seconds=seconds
    )
    return json_answer({"url": made, "expires": expires, "file": file_values(file)})


_PROJECT_PARAMETER = Parameter("project", "`PROGRAM-CODE`, the code alone, the number or the uuid.", "path", True)
_PATH = Parameter("path", "Path of the file in its project, or its uuid.", "path", True, example="raw/reads.bam")

TRANSFER_ROUTES: tuple[Route, ...] = (
    Route(
        "DELETE",
        f"{_PROJECT}/files/{{path:path}}",
        delete_file,
        "Delete a file",
        "Needs `delete`. For 30 days it can be brought back by the number of the deletion.",
        (_PROJECT_PARAMETER, _PATH),
        answers={200: Body("Deleted.", example={"deletion": 17})},
        writes=False,
        tag="files",
    ),
    Route(
        "POST",
        "/commensal/v1/deletions/{deletion}/undelete",
        undelete,
        "Bring back what was deleted",
        "Whole, or not at all: 409 where something took its place.",
        (Parameter("deletion", "Number of the deletion.", "path", True, {"type": "integer", "minimum": 1}),),
        answers={200: Body("Brought back.", example={"deletion": 17, "title": "raw/reads.bam"})},
        tag="deletions",
    ),
    Route(
        "GET",
        f"{_PROJECT}/addresses/{{path:path}}",
        address,
        "Sign an address of a file",
        "Needs `download`. The address opens this file's bytes without a credential until it ends.",
        (
            _PROJECT_PARAMETER,
            _PATH,
            Parameter("seconds", "Life of the address.", schema={"type": "integer", "minimum": 1, "maximum": _SECONDS}),
        ),
        answers={200: Body("The address.", example={"url": "https://…", "expires": "2026-11-20T12:00:00Z"})},
        access="anonymous",
        tag="files",
    ),
)
