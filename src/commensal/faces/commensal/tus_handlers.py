"""Resumable uploads by tus 1.0 (tus.io): core, creation, creation-with-upload, expiration, checksum, termination."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC
from functools import wraps
from uuid import UUID

from commensal.core.ids import is_uuid
from commensal.core.permissions import Right
from commensal.core.uploads import Upload, UploadState
from commensal.errors import BadRequest, Malformed, NotFound, TooLarge
from commensal.faces.commensal.tus_wire import (
    CHECKSUMS,
    STREAM_TYPE,
    VERSION,
    Gone,
    check_stream_type,
    check_version,
    checksum_of,
    http_date,
    metadata_of,
    number_of,
    upload_values,
)
from commensal.faces.face import Body, Parameter, Route
from commensal.faces.kit.answers import Respond, empty, json_answer
from commensal.faces.kit.bodies import stream
from commensal.faces.kit.request import Request

__all__ = ["TUS_ROUTES"]

_BASE = "/commensal/v1/uploads"
_EXTENSIONS = "creation,creation-with-upload,expiration,checksum,termination"
_ENDED = (UploadState.REFUSED, UploadState.ENDED)
_GONE = "This upload has ended: begin a new one."

Handler = Callable[[Request], Awaitable[Respond]]


def _tus(handler: Handler) -> Handler:
    """Let in what speaks this version; every answer says it, too."""

    @wraps(handler)
    async def spoken(request: Request) -> Respond:
        request.exchange.add_header("Tus-Resumable", VERSION)
        request.exchange.no_store = True
        check_version(request)
        return await handler(request)

    return spoken


def _uuid(request: Request) -> UUID:
    text = request.params["upload"]
    if not is_uuid(text):
        raise NotFound("There is no such upload.")
    return UUID(text)


def _open_headers(upload: Upload) -> list[tuple[str, str]]:
    return [("upload-expires", http_date(upload.expires.astimezone(UTC)))] if upload.state.open else []


async def options(request: Request) -> Respond:
    """Say what is spoken here."""
    return empty(
        204,
        [
            ("tus-resumable", VERSION),
            ("tus-version", VERSION),
            ("tus-extension", _EXTENSIONS),
            ("tus-checksum-algorithm", ",".join(CHECKSUMS)),
        ],
    )


@_tus
async def create(request: Request) -> Respond:
    """Register an upload, and take the bytes that came along."""
    if "upload-defer-length" in request.headers:
        raise Malformed("The size must be known from the beginning: send Upload-Length.", field="Upload-Length")
    size = number_of(request, "Upload-Length")
    meta, told = metadata_of(request)
    path = told.get("path") or told.get("filename")
    if not told.get("project") or not path:
        raise Malformed("Upload-Metadata must have project, and filename or path.", field="Upload-Metadata")
    record = None
    if "type" in told or "submitter_id" in told:
        if not (told.get("type") and told.get("submitter_id")):
            raise Malformed("Name the record by type and submitter_id, both.", field="type")
        record = (told["type"], told["submitter_id"])
    with_bytes = "content-type" in request.headers and int(request.headers.get("content-length") or 1) > 0
    if with_bytes:
        check_stream_type(request)
    project = await request.services.catalog.project(request.principal, told["project"], right=Right.READ)
    uploads = request.services.uploads
    upload = await uploads.begin_growing(
        request.principal,
        project,
        path,
        size=size,
        meta=meta,
        media_type=told.get("filetype") or "application/octet-stream",
        sha256=told.get("sha256") or None,
        md5=told.get("md5") or None,
        record=record,
    )
    headers = [("location", request.link(f"{_BASE}/{upload.uuid}"))]
    if with_bytes and size:
        try:
            upload, offset = await _append(request, upload.uuid, 0)
        except BadRequest:  # the answer names no upload to go on with
            await uploads.give_up(request.principal, upload.uuid)
            raise
        headers.append(("upload-offset", str(offset)))
    elif with_bytes:
        headers.append(("upload-offset", "0"))
    return empty(201, [*headers, *_open_headers(upload)])


@_tus
async def look(request: Request) -> Respond:
    """Say where the upload goes on."""
    upload, offset = await _find(request)
    headers = [("upload-offset", str(offset)), ("upload-length", str(upload.size)), *_open_headers(upload)]
    if upload.meta:
        headers.append(("upload-metadata", upload.meta))
    return empty(200, headers)


async def _find(request: Request) -> tuple[Upload, int]:
    upload, offset = await request.services.uploads.offset(request.principal, _uuid(request))
    if upload.state in _ENDED:
        raise Gone(upload.error or _GONE)
    return upload, offset


@_tus
async def send(request: Request) -> Respond:
    """Add bytes at the end."""
    check_stream_type(request)
    upload, offset = await _append(request, _uuid(request), number_of(request, "Upload-Offset"))
    return empty(204, [("upload-offset", str(offset)), *_open_headers(upload)])


async def _append(request: Request, uuid: UUID, start: int) -> tuple[Upload, int]:
    uploads = request.services.uploads
    upload = await uploads.find(request.principal, uuid)
    if upload.state in _ENDED:
        raise Gone(upload.error or _GONE)
    length = request.headers.get("content-length")
    if length is not None and start + int(length) > (upload.size or 0):
        raise TooLarge(f"These bytes would go beyond the {upload.size or 0:,} that were announced: none was taken.")
    chunks, check = checksum_of(request, stream(request))
    return await uploads.append(request.principal, uuid, start, chunks, check=check)


@_tus
async def give_up(request: Request) -> Respond:
    """End an upload and forget its bytes."""
    uuid = _uuid(request)
    upload = await request.services.uploads.find(request.principal, uuid)
    if upload.state in _ENDED:
        raise Gone(upload.error or _GONE)
    await request.services.uploads.give_up(request.principal, uuid)
    return empty(204)


_OVERRIDES: dict[str, Handler] = {"PATCH": send, "HEAD": look, "DELETE": give_up}


async def override(request: Request) -> Respond:
    """Do what X-HTTP-Method-Override says, for clients that can send GET and POST only."""
    handler = _OVERRIDES.get(request.headers.get("x-http-method-override", "").upper())
    if handler is None:
        raise Malformed("A POST to an upload needs X-HTTP-Method-Override: PATCH, HEAD or DELETE.")
    return await handler(request)


async def show(request: Request) -> Respond:
    """Show an upload of one's own; also one that has ended."""
    request.exchange.no_store = True
    upload, offset = await request.services.uploads.offset(request.principal, _uuid(request))
    return json_answer(upload_values(upload, offset))


_RESUMABLE = Parameter("Tus-Resumable", "The version of tus.", "header", required=True, example=VERSION)
_UPLOAD = Parameter("upload", "Number of the upload.", "path", required=True)
_OFFSET = Parameter(
    "Upload-Offset", "Where the bytes belong.", "header", required=True, schema={"type": "integer", "minimum": 0}
)
_CHECKSUM = Parameter("Upload-Checksum", "`sha256`, `sha1` or `md5`, a space, the digest in Base64.", "header")
_STREAM = Body("The bytes.", media_type=STREAM_TYPE)
_OPTIONS = ("Ask for what tus can do", "Needs no credential.")

TUS_ROUTES: tuple[Route, ...] = (
    Route("OPTIONS", _BASE, options, *_OPTIONS, access="open", writes=False, tag="uploads", documented=False),
    Route(
        "OPTIONS", f"{_BASE}/{{upload}}", options, *_OPTIONS, access="open", writes=False, tag="uploads",
        documented=False,
    ),
    Route(
        "POST",
        _BASE,
        create,
        "Begin a resumable upload (tus 1.0)",
        "`Upload-Metadata` names `project` (as in the addresses here) and `filename` or `path`; it may have "
        "`filetype`, `sha256`, `md5` (hex, checked at the end), and `type` with `submitter_id` of the record that the "
        "file belongs to. A body of bytes may come along.",
        (
            _RESUMABLE,
            Parameter("Upload-Length", "Bytes of the file.", "header", True, {"type": "integer", "minimum": 0}),
            Parameter("Upload-Metadata", "Keys and values in Base64.", "header", True),
            _CHECKSUM,
        ),
        answers={201: "Begun: Location says where to send the bytes.", 412: "Another version of tus.", 507: "No room."},
        body_limit=None,
        tag="uploads",
    ),
    Route(
        "HEAD",
        f"{_BASE}/{{upload}}",
        look,
        "Ask where a resumable upload goes on",
        "",
        (_RESUMABLE, _UPLOAD),
        answers={200: "Upload-Offset says how many bytes are here.", 410: "The upload has ended."},
        tag="uploads",
    ),
    Route(
        "PATCH",
        f"{_BASE}/{{upload}}",
        send,
        "Send bytes of a resumable upload",
        "Bytes that came before a cut stay. With `Upload-Checksum`, all of them stay or none. The last byte completes "
        "the file; up to 64 MiB the answer waits until it is there, larger ones: ask for the state.",
        (_RESUMABLE, _UPLOAD, _OFFSET, _CHECKSUM),
        _STREAM,
        {
            204: "The bytes are safe.",
            409: "The upload goes on elsewhere.",
            410: "The upload has ended.",
            415: "Another media type.",
            422: "Other bytes than announced: refused as a whole.",
            460: "Another checksum: nothing was kept.",
            507: "No room.",
        },
        body_limit=None,
        tag="uploads",
    ),
    Route(
        "DELETE",
        f"{_BASE}/{{upload}}",
        give_up,
        "Give a resumable upload up",
        "",
        (_RESUMABLE, _UPLOAD),
        answers={204: "Its bytes are forgotten.", 409: "It is a file by now.", 410: "The upload has ended."},
        writes=False,
        tag="uploads",
    ),
    Route(
        "POST", f"{_BASE}/{{upload}}", override, "Send by another method", "See X-HTTP-Method-Override of tus.",
        (_RESUMABLE, _UPLOAD), body_limit=None, tag="uploads", documented=False,
    ),
    Route(
        "GET",
        f"{_BASE}/{{upload}}",
        show,
        "Show a resumable upload",
        "`state` is registered, uploading, verifying, available (then `file` is its uuid), refused or ended.",
        (_UPLOAD,),
        answers={200: Body(example={"state": "available", "offset": 5, "size": 5, "path": "a.txt", "error": None})},
        tag="uploads",
    ),
)  # fmt: skip
