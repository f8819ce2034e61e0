"""Uploads as values: bytes on their way to becoming a file.

``registered`` (asked for) → ``uploading`` (parts came) → ``verifying`` (all came, being read back) → ``available``
(the file is there). ``refused``: the bytes were not those that were announced, or had no place; ``ended``: given up
or abandoned. Only ``available`` makes anything visible.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

__all__ = ["MAX_PARTS", "NewUpload", "Upload", "UploadState"]

#: Part numbers go from 1 to this.
MAX_PARTS = 10_000


class UploadState(enum.StrEnum):
    """Where an upload is."""

    REGISTERED = "registered"
    UPLOADING = "uploading"
    VERIFYING = "verifying"
    AVAILABLE = "available"
    REFUSED = "refused"
    ENDED = "ended"

    @property
    def open(self) -> bool:
        """Whether bytes are still taken."""
        return self in (UploadState.REGISTERED, UploadState.UPLOADING)


@dataclass(frozen=True, slots=True)
class NewUpload:
    """An upload to be made. ``size`` in bytes, ``md5`` and ``sha256`` in hex: what the sender announced.

    ``growing``: bytes are added at the end, request by request; ``meta`` is what the sender told, as sent.
    ``fills``: the file is there already; the bytes follow it to where it is by then, and are refused once it is gone.
    """

    uuid: UUID
    project: int
    path: str
    file: UUID
    parts: bool
    direct: bool
    handle: str
    size: int | None
    md5: str | None
    sha256: str | None
    media_type: str
    record: tuple[str, str] | None
    extra: Any
    caller: Mapping[str, Any]
    user: int | None
    created: datetime
    expires: datetime
    growing: bool = False
    meta: str = ""
    fills: bool = False


@dataclass(frozen=True, slots=True)
class Upload:
    """One upload; ``file`` is the uuid that its file gets (or got, when the path had one)."""

    uuid: UUID
    project: int
    path: str
    file: UUID
    parts: bool
    direct: bool
    handle: str
    state: UploadState
    size: int | None
    md5: str | None
    sha256: str | None
    media_type: str
    record: tuple[str, str] | None
    extra: Any
    caller: Mapping[str, Any]
    user: int | None
    error: str | None
    created: datetime
    expires: datetime
    growing: bool = False
    meta: str = ""
    fills: bool = False
