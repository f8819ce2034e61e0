"""Presigned addresses of S3 objects, computed without a request: AWS Signature Version 4, in the query.

Source: "Authenticating Requests: Using Query Parameters (AWS Signature Version 4)", Amazon S3 API Reference.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit

__all__ = ["presigned_get", "region_of"]

_DEFAULT_REGION = "us-east-1"
_REGION = re.compile(r"(?:^|\.)s3[.-](?:dualstack\.)?([a-z]{2}(?:-[a-z]+)+-\d)\.amazonaws\.com(?:\.cn)?$")


def region_of(endpoint: str) -> str:
    """Return the region that an endpoint's host names, else us-east-1, which other makers' stores take."""
    found = _REGION.search(urlsplit(endpoint).hostname or "")
    return found[1] if found else _DEFAULT_REGION


def presigned_get(
    endpoint: str, path: str, *, public_key: str, private_key: str, region: str, seconds: int, now: datetime
) -> str:
    """Return an address from which ``seconds`` (at most 604,800) long anybody can GET an object.

    ``path`` follows the endpoint, not encoded: ``bucket/key``, or the key alone where the host names the bucket.
    """
    parts = urlsplit(endpoint)
    time = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    area = f"{time[:8]}/{region}/s3/aws4_request"
    query = "&".join(
        f"{name}={quote(value, safe='-_.~')}"
        for name, value in (
            ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
            ("X-Amz-Credential", f"{public_key}/{area}"),
            ("X-Amz-Date", time),
            ("X-Amz-Expires", str(seconds)),
            ("X-Amz-SignedHeaders", "host"),
        )
    )
    full = quote(f"{parts.path.rstrip('/')}/{path}", safe="/-_.~")
    request = f"GET\n{full}\n{query}\nhost:{parts.netloc}\n\nhost\nUNSIGNED-PAYLOAD"
    text = f"AWS4-HMAC-SHA256\n{time}\n{area}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = f"AWS4{private_key}".encode()
    for part in area.split("/"):
        key = _hmac(key, part)
    return f"{parts.scheme}://{parts.netloc}{full}?{query}&X-Amz-Signature={_hmac(key, text).hex()}"


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()
