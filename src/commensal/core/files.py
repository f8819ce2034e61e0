"""Files as values: bytes with a path in a project.

Source: design hub, "file": the path is unique in its project; it is the name in a workspace's tree and
the key in an object store. Attributes are those of the record that names the file, else ``extra``.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from commensal.errors import Invalid

__all__ = ["PATH_BYTES", "File", "FileState", "check_media_type", "check_path"]

PATH_BYTES = 1024
#: The state of a file whose bytes are here and checked.
STORED = "stored"
FileState = str


@dataclass(frozen=True, slots=True)
class File:
    """One file. ``size`` in bytes; ``md5`` and ``sha256`` as hex text; ``blob`` is the store's key.

    ``private``: it belongs to a private result or its field, and is there for those alone who read by a grant.
    """

    seq: int
    uuid: UUID
    project: int
    path: str
    name: str
    size: int | None
    md5: str | None
    sha256: str | None
    media_type: str
    state: FileState
    blob: str | None
    record: int | None
    made_by: int | None
    change: int
    created: datetime
    updated: datetime
    extra: Any = field(default=None)
    private: bool = False


def check_path(path: str) -> str:
    """Return the path if a file may have it, else raise Invalid.

    A path has segments between slashes, none of them empty, ``.`` or ``..``; no control characters, no
    lone surrogates; at most 1,024 bytes in UTF-8.
    """
    shown = path if len(path) <= 80 else path[:77] + "..."
    problem = None
    if not path:
        problem = "must not be empty"
    elif any(unicodedata.category(c) in ("Cc", "Cs") for c in path):
        problem = "must not contain control characters or broken text"
    elif len(path.encode()) > PATH_BYTES:
        problem = f"must have at most {PATH_BYTES} bytes"
    elif any(segment in ("", ".", "..") for segment in path.split("/")):
        problem = "must not begin or end with /, nor contain //, a . or a .. segment"
    if problem is not None:
        raise Invalid(f"The file path {shown!r} {problem}.", field="path")
    return path


def check_media_type(text: str) -> str:
    """Return a media type that is safe to send back; anything that is none becomes a stream of octets."""
    kind, slash, rest = text.partition(";")[0].strip().partition("/")
    marks = "!#$&^_.+-"
    good = slash and all(
        part and all(c.isascii() and (c.isalnum() or c in marks) for c in part) for part in (kind, rest)
    )
    if not good or len(text) > 200 or not text.isascii() or not text.isprintable():
        return "application/octet-stream"
    return text.strip()
