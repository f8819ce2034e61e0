"""From the resolved form to a :class:`Dictionary`, with every inconsistency named at once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, cast

from commensal.core.dictionary.model import SYSTEM_PREFIX, Dictionary, Link, NodeType
from commensal.core.dictionary.nodes import build_node
from commensal.core.dictionary.roles import compute_roles, system_names
from commensal.errors import SetupError

__all__ = ["compile_dictionary", "version_hash"]


def compile_dictionary(
    resolved: Mapping[str, Any],
    base: Mapping[str, Any],
    roles: Mapping[str, Any] | None = None,
) -> Dictionary:
    """Return the compiled dictionary of a site.

    ``resolved`` is the site's (see :func:`resolve`), ``base`` the resolved form of all types of ours, from which the
    system types are taken; ``roles`` the content of the site's ``roles.yaml``. Raises SetupError that lists
    everything that is wrong: links that lead nowhere, names used twice, unknown multiplicities, reserved names.
    """
    problems: list[str] = []
    types: dict[str, NodeType] = {}
    for name, schema in resolved.items():
        if name.startswith("_") or name == "metaschema":
            continue
        if not isinstance(schema, dict):
            problems.append(f"{name}: is no object.")
            continue
        node = build_node(name, cast("dict[str, Any]", schema), problems)
        if node is not None:
            types[name] = node
    problems.extend(
        f"{needed}: this type is missing, and every dictionary needs it."
        for needed in ("program", "project")
        if needed not in resolved
    )
    ours = [name for name, node in types.items() if node.ours]
    files = [name for name, node in types.items() if node.is_data_file]
    played = compute_roles(types, ours, files, roles, problems)
    system: dict[str, NodeType] = {}
    names = system_names(ours, played)

    def stored(target: str) -> str:
        if target in names:
            return SYSTEM_PREFIX + target
        role = played.get(target)
        return role.write if role is not None and target not in ours else target

    for name in names:
        schema = base.get(name)
        if not isinstance(schema, dict):
            problems.append(f"{SYSTEM_PREFIX}{name}: this type of ours is missing from the installation.")
            continue
        node = build_node(SYSTEM_PREFIX + name, cast("dict[str, Any]", schema), problems, system=True, rename=stored)
        if node is not None:
            system[node.name] = node
    every = {**types, **system}
    backrefs = _backrefs(every, problems)
    if problems:
        raise SetupError("The dictionary cannot be used:\n" + "\n".join(f"  {line}" for line in problems))
    settings = resolved.get("_settings")
    return Dictionary(
        resolved=resolved,
        version_hash=version_hash(resolved),
        types=_with_backrefs(types, backrefs),
        system_types=_with_backrefs(system, backrefs),
        settings=cast("dict[str, Any]", settings) if isinstance(settings, dict) else {},
        roles=MappingProxyType(played),
    )


def version_hash(resolved: Mapping[str, Any]) -> str:
    """Return the SHA-256 (hex) of a resolved dictionary's canonical JSON: keys sorted, no blanks, UTF-8."""
    text = json.dumps(resolved, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _backrefs(types: Mapping[str, NodeType], problems: list[str]) -> dict[str, dict[str, Link]]:
    """Return the links to each type by their backref; a system type's links are not seen from a site's type."""
    seen: dict[str, dict[str, Link]] = {name: {} for name in types}
    for node in types.values():
        for link in node.links:
            target = types.get(link.target)
            if target is None:
                problems.append(f"{node.name}: the link {link.name!r} leads to the unknown type {link.target!r}.")
                continue
            if node.system and not target.system:
                continue
            other = seen[target.name].get(link.backref)
            if other is not None:
                problems.append(
                    f"{node.name}: the backref {link.backref!r} of the link {link.name!r} is also that of the link "
                    f"{other.name!r} of {other.source}, both to {target.name}.",
                )
            elif link.backref in target.properties or link.backref in target.links_by_name:
                problems.append(
                    f"{node.name}: the backref {link.backref!r} of the link {link.name!r} is also a property or link "
                    f"of {target.name}.",
                )
            seen[target.name][link.backref] = link
    return seen


def _with_backrefs(
    types: Mapping[str, NodeType],
    backrefs: Mapping[str, dict[str, Link]],
) -> Mapping[str, NodeType]:
    return MappingProxyType(
        {name: replace(node, backrefs=MappingProxyType(backrefs[name])) for name, node in types.items()},
    )
