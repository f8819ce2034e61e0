"""Metadata documents: any JSON object under a GUID, found by the values in it.

Source: contracts/gen3.md 8.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, cast
from uuid import UUID

import msgspec

from commensal.core.free_metadata import refuse_unstorable
from commensal.errors import Invalid, TooLarge

__all__ = [
    "MOST",
    "BatchResult",
    "DocumentFilter",
    "check_alias",
    "check_document",
    "check_guid",
    "check_index_path",
    "document_filters",
    "object_of",
]

#: Most documents that one list gives.
MOST = 2_000
#: Largest document, in bytes of its JSON text.
LARGEST = 4_000_000
_NAME_CHARACTERS = 256
#: Words that stand for something else where a GUID would stand.
_RESERVED = frozenset({"upload"})
_FILTERS = 50
_VALUES = 1_000
_PATH = 20
#: Of a path with more steps that may be places in a list, or of more candidates, the index is not asked.
_STEPS = 3
_CANDIDATES = 500
_UUID_AT_END = re.compile(r"([0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})$", re.IGNORECASE)
_PLACE = re.compile(r"-?[0-9]{1,9}")
_NUMBER = re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,40})?")


@dataclass(frozen=True, slots=True)
class DocumentFilter:
    """The value at ``path``, as text, is one of ``values``; with ``present``, any value there will do."""

    path: tuple[str, ...]
    values: tuple[str, ...]
    present: bool = False

    def candidates(self) -> list[dict[str, Any]] | None:
        """Return objects of which every match contains one (jsonb ``@>``), so that an index finds a superset.

        A step of digits may be a key or a place in a list, a text of digits may be text or a number. None: too many.
        """
        if self.present:
            return None
        steps = [index for index, step in enumerate(self.path[1:], 1) if _PLACE.fullmatch(step)]
        if len(steps) > _STEPS:
            return None
        leaves = [leaf for value in self.values for leaf in _leaves(value)]
        if len(leaves) << len(steps) > _CANDIDATES:
            return None
        found: list[dict[str, Any]] = []
        for choice in product((False, True), repeat=len(steps)):
            as_list = {step for step, chosen in zip(steps, choice, strict=True) if chosen}
            for leaf in leaves:
                tree: Any = leaf
                for index in range(len(self.path) - 1, -1, -1):
                    tree = [tree] if index in as_list else {self.path[index]: tree}
                found.append(tree)
        return found


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What became of the documents of a batch, by GUID; ``bad_input`` are names that no document may have."""

    created: list[str]
    updated: list[str]
    conflict: list[str]
    bad_input: list[str]


def _leaves(value: str) -> list[Any]:
    """Return the JSON values that are shown as this text."""
    leaves: list[Any] = [value]
    if value in ("true", "false"):
        leaves.append(value == "true")
    elif _NUMBER.fullmatch(value) or value[:1] in ("{", "["):
        try:
            leaves.append(json.loads(value))
        except (ValueError, RecursionError):
            pass
    return leaves


def document_filters(pairs: Iterable[tuple[str, str]]) -> list[DocumentFilter]:
    """Return the filters of a query string: repeated keys are alternatives, different keys all hold.

    ``a.b=*`` asks for any value, a star after a backslash for a star itself. Raises Invalid, TooLarge.
    """
    wanted: dict[str, list[str]] = {}
    for n, (key, value) in enumerate(pairs, 1):
        if n > _VALUES:
            raise TooLarge(f"A query may have at most {_VALUES} filters.")
        refuse_unstorable([key, value])
        wanted.setdefault(key, []).append(value)
    if len(wanted) > _FILTERS:
        raise TooLarge(f"A query may name at most {_FILTERS} keys.")
    filters: list[DocumentFilter] = []
    for key, values in wanted.items():
        path = tuple(key.split("."))
        if len(path) > _PATH or "" in path:
            raise Invalid(
                f"{key[:80]!r} is no path: names between dots, at most {_PATH}, none of them empty.", field=key[:80]
            )
        texts = tuple("*" if value == "\\*" else value for value in values)
        filters.append(DocumentFilter(path, texts, present="*" in values))
    return filters


def check_guid(guid: str) -> str:
    """Return a GUID that a document may have, else raise Invalid: 1 to 256 characters that can be printed."""
    _check_name(guid, "GUID")
    if guid in _RESERVED or guid.endswith("/aliases") or "/aliases/" in guid:
        raise Invalid(f"{guid!r} cannot be a GUID here: it is part of the service's own addresses.", field="guid")
    return guid


def check_alias(alias: object) -> str:
    """Return an alias that a document may have, else raise Invalid."""
    if not isinstance(alias, str):
        raise Invalid("An alias must be text.", field="aliases")
    return _check_name(alias, "alias")


def _check_name(name: str, what: str) -> str:
    if not 0 < len(name) <= _NAME_CHARACTERS:
        raise Invalid(f"A {what} has 1 to {_NAME_CHARACTERS} characters.", field=what.lower())
    if not name.isprintable() or name.strip() != name:
        raise Invalid(
            f"The {what} {name[:80]!r} holds characters that cannot be printed, or outer spaces.", field=what.lower()
        )
    return name


def check_document(data: object) -> str:
    """Return the JSON text of a document. Raises Invalid (no object), Malformed (U+0000, …), TooLarge (size, depth)."""
    if not isinstance(data, dict):
        raise Invalid("Metadata must be a JSON object.", field="data")
    refuse_unstorable(cast("dict[str, Any]", data))
    text = msgspec.json.encode(data)
    check_size(len(text))
    return text.decode()


def check_size(size: int) -> None:
    """Raise TooLarge for a document of too many bytes."""
    if size > LARGEST:
        raise TooLarge(f"A document has at most {LARGEST:,} bytes of JSON; this one has {size:,}.", field="data")


def check_index_path(path: str) -> str:
    """Return a path of keys (``a.b``) that may be listed as indexed, else raise Invalid."""
    _check_name(path, "path")
    document_filters([(path, "*")])
    return path


def object_of(guid: str) -> UUID | None:
    """Return the uuid that a GUID is, or ends with after a prefix; None for other names."""
    found = _UUID_AT_END.search(guid)
    return UUID(found[1]) if found is not None else None


def unique(names: Sequence[str]) -> list[str]:
    """Return names without repetition, in order."""
    return list(dict.fromkeys(names))
