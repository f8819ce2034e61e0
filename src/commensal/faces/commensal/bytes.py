"""Signed addresses that this server serves: bytes out by GET and HEAD, bytes in by PUT, parts and forms.

Nobody is asked for a credential here: the address itself says what it allows, and it says one thing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID

from commensal.core.ids import is_uuid
from commensal.errors import Forbidden, NotFound
from commensal.faces.face import Parameter, Route
from commensal.faces.kit.answers import Respond, empty
from commensal.faces.kit.bodies import stream
from commensal.faces.kit.form_file import FormFile
from commensal.faces.kit.request import Request
from commensal.faces.kit.stored import stored_bytes

__all__ = ["BYTES_ROUTES"]

_BASE = "/commensal/v1/bytes"


async def get_bytes(request: Request) -> Respond:
    """Send stored bytes: whole or a range."""
    service = request.services.bytes
    key = request.params["object"]
    signed = service.check(request.method, f"files/{key}", request.url.query)
    name = signed.keeps.get("name", "")
    if request.params["name"] != name:  # programs save a file by the end of its address
        raise Forbidden("This address is not valid: it was altered, or made for another request.")
    request.exchange.no_store = True  # it ends, also for those who share a cache
    size = await service.size(key)

    async def open_(start: int, length: int) -> AsyncIterator[bytes]:
        return service.open(key, start, length)

    return await stored_bytes(
        request,
        open_,
        size=size,
        name=name,
        media_type=signed.keeps.get("type", "application/octet-stream"),
        etag=key,
    )


def _upload(request: Request) -> UUID:
    text = request.params["upload"]
    if not is_uuid(text) or text != text.lower():
        raise NotFound("There is no such upload.")
    return UUID(text)


async def put_upload(request: Request) -> Respond:
    """Take a whole file."""
    uuid = _upload(request)
    request.services.bytes.check("PUT", f"uploads/{uuid}", request.url.query)
    upload = await request.services.uploads.write(uuid, stream(request))
    return empty(200, [("etag", f'"{upload.file}"')])


async def put_part(request: Request) -> Respond:
    """Take one part; its ETag is what the end of the upload names it by."""
    uuid = _upload(request)
    number = request.params["number"]
    if not (number.isascii() and number.isdigit() and len(number) <= 5 and not number.startswith("0")):
        raise NotFound("There is no such part.")
    request.services.bytes.check("PUT", f"uploads/{uuid}/parts/{number}", request.url.query)
    part = await request.services.uploads.write_part(uuid, int(number), stream(request))
    return empty(200, [("etag", f'"{part.etag}"')])


async def post_form(request: Request) -> Respond:
    """Take a whole file as the last field of a form whose other fields sign it."""
    uuid = _upload(request)
    form = FormFile(request.headers.get("content-type", ""), stream(request))
    signed = request.services.bytes.check_form(f"uploads/{uuid}", await form.fields())
    limit = signed.keeps.get("limit")
    await request.services.uploads.write(uuid, form.chunks(), limit=None if limit is None else int(limit))
    return empty(204)


_SIGNED = (
    Parameter("expires", "End of the address, seconds since 1970.", required=True),
    Parameter("signature", "HMAC over everything the address allows.", required=True),
)
_ANSWERS = {403: "The address was altered, has ended, or is for another request."}

BYTES_ROUTES: tuple[Route, ...] = (
    Route(
        ("GET", "HEAD"),
        f"{_BASE}/files/{{object}}/{{name}}",
        get_bytes,
        "Get bytes by a signed address",
        "Made by this server for a file that you may download; needs no credential, and ends. Byte ranges work.",
        _SIGNED,
        answers={200: "The bytes.", 206: "The range.", 416: "The range lies outside the file.", **_ANSWERS},
        access="open",
        tag="files",
    ),
    Route(
        "PUT",
        f"{_BASE}/uploads/{{upload}}",
        put_upload,
        "Send a file to a signed address",
        "",
        _SIGNED,
        answers={200: "The file is here.", 422: "Other bytes than announced: nothing was kept.", **_ANSWERS},
        access="open",
        body_limit=None,
        tag="files",
    ),
    Route(
        "POST",
        f"{_BASE}/uploads/{{upload}}",
        post_form,
        "Send a file by a signed form",
        "The form (multipart/form-data) carries the signed fields, then the file as `file`.",
        answers={204: "The file is here.", **_ANSWERS},
        access="open",
        body_limit=None,
        tag="files",
    ),
    Route(
        "PUT",
        f"{_BASE}/uploads/{{upload}}/parts/{{number}}",
        put_part,
        "Send a part to a signed address",
        "The answer's ETag names the part when the upload is ended.",
        _SIGNED,
        answers={200: "The part is here.", **_ANSWERS},
        access="open",
        body_limit=None,
        tag="files",
    ),
)
