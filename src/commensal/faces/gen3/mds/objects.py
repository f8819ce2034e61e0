"""Objects of the metadata service over HTTP (contracts/gen3.md 8; Gen3Object of the SDK)."""

from __future__ import annotations

from typing import Any, cast

from commensal.errors import Invalid
from commensal.faces.gen3.index.wire import record_values
from commensal.faces.kit.answers import Answer, Respond, json_answer, json_bytes
from commensal.faces.kit.bodies import read_json
from commensal.faces.kit.request import Request

__all__ = ["create", "create_version", "delete", "get"]

_VERSION = "0"
_DOWNLOAD = "/download"
_LATEST = "/latest"


async def create(request: Request) -> Respond:
    """Make an object and answer with an address to PUT its bytes to."""
    body = await _body(request)
    authz = body.get("authz")
    if not isinstance(authz, dict) or str(cast("dict[str, Any]", authz).get("version", "")) != _VERSION:
        raise Invalid('authz must be {"version": 0, "resource_paths": […]}.', field="authz")
    paths = cast("dict[str, Any]", authz).get("resource_paths")
    if not isinstance(paths, list) or not all(isinstance(path, str) for path in cast("list[Any]", paths)):
        raise Invalid("authz.resource_paths must be a list of paths.", field="authz")
    return await _made(request, body, authz=cast("list[str]", paths))


async def create_version(request: Request) -> Respond:
    """Make an object that is the next version of another one, with its authz."""
    return await _made(request, await _body(request), version_of=request.params["guid"])


async def _body(request: Request) -> dict[str, Any]:
    body = await read_json(request)
    if not isinstance(body, dict):
        raise Invalid("The body must be a JSON object.")
    return cast("dict[str, Any]", body)


async def _made(request: Request, body: dict[str, Any], **where: Any) -> Respond:
    name, metadata, aliases = body.get("file_name"), body.get("metadata"), body.get("aliases")
    if not isinstance(name, str) or not name:
        raise Invalid("file_name must be the name of the file.", field="file_name")
    if metadata is not None and not isinstance(metadata, dict):
        raise Invalid("metadata must be a JSON object.", field="metadata")
    if aliases is not None and not isinstance(aliases, list):
        raise Invalid("aliases must be a list of texts.", field="aliases")
    made = await request.services.metadata_objects.create(
        request.principal, name, metadata=metadata, aliases=cast("list[Any]", aliases or []), **where
    )
    url = request.services.uploads.put_address(made.upload, base=request.exchange.base)
    values = {"guid": made.record.did, "aliases": made.aliases, "upload_url": url}
    return Answer(_with(values, "metadata", made.document), status=201, media_type="application/json")


def _with(values: dict[str, Any], key: str, text: str) -> bytes:
    """Return an object as JSON, with one more member that is JSON text already."""
    return json_bytes(values)[:-1] + b"," + json_bytes(key) + b":" + text.encode() + b"}"


async def get(request: Request) -> Respond:
    """Show an object's index record and document; below it an address of its bytes, or its newest version."""
    name = request.params["guid"]
    if name.endswith(_DOWNLOAD):
        return await _download(request, name.removesuffix(_DOWNLOAD))
    latest = name.endswith(_LATEST)
    record, document = await request.services.metadata_objects.get(
        request.principal, name.removesuffix(_LATEST), latest=latest
    )
    values = {"record": {} if record is None else record_values(record, request.exchange.base)}
    return Answer(_with(values, "metadata", document or "{}"), media_type="application/json")


async def _download(request: Request, name: str) -> Respond:
    downloads, base = request.services.downloads, request.exchange.base
    return json_answer({"url": await downloads.address(request.principal, name, base=base)})


async def delete(request: Request) -> Respond:
    """Delete an object: index record, bytes and document."""
    await request.services.metadata_objects.delete(request.principal, request.params["guid"])
    return json_answer({})
