"""Random dictionaries, and random programs, projects, records and links for them: in memory and in the database."""

from __future__ import annotations

import random
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from commensal.core.dictionary import Dictionary
from commensal.dictionaries import compile_for_site

CATEGORIES = ("administrative", "biospecimen", "clinical", "data_file", "medical_history", "index_file", "notation")
START = datetime(2024, 5, 1, 12, 0, 0, tzinfo=UTC)
WORDS = ("red", "Red", "blue", "gr\u00fcn", 'a"b\\c', "x\ny", "", "line-1", "null", "'quote'", "\U0001f9ec")
POOL: dict[str, dict[str, Any]] = {
    "colour": {"type": "string"},
    "site": {"enum": list(WORDS[:4])},
    "both": {"oneOf": [{"type": "string"}, {"type": "number"}]},
    "size": {"type": "integer"},
    "weight": {"type": ["number", "null"]},
    "flag": {"type": "boolean"},
    "tags": {"type": "array", "items": {"type": "string"}},
    "codes": {"type": "array", "items": {"type": "integer"}},
}
SYSTEM = {
    "type": {"type": "string"},
    "id": {"type": "string"},
    "submitter_id": {"type": "string"},
    "project_id": {"type": "string"},
    "state": {"type": "string"},
    "created_datetime": {"oneOf": [{"type": "string"}, {"type": "null"}]},
    "updated_datetime": {"oneOf": [{"type": "string"}, {"type": "null"}]},
}
TO_MANY = {"anyOf": [{"type": "array"}, {"type": "object"}]}


def _node(
    name: str, category: str, properties: dict[str, Any], links: list[dict[str, Any]], key: str
) -> dict[str, Any]:
    return {
        "id": name,
        "title": name.title(),
        "category": category,
        "additionalProperties": False,
        "uniqueKeys": [["id"], ["project_id", key] if key == "submitter_id" else [key]],
        "links": links,
        "required": ["type"],
        "properties": properties,
    }


def _link(name: str, backref: str, target: str, multiplicity: str = "many_to_many") -> dict[str, Any]:
    return {
        "name": name,
        "backref": backref,
        "label": "of",
        "target_type": target,
        "multiplicity": multiplicity,
        "required": False,
    }


def random_dictionary(rnd: random.Random) -> Dictionary:
    """Return a dictionary of program, project and two to five types with random properties and links."""
    types: dict[str, Any] = {
        "program": _node("program", "administrative", {"type": {}, "id": {}, "name": {"type": "string"},
                         "dbgap_accession_number": {"type": "string"}}, [], "name"),
        "project": _node(
            "project",
            "administrative",
            {
                "type": {"type": "string"}, "id": {"type": "string"}, "code": {"type": "string"},
                "name": {"type": "string"}, "state": {"type": "string"}, "released": {"type": "boolean"},
                "availability_type": {"enum": ["Open", "Restricted"]}, "support_id": {"type": "string"},
                "programs": TO_MANY,
            },
            [_link("programs", "projects", "program", "many_to_one")],
            "code",
        ),
    }  # fmt: skip
    names = [f"kind_{letter}" for letter in "abcde"[: rnd.randint(2, 5)]]
    for at, name in enumerate(names):
        targets = rnd.sample(names[:at], min(at, rnd.randint(0, 2)))
        if at == 0 or rnd.random() < 0.3:
            targets.append("project")
        if at > 1 and rnd.random() < 0.3:
            targets = [names[at - 1], names[at - 2]]
        links = [_link(f"to_{target}s", f"{name}s", target) for target in dict.fromkeys(targets)]
        chosen = {key: POOL[key] for key in rnd.sample(list(POOL), rnd.randint(2, len(POOL)))}
        properties = {**SYSTEM, **chosen, **{link["name"]: TO_MANY for link in links}}
        types[name] = _node(name, rnd.choice(CATEGORIES), properties, links, "submitter_id")
    return compile_for_site(types)


@dataclass
class Item:
    """A program, project or record."""

    seq: int
    type: str
    uuid: str
    props: dict[str, Any]
    submitter_id: str | None = None
    project: Item | None = None
    program: Item | None = None
    level: int = 0
    listed: bool = True
    created: datetime = START
    updated: datetime = START


@dataclass
class World:
    """Everything there is; links are (source, name, target)."""

    dictionary: Dictionary
    programs: list[Item] = field(default_factory=list)
    projects: list[Item] = field(default_factory=list)
    records: list[Item] = field(default_factory=list)
    links: list[tuple[Item, str, Item]] = field(default_factory=list)
    #: The caller may read (and count), or only count, in these.
    readable: set[int] = field(default_factory=set)
    counted: set[int] = field(default_factory=set)


def _value(rnd: random.Random, name: str) -> Any:
    if name == "colour":
        return rnd.choice(WORDS)
    if name == "site":
        return rnd.choice(WORDS[:4])
    if name == "both":
        return rnd.choice(("red", 5, 1.5))
    if name == "size":
        return rnd.randint(-2, 3)
    if name == "weight":
        return rnd.choice((1, 2.5, -3.25, 1e3, 12345678901))
    if name == "flag":
        return rnd.random() < 0.5
    if name == "tags":
        return rnd.sample(("t1", "t2", "t3"), rnd.randint(0, 3))
    return rnd.sample((1, 2, 3), rnd.randint(0, 2))


def random_world(rnd: random.Random, *, most: int = 12) -> World:
    """Return a dictionary with data."""
    world = World(random_dictionary(rnd))
    seq = 5000
    for p in range(rnd.randint(1, 2)):
        seq += 1
        props = {"name": f"PRG{p}"} | ({"dbgap_accession_number": f"phs{p}"} if rnd.random() < 0.5 else {})
        world.programs.append(
            Item(seq, "program", str(uuid.UUID(int=rnd.getrandbits(128), version=4)), props, listed=rnd.random() < 0.7)
        )
        for j in range(rnd.randint(0, 2)):
            seq += 1
            level = rnd.choice((0, 0, 1, 2, 3))
            props = {
                "code": f"J{p}{j}-x",
                "name": rnd.choice(WORDS) or "t",
                "state": rnd.choice(("open", "submitted")),
                "released": rnd.random() < 0.5,
                "availability_type": "Open" if level >= 2 else "Restricted",
            } | ({"support_id": rnd.choice(WORDS)} if rnd.random() < 0.5 else {})
            item = Item(seq, "project", str(uuid.UUID(int=rnd.getrandbits(128), version=4)), props)
            item.program, item.level, item.project = world.programs[-1], level, item
            world.projects.append(item)
            if rnd.random() < 0.6:
                world.readable.add(seq)
                world.counted.add(seq)
            elif rnd.random() < 0.5:
                world.counted.add(seq)
    for item in world.projects:
        if item.level >= 1:
            world.counted.add(item.seq)
        if item.level >= 2:
            world.readable.add(item.seq)
    names = [name for name in world.dictionary.types if name not in ("program", "project")]
    for name in names:
        node = world.dictionary.types[name]
        for n in range(rnd.randint(0, most) if world.projects else 0):
            seq += 1
            project = rnd.choice(world.projects)
            props = {key: _value(rnd, key) for key in POOL if key in node.properties and rnd.random() < 0.75}
            moment = START + timedelta(seconds=rnd.randint(0, 5), microseconds=rnd.choice((0, 120_000, 5)))
            item = Item(seq, name, str(uuid.UUID(int=rnd.getrandbits(128), version=4)), props, f"{name[-1]}-{n}")
            if rnd.random() < 0.2:
                item.submitter_id = rnd.choice(("UPPER", "\u00c9t\u00e9", 'q"q', "per%cent_")) + str(n)
            item.project, item.created, item.updated = project, moment, moment + timedelta(seconds=rnd.randint(0, 2))
            item.props["state"] = rnd.choice(("validated", "submitted"))
            world.records.append(item)
            for link in node.links:
                if link.target == "project":
                    world.links.append((item, link.name, project))
                    continue
                # Most links stay in their project; hub rules allow others in open projects.
                targets = [
                    one
                    for one in world.records
                    if one.type == link.target and (one.project is project or rnd.random() < 0.1)
                ]
                for target in rnd.sample(targets, min(len(targets), rnd.randint(0, 2))):
                    world.links.append((item, link.name, target))
    return world


async def store(unit: Any, world: World) -> None:
    """Write a world with plain statements."""
    for one in world.programs:
        rest = {key: value for key, value in one.props.items() if key != "name"}
        await unit.run(
            "insert into programs (seq, uuid, code, code_folded, title, title_folded, listed, properties, "
            "created, updated) values ($1, $2, $3, $4, $3, $4, $5, $6, $7, $8)",
            *(one.seq, one.uuid, one.props["name"], one.props["name"].casefold(), one.listed, rest),
            *(one.created, one.updated),
        )
    for one in world.projects:
        rest = {key: value for key, value in one.props.items() if key == "support_id"}
        assert one.program is not None
        await unit.run(
            "insert into projects (seq, uuid, program, code, polly_code, title, public_level, state, released, "
            "properties, created, updated) values ($1, $2, $3, $4, $4, $5, $6, $7, $8, $9, $10, $11)",
            *(one.seq, one.uuid, one.program.seq, one.props["code"], one.props["name"], one.level),
            *(one.props["state"], one.props["released"], rest, one.created, one.updated),
        )
    rows = [
        (
            *(one.project.seq, one.type, one.seq, uuid.UUID(one.uuid), one.submitter_id, one.submitter_id.casefold()),
            *(one.props["state"], {key: value for key, value in one.props.items() if key != "state"}, 1),
            *(one.created, one.updated),
        )
        for one in world.records
        if one.project is not None and one.submitter_id is not None
    ]
    columns = (
        "project",
        "type",
        "seq",
        "uuid",
        "submitter_id",
        "sid_folded",
        "state",
        "props",
        "change",
        "created",
        "updated",
    )
    await unit.copy("records", columns, rows)
    links = [
        (source.project.seq, source.seq, source.type, name, (target.project or target).seq, target.seq, target.type)
        for source, name, target in world.links
        if source.project is not None
    ]
    await unit.copy("links", ("project", "src", "src_type", "name", "dst_project", "dst", "dst_type"), links)
    await unit.run("insert into counters (project, type, n) select project, type, count(*) from records group by 1, 2")
