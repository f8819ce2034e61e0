"""What the Gen3 benchmark submits and reads: a dictionary like the generic one, whose samples export as 32 columns."""

from __future__ import annotations

import random
import uuid
from datetime import UTC, datetime
from typing import Any

import asyncpg
import msgspec

from commensal.dictionaries import open_dictionary

__all__ = ["PROGRAM", "case", "dictionary", "sample", "seed", "tsv"]

PROGRAM = "BENCH"
SITES = ("Lung", "Breast", "Kidney", "Liver", "Colon", "Brain", "Skin", "Ovary")
KINDS = ("Primary Tumor", "Blood Derived Normal", "Solid Tissue Normal", "Recurrent Tumor")

_TEXT = {"type": "string"}
_NUMBER = {"type": "number"}
_INTEGER = {"type": "integer"}
_BOOLEAN = {"type": "boolean"}
#: 25 properties, as many as the generic dictionary's sample has, more or less.
_SAMPLE: dict[str, Any] = {
    "sample_type": {"enum": list(KINDS)},
    "biospecimen_anatomic_site": _TEXT,
    "composition": _TEXT,
    "tissue_type": {"enum": ["Tumor", "Normal"]},
    "tumor_descriptor": _TEXT,
    "preservation_method": _TEXT,
    "is_ffpe": _BOOLEAN,
    "days_to_collection": _INTEGER,
    "initial_weight": _NUMBER,
    **{f"text_{n}": _TEXT for n in range(8)},
    **{f"number_{n}": _NUMBER for n in range(8)},
}


def dictionary() -> dict[str, Any]:
    """Return program, project, experiment, case and sample."""
    ours = open_dictionary()
    base = {name: ours[name] for name in ("program", "project")}
    shared = ("id", "type", "submitter_id", "project_id", "state", "created_datetime", "updated_datetime")
    keys = {key: ours["sample"]["properties"][key] for key in shared if key != "type"} | {"type": {"type": "string"}}
    target = {"type": "object", "additionalProperties": True, "properties": {"submitter_id": _TEXT}}
    for name, link, to, own in (
        ("experiment", "projects", "project", {"experimental_description": _TEXT}),
        ("case", "experiments", "experiment", {"primary_site": _TEXT, "disease_type": _TEXT}),
        ("sample", "cases", "case", _SAMPLE),
    ):
        base[name] = {
            "id": name, "title": name, "type": "object", "program": "*", "project": "*", "submittable": True,
            "category": "biospecimen" if name == "sample" else "administrative", "additionalProperties": False,
            "systemProperties": ["id", "project_id", "state", "created_datetime", "updated_datetime"],
            "uniqueKeys": [["id"], ["project_id", "submitter_id"]], "required": ["type", "submitter_id", link],
            "links": [{"name": link, "backref": f"{name}s", "label": "of", "target_type": to,
                       "multiplicity": "many_to_one", "required": True}],
            "properties": {**keys, **own, link: {"anyOf": [{"type": "array", "items": target}, target]}},
        }  # fmt: skip
    return base


def case(project: str, number: int) -> dict[str, Any]:
    """Return a case as it is submitted."""
    return {
        "type": "case", "submitter_id": f"{project}-c{number:06d}",
        "experiments": {"submitter_id": f"{project}-e0"},
        "disease_type": f"disease {number % 20}", "primary_site": SITES[number % 8],
    }  # fmt: skip


def _values(number: int) -> dict[str, Any]:
    return {
        "sample_type": KINDS[number % 4], "biospecimen_anatomic_site": SITES[number % 6],
        "composition": "Solid Tissue", "tissue_type": "Tumor" if number % 3 else "Normal",
        "tumor_descriptor": "Primary", "preservation_method": "Frozen", "is_ffpe": bool(number % 2),
        "days_to_collection": number % 4000, "initial_weight": (number % 900) / 10 + 1,
    }  # fmt: skip


def sample(project: str, number: int) -> dict[str, Any]:
    """Return a sample as it is submitted: nine of its properties and its link."""
    case_name = f"{project}-c{number:06d}"
    return {
        "type": "sample", "submitter_id": f"{project}-s{number:06d}", "cases": {"submitter_id": case_name},
        **_values(number),
    }  # fmt: skip


def tsv(documents: list[dict[str, Any]]) -> bytes:
    """Return documents as a table."""
    rows: list[dict[str, str]] = []
    for document in documents:
        row: dict[str, str] = {}
        for key, value in document.items():
            if isinstance(value, dict):
                row |= {f"{key}.{inner}": text for inner, text in value.items()}
            else:
                row[key] = str(value).lower() if isinstance(value, bool) else str(value)
        rows.append(row)
    lines = [list(rows[0]), *(list(row.values()) for row in rows)]
    return "".join("\t".join(line) + "\n" for line in lines).encode()


async def seed(connection: asyncpg.Connection, project: int, code: str, count: int) -> None:
    """Write cases with a sample each, all properties set, and an experiment for every thousand."""
    last = await connection.fetchval("select setval('commensal_seq', nextval('commensal_seq') + $1)", 3 * count + 10)
    seq = last - 3 * count - 9
    rnd = random.Random(seq)
    now = datetime.now(UTC)
    records: list[tuple[object, ...]] = []
    links: list[tuple[object, ...]] = []

    def add(kind: str, name: str, props: dict[str, Any], link: str, far: tuple[int, str]) -> int:
        nonlocal seq
        seq += 1
        key = uuid.UUID(int=rnd.getrandbits(128), version=4)
        text = msgspec.json.encode(props).decode()
        records.append((project, kind, seq, key, name, name.lower(), text, 1, now, now))
        links.append((project, seq, kind, link, project, *far))
        return seq

    experiments = [
        add("experiment", f"{code}-x{n}", {"experimental_description": "x" * 40}, "projects", (project, "project"))
        for n in range(max(1, count // 1000))
    ]
    more = {f"text_{n}": f"some words {n}" for n in range(8)}
    for number in range(count):
        document = case(code, number)
        props = {key: document[key] for key in ("primary_site", "disease_type")}
        name = document["submitter_id"]
        made = add("case", name, props, "experiments", (experiments[number % len(experiments)], "experiment"))
        wide = _values(number) | more | {f"number_{n}": number * (n + 1) / 8 for n in range(8)}
        add("sample", f"{code}-s{number:06d}", wide, "cases", (made, "case"))
    columns = ["project", "type", "seq", "uuid", "submitter_id", "sid_folded", "props", "change", "created", "updated"]
    await connection.copy_records_to_table("records", columns=columns, records=records)
    far = ["project", "src", "src_type", "name", "dst_project", "dst", "dst_type"]
    await connection.copy_records_to_table("links", columns=far, records=links)
    await connection.execute(
        "insert into counters (project, type, n) select project, type, count(*) from records where project = $1 "
        "group by 1, 2 on conflict (project, type) do update set n = excluded.n",
        project,
    )
