"""The composition root: where services, storage and settings meet, and the tasks beside the requests."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
from collections.abc import Awaitable, Callable
from typing import Any

from commensal.core.principals import Door, Principal, PrincipalKind
from commensal.core.users import User
from commensal.errors import CommensalError
from commensal.server.imports import build_import_jobs, own_addresses
from commensal.server.settings import Settings
from commensal.services import Services
from commensal.services.audit import Audit
from commensal.services.buckets import Buckets
from commensal.services.catalog import Catalog
from commensal.services.data_files import DataFiles
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
from commensal.services.identity import build_identity
from commensal.services.index import Index
from commensal.services.invited_grants import InvitedGrants
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
from commensal.services.signing import Signer
from commensal.services.studies import Studies
from commensal.services.studies_links import StudyLinks
from commensal.services.submission import Submission
from commensal.services.tags import Tags
from commensal.services.transactions import Transactions
from commensal.services.work_orders import WorkOrders
from commensal.storage.blobs.local import LocalBlobs
from commensal.storage.contents.pool import ContentsPool
from commensal.storage.ports import Unit
from commensal.storage.ports.blobs import Blobs
from commensal.storage.postgres.audit import PgAuditStore, PgSealStore
from commensal.storage.postgres.buckets import PgBuckets
from commensal.storage.postgres.catalog import PgProgramStore, PgProjectStore
from commensal.storage.postgres.catalog_objects import PgCollectionStore, PgObjectStore
from commensal.storage.postgres.credentials import PgCredentials, PgSigningKeys
from commensal.storage.postgres.database import PgDatabase
from commensal.storage.postgres.deletion import PgDeletion
from commensal.storage.postgres.dictionaries import PgDictionaries
from commensal.storage.postgres.exports import PgExports
from commensal.storage.postgres.file_search import PgContents, PgFileSearch
from commensal.storage.postgres.files import PgFileStore
from commensal.storage.postgres.folders import PgFolders
from commensal.storage.postgres.grants import PgGrantStore, PgGroupStore
from commensal.storage.postgres.graph.reads import PgGraphReads
from commensal.storage.postgres.index import PgIndexStore
from commensal.storage.postgres.lineages import PgLineages
from commensal.storage.postgres.mail import PgOutbox
from commensal.storage.postgres.managed import PgManaged
from commensal.storage.postgres.metadata_documents import PgMetadataDocuments
from commensal.storage.postgres.moving import PgMoving
from commensal.storage.postgres.name_search import PgNameSearch
from commensal.storage.postgres.order_prototypes import PgOrderPrototypes
from commensal.storage.postgres.people import PgPeople
from commensal.storage.postgres.pipelines import PgPipelines
from commensal.storage.postgres.project_files import PgProjectFiles
from commensal.storage.postgres.record_writes import PgRecordWrites
from commensal.storage.postgres.records import PgRecords
from commensal.storage.postgres.scim import PgScim
from commensal.storage.postgres.scrub import PgScrub
from commensal.storage.postgres.studies import PgStudies
from commensal.storage.postgres.studies_links import PgStudyLinks
from commensal.storage.postgres.tags import PgTags
from commensal.storage.postgres.transactions import PgTransactions
from commensal.storage.postgres.uploads import PgUploads
from commensal.storage.postgres.users import PgInvitations, PgSignInFailures, PgUsers
from commensal.storage.postgres.work_orders import PgWorkOrders

__all__ = ["AUDIT_CONNECTIONS", "BackgroundTasks", "build_services", "open_blobs"]

#: Connections of the audit's own pool: refusals are stored while the request still holds its own connection,
#: and the sealer holds one for its election.
AUDIT_CONNECTIONS = 4
PURGE_SECONDS = 3600.0


def build_services(settings: Settings, database: PgDatabase, audit_database: PgDatabase, master_key: bytes) -> Services:
    """Make every service of one process on its two pools."""
    audit = Audit(database=audit_database, store=PgAuditStore())
    grant_store = PgGrantStore()
    guard = Guard(grants=grant_store, audit=audit, anonymous=settings.anonymous, min_count=settings.min_count)
    catalog = Catalog(
        database=database,
        programs=PgProgramStore(),
        projects=PgProjectStore(),
        collections=PgCollectionStore(),
        objects=PgObjectStore(),
        grants=grant_store,
        guard=guard,
        audit=audit,
        self_service=settings.self_service,
    )
    groups = Groups(
        database=database, store=PgGroupStore(), guard=guard, audit=audit, self_service=settings.self_service
    )
    grants = Grants(database=database, store=grant_store, groups=groups, catalog=catalog, guard=guard, audit=audit)
    mail = Mail(database=database, outbox=PgOutbox(), smtp_url=settings.smtp)
    identity, keys = build_identity(
        database=database,
        users=PgUsers(),
        credentials=PgCredentials(),
        failures=PgSignInFailures(),
        invitations=PgInvitations(),
        signing_keys=PgSigningKeys(),
        guard=guard,
        audit=audit,
        mail=mail,
        master_key=master_key,
        base_url=settings.url,
        home_program=_home_program(catalog),
        registration=settings.registration,
        grants=InvitedGrants(grants=grants, catalog=catalog),
    )
    reads, writes, programs, log = PgRecords(), PgRecordWrites(), PgProgramStore(), PgTransactions()
    dictionaries = Dictionaries(database=database, store=PgDictionaries(), records=reads, guard=guard, audit=audit)
    common = {"database": database, "dictionaries": dictionaries, "guard": guard, "audit": audit}
    records = Records(reads=reads, writes=writes, **common)
    catalog.strict_violations = records.strict_violations
    lineages = PgLineages()
    deletion = EntityDeletion(store=PgDeletion(), reads=reads, writes=writes, **common)
    moving = Moving(store=PgDeletion(), moves=PgMoving(), reads=reads, writes=writes, **common)
    blobs, signer = open_blobs(settings), Signer(master_key)
    files = Files(database=database, blobs=blobs, store=PgFileStore(), guard=guard, audit=audit, quota=settings.quota)
    contents = ContentsPool(settings.data)
    signed = SignedBytes(
        database=database, blobs=blobs, store=PgFileStore(), files=files, guard=guard, audit=audit, signer=signer
    )
    index = Index(
        database=database,
        store=PgIndexStore(),
        deletions=PgDeletion(),
        catalog=catalog,
        guard=guard,
        audit=audit,
        own=own_addresses(settings),
        places=own_places(settings),
    )
    uploads = GrowingUploads(
        database=database,
        blobs=blobs,
        store=PgUploads(),
        projects=PgProjectStore(),
        files=files,
        audit=audit,
        signer=signer,
    )
    documents = MetadataDocuments(
        database=database, store=PgMetadataDocuments(), projects=PgProjectStore(), guard=guard, audit=audit
    )
    data_files = DataFiles(store=PgIndexStore(), programs=programs, guard=guard, audit=audit, own=index.own_address)
    submission = Submission(store=writes, data_files=data_files, **common)
    return Services(
        settings=settings,
        database=database,
        audit=audit,
        sealer=Sealer(database=audit_database, store=PgSealStore(), guard=guard, master_key=master_key),
        guard=guard,
        grants=grants,
        groups=groups,
        catalog=catalog,
        identity=identity,
        keys=keys,
        mail=mail,
        dictionaries=dictionaries,
        submission=submission,
        records=records,
        lineages=Lineages(reads=lineages, **common),
        results=Results(database=database, records=records, reads=lineages, dictionaries=dictionaries, audit=audit),
        project_files=ProjectFiles(reads=PgProjectFiles(), lineages=lineages, **common),
        people=People(database=database, store=PgPeople(), guard=guard, audit=audit),
        tags=Tags(store=PgTags(), **common),
        pipelines=Pipelines(database=database, store=PgPipelines(), catalog=catalog, guard=guard, audit=audit),
        names=NameSearch(store=PgNameSearch(), reads=lineages, **common),
        order_prototypes=OrderPrototypes(database=database, store=PgOrderPrototypes(), guard=guard, audit=audit),
        work_orders=WorkOrders(store=PgWorkOrders(), **common),
        buckets=Buckets(database=database, store=PgBuckets(), guard=guard, audit=audit, master_key=master_key),
        deletion=deletion,
        moving=moving,
        studies=Studies(store=PgStudies(), catalog=catalog, records=records, **common),
        scim=Scim(database=database, store=PgScim(), identity=identity, groups=groups, guard=guard, audit=audit),
        study_links=StudyLinks(store=PgStudyLinks(), catalog=catalog, records=records, moving=moving, **common),
        transactions=Transactions(
            database=database,
            store=log,
            records=writes,
            submission=submission,
            deletion=deletion,
            guard=guard,
            audit=audit,
        ),
        program_submission=ProgramSubmission(catalog=catalog, records=writes, transactions=log, **common),
        exports=Exports(store=PgExports(), records=writes, programs=programs, **common),
        graph=GraphQueries(database=database, reads=PgGraphReads(), guard=guard, audit=audit),
        files=files,
        uploads=uploads,
        bytes=signed,
        metadata_documents=documents,
        metadata_objects=MetadataObjects(index=index, store=PgIndexStore(), documents=documents, uploads=uploads),
        file_search=FileSearch(database=database, store=PgFileSearch(), guard=guard, audit=audit),
        index=index,
        downloads=Downloads(
            database=database,
            index=index,
            records=PgIndexStore(),
            store=PgFileStore(),
            signed=signed,
            guard=guard,
            audit=audit,
        ),
        file_jobs=FileJobs(database=database, store=PgContents(), blobs=blobs, reader=contents, close=contents.close),
        folders=Folders(database=database, store=PgFolders(), guard=guard, audit=audit),
        import_jobs=build_import_jobs(
            settings,
            blobs=blobs,
            files=files,
            records=records,
            dictionaries=dictionaries,
            common={"database": database, "catalog": catalog, "guard": guard, "audit": audit},
        ),
        managed_data=ManagedData(
            database=database, store=PgManaged(), deletion=deletion, dictionaries=dictionaries, guard=guard
        ),
        scrub=Scrub(database=database, blobs=blobs, store=PgScrub(), guard=guard, audit=audit),
    )


def open_blobs(settings: Settings) -> Blobs:
    """Return the store of bytes: the local disk, or S3 (``--blobs s3://…``). Raises SetupError, EngineMissing."""
    if (settings.blobs or "").startswith("s3://"):
        from commensal.storage.blobs.s3 import S3Blobs
        from commensal.storage.blobs.s3_place import parse_s3

        return S3Blobs(parse_s3(settings.blobs or "", os.environ))
    return LocalBlobs(settings.blob_folder, min_free=settings.min_free)


def own_places(settings: Settings) -> tuple[str, ...]:
    """Return how addresses of the store of bytes itself begin that are none of HTTP; keys of objects follow."""
    if not (settings.blobs or "").startswith("s3://"):
        return (f"file://{settings.blob_folder}/",)
    from commensal.storage.blobs.s3_place import parse_s3

    place = parse_s3(settings.blobs or "", os.environ)
    rest = f"{place.bucket}/{place.prefix}/" if place.prefix else f"{place.bucket}/"
    return (f"s3://{rest}",)


def _home_program(catalog: Catalog) -> Callable[[Unit, User], Awaitable[int]]:
    """What identity asks of the catalog: the number of a user's home program, made at first need."""

    async def home_program(unit: Unit, user: User) -> int:
        principal = Principal(
            kind=PrincipalKind.USER, door=Door.SYSTEM, user=user.seq, email=user.email, name=user.name
        )
        return (await catalog.home_project_in(unit, principal)).program

    return home_program


class BackgroundTasks:
    """The tasks beside the requests: each is started again when it ends with an error."""

    def __init__(self, services: Services, log: Any) -> None:
        self._services = services
        self._log = log
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start them; those that must be single elect one process in the database."""
        services = self._services
        for name, run in (
            ("audit", services.audit.run),
            ("identity", services.identity.run),
            ("mail", services.mail.run),
            ("sealer", services.sealer.run),
            ("transactions", services.transactions.run),
            ("uploads", services.uploads.run),
            ("contents", services.file_jobs.run),
            ("imports", services.import_jobs.run),
            ("purge", self._purge),
        ):
            self._tasks.append(asyncio.create_task(self._keep(name, run), name=name))

    async def _purge(self) -> None:
        """Forget old deletions and remove bytes that nothing names; several processes may do it side by side."""
        while True:
            await asyncio.sleep(PURGE_SECONDS * random.uniform(0.5, 1.5))  # noqa: S311 - spreads processes, no secret
            await self._services.deletion.purge()
            await self._services.files.purge()
            await self._services.uploads.sweep()

    async def _keep(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        wait = 1.0
        while True:
            try:
                await run()
                return
            except CommensalError as error:
                self._log.warning("task", task=name, reason=error.message)
            except Exception as error:
                self._log.error("task", task=name, exc_info=error)
            await asyncio.sleep(wait)
            wait = min(wait * 2, 60.0)

    async def stop(self) -> None:
        """End them and write what is still queued."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task
        await asyncio.to_thread(self._services.file_jobs.close)
        for flush in (self._services.audit.flush, self._services.identity.flush):
            with contextlib.suppress(CommensalError, Exception):
                await flush()
