"""Index records: what the Gen3 index tells about a file (contracts/gen3.md 7).

Every index record is a file and every file an index record: size, name, dates, md5 and sha256 are the file's own, the
rest stands beside them. ``did`` is the file's uuid, after a prefix where one was given.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from commensal.core.files import File
from commensal.core.projects import Project
from commensal.errors import Invalid, TooLarge

__all__ = [
    "HASHES",
    "OPEN",
    "REGISTERED",
    "AuthzPlace",
    "IndexRecord",
    "NewIndexRecord",
    "authz_place",
    "check_hashes",
    "check_new",
    "check_room",
    "check_text",
    "check_times",
    "check_urls",
    "parse_did",
    "project_path",
    "rev_of",
]

#: The state of a file that is known by its record only: its bytes are not here.
REGISTERED = "registered"
#: The authz path that lets everybody download.
OPEN = "/open"
#: Hash types and what their values look like.
HASHES: dict[str, re.Pattern[str]] = {
    "md5": re.compile(r"[0-9a-f]{32}"),
    "sha1": re.compile(r"[0-9a-f]{40}"),
    "sha256": re.compile(r"[0-9a-f]{64}"),
    "sha512": re.compile(r"[0-9a-f]{128}"),
    "crc": re.compile(r"[0-9a-f]{8}"),
    "etag": re.compile(r"[0-9a-f]{32}(-[0-9]{1,6})?"),
}
LARGEST_SIZE = 2**63 - 1
#: Most texts of one list, and most characters of one text.
MANY = 1_000
LONG = 4_096
NAME_BYTES = 900
#: Most bytes (as JSON) of all that one record says: a page of a thousand of them is answered from memory.
ROOM = 100_000

_DID = re.compile(
    r"((?:[A-Za-z0-9][A-Za-z0-9._:~-]{0,99}/?)?)([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})"
)
_PROJECT = re.compile(r"/programs/([^/]+)/projects/([^/]+)((?:/.*)?)")
_BROKEN = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class IndexRecord:
    """One record. ``full`` is False where the caller lacks ``read``: ``uploader`` is empty then.

    ``located`` is False, and ``urls`` are empty, where he may not download either.

    ``size`` in bytes; ``urls`` are addresses elsewhere (bytes of our own are told by ``file.blob``, and doors make
    their address); ``rev`` is what a change has to name.
    """

    did: str
    baseid: str
    rev: str
    size: int | None
    file_name: str | None
    version: str | None
    uploader: str | None
    urls: tuple[str, ...]
    urls_metadata: Mapping[str, Any]
    acl: tuple[str, ...]
    authz: tuple[str, ...]
    hashes: Mapping[str, str]
    metadata: Mapping[str, Any]
    form: str | None
    description: str | None
    content_created: datetime | None
    content_updated: datetime | None
    created: datetime
    updated: datetime
    file: File
    project: Project
    full: bool = True
    located: bool = True

    @property
    def own_bytes(self) -> bool:
        """Whether the bytes are in our store, and the caller may know."""
        return self.located and self.file.blob is not None

    @property
    def public(self) -> bool:
        """Whether the record lets everybody download: authz ``/open``, or acl ``*`` without any authz."""
        return OPEN in self.authz or (not self.authz and "*" in self.acl)


@dataclass(frozen=True, slots=True)
class NewIndexRecord:
    """A record to be made, or all values of a new version. ``did`` None: one is made."""

    did: str | None = None
    size: int | None = None
    hashes: Mapping[str, str] = field(default_factory=dict[str, str])
    urls: Sequence[str] = ()
    urls_metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])
    acl: Sequence[str] = ()
    authz: Sequence[str] = ()
    file_name: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])
    version: str | None = None
    baseid: str | None = None
    uploader: str | None = None
    form: str = "object"
    description: str | None = None
    content_created: datetime | None = None
    content_updated: datetime | None = None


@dataclass(frozen=True, slots=True)
class AuthzPlace:
    """The project that an authz path names by codes, and what follows (``/consents/x``)."""

    program: str
    project: str
    rest: str


def parse_did(text: str) -> tuple[str, UUID] | None:
    """Return (prefix, uuid) of a did, None for any other text; the prefix ends with its slash, if it has one."""
    found = _DID.fullmatch(text)
    return None if found is None else (found[1], UUID(int=int(found[2].replace("-", ""), 16)))


def authz_place(path: str) -> AuthzPlace | None:
    """Return the project that an authz path names: ``/programs/P/projects/J`` or something below it."""
    found = _PROJECT.fullmatch(path)
    return None if found is None else AuthzPlace(found[1], found[2], found[3])


def project_path(project: Project) -> str:
    """Return the authz path of a project."""
    return f"/programs/{project.program_code}/projects/{project.code}"


def rev_of(file: File, *, full: bool = True) -> str:
    """Return the revision of a file: eight hex digits that differ after each change.

    Those who see only a part of a record get another one, so that what they send back is known to be made from a
    part: an empty list of addresses then means that they were not seen, and not that they shall go.
    """
    seen = b"%b%d/%d/%d" % (file.uuid.bytes, file.project, file.change, full)
    return f"{zlib.crc32(seen):08x}"


def check_new(new: NewIndexRecord) -> None:
    """Raise Invalid for values that no record can have."""
    if new.did is not None and parse_did(new.did) is None:
        raise Invalid(
            f"{new.did[:120]!r} is no GUID: a UUID in lower case, after an optional prefix like 'dg.1234/'.",
            field="did",
        )
    if new.baseid is not None and parse_did(new.baseid) is None:
        raise Invalid(f"{new.baseid[:120]!r} is no GUID.", field="baseid")
    if new.form != "object":
        raise Invalid("form must be 'object'.", field="form")
    check_size(new.size)
    check_hashes(new.hashes)
    for name in ("version", "uploader", "description"):
        check_text(getattr(new, name), name)
    check_file_name(new.file_name)
    check_urls(new.urls, new.urls_metadata)
    check_list(new.acl, "acl")
    check_authz(new.authz)
    check_times(new.content_created, new.content_updated)
    check_room(new.urls, new.urls_metadata, new.acl, new.authz, new.metadata)


def check_room(*parts: object) -> None:
    """Raise TooLarge when these lists and objects of a record are too large together."""
    size = len(msgspec.json.encode(parts))
    if size > ROOM:
        raise TooLarge(
            f"A record has at most {ROOM:,} bytes of urls, acl, authz and metadata; this one has {size:,}. Keep "
            "longer metadata as a document (/mds)."
        )


def check_size(size: int | None) -> None:
    """Raise Invalid for a size that no file has."""
    if size is not None and not 0 <= size <= LARGEST_SIZE:
        raise Invalid("size must be a number of bytes, 0 or more and less than 2 to the 63.", field="size")


def check_hashes(hashes: Mapping[str, str]) -> None:
    """Raise Invalid for a hash of an unknown type, or of the wrong length for its type."""
    for kind, value in hashes.items():
        pattern = HASHES.get(kind)
        if pattern is None:
            raise Invalid(f"{kind[:40]!r} is no hash type; they are {', '.join(HASHES)}.", field="hashes")
        if pattern.fullmatch(value) is None:
            raise Invalid(
                f"{value[:140]!r} does not satisfy the {kind} hash: hex digits in lower case, of the right length.",
                field="hashes",
            )


def check_text(text: str | None, name: str, *, most: int = LONG) -> None:
    """Raise Invalid for a text that is too long or holds control characters."""
    if text is None:
        return
    if len(text) > most:
        raise Invalid(f"{name} has {len(text):,} characters; at most {most:,} are kept.", field=name)
    if text.isprintable():
        return
    if _BROKEN.search(text.replace("\n", "").replace("\t", "") if name == "description" else text):
        raise Invalid(f"{name} must not contain control characters or broken text.", field=name)


def check_file_name(name: str | None) -> None:
    """Raise Invalid for a name that no file can have."""
    check_text(name, "file_name")
    if name is not None and len(name.encode()) > NAME_BYTES:
        raise Invalid(f"file_name has more than {NAME_BYTES} bytes.", field="file_name")


def check_list(texts: Sequence[str], name: str) -> None:
    """Raise Invalid for a list that is too long or holds an empty or broken text."""
    if len(texts) > MANY:
        raise Invalid(f"{name} has {len(texts):,} entries; at most {MANY:,} are kept.", field=name)
    for text in texts:
        check_text(text, name)
        if not text.strip():
            raise Invalid(f"{name} has an empty entry.", field=name)


def check_authz(paths: Sequence[str]) -> None:
    """Raise Invalid for a path that is none."""
    check_list(paths, "authz")
    for path in paths:
        if not path.startswith("/"):
            raise Invalid(f"The authz path {path[:120]!r} must begin with a slash.", field="authz")


def check_urls(urls: Sequence[str], metadata: Mapping[str, Any]) -> None:
    """Raise Invalid for addresses that are none, and for metadata of an address that is not among them."""
    check_list(urls, "urls")
    extra = [url for url in metadata if url not in set(urls)]
    if extra:
        raise Invalid(f"urls_metadata names {extra[0][:200]!r}, which is not among the urls.", field="urls_metadata")


def check_times(created: datetime | None, updated: datetime | None) -> None:
    """Raise Invalid for content dates that cannot be: an update without creation, or before it."""
    if updated is not None and created is None:
        raise Invalid("content_updated_date needs a content_created_date.", field="content_updated_date")
    if updated is not None and created is not None and updated < created:
        raise Invalid("content_updated_date must not lie before content_created_date.", field="content_updated_date")
