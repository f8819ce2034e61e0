"""Content-Disposition that carries any name safely (RFC 6266, RFC 8187), and the headers of stored bytes."""

from __future__ import annotations

import re
from urllib.parse import quote

__all__ = ["STORED_BYTES_HEADERS", "content_disposition"]

_UNSAFE = re.compile(r'[^A-Za-z0-9 !#$&()+,.;=@\[\]^_`{}~-]|[;"\\%]')
_SAFE_8187 = "!#$&+-.^_`|~"

#: Whatever is stored, a browser saves it and runs nothing of it.
STORED_BYTES_HEADERS = (
    ("content-security-policy", "sandbox; default-src 'none'"),
    ("x-content-type-options", "nosniff"),
    ("cross-origin-resource-policy", "same-origin"),
)


def content_disposition(name: str, kind: str = "attachment") -> str:
    """Return ``attachment; filename="…"``, with ``filename*`` where the name is more than plain ASCII."""
    name = re.sub(r"[\x00-\x1f\x7f]", "", name.rpartition("/")[2]) or "download"
    plain = _UNSAFE.sub("_", name)
    if plain == name:
        return f'{kind}; filename="{name}"'
    encoded = quote(name.encode("utf-8", "replace"), safe=_SAFE_8187)
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{encoded}"
