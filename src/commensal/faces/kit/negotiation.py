"""Which media type a client wants (RFC 9110, 12.5.1)."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["prefer"]


def _entries(header: str) -> list[tuple[str, float]]:
    found: list[tuple[str, float]] = []
    for part in header.split(",")[:50]:
        media, *parameters = (piece.strip().lower() for piece in part.split(";"))
        weight = 1.0
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            if name.strip() == "q":
                try:
                    weight = min(1.0, max(0.0, float(value)))
                except ValueError:
                    weight = 0.0
        if media:
            found.append((media, weight))
    return found


def prefer(accept: str | None, offered: Sequence[str]) -> str | None:
    """Return the offered media type that an Accept header likes best, the earlier one in a tie.

    Without a header the first is returned; None when the header refuses all of them.
    """
    if not accept or not accept.strip():
        return offered[0] if offered else None
    entries = _entries(accept)
    best: str | None = None
    best_weight = 0.0
    for media in offered:
        kind = media.partition(";")[0].strip().lower()
        main = kind.partition("/")[0]
        weight = 0.0
        for pattern in (kind, f"{main}/*", "*/*"):
            matching = [q for name, q in entries if name == pattern]
            if matching:
                weight = max(matching)
                break
        if weight > best_weight:
            best, best_weight = media, weight
    return best
