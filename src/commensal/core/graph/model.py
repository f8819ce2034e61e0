"""A graph query as data: what is asked of programs, projects and records, free of any wire syntax.

A face translates its own language into these values, storage compiles each :class:`Root` into one statement.
Values say what is meant completely (types, link directions, how a property is shown), so that storage needs no
dictionary. Source of the meaning: contracts/gen3.md 5.2 to 5.5.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

__all__ = [
    "AnyNodes",
    "Count",
    "DataNodes",
    "Fixed",
    "Form",
    "LinkCount",
    "Linked",
    "LogCount",
    "LogField",
    "LogWhere",
    "Logs",
    "Match",
    "Neighbours",
    "Nodes",
    "Order",
    "Paging",
    "Path",
    "Reached",
    "Root",
    "Selection",
    "Step",
    "Table",
    "Value",
    "Where",
]


class Table(StrEnum):
    """Where the rows of a type stand. ``NOTHING``: the type is only in the dictionary and never has rows."""

    RECORDS = "records"
    PROJECTS = "projects"
    PROGRAMS = "programs"
    NOTHING = "nothing"


class Form(StrEnum):
    """How a property is stored, and so how it is compared, ordered and shown."""

    TEXT = "text"  # stored as text, shown as it is
    SHOWN = "shown"  # any value, shown as its text
    NUMBER = "number"
    BOOLEAN = "boolean"
    TEXTS = "texts"  # a list of texts
    SHOWN_TEXTS = "shown_texts"  # a list of any values, shown as their texts
    EXTRA = "extra"  # the free metadata, shown as JSON text

    @property
    def many(self) -> bool:
        """Whether the value is a list."""
        return self in (Form.TEXTS, Form.SHOWN_TEXTS)


@dataclass(frozen=True, slots=True)
class Step:
    """One link followed from one of its ends: ``forward`` from its source to its target.

    ``near`` and ``far`` are the types at the two ends as seen on the way, ``table`` is where ``far`` stands.
    """

    name: str
    forward: bool
    near: str
    far: str
    table: Table


@dataclass(frozen=True, slots=True)
class Match:
    """A property equals one of the values; a list property contains all of them.

    Values are text, numbers or booleans, as ``form`` says. No values: nothing matches.
    """

    name: str
    form: Form
    values: tuple[str | float | bool, ...]


@dataclass(frozen=True, slots=True)
class Path:
    """Ways from a row over links: one step, then it may end (on rows where ``end`` holds) or go on by ``then``."""

    step: Step
    end: Where | None
    then: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Where:
    """Conditions on rows; all of them hold.

    ``ids`` are lists of uuids, each of which limits. ``search`` is found in the uuid or submitter_id in any case.
    Dates are exclusive. ``excluded``: rows that match one of these are left out. ``links_…`` name neighbours that
    exist; ``reach_…`` are alternatives of paths, of which one leads to a row.
    """

    never: bool = False
    ids: tuple[tuple[str, ...], ...] = ()
    submitter_ids: tuple[str, ...] | None = None
    project_ids: tuple[str, ...] | None = None
    search: str = ""
    created_before: datetime | None = None
    created_after: datetime | None = None
    updated_before: datetime | None = None
    updated_after: datetime | None = None
    matches: tuple[Match, ...] = ()
    excluded: tuple[Match, ...] = ()
    links_all: tuple[Step, ...] = ()
    links_any: tuple[Step, ...] = ()
    links_none: tuple[Step, ...] = ()
    reach_all: tuple[tuple[Path, ...], ...] = ()
    reach_any: tuple[tuple[Path, ...], ...] = ()
    reach_none: tuple[tuple[Path, ...], ...] = ()


EVERYTHING = Where()


@dataclass(frozen=True, slots=True)
class Order:
    """Order by a property (or ``id``); rows that are equal in it keep their usual order."""

    name: str
    form: Form = Form.TEXT
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Paging:
    """``first`` rows after ``offset``; None is all of them."""

    first: int | None = 10
    offset: int = 0


# --- what is shown of a row -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Value:
    """A property, or one of ``id, type, submitter_id, project_id, created_datetime, updated_datetime``."""

    key: str
    name: str
    form: Form = Form.TEXT


@dataclass(frozen=True, slots=True)
class Fixed:
    """The same JSON text whatever the row is."""

    key: str
    json: str


@dataclass(frozen=True, slots=True)
class Linked:
    """The rows at the other end of a link."""

    key: str
    step: Step
    show: tuple[Selection, ...]
    where: Where = EVERYTHING
    order: tuple[Order, ...] = ()
    paging: Paging = field(default_factory=Paging)


@dataclass(frozen=True, slots=True)
class LinkCount:
    """How many rows there are at the other end of a link."""

    key: str
    step: Step
    where: Where = EVERYTHING


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The rows linked in either direction, whatever their type; see :class:`AnyNodes`."""

    key: str
    nodes: AnyNodes


@dataclass(frozen=True, slots=True)
class Reached:
    """The records of a type at the end of ways over links from a row, each of them once."""

    key: str
    type: str
    ways: tuple[tuple[Step, ...], ...]
    show: tuple[Selection, ...]
    where: Where = EVERYTHING
    order: tuple[Order, ...] = ()
    paging: Paging = field(default_factory=Paging)


@dataclass(frozen=True, slots=True)
class LogField:
    """A value of a transaction log, or of a part of it; with ``show``, a part with parts of its own."""

    key: str
    name: str
    show: tuple[Selection, ...] = ()


# --- root fields ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Nodes:
    """Rows of one type."""

    key: str
    type: str
    table: Table
    show: tuple[Selection, ...]
    where: Where = EVERYTHING
    order: tuple[Order, ...] = ()
    paging: Paging = field(default_factory=Paging)


@dataclass(frozen=True, slots=True)
class Count:
    """How many rows of one type there are."""

    key: str
    type: str
    table: Table
    where: Where = EVERYTHING


@dataclass(frozen=True, slots=True)
class AnyNodes:
    """Rows of several types: ``types`` are record types; ``shows`` gives what is shown of some types, else ``show``."""

    key: str
    types: tuple[str, ...]
    projects: bool
    programs: bool
    show: tuple[Selection, ...]
    shows: tuple[tuple[str, tuple[Selection, ...]], ...] = ()
    where: Where = EVERYTHING
    order: tuple[Order, ...] = ()
    paging: Paging = field(default_factory=Paging)


@dataclass(frozen=True, slots=True)
class DataNodes:
    """Rows of the types that describe files, each with the same fields; ``where`` may name any of them."""

    key: str
    types: tuple[str, ...]
    show: tuple[Selection, ...]
    where: Where = EVERYTHING
    order: tuple[Order, ...] = ()
    paging: Paging = field(default_factory=Paging)


@dataclass(frozen=True, slots=True)
class LogWhere:
    """Conditions on transaction logs; None does not limit. ``entities`` are uuids of records that were written."""

    never: bool = False
    ids: tuple[tuple[int, ...], ...] = ()
    roles: tuple[str, ...] | None = None
    project_ids: tuple[str, ...] | None = None
    project: str | None = None
    program: str | None = None
    entities: tuple[str, ...] | None = None
    is_dry_run: bool | None = None
    closed: bool | None = None
    committable: bool | None = None
    state: str | None = None
    committed_by: int | None = None


@dataclass(frozen=True, slots=True)
class Logs:
    """Transaction logs: of the readable projects, or below a record those that wrote it. ``last``: the newest ones."""

    key: str
    show: tuple[Selection, ...]
    where: LogWhere = field(default_factory=LogWhere)
    order: tuple[Order, ...] = ()
    paging: Paging = field(default_factory=Paging)
    last: int | None = None


@dataclass(frozen=True, slots=True)
class LogCount:
    """How many transaction logs there are."""

    key: str
    where: LogWhere = field(default_factory=LogWhere)


Selection = Value | Fixed | Linked | LinkCount | Neighbours | Reached | Logs | LogCount | LogField
Root = Nodes | Count | AnyNodes | DataNodes | Logs | LogCount
