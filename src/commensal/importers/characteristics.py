"""From the free text of a GEO sample to keys and values.

Samples are described by ``characteristics`` lines (``key: value``) or, in old series, by sentences of
``key = value`` pieces. Nothing here guesses: text that has no such shape stays text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

__all__ = ["Characteristics", "characteristics", "fold", "from_description", "number"]

Characteristics = dict[str, Any]
"""Key as the submitter spelled it → text, number, or a list of these when the key was repeated."""

MAX_KEY = 80
"""Longest key taken as one; longer text before a separator is a sentence."""

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,15})?(?:e[+-][0-9]{1,3})?\Z", re.IGNORECASE | re.ASCII)
_PIECE = re.compile(r"([^=]*?)\s*=\s*(.*)\Z", re.DOTALL)


def number(text: str) -> int | float | str:
    """The number that a text is, or the text itself.

    A number is written as JSON writes one, with at most 15 digits, so that nothing is lost:
    ``70`` and ``7.09`` are, ``007``, ``+5``, ``.5``, ``1_000``, ``0x1F``, ``nan`` and ``inf`` are not. An exponent
    needs its sign (``1.2e-05`` is a p-value; ``1e3`` as well be the name of a well or a clone) and must
    stay finite and distinguishable from zero.
    """
    if not _NUMBER.match(text):
        return text
    if text.lstrip("-").isdigit():
        return text if text == "-0" else int(text)
    digits = re.split("[eE]", text)[0].lstrip("-").replace(".", "").lstrip("0")
    value = float(text)
    if len(digits) > 15 or value in (float("inf"), float("-inf")) or (value == 0 and digits):
        return text
    return value


def fold(key: str) -> str:
    """A key without case and punctuation, words joined by ``_``: ``Cell Type`` → ``cell_type``."""
    return re.sub(r"[\W_]+", "_", key.strip().lower()).strip("_")


def characteristics(lines: Iterable[str]) -> Characteristics:
    """``key: value`` lines as a mapping; a line without a key is kept under ``characteristics``."""
    pairs: list[tuple[str, str]] = []
    for line in lines:
        key, colon, value = line.partition(":")
        key, value = key.strip(), value.strip()
        if not colon or not key or len(key) > MAX_KEY or value.startswith("//"):
            pairs.append(("characteristics", line.strip()))
        else:
            pairs.append((key, value))
    return _merge(pairs)


def from_description(lines: Iterable[str]) -> tuple[Characteristics, str | None]:
    """The ``key = value`` pieces of description lines, cut at ``;``, and the text of all other pieces.

    Pieces without ``=`` (``Right Kidney``) stay text, joined by ``; `` within a line and by line ends
    between lines. A full stop that ends a line is not part of a number before it.
    """
    pairs: list[tuple[str, str]] = []
    rest: list[str] = []
    for line in lines:
        pieces = [piece.strip() for piece in line.split(";")]
        while pieces and not pieces[-1]:
            pieces.pop()
        bare: list[str] = []
        for place, piece in enumerate(pieces):
            pair = _pair(piece)
            if pair is None:
                if piece:
                    bare.append(piece)
                continue
            key, value = pair
            if place == len(pieces) - 1 and value.endswith(".") and not isinstance(number(value[:-1]), str):
                value = value[:-1]
            pairs.append((key, value))
        if bare:
            rest.append("; ".join(bare))
    return _merge(pairs), "\n".join(rest) or None


def _pair(piece: str) -> tuple[str, str] | None:
    """Key and value of a piece, unless the ``=`` belongs to a sentence, a formula or an address."""
    match = _PIECE.match(piece)
    if match is None:
        return None
    key, value = match[1].strip(), match[2].strip()
    sentence = not key or len(key) > MAX_KEY or "://" in key or ". " in key or key.count("(") != key.count(")")
    if sentence or not value or key[-1] in "<>!~:" or value[0] == "=":
        return None
    return key, value


def _merge(pairs: Iterable[tuple[str, str]]) -> Characteristics:
    """Numbers as numbers; a key that comes again makes a list, in file order."""
    found: dict[str, list[Any]] = {}
    for key, value in pairs:
        found.setdefault(key, []).append(number(value))
    return {key: values[0] if len(values) == 1 else values for key, values in found.items()}
