"""Import jobs: started by a request, done beside it (or within it, when the bytes came along), once whatever happens.

The queue is a table. A process takes a job for a while and says every few seconds that it lives; a job whose process
is gone is taken by another one. What a job makes and its end are one transaction, bound to the claim, so a job that
two processes do at once ends once, and one that breaks off leaves nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import random
from collections.abc import AsyncIterable, Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import msgspec

from commensal.core.jobs import (
    OPEN_STATUSES,
    ImportRequest,
    Job,
    JobError,
    JobKind,
    JobStatus,
    NewJob,
    check_data_class,
)
from commensal.core.permissions import Right
from commensal.core.principals import Principal, PrincipalKind
from commensal.core.projects import Project, ProjectKind
from commensal.errors import (
    AlreadyExists,
    CommensalError,
    Forbidden,
    InvalidRows,
    NotFound,
    StateConflict,
    TooManyRequests,
    Unavailable,
)
from commensal.services.audit import Audit
from commensal.services.callers import caller_values, kept_caller
from commensal.services.catalog import Catalog
from commensal.services.clock import Clock, utc_now
from commensal.services.fetching import Fetching
from commensal.services.guard import Guard
from commensal.services.import_steps import ImportSteps, Step
from commensal.storage.ports import Database, Unit
from commensal.storage.ports.jobs import JobStore
from commensal.storage.ports.users import Users

__all__ = ["ImportJobs"]

#: A claimed job that was not heard of for so long is taken by another process.
LEASE = timedelta(seconds=30)
#: How often a running job says that it lives, and looks whether it shall stop (seconds).
BEAT = 2.0
#: How often an idle process looks for jobs, in seconds.
IDLE = 1.0
#: Jobs that one process does at the same time; imports wait for other servers most of the time.
AT_ONCE = 8
#: Jobs by link of one user that run at the same time on all processes, so that others come to their turn.
EACH = 3
#: A job whose process ended so often is given up.
ATTEMPTS = 5
#: Jobs of one user that may wait or run at the same time.
OPEN_JOBS = 200
_NAMED_PROBLEMS = 20

_log = logging.getLogger(__name__)


class _Lost(Exception):
    """The claim of this run is lost: another process has the job, or it was stopped."""


class ImportJobs:
    """See the module."""

    def __init__(
        self,
        *,
        database: Database,
        store: JobStore,
        steps: ImportSteps,
        fetching: Fetching,
        users: Users,
        catalog: Catalog,
        guard: Guard,
        audit: Audit,
        now: Clock = utc_now,
    ) -> None:
        self._database = database
        self._store = store
        self._steps = steps
        self._fetching = fetching
        self._users = users
        self._catalog = catalog
        self._guard = guard
        self._audit = audit
        self._now = now
        self._wake = asyncio.Event()

    # --- starting: by link --------------------------------------------------------------------------

    async def import_file(
        self, principal: Principal, study: int, request: ImportRequest, *, allow_duplicates: bool = False
    ) -> Job:
        """Start the import of a file by link into a study (its number); needs ``create`` there.

        Raises Invalid (data class), Malformed and Forbidden (link), NotFound (no study that the caller may see),
        AlreadyExists for what a job that the caller may see has imported, unless ``allow_duplicates``.
        """
        check_data_class(request.data_class)
        project = await self._study(principal, study)
        return await self._start(principal, JobKind.FILE, project, request, duplicates=allow_duplicates)

    async def import_study(
        self, principal: Principal, request: ImportRequest, *, allow_duplicates: bool = False
    ) -> Job:
        """Start the import of a study from a link to its metadata; for every account. Raises as ``import_file``."""
        await self._account(principal)
        return await self._start(principal, JobKind.STUDY, None, request, duplicates=allow_duplicates)

    async def import_group(
        self, principal: Principal, kind: JobKind, request: ImportRequest, *, allow_duplicates: bool = False
    ) -> Job:
        """Start the import of samples, libraries or preparations from a link, into the home project until they are
        linked to a study.
        """
        await self._account(principal)
        return await self._start(principal, kind, None, request, duplicates=allow_duplicates)

    async def _account(self, principal: Principal) -> None:
        async with self._database.read() as unit:
            await self._guard.require_signed_in(unit, principal, "job.start")
        if principal.user is None or principal.kind is not PrincipalKind.USER:
            raise Forbidden("Only accounts have a home program, where this import goes: use a user's token.")

    async def _start(
        self, principal: Principal, kind: JobKind, project: Project | None, request: ImportRequest, *, duplicates: bool
    ) -> Job:
        for link in (request.data_link, request.metadata_link):
            if link is not None:
                await self._fetching.check(principal, link, project)
        digest = _digest(kind, project, request)
        async with self._database.begin() as unit:
            twins = await self._store.twins(unit, digest)
            for twin in () if duplicates else twins:
                if await self._visible(unit, principal, twin):
                    raise AlreadyExists(
                        "A job instance already exists for this link and place; use allow_dups=true to import it "
                        f"again, jobExecId={twin.seq}"
                    )
            await self._check_room(unit, principal)
            job = await self._store.add(unit, self._new(principal, kind, project, digest, request, None))
            details = {"job": job.seq, "link": (request.data_link or request.metadata_link or "").partition("?")[0]}
            await self._audit.write(
                unit, principal, "job.start", project=project, target=f"import {kind}", details=details
            )
        self._wake.set()
        return job

    async def _check_room(self, unit: Unit, principal: Principal) -> None:
        if await self._store.open_of(unit, principal.user) >= OPEN_JOBS:
            raise TooManyRequests(
                f"You have {OPEN_JOBS} imports that wait or run; start more when some have ended.", retry_after=30
            )

    def _new(
        self,
        principal: Principal,
        kind: JobKind,
        project: Project | None,
        digest: bytes | None,
        request: ImportRequest,
        claim: UUID | None,
    ) -> NewJob:
        return NewJob(
            kind=kind,
            project=None if project is None else project.seq,
            digest=digest,
            request=request,
            caller=caller_values(principal),
            user=principal.user,
            started_by=principal.label,
            created=self._now(),
            claim=claim,
        )

    # --- starting: with the bytes -------------------------------------------------------------------

    async def take_file(
        self,
        principal: Principal,
        study: int,
        request: ImportRequest,
        chunks: AsyncIterable[bytes],
        *,
        metadata: bytes | None = None,
        media_type: str = "application/octet-stream",
    ) -> Job:
        """Import a file that comes as a stream into a study, and return its ended job; needs ``create`` there.

        What is wrong with the study, the rights or the data class is raised before a byte is read; what is wrong
        with the bytes or the metadata ends the job as FAILED.
        """
        check_data_class(request.data_class)
        project = await self._study(principal, study)
        return await self._at_once(
            principal, JobKind.FILE, project, request, chunks=chunks, metadata=metadata, media_type=media_type
        )

    async def take_group(
        self, principal: Principal, kind: JobKind, study: int | None, request: ImportRequest, table: bytes
    ) -> Job:
        """Import samples, libraries or preparations from a table that came with the request; return the ended job.

        Into a study with ``create`` there, without one into the caller's home project.
        """
        project = None
        if study is None:
            await self._account(principal)
        else:
            project = await self._study(principal, study)
        return await self._at_once(principal, kind, project, request, metadata=table)

    async def _at_once(
        self,
        principal: Principal,
        kind: JobKind,
        project: Project | None,
        request: ImportRequest,
        *,
        chunks: AsyncIterable[bytes] | None = None,
        metadata: bytes | None = None,
        media_type: str = "application/octet-stream",
    ) -> Job:
        async with self._database.begin() as unit:
            await self._check_room(unit, principal)
            job = await self._store.add(unit, self._new(principal, kind, project, None, request, uuid4()))
            await self._audit.write(
                unit, principal, "job.start", project=project, target=f"import {kind}", details={"job": job.seq}
            )
        step = self._step(job, principal, project)
        step.bytes, step.metadata, step.media_type = chunks, metadata, media_type
        await self._do(job, step)
        async with self._database.read() as unit:
            return await self._store.find(unit, job.seq) or job

    # --- looking and changing -----------------------------------------------------------------------

    async def job(self, principal: Principal, seq: int) -> Job:
        """Return a job that the caller started, or that imports into a study where he holds ``create``."""
        async with self._database.read() as unit:
            job = await self._find(unit, principal, seq)
        await self._audit.read(principal, "job.read", project=job.project, target=str(seq))
        return job

    async def stop(self, principal: Principal, seq: int) -> Job:
        """Stop a job that has not ended: at once when it waits, within seconds when it runs. Raises StateConflict."""
        async with self._database.begin() as unit:
            job = await self._find(unit, principal, seq, lock=True)
            if job.status not in OPEN_STATUSES:
                raise StateConflict(f"Job {seq} has ended ({job.status}) and cannot be stopped.")
            job = await self._store.request_stop(unit, seq)
            await self._audit.write(unit, principal, "job.stop", project=job.project, target=str(seq))
        return job

    async def restart(self, principal: Principal, seq: int) -> Job:
        """Queue a job that failed or was stopped again, under the same number; it is the caller's from then on.

        Raises StateConflict for one that has not ended, has completed, or whose bytes came with its request.
        """
        async with self._database.begin() as unit:
            job = await self._find(unit, principal, seq, lock=True)
            if job.status in OPEN_STATUSES or job.status is JobStatus.COMPLETED:
                raise StateConflict(f"Job {seq} is {job.status}: only jobs that failed or were stopped start again.")
            if not job.by_link:
                raise StateConflict(f"The bytes of job {seq} came with its request and are gone: send them again.")
            await self._check_room(unit, principal)
            project = None if job.project is None else await self._catalog.find_project(unit, job.project)
            new = self._new(principal, job.kind, project, None, job.request, None)
            job = await self._store.queue_again(unit, seq, new)
            await self._audit.write(unit, principal, "job.restart", project=job.project, target=str(seq))
        self._wake.set()
        return job

    async def _find(self, unit: Unit, principal: Principal, seq: int, *, lock: bool = False) -> Job:
        job = await self._store.find(unit, seq, lock=lock) if seq < 1 << 63 else None
        if job is None or not await self._visible(unit, principal, job):
            raise NotFound(f"There is no job {str(seq)[:40]} that you may see.")
        return job

    async def _visible(self, unit: Unit, principal: Principal, job: Job) -> bool:
        if job.user == principal.user and (principal.user is not None or job.started_by == principal.label):
            return True
        if job.project is None:
            return False
        try:
            project = await self._catalog.find_project(unit, job.project)
        except NotFound:
            return False
        return bool(await self._guard.rights(unit, principal, project=project) & Right.CREATE)

    async def _study(self, principal: Principal, seq: int) -> Project:
        """Return the project of a study; a caller who may not read it is told that there is none."""
        async with self._database.read() as unit:
            await self._guard.access(unit, principal)
            absent = NotFound(f"There is no study GSF{str(seq)[:40]} that you may see.")
            try:
                project = await self._catalog.find_project(unit, seq) if 0 < seq < 1 << 63 else None
            except NotFound:
                project = None
            if project is None or project.kind is ProjectKind.COLLECTION:
                raise absent
            if not await self._guard.rights(unit, principal, project=project) & Right.READ:
                raise absent
            await self._guard.require(unit, principal, Right.CREATE, project=project)
        return project

    # --- doing --------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Do jobs until cancelled; any number of processes share the queue."""
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(AT_ONCE):
                    group.create_task(self._work_on())
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None  # the others were cancelled

    async def _work_on(self) -> None:
        while True:
            try:
                if await self.work():
                    continue
            except Unavailable:  # the database is away: what is being done beside this goes on
                await asyncio.sleep(BEAT)
                continue
            except Exception:  # that job has failed; the others must not end with it
                _log.exception("import job")
                await asyncio.sleep(BEAT)
                continue
            self._wake.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), IDLE * random.uniform(0.5, 1.5))  # noqa: S311 - no secret

    async def work(self) -> bool:
        """Do one job; return whether one was waiting."""
        now = self._now()
        async with self._database.begin() as unit:
            job = await self._store.take(unit, uuid4(), now, now - LEASE, each=EACH)
        if job is None:
            return False
        if job.status is JobStatus.STOPPING:
            await self._end(job, JobStatus.STOPPED)
        elif not job.by_link:
            await self._end(
                job,
                JobStatus.ABANDONED,
                JobError("receive file", "abandoned", "The server ended while the file came: send it again."),
            )
        elif job.attempts > ATTEMPTS:
            message = f"Given up: the server ended {ATTEMPTS} times while it did this import."
            await self._end(job, JobStatus.FAILED, JobError("start", "given_up", message))
        else:
            try:
                principal, project = await self._place(job)
            except CommensalError as error:
                await self._end(job, JobStatus.FAILED, JobError("start", error.code, error.message))
            else:
                await self._do(job, self._step(job, principal, project))
        return True

    async def _place(self, job: Job) -> tuple[Principal, Project | None]:
        """Return the caller, as he is now, and the study, where he must still hold ``create``."""
        principal = kept_caller(job.caller, job.user)
        async with self._database.read() as unit:
            site_admin = await self._check_caller(unit, principal)
            if principal.user is not None:
                principal = replace(principal, site_admin=principal.site_admin and site_admin)
            project = None
            if job.project is not None and job.kind is not JobKind.STUDY:
                project = await self._catalog.find_project(unit, job.project)
                await self._guard.require(unit, principal, Right.CREATE, project=project)
        return principal, project

    async def _check_caller(self, unit: Unit, principal: Principal) -> bool:
        """Refuse what was asked for by an account that is switched off, or with a key that was revoked since.

        A key that has run out is no such. Returns whether the account administers the site now.
        """
        if principal.user is None:
            return False
        user = await self._users.get(unit, principal.user)
        if user is None or not user.active:
            raise Forbidden("The account that started this import is not active any more.")
        if principal.credential is not None and await self._store.key_revoked(unit, principal.credential):
            raise Forbidden("The key that this import was started with is revoked: start it again with another one.")
        return user.site_admin

    def _step(self, job: Job, principal: Principal, project: Project | None) -> Step:
        async def finish(unit: Unit, result: int) -> None:
            assert job.claim is not None
            # Fetching may have taken hours; what the caller is granted was asked for just now.
            if not await self._check_caller(unit, principal) and principal.user is not None and principal.site_admin:
                raise Forbidden("The account that started this import administers the site no more: start it again.")
            ended = await self._store.end(unit, job.seq, job.claim, JobStatus.COMPLETED, self._now(), result=result)
            if ended is None:
                raise _Lost

        return Step(job.seq, job.kind, principal, project, job.request, finish)

    async def _do(self, job: Job, step: Step) -> None:
        """Do a claimed job to its end, whatever that is."""
        methods: dict[JobKind, Callable[[Step], Awaitable[None]]] = {
            JobKind.FILE: self._steps.file,
            JobKind.STUDY: self._steps.study,
        }
        doing = asyncio.ensure_future(methods.get(job.kind, self._steps.group)(step))
        stopping = False
        try:
            while not doing.done():
                await asyncio.wait((doing,), timeout=BEAT)
                if doing.done() or await self._beat(job):
                    continue
                stopping = True
                doing.cancel()
                await asyncio.wait((doing,))
            await doing
        except _Lost:
            await self._end(job, JobStatus.STOPPED)
        except asyncio.CancelledError:
            await self._cancelled(job, doing, stopped=stopping)
            if not stopping:
                raise
        except CommensalError as error:
            await self._end(job, JobStatus.FAILED, *_errors(step.stage, error))
        except Exception:
            message = "Something failed on the server while it did this import; try again, or ask who runs it."
            await self._end(job, JobStatus.FAILED, JobError(step.stage, "internal_error", message))
            raise

    async def _cancelled(self, job: Job, doing: asyncio.Future[None], *, stopped: bool) -> None:
        """End a job that was stopped; one whose process stops goes back into the queue."""
        if not doing.done():
            doing.cancel()
            await asyncio.wait((doing,))
        if stopped:
            await self._end(job, JobStatus.STOPPED)
            return
        with suppress(CommensalError):
            if job.by_link:
                assert job.claim is not None
                async with self._database.begin() as unit:
                    await self._store.release(unit, job.seq, job.claim)
                return
            message = "The sender went away, or the server stopped: send it again."
            await self._end(job, JobStatus.ABANDONED, JobError("receive file", "abandoned", message))

    async def _beat(self, job: Job) -> bool:
        """Say that a job is being done; False when it shall stop, or is another's by now."""
        assert job.claim is not None
        try:
            async with self._database.begin() as unit:
                status = await self._store.hold(unit, job.seq, job.claim, self._now())
        except CommensalError:
            return True  # the database is away: the end will show whether the claim still holds
        return status is JobStatus.RUNNING

    async def _end(self, job: Job, status: JobStatus, *errors: JobError) -> None:
        assert job.claim is not None
        async with self._database.begin() as unit:
            await self._store.end(unit, job.seq, job.claim, status, self._now(), errors=errors)


def _digest(kind: JobKind, project: Project | None, request: ImportRequest) -> bytes:
    """Return what makes two imports the same: the place, and the link of what is imported."""
    link = request.data_link or request.metadata_link
    return hashlib.sha256(msgspec.json.encode([kind, None if project is None else project.seq, link])).digest()


def _errors(stage: str, error: CommensalError) -> list[JobError]:
    found = [JobError(stage, error.code, error.message)]
    if isinstance(error, InvalidRows):
        found += [JobError(stage, problem.code, str(problem)) for problem in error.problems[:_NAMED_PROBLEMS]]
    return found
