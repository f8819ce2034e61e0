"""Demo data of our own making: a small, invented study, so that a new server has something to look at.

Every name and number here is made up; titles and descriptions say so. The numbers come from a fixed
seed, so that each start writes the same records and finds them unchanged.
"""

from __future__ import annotations

import random
from typing import Any

from commensal.importers.sink import EXTRA, Document, ImportReport, Sink

__all__ = ["DEMO_PROGRAM", "DEMO_PROJECT", "demo_documents", "load_demo"]

DEMO_PROGRAM = "DEMO"
DEMO_PROJECT = "organoids"

_MADE_UP = "Made-up demo data: no such patients, samples or measurements exist."
_TITLE = "Demo (made up): intestinal organoids under two drugs"
_SUMMARY = (
    f"{_MADE_UP} Organoids grown from twelve invented donors were left untreated or given one of two drugs "
    "for 48 hours; RNA was sequenced before and after."
)
_TREATMENTS = ("none", "vehicle", "drug A 1 uM", "drug B 5 uM")
_TISSUES = ("duodenum", "jejunum", "ileum", "colon")


def _dataset(code: str, label: str, data_type: str, year: int) -> Document:
    return {
        "type": "dataset",
        "submitter_id": code,
        "projects": {"code": DEMO_PROJECT},
        "label": label,
        "description": _MADE_UP,
        "summary": _SUMMARY,
        "overall_design": "Twelve donors, four conditions each, one sample a condition.",
        "data_type": data_type,
        "data_source": "made up",
        "organism": "Homo sapiens",
        "year": year,
    }


def _subject(number: int, chance: random.Random) -> Document:
    return {
        "type": "subject",
        "submitter_id": f"donor-{number:02d}",
        "projects": {"code": DEMO_PROJECT},
        "label": f"Invented donor {number}",
        "organism": "Homo sapiens",
        "sex": chance.choice(("female", "male")),
        "age": chance.randint(24, 79),
        "age_unit": "years",
        "disease": chance.choice(("healthy", "healthy", "Crohn's disease", "coeliac disease")),
        EXTRA: {"body_mass_index": round(chance.uniform(18.5, 31.0), 1), "made_up": True},
    }


def _sample(donor: Document, condition: int, chance: random.Random) -> Document:
    treatment = _TREATMENTS[condition]
    name = f"{donor['submitter_id']}-{condition + 1}"
    metadata: dict[str, Any] = {
        "passage": chance.randint(4, 11),
        "rna_integrity": round(chance.uniform(6.8, 9.9), 1),
        "library_kit": chance.choice(("kit north", "kit south")),
    }
    if condition > 1:
        metadata["hours_of_treatment"] = 48
    return {
        "type": "sample",
        "submitter_id": name,
        "subjects": {"submitter_id": donor["submitter_id"]},
        "datasets": {"submitter_id": "organoid-rnaseq"},
        "label": f"Organoid of donor {donor['submitter_id'][-2:]}, {treatment}",
        "description": _MADE_UP,
        "organism": "Homo sapiens",
        "tissue": chance.choice(_TISSUES),
        "cell_type": "organoid",
        "sex": donor["sex"],
        "age": donor["age"],
        "disease": donor["disease"],
        "source_name": "intestinal organoid",
        "molecule": "total RNA",
        "platform": "short-read sequencing",
        "treatment": treatment,
        EXTRA: metadata,
    }


def demo_documents() -> list[Document]:
    """Return the study as documents of the open dictionary: 2 datasets, 12 subjects, 48 samples."""
    chance = random.Random(20261120)  # noqa: S311 - made-up numbers, the same at every start
    documents = [
        _dataset("organoid-rnaseq", "Demo: organoid RNA sequencing", "transcriptomics", 2026),
        _dataset("organoid-images", "Demo: organoid microscopy", "imaging", 2026),
    ]
    donors = [_subject(number, chance) for number in range(1, 13)]
    documents += donors
    documents += [_sample(donor, condition, chance) for donor in donors for condition in range(len(_TREATMENTS))]
    return documents


async def load_demo(sink: Sink) -> ImportReport:
    """Write the demo study; a second time changes nothing. Everybody may read it (public level ``read``)."""
    await sink.ensure_program(DEMO_PROGRAM, "Demo program (made up)")
    await sink.ensure_project(
        DEMO_PROGRAM,
        DEMO_PROJECT,
        kind="study",
        title=_TITLE,
        properties={EXTRA: {"summary": _SUMMARY, "made_up": True}},
        public="read",
    )
    report = ImportReport(DEMO_PROGRAM, DEMO_PROJECT)
    report.add(await sink.submit(DEMO_PROGRAM, DEMO_PROJECT, demo_documents()))
    return report
