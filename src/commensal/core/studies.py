"""Studies and what hangs on them, as the Genestack ODM door shows them: flat objects of attributes.

A study is a project, a sample a record of the role sample; libraries and preparations are records of types of ours.
What one import created is a group (``core.import_groups``).
Source: contracts/odm.md, "Metadata objects" and "Linkage"; design hub.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from commensal.core.files_query import Node
from commensal.core.free_metadata import IDENTITY_KEYS
from commensal.core.import_groups import SAMPLE_KEY

__all__ = [
    "ACCESSION",
    "DATA_TYPES",
    "FILE",
    "GROUP_ID",
    "HIDDEN",
    "HIDDEN_OF_STUDY",
    "LINK_PAIRS",
    "NAME",
    "NAME_KEYS",
    "Found",
    "FoundPage",
    "Kind",
    "LinkQuery",
    "ObjectLink",
    "ObjectQuery",
    "ObjectRef",
    "Publication",
    "Version",
    "kind_of_group",
    "ordered",
    "record_attributes",
    "study_attributes",
]

ACCESSION = "genestack:accession"
NAME = "genestack:name"
GROUP_ID = "groupId"

#: Properties that are no attribute: identity, and what an object shows as its name.
HIDDEN = IDENTITY_KEYS | {"label"}
HIDDEN_OF_STUDY = IDENTITY_KEYS | {"code", "name", "programs"}


class Kind(enum.StrEnum):
    """What an object is."""

    STUDY = "study"
    SAMPLE = "sample"
    LIBRARY = "library"
    PREPARATION = "preparation"

    @property
    def plural(self) -> str:
        """The word for many, as in addresses."""
        return _PLURALS[self]


_PLURALS = {
    Kind.STUDY: "studies",
    Kind.SAMPLE: "samples",
    Kind.LIBRARY: "libraries",
    Kind.PREPARATION: "preparations",
}
#: Under which attribute an object shows the name that it has in its study (its ``submitter_id``).
NAME_KEYS: Mapping[Kind, str] = {
    Kind.SAMPLE: SAMPLE_KEY,
    Kind.LIBRARY: "Library ID",
    Kind.PREPARATION: "Preparation ID",
}


@dataclass(frozen=True, slots=True)
class Found:
    """One object: its number, its project's number (of a study, its own) and stored type, and its attributes."""

    seq: int
    project: int
    type: str
    attributes: dict[str, Any]


@dataclass(frozen=True, slots=True)
class FoundPage:
    """A page of objects, and how many match in all."""

    items: tuple[Found, ...]
    total: int


@dataclass(frozen=True, slots=True)
class ObjectQuery:
    """Which objects are wanted.

    ``nodes`` must all hold of the object. ``project``, ``group``: inside one study or import group (numbers);
    ``only``: this one. ``linked``: must belong together with an object of that query; ``files``: a study with a file of
    which all these nodes hold. ``sort``: an attribute, ``descending`` its direction; objects without it come last, ties
    by accession.
    """

    kind: Kind
    types: tuple[str, ...] = ()
    nodes: tuple[Node, ...] = ()
    project: int | None = None
    group: int | None = None
    only: int | None = None
    linked: ObjectQuery | None = None
    files: tuple[Node, ...] | None = None
    sort: str | None = None
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Version:
    """One step in an object's history. ``message``: as it was published, or what happened through which door."""

    n: int
    at: datetime
    author: str
    message: str


@dataclass(frozen=True, slots=True)
class Publication:
    """The naming of a study's current version."""

    id: int
    project: int
    message: str
    author: str
    at: datetime


def _attributes(properties: Mapping[str, Any], extra: Any, hidden: frozenset[str]) -> dict[str, Any]:
    shown = {key: value for key, value in properties.items() if key not in hidden}
    if isinstance(extra, dict):
        return {**cast("dict[str, Any]", extra), **shown}
    return shown if extra is None else {"commensal:metadata": extra, **shown}


def study_attributes(
    seq: int, uuid: UUID, project_id: str, title: str, properties: Mapping[str, Any], extra: Any
) -> dict[str, Any]:
    """Return the attributes of a study; storage makes the same of its rows."""
    own = {ACCESSION: f"GSF{seq}", NAME: title, "commensal:project": project_id, "commensal:uuid": str(uuid)}
    return {**_attributes(properties, extra, HIDDEN_OF_STUDY), **own}


def record_attributes(
    kind: Kind, seq: int, uuid: UUID, submitter_id: str, label: str | None, properties: Mapping[str, Any], extra: Any
) -> dict[str, Any]:
    """Return the attributes of a sample, library or preparation, without its group; storage makes the same."""
    own = {ACCESSION: f"GSF{seq}", NAME: label or submitter_id, NAME_KEYS[kind]: submitter_id}
    return {**_attributes(properties, extra, HIDDEN), **own, "commensal:uuid": str(uuid)}


def ordered(attributes: Mapping[str, Any], first: Sequence[str]) -> dict[str, Any]:
    """Return attributes with some keys first."""
    made = {key: attributes[key] for key in first if key in attributes}
    return {**made, **{key: value for key, value in attributes.items() if key not in made}}


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """One object of any type: its number, its type on the wire (``sampleGroup``), its project's number."""

    seq: int
    type: str
    project: int


@dataclass(frozen=True, slots=True)
class ObjectLink:
    """Two objects that belong together, by number and type."""

    first: int
    first_type: str
    second: int
    second_type: str


@dataclass(frozen=True, slots=True)
class LinkQuery:
    """Links that start at some objects of one type, to all objects of some types or to one of them."""

    first_type: str
    firsts: tuple[int, ...]
    second_types: tuple[str, ...]
    second: int | None = None
    offset: int = 0
    limit: int = 1000


FILE = "file"
_SAMPLE_GROUP = "sampleGroup"
#: What may belong to what, from the parent to its child.
LINK_PAIRS = (
    ("study", "sample"),
    ("study", _SAMPLE_GROUP),
    ("study", FILE),
    (_SAMPLE_GROUP, "sample"),
    ("sample", "library"),
    ("sample", "preparation"),
    (_SAMPLE_GROUP, "libraryGroup"),
    (_SAMPLE_GROUP, "preparationGroup"),
    ("libraryGroup", "library"),
    ("preparationGroup", "preparation"),
)
#: All types of objects, as the wire calls them.
DATA_TYPES = ("study", "sample", _SAMPLE_GROUP, "library", "libraryGroup", "preparation", "preparationGroup", FILE)


def kind_of_group(type_name: str) -> Kind | None:
    """Return what a group of this type on the wire has as members; None for what is no group."""
    return Kind(type_name.removesuffix("Group")) if type_name.endswith("Group") else None
