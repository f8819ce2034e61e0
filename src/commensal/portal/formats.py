"""How values are shown to people: dates, sizes, numbers, and whatever a record's metadata holds."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any

from markupsafe import Markup

__all__ = ["as_text", "initials", "iso", "local", "number", "plural", "size", "ticks", "utc"]

_UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB")


def local(moment: datetime, zone: tzinfo) -> str:
    """Return a moment in the site's time zone, to the minute."""
    return moment.astimezone(zone).strftime("%Y-%m-%d %H:%M")


def utc(moment: datetime) -> str:
    """Return a moment in UTC, to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def iso(moment: datetime) -> str:
    """Return a moment for programs (RFC 3339)."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def number(value: float | None) -> str:
    """Return a count with thousands separators; ``fewer than shown`` counts are None and become an ellipsis."""
    return "…" if value is None else f"{value:,}"


def plural(value: int | None, one: str, many: str = "") -> str:
    """Return a count with its noun (``1 record``, ``2 records``)."""
    return f"{number(value)} {one if value == 1 else many or one + 's'}"


def size(value: int | None) -> str:
    """Return a number of bytes in decimal units (``3.1 MB``)."""
    if value is None:
        return "unknown"
    if value < 1000:
        return plural(value, "byte")
    power = min(int(math.log10(value) // 3), len(_UNITS) - 1)
    if power < len(_UNITS) - 1 and value / 1000**power >= 999.5:
        power += 1
    scaled = value / 1000**power
    return f"{scaled:.3g} {_UNITS[power]}" if scaled < 999.5 else f"{scaled:.0f} {_UNITS[power]}"


def initials(name: str) -> str:
    """Return one or two letters that stand for a person."""
    words = [word for word in name.split("@")[0].replace(".", " ").replace("-", " ").split() if word]
    return "".join(word[0] for word in (words[:1] + words[1:][-1:])).upper() or "?"


def ticks(text: str) -> Markup:
    """Return a text for HTML, with what stands between backticks as code."""
    parts = re.split(r"`([^`]+)`", text)
    return Markup("").join(Markup("<code>{}</code>").format(part) if at % 2 else part for at, part in enumerate(parts))


def as_text(value: Any) -> str:
    """Return any metadata value as one line of text: lists of plain values with commas, the rest as JSON."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, Mapping):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, Sequence):
        if all(isinstance(one, str | int | float) for one in value):
            return ", ".join(as_text(one) for one in value)
        return json.dumps(list(value), ensure_ascii=False, default=str)
    return str(value)
