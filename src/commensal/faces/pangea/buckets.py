"""Buckets of foreign stores and the keys to them (contracts/pangea.md b9)."""

from __future__ import annotations

from typing import Any

from commensal.core.buckets import Bucket, BucketKey
from commensal.errors import NotFound
from commensal.faces.face import Route
from commensal.faces.kit.answers import Respond, empty, json_answer
from commensal.faces.kit.request import Request
from commensal.faces.pangea.asked import Given, envelope, filter_uuid, no_object, page_of, path_uuid, read_body
from commensal.faces.pangea.wire import moment

__all__ = ["BUCKET_ROUTES"]


def _bucket(one: Bucket) -> dict[str, Any]:
    return {
        "uuid": str(one.uuid),
        "name": one.name,
        "endpoint_url": one.endpoint,
        "organization": str(one.program),
    }


def _key(one: BucketKey) -> dict[str, Any]:
    return {
        "uuid": str(one.uuid),
        "description": one.description,
        "created_at": moment(one.created),
        "updated_at": moment(one.updated),
        "bucket": str(one.bucket),
        "public_key": one.public_key,
    }


async def list_buckets(request: Request) -> Respond:
    """List the buckets of the caller's organizations."""
    page = page_of(request)
    rows = await request.services.buckets.page(
        request.principal,
        uuid=filter_uuid(request, "uuid"),
        program=filter_uuid(request, "organization_id"),
        **page.window,
    )
    return json_answer(envelope(request, page, [_bucket(one) for one in rows.items], rows.total))


async def make_bucket(request: Request) -> Respond:
    """Register a bucket."""
    given = Given(await read_body(request))
    name = given.text("name", required=True, blank=False)
    endpoint = given.text("endpoint_url", required=True, blank=False)
    uuid = given.uuid("organization", required=True)
    given.check()
    assert uuid is not None
    try:
        program = await request.services.lineages.program(request.principal, uuid)
    except NotFound:
        raise no_object("organization", uuid) from None
    made = await request.services.buckets.add(request.principal, program, name or "", endpoint or "")
    return json_answer(_bucket(made), 201)


async def show_bucket(request: Request) -> Respond:
    """Show a bucket."""
    return json_answer(_bucket(await request.services.buckets.bucket(request.principal, path_uuid(request))))


async def delete_bucket(request: Request) -> Respond:
    """Forget a bucket with its keys."""
    await request.services.buckets.delete(request.principal, path_uuid(request))
    return empty(204)


async def list_keys(request: Request) -> Respond:
    """List the keys to buckets of the caller's organizations, without their secrets."""
    page = page_of(request)
    rows = await request.services.buckets.key_page(
        request.principal,
        uuid=filter_uuid(request, "uuid"),
        bucket=filter_uuid(request, "bucket"),
        **page.window,
    )
    return json_answer(envelope(request, page, [_key(one) for one in rows.items], rows.total))


async def make_key(request: Request) -> Respond:
    """Keep a key to a bucket; its secret is never shown again."""
    given = Given(await read_body(request))
    bucket = given.uuid("bucket", required=True)
    public = given.text("public_key", required=True, blank=False)
    private = given.text("private_key", required=True, blank=False)
    description = given.text("description")
    given.check()
    assert bucket is not None
    try:
        made = await request.services.buckets.add_key(
            request.principal, bucket, public or "", private or "", description or ""
        )
    except NotFound:
        raise no_object("bucket", bucket) from None
    return json_answer(_key(made), 201)


async def show_key(request: Request) -> Respond:
    """Show a key without its secret."""
    return json_answer(_key(await request.services.buckets.key(request.principal, path_uuid(request))))


async def delete_key(request: Request) -> Respond:
    """Forget a key."""
    await request.services.buckets.delete_key(request.principal, path_uuid(request))
    return empty(204)


BUCKET_ROUTES: tuple[Route, ...] = (
    Route("GET", "/api/s3_buckets", list_buckets, "List buckets"),
    Route("POST", "/api/s3_buckets", make_bucket, "Register a bucket"),
    Route("GET", "/api/s3_buckets/{uuid}", show_bucket, "Show"),
    Route("DELETE", "/api/s3_buckets/{uuid}", delete_bucket, "Forget, with its keys"),
    Route("GET", "/api/s3_api_keys", list_keys, "List keys, without secrets"),
    Route("POST", "/api/s3_api_keys", make_key, "Keep a key"),
    Route("GET", "/api/s3_api_keys/{uuid}", show_key, "Show, without its secret"),
    Route("DELETE", "/api/s3_api_keys/{uuid}", delete_key, "Forget"),
)
