"""A thing with all that it hangs on: program, project, sample, analysis result, field."""

from __future__ import annotations

import secrets
import string
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from commensal.core.dictionary import Dictionary
from commensal.core.projects import Program, Project, ProjectKind
from commensal.core.puts import PutResult, stored_type
from commensal.core.records import Record

__all__ = [
    "Address",
    "Kinds",
    "Lineage",
    "ResultSettings",
    "field_value",
    "kinds_of",
    "new_replicate",
    "record_after",
    "value_text",
]

_LETTERS = string.ascii_letters + string.digits
REPLICATE_LENGTH = 12


@dataclass(frozen=True, slots=True)
class Kinds:
    """The stored types that play the three parts of the tree below a project; the last is the one that is written."""

    sample: tuple[str, ...]
    result: tuple[str, ...]
    field: tuple[str, ...]


class ResultSettings(msgspec.Struct, frozen=True):
    """What stands beside an analysis result: who sees it, and the catalog object (by number) that describes its module.

    ``private``: only those who hold a grant on its project see it and its fields, whatever the public level.
    """

    private: bool = False
    hidden: bool = False
    described_by: int | None = None


class Lineage(msgspec.Struct, frozen=True):
    """The lowest of these that is not None is the thing itself.

    A result hangs on ``sample``, or on ``project`` where that is None. ``through``: the project or collection that
    an address named, where the thing was found as its member.
    """

    program: Program
    project: Project | None = None
    sample: Record | None = None
    result: Record | None = None
    field: Record | None = None
    settings: ResultSettings = ResultSettings()
    through: Project | None = None

    @property
    def place(self) -> Project:
        """The project; for lineages that have one."""
        assert self.project is not None
        return self.project

    @property
    def is_collection(self) -> bool:
        """Whether the project is a collection, which has no samples of its own."""
        return self.project is not None and self.project.kind is ProjectKind.COLLECTION


@dataclass(frozen=True, slots=True)
class Address:
    """A thing by names, each a title, code, name or uuid, without case; what is None is not part of the address.

    ``replicate`` narrows the results; without it the one that was changed last is meant.
    """

    program: str
    project: str | None = None
    sample: str | None = None
    module: str | None = None
    replicate: str | None = None
    field: str | None = None


def kinds_of(dictionary: Dictionary) -> Kinds:
    """Return the stored types of samples, results and fields under a dictionary."""
    field = stored_type(dictionary, "result_field") or "result_field"
    return Kinds(
        sample=_write_last(dictionary.role("sample").read, dictionary.role("sample").write),
        result=_write_last(dictionary.role("analysis").read, dictionary.role("analysis").write),
        field=(field,),
    )


def _write_last(read: Sequence[str], write: str) -> tuple[str, ...]:
    return (*(name for name in read if name != write), write)


def new_replicate() -> str:
    """Return the replicate of a result that was given none: 12 letters and digits by chance."""
    return "".join(secrets.choice(_LETTERS) for _ in range(REPLICATE_LENGTH))


def value_text(value: Any) -> str:
    """Return a field's value as it is stored: JSON text."""
    return msgspec.json.encode(value).decode()


def field_value(record: Record) -> Any:
    """Return a field's value: the JSON that its text stands for, or the text itself where it is none."""
    text = record.props.get("value")
    if not isinstance(text, str):
        return text
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return text


def record_after(project: Project, put: PutResult) -> Record:
    """Return the record that a put has written, as a later read finds it (``change`` is not known: 0)."""
    return Record(
        put.seq, put.uuid, project.seq, put.type, put.submitter_id, put.label, put.state, put.props, put.extra,
        put.version, 0, put.made, put.at,
    )  # fmt: skip
