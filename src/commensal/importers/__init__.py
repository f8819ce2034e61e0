"""Importers: real data into a commons, through a sink.

``import_geo`` reads a GEO series, ``import_gen3`` a folder of Gen3 submissions, ``import_tsv`` a table. Each reads
and checks its input in flat memory, writes whole batches or nothing, and gives the same documents for
the same input, so that a second run changes nothing.
"""

from __future__ import annotations

from .gen3 import import_gen3
from .geo import import_geo
from .progress import CancelFlag, Progress, SilentProgress
from .sink import EXTRA, Counts, Document, ImportReport, ProjectKind, Sink, SubmitResult
from .tsv import import_tsv

__all__ = [
    "EXTRA",
    "CancelFlag",
    "Counts",
    "Document",
    "ImportReport",
    "Progress",
    "ProjectKind",
    "SilentProgress",
    "Sink",
    "SubmitResult",
    "import_gen3",
    "import_geo",
    "import_tsv",
]
