"""Files in the data of fields: where they are, and addresses at which they are fetched (contracts/pangea.md b7, b9).

A field that is a file of ours holds ``{"__type__": "s3", "uri": "s3://<project uuid>/<path>", "endpoint_url": …}``: the
path is that of the file in its project, and ends with the file's own name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from commensal.core.buckets import Remote, is_signed, parse_remote
from commensal.core.lineage import Lineage
from commensal.errors import Invalid, NotFound
from commensal.faces.kit.request import Request
from commensal.faces.pangea.errors import FieldErrors

__all__ = ["STORAGE", "check_stored", "path_for", "path_in", "presigned", "stored_at"]

#: Where addresses of stored files begin that carry no signature.
STORAGE = "/pangea-storage"
ADDED = "presigned_url"
#: How long an address of an answer is good, in seconds.
SECONDS = 24 * 3600


def path_for(one: Lineage, filename: str) -> str:
    """Return the path of a field's file in its project; raises FieldErrors for a name that none can have."""
    assert one.field is not None
    name = filename.replace("\\", "/").rpartition("/")[2]
    if name in ("", ".", ".."):
        raise FieldErrors({"filename": ["This is no name of a file."]})
    middle = "results" if one.sample is None else f"samples/{_segment(one.sample.submitter_id)}"
    return f"pangea/v1/{_segment(one.place.title)}/{middle}/{one.field.uuid}/{name}"


def _segment(text: str) -> str:
    kept = text.replace("/", "_").strip()[:200]
    return "_" if kept in ("", ".", "..") else kept


def stored_at(request: Request, one: Lineage, path: str) -> dict[str, str]:
    """Return the data of a field whose file stands at this path."""
    return {"__type__": "s3", "uri": f"s3://{one.place.uuid}/{path}", "endpoint_url": request.link(STORAGE)}


def path_in(stored: Any) -> str | None:
    """Return the path of the file of ours that a field's data points to; None for anything else."""
    if not isinstance(stored, Mapping) or str(stored.get("__type__", "")).lower() != "s3":
        return None
    uri, endpoint = stored.get("uri"), stored.get("endpoint_url")
    if not isinstance(uri, str) or not isinstance(endpoint, str) or not endpoint.rstrip("/").endswith(STORAGE):
        return None
    bucket, slash, path = uri.removeprefix("s3://").partition("/")
    return path if uri.startswith("s3://") and bucket and slash and path else None


def _decoded(value: Any) -> Any:
    if not isinstance(value, str) or "s3://" not in value:
        return None
    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, RecursionError):
        return None


async def presigned(request: Request, place: Lineage, fields: Sequence[tuple[UUID, Any]]) -> dict[UUID, str]:
    """Return an address for each of these (field uuid, stored JSON text) of a project that is a file of ours.

    None for what has no bytes (yet), and for a caller who may not download. Objects of registered buckets have one too.
    """
    paths: dict[UUID, str] = {}
    remotes: dict[UUID, Remote] = {}
    for uuid, value in fields:
        stored = _decoded(value)
        path = path_in(stored)
        if path is not None:
            paths[uuid] = path
        elif (remote := parse_remote(stored)) is not None:
            remotes[uuid] = remote
    if remotes:
        signed = await request.services.buckets.addresses(request.principal, place.place, remotes, seconds=SECONDS)
        return signed | await _own(request, place, paths)
    return await _own(request, place, paths)


async def _own(request: Request, place: Lineage, paths: Mapping[UUID, str]) -> dict[UUID, str]:
    if not paths:
        return {}
    found = await request.services.bytes.addresses_at(
        request.principal, place.place, sorted(set(paths.values())), base=request.link(""), seconds=SECONDS
    )
    return {uuid: found[path] for uuid, path in paths.items() if path in found}


async def check_stored(request: Request, place: Lineage, value: Any, before: Any = None) -> Any:
    """Return the data of a field as it is kept: without what an answer added.

    Raises FieldErrors for an address of a file of ours that is not in this project: such are made by an upload.
    """
    path = path_in(value)
    if path is None:
        remote = parse_remote(value)
        if remote is None or not is_signed(value.get(ADDED), remote):
            return value
        return {key: each for key, each in value.items() if key != ADDED}
    kept = {key: each for key, each in value.items() if key != ADDED}
    if kept == before:
        return kept
    try:
        await request.services.files.get(request.principal, place.place, path=path)
    except (Invalid, NotFound):
        sentence = "This address leads to no file of this library: send files with upload_s3."
        raise FieldErrors({"stored_data": [sentence]}) from None
    return kept
