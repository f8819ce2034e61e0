"""From entities to rows: look up, lay over what is stored, check links, write. Used by every door that writes records.

The number of statements does not depend on the number of entities.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from commensal.core.entities import Entity, Reading
from commensal.core.ids import uuid7_texts
from commensal.core.links import Found, check_sources, resolve_hub, resolve_links
from commensal.core.merging import change, make
from commensal.core.names import default_submitter_id, fold, polly_form
from commensal.core.plans import Plans
from commensal.core.principals import Door, Principal
from commensal.core.records import ProjectRow, Record, StoredLink, Target
from commensal.storage.ports import Unit
from commensal.storage.ports.records import RecordWrites, Stamp, TransactionRow

#: After this many entities, other requests have their turn.
TURN = 1_000
#: Up to how many new records are written by one statement.
FEW = 8

__all__ = ["Rules", "as_target", "prepare", "rules_for", "write"]


@dataclass(frozen=True, slots=True)
class Rules:
    """How strict a write is. ``gen3``: the Gen3 wire; ``relaxed``: see hub, "Strict and open projects"."""

    gen3: bool
    relaxed: bool
    create_only: bool = False


async def prepare(
    store: RecordWrites,
    unit: Unit,
    project: ProjectRow,
    reading: Reading,
    rules: Rules,
    plans: Plans,
    *,
    unseen: bool = False,
) -> None:
    """Find out what each entity does (create or update) and everything that is wrong with it; two or three reads.

    ``unseen``: nobody looks whether new names are taken; the write is a Clash then, and the next try must look.
    """
    found, records = await _look_up(store, unit, project, reading, unseen=unseen and not reading.by_id)
    existing: dict[int, tuple[Entity, Record]] = {}
    live: list[Entity] = []
    for entity in reading.entities:
        if entity.errors:
            _tell_missing(entity, records, found)
            continue
        record = _match(entity, records, found, project, rules) if records or entity.given_id is not None else None
        if entity.errors:
            continue
        if record is not None:
            if record.seq in existing:
                key = {"project_id": project.project_id, "submitter_id": record.submitter_id}
                entity.error(["id"], f"Entity is not unique, {key} is more than once in this document.", "NOT_UNIQUE")
                continue
            existing[record.seq] = (entity, record)
            entity.seq = record.seq
            entity.uuid = str(record.uuid)
            reading.by_id[entity.uuid] = entity
        live.append(entity)
    codes = await _codes(store, unit, reading, project)
    for entity in live:
        resolve_links(entity, reading, found, project, codes.__contains__)
        if entity.hub:
            resolve_hub(entity, reading, found, plans.dictionary.link_between)
        if not rules.gen3 and not entity.seq:
            _own_project(entity, project)
    await _links(store, unit, live, existing, found)
    for place, entity in enumerate(live, 1):
        if not place % TURN:
            await asyncio.sleep(0)
        pair = existing.get(entity.seq) if entity.seq else None
        if pair is None:
            make(entity, project, relaxed=rules.relaxed, door_is_gen3=rules.gen3)
        else:
            links = found.links.get(entity.seq, [])
            change(entity, pair[1], links, project, relaxed=rules.relaxed, door_is_gen3=rules.gen3)
    if any(entity.plan.target_once for entity in live):
        check_sources(live, found)


async def write(
    store: RecordWrites,
    unit: Unit,
    project: ProjectRow,
    entities: Sequence[Entity],
    principal: Principal,
    now: datetime,
    log: TransactionRow | None,
    *,
    transaction: int | None = None,
    meanwhile: Callable[[int], None] | None = None,
) -> int | None:
    """Write what was prepared, in up to eight statements; return the number of the transaction log.

    ``log`` begins one; ``transaction`` is the number of one that was begun before. ``meanwhile`` is called
    with the number while the database works on the rows: all entities have their ids by then.
    Raises ``Clash`` when another writer was faster.
    """
    created = [entity for entity in entities if entity.action == "create"]
    changed = [entity for entity in entities if entity.action == "update" and not entity.unchanged]
    counts: dict[str, int] = {}
    for entity in created:
        counts[entity.type] = counts.get(entity.type, 0) + 1
    for entity in changed:
        counts.setdefault(entity.type, 0)
    if _few(created, changed):
        uuids = uuid7_texts(int(now.timestamp() * 1000), len(created))
        for entity, uuid in zip(created, uuids, strict=True):
            entity.uuid = entity.given_id or uuid
        stamp = Stamp(project.seq, principal.user, str(principal.door), now, transaction, {})
        number, made = await store.create(unit, stamp, counts, created, log)
        for entity, (seq, _) in zip(created, made, strict=True):
            entity.seq = seq
        if meanwhile is not None and number is not None:
            meanwhile(number)
        return number
    given = await store.allocate(unit, project.seq, counts, len(created), log)
    number = given.transaction if log is not None else transaction
    work = (lambda: meanwhile(number)) if meanwhile is not None and number is not None else None
    if not counts:
        if work is not None:
            work()
        return number
    uuids = uuid7_texts(int(now.timestamp() * 1000), len(created))
    taken = await _taken_names(store, unit, project, created, given.seqs)
    for entity, seq, uuid in zip(created, given.seqs, uuids, strict=True):
        entity.seq = seq
        entity.uuid = entity.given_id or uuid
        if not entity.folded:
            name = default_submitter_id(entity.type, seq)
            entity.submitter_id = f"{name}_2" if (entity.type, fold(name)) in taken else name
            entity.folded = fold(entity.submitter_id)
    stamp = Stamp(project.seq, principal.user, str(principal.door), now, number, given.changes)
    await store.insert(unit, stamp, created, work)
    await store.update(unit, stamp, changed)
    return number


def _few(created: Sequence[Entity], changed: Sequence[Entity]) -> bool:
    """Tell whether there are but a few new records, which have names and hang on nothing that is new itself."""
    return (
        0 < len(created) <= FEW
        and not changed
        and all(entity.folded and all(target.seq for _, target in entity.added) for entity in created)
    )


async def _taken_names(
    store: RecordWrites, unit: Unit, project: ProjectRow, created: Sequence[Entity], seqs: Sequence[int]
) -> set[tuple[str, str]]:
    """Return those names for records without one that others have (from another site's export, say); one statement
    where there are such records, else none.
    """
    wanted: dict[str, dict[str, None]] = {}
    for entity, seq in zip(created, seqs, strict=True):
        if not entity.folded:
            wanted.setdefault(entity.type, {})[fold(default_submitter_id(entity.type, seq))] = None
    if not wanted:
        return set()
    found = await store.look_up(unit, project.seq, {}, wanted, [])
    given = {(entity.type, entity.folded) for entity in created if entity.folded}
    return given | {(target.type, target.folded) for target in found.targets}


def _tell_missing(entity: Entity, records: dict[str, Record], found: Found) -> None:
    """Add what a new record lacks to its other errors; of a stored one, what is absent stays as it is."""
    if not entity.missing:
        return
    if _named(entity, found) is None and records.get(entity.given_id or "") is None:
        for error in entity.missing:
            entity.error(error.keys, error.message, error.type)


async def _look_up(
    store: RecordWrites, unit: Unit, project: ProjectRow, reading: Reading, *, unseen: bool = False
) -> tuple[Found, dict[str, Record]]:
    """Find all entities and all targets with one statement; records by ``<type>/<folded name>`` and by uuid.

    Entities that give an id are read by it; of what has their name, it is enough to know which record that is.
    """
    names: dict[str, dict[str, None]] = {}
    for type_name, wanted in reading.targets.items():
        if type_name in ("project", "program"):
            continue
        own = reading.by_name.get(type_name)
        rest = wanted if not own else {name: None for name in wanted if name not in own}
        if rest:
            names[type_name] = rest
    found = Found()
    records: dict[str, Record] = {}
    whole: dict[str, Mapping[str, Entity]] = {
        type_name: own for type_name, own in reading.by_name.items() if own and not unseen
    }
    if reading.by_id:
        for type_name, own in reading.by_name.items():
            names.setdefault(type_name, {}).update(
                {name: None for name, entity in own.items() if entity.given_id is not None}
            )
            whole[type_name] = {name: entity for name, entity in own.items() if entity.given_id is None}
    if not (names or whole or reading.uuids):
        return found, records
    result = await store.look_up(unit, project.seq, whole, names, list(reading.uuids))
    for target in result.targets:
        known = found.by_id.setdefault(target.uuid, target)
        if target.project == project.seq:
            found.by_name.setdefault(target.type, {})[target.folded] = known
    for record in result.records:
        records[str(record.uuid)] = record
        if record.project == project.seq:
            records[f"{record.type}/{fold(record.submitter_id)}"] = record
    return found, records


def _named(entity: Entity, found: Found) -> Target | None:
    """Return the stored record that has an entity's type and name."""
    names = found.by_name.get(entity.type) if entity.folded else None
    return names.get(entity.folded) if names is not None else None


def _match(
    entity: Entity, records: dict[str, Record], found: Found, project: ProjectRow, rules: Rules
) -> Record | None:
    """Return the stored record that an entity means, or None when it is new; conflicts become errors."""
    key = {"project_id": project.project_id, "submitter_id": entity.submitter_id}
    if entity.given_id is None:
        record = records.get(f"{entity.type}/{entity.folded}") if entity.folded else None
    else:
        named = _named(entity, found)
        record = records.get(entity.given_id)
        if record is None and named is not None:
            _exists(entity, key)
            return None
        if record is not None:
            if record.project != project.seq:
                entity.error(
                    ["id"],
                    f"Entity {entity.given_id} is owned by another project, not by {project.project_id}.",
                    "INVALID_PERMISSIONS",
                )
            elif record.type != entity.type:
                shown = record.type.removeprefix("commensal.")
                entity.error(
                    ["id", "type"],
                    f"Entity {entity.given_id} is of type {shown}, not {entity.plan.label}.",
                    "NOT_UNIQUE",
                )
            elif named is not None and named.seq != record.seq:
                entity.error(
                    ["id", "submitter_id"],
                    f"Several entities match: {{'id': '{entity.given_id}'}} and {key} are two.",
                    "NOT_UNIQUE",
                )
            if entity.errors:
                return None
    if record is not None and rules.create_only:
        _exists(entity, key)
        return None
    return record


def _exists(entity: Entity, key: dict[str, str]) -> None:
    entity.error(list(key), f"{entity.plan.label} with {key} already exists in the DB", "ERROR")


def _own_project(entity: Entity, project: ProjectRow) -> None:
    """Add the required link to the project that a record is written to, unless the document names it itself."""
    name = entity.plan.project_link
    if name is not None and name not in entity.doc:
        entity.added.append((name, Target(project.seq, project.uuid, "project", project.seq, project.code)))


async def _codes(store: RecordWrites, unit: Unit, reading: Reading, project: ProjectRow) -> set[str]:
    """Return the codes and uuids of other projects among what links to a project name; usually no statement."""
    own = fold(project.code)
    codes = [code for code in reading.targets.get("project", ()) if code != own]
    uuids: list[str] = []
    for entity in reading.entities:
        for link, uuid, _, _ in entity.refs if not entity.errors else ():
            if link.target == "project" and uuid is not None and uuid != project.uuid:
                uuids.append(uuid)
    if not codes and not uuids:
        return set()
    return await store.known_codes(unit, [polly_form(code) for code in codes], uuids)


async def _links(
    store: RecordWrites,
    unit: Unit,
    entities: Sequence[Entity],
    existing: dict[int, tuple[Entity, Record]],
    found: Found,
) -> None:
    """Load the links of stored entities, and who points already at targets that may be pointed at once."""
    targets: dict[int, None] = {}
    names: dict[str, None] = {}
    for entity in entities:
        once = entity.plan.target_once
        if once:
            for name, target in entity.added:
                if name in once and target.seq:
                    targets[target.seq] = None
                    names[name] = None
    if not existing and not targets:
        return
    own, others = await store.links_of(unit, list(existing), list(targets), list(names))
    for row in own:
        rows: list[StoredLink] = found.links.setdefault(row.src, [])
        rows.append(row)
    for dst, name, source_type, src in others:
        found.sources.setdefault((dst, name, source_type), set()).add(src)


def rules_for(principal: Principal, project: ProjectRow, *, create_only: bool, relaxed: bool | None) -> Rules:
    """Return the rules of a write: the Gen3 door validates always; others are relaxed in open projects."""
    gen3 = principal.door is Door.GEN3
    if relaxed is None:
        relaxed = not gen3 and not project.strict
    return Rules(gen3=gen3, relaxed=relaxed and not gen3, create_only=create_only)


def as_target(record: Record) -> Target:
    """Return a stored record as the far end of a link."""
    return Target(record.seq, str(record.uuid), record.type, record.project, record.submitter_id)
