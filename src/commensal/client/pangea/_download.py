"""Files of fields to the disk: resumed where they were cut, checked, and named only when whole."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
import time
import urllib.request
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from commensal.client._progress import Progress, reporter
from commensal.client.pangea._names import file_name_of
from commensal.client.pangea.errors import PangeaForbiddenError, TransferError, error_of_status

if TYPE_CHECKING:
    from commensal.client.pangea.analysis_result import AnalysisResultField

__all__ = ["TemporaryCopy", "address_of", "fetch"]

_TRIES = 5
_FIRST_PAUSE = 0.5
_MD5 = re.compile(r"[0-9a-fA-F]{32}", re.ASCII)
_KINDS = ("s3", "http", "https", "ftp", "sra")


class TemporaryCopy:
    """A local copy of a file; one without a name of its own goes with this object."""

    def __init__(self, path: Path, folder: Path | None) -> None:
        self.path = path
        if folder is not None:
            weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)


def address_of(stored: Any) -> str:
    """Return an address of the file that a field's data points to; raises TypeError for anything else."""
    kind = str(stored.get("__type__", "")).lower() if isinstance(stored, dict) else ""
    if kind not in _KINDS:
        raise TypeError("This field holds data and no file that can be downloaded.")
    if kind == "s3":
        if stored.get("presigned_url"):
            return stored["presigned_url"]
        found = stored.get("uri") or stored.get("url")
        if isinstance(found, str) and found.startswith("s3://"):
            endpoint = str(stored.get("endpoint_url") or "").rstrip("/")
            if not endpoint:
                raise TypeError(f"{found} names no server: the field has no endpoint_url.")
            return f"{endpoint}/{found.removeprefix('s3://')}"
    else:
        found = stored.get("url") or stored.get("uri")
    if not isinstance(found, str) or not found:
        raise TypeError("This field names no address of its file.")
    return found


def fetch(
    field: AnalysisResultField,
    filename: str | None,
    *,
    cache: bool,
    progress: Callable[[Progress], None] | bool,
) -> str:
    """See ``AnalysisResultField.download_file``."""
    earlier = field._fetched_file  # noqa: SLF001 one family of classes
    if cache and earlier is not None and earlier.path.exists():
        if filename is None or Path(filename) == earlier.path:
            return str(earlier.path)
        _copy(earlier.path, Path(filename))
        return filename
    address = address_of(field.stored_data)
    folder = None
    if filename is None:
        folder = Path(tempfile.mkdtemp(prefix="commensal-pangea-"))
        target = folder / (_safe_name(field.stored_data) or "file")
    else:
        target = Path(filename)
        target.parent.mkdir(parents=True, exist_ok=True)
    copy = TemporaryCopy(target, folder)
    report, end = reporter(progress)
    try:
        if address.startswith("ftp://"):
            _by_ftp(address, target)
        else:
            _by_http(field, address, target, report)
    finally:
        end()
    if cache:
        field._fetched_file = copy  # noqa: SLF001
    elif folder is not None:
        field._copies.append(copy)  # noqa: SLF001 - goes with the field
    return str(target)


def _safe_name(stored: Any) -> str:
    try:
        name = file_name_of(stored)
    except TypeError:
        return ""
    return name if name not in ("", ".", "..") else ""


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with _partial(target) as part:
        shutil.copyfile(source, part)


def _by_ftp(address: str, target: Path) -> None:
    with _partial(target) as part:
        try:
            with urllib.request.urlopen(address, timeout=600) as source, part.open("wb") as file:  # noqa: S310 ftp only
                shutil.copyfileobj(source, file, 1 << 20)
        except OSError as error:
            raise TransferError(f"{address} cannot be fetched: {error}") from error


@contextmanager
def _partial(target: Path) -> Iterator[Path]:
    """Give an empty file beside the target, of this call alone: it gets the name when all went well, else it goes."""
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=".commensal-", suffix=".part")
    os.close(handle)
    part = Path(name)
    try:
        yield part
        mask = os.umask(0)  # a temporary file is for its maker alone
        os.umask(mask)
        part.chmod(0o666 & ~mask)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


class _Cut(Exception):
    pass


class _Whole:
    """What is known of the file that is fetched: its ETag."""

    def __init__(self) -> None:
        self.tag = ""


def _by_http(field: AnalysisResultField, address: str, target: Path, report: Callable[[Progress], None] | None) -> None:
    whole, renewed, in_vain = _Whole(), False, 0
    with _partial(target) as part:
        while True:
            before = part.stat().st_size
            try:
                _continue(field.knex.http, address, part, whole, report)
                _check(field.stored_data, part)
                return
            except PangeaForbiddenError:
                # A signed address ends: the server gives a new one to who may still read.
                if renewed or not field.uuid:
                    raise
                renewed = True
                address = address_of(field.refresh().stored_data)
            except _Cut as error:
                after = part.stat().st_size
                # As long as more comes each time, a network that breaks is no reason to end.
                in_vain = 0 if after > before else in_vain + 1
                renewed = renewed and after <= before
                if in_vain == _TRIES:
                    raise TransferError(f"The transfer of {_shown(address)} broke again and again: {error}") from error
                time.sleep(_FIRST_PAUSE * (in_vain + 1))


def _continue(
    http: httpx.Client, address: str, part: Path, whole: _Whole, report: Callable[[Progress], None] | None
) -> None:
    """Fetch what is missing."""
    done = part.stat().st_size
    headers = {"Accept-Encoding": "identity"}
    if done and whole.tag:
        headers |= {"Range": f"bytes={done}-", "If-Range": whole.tag}
    try:
        with http.stream("GET", address, headers=headers) as response:
            if not response.is_success:
                response.read()
                if response.status_code in (429, 500, 502, 503, 504):
                    raise _Cut(f"status {response.status_code}")
                kind = error_of_status(response.status_code)
                raise kind(f"{_shown(address)} answered {response.status_code}.", response.status_code)
            if response.status_code != 206:
                done = 0
            length = response.headers.get("content-length", "")
            total = done + int(length) if length.isdigit() else None
            # Known from now on, also when this answer is cut. A weak one says nothing of bytes.
            tag = response.headers.get("etag", "")
            whole.tag = "" if tag.startswith("W/") else tag
            with part.open("r+b") as file:
                file.seek(done)
                file.truncate()
                for block in response.iter_raw():
                    file.write(block)
                    done += len(block)
                    if report is not None:
                        report(Progress("bytes", done, total))
    except httpx.TransportError as error:
        raise _Cut(str(error) or type(error).__name__) from error
    if total is not None and done != total:
        raise _Cut(f"only {done:,} of {total:,} bytes came")


def _check(stored: Any, part: Path) -> None:
    """Raise _Cut, with nothing kept, for other bytes than those whose MD5 the field tells."""
    wanted = stored.get("md5") if isinstance(stored, dict) else None
    if not (isinstance(wanted, str) and _MD5.fullmatch(wanted)):
        return
    with part.open("rb") as file:
        found = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if found != wanted.lower():
        part.write_bytes(b"")
        raise _Cut(f"other bytes came (MD5 {found}) than the field tells (MD5 {wanted})")


def _shown(address: str) -> str:
    """An address without its signature."""
    return address.partition("?")[0]
