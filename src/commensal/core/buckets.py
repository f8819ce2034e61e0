"""Buckets of foreign stores that a program keeps results in, and the keys to them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import cast
from urllib.parse import unquote, urlsplit
from uuid import UUID

from commensal.errors import Invalid

__all__ = ["Bucket", "BucketKey", "Remote", "check_endpoint", "is_signed", "parse_remote"]

_LONGEST = 1_000


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket of a program; ``program`` is a uuid."""

    seq: int
    uuid: UUID
    name: str
    endpoint: str
    program: UUID
    created: datetime


@dataclass(frozen=True, slots=True)
class BucketKey:
    """A key to a bucket, without its secret."""

    uuid: UUID
    bucket: UUID
    description: str
    public_key: str
    created: datetime
    updated: datetime


@dataclass(frozen=True, slots=True)
class Remote:
    """An object of a foreign store."""

    endpoint: str
    bucket: str
    key: str


def check_endpoint(text: str) -> str:
    """Return the address of a store without a slash at its end. Raises Invalid."""
    try:
        parts = urlsplit(text.strip())
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        good = False
        parts = urlsplit("")
    plain = not (parts.query or parts.fragment or parts.username or parts.password)
    if not good or not plain or len(text) > _LONGEST or not text.isprintable() or " " in text.strip():
        raise Invalid("Enter a valid URL: http(s)://host[:port] of the store.", field="endpoint_url")
    return text.strip().rstrip("/")


def parse_remote(stored: object) -> Remote | None:
    """Return the object that data such as ``{"__type__": "s3", "endpoint_url": …, "uri": "s3://bucket/key"}`` names.

    None for anything else, and for keys with a step such as ``..``, which a store might resolve.
    """
    if not isinstance(stored, dict):
        return None
    stored = cast("dict[str, object]", stored)
    kind, endpoint, uri = (stored.get(name) for name in ("__type__", "endpoint_url", "uri"))
    if not isinstance(kind, str) or kind.lower() != "s3" or not isinstance(endpoint, str) or not isinstance(uri, str):
        return None
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    steps = key.split("/")
    if not uri.startswith("s3://") or not bucket or any(step in ("", ".", "..") for step in steps):
        return None
    return Remote(endpoint.strip().rstrip("/"), bucket, key) if key.isprintable() else None


def is_signed(address: object, remote: Remote) -> bool:
    """Tell whether an address was signed (Signature Version 4) for this object: it is good for a while only."""
    if not isinstance(address, str):
        return False
    plain, _, query = address.partition("?")
    return "X-Amz-Signature=" in query and unquote(plain) == f"{remote.endpoint}/{remote.bucket}/{remote.key}"
