"""File names for fields, as scripts of this door expect them. Source: contract pangea.md a6."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

__all__ = ["blob_filename", "file_name_of", "referenced_filename"]

_COMPRESSED = (".gz", ".bz2", ".xz", ".zst", ".zip")


def _stem(owner: str, module: str, field: str) -> str:
    parts = ".".join(part.replace(".", "-") for part in (owner, module, field))
    return f"{owner}/{parts}".replace("::", "__")


def blob_filename(owner: str, module: str, field: str) -> str:
    """Return ``<owner>/<owner>.<module>.<field>.json``; points in the parts become dashes, ``::`` becomes ``__``."""
    return f"{_stem(owner, module, field)}.json"


def file_name_of(stored: Any) -> str:
    """Return the name of the file that a field's data points to; raises TypeError where it is no file."""
    for key in ("filename", "uri", "url"):
        value = stored.get(key) if isinstance(stored, dict) else None
        if isinstance(value, str) and value:
            return unquote(PurePosixPath(urlsplit(value).path).name) if "://" in value else PurePosixPath(value).name
    raise TypeError("This field holds data and no file.")


def referenced_filename(owner: str, module: str, field: str, stored: Any) -> str:
    """Return the same with the extension of the file; ``.fastq.gz`` keeps both parts."""
    name = PurePosixPath(file_name_of(stored))
    end = name.suffix
    if end.lower() in _COMPRESSED:
        end = PurePosixPath(name.stem).suffix + end
    return f"{_stem(owner, module, field)}{end}"
