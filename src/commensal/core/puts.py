"""What doors other than Gen3 ask to be written: records by role or type, with free metadata and hub links."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

from commensal.core.dictionary import Dictionary
from commensal.core.entities import NOTHING, Entity, HubReference, kind_of
from commensal.core.ids import is_uuid
from commensal.core.names import fold
from commensal.core.plans import Plans, TypePlan

__all__ = ["HUB_LINKS", "LinkTo", "Put", "PutResult", "stored_type", "to_entity"]

#: Links that join any two records (design, "Hub links"); the dictionary's own is written where it declares one.
HUB_LINKS = ("subject", "sample", "dataset", "owner", "file", "genome", "report", "member")


class LinkTo(msgspec.Struct, frozen=True):
    """A link to a record: by ``uuid``, or by ``type`` (or role) and ``submitter_id``. ``name``: one of HUB_LINKS."""

    name: str
    uuid: UUID | str | None = None
    type: str = ""
    submitter_id: str = ""


class Put(msgspec.Struct, frozen=True):
    """One record to be made or changed.

    ``type`` is a type's name, or ``role`` one of subject, sample, dataset, data_file, analysis. It is found by
    ``uuid``, else by ``submitter_id``; without either it is new and named ``<type>-<number>``. ``metadata`` is free
    metadata, written by ``mode`` (design, "Free metadata"); ``properties`` are declared properties. ``relink``: links
    replace those of the same name. ``apart``: keys of the metadata that mean something else than the property of that
    name, and stay free. ``unlink``: hub links by name, of which none stays but those in ``links``.
    """

    type: str = ""
    role: str = ""
    submitter_id: str | None = None
    uuid: UUID | str | None = None
    label: Any = NOTHING
    metadata: Any = NOTHING
    mode: Literal["replace", "merge"] = "merge"
    properties: Mapping[str, Any] = {}
    links: Sequence[LinkTo] = ()
    relink: bool = False
    apart: frozenset[str] = frozenset()
    unlink: Sequence[str] = ()


class PutResult(msgspec.Struct, frozen=True):
    """What became of one put. ``changed`` is False when everything was equal already.

    From ``made`` on: the record as it stands afterwards, made and last changed at these times.
    """

    seq: int
    uuid: UUID
    type: str
    submitter_id: str
    created: bool
    changed: bool
    made: datetime
    at: datetime
    label: str | None
    state: str
    props: dict[str, Any]
    extra: Any
    version: int


def stored_type(dictionary: Dictionary, name: str) -> str | None:
    """Return the stored name of a type or role as people write it, or None; a type wins over a role."""
    if name in dictionary.types or name in dictionary.system_types:
        return name
    if f"commensal.{name}" in dictionary.system_types:
        return f"commensal.{name}"
    role = dictionary.roles.get(name)
    return role.write if role is not None else None


def to_entity(index: int, put: Put, plans: Plans) -> Entity | str:
    """Return the entity of a put, or the sentence that says why there is none."""
    dictionary = plans.dictionary
    if put.role:
        role = dictionary.roles.get(put.role)
        if role is None:
            return f"There is no role {put.role!r}; the roles are {', '.join(dictionary.roles)}."
        name = role.write
    else:
        found = stored_type(dictionary, put.type)
        if found is None:
            return f"The dictionary has no type {put.type!r}."
        name = found
    plan = plans.stored(name)
    if plan is None or not plan.submittable:
        return f"Records of type {name.removeprefix('commensal.')!r} are not written here."
    doc: dict[str, Any] = {**put.properties, "type": plan.label}
    if put.submitter_id is not None:
        doc["submitter_id"] = put.submitter_id
    if put.uuid is not None:
        doc["id"] = str(put.uuid)
    entity = Entity(index, doc, plan.label)
    entity.plan = plan
    entity.type = plan.name
    if put.label is not NOTHING:
        if plan.has_label:
            doc["label"] = put.label
        elif put.label is None or isinstance(put.label, str):
            entity.named = put.label or None
        else:
            return f"The label of a record is text, not {kind_of(put.label)}."
    entity.free = put.metadata
    entity.mode = put.mode
    entity.relink = put.relink
    if put.unlink:
        entity.cleared = [f"commensal.{name}" for name in put.unlink]
    entity.apart = put.apart
    if put.links:
        hub: list[HubReference] = []
        for link in put.links:
            problem = _reference(link, dictionary, plan, hub)
            if problem is not None:
                return problem
        entity.hub = hub
    return entity


def _reference(link: LinkTo, dictionary: Dictionary, plan: TypePlan, hub: list[HubReference]) -> str | None:
    if link.name not in HUB_LINKS:
        return f"There is no hub link {link.name!r}; they are {', '.join(HUB_LINKS)}."
    if link.uuid is not None:
        if not is_uuid(str(link.uuid)):
            return f"{str(link.uuid)[:80]!r} is no uuid (link {link.name} of {plan.label})."
        hub.append((link.name, str(link.uuid).lower(), None, None))
        return None
    target = stored_type(dictionary, link.type)
    if target is None:
        return f"The dictionary has no type {link.type!r} (link {link.name} of {plan.label})."
    hub.append((link.name, None, target, fold(link.submitter_id)))
    return None
