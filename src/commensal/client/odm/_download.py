"""A file to the disk: streamed, resumed where it was cut, checked before it gets its name."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx

from commensal.client._progress import Progress, reporter
from commensal.client._transfer import filename_of
from commensal.client.odm.api_client import ApiClient
from commensal.client.odm.exceptions import ApiException, raise_for

__all__ = ["fetch_file"]

_TRIES = 5


class _Cut(Exception):
    pass


def fetch_file(
    client: ApiClient,
    url: str,
    path: Path,
    metadata: Mapping[str, Any],
    progress: Callable[[Progress], None] | bool,  # noqa: FBT001 as users give it
) -> Path:
    """See ``FilesAsUserApi.download``."""
    head = client.checked("HEAD", url)
    name = metadata.get("genestack:name")
    target = path
    if path.is_dir():
        safe = Path(str(name).replace("\\", "/")).name if isinstance(name, str) else ""
        target = path / (safe if safe not in ("", ".", "..") else filename_of(head, "download"))
    size, tag = int(head.headers["content-length"]), head.headers.get("etag", "")
    part, note = target.with_name(target.name + ".part"), target.with_name(target.name + ".part.etag")
    if not (part.exists() and tag and note.exists() and note.read_text() == tag and part.stat().st_size <= size):
        part.write_bytes(b"")
        note.write_text(tag)
    report, end = reporter(progress)
    try:
        for attempt in range(1, _TRIES + 1):
            before = part.stat().st_size
            try:
                _continue(client, url, part, size, tag, report)
                break
            except _Cut as error:
                if attempt == _TRIES and part.stat().st_size == before:
                    raise ApiException(0, f"The transfer broke again and again: {error}") from error
                time.sleep(0.25 * attempt)
        if part.stat().st_size != size:
            raise ApiException(
                0, f"The transfer stopped at {part.stat().st_size:,} of {size:,} bytes; call again to go on."
            )
        _check(part, metadata, tag)
    finally:
        end()
    part.replace(target)
    note.unlink(missing_ok=True)
    return target


def _continue(
    client: ApiClient, url: str, part: Path, size: int, tag: str, report: Callable[[Progress], None] | None
) -> None:
    done = part.stat().st_size
    if done == size:
        return
    headers = {"Accept": "application/octet-stream"}
    if done:
        headers |= {"Range": f"bytes={done}-", "If-Range": tag}
    with client.stream("GET", url, headers=headers) as response:
        if not response.is_success:
            response.read()
            raise_for(response)
        if response.status_code == 200:
            done = 0
        if response.headers.get("etag", "") != tag:
            raise ApiException(0, "The file was replaced on the server during the transfer; call again.")
        try:
            with part.open("r+b") as file:
                file.seek(done)
                file.truncate()
                for block in response.iter_raw():  # as it comes: what came before a cut is kept
                    file.write(block)
                    done += len(block)
                    if report is not None:
                        report(Progress("bytes", done, size))
        except httpx.TransportError as error:
            raise _Cut(str(error) or type(error).__name__) from error
    if done < size:
        raise _Cut(f"only {done:,} of {size:,} bytes came")


def _check(part: Path, metadata: Mapping[str, Any], tag: str) -> None:
    """Compare with the MD5 that our servers tell, and with an ETag that is a SHA-256; drop what is wrong."""
    digest = tag.strip('"')
    wanted = {"md5": metadata.get("commensal:md5"), "sha256": digest if len(digest) == 64 else None}
    for kind, value in wanted.items():
        if not isinstance(value, str):
            continue
        with part.open("rb") as file:
            found = hashlib.file_digest(file, kind).hexdigest()
        if found != value.lower():
            part.unlink()
            raise ApiException(0, f"The {kind} of what came is {found}, not {value}: it was thrown away, call again.")
