"""Numbers in query strings, and pages."""

from __future__ import annotations

import re
from collections.abc import Mapping

from commensal.errors import Malformed

__all__ = ["page_of", "query_bool", "query_int"]

_TRUE = frozenset({"true", "1", "yes", "on", ""})
_FALSE = frozenset({"false", "0", "no", "off"})


def query_int(
    query: Mapping[str, str], name: str, default: int, *, low: int = 0, high: int = 2**31 - 1, clip: bool = False
) -> int:
    """Return a whole number of the query string; raises Malformed outside ``low`` to ``high`` unless it is clipped."""
    text = query.get(name)
    if text is None:
        return default
    if not re.fullmatch(r"[+-]?[0-9]{1,18}", text):
        raise Malformed(f"{name} must be a whole number, not {text[:40]!r}.", field=name)
    number = int(text)
    if clip:
        return max(low, min(high, number))
    if not low <= number <= high:
        raise Malformed(f"{name} must be from {low} to {high}.", field=name)
    return number


def query_bool(query: Mapping[str, str], name: str, *, default: bool = False) -> bool:
    """Return a yes or no of the query string (``?full``, ``full=1``, ``full=false``)."""
    text = query.get(name)
    if text is None:
        return default
    word = text.lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise Malformed(f"{name} must be true or false, not {text[:40]!r}.", field=name)


def page_of(query: Mapping[str, str], *, limit: int = 100, most: int = 1000) -> tuple[int, int]:
    """Return (offset, limit) of a list."""
    return query_int(query, "offset", 0), query_int(query, "limit", limit, low=1, high=most)
