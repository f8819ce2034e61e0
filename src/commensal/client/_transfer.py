"""Downloads to files: streamed, begun again when the connection breaks, and only whole files get the name."""

from __future__ import annotations

import os
import re
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx

from commensal.client._http import Connection
from commensal.client._progress import Progress
from commensal.errors import SetupError, Unavailable

__all__ = ["download", "filename_of"]

_TRIES = 3


def filename_of(response: httpx.Response, default: str) -> str:
    """Return the name that an answer gives its file (RFC 6266), without any folder."""
    found = re.search(r'filename="?([^";]+)"?', response.headers.get("content-disposition", ""))
    name = Path(found.group(1).strip().replace("\\", "/")).name if found else ""
    return name if name not in ("", ".", "..") else default


def download(
    connection: Connection,
    method: str,
    url: str,
    *,
    params: Mapping[str, str] | None,
    json: Any,
    path: Path,
    default_name: str,
    report: Callable[[Progress], None] | None,
) -> Path:
    """Write an answer to ``path`` (a folder: to the server's name for it in there); returns the file.

    An existing file is replaced when the whole answer is there, and not before.
    """
    for attempt in range(1, _TRIES + 1):
        try:
            return _download(connection, method, url, params, json, path, default_name, report)
        except Unavailable:
            if attempt == _TRIES:
                raise
            time.sleep(0.25 * attempt)
    raise AssertionError


def _download(
    connection: Connection,
    method: str,
    url: str,
    params: Mapping[str, str] | None,
    json: Any,
    path: Path,
    default_name: str,
    report: Callable[[Progress], None] | None,
) -> Path:
    with connection.stream(method, url, params=params, json=json) as response:
        target = path / filename_of(response, default_name) if path.is_dir() else path
        length = response.headers.get("content-length") if "content-encoding" not in response.headers else None
        total = int(length) if length is not None and length.isdigit() else None
        try:
            handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".part")
        except OSError as error:
            raise SetupError(f"{target} cannot be written: {error.strerror or error}.") from None
        part = Path(name)
        try:
            done = 0
            with os.fdopen(handle, "wb") as file:
                for block in response.iter_bytes(1 << 18):
                    file.write(block)
                    done += len(block)
                    if report is not None:
                        report(Progress("bytes", done, total))
            _usual_mode(part)
            part.replace(target)
        except OSError as error:
            raise SetupError(f"{target} cannot be written: {error.strerror or error}.") from None
        finally:
            part.unlink(missing_ok=True)
    return target


def _usual_mode(part: Path) -> None:
    """Give the file the rights that a file made by ``open`` has; temporary ones are for their maker alone."""
    mask = os.umask(0)
    os.umask(mask)
    part.chmod(0o666 & ~mask)
