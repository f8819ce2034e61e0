"""What is asked of the index, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["IndexQuery", "UrlQuery"]


@dataclass(frozen=True, slots=True)
class IndexQuery:
    """Conditions that a record must meet, all of them; empty ones ask for nothing.

    Records come sorted by did, after ``start`` (a did, exclusive), from ``offset`` on. ``dids`` None: any. ``acl`` and
    ``authz`` None: any; empty: records without any.
    ``without`` are conditions of the same names that a record must not meet: of ``file_name``, ``version``,
    ``uploader`` a value or "" for any; of ``urls``, ``acl``, ``authz`` a list (empty: any); of ``metadata`` and
    ``urls_metadata`` keys with a value ("" for any).
    """

    limit: int = 100
    start: str | None = None
    offset: int = 0
    dids: tuple[str, ...] | None = None
    hashes: tuple[tuple[str, str], ...] = ()
    size: int | None = None
    urls: tuple[str, ...] = ()
    acl: tuple[str, ...] | None = None
    authz: tuple[str, ...] | None = None
    file_name: str | None = None
    version: str | None = None
    uploader: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])
    urls_metadata: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])
    without: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class UrlQuery:
    """Addresses by their text: ``include`` is part of it and ``exclude`` is not; ``versioned``: with a version or not.

    ``key`` and ``value``: only addresses whose metadata has the key, with this value where one is given.
    """

    include: str | None = None
    exclude: str | None = None
    versioned: bool | None = None
    key: str | None = None
    value: str | None = None
    offset: int = 0
    limit: int = 100
