"""From a query of the index to a condition on ``files f``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from commensal.core.index import authz_place, parse_did
from commensal.core.index_query import IndexQuery

__all__ = ["DID", "Conditions"]

#: As indexed (files_did).
DID: Final = "(coalesce(f.did_prefix, '') || f.uuid::text) collate \"C\""
_TEXTS: Final = {
    "file_name": "nullif(f.name, f.uuid::text)",
    "version": "f.version",
    "uploader": "f.uploader",
}


class Conditions:
    """``text`` with its ``values``, numbered from 1; true for every row when nothing is asked."""

    def __init__(self, query: IndexQuery) -> None:
        self.values: list[object] = []
        self._parts: list[str] = []
        if query.start is not None:
            self._add(f"{DID} > {self._value(query.start, 'text')}")
        if query.dids is not None:
            self._add(self._dids(query.dids))
        for kind, value in query.hashes:
            self._add(self._hash(kind, value))
        if query.size is not None:
            self._add(f"f.size = {self._value(query.size, 'bigint')}")
        if query.urls:
            self._add(f"f.urls @> {self._value(list(query.urls), 'text[]')}")
        if query.acl:
            self._add(f"f.acl @> {self._value(list(query.acl), 'text[]')}")
        elif query.acl is not None:
            self._add("f.acl is null")
        if query.authz is not None and not query.authz:
            self._add("cardinality(f.authz) = 0")
        for path in query.authz or ():
            self._add(self._authz(path))
        for name, expression in _TEXTS.items():
            text = getattr(query, name)
            if text is not None:
                self._add(f"{expression} = {self._value(text, 'text')}")
        for key, value in query.metadata.items():
            self._add(f"f.metadata ->> {self._value(key, 'text')} = {self._value(value, 'text')}")
        for part, entries in query.urls_metadata.items():
            self._add(self._url_with(part, entries))
        for name, value in query.without.items():
            for condition in self._without(name, value):
                self._add(f"not coalesce(({condition}), false)")

    @property
    def text(self) -> str:
        """The condition."""
        return " and ".join(self._parts) or "true"

    def _add(self, condition: str) -> None:
        self._parts.append(condition)

    def _value(self, value: object, cast: str) -> str:
        self.values.append(value)
        return f"${len(self.values)}::{cast}"

    def _dids(self, dids: tuple[str, ...]) -> str:
        uuids: list[UUID] = []
        for did in dids:
            parsed = parse_did(did)
            if parsed is not None:
                uuids.append(parsed[1])
        return f"f.uuid = any({self._value(uuids, 'uuid[]')})"

    def _hash(self, kind: str, value: str) -> str:
        if kind in ("md5", "sha256"):
            return f"f.{kind} = decode({self._value(value, 'text')}, 'hex')"
        return f"f.hashes @> {self._value({kind: value}, 'jsonb')}"

    def _authz(self, path: str) -> str:
        """A path of a project is stored in short in the files of that project, and whole in others."""
        whole = f"f.authz @> {self._value([path], 'text[]')}"
        place = authz_place(path)
        if place is None:
            return whole
        short = f"f.authz @> {self._value([f'.{place.rest}'], 'text[]')}"
        if not place.rest:
            short = f"(f.authz is null or {short})"
        return (
            f"({whole} or ({short} and f.project = (select p.seq from projects p join programs g on g.seq = p.program "  # noqa: S608
            f"where g.code = {self._value(place.program, 'text')} and p.code = {self._value(place.project, 'text')})))"
        )

    def _url_with(self, part: str, entries: Mapping[str, Any]) -> str:
        """An address that holds ``part`` and whose metadata has these entries."""
        wanted = " and ".join(
            [f"m.value ->> {self._value(key, 'text')} = {self._value(value, 'text')}" for key, value in entries.items()]
        )
        return (
            "exists (select from jsonb_each(f.urls_metadata) m "
            f"where strpos(m.key, {self._value(part, 'text')}) > 0{' and ' + wanted if wanted else ''})"
        )

    def _without(self, name: str, value: Any) -> list[str]:
        if name in _TEXTS:
            expression = _TEXTS[name]
            return [f"{expression} = {self._value(value, 'text')}" if value else f"{expression} is not null"]
        if name in ("urls", "acl"):
            column = f"f.{name}"
            return [f"{column} @> {self._value([one], 'text[]')}" for one in value] or [f"{column} is not null"]
        if name == "authz":
            return [self._authz(path) for path in value] or ["f.authz is null or cardinality(f.authz) > 0"]
        if name == "metadata":
            return [
                f"f.metadata ->> {self._value(key, 'text')} = {self._value(one, 'text')}"
                if one
                else f"f.metadata ? {self._value(key, 'text')}"
                for key, one in value.items()
            ] or ["f.metadata is not null"]
        return [self._url_with(part, entries) for part, entries in value.items()] or ["f.urls_metadata is not null"]
