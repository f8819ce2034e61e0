"""Uploads in parts on the local disk: ``<folder>/parts/<handle>/<number>.<etag>``, joined inside the kernel."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from commensal.errors import NotFound
from commensal.storage.blobs.local_folders import append_file, make_folder, sync_folder
from commensal.storage.ports.blobs import Part

__all__ = ["PartFolders"]

_PART = re.compile(r"([0-9]{1,5})\.([0-9a-f]{32})")
_NO_UPLOAD = "There is no such upload, or it has ended."


class PartFolders:
    """The folders of open uploads; every method blocks and runs in a thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def folder(self, handle: str) -> Path:
        """Return the folder of one upload."""
        return self._folder / handle

    def begin(self, handle: str) -> None:
        """Open an upload."""
        make_folder(self._folder)
        self.folder(handle).mkdir(mode=0o700)
        sync_folder(self._folder)

    def place(self, written: Path, handle: str, number: int, etag: str) -> None:
        """Move a written and synced file into place as a part, instead of an earlier one of the same number."""
        folder = self.folder(handle)
        part = folder / f"{number}.{etag}"
        try:
            written.replace(part)
        except FileNotFoundError:
            raise NotFound(_NO_UPLOAD) from None
        for other in folder.glob(f"{number}.*"):
            if other.name != part.name and _PART.fullmatch(other.name):
                other.unlink(missing_ok=True)
        sync_folder(folder)

    def parts(self, handle: str) -> list[Part]:
        """Return what is here, by number; of two with one number (a crash between them) the newer."""
        found: dict[int, tuple[int, Part]] = {}
        try:
            for entry in os.scandir(self.folder(handle)):
                match = _PART.fullmatch(entry.name)
                if match is not None:
                    state = entry.stat()
                    number = int(match[1])
                    if number not in found or found[number][0] < state.st_mtime_ns:
                        found[number] = (state.st_mtime_ns, Part(number, state.st_size, match[2]))
        except FileNotFoundError:
            raise NotFound(_NO_UPLOAD) from None
        return [found[number][1] for number in sorted(found)]

    def join(self, handle: str, parts: Sequence[Part], written: Path) -> None:
        """Write the parts into a new file, synced; the kernel copies, or shares blocks where it can."""
        folder = self.folder(handle)
        written.unlink(missing_ok=True)
        try:
            target = os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileNotFoundError:
            raise NotFound(_NO_UPLOAD) from None
        try:
            for part in parts:
                with (folder / f"{part.number}.{part.etag}").open("rb", buffering=0) as source:
                    append_file(source.fileno(), target)
            os.fsync(target)
        except FileNotFoundError:
            raise NotFound(_NO_UPLOAD) from None
        finally:
            os.close(target)

    def drop(self, handle: str) -> None:
        """Forget an upload."""
        shutil.rmtree(self.folder(handle), ignore_errors=True)
