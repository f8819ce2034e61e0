"""Import jobs in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from commensal.core.files import File
from commensal.core.jobs import OPEN_STATUSES, ImportRequest, Job, JobError, JobKind, JobStatus, NewJob
from commensal.storage.ports import Unit
from commensal.storage.postgres.database import pg
from commensal.storage.postgres.files import PgFileStore
from commensal.storage.postgres.users import KEPT_CALLER

__all__ = ["PgJobs"]

_COLUMNS = (
    f"seq, kind, status, project, request, {KEPT_CALLER}, user_seq, started_by, result, errors, attempts, claim, "
    "created, ended"
)
_OPEN = ", ".join(f"'{status}'" for status in OPEN_STATUSES)


def _job(row: asyncpg.Record) -> Job:
    errors: list[dict[str, Any]] = row["errors"]
    return Job(
        seq=row["seq"],
        kind=JobKind(row["kind"]),
        status=JobStatus(row["status"]),
        project=row["project"],
        request=ImportRequest(**row["request"]),
        caller=row["caller"],
        user=row["user_seq"],
        started_by=row["started_by"],
        result=row["result"],
        created=row["created"],
        ended=row["ended"],
        attempts=row["attempts"],
        claim=row["claim"],
        errors=[JobError(**error) for error in errors],
    )


def _found(row: asyncpg.Record | None) -> Job:
    assert row is not None
    return _job(row)


class PgJobs:
    """See ``ports.jobs.JobStore``."""

    async def add(self, unit: Unit, new: NewJob) -> Job:
        """See ``ports.jobs.JobStore``."""
        status = JobStatus.STARTING if new.claim is None else JobStatus.RUNNING
        row = await pg(unit).row(
            "insert into import_jobs (kind, status, project, digest, request, caller, user_seq, started_by, claim, "  # noqa: S608
            "  claimed, attempts, created) "
            "values ($1, $2, $3, $4, $5, $6, $7, $8, $9, case when $9::uuid is null then null else $10::timestamptz "
            f"  end, case when $9::uuid is null then 0 else 1 end, $10) returning {_COLUMNS}",
            new.kind,
            status,
            new.project,
            new.digest,
            new.request.encode(),
            dict(new.caller),
            new.user,
            new.started_by,
            new.claim,
            new.created,
        )
        return _found(row)

    async def find(self, unit: Unit, seq: int, *, lock: bool = False) -> Job | None:
        """See ``ports.jobs.JobStore``."""
        end = " for update" if lock else ""
        row = await pg(unit).row(f"select {_COLUMNS} from import_jobs where seq = $1{end}", seq)  # noqa: S608
        return None if row is None else _job(row)

    async def twins(self, unit: Unit, digest: bytes) -> list[Job]:
        """See ``ports.jobs.JobStore``."""
        await pg(unit).value("select pg_advisory_xact_lock($1)", int.from_bytes(digest[:8], "big", signed=True))
        rows = await pg(unit).rows(
            f"select {_COLUMNS} from import_jobs j where digest = $1 and (status in ({_OPEN}) "  # noqa: S608
            "  or status = 'COMPLETED' and (exists (select from files f where f.seq = j.result) "
            "    or exists (select from records r where r.seq = j.result) "
            "    or exists (select from projects p where p.seq = j.result))) order by seq desc limit 100",
            digest,
        )
        return [_job(row) for row in rows]

    async def open_of(self, unit: Unit, user: int | None) -> int:
        """See ``ports.jobs.JobStore``."""
        return await pg(unit).value(
            f"select count(*) from import_jobs where status in ({_OPEN}) and user_seq is not distinct from $1",  # noqa: S608
            user,
        )

    async def key_revoked(self, unit: Unit, credential: int) -> bool:
        """See ``ports.jobs.JobStore``."""
        return await pg(unit).value(
            "select exists (select from credentials where id = $1 and revoked is not null)", credential
        )

    async def take(self, unit: Unit, claim: UUID, now: datetime, stale: datetime, *, each: int) -> Job | None:
        """See ``ports.jobs.JobStore``."""
        row = await pg(unit).row(
            f"with busy as (select coalesce(user_seq, -1) as who from import_jobs where status in ({_OPEN}) "  # noqa: S608
            "  and claimed >= $3 and digest is not null group by 1 having count(*) >= $4) "
            "update import_jobs set claim = $1, claimed = $2, attempts = attempts + 1, "
            "  status = case status when 'STARTING' then 'RUNNING' else status end "
            f"where seq = (select j.seq from import_jobs j where j.status in ({_OPEN}) "
            "  and (j.claimed is null or j.claimed < $3) "
            "  and coalesce(j.user_seq, -1) not in (select who from busy) "
            "  order by j.seq limit 1 for update of j skip locked) "
            f"returning {_COLUMNS}",
            claim,
            now,
            stale,
            each,
        )
        return None if row is None else _job(row)

    async def hold(self, unit: Unit, seq: int, claim: UUID, now: datetime) -> JobStatus | None:
        """See ``ports.jobs.JobStore``."""
        status = await pg(unit).value(
            f"update import_jobs set claimed = $3 where seq = $1 and claim = $2 and status in ({_OPEN}) "  # noqa: S608
            "returning status",
            seq,
            claim,
            now,
        )
        return None if status is None else JobStatus(status)

    async def release(self, unit: Unit, seq: int, claim: UUID) -> None:
        """See ``ports.jobs.JobStore``."""
        await pg(unit).run(
            "update import_jobs set claim = null, claimed = null, attempts = attempts - 1, "  # noqa: S608
            "  status = case status when 'RUNNING' then 'STARTING' else status end "
            f"where seq = $1 and claim = $2 and status in ({_OPEN})",
            seq,
            claim,
        )

    async def set_project(self, unit: Unit, seq: int, project: int) -> None:
        """See ``ports.jobs.JobStore``."""
        await pg(unit).run("update import_jobs set project = $2 where seq = $1", seq, project)

    async def request_stop(self, unit: Unit, seq: int) -> Job:
        """See ``ports.jobs.JobStore``."""
        row = await pg(unit).row(
            "update import_jobs set ended = case status when 'STARTING' then now() else ended end, "  # noqa: S608
            "  status = case status when 'STARTING' then 'STOPPED' when 'RUNNING' then 'STOPPING' else status end "
            f"where seq = $1 returning {_COLUMNS}",
            seq,
        )
        return _found(row)

    async def queue_again(self, unit: Unit, seq: int, new: NewJob) -> Job:
        """See ``ports.jobs.JobStore``."""
        row = await pg(unit).row(
            "update import_jobs set status = 'STARTING', caller = $2, user_seq = $3, started_by = $4, "  # noqa: S608
            "  claim = null, claimed = null, attempts = 0, errors = '[]', ended = null "
            f"where seq = $1 returning {_COLUMNS}",
            seq,
            dict(new.caller),
            new.user,
            new.started_by,
        )
        return _found(row)

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
        """See ``ports.jobs.JobStore``."""
        row = await pg(unit).row(
            "update import_jobs set status = $3, ended = $4, result = $5, errors = $6, claimed = null, "  # noqa: S608
            # Nothing starts again what is done, and a link may hold a signature.
            "  request = case $3 when 'COMPLETED' then request - '{data_link,metadata_link}'::text[] else request end "
            f"where seq = $1 and claim = $2 and status in ({_OPEN}) returning {_COLUMNS}",
            seq,
            claim,
            status,
            now,
            result,
            [asdict(error) for error in errors],
        )
        return None if row is None else _job(row)

    async def name_file(self, unit: Unit, seq: int, path: str) -> None:
        """See ``ports.jobs.JobStore``."""
        await pg(unit).run("update files set path = $2 where seq = $1", seq, path)

    async def file_of_blob(self, unit: Unit, project: int, key: str) -> File | None:
        """See ``ports.jobs.JobStore``."""
        seq = await pg(unit).value(
            "select min(seq) from files where project = $1 and blob = $2 having count(*) > 0", project, key
        )
        return None if seq is None else await PgFileStore().find(unit, project=project, seq=seq)
