"""Client of the Pangea door: the classes that the system's document shows, on your own server.

::

    from commensal.client.pangea import Knex, Organization, User

    knex = Knex("https://commons.example.org")
    User(knex, "ada@example.org", "…").login()
    library = Organization(knex, "My Institute").sample_group("Soils 2026", is_library=True).idem()
    sample = library.sample("plot-7", metadata={"depth_cm": 10}).create()
    reads = sample.analysis_result("raw::single_short_reads").field("reads").create()
    reads.upload_file("plot-7.fastq.gz")
"""

from __future__ import annotations

from commensal.client.pangea.analysis_result import (
    SampleAnalysisResult,
    SampleAnalysisResultField,
    SampleGroupAnalysisResult,
    SampleGroupAnalysisResultField,
)
from commensal.client.pangea.errors import (
    PangeaForbiddenError,
    PangeaGeneralError,
    PangeaInternalError,
    PangeaNotFoundError,
    PangeaOtherError,
    RemoteObjectError,
    RemoteObjectOverwriteError,
    TransferError,
)
from commensal.client.pangea.file_system_cache import FileSystemCache
from commensal.client.pangea.knex import Knex
from commensal.client.pangea.organization import Organization
from commensal.client.pangea.pipeline import Pipeline, PipelineModule
from commensal.client.pangea.remote_object import RemoteObject
from commensal.client.pangea.sample import Sample
from commensal.client.pangea.sample_group import SampleGroup
from commensal.client.pangea.tag import Tag
from commensal.client.pangea.user import User

__all__ = [
    "FileSystemCache",
    "Knex",
    "Organization",
    "PangeaForbiddenError",
    "PangeaGeneralError",
    "PangeaInternalError",
    "PangeaNotFoundError",
    "PangeaOtherError",
    "Pipeline",
    "PipelineModule",
    "RemoteObject",
    "RemoteObjectError",
    "RemoteObjectOverwriteError",
    "Sample",
    "SampleAnalysisResult",
    "SampleAnalysisResultField",
    "SampleGroup",
    "SampleGroupAnalysisResult",
    "SampleGroupAnalysisResultField",
    "Tag",
    "TransferError",
    "User",
]
