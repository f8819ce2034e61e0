"""Dictionaries of record types in the Gen3 format: resolving, compiling, roles. Reading files is storage's part."""

from __future__ import annotations

from commensal.core.dictionary.compile import compile_dictionary, version_hash
from commensal.core.dictionary.model import (
    OUR_NAMESPACE,
    SYSTEM_PREFIX,
    Dictionary,
    Link,
    LinkGroup,
    Multiplicity,
    NodeType,
    Property,
    Role,
)
from commensal.core.dictionary.resolve import nullable, resolve
from commensal.core.dictionary.roles import ALWAYS_SYSTEM, OPEN_TYPES, ROLE_NAMES, SUBJECT_TYPES

__all__ = [
    "ALWAYS_SYSTEM",
    "OPEN_TYPES",
    "OUR_NAMESPACE",
    "ROLE_NAMES",
    "SUBJECT_TYPES",
    "SYSTEM_PREFIX",
    "Dictionary",
    "Link",
    "LinkGroup",
    "Multiplicity",
    "NodeType",
    "Property",
    "Role",
    "compile_dictionary",
    "nullable",
    "resolve",
    "version_hash",
]
