"""Request bodies: read with limits, decoded strictly."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec

from commensal.core.dictionary import Dictionary
from commensal.core.tabular.documents import JSON_DEPTH, parse_documents
from commensal.errors import Malformed, TooLarge
from commensal.faces.kit.request import Request

__all__ = [
    "JSON_DEPTH",
    "decode_json",
    "read_bytes",
    "read_documents",
    "read_form",
    "read_json",
    "read_struct",
    "read_text",
    "stream",
]

T = TypeVar("T")
#: Bodies longer than this are read beside the event loop (bytes).
_LONG = 500_000


async def stream(request: Request) -> AsyncIterator[bytes]:
    """Yield the body as it comes; the route's ``body_limit`` and the pause limit apply."""
    async for chunk in request.stream():
        if chunk:
            yield chunk


async def read_bytes(request: Request, limit: int | None = None) -> bytes:
    """Return the whole body; raises TooLarge beyond ``limit`` bytes (the route's own limit applies anyway)."""
    parts: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if limit is not None and size > limit:
            raise TooLarge(f"The body is longer than the {limit:,} bytes that are taken here.")
        parts.append(chunk)
    return b"".join(parts)


async def read_text(request: Request, limit: int | None = None) -> str:
    """Return the whole body as UTF-8 text (a byte order mark is dropped); raises Malformed for other encodings."""
    return _text(await read_bytes(request, limit))


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Malformed(f"The body is no UTF-8 text: byte {error.start + 1} cannot be read.") from None


def _check_depth(data: bytes) -> None:
    """Refuse deep nesting before a parser meets it; brackets inside strings do not count."""
    if data.count(b"[") + data.count(b"{") <= JSON_DEPTH:
        return
    depth = 0
    inside = False
    skip = False
    for byte in data:
        if inside:
            if skip:
                skip = False
            elif byte == 0x5C:
                skip = True
            elif byte == 0x22:
                inside = False
        elif byte == 0x22:
            inside = True
        elif byte in (0x5B, 0x7B):
            depth += 1
            if depth > JSON_DEPTH:
                raise TooLarge(f"The JSON is nested more than {JSON_DEPTH} levels deep.")
        elif byte in (0x5D, 0x7D):
            depth -= 1


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise Malformed(f"The key {key!r} stands twice in one JSON object.", field=key)
            seen.add(key)
    return made


def decode_json(data: bytes, *, unique_keys: bool = False) -> Any:
    """Decode JSON (RFC 8259) in UTF-8; integers keep all their digits.

    ``unique_keys`` refuses objects that have a key twice (else the last one counts). Raises Malformed,
    with the place where the text breaks, and TooLarge for deep nesting.
    """
    if not data.strip():
        raise Malformed("The body is empty; JSON was expected.")
    try:
        # The decoder has a recursion limit of its own, so the slow count is for its refusals only.
        if unique_keys:
            _check_depth(data)
            return json.loads(_text(data), object_pairs_hook=_no_duplicates, parse_constant=_no_constant)
        return msgspec.json.decode(data)
    except RecursionError:
        raise TooLarge(f"The JSON is nested more than {JSON_DEPTH} levels deep.") from None
    except msgspec.DecodeError as error:
        raise Malformed(f"The body is no valid JSON: {error}") from None
    except json.JSONDecodeError as error:
        raise Malformed(
            f"The body is no valid JSON: {error.msg} (line {error.lineno}, column {error.colno})."
        ) from None
    except (UnicodeDecodeError, ValueError) as error:
        raise Malformed(f"The body is no valid JSON: {error}") from None


def _no_constant(name: str) -> Any:
    raise Malformed(f"{name} is no JSON value.")


async def read_json(request: Request, *, limit: int | None = None, unique_keys: bool = False) -> Any:
    """Read and decode a JSON body."""
    return decode_json(await read_bytes(request, limit), unique_keys=unique_keys)


async def read_struct(request: Request, shape: type[T], *, limit: int | None = None) -> T:
    """Read a JSON body of a declared shape; raises Malformed that names the place and what was expected there."""
    data = await read_bytes(request, limit)
    try:
        return msgspec.json.decode(data or b"{}", type=shape)
    except RecursionError:
        raise TooLarge(f"The JSON is nested more than {JSON_DEPTH} levels deep.") from None
    except (msgspec.ValidationError, msgspec.DecodeError, ValueError) as error:
        raise Malformed(f"The body cannot be understood: {error}") from None


async def read_form(request: Request, *, limit: int = 1_000_000) -> dict[str, str]:
    """Read a form (``application/x-www-form-urlencoded``); of a repeated field the last value counts."""
    data = await read_bytes(request, limit)
    try:
        return dict(parse_qsl(data.decode("ascii"), keep_blank_values=True, strict_parsing=bool(data), errors="strict"))
    except (ValueError, UnicodeDecodeError):
        raise Malformed("The form cannot be read.") from None


async def read_documents(data: bytes, doc_format: str, dictionary: Dictionary) -> list[Any]:
    """Return the documents of a submitted body (``parse_documents``) without holding other requests up."""
    if len(data) <= _LONG:
        return parse_documents(data, doc_format, dictionary)
    return await asyncio.to_thread(parse_documents, data, doc_format, dictionary)
