"""Values as texts of a table."""

from __future__ import annotations

from typing import Any, cast

import msgspec

__all__ = ["cell_text"]


def cell_text(value: Any) -> str:
    """Return the text of a value: nothing for null, ``True``/``False``, lists joined by commas (else JSON)."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        items = cast("list[Any]", value)
        texts = [cell_text(item) for item in items]
        plain = all("," not in text and text == text.strip() for text in texts) and texts != [""]
        if not plain or (texts and texts[0].startswith("[")):
            # Cut at its commas, this would be another list: so it is written as JSON, which is read back.
            return msgspec.json.encode(items).decode()
        return ",".join(texts)
    if isinstance(value, dict):
        return msgspec.json.encode(value).decode()
    return str(value)
