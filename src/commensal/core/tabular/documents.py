"""Bodies of submissions to documents (contracts/gen3.md 4.2, 4.4): JSON here, tables in ``tables``.

Whatever is wrong with the text itself is a ``Malformed`` with the sentence that Gen3 clients know; what is wrong with
a document is found later, and named by entity.
"""

from __future__ import annotations

import json
import math
from typing import Any

import msgspec

from commensal.core.dictionary import Dictionary
from commensal.core.tabular.tables import parse_table
from commensal.errors import Malformed, TooLarge

__all__ = ["FORMATS", "JSON_DEPTH", "document_format", "parse_documents", "parse_json", "text_of"]

#: Deepest nesting of arrays and objects that is taken.
JSON_DEPTH = 100
#: Formats by the names that the log and bulk documents use.
FORMATS = ("json", "tsv", "csv")
_MEDIA = {"text/csv": "csv", "text/tab-separated-values": "tsv", "text/tsv": "tsv"}
#: More entities than this in one request are refused.
MOST_DOCUMENTS = 200_000


def document_format(content_type: str | None) -> str:
    """Return the format that a Content-Type announces: everything but tables is JSON; parameters are ignored."""
    return _MEDIA.get((content_type or "").partition(";")[0].strip().lower(), "json")


def text_of(data: bytes, doc_format: str) -> str:
    """Return a body as text; raises Malformed for anything but UTF-8."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        kind = "json" if doc_format == "json" else "document"
        if data[:2] == b"\x1f\x8b":
            raise Malformed(f"Unable to parse {kind}: it is compressed (gzip); send it as plain text.") from None
        raise Malformed(
            f"Unable to parse {kind}: it is no UTF-8 text, byte {error.start + 1} cannot be read."
        ) from None
    return text


def parse_documents(data: bytes, doc_format: str, dictionary: Dictionary) -> list[Any]:
    """Return the documents of a body, in order."""
    if doc_format == "json":
        parsed = parse_json(data)
        documents: list[Any] = [parsed] if isinstance(parsed, dict) else parsed
        if not isinstance(parsed, dict | list):
            raise Malformed(f"JSON parsed from request is an invalid type: {type(parsed).__name__}")
    else:
        documents = parse_table(text_of(data, doc_format), doc_format, dictionary)
    if len(documents) > MOST_DOCUMENTS:
        raise TooLarge(f"The request holds {len(documents):,} records; send at most {MOST_DOCUMENTS:,} at a time.")
    return documents


def parse_json(data: bytes) -> Any:
    """Return the value of a JSON text (RFC 8259); no key may stand twice in one object.

    The fast reader takes what is right; all it refuses is read again by the one whose sentences clients know.
    """
    if data[:3] == b"\xef\xbb\xbf":
        data = data[3:]
    if b"\\u0022" not in data:
        try:
            value = msgspec.json.decode(data)
            # A key that stands twice is lost in reading, and its quotes with it.
            if msgspec.json.encode(value).count(b'"') == data.count(b'"'):
                return value
        except (msgspec.DecodeError, UnicodeError, RecursionError, ValueError):
            pass
    return _parse_slowly(text_of(data, "json"))


def _parse_slowly(text: str) -> Any:
    try:
        return json.loads(
            text,
            object_pairs_hook=_unique,
            parse_constant=_no_constant,
            parse_float=_finite,
            parse_int=_whole,
        )
    except RecursionError:
        raise TooLarge(f"Unable to parse json: it is nested more than {JSON_DEPTH} levels deep.") from None
    except json.JSONDecodeError as error:
        raise Malformed(f"Unable to parse json: {error}") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))
        raise Malformed(f"Unable to parse json: duplicate keys: {twice[:200]}")
    return made


def _no_constant(name: str) -> Any:
    raise Malformed(f"Unable to parse json: {name} is no JSON value.")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise Malformed(f"Unable to parse json: the number {text[:60]} is too large.")
    return value


def _whole(text: str) -> int:
    if len(text) > 300:
        raise Malformed(f"Unable to parse json: a number of {len(text)} digits is too long.")
    return int(text)
