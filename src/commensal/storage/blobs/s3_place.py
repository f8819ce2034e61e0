"""Where an S3 store is (``s3://bucket/prefix?endpoint=…&region=…``) and the credentials for it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

from commensal.errors import SetupError

__all__ = ["S3Place", "check_s3", "parse_s3"]

_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,62}")
_PREFIX = re.compile(r"\w[\w.-]*(/\w[\w.-]*)*", re.ASCII)
_HELP = "Write it as s3://bucket/prefix?endpoint=https://host&region=name (endpoint and region may be left out)."


@dataclass(frozen=True, slots=True)
class S3Place:
    """One place for bytes. ``prefix`` has no slash at its ends; ``endpoint`` None: Amazon's for the region."""

    bucket: str
    prefix: str
    endpoint: str | None
    region: str
    access_key: str
    secret_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


def check_s3(address: str) -> tuple[str, str, dict[str, str]]:
    """Return bucket, prefix and options of an address; raises SetupError for one that is none, or has secrets."""
    parts = urlsplit(address)
    if parts.scheme != "s3" or parts.fragment:
        raise SetupError(f"{address!r} is no S3 address. {_HELP}")
    if "@" in parts.netloc or "password" in parts.query.lower() or "secret" in parts.query.lower():
        raise SetupError(
            "Credentials do not belong into the S3 address: set COMMENSAL_S3_ACCESS_KEY_ID and "
            "COMMENSAL_S3_SECRET_ACCESS_KEY in the environment."
        )
    prefix = parts.path.strip("/")
    if not _BUCKET.fullmatch(parts.netloc) or (prefix and not _PREFIX.fullmatch(prefix)):
        raise SetupError(f"{address!r} has no valid bucket or prefix. {_HELP}")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    unknown = set(options) - {"endpoint", "region"}
    if unknown:
        raise SetupError(f"{address!r} has an unknown option {sorted(unknown)[0]}. {_HELP}")
    return parts.netloc, prefix, options


def parse_s3(address: str, environment: Mapping[str, str]) -> S3Place:
    """Read an address, and the credentials from the environment: never from the address.

    ``COMMENSAL_S3_ACCESS_KEY_ID``, ``COMMENSAL_S3_SECRET_ACCESS_KEY`` and ``COMMENSAL_S3_SESSION_TOKEN`` come
    before the usual ``AWS_…`` names. Raises SetupError.
    """
    bucket, prefix, options = check_s3(address)
    endpoint = options.get("endpoint", "").rstrip("/") or environment.get("AWS_ENDPOINT_URL_S3", "").rstrip("/") or None
    if endpoint is not None and urlsplit(endpoint).scheme not in ("http", "https"):
        raise SetupError(f"The endpoint {endpoint!r} of the S3 address is no http or https address. {_HELP}")

    def secret(name: str) -> str | None:
        return environment.get(f"COMMENSAL_S3_{name}") or environment.get(f"AWS_{name}") or None

    access_key, secret_key = secret("ACCESS_KEY_ID"), secret("SECRET_ACCESS_KEY")
    if access_key is None or secret_key is None:
        raise SetupError(
            "The S3 store needs credentials: set COMMENSAL_S3_ACCESS_KEY_ID and COMMENSAL_S3_SECRET_ACCESS_KEY "
            "(or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY) in the environment."
        )
    region = options.get("region") or environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION")
    return S3Place(
        bucket=bucket,
        prefix=prefix,
        endpoint=endpoint,
        region=region or "us-east-1",
        access_key=access_key,
        secret_key=secret_key,
        session_token=secret("SESSION_TOKEN"),
    )
