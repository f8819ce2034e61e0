"""Words of full-text search: how text is folded and cut, here and in the database alike.

The database has no extension for it and its locale is not known, so both sides use the tables of this module;
``storage.postgres`` makes its SQL functions from them. A change here needs a migration that makes those anew.
"""

from __future__ import annotations

import hashlib
import re

__all__ = ["LOWER_FROM", "LOWER_TO", "SEPARATORS", "SHORT_BYTES", "SHORT_KEPT", "fold", "short", "words"]

#: Latin, Greek, Cyrillic: letters whose lower case is one letter, too.
_CASED = (range(0x41, 0x5B), range(0xC0, 0x250), range(0x370, 0x530), range(0x1E00, 0x1F00))
_PAIRS = [
    (chr(code), chr(code).lower())
    for codes in _CASED
    for code in codes
    if len(chr(code).lower()) == 1 and chr(code).lower() != chr(code)
]
LOWER_FROM = "".join(upper for upper, _ in _PAIRS)
LOWER_TO = "".join(lower for _, lower in _PAIRS)
_LOWER = str.maketrans(LOWER_FROM, LOWER_TO)

#: Inside of a bracket expression, the same for Python and PostgreSQL: what stands between words.
SEPARATORS = (
    r"\u0001-\u002F\u003A-\u0040\u005B-\u0060\u007B-\u00A9\u00AB-\u00B1\u00B4\u00B6-\u00B8\u00BB\u00BF\u00D7\u00F7"
    r"\u2000-\u206F\u3000-\u303F"
)
_SPLIT = re.compile(f"[{SEPARATORS}\0]+")

#: Longer texts than this many bytes (UTF-8) are indexed by their first characters and their MD5.
SHORT_BYTES = 400
SHORT_KEPT = 100


def fold(text: str) -> str:
    """Return text as it is compared: without case."""
    return text.translate(_LOWER)


def words(text: str) -> list[str]:
    """Return the words of a text, folded, in order: what lies between spaces and marks."""
    return [word for word in _SPLIT.split(fold(text)) if word]


def short(text: str) -> str:
    """Return what stands for a text in the index: itself, or of a long one its beginning and digest."""
    data = text.encode("utf-8", "replace")
    if len(data) <= SHORT_BYTES:
        return text
    return f"{text[:SHORT_KEPT]}#{hashlib.md5(data, usedforsecurity=False).hexdigest()}"
