"""Requests and answers of ``/user/data`` as values; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import quote

from commensal.errors import BadRequest, CommensalError, Malformed, TooLarge

__all__ = [
    "LONGEST",
    "MOST",
    "by_status",
    "file_name_of",
    "id_list",
    "location",
    "parts_of",
    "seconds_of",
    "text_of",
    "texts_of",
]

#: Longest life of an address in seconds, and the usual one.
LONGEST = 3600
#: Most GUIDs of one request.
MOST = 1_000
_NAME = 1_024


def location(url: str) -> str:
    """Return an address as it may stand in a header."""
    return quote(url, safe="!#$%&'()*+,/:;=?@[]~")


def seconds_of(value: object) -> int:
    """Return how long an address shall be good; longer than an hour is an hour. Raises BadRequest."""
    if value is None:
        return LONGEST
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    if not (text.isascii() and text.isdigit() and int(text[:12]) > 0):
        raise BadRequest(f"expires_in must be a positive number of seconds, not {str(value)[:40]!r}.")
    return min(LONGEST, int(text[:12]))


def text_of(given: Mapping[str, Any], name: str) -> str:
    """Return a text that must be there."""
    value = given.get(name)
    if not isinstance(value, str) or not value:
        raise BadRequest(f"missing required argument `{name}`" if value is None else f"`{name}` must be a text.")
    return value


def file_name_of(given: Mapping[str, Any]) -> str:
    """Return the name of the file to come."""
    name = text_of(given, "file_name")
    if len(name.encode("utf-8", "replace")) > _NAME:
        raise BadRequest(f"`file_name` must have at most {_NAME:,} bytes.")
    return name


def texts_of(given: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """Return a list of texts; absent or null is none."""
    value = given.get(name)
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(one, str) for one in cast("list[object]", value)):
        raise BadRequest(f"`{name}` must be a list of texts.")
    return tuple(cast("list[str]", value))


def id_list(value: object, name: str) -> list[str]:
    """Return ids as they were sent, at most ``MOST``; raises Malformed, TooLarge."""
    if not isinstance(value, list) or not all(isinstance(one, str) for one in cast("list[object]", value)):
        raise Malformed(f"`{name}` must be a list of texts.")
    ids = cast("list[str]", value)
    if len(ids) > MOST:
        raise TooLarge(f"Request too large: {len(ids):,} objects requested, maximum is {MOST:,}.")
    return ids


def parts_of(value: object) -> list[tuple[int, str]]:
    """Return (number, ETag) of each part that ends a multipart upload."""
    if not isinstance(value, list):
        raise BadRequest("`parts` must be a list of objects with PartNumber and ETag.")
    parts: list[tuple[int, str]] = []
    for one in cast("list[object]", value):
        part = cast("dict[str, object]", one) if isinstance(one, dict) else {}
        number, etag = part.get("PartNumber"), part.get("ETag", part.get("Etag"))
        if not isinstance(number, int) or isinstance(number, bool) or not isinstance(etag, str):
            raise BadRequest("Each of `parts` must have PartNumber, a whole number, and ETag, a text.")
        parts.append((number, etag))
    return parts


def by_status(answers: Mapping[str, str | CommensalError], status: Mapping[int, int]) -> dict[int, list[str]]:
    """Return the ids that failed, by status; ``status`` replaces some."""
    failed: dict[int, list[str]] = {}
    for guid, answer in answers.items():
        if not isinstance(answer, str):
            failed.setdefault(status.get(answer.status, answer.status), []).append(guid)
    return failed
