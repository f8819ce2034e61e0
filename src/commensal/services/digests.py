"""Digests of stored bytes: read back from the store in flat memory."""

from __future__ import annotations

import re

from commensal.core.digesting import Digesting
from commensal.errors import Invalid
from commensal.storage.ports.blobs import Blobs, Stored

__all__ = ["digests", "hex_digest"]


async def digests(blobs: Blobs, key: str) -> Stored:
    """Read stored bytes and return their size, MD5 and SHA-256. Raises NotFound, Unavailable."""
    digesting = Digesting()
    async for block in blobs.get(key):
        await digesting.add(block)
    md5, sha256 = await digesting.digests()
    return Stored(key, digesting.size, md5, sha256)


def hex_digest(text: str | None, name: str, digits: int) -> str | None:
    """Return a digest in lower case; raises Invalid when it is none."""
    if text is None:
        return None
    if not re.fullmatch(rf"[0-9a-fA-F]{{{digits}}}", text):
        raise Invalid(f"A {name} has {digits} hex digits.", field=name)
    return text.lower()
