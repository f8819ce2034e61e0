"""What a dictionary says, compiled: types, properties, links, roles. Immutable; made by :func:`compile_dictionary`.

Source of the meaning of every part: contracts/gen3.md 6; of system types and roles: design, "Types, roles and
free metadata".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from commensal.errors import NotFound

__all__ = [
    "OUR_NAMESPACE",
    "SYSTEM_PREFIX",
    "Dictionary",
    "Link",
    "LinkGroup",
    "Multiplicity",
    "NodeType",
    "Property",
    "Role",
]

#: Stored names of system types begin with this; a site's type can never contain a dot.
SYSTEM_PREFIX = "commensal."

#: ``namespace`` of the types of our own dictionaries: by it a type is known as ours, not by its name.
OUR_NAMESPACE = "urn:commensal:open"


class Multiplicity(StrEnum):
    """How many records may stand at the two ends of a link: ``<sources>_to_<targets>``."""

    MANY_TO_ONE = "many_to_one"
    ONE_TO_ONE = "one_to_one"
    ONE_TO_MANY = "one_to_many"
    MANY_TO_MANY = "many_to_many"

    @property
    def many_targets(self) -> bool:
        """Whether one source may point at several targets."""
        return self in (Multiplicity.ONE_TO_MANY, Multiplicity.MANY_TO_MANY)

    @property
    def target_once(self) -> bool:
        """Whether a target may be pointed at by one source only."""
        return self in (Multiplicity.ONE_TO_ONE, Multiplicity.ONE_TO_MANY)


@dataclass(frozen=True, slots=True)
class Property:
    """One property of a type that is no link.

    ``kind`` is the first JSON type that is not null, and ``string`` where the schema names none (enum, oneOf), which
    is how the graph query language and the tabular form treat it. ``schema`` is as in the resolved dictionary.
    """

    name: str
    kind: str
    types: tuple[str, ...]
    schema: Mapping[str, Any]
    required: bool = False
    system: bool = False
    item_kind: str | None = None
    enum: tuple[Any, ...] | None = None
    format: str | None = None
    default: Any = None
    has_default: bool = False
    description: str | None = None
    term: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """A named link from a type to a type. ``source`` and ``target`` are stored type names."""

    name: str
    backref: str
    label: str
    source: str
    target: str
    multiplicity: Multiplicity
    required: bool

    @property
    def many_targets(self) -> bool:
        """Whether one source may point at several targets."""
        return self.multiplicity.many_targets

    @property
    def target_once(self) -> bool:
        """Whether a target may be pointed at by one source only."""
        return self.multiplicity.target_once


@dataclass(frozen=True, slots=True)
class LinkGroup:
    """Links of which at least one (``required``) or at most one (``exclusive``) is set; groups may nest."""

    exclusive: bool
    required: bool
    members: tuple[Link | LinkGroup, ...]

    def links(self) -> Iterator[Link]:
        """Yield every link in the group and in the groups inside it."""
        for member in self.members:
            if isinstance(member, Link):
                yield member
            else:
                yield from member.links()


@dataclass(frozen=True, slots=True)
class NodeType:
    """One record type.

    ``name`` is the stored name (``commensal.genome`` for a system type), ``label`` the one that people see.
    ``properties`` holds all properties but the links, in the order of the dictionary; ``link_groups`` the links with
    their group structure as written, ``links`` the same links flat; ``backrefs`` the links of other types to this
    one by their name seen from here. ``schema`` is the node's schema in the resolved dictionary.
    """

    name: str
    title: str
    category: str
    description: str
    schema: Mapping[str, Any]
    properties: Mapping[str, Property]
    required: tuple[str, ...]
    unique_keys: tuple[tuple[str, ...], ...]
    system_properties: tuple[str, ...]
    links: tuple[Link, ...]
    link_groups: tuple[Link | LinkGroup, ...]
    links_by_name: Mapping[str, Link]
    backrefs: Mapping[str, Link] = field(default_factory=dict[str, Link])
    system: bool = False
    ours: bool = False

    @property
    def label(self) -> str:
        """The name without the prefix of system types."""
        return self.name.removeprefix(SYSTEM_PREFIX)

    @property
    def is_data_file(self) -> bool:
        """Whether records of this type describe a file (contracts/gen3.md 4.8)."""
        return self.category.endswith("_file")

    @property
    def has_object_id(self) -> bool:
        """Whether the type names its file's index record by ``object_id``."""
        return "object_id" in self.properties

    @property
    def submittable(self) -> bool:
        """Whether records of it are submitted inside a project (contracts/gen3.md 6)."""
        return "project_id" in self.properties

    @property
    def exportable(self) -> bool:
        """Whether records of it can be exported: all but the category ``internal``."""
        return self.category != "internal"

    @property
    def has_metadata(self) -> bool:
        """Whether it shows free metadata as the JSON text property ``metadata``: types of our dictionaries only."""
        return self.ours and "metadata" in self.properties

    @property
    def link_property(self) -> str:
        """The property that names a record of this type in a link column: ``submitter_id``, ``code``, ``name``."""
        for key in self.unique_keys:
            rest = [name for name in key if name not in ("id", "project_id")]
            if rest:
                return rest[0]
        return "id"


@dataclass(frozen=True, slots=True)
class Role:
    """Which types are read as one of the five things all doors know, and which one is written.

    Names are stored names. ``system`` tells that the written type is a system type.
    """

    name: str
    read: tuple[str, ...]
    write: str
    system: bool


@dataclass(frozen=True, slots=True)
class Dictionary:
    """A dictionary in use.

    ``resolved`` is the JSON form without references: what ``_dictionary/_all`` shows and what is stored. Keep the
    order of its keys when storing it (``json``, not ``jsonb``): error lists and forms follow it. ``version_hash`` is
    the SHA-256 of its canonical JSON.
    """

    resolved: Mapping[str, Any]
    version_hash: str
    types: Mapping[str, NodeType]
    system_types: Mapping[str, NodeType]
    settings: Mapping[str, Any]
    roles: Mapping[str, Role]

    def find(self, name: str) -> NodeType | None:
        """Return a type by its stored name, ours with their prefix, or None."""
        return self.types.get(name) or self.system_types.get(name)

    def type(self, name: str) -> NodeType:
        """Return a type by its stored name; :class:`NotFound` names the unknown one."""
        found = self.find(name)
        if found is None:
            msg = f"The dictionary has no type {name!r}."
            raise NotFound(msg)
        return found

    def all_types(self) -> Iterator[NodeType]:
        """Yield the site's types, then the system types."""
        yield from self.types.values()
        yield from self.system_types.values()

    def role(self, name: str) -> Role:
        """Return one of the roles subject, sample, data_file, dataset, analysis."""
        return self.roles[name]

    def write_type(self, role: str) -> NodeType:
        """Return the type that records of a role are written as."""
        return self.type(self.roles[role].write)

    def ours(self, name: str) -> NodeType:
        """Return one of our types by its plain name, whether the site's dictionary shows it or it is a system type."""
        shown = self.types.get(name)
        return shown if shown is not None and shown.ours else self.type(SYSTEM_PREFIX + name)

    def link_property(self, link: Link) -> str:
        """Return the property of the target that names it in a link column (contracts/gen3.md 4.9)."""
        return self.type(link.target).link_property

    def link_between(self, source: str, target: str) -> Link | None:
        """Return the declared link from one type to another if there is exactly one, else None (use a hub link)."""
        node = self.find(source)
        found = [link for link in node.links if link.target == target] if node else []
        return found[0] if len(found) == 1 else None
