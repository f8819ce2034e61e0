"""Records as values: what is stored, what a request wants written, what its answer says.

The answers are msgspec structs whose fields are those of the wire (contracts/gen3.md 4.5), so that a face
encodes them as they are; they are made by the thousand, which frozen dataclasses are too slow for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

import msgspec

from commensal.core.projects import Mode, Program, Project

__all__ = [
    "Deletion",
    "DeletionResult",
    "EntityError",
    "EntityResult",
    "Linked",
    "Page",
    "ProjectRow",
    "Record",
    "RecordVersion",
    "StoredLink",
    "SubmissionResult",
    "Target",
    "TransactionalError",
    "UnchangedResult",
    "Write",
]


class Record(msgspec.Struct, frozen=True):
    """One stored record.

    ``type`` is the stored name, ``props`` the set properties, ``extra`` the free metadata (``{}``: none).
    """

    seq: int
    uuid: UUID
    project: int
    type: str
    submitter_id: str
    label: str | None
    state: str
    props: dict[str, Any]
    extra: Any
    version: int
    change: int
    created: datetime
    updated: datetime

    @property
    def shown(self) -> str:
        """The name for people: the label, else the submitter_id."""
        return self.label or self.submitter_id


class StoredLink(msgspec.Struct, frozen=True):
    """A row of the link table; ``dst_uuid`` and ``dst_submitter_id`` name the target."""

    src: int
    name: str
    dst: int
    dst_project: int
    dst_type: str
    dst_uuid: str
    dst_submitter_id: str = ""


class Linked(msgspec.Struct, frozen=True):
    """A record at the other end of a link, seen from one record. ``forward``: the link starts here."""

    name: str
    forward: bool
    seq: int
    uuid: UUID
    project: int
    type: str
    submitter_id: str
    label: str | None


class RecordVersion(msgspec.Struct, frozen=True):
    """One step in a record's history.

    ``after`` and ``before`` hold ``submitter_id, label, state, props, extra, links`` (names to uuids); ``after`` is
    None where the step was a deletion, ``before`` where it made the record.
    """

    n: int
    action: str
    at: datetime
    who: int | None
    who_name: str
    door: str
    transaction: int | None
    before: dict[str, Any] | None
    after: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list, and how many there are in all."""

    rows: Sequence[Record]
    total: int
    offset: int
    limit: int


class ProjectRow:
    """A project as the write path needs it, locked; ``dictionary`` is the version in use at this moment.

    ``owner`` is its program, ``program`` the number of that.
    """

    __slots__ = (
        "code",
        "dictionary",
        "owner",
        "program",
        "program_code",
        "program_uuid",
        "project",
        "project_id",
        "seq",
        "uuid",
    )

    def __init__(self, project: Project, owner: Program, dictionary: int) -> None:
        self.project = project
        self.owner = owner
        self.program_uuid = str(owner.uuid)
        self.dictionary = dictionary
        self.seq = project.seq
        self.uuid = str(project.uuid)
        self.program = project.program
        self.program_code = project.program_code
        self.code = project.code
        self.project_id = project.project_id

    @property
    def strict(self) -> bool:
        """Whether the dictionary binds every door here."""
        return self.project.mode is Mode.STRICT


@dataclass(frozen=True, slots=True)
class Deletion:
    """One deletion that can be brought back: ``kind`` is ``records``, ``files``, ``project`` or ``program``."""

    id: int
    kind: str
    title: str
    program: int | None
    project: int | None
    who_label: str
    door: str
    counts: Mapping[str, int]
    at: datetime
    restored: datetime | None
    purged: datetime | None


class Target:
    """The far end of a link: a stored record, or the row of the project or program itself."""

    __slots__ = ("folded", "project", "seq", "submitter_id", "type", "uuid")

    def __init__(self, seq: int, uuid: str, type_name: str, project: int, submitter_id: str = "") -> None:
        self.seq = seq
        self.uuid = uuid
        self.type = type_name
        self.project = project
        self.submitter_id = submitter_id
        self.folded = submitter_id.casefold()


class Write(Target):
    """One record as a request wants it, new when ``before`` is None.

    ``seq`` is 0 until a number is given; ``links`` holds all links it has afterwards by name, ``added`` and
    ``removed`` what changes in the link table. ``props`` and ``extra`` are the values afterwards.
    """

    __slots__ = ("added", "before", "extra", "label", "links", "props", "removed", "state", "version")

    before: Record | None
    props: dict[str, Any]
    extra: Any
    label: str | None
    state: str
    version: int
    links: dict[str, list[Target]]
    added: list[tuple[str, Target]]
    removed: list[tuple[str, int]]


class EntityError(msgspec.Struct, frozen=True, omit_defaults=True):
    """One error or warning of one entity (contracts/gen3.md 4.5). ``keys`` are the properties or links it is about."""

    keys: list[str]
    message: str
    type: str
    id: str | None = None
    dependents: list[dict[str, str]] | None = None


class TransactionalError(msgspec.Struct, frozen=True, omit_defaults=True):
    """An error that belongs to the request as a whole."""

    message: str
    type: str | None = None
    keys: list[str] | None = None


class EntityResult(msgspec.Struct, frozen=True, gc=False):
    """What happened to one document."""

    valid: bool
    action: str | None
    type: str | None
    id: str | None
    errors: list[EntityError]
    warnings: list[EntityError]
    unique_keys: list[dict[str, Any]]
    #: Whether the entity was found equal; not on the wire, where it counts as updated.
    unchanged: ClassVar[bool] = False


class UnchangedResult(EntityResult, frozen=True, gc=False):
    """A document that said nothing new: no version was written."""

    unchanged: ClassVar[bool] = True


class SubmissionResult(msgspec.Struct, frozen=True):
    """The answer to one submission. ``code`` is the HTTP status it is sent with."""

    transaction_id: int
    success: bool
    code: int
    message: str
    entities: list[EntityResult]
    entity_error_count: int
    transactional_error_count: int
    transactional_errors: list[TransactionalError | str]
    created_entity_count: int
    updated_entity_count: int


class DeletionResult(msgspec.Struct, frozen=True):
    """The answer to one deletion of entities (contracts/gen3.md 4.7)."""

    transaction_id: int
    success: bool
    code: int
    message: str
    entities: list[EntityResult]
    entity_error_count: int
    transactional_error_count: int
    transactional_errors: list[TransactionalError | str]
    deleted_entity_count: int
    dependent_ids: str
