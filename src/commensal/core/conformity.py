"""Does a stored record obey a dictionary: asked when a dictionary is applied and when a project becomes strict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from commensal.core.entities import Entity
from commensal.core.free_metadata import untaken_keys
from commensal.core.links import check_groups
from commensal.core.plans import IDENTITY, TypePlan
from commensal.core.records import Record, Target

__all__ = ["Breach", "StoredRow", "breaches", "document_of", "suspects"]


@dataclass(frozen=True, slots=True)
class StoredRow:
    """A record with the links that start at it, as (name, target's type)."""

    record: Record
    links: Sequence[tuple[str, str]]


@dataclass(slots=True)
class Breach:
    """What is wrong with one record under a type.

    ``refused``: properties that the type lacks or whose values it refuses; ``links``: links it does not declare;
    ``lacking``: sentences about required properties and links that are absent, by field; ``untaken``: keys of free
    metadata that nothing takes in a strict project.
    """

    refused: dict[str, str] = field(default_factory=dict[str, str])
    links: list[str] = field(default_factory=list[str])
    lacking: dict[str, str] = field(default_factory=dict[str, str])
    untaken: list[str] = field(default_factory=list[str])

    def __bool__(self) -> bool:
        return bool(self.refused or self.links or self.lacking or self.untaken)

    def sentences(self) -> list[tuple[str, str]]:
        """Return (field, sentence) for everything."""
        return [
            *self.refused.items(),
            *((name, f"The type declares no such link to this target as {name!r}.") for name in self.links),
            *self.lacking.items(),
            *((key, f"The type has no property {key!r}; it is kept as free metadata.") for key in self.untaken),
        ]


def document_of(row: StoredRow, plan: TypePlan) -> dict[str, Any]:
    """Return the record as the document that would be submitted, for validation; targets are placeholders."""
    record = row.record
    doc: dict[str, Any] = {"type": plan.label, "submitter_id": record.submitter_id, **record.props}
    for name, _ in row.links:
        if name not in plan.link_names:
            continue
        target = {"submitter_id": "-"}
        before = doc.get(name)
        if before is None:
            doc[name] = target
        elif isinstance(before, list):
            cast("list[Any]", before).append(target)
        else:
            doc[name] = [before, target]
    return doc


def suspects(rows: Sequence[StoredRow], plan: TypePlan) -> set[int]:
    """Return the positions of the rows that need a closer look: all at once, by the fast validator."""
    return set(plan.validator.invalid_rows([document_of(row, plan) for row in rows]))


def breaches(row: StoredRow, plan: TypePlan, *, strict: bool, suspect: bool = True, explain: bool = True) -> Breach:
    """Return what breaks; in a project that is not ``strict`` nothing is lacking and no free metadata is untaken.

    ``suspect``: the fast validator refused it. Without ``explain`` the sentences about values are short: the engine
    that writes the full ones is slow.
    """
    found = Breach()
    record = row.record
    if suspect:
        takes = plan.validator.validate_property
        for key, value in record.props.items():
            if key not in plan.known or key in plan.link_names:
                found.refused[key] = f"The type {plan.label} has no property {key!r}."
            elif not takes(key, value):
                found.refused[key] = _refusal(plan, row, key) if explain else "The value is refused."
    names: dict[str, int] = {}
    for name, target_type in row.links:
        link = plan.links_by_name.get(name)
        if link is not None and link.target == target_type:
            names[name] = names.get(name, 0) + 1
        elif not name.startswith("commensal."):
            found.links.append(name)
    if not strict:
        return found
    if suspect:
        for key in plan.node.required:
            if key not in names and key not in record.props and key not in IDENTITY:
                found.lacking[key] = f"{key!r} is a required property"
    entity = Entity(0, {}, plan.label)
    entity.plan = plan
    entity.links = {name: list[Target]() for name in names}
    check_groups(entity, bound=True)
    for error in entity.errors:
        for key in error.keys[:1]:
            found.lacking.setdefault(key, error.message)
    for name, count in names.items():
        link = plan.links_by_name[name]
        if count > 1 and not link.many_targets:
            found.lacking.setdefault(name, f"'{name}' link has to be {link.multiplicity}")
    found.untaken = untaken_keys(plan.node, record.extra)
    return found


def _refusal(plan: TypePlan, row: StoredRow, key: str) -> str:
    for fault in plan.validator.errors(document_of(row, plan)):
        if fault.keys and fault.keys[0].split(".")[0] == key:
            return fault.message
    return f"The value of {key!r} is not one that the type {plan.label} takes."
