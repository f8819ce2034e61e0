"""Several texts as one gzipped tar archive."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping

__all__ = ["tar_gz"]


def tar_gz(files: Mapping[str, str]) -> bytes:
    """Return the archive of these files (name to text); the same files give the same bytes."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz", compresslevel=6) as archive:
        for name, text in files.items():
            data = text.encode()
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            entry.mode = 0o644
            archive.addfile(entry, io.BytesIO(data))
    return out.getvalue()
