"""A site with records for tests: the services on a database."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from commensal.core.ids import program_uuid, project_uuid
from commensal.core.names import polly_form
from commensal.core.principals import Door, Principal, PrincipalKind
from commensal.services.audit import Audit
from commensal.services.clock import Clock, utc_now
from commensal.services.data_files import DataFiles
from commensal.services.dictionaries import Dictionaries
from commensal.services.entity_deletion import EntityDeletion
from commensal.services.guard import Guard
from commensal.services.moving import Moving
from commensal.services.records import Records
from commensal.services.submission import Submission
from commensal.storage.postgres.audit import PgAuditStore
from commensal.storage.postgres.catalog import PgProgramStore
from commensal.storage.postgres.database import PgDatabase
from commensal.storage.postgres.deletion import PgDeletion
from commensal.storage.postgres.dictionaries import PgDictionaries
from commensal.storage.postgres.grants import PgGrantStore
from commensal.storage.postgres.index import PgIndexStore
from commensal.storage.postgres.moving import PgMoving
from commensal.storage.postgres.record_writes import PgRecordWrites
from commensal.storage.postgres.records import PgRecords

OPERATOR = Principal(kind=PrincipalKind.OPERATOR, door=Door.CLI)
GEN3 = Principal(kind=PrincipalKind.OPERATOR, door=Door.GEN3)


@cache
def load_dictionary(path: Path) -> dict[str, Any]:
    return json.loads(gzip.decompress(path.read_bytes()))


@dataclass
class Site:
    """Everything a test of records needs."""

    database: PgDatabase
    audit: Audit
    guard: Guard
    dictionaries: Dictionaries
    submission: Submission
    records: Records
    deletion: EntityDeletion
    moving: Moving

    async def project(self, code: str = "J", program: str = "P", mode: str = "strict") -> int:
        """Make a project (and its program) and return its number."""
        async with self.database.begin() as unit:
            await unit.run(
                "insert into programs (uuid, code, code_folded, title, title_folded) values ($1, $2, $3, $2, $3) "
                "on conflict do nothing",
                program_uuid(program),
                program,
                program.casefold(),
            )
            return await unit.value(
                "insert into projects (uuid, program, code, polly_code, title, mode) "
                "select $1, seq, $2, $3, $2, $4 from programs where code = $5 returning seq",
                project_uuid(code),
                code,
                polly_form(code),
                mode,
                program,
            )

    async def submit(self, documents: Any, program: str = "P", project: str = "J", principal: Principal = GEN3, **more):
        return await self.submission.submit(principal, program, project, documents, **more)

    async def ok(self, documents: Any, **more):
        result = await self.submit(documents, **more)
        assert result.success, [e for e in result.entities if e.errors][:3] or result.transactional_errors
        return result

    async def rows(self, sql: str, *values: object) -> list[dict[str, Any]]:
        async with self.database.read() as unit:
            return [dict(row) for row in await unit.rows(sql, *values)]

    async def value(self, sql: str, *values: object) -> Any:
        async with self.database.read() as unit:
            return await unit.value(sql, *values)


def make_site(database: PgDatabase, shipped: Any = None, now: Clock = utc_now) -> Site:
    audit = Audit(database=database, store=PgAuditStore())
    guard = Guard(grants=PgGrantStore(), audit=audit)
    dictionaries = Dictionaries(
        database=database, store=PgDictionaries(), records=PgRecords(), guard=guard, audit=audit, shipped=shipped
    )
    submission = Submission(
        database=database,
        store=PgRecordWrites(),
        dictionaries=dictionaries,
        data_files=DataFiles(store=PgIndexStore(), programs=PgProgramStore(), guard=guard, audit=audit),
        guard=guard,
        audit=audit,
    )
    parts = {
        "database": database,
        "reads": PgRecords(),
        "writes": PgRecordWrites(),
        "dictionaries": dictionaries,
        "guard": guard,
        "audit": audit,
    }
    records = Records(**parts)
    deletion = EntityDeletion(**parts, store=PgDeletion(), now=now)
    moving = Moving(**parts, store=PgDeletion(), moves=PgMoving())
    return Site(database, audit, guard, dictionaries, submission, records, deletion, moving)
