"""Files of a Gen3 commons: bytes in, whole or in parts, and out, resumed where it was cut and checked."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from commensal.client._http import Connection, decode, member
from commensal.client._progress import Progress, reporter
from commensal.client.errors import WrongServer
from commensal.errors import Invalid, Malformed, SetupError, Unavailable

__all__ = ["Files"]

_DATA = "/user/data"
#: Up to this size a file goes in one piece; a longer one in pieces of at least this size (bytes).
PIECE = 32 * 1024 * 1024
_MOST_PARTS = 9_000
_TRIES = 5
Told = bool | Callable[[Progress], None]
PathLike = str | os.PathLike[str]


def _id(guid: str) -> str:
    if not guid:
        raise Malformed("The GUID of a file is a text, not an empty one.")
    return quote(guid, safe="/:")


class Files:
    """The part of ``Gen3`` that moves bytes."""

    _http: Connection

    # --- records

    def file_record(self, guid: str) -> dict[str, Any]:
        """Return what the index knows of a file: ``file_name``, ``size``, ``hashes``, ``authz`` and more."""
        return decode(self._http.request("GET", f"/index/index/{_id(guid)}"), dict[str, Any])

    def presigned_url(self, guid: str, *, protocol: str | None = None, expires_in: int | None = None) -> str:
        """Return an address that gives the bytes to anybody until it ends (one hour unless ``expires_in`` seconds)."""
        params = {"protocol": protocol, "expires_in": None if expires_in is None else str(expires_in)}
        given = {name: value for name, value in params.items() if value is not None}
        return str(member(self._http.request("GET", f"{_DATA}/download/{_id(guid)}", params=given), "url"))

    def delete_file(self, guid: str) -> None:
        """Delete a file with its record."""
        self._http.request("DELETE", f"{_DATA}/{_id(guid)}", safe=False)

    # --- in

    def upload_file(
        self,
        path: PathLike,
        *,
        authz: str | Sequence[str] | None = None,
        guid: str | None = None,
        file_name: str | None = None,
        progress: Told = False,
    ) -> str:
        """Send a file and return its GUID; long files go in parts, each sent again when the connection breaks.

        ``authz`` is the place of the new file (``/programs/KIDNEY/projects/PILOT``), your own home project without;
        ``guid`` an existing record that gets the bytes. The MD5 of what arrived is compared with that of the file.
        """
        source = Path(path).expanduser()
        try:
            size = source.stat().st_size
        except OSError as error:
            raise SetupError(f"{source} cannot be read: {error.strerror or error}.") from None
        paths = [authz] if isinstance(authz, str) else list(authz or ())
        given: dict[str, Any] = {"file_name": file_name or source.name}
        given |= {"guid": guid} if guid else {"authz": paths} if paths else {}
        report, end = reporter(progress)
        digest = hashlib.md5(usedforsecurity=False)
        try:
            if size > PIECE:
                made = self._in_parts(source, size, given, digest, report)
            else:
                made = self._whole(source, given, digest, report)
        finally:
            end()
        self._check_arrived(made, digest.hexdigest())
        return made

    def _whole(self, source: Path, given: dict[str, Any], digest: Any, report: Any) -> str:
        answer = decode(self._http.request("POST", f"{_DATA}/upload", json=given, safe=False), dict[str, Any])
        data = b"".join(_pieces(source, PIECE))
        digest.update(data)
        self._http.request("PUT", str(answer["url"]), content=data, token=False)
        if report is not None:
            report(Progress("bytes", len(data), len(data)))
        return str(answer["guid"])

    def _in_parts(self, source: Path, size: int, given: dict[str, Any], digest: Any, report: Any) -> str:
        answer = self._http.request("POST", f"{_DATA}/multipart/init", json=given, safe=False)
        begun = decode(answer, dict[str, Any])
        about = {"key": f"{begun['guid']}/{given['file_name']}", "uploadId": begun["uploadId"]}
        parts: list[dict[str, Any]] = []
        done = 0
        for number, piece in enumerate(_pieces(source, max(PIECE, -(-size // _MOST_PARTS))), 1):
            digest.update(piece)
            asked = {**about, "partNumber": number}
            url = str(member(self._http.request("POST", f"{_DATA}/multipart/upload", json=asked), "presigned_url"))
            etag = self._http.request("PUT", url, content=piece, token=False).headers.get("etag")
            if not etag:
                raise WrongServer(f"The store took part {number} and gave no ETag for it.")
            parts.append({"PartNumber": number, "ETag": etag.strip('"')})
            done += len(piece)
            if report is not None:
                report(Progress("bytes", done, size))
        self._http.request("POST", f"{_DATA}/multipart/complete", json={**about, "parts": parts})
        return str(begun["guid"])

    def _check_arrived(self, guid: str, md5: str) -> None:
        """Compare what the index knows with what was sent; a store that hashes later has nothing to compare yet."""
        told = self.file_record(guid).get("hashes")
        found = told.get("md5") if isinstance(told, Mapping) else None
        if isinstance(found, str) and found != md5:
            raise Invalid(f"The MD5 of what arrived is {found}, that of the file {md5}: send {guid} again.")

    # --- out

    def download_file(self, guid: str, path: PathLike = ".", *, progress: Told = False) -> Path:
        """Save a file and return where: under its own name when ``path`` is a folder.

        What a broken download left behind (``….part``) is gone on with; size and hashes are checked before the file
        gets its name. ``progress``: True draws a bar, a function is called with a Progress.
        """
        record = self.file_record(guid)
        target = Path(path).expanduser()
        if target.is_dir():
            name = Path(str(record.get("file_name") or "").replace("\\", "/")).name
            target /= name if name not in ("", ".", "..") else guid.replace("/", "_")
        part, note = (target.with_name(f"{target.name}.part{end}") for end in ("", ".etag"))
        report, end = reporter(progress)
        try:
            for attempt in range(1, _TRIES + 1):
                try:
                    self._fetch(guid, part, note, report)
                    break
                except Unavailable:
                    if attempt == _TRIES:
                        raise
                    time.sleep(0.25 * attempt)
            _compare(part, record)
            part.replace(target)
            note.unlink(missing_ok=True)
        except OSError as error:
            raise SetupError(f"{target} cannot be written: {error.strerror or error}.") from None
        finally:
            end()
        return target

    def _fetch(self, guid: str, part: Path, note: Path, report: Callable[[Progress], None] | None) -> None:
        tag = note.read_text() if note.exists() else ""
        done = part.stat().st_size if part.exists() and tag else 0
        headers = {"range": f"bytes={done}-", "if-range": tag} if done else {}
        url = self.presigned_url(guid)
        with self._http.stream("GET", url, headers=headers, token=False, take=(416,)) as response:
            if response.status_code == 416:  # it was whole already
                return
            done = done if response.status_code == 206 else 0
            note.write_text(response.headers.get("etag", ""))
            length = response.headers.get("content-length", "")
            total = done + int(length) if length.isdigit() else None
            with part.open("r+b" if done else "wb") as file:
                file.seek(done)
                file.truncate()
                for block in response.iter_raw():
                    file.write(block)
                    done += len(block)
                    if report is not None:
                        report(Progress("bytes", done, total))
        if total is not None and done < total:
            raise Unavailable(f"Only {done:,} of {total:,} bytes came.")


def _pieces(source: Path, length: int) -> Iterator[bytes]:
    try:
        with source.open("rb") as file:
            while piece := file.read(length):
                yield piece
    except OSError as error:
        raise SetupError(f"{source} cannot be read: {error.strerror or error}.") from None


def _compare(part: Path, record: Mapping[str, Any]) -> None:
    """Check size and digests of what came; drop what is wrong."""
    hashes = record.get("hashes")
    told = hashes if isinstance(hashes, Mapping) else {}
    wanted: dict[str, Any] = {"size": record.get("size"), **{kind: told.get(kind) for kind in ("md5", "sha256")}}
    for kind, value in wanted.items():
        if value is None:
            continue
        if kind == "size":
            found: Any = part.stat().st_size
        else:
            with part.open("rb") as file:
                found = hashlib.file_digest(file, kind).hexdigest()
        if found != value:
            part.unlink()
            raise Invalid(f"The {kind} of what came is {found}, not {value}: it was thrown away, download it again.")
