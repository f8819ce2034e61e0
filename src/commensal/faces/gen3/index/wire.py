"""Index records as the index of a Gen3 commons writes and reads them; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import msgspec

from commensal.core.index import IndexRecord, NewIndexRecord
from commensal.errors import Malformed
from commensal.services.index import IndexChanges
from commensal.services.index_parts import DOWNLOAD_PATH

__all__ = [
    "Aliases",
    "Blank",
    "Filled",
    "NewRecord",
    "RecordChanges",
    "VersionsChanges",
    "brief",
    "changes_of",
    "new_of",
    "own_address",
    "record_values",
    "urls_of",
]


def own_address(base: str, did: str) -> str:
    """Return the address by which bytes of our own are fetched: it answers with a redirect to them."""
    return f"{base}{DOWNLOAD_PATH}{quote(did, safe='/:~')}?redirect"


def _naive(moment: datetime | None) -> str | None:
    """Return a moment in UTC without saying so, as ``2026-11-20T08:15:30.123456``."""
    if moment is None:
        return None
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.isoformat(timespec="microseconds")[:26]


def urls_of(record: IndexRecord, base: str) -> list[str]:
    """Return all addresses of a record: that of bytes of our own first."""
    return [own_address(base, record.did), *record.urls] if record.own_bytes else list(record.urls)


def record_values(record: IndexRecord, base: str) -> dict[str, Any]:
    """Return a record as JSON."""
    urls = urls_of(record, base)
    about = record.urls_metadata
    return {
        "did": record.did,
        "baseid": record.baseid,
        "rev": record.rev,
        "size": record.size,
        "file_name": record.file_name,
        "version": record.version,
        "uploader": record.uploader,
        "urls": urls,
        "urls_metadata": {url: about.get(url, {}) for url in urls},
        "acl": record.acl,
        "authz": record.authz,
        "hashes": record.hashes,
        "metadata": record.metadata,
        "form": record.form,
        "created_date": _naive(record.created),
        "updated_date": _naive(record.updated),
        "description": record.description,
        "content_created_date": _naive(record.content_created),
        "content_updated_date": _naive(record.content_updated),
    }


def brief(record: IndexRecord) -> dict[str, str]:
    """Return what a write answers."""
    return {"did": record.did, "baseid": record.baseid, "rev": record.rev}


UrlsMetadata = dict[str, dict[str, Any]]


class NewRecord(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The body that makes a record, or a new version of one."""

    size: int
    hashes: dict[str, str]
    form: str = "object"
    did: str | None = None
    urls: list[str] | None = None
    acl: list[str] | None = None
    authz: list[str] | None = None
    file_name: str | None = None
    metadata: dict[str, Any] | None = None
    urls_metadata: UrlsMetadata | None = None
    version: str | None = None
    baseid: str | None = None
    uploader: str | None = None
    description: str | None = None
    content_created_date: datetime | None = None
    content_updated_date: datetime | None = None


class RecordChanges(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The body that changes a record; what is absent stays."""

    urls: list[str] | msgspec.UnsetType = msgspec.UNSET
    acl: list[str] | msgspec.UnsetType = msgspec.UNSET
    authz: list[str] | msgspec.UnsetType = msgspec.UNSET
    file_name: str | msgspec.UnsetType | None = msgspec.UNSET
    version: str | msgspec.UnsetType | None = msgspec.UNSET
    uploader: str | msgspec.UnsetType | None = msgspec.UNSET
    metadata: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET
    urls_metadata: UrlsMetadata | msgspec.UnsetType = msgspec.UNSET
    description: str | msgspec.UnsetType | None = msgspec.UNSET
    content_created_date: datetime | msgspec.UnsetType | None = msgspec.UNSET
    content_updated_date: datetime | msgspec.UnsetType | None = msgspec.UNSET


class Blank(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The body that makes a blank record."""

    uploader: str | None = None
    file_name: str | None = None
    authz: list[str] | None = None
    did: str | None = None


class Filled(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The body that tells size and hashes of a blank record."""

    size: int
    hashes: dict[str, str]
    urls: list[str] | None = None
    authz: list[str] | None = None


class VersionsChanges(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The body that changes all versions of a record."""

    acl: list[str] | None = None
    authz: list[str] | None = None


class Alias(msgspec.Struct, forbid_unknown_fields=True):
    """One alias."""

    value: str


class Aliases(msgspec.Struct, forbid_unknown_fields=True):
    """A list of aliases."""

    aliases: list[Alias]


def _moment(value: datetime | None) -> datetime | None:
    """Return a moment with its time zone: UTC where none is said."""
    if value is None:
        return None
    try:
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except OverflowError:
        raise Malformed("A date lies before the year 1 or after the year 9999.") from None


def _said(metadata: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return what is said about addresses: an empty entry says nothing, and every address is shown with one."""
    return {url: value for url, value in metadata.items() if value}


def new_of(body: NewRecord) -> NewIndexRecord:
    """Return the record that a body describes. Raises Malformed when it has no hash."""
    if not body.hashes:
        raise Malformed("hashes needs at least one hash.", field="hashes")
    urls: Sequence[str] = tuple(body.urls or ())
    metadata = body.urls_metadata or {}
    unknown = [url for url in metadata if url not in urls]
    if unknown:
        raise Malformed(f"urls_metadata names {unknown[0][:200]!r}, which is not among the urls.")
    return NewIndexRecord(
        did=body.did or None,
        size=body.size,
        hashes=body.hashes,
        urls=urls,
        urls_metadata=_said(metadata),
        acl=tuple(body.acl or ()),
        authz=tuple(body.authz or ()),
        file_name=body.file_name or None,
        metadata=body.metadata or {},
        version=body.version,
        baseid=body.baseid,
        uploader=body.uploader,
        form=body.form,
        description=body.description,
        content_created=_moment(body.content_created_date),
        content_updated=_moment(body.content_updated_date),
    )


_DATES = {"content_created_date": "content_created", "content_updated_date": "content_updated"}


def changes_of(body: RecordChanges) -> IndexChanges:
    """Return the changes that a body asks for."""
    given: dict[str, Any] = {
        name: value for name in body.__struct_fields__ if (value := getattr(body, name)) is not msgspec.UNSET
    }
    for name, inner in _DATES.items():
        if name in given:
            given[inner] = _moment(given.pop(name))
    for name in ("urls", "acl", "authz"):
        if name in given:
            given[name] = tuple(given[name])
    if "urls_metadata" in given:
        given["urls_metadata"] = _said(given["urls_metadata"])
    if "file_name" in given:
        given["file_name"] = given["file_name"] or None
    return IndexChanges(**given)
