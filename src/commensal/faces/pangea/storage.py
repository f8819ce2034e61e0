"""Files of fields: sent to signed addresses of the store that every library has (contracts/pangea.md b9)."""

from __future__ import annotations

import re
from uuid import UUID

from commensal.core.files import check_media_type
from commensal.core.lineage import Lineage, field_value
from commensal.core.uploads import MAX_PARTS, UploadState
from commensal.errors import Malformed, NotFound
from commensal.faces.face import Route
from commensal.faces.kit.answers import Respond, json_answer, redirect
from commensal.faces.kit.request import Request
from commensal.faces.pangea import found
from commensal.faces.pangea.addresses import SECONDS, STORAGE, path_for, path_in, stored_at
from commensal.faces.pangea.asked import Given, is_uuid, path_uuid, read_body
from commensal.faces.pangea.errors import FieldErrors

__all__ = ["STORAGE_ROUTES"]

_WHOLE, _PARTS = "upload", "upload-multipart"
#: What our own client announces beside the name; other bytes are then refused.
_MD5 = re.compile(r"[0-9a-fA-F]{32}", re.ASCII)


async def _place(request: Request, one: Lineage, filename: str) -> tuple[str, bool]:
    """Return the path that a field's file has or shall have, and whether the field must be told of it."""
    assert one.field is not None
    stored = field_value(one.field)
    kept = path_in(stored)
    if kept is not None:
        return kept, False
    if stored:
        raise FieldErrors({"stored_data": ["This field holds other data: make another field for the file."]})
    return path_for(one, filename), True


async def upload(request: Request, one: Lineage) -> Respond:
    """Begin an upload: a form for the whole file, or an address for each part."""
    given = Given(await read_body(request))
    filename = given.text("filename", required=True, blank=False, longest=1_000)
    stance = given.text("stance") or _WHOLE
    if stance not in (_WHOLE, _PARTS):
        given.wrong("stance", f'"{stance[:80]}" is not a valid choice: {_WHOLE} or {_PARTS}.')
    n_parts = _count(given) if stance == _PARTS else 0
    md5 = given.text("md5") or None
    if md5 is not None and not _MD5.fullmatch(md5):
        given.wrong("md5", "Ensure this value has 32 hexadecimal digits.")
    given.check()
    path, is_new = await _place(request, one, filename or "")
    field = one.field
    assert field is not None
    uploads, base = request.services.uploads, request.link("")
    begun = await uploads.begin(
        request.principal,
        one.place,
        path,
        parts=stance == _PARTS,
        md5=md5,
        media_type=check_media_type(given.text("content_type") or "application/octet-stream"),
        record=(field.type, field.submitter_id),
    )
    if is_new:
        try:
            await request.services.results.change_field(request.principal, one, value=stored_at(request, one, path))
        except BaseException:
            await uploads.give_up(request.principal, begun.uuid)
            raise
    if stance == _WHOLE:
        form = uploads.form(begun, base=base, seconds=SECONDS)
        return json_answer({"url": form.url, "fields": dict(form.fields)})
    urls = [uploads.part_address(begun, number, base=base, seconds=SECONDS) for number in range(1, n_parts + 1)]
    return json_answer({"urls": urls, "upload_id": str(begun.uuid)})


def _count(given: Given) -> int:
    value = given.body.get("n_parts")
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    if not (text.isascii() and text.isdigit() and len(text) < 9 and 1 <= int(text) <= MAX_PARTS):
        given.wrong("n_parts", f"Ensure this value is a number from 1 to {MAX_PARTS}.")
        return 0
    return int(text)


async def complete(request: Request, one: Lineage) -> Respond:
    """End an upload in parts."""
    given = Given(await read_body(request))
    upload_id = given.text("upload_id", required=True, blank=False)
    parts = _parts(given)
    given.check()
    uploads = request.services.uploads
    unknown = FieldErrors({"upload_id": ["This field has no such upload."]})
    if not is_uuid(upload_id or ""):
        raise unknown
    try:
        begun = await uploads.find(request.principal, UUID(upload_id))
    except NotFound:
        raise unknown from None
    field = one.field
    assert field is not None
    if begun.project != one.place.seq or begun.record != (field.type, field.submitter_id):
        raise unknown
    try:
        done = await uploads.complete(request.principal, begun.uuid, parts)
    except Malformed as error:
        raise FieldErrors({"parts": [error.message]}) from error
    if done.state in (UploadState.REFUSED, UploadState.ENDED):
        raise FieldErrors({"upload_id": [done.error or "This upload has ended."]})
    return json_answer({"status": "success", "upload_id": upload_id})


def _parts(given: Given) -> list[tuple[int, str]]:
    value = given.json("parts", required=True)
    found_parts: list[tuple[int, str]] = []
    for each in value if isinstance(value, list) else []:
        number, etag = (each.get("PartNumber"), each.get("ETag")) if isinstance(each, dict) else (None, None)
        if isinstance(number, int) and not isinstance(number, bool) and isinstance(etag, str):
            found_parts.append((number, etag))
        else:
            given.wrong("parts", "Each part is an object with PartNumber, a number, and ETag, a text.")
            return []
    if not found_parts and "parts" not in given.errors:
        given.wrong("parts", "Ensure this is a list of at least one part.")
    return found_parts


async def fetch(request: Request) -> Respond:
    """Send a caller who may download to a signed address of a file of ours."""
    place = await request.services.lineages.project(request.principal, path_uuid(request, "bucket"))
    path = request.params["path"]
    addresses = await request.services.bytes.addresses_at(request.principal, place.place, [path], base=request.link(""))
    if path not in addresses:
        raise NotFound("There is no such file.")
    return redirect(addresses[path])


def _field_routes(path: str, *, of_samples: bool) -> tuple[Route, ...]:
    find = found.of_kind(found.field, of_samples=of_samples)
    base = f"/api/{path}/{{uuid}}"
    return (
        Route("POST", f"{base}/upload_s3", found.doing(find, upload), "Begin the upload of a file"),
        Route("POST", f"{base}/complete_upload_s3", found.doing(find, complete), "End an upload in parts"),
    )


STORAGE_ROUTES: tuple[Route, ...] = (
    *_field_routes("sample_ar_fields", of_samples=True),
    *_field_routes("sample_group_ar_fields", of_samples=False),
    Route("GET", f"{STORAGE}/{{bucket:uuid}}/{{path:path}}", fetch, "Fetch a file of a field", access="anonymous"),
)
