"""Files to the server's store: whole through a signed form, or in parts that are sent side by side.

Source: contract pangea.md a6, b9. An upload in parts that failed is noted in the folder of the cache, so that the
same call goes on with the parts that are missing.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import httpx

from commensal.client._progress import Progress, reporter
from commensal.client.pangea.errors import PangeaGeneralError, TransferError

if TYPE_CHECKING:
    from commensal.client.pangea.analysis_result import AnalysisResultField

__all__ = ["send", "send_parts", "send_whole"]

Field = TypeVar("Field", bound="AnalysisResultField")

#: How often the parts that are there are noted at most: a file may have 10,000.
_NOTE_SECONDS = 1.0
_PAUSES = (1.0, 4.0, 16.0, 60.0)
#: How long a file that was sent is waited for.
_WAIT_SECONDS = 30.0
#: Of each part, so much is in memory.
_BLOCK = 1 << 19
#: The status for bytes that are not the announced ones.
_OTHER_BYTES = 422
_BUSY = (408, 425, 429, 500, 502, 503, 504)


def send(field: Field, filepath: str, threshold: int, options: Mapping[str, Any]) -> Field:
    """See ``upload_file``."""
    size = _size(filepath)
    if size >= threshold:
        return field.upload_large_file(filepath, size, **options)
    return field.upload_small_file(filepath)


def _size(filepath: str) -> int:
    path = Path(filepath)
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {filepath} in {Path.cwd()}.")
    return path.stat().st_size


def send_whole(field: Field, filepath: str) -> Field:
    """See ``upload_small_file``."""
    field.idem()
    path = Path(filepath)
    _size(filepath)
    with path.open("rb") as file:
        md5 = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    # Servers that know it keep no other bytes than the announced ones.
    announced = {"filename": path.name, "md5": md5}
    form = field.knex.post(f"{field.canon_url()}/{field.uuid}/upload_s3", json=announced)
    for attempt in range(1, len(_PAUSES) + 1):
        with path.open("rb") as file:
            try:
                response = field.knex.http.post(form["url"], data=form["fields"], files={"file": (path.name, file)})
            except httpx.TransportError as error:
                if attempt == len(_PAUSES):
                    raise TransferError(f"{path.name} could not be sent: {error or type(error).__name__}") from error
                response = None
        if response is not None and response.is_success:
            break
        if response is not None and (response.status_code not in (*_BUSY, _OTHER_BYTES) or attempt == len(_PAUSES)):
            raise TransferError(
                f"{path.name} was refused with {response.status_code}: {' '.join(response.text.split())[:300]}",
                response.status_code,
            )
        time.sleep(_PAUSES[attempt - 1])
    return _when_there(field)


def _when_there(field: Field) -> Field:
    """Return the field with an address of its file: bytes that went straight to a store are read back first."""
    end = time.monotonic() + _WAIT_SECONDS
    while not field.refresh().stored_data.get("presigned_url") and time.monotonic() < end:
        time.sleep(0.25)
    return field


def _note_key(field: AnalysisResultField, path: Path, size: int, chunk: int) -> str:
    changed = path.stat().st_mtime_ns
    return f"upload {field.knex.identity} {field.uuid} {path.resolve()} {size} {changed} {chunk}"


class _Upload:
    """One upload in parts, and what is known of it."""

    def __init__(
        self,
        field: AnalysisResultField,
        path: Path,
        size: int,
        chunk: int,
        retries: int,
        say: Callable[[str], Any],
        report: Callable[[Progress], None] | None,
    ) -> None:
        self.field, self.path, self.size, self.chunk = field, path, size, chunk
        self.retries, self.say, self.report = retries, say, report
        self.key = _note_key(field, path, size, chunk)
        self.cache = field.knex.cache
        self.base = f"{field.canon_url()}/{field.uuid}"
        self.lock = threading.Lock()
        self.failed = threading.Event()
        self.urls: list[str] = []
        self.upload_id = ""
        self.done: dict[int, str] = {}
        self.bytes = 0
        self.noted = 0.0

    @property
    def n_parts(self) -> int:
        return self.size // self.chunk + 1

    def length(self, number: int) -> int:
        return max(0, min(self.chunk, self.size - (number - 1) * self.chunk))

    def begin(self) -> bool:
        """Take up what was noted; returns whether there was something."""
        note = self.cache.get_cached_blob(self.key)
        if isinstance(note, dict):
            self.urls, self.upload_id = note["urls"], note["upload_id"]
            self.done = {int(number): etag for number, etag in note["done"].items()}
            self.bytes = sum(map(self.length, self.done))
            return True
        self.begin_anew()
        return False

    def begin_anew(self) -> None:
        self.cache.clear_blob(self.key)
        wanted = {"filename": self.path.name, "n_parts": self.n_parts, "stance": "upload-multipart"}
        answer = self.field.knex.post(f"{self.base}/upload_s3", json=wanted)
        self.urls, self.upload_id, self.done, self.bytes = answer["urls"], answer["upload_id"], {}, 0
        self.note()

    def note(self) -> None:
        self.noted = time.monotonic()
        self.cache.cache_blob(
            self.key,
            {"urls": self.urls, "upload_id": self.upload_id, "done": {str(n): e for n, e in self.done.items()}},
        )

    def send_part(self, number: int) -> None:
        for attempt in range(self.retries + 1):
            if self.failed.is_set():
                return
            problem, status = self.put(number)
            if not problem:
                return
            if attempt == self.retries or (status and status not in _BUSY):
                self.failed.set()  # no other part is begun
                raise TransferError(f"Part {number} of {self.n_parts} of {self.path.name}: {problem}", status)
            self.say(f"[WARN] part {number} of {self.n_parts}: {problem}; trying again")
            self.failed.wait(_PAUSES[min(attempt, len(_PAUSES) - 1)])

    def blocks(self, number: int, digest: hashlib._Hash) -> Iterator[bytes]:
        """Read a part; so no more than a block of each is in memory, however large parts are."""
        left = self.length(number)
        with self.path.open("rb") as file:
            file.seek((number - 1) * self.chunk)
            while left:
                data = file.read(min(left, _BLOCK))
                if not data:
                    raise TransferError(f"{self.path.name} became shorter during the upload.")
                left -= len(data)
                digest.update(data)
                yield data

    def put(self, number: int) -> tuple[str, int]:
        """Send a part once; returns what went wrong and its status."""
        digest, length = hashlib.md5(usedforsecurity=False), self.length(number)
        try:
            response = self.field.knex.http.put(
                self.urls[number - 1], content=self.blocks(number, digest), headers={"Content-Length": str(length)}
            )
        except httpx.TransportError as error:
            return str(error) or type(error).__name__, 0
        if not response.is_success:
            return f"status {response.status_code} {' '.join(response.text.split())[:200]}", response.status_code
        etag = response.headers.get("etag", "")
        plain, wanted = etag.strip('"').lower(), digest.hexdigest()
        if not etag:
            return "the store gave no ETag", 0
        # An ETag of 32 hex digits is the MD5 of what came, unless the store encrypts with keys of its own.
        if len(plain) == 32 and plain != wanted and "x-amz-server-side-encryption" not in response.headers:
            return f"the store received other bytes (MD5 {plain}, sent {wanted})", 0
        with self.lock:
            self.done[number] = etag
            self.bytes += length
            if time.monotonic() - self.noted > _NOTE_SECONDS:
                self.note()
            self.say(f"[INFO] part {number} of {self.n_parts} is there")
            if self.report is not None:
                self.report(Progress("bytes", self.bytes, self.size))
        return "", 0

    def send_missing(self, threads: int) -> None:
        missing = [number for number in range(1, self.n_parts + 1) if number not in self.done]
        self.failed.clear()
        problem: BaseException | None = None
        with ThreadPoolExecutor(max(1, threads)) as pool:
            tasks = [pool.submit(self.send_part, number) for number in missing]
            for task in tasks:
                try:
                    task.result()
                except BaseException as error:  # the first one is raised when all have ended
                    self.failed.set()
                    for other in tasks:
                        other.cancel()
                    problem = problem or error
        self.note()
        if problem is not None:
            raise problem

    def complete(self) -> None:
        parts = [{"ETag": self.done[number], "PartNumber": number} for number in range(1, self.n_parts + 1)]
        wanted = {"parts": parts, "upload_id": self.upload_id}
        for attempt in range(self.retries + 1):
            try:
                self.field.knex.post(f"{self.base}/complete_upload_s3", json=wanted, json_response=False)
                break
            except PangeaGeneralError as error:
                # Saying it again is no harm: the answer may be all that was lost.
                if attempt == self.retries or error.status_code not in (0, *_BUSY):
                    raise
                time.sleep(_PAUSES[min(attempt, len(_PAUSES) - 1)])
        self.cache.clear_blob(self.key)


def send_parts(
    field: Field,
    filepath: str,
    file_size: int,
    chunk_size: int,
    max_retries: int,
    logger: Callable[[str], Any],
    *,
    threads: int,
    progress: Callable[[Progress], None] | bool,
) -> Field:
    """See ``upload_large_file``."""
    field.idem()
    report, end = reporter(progress)
    upload = _Upload(field, Path(filepath), file_size, chunk_size, max_retries, logger, report)
    try:
        again = upload.begin()
        try:
            upload.send_missing(threads)
            upload.complete()
        except PangeaGeneralError as error:
            # The server has given up an upload that was begun long ago, or its addresses have ended.
            if not again or error.status_code not in (400, 403, 404, 409):
                raise
            logger("[WARN] the earlier upload has ended; beginning anew")
            upload.begin_anew()
            upload.send_missing(threads)
            upload.complete()
    finally:
        end()
    return _when_there(field)
