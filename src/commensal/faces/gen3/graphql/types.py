"""A schema as plain values, from which the validator's schema and the introspection answer are both made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from commensal.core.dictionary import Dictionary, NodeType
from commensal.core.graph.model import Step

__all__ = ["INPUT", "INTERFACE", "OBJECT", "SCALAR", "Argument", "Field", "Meaning", "Named", "Ref", "SchemaModel"]

OBJECT, INTERFACE, INPUT, SCALAR = "OBJECT", "INTERFACE", "INPUT_OBJECT", "SCALAR"


@dataclass(frozen=True, slots=True)
class Ref:
    """A reference to a type: ``kind`` is NAMED, LIST or NON_NULL."""

    kind: str
    name: str = ""
    of: Ref | None = None

    @classmethod
    def parse(cls, text: str) -> Ref:
        """Read the usual notation: ``String``, ``[String]``, ``String!``."""
        if text.endswith("!"):
            return cls("NON_NULL", of=cls.parse(text[:-1]))
        if text.startswith("["):
            return cls("LIST", of=cls.parse(text[1:-1]))
        return cls("NAMED", text)

    @property
    def base(self) -> str:
        """The name of the type inside lists and non-null marks."""
        ref = self
        while ref.of is not None:
            ref = ref.of
        return ref.name

    def __str__(self) -> str:
        if self.of is None:
            return self.name
        return f"[{self.of}]" if self.kind == "LIST" else f"{self.of}!"


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument of a field, or a field of an input type. ``default`` is as written in a query."""

    name: str
    type: Ref
    default: str | None = None
    description: str | None = None


class Meaning(StrEnum):
    """What a field stands for."""

    VALUE = "value"
    NODES = "nodes"
    COUNT = "count"
    LINKED = "linked"
    LINK_COUNT = "link_count"
    NEIGHBOURS = "neighbours"
    ANY_NODES = "any_nodes"
    DATA_NODES = "data_nodes"
    NODE_TYPES = "node_types"
    VIEWER = "viewer"
    LOGS = "logs"
    LOG_COUNT = "log_count"
    RELATED_CASES = "related_cases"


@dataclass(frozen=True, slots=True)
class Field:
    """A field; ``about`` is the record type it is about, ``step`` the link it follows."""

    name: str
    type: Ref
    arguments: Mapping[str, Argument]
    meaning: Meaning = Meaning.VALUE
    about: NodeType | None = None
    step: Step | None = None
    description: str | None = None


@dataclass(frozen=True)
class Named:
    """A type. ``node`` is the record type that an object stands for."""

    kind: str
    name: str
    fields: Mapping[str, Field] = field(default_factory=dict[str, Field])
    inputs: Mapping[str, Argument] = field(default_factory=dict[str, Argument])
    interfaces: tuple[str, ...] = ()
    description: str | None = None
    node: NodeType | None = None


@dataclass(frozen=True)
class SchemaModel:
    """The whole schema of one dictionary; ``types`` in the order they are told."""

    dictionary: Dictionary
    types: Mapping[str, Named]

    @property
    def root(self) -> Named:
        """The query type."""
        return self.types["Root"]

    @cached_property
    def nodes(self) -> tuple[str, ...]:
        """The types that implement ``Node``, in the order of the dictionary."""
        return tuple(name for name, named in self.types.items() if named.node is not None)

    @cached_property
    def data_types(self) -> tuple[NodeType, ...]:
        """The record types that ``DataNode`` stands for."""
        return tuple(node for node in self.dictionary.types.values() if node.is_data_file)
