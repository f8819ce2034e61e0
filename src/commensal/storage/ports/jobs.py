"""What services ask of storage about import jobs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from commensal.core.files import File
from commensal.core.jobs import Job, JobError, JobStatus, NewJob
from commensal.storage.ports import Unit

__all__ = ["JobStore"]


class JobStore(Protocol):
    """The table of jobs; every method is one statement unless it says more."""

    async def add(self, unit: Unit, new: NewJob) -> Job:
        """Store a job; one with a claim is running already."""
        ...

    async def find(self, unit: Unit, seq: int, *, lock: bool = False) -> Job | None:
        """Return a job by its number."""
        ...

    async def twins(self, unit: Unit, digest: bytes) -> list[Job]:
        """Return the jobs that import the same and are not ended, or completed while what they made is still there.

        Others who ask for the same digest wait until this transaction ends. Two statements, at most 100 jobs.
        """
        ...

    async def open_of(self, unit: Unit, user: int | None) -> int:
        """Return how many jobs of a user (None: of nobody in particular) are not ended."""
        ...

    async def key_revoked(self, unit: Unit, credential: int) -> bool:
        """Tell whether a credential was revoked."""
        ...

    async def take(self, unit: Unit, claim: UUID, now: datetime, stale: datetime, *, each: int) -> Job | None:
        """Give the oldest job that waits, or that was claimed and not heard of since ``stale``, a new claim.

        Jobs by link of a user who has ``each`` of them running already wait.
        """
        ...

    async def hold(self, unit: Unit, seq: int, claim: UUID, now: datetime) -> JobStatus | None:
        """Say that a claimed job is still being done; return its status, None when the claim is lost."""
        ...

    async def release(self, unit: Unit, seq: int, claim: UUID) -> None:
        """Give a claimed job back to the queue; this attempt does not count."""
        ...

    async def set_project(self, unit: Unit, seq: int, project: int) -> None:
        """Set the study that a job imports into."""
        ...

    async def request_stop(self, unit: Unit, seq: int) -> Job:
        """Stop a job that waits at once, and ask for the end of one that runs."""
        ...

    async def queue_again(self, unit: Unit, seq: int, new: NewJob) -> Job:
        """Put an ended job back into the queue, for who asked now."""
        ...

    async def end(
        self,
        unit: Unit,
        seq: int,
        claim: UUID,
        status: JobStatus,
        now: datetime,
        *,
        result: int | None = None,
        errors: Sequence[JobError] = (),
    ) -> Job | None:
        """End a claimed job; None when the claim is lost, and then nothing is written.

        The links of a completed one are forgotten: they may hold signatures.
        """
        ...

    async def name_file(self, unit: Unit, seq: int, path: str) -> None:
        """Give a file its path."""
        ...

    async def file_of_blob(self, unit: Unit, project: int, key: str) -> File | None:
        """Return a file of a project that has these stored bytes. Two statements."""
        ...
