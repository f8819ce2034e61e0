"""The use cases: authorise, act, audit. The only thing a face may call.

``Services`` is what faces, portal, importers and commands get; ``server.app`` makes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from commensal.services.audit import Audit
    from commensal.services.buckets import Buckets
    from commensal.services.catalog import Catalog
    from commensal.services.dictionaries import Dictionaries
    from commensal.services.downloads import Downloads
    from commensal.services.entity_deletion import EntityDeletion
    from commensal.services.exports import Exports
    from commensal.services.file_jobs import FileJobs
    from commensal.services.file_search import FileSearch
    from commensal.services.files import Files
    from commensal.services.folders import Folders
    from commensal.services.grants import Grants
    from commensal.services.graph import GraphQueries
    from commensal.services.groups import Groups
    from commensal.services.growing_uploads import GrowingUploads
    from commensal.services.guard import Guard
    from commensal.services.identity import Identity
    from commensal.services.import_jobs import ImportJobs
    from commensal.services.index import Index
    from commensal.services.keys import Keys
    from commensal.services.lineages import Lineages
    from commensal.services.mail import Mail
    from commensal.services.managed_data import ManagedData
    from commensal.services.metadata_documents import MetadataDocuments
    from commensal.services.metadata_objects import MetadataObjects
    from commensal.services.moving import Moving
    from commensal.services.name_search import NameSearch
    from commensal.services.order_prototypes import OrderPrototypes
    from commensal.services.people import People
    from commensal.services.pipelines import Pipelines
    from commensal.services.program_submission import ProgramSubmission
    from commensal.services.project_files import ProjectFiles
    from commensal.services.records import Records
    from commensal.services.results import Results
    from commensal.services.scim import Scim
    from commensal.services.scrub import Scrub
    from commensal.services.sealing import Sealer
    from commensal.services.signed_bytes import SignedBytes
    from commensal.services.studies import Studies
    from commensal.services.studies_links import StudyLinks
    from commensal.services.submission import Submission
    from commensal.services.tags import Tags
    from commensal.services.transactions import Transactions
    from commensal.services.work_orders import WorkOrders

__all__ = ["Services", "SiteSettings"]


class SiteSettings(Protocol):
    """What services and pages may know of the installation's settings."""

    @property
    def url(self) -> str:
        """The address that users see, without a slash at the end."""
        ...

    @property
    def https(self) -> bool:
        """Whether users see https."""
        ...

    @property
    def demo(self) -> bool:
        """Whether this is a demo."""
        ...

    @property
    def anonymous(self) -> bool:
        """Whether callers without a credential see what is public."""
        ...

    @property
    def registration(self) -> str:
        """``open``, ``invite`` or ``closed``."""
        ...

    @property
    def self_service(self) -> bool:
        """Whether users may open programs of their own."""
        ...

    @property
    def min_count(self) -> int:
        """The smallest count that is shown to callers who may only count."""
        ...

    @property
    def support_contact(self) -> str:
        """Whom to ask; may be empty."""
        ...

    @property
    def smtp(self) -> str | None:
        """The mail server; None: mails are shown in the portal and the log."""
        ...

    @property
    def timezone(self) -> str:
        """The time zone of pages and reports."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Every service of one process."""

    settings: SiteSettings
    audit: Audit
    sealer: Sealer
    guard: Guard
    grants: Grants
    groups: Groups
    catalog: Catalog
    identity: Identity
    keys: Keys
    mail: Mail
    dictionaries: Dictionaries
    submission: Submission
    records: Records
    lineages: Lineages
    results: Results
    project_files: ProjectFiles
    people: People
    tags: Tags
    pipelines: Pipelines
    names: NameSearch
    order_prototypes: OrderPrototypes
    work_orders: WorkOrders
    buckets: Buckets
    deletion: EntityDeletion
    moving: Moving
    transactions: Transactions
    program_submission: ProgramSubmission
    exports: Exports
    graph: GraphQueries
    files: Files
    uploads: GrowingUploads
    bytes: SignedBytes
    scrub: Scrub
    file_search: FileSearch
    index: Index
    downloads: Downloads
    file_jobs: FileJobs
    metadata_documents: MetadataDocuments
    metadata_objects: MetadataObjects
    folders: Folders
    import_jobs: ImportJobs
    managed_data: ManagedData
    studies: Studies
    study_links: StudyLinks
    scim: Scim
    #: The pool, for tests that count statements and for work that belongs to no service.
    database: Any
