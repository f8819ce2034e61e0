"""Upload, download and deletion by GUID (contracts/gen3.md 3.4).

An address to download from is refused with 401 whoever asks, as fence does; everything else with 403.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast
from uuid import UUID

from commensal.core.ids import is_uuid
from commensal.core.index import IndexRecord
from commensal.core.uploads import Upload
from commensal.errors import BadRequest, CommensalError, Forbidden, NotFound, Unauthenticated
from commensal.faces.gen3.data import wire
from commensal.faces.kit.answers import Respond, empty, json_answer, redirect
from commensal.faces.kit.bodies import decode_json, read_bytes
from commensal.faces.kit.request import Request
from commensal.services.index import IndexChanges

__all__ = [
    "buckets",
    "delete",
    "download",
    "download_bulk",
    "external_commons",
    "multipart_complete",
    "multipart_init",
    "multipart_part",
    "upload",
    "upload_to",
]

_SMALL = 2_000_000


async def body_of(request: Request) -> dict[str, Any]:
    """Return the JSON object of a body, whatever its type says."""
    data = await read_bytes(request, _SMALL)
    if not data.strip():
        raise BadRequest("wrong Content-Type; expected application/json")
    value = decode_json(data)
    if not isinstance(value, dict):
        raise BadRequest("The body must be a JSON object.")
    return cast("dict[str, Any]", value)


def _no_bucket(bucket: object) -> None:
    if bucket:
        raise Forbidden(f"Uploading to bucket {str(bucket)[:80]!r} is not allowed: leave `bucket` out.")


# --- in one piece -----------------------------------------------------------------------------------


async def _record(request: Request, given: Mapping[str, Any]) -> IndexRecord:
    """Return the record that a body names by ``guid``, or make a blank one for its file."""
    name = wire.file_name_of(given)
    guid = given.get("guid")
    index = request.services.index
    if guid:
        return await index.get(request.principal, wire.text_of(given, "guid"))
    return await index.create_blank(request.principal, file_name=name, authz=wire.texts_of(given, "authz"))


async def _begin(request: Request, record: IndexRecord, *, parts: bool = False) -> Upload:
    """Begin the upload of a record's bytes; what the record declares of them is what they are checked against."""
    file = record.file
    declared = file.blob is None
    return await request.services.uploads.begin(
        request.principal,
        record.project,
        file.path,
        parts=parts,
        size=file.size if declared else None,
        md5=file.md5 if declared else None,
        sha256=file.sha256 if declared else None,
        media_type=file.media_type,
        file=file.uuid,
        fills=True,
    )


async def upload(request: Request) -> Respond:
    """Make a blank record and answer with an address to PUT its bytes to."""
    given = await body_of(request)
    seconds = wire.seconds_of(given.get("expires_in"))
    _no_bucket(given.get("bucket"))
    record = await _record(request, given)
    made = await _begin(request, record)
    url = request.services.uploads.put_address(made, base=request.exchange.base, seconds=seconds)
    return json_answer({"guid": record.did, "url": url}, 201)


async def upload_to(request: Request) -> Respond:
    """Answer with an address to PUT the bytes of an existing record to."""
    query = request.query_params
    seconds = wire.seconds_of(query.get("expires_in"))
    _no_bucket(query.get("bucket"))
    index, principal = request.services.index, request.principal
    record = await index.get(principal, request.params["guid"])
    try:
        if record.file_name is None and query.get("file_name"):
            named = IndexChanges(file_name=wire.file_name_of(query))
            record = await index.update(principal, record.did, None, named)
        made = await _begin(request, record)
    except Forbidden as error:
        raise Unauthenticated(error.message) from error
    return json_answer({"url": request.services.uploads.put_address(made, base=request.exchange.base, seconds=seconds)})


# --- in parts ---------------------------------------------------------------------------------------


async def multipart_init(request: Request) -> Respond:
    """Begin an upload in parts, of a new record or of the one named."""
    given = await body_of(request)
    wire.seconds_of(given.get("expires_in"))
    _no_bucket(given.get("bucket"))
    record = await _record(request, given)
    made = await _begin(request, record, parts=True)
    return json_answer({"guid": record.did, "uploadId": str(made.uuid)}, 201)


async def _upload(request: Request, given: Mapping[str, Any]) -> Upload:
    """Return the upload in parts that a body names by ``key`` and ``uploadId``."""
    key, name = wire.text_of(given, "key"), wire.text_of(given, "uploadId")
    found = await request.services.uploads.find(request.principal, UUID(name)) if is_uuid(name) else None
    if found is None or not found.parts:
        raise NotFound("There is no such upload.")
    # The key is <guid>/<file_name>; the upload says which file it is, the key has only to agree.
    first, *more = key.split("/")
    if str(found.file) not in (first, *more[:1]):
        named = await request.services.index.many(request.principal, [first, "/".join([first, *more[:1]])])
        if all(record.file.uuid != found.file for record in named):
            raise NotFound("The upload is not for this key.")
    return found


async def multipart_part(request: Request) -> Respond:
    """Answer with an address to PUT one part to."""
    given = await body_of(request)
    seconds = wire.seconds_of(given.get("expires_in"))
    number = given.get("partNumber")
    if not isinstance(number, int) or isinstance(number, bool):
        raise BadRequest("missing required argument `partNumber`" if number is None else "`partNumber` must be whole.")
    found = await _upload(request, given)
    url = request.services.uploads.part_address(found, number, base=request.exchange.base, seconds=seconds)
    return json_answer({"presigned_url": url})


async def multipart_complete(request: Request) -> Respond:
    """End an upload in parts: the file is there, or on its way when it is large."""
    given = await body_of(request)
    if "parts" not in given:
        raise BadRequest("missing required argument `parts`")
    parts = wire.parts_of(given["parts"])
    found = await _upload(request, given)
    await request.services.uploads.complete(request.principal, found.uuid, parts)
    return json_answer({"message": "OK"})


# --- out --------------------------------------------------------------------------------------------


async def download(request: Request) -> Respond:
    """Answer with an address of the bytes, or send the caller there (``redirect``)."""
    query = request.query_params
    seconds = wire.seconds_of(query.get("expires_in"))
    try:
        url = await request.services.downloads.address(
            request.principal,
            request.params["guid"],
            base=request.exchange.base,
            seconds=seconds,
            protocol=query.get("protocol") or None,
        )
    except Forbidden as error:
        raise Unauthenticated(error.message) from error
    if "redirect" in query and query["redirect"].lower() != "false":
        return redirect(wire.location(url), headers=[("cache-control", "no-store")])
    return json_answer({"url": url})


async def download_bulk(request: Request) -> Respond:
    """Answer with the addresses of many files, and with those that have none by the reason's status."""
    given = await body_of(request)
    if "guids" not in given:
        raise BadRequest("missing required argument `guids`")
    query = request.query_params
    answers: dict[str, str | CommensalError] = await request.services.downloads.addresses(
        request.principal,
        wire.id_list(given["guids"], "guids"),
        base=request.exchange.base,
        seconds=wire.seconds_of(query.get("expires_in")),
        protocol=query.get("protocol") or None,
    )
    failed = wire.by_status(answers, {403: 401})
    return json_answer(
        {
            "urls": [{"drs_object_id": guid, "url": url} for guid, url in answers.items() if isinstance(url, str)],
            "failed_guids": [{"error_code": code, "object_ids": guids} for code, guids in failed.items()],
        }
    )


async def delete(request: Request) -> Respond:
    """Delete a record with its bytes."""
    await request.services.index.delete(request.principal, request.params["guid"])
    return empty(204)


async def buckets(request: Request) -> Respond:
    """Say which buckets a caller may name: none, the store is the server's own matter."""
    return json_answer({"S3_BUCKETS": {}, "GS_BUCKETS": {}})


async def external_commons(request: Request) -> Respond:
    """Say for which other commons a token can be had here: none."""
    return json_answer({"providers": []})
