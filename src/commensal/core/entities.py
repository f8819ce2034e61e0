"""From documents to entities: what each one says, and what is wrong with it before anything is looked up.

Source: contracts/gen3.md 4.4, 4.5. Nothing here raises for a bad document; every fault becomes an error of its
entity, so that one answer names them all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast

import msgspec

from commensal.core.dictionary import Link
from commensal.core.free_metadata import metadata_from_text, refuse_unstorable
from commensal.core.ids import is_uuid
from commensal.core.names import check_submitter_id
from commensal.core.plans import Plans, TypePlan
from commensal.core.records import EntityError, ProjectRow, TransactionalError, Write
from commensal.errors import BadRequest, Invalid

__all__ = ["EXTRA", "NOTHING", "Entity", "HubReference", "Reading", "kind_of", "read_documents", "read_entities"]

#: Key of a document under which importers and doors put free metadata; never taken from the Gen3 wire.
EXTRA = "*extra"

#: Stands for "no free metadata was given", which null is not.
NOTHING: Any = msgspec.UNSET

#: One reference to a target: the link, by uuid and/or by folded name, and the reference as written.
Reference = tuple[Link, str | None, str | None, Any]

#: A link that no document declares: its hub name, and the target by uuid, or by stored type and folded name.
HubReference = tuple[str, str | None, str | None, str | None]

#: Shared by all entities without errors; :meth:`Entity.error` replaces it.
_NO_ERRORS: list[EntityError] = []
_NO_KEYS: frozenset[str] = frozenset()


class Entity(Write):
    """One document on its way: what it asks for, and its errors so far.

    ``doc`` holds its properties and links, ``free`` its free metadata, written with ``mode``: ``replace`` and
    ``merge`` as in the design, ``text`` for the Gen3 property ``metadata``. ``moved`` are values that no property
    takes and that an open project keeps in the free metadata. ``named`` is a label for types without such a property,
    ``hub`` the links given by hub name; with ``relink`` they replace those of their names. ``apart``: keys of the free
    metadata that never become properties. ``urls``: addresses of a data file, as they were given.
    """

    __slots__ = (
        "action",
        "apart",
        "cleared",
        "doc",
        "errors",
        "free",
        "given_id",
        "hub",
        "index",
        "missing",
        "mode",
        "moved",
        "named",
        "plan",
        "refs",
        "relink",
        "type_name",
        "unchanged",
        "urls",
        "warnings",
    )

    plan: TypePlan
    refs: list[Reference]
    mode: Literal["replace", "merge", "text"]

    def __init__(self, index: int, doc: dict[str, Any], type_name: str | None) -> None:  # pyright: ignore[reportMissingSuperCall]
        # No call of the parents': one flat initialisation is what a thousand of these cost least in.
        self.index = index
        self.doc = doc
        self.type_name = type_name
        self.action: str | None = None
        self.errors: list[EntityError] = _NO_ERRORS
        self.warnings: list[EntityError] = _NO_ERRORS
        self.given_id: str | None = None
        self.missing: list[EntityError] | None = None
        self.cleared: list[str] | None = None
        self.moved: dict[str, Any] | None = None
        self.free: Any = NOTHING
        self.apart = _NO_KEYS
        self.urls: Any = None
        self.named: Any = NOTHING
        self.hub: Sequence[HubReference] = ()
        self.relink = False
        self.unchanged = False
        self.seq = 0
        self.uuid = ""
        self.project = 0
        self.submitter_id = ""
        self.folded = ""
        self.before = None
        self.label = None
        self.version = 1

    def error(self, keys: list[str], message: str, kind: str, **more: Any) -> None:
        """Add an error."""
        if self.errors is _NO_ERRORS:
            self.errors = []
        self.errors.append(EntityError(keys, message, kind, **more))

    def warn(self, keys: list[str], message: str, kind: str = "WARNING") -> None:
        """Add a warning."""
        if self.warnings is _NO_ERRORS:
            self.warnings = []
        self.warnings.append(EntityError(keys, message, kind))


class Reading:
    """All entities of one request, by type and folded name, by uuid, and what they point at."""

    __slots__ = ("by_id", "by_name", "entities", "targets", "transactional", "uuids")

    def __init__(self) -> None:
        self.entities: list[Entity] = []
        self.by_name: dict[str, dict[str, Entity]] = {}
        self.by_id: dict[str, Entity] = {}
        #: Names to look up, by stored type; values are unused (dicts keep order, sets do not).
        self.targets: dict[str, dict[str, None]] = {}
        self.uuids: dict[str, None] = {}
        self.transactional: list[TransactionalError | str] = []

    @property
    def bad(self) -> bool:
        """Whether anything is wrong so far."""
        return bool(self.transactional) or any(entity.errors for entity in self.entities)


def read_documents(
    documents: Sequence[Any],
    plans: Plans,
    project: ProjectRow,
    *,
    gen3: bool,
    relaxed: bool,
    create_only: bool,
    suspicious: bool = False,
) -> Reading:
    """Read all documents of a request.

    ``gen3``: they came over the Gen3 wire (only the dictionary's own types; leading ``*`` is dropped from keys).
    ``relaxed``: values that a property refuses become free metadata, and absent required ones are no error.
    ``suspicious``: some text of the request may not be storable, so every document is looked through.
    """
    reading = Reading()
    groups = _entities(reading, documents, plans, gen3=gen3)
    if not reading.transactional:
        read_entities(reading, groups, project, relaxed=relaxed, create_only=create_only, suspicious=suspicious)
    return reading


def read_entities(
    reading: Reading,
    groups: Mapping[str, tuple[TypePlan, list[Entity]]],
    project: ProjectRow,
    *,
    relaxed: bool,
    create_only: bool,
    suspicious: bool,
) -> None:
    """Validate entities that are made already, in groups by type, and gather their names and references."""
    for plan, entities in groups.values():
        _check(plan, entities, relaxed=relaxed, create_only=create_only, suspicious=suspicious)
        _names_and_references(plan, entities, reading, project)
    for _, entities in groups.values():
        for entity in entities:
            for _, uuid, type_name, folded in entity.hub:
                if uuid is not None:
                    reading.uuids[uuid] = None
                elif type_name is not None and folded is not None:
                    reading.targets.setdefault(type_name, {})[folded] = None


def _entities(
    reading: Reading, documents: Sequence[Any], plans: Plans, *, gen3: bool
) -> dict[str, tuple[TypePlan, list[Entity]]]:
    """Make the entities, in groups by type."""
    entities = reading.entities
    append = entities.append
    groups: dict[str, tuple[TypePlan, list[Entity]]] = {}
    known: dict[Any, tuple[TypePlan, list[Entity]]] = {}
    unknown: dict[str, None] = {}
    for index, raw in enumerate(documents):
        if type(raw) is not dict:
            entity = Entity(index, {}, None)
            entity.error([], f"Expected an object with keys and values, not {kind_of(raw)}.", "INVALID_VALUE")
            append(entity)
            continue
        doc: dict[str, Any] = raw  # pyright: ignore[reportUnknownVariableType]
        name = doc.get("type")
        group = known.get(name) if type(name) is str else None
        if group is None:
            if not all(type(key) is str for key in doc):
                entity = Entity(index, {}, None)
                entity.error([], "Every key must be text.", "INVALID_VALUE")
                append(entity)
                continue
            if "type" not in doc and any(key.lstrip("*") == "type" for key in doc):
                doc = _without_stars(doc, keep_extra=not gen3)
                name = doc.get("type")
            plan = plans.shown(name, system=not gen3) if type(name) is str else None
            if plan is None:
                unknown[_unknown(name, present="type" in doc)] = None
                continue
            if not plan.submittable:
                entity = Entity(index, doc, plan.label)
                entity.error(["type"], f"Records of type {plan.label!r} are not submitted here.", "INVALID_TYPE")
                append(entity)
                continue
            group = known[name] = groups.setdefault(plan.name, (plan, []))
        plan = group[0]
        entity = Entity(index, doc, plan.label)
        entity.plan = plan
        entity.type = plan.name
        append(entity)
        group[1].append(entity)
        if not doc.keys() <= plan.known:
            _normalise(entity, doc, plan, gen3=gen3)
    if unknown:
        reading.entities = []
        reading.transactional = [
            *(TransactionalError(f"Unable to parse entity. Details: {sentence}") for sentence in unknown),
            "Nothing to submit",
        ]
    elif not entities:
        reading.transactional.append("Nothing to submit")
    return groups


def _check(plan: TypePlan, entities: list[Entity], *, relaxed: bool, create_only: bool, suspicious: bool) -> None:
    """Validate the documents of one type: all at once, then those one by one that are refused."""
    if suspicious or plan.has_metadata:
        for entity in entities:
            if suspicious and not _storable(entity):
                entity.doc = {"type": plan.label}
            elif plan.has_metadata and "metadata" in entity.doc:
                _metadata_text(entity)
    if not plan.closed:
        for entity in entities:
            _unknown_keys(entity, plan, relaxed=relaxed)
    documents = [entity.doc for entity in entities]
    for row in plan.validator.invalid_rows(documents):
        entity = entities[row]
        if entity.errors:
            continue
        if relaxed and (plan.has_metadata or not plan.node.system):
            _relax(entity, plan)
        _explain(entity, plan, relaxed=relaxed and not plan.node.system, create_only=create_only)


def _names_and_references(plan: TypePlan, entities: list[Entity], reading: Reading, project: ProjectRow) -> None:
    names = reading.by_name.setdefault(plan.name, {})
    seq = project.seq
    links = plan.links
    for entity in entities:
        doc = entity.doc
        entity.project = seq
        given = doc.get("id")
        if given is not None and type(given) is str and is_uuid(given):
            given = entity.given_id = given.lower()
            if given in reading.by_id:
                _repeated(reading, {"id": given})
            reading.by_id[given] = entity
            reading.uuids[given] = None
        sid = doc.get("submitter_id")
        if type(sid) is str:
            entity.submitter_id = sid
            if not sid or len(sid) > 256 or not sid.isprintable():
                _check_name(entity, sid)
            folded = entity.folded = sid.casefold()
            if folded in names:
                _repeated(reading, {"project_id": project.project_id, "submitter_id": sid})
            else:
                names[folded] = entity
        entity.refs = _references(entity, doc, links, reading) if links else []


def _references(entity: Entity, doc: dict[str, Any], links: tuple[Link, ...], reading: Reading) -> list[Reference]:
    found: list[Reference] = []
    for link in links:
        name = link.name
        value = doc.get(name)
        if value is None:
            if name in doc:
                if entity.cleared is None:
                    entity.cleared = []
                entity.cleared.append(name)
            continue
        refs = cast("Sequence[Any]", (value,) if type(value) is dict else value if type(value) is list else ())
        for ref in refs:
            if type(ref) is not dict:
                if not entity.errors:
                    entity.error([name], f"A target of {name} must be an object, not {kind_of(ref)}.", "INVALID_VALUE")
                continue
            ref = cast("dict[str, Any]", ref)
            sid = ref.get("submitter_id") or ref.get("code") or ref.get("name")
            uuid = ref.get("id") or (ref.get("node_id") if sid is None else None)
            if type(uuid) is str and uuid:
                uuid = uuid.lower()
                if is_uuid(uuid):
                    reading.uuids[uuid] = None
            else:
                uuid = None
            folded = None
            if type(sid) is str and sid:
                folded = sid.casefold()
                names = reading.targets.get(link.target)
                if names is None:
                    names = reading.targets[link.target] = {}
                names[folded] = None
            found.append((link, uuid, folded, ref))
    return found


def _normalise(entity: Entity, doc: dict[str, Any], plan: TypePlan, *, gen3: bool) -> None:
    """Handle the keys that are no property: stars, free metadata, ``urls`` of data files."""
    if not all(type(key) is str for key in doc):
        entity.error([], "Every key must be text.", "INVALID_VALUE")
        doc = {key: value for key, value in doc.items() if type(key) is str}
    if any(key.startswith("*") for key in doc):
        doc = _without_stars(doc, keep_extra=not gen3)
    if EXTRA in doc:
        doc = dict(doc)
        entity.free = doc.pop(EXTRA)
        entity.mode = "replace"
    if plan.is_data_file and "urls" in doc and "urls" not in plan.known:
        doc = dict(doc)
        urls = doc.pop("urls")
        entity.urls = None if urls == "" else urls
    entity.doc = doc


def _without_stars(doc: dict[str, Any], *, keep_extra: bool) -> dict[str, Any]:
    return {key if keep_extra and key == EXTRA else key.lstrip("*"): value for key, value in doc.items()}


def _storable(entity: Entity) -> bool:
    try:
        refuse_unstorable(entity.doc)
        if entity.free is not NOTHING:
            refuse_unstorable(entity.free)
    except BadRequest as error:
        entity.error([], error.message, "INVALID_VALUE")
        return False
    return True


def _metadata_text(entity: Entity) -> None:
    """Take ``metadata`` (JSON text of the free metadata) out of the document; design, "Free metadata" 7."""
    text = entity.doc["metadata"]
    if text is not None and not isinstance(text, str):
        return
    try:
        entity.free = metadata_from_text(text)
        entity.mode = "text"
    except (Invalid, BadRequest) as error:
        entity.error(["metadata"], error.message, "INVALID_VALUE")
    entity.doc = {key: value for key, value in entity.doc.items() if key != "metadata"}


def _relax(entity: Entity, plan: TypePlan) -> None:
    """Move what no property takes into the free metadata (open projects, doors other than Gen3)."""
    takes = plan.validator.validate_property
    moved = {
        key: value
        for key, value in entity.doc.items()
        if key not in plan.known or (key in plan.stored and value is not None and not takes(key, value))
    }
    if moved:
        entity.moved = {**(entity.moved or {}), **moved}
        entity.doc = {key: value for key, value in entity.doc.items() if key not in moved}


def _unknown_keys(entity: Entity, plan: TypePlan, *, relaxed: bool) -> None:
    unknown = {key: value for key, value in entity.doc.items() if key not in plan.known}
    if unknown and relaxed:
        entity.moved = unknown
        entity.doc = {key: value for key, value in entity.doc.items() if key not in unknown}
    elif unknown:
        names = ", ".join(repr(key) for key in unknown)
        verb = "was" if len(unknown) == 1 else "were"
        entity.error([], f"Additional properties are not allowed ({names} {verb} unexpected)", "ERROR")


def _explain(entity: Entity, plan: TypePlan, *, relaxed: bool, create_only: bool) -> None:
    given = entity.doc.get("id")
    if create_only and isinstance(given, str) and not is_uuid(given):
        entity.error(["id"], f"Cannot create a record with the id {given!r}: it is no UUID.", "INVALID_VALUE")
    for fault in plan.validator.errors(entity.doc):
        kind = str(fault.type)
        if kind == "MISSING_PROPERTY":
            if not relaxed:
                if entity.missing is None:
                    entity.missing = []
                entity.missing.append(EntityError(list(fault.keys), fault.message, kind))
        elif not (relaxed and fault.keys and entity.doc.get(fault.keys[0]) is None):
            entity.error(list(fault.keys), fault.message, kind)


def _check_name(entity: Entity, sid: str) -> None:
    try:
        check_submitter_id(sid)
    except Invalid as error:
        entity.error(["submitter_id"], error.message, "INVALID_VALUE")


def _repeated(reading: Reading, key: Mapping[str, Any]) -> None:
    message = f"Entity is not unique, {dict(key)} is more than once in this document."
    reading.transactional.append(TransactionalError(message, "NOT_UNIQUE", sorted(key)))


def _unknown(name: Any, *, present: bool) -> str:
    if not present or name is None:
        return 'The document has no "type".'
    shown = name.encode("ascii", "backslashreplace").decode() if isinstance(name, str) else kind_of(name)
    return f'Node type "{shown[:100]}" not found in dictionary'


def kind_of(value: Any) -> str:
    """Return how people call the type of a JSON value."""
    if value is None:
        return "null"
    names: dict[type[Any], str] = {
        bool: "a boolean",
        int: "a number",
        float: "a number",
        str: "text",
        list: "an array",
        dict: "an object",
    }
    return names.get(cast("type[Any]", type(value)), "something that JSON has not")
