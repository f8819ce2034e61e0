"""What a record is afterwards: a document laid over nothing, or over the stored record.

Source: contracts/gen3.md 4.5 (upsert), design "Free metadata" and "Strict and open projects".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from commensal.core.entities import NOTHING, Entity
from commensal.core.free_metadata import split, untaken_keys
from commensal.core.links import check_groups, merge_links
from commensal.core.records import ProjectRow, Record, StoredLink
from commensal.core.validation import is_rfc3339

__all__ = ["change", "make", "same_json"]

_NO_EXTRA: dict[str, Any] = {}


def make(entity: Entity, project: ProjectRow, *, relaxed: bool, door_is_gen3: bool) -> None:
    """Fill in a new record. Its links are resolved already."""
    plan = entity.plan
    doc = entity.doc
    relaxed = relaxed and not plan.node.system
    entity.action = "create"
    entity.before = None
    entity.state = plan.state
    stored = plan.stored
    props = {key: value for key, value in doc.items() if value is not None and key in stored}
    entity.extra = _NO_EXTRA
    if entity.free is not NOTHING or entity.moved is not None:
        props = _apply_free(entity, {}, {}, props)
    if plan.defaults:
        props.update(plan.defaults)
    entity.props = props
    if plan.has_label:
        entity.label = plan.label_of(props)
    elif entity.named is not NOTHING:
        entity.label = entity.named
    if not plan.system.isdisjoint(doc):
        _warn_of_system(entity, {"state": plan.state, "project_id": project.project_id, **plan.defaults})
    if not entity.folded:
        _name_is_missing(entity, door_is_gen3=door_is_gen3)
    merge_links(entity)
    if entity.missing is not None and not relaxed:
        links = entity.links
        for error in entity.missing:
            key = error.keys[0]
            named = key == "submitter_id" and not door_is_gen3  # other doors' records get a name
            if key not in props and key not in links and not named:
                entity.error(error.keys, error.message, error.type)
    if plan.required_links or plan.groups:
        check_groups(entity, bound=not relaxed)
    if project.strict and not door_is_gen3 and entity.extra:
        _refuse_untaken(entity)


def change(
    entity: Entity,
    record: Record,
    links: list[StoredLink],
    project: ProjectRow,
    *,
    relaxed: bool,
    door_is_gen3: bool,
) -> None:
    """Lay a document over the stored record; sets ``unchanged`` when nothing differs."""
    plan = entity.plan
    doc = entity.doc
    relaxed = relaxed and not plan.node.system
    entity.action = "update"
    entity.before = record
    entity.seq = record.seq
    entity.uuid = str(record.uuid)
    entity.state = record.state
    entity.version = record.version + 1
    if not entity.folded:
        if "submitter_id" in doc:
            _name_is_missing(entity, door_is_gen3=door_is_gen3)
        entity.submitter_id = record.submitter_id
        entity.folded = record.submitter_id.casefold()
    stored = plan.stored
    given = {key: value for key, value in doc.items() if key in stored}
    entity.extra = record.extra
    props: dict[str, Any] = record.props
    if entity.free is not NOTHING or entity.moved is not None:
        props = _apply_free(entity, props, record.extra, given)
    else:
        props = {**props, **given}
        extra = record.extra
        if extra and isinstance(extra, dict) and not given.keys().isdisjoint(cast("dict[str, Any]", extra)):
            entity.extra = {
                key: value
                for key, value in cast("dict[str, Any]", extra).items()
                if key not in given or key in entity.apart
            }
    if None in given.values():
        props = {key: value for key, value in props.items() if value is not None}
    entity.props = props
    entity.label = plan.label_of(props, record.label if entity.named is NOTHING else entity.named)
    if not plan.system.isdisjoint(doc):
        _warn_of_system(entity, _system_values(record, project))
    merge_links(entity, links)
    lacks = not project.strict
    if entity.missing is not None:
        for error in entity.missing:
            key = error.keys[0]
            if key in props or key in entity.links or (key == "submitter_id" and entity.folded):
                continue
            if relaxed:
                continue
            if lacks and key not in record.props and not any(link.name == key for link in links):
                entity.warn(error.keys, error.message, error.type)
            else:
                entity.error(error.keys, error.message, error.type)
    if plan.required_links or plan.groups:
        had = {link.name for link in links}
        check_groups(entity, bound=not relaxed, lacked=(lambda name: name not in had) if lacks else None)
    if project.strict and not door_is_gen3 and entity.extra:
        _refuse_untaken(entity)
    entity.unchanged = (
        not entity.added
        and not entity.removed
        and entity.submitter_id == record.submitter_id
        and entity.label == record.label
        and same_json(props, record.props)
        and same_json(entity.extra, record.extra)
    )


def same_json(one: Any, other: Any) -> bool:
    """Tell whether two JSON values are the same; unlike ``==``, true is not 1."""
    return one == other and _same_kinds(one, other)


def _same_kinds(one: Any, other: Any) -> bool:
    """Tell whether two equal values have their booleans at the same places."""
    kind = cast("type[Any]", type(one))
    if kind is dict:
        return all(type(value) is str or _same_kinds(value, other[key]) for key, value in one.items())
    if kind is list:
        return all(map(_same_kinds, one, other))
    return (kind is bool) is (type(other) is bool)


def _apply_free(entity: Entity, props: Mapping[str, Any], extra: Any, given: dict[str, Any]) -> dict[str, Any]:
    """Write free metadata; what the document says of a property itself wins over it."""
    merged = dict(props)
    if entity.free is not NOTHING:
        if entity.mode == "text":
            extra = entity.free
        else:
            plan = entity.plan
            merged, extra = split(
                plan.node, entity.free, entity.mode, props, extra, plan.validator.validate_property, entity.apart
            )
    merged.update(given)
    if entity.moved:
        if not isinstance(extra, dict):
            entity.error(sorted(entity.moved), "The free metadata of this record is no object.", "INVALID_VALUE")
        else:
            extra = {**cast("dict[str, Any]", extra), **entity.moved}
            for key in entity.moved:
                merged.pop(key, None)
    entity.extra = extra
    return merged


def _refuse_untaken(entity: Entity) -> None:
    for key in untaken_keys(entity.plan.node, entity.extra):
        entity.error(
            [key],
            f"The type {entity.plan.label} has no property {key!r}, and this project is strict: "
            "what the dictionary does not name cannot be stored.",
            "ERROR",
        )


def _name_is_missing(entity: Entity, *, door_is_gen3: bool) -> None:
    """A record without a name gets one (``<type>-<seq>``), except where the wire asks for it."""
    if not door_is_gen3 and "submitter_id" not in entity.doc:
        return
    if any("submitter_id" in error.keys for error in (*entity.errors, *(entity.missing or ()))):
        return
    if "submitter_id" in entity.doc:
        entity.error(["submitter_id"], "'submitter_id' must be text and cannot be null.", "INVALID_VALUE")


def _system_values(record: Record, project: ProjectRow) -> dict[str, Any]:
    return {
        **record.props,
        "state": record.state,
        "project_id": project.project_id,
        "created_datetime": record.created,
        "updated_datetime": record.updated,
    }


def _warn_of_system(entity: Entity, values: Mapping[str, Any]) -> None:
    """Say which system properties of a document differ from what is stored (contracts/gen3.md 4.5)."""
    for key in entity.doc:
        if key in entity.plan.system:
            value = entity.doc[key]
            if value is None or _equal(value, values.get(key)):
                continue
            shown = str(value)[:200]
            entity.warn([key], f"Property '{key}' ({shown}) is a system property and will be ignored.",
                        "INVALID_PERMISSIONS")  # fmt: skip


def _equal(given: Any, stored: Any) -> bool:
    if hasattr(stored, "isoformat"):
        if not isinstance(given, str) or not is_rfc3339(given):
            return False
        text = given.upper().replace("Z", "+00:00")
        return stored.isoformat().startswith(text.split("+")[0][:19])
    return given == stored
