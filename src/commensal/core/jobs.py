"""Import jobs as values (contracts/odm.md, "How files get in")."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from commensal.errors import Invalid

__all__ = [
    "DATA_CLASSES",
    "OPEN_STATUSES",
    "ImportRequest",
    "Job",
    "JobError",
    "JobKind",
    "JobStatus",
    "NewJob",
    "check_data_class",
]

#: What a file may be: every file import names one.
DATA_CLASSES = (
    "Bulk transcriptomics",
    "Single-cell transcriptomics",
    "Differential abundance (FC, pval, etc.)",
    "Pathway analysis",
    "Proteomics",
    "Single-cell proteomics",
    "Metabolomics",
    "Lipidomics",
    "Epigenomics",
    "DNA methylation",
    "Chemoinformatics",
    "Imaging features",
    "Gene panel data",
    "Biomarker data",
    "Physical measures",
    "Blood counts",
    "Other body fluid counts",
    "Long-read sequencing (Nanopore, PacBio)",
    "Flow Cytometry (FCS)",
    "Spatial transcriptomics",
    "Phenomics",
    "Copy number alterations",
    "Microbiome / Metagenomics",
    "Immune repertoire",
    "Genetic screens (CRISPR / RNAi)",
    "Cell imaging",
    "Document",
    "Other",
)


class JobKind(enum.StrEnum):
    """What a job imports."""

    FILE = "file"
    STUDY = "study"
    SAMPLES = "samples"
    LIBRARIES = "libraries"
    PREPARATIONS = "preparations"


class JobStatus(enum.StrEnum):
    """Where a job is. ``STARTING`` waits in the queue; ``ABANDONED``: its bytes were lost with the server."""

    STARTING = "STARTING"
    RUNNING = "RUNNING"
    STOPPING = "STOPPING"
    STOPPED = "STOPPED"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    ABANDONED = "ABANDONED"


#: Not ended.
OPEN_STATUSES = (JobStatus.STARTING, JobStatus.RUNNING, JobStatus.STOPPING)


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """What shall be imported. Without ``data_link`` or ``metadata_link``, the bytes came with the request itself.

    ``data_class`` is for files only; ``template`` is an accession that is kept with a group; ``name`` is the name of
    a file that was sent.
    """

    data_link: str | None = None
    metadata_link: str | None = None
    data_class: str | None = None
    template: str | None = None
    name: str | None = None

    def encode(self) -> dict[str, str]:
        """Return what is set, as JSON."""
        return {key: value for key, value in asdict(self).items() if value is not None}


@dataclass(frozen=True, slots=True)
class JobError:
    """Why a job failed: at which stage, what kind of error, and the sentence."""

    stage: str
    type: str
    message: str


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to be stored. ``claim`` is set for a job that the request itself does."""

    kind: JobKind
    project: int | None
    digest: bytes | None
    request: ImportRequest
    caller: Mapping[str, Any]
    user: int | None
    started_by: str
    created: datetime
    claim: UUID | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """One job; ``seq`` is its number on the wire (``jobExecId``).

    ``project`` is the study that it imports into; None before a study, or a home project, is made. ``result`` is the
    number of what it made: a file, a study, or a group. ``claim`` names the run that does it at this moment.
    """

    seq: int
    kind: JobKind
    status: JobStatus
    project: int | None
    request: ImportRequest
    caller: Mapping[str, Any]
    user: int | None
    started_by: str
    result: int | None
    created: datetime
    ended: datetime | None
    attempts: int
    claim: UUID | None
    errors: Sequence[JobError] = field(default=())

    @property
    def by_link(self) -> bool:
        """Whether it can be done (again) without the request that started it."""
        return self.request.data_link is not None or self.request.metadata_link is not None


def check_data_class(text: str | None) -> str:
    """Return a data class; raises Invalid that lists them all for anything else."""
    if text not in DATA_CLASSES:
        given = "is missing" if not text else f"{text[:80]!r} is none of them"
        raise Invalid(f"dataClass {given}. A file has one of: {'; '.join(DATA_CLASSES)}.", field="dataClass")
    return text
