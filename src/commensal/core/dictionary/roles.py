"""Roles: which types stand for the five things that all doors know, and which of our types a site needs beside its own.

Source: design, "Types, roles and free metadata".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

from commensal.core.dictionary.model import SYSTEM_PREFIX, Role

__all__ = ["ALWAYS_SYSTEM", "OPEN_TYPES", "ROLE_NAMES", "SUBJECT_TYPES", "compute_roles", "system_names"]

ROLE_NAMES = ("subject", "sample", "data_file", "dataset", "analysis")

#: Types of ours that no site's dictionary shows, not even our own open one.
ALWAYS_SYSTEM = ("genome", "clinical_report", "case_container", "import_group", "library", "preparation")

#: Types of our open dictionary that other doors need; system types where the site's dictionary is another.
OPEN_TYPES = ("subject", "sample", "dataset", "analysis_result", "result_field", "data_file")

#: The site's type for the role subject is the first of these that it has.
SUBJECT_TYPES = ("subject", "case", "participant")

#: Roles whose type is always ours: a site's type of that name means something of its own.
_OURS = {"data_file": "data_file", "dataset": "dataset", "analysis": "analysis_result"}


def compute_roles(
    site: Iterable[str],
    ours: Iterable[str],
    data_files: Iterable[str],
    overrides: Mapping[str, Any] | None,
    problems: list[str],
) -> dict[str, Role]:
    """Return the five roles.

    ``site`` = the site's types, ``ours`` = those of them that are our own, ``data_files`` = those whose category ends
    in ``_file``. Wrong overrides are appended to ``problems``.
    """
    types, own = set(site), set(ours)
    reads: dict[str, tuple[str, ...]] = {}
    writes: dict[str, str] = {}

    def our_type(name: str) -> str:
        return name if name in own else SYSTEM_PREFIX + name

    writes["subject"] = next((name for name in SUBJECT_TYPES if name in types), SYSTEM_PREFIX + "subject")
    writes["sample"] = "sample" if "sample" in types else SYSTEM_PREFIX + "sample"
    for role, name in _OURS.items():
        writes[role] = our_type(name)
    for role in ROLE_NAMES:
        reads[role] = (writes[role],)
    files = [name for name in data_files if name != writes["data_file"]]
    reads["data_file"] = (*files, writes["data_file"])

    known = types | {SYSTEM_PREFIX + name for name in (*OPEN_TYPES, *ALWAYS_SYSTEM)}
    for role, raw in (overrides or {}).items():
        read, write = _override(role, raw, known, problems)
        if read is None and write is None:
            continue
        writes[role] = write or (writes[role] if read is None or writes[role] in read else read[0])
        chosen = read if read is not None else (writes[role],)
        reads[role] = chosen if writes[role] in chosen else (*chosen, writes[role])
    return {role: Role(role, reads[role], writes[role], writes[role].startswith(SYSTEM_PREFIX)) for role in ROLE_NAMES}


def system_names(ours: Iterable[str], roles: Mapping[str, Role]) -> tuple[str, ...]:
    """Return the plain names of our types that this site has as system types."""
    own = set(ours)
    used = {name for role in roles.values() for name in (*role.read, role.write)}
    names: list[str] = list(ALWAYS_SYSTEM)
    for name in OPEN_TYPES:
        # Subject and sample only where nothing of the site's plays that part; a second kind of sample helps nobody.
        optional = name in ("subject", "sample")
        if name not in own and (not optional or SYSTEM_PREFIX + name in used):
            names.append(name)
    return tuple(names)


def _override(
    role: str,
    raw: object,
    known: set[str],
    problems: list[str],
) -> tuple[tuple[str, ...] | None, str | None]:
    if role not in ROLE_NAMES:
        problems.append(f"roles: there is no role {role!r}; the roles are {', '.join(ROLE_NAMES)}.")
        return None, None
    body = cast("dict[str, Any]", raw) if isinstance(raw, dict) else {}
    read, write = body.get("read"), body.get("write")
    names = cast("list[Any]", read) if isinstance(read, list) else []
    shape = isinstance(raw, dict) and set(body) <= {"read", "write"} and bool(body)
    if not shape or (read is not None and not names) or not isinstance(write, str | None):
        problems.append(f"roles: {role} must look like {{read: [type, …], write: type}}.")
        return None, None
    problems.extend(
        f"roles: {role} names {name!r}, and the dictionary has no such type."
        for name in (*names, *([write] if write else ()))
        if name not in known
    )
    return (tuple(str(name) for name in names) if names else None), write
