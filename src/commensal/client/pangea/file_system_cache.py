"""Objects remembered on the disk.

Source: the document's ``FileSystemCache``; contract pangea.md a5. Unlike the published client's, an entry belongs to
one server and one user, appears whole or not at all, and ends exactly after ``timeout`` seconds.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

__all__ = ["FileSystemCache"]

_FOLDER = "PANGEA_API_CACHE_DIR"
_SWITCH = "USE_PANGEA_CACHE"


class FileSystemCache:
    """Remembers JSON values for ``timeout`` seconds, by the ``pre_hash()`` of an object or by a string.

    The folder is ``.pangea_api_cache/v1`` below PANGEA_API_CACHE_DIR or the working directory;
    USE_PANGEA_CACHE=false switches it off. Several processes may share it. A folder that cannot be written is no
    error: nothing is remembered then.
    """

    def __init__(self, timeout: float = 10800) -> None:
        self.timeout = timeout

    @property
    def folder(self) -> Path:
        """Where the files are."""
        return Path(os.environ.get(_FOLDER) or ".") / ".pangea_api_cache" / "v1"

    @property
    def on(self) -> bool:
        """Whether anything is remembered."""
        return "false" not in os.environ.get(_SWITCH, "").lower()

    def _path(self, obj: Any) -> Path:
        if isinstance(obj, str):
            key = obj
        else:
            knex = getattr(obj, "knex", None)
            key = f"{getattr(knex, 'identity', '')} {obj.pre_hash()}"
        return self.folder / f"pangea_api_cache__{sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()}.json"

    def get_cached_blob_filepath(self, obj: Any) -> tuple[str, bool]:
        """Return where the value of an object is or would be, and whether there is a fresh one."""
        path = self._path(obj)
        try:
            age = time.time() - path.stat().st_mtime
        except OSError:
            return str(path), False
        if 0 <= age < self.timeout:
            return str(path), True
        with contextlib.suppress(OSError):
            path.unlink()
        return str(path), False

    def get_cached_blob(self, obj: Any) -> Any:
        """Return the remembered value; None where there is no fresh one."""
        if not self.on:
            return None
        path, fresh = self.get_cached_blob_filepath(obj)
        if not fresh:
            return None
        try:
            return json.loads(Path(path).read_bytes())
        except (OSError, ValueError):
            return None

    def cache_blob(self, obj: Any, blob: Any) -> None:
        """Remember a JSON value in place of an older one."""
        if not self.on:
            return
        path = self._path(obj)
        text = json.dumps(blob)
        with contextlib.suppress(OSError):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as file:
                    file.write(text)
                Path(name).replace(path)
            except BaseException:
                Path(name).unlink(missing_ok=True)
                raise

    def clear_blob(self, obj: Any) -> None:
        """Forget the value of an object."""
        with contextlib.suppress(OSError):
            self._path(obj).unlink()
