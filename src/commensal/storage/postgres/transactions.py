"""The transaction log in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from commensal.storage.ports import Unit
from commensal.storage.ports.records import TransactionRow
from commensal.storage.ports.transactions import LoggedDocument, LoggedTransaction
from commensal.storage.postgres.database import pg

__all__ = ["PgTransactions"]

_FIND = (
    "select id, program, project, role, state, is_dry_run, closed, committed_by from transactions "
    "where id = $1 and lower(program) = $2 and lower(project) = $3"
)


class PgTransactions:
    """Implements ``ports.transactions.TransactionStore``."""

    async def add(self, unit: Unit, log: TransactionRow) -> int:
        """See the port."""
        return await pg(unit).value(
            "insert into transactions (program, project, project_seq, role, state, submitter, submitter_name, door,"
            " is_dry_run, touched) values ($1, $2, nullif($3, 0), $4, $5, $6, $7, $8, $9,"
            " case when $5 = 'PENDING' then now() end) returning id",
            log.program,
            log.project,
            log.project_seq,
            log.role,
            log.state,
            log.submitter,
            log.submitter_name,
            log.door,
            log.is_dry_run,
        )

    async def add_document(
        self, unit: Unit, transaction: int, name: str | None, doc_format: str, doc: str, response: str | None
    ) -> None:
        """See the port."""
        await pg(unit).run(
            "insert into transaction_documents (transaction, name, doc_format, doc, response)"
            " values ($1, $2, $3, $4, $5::text::json)",
            transaction,
            name,
            doc_format,
            doc,
            response,
        )

    async def find(
        self, unit: Unit, program: str, project: str, transaction: int, *, lock: bool = False
    ) -> LoggedTransaction | None:
        """See the port."""
        row = await pg(unit).row(_FIND + (" for update" if lock else ""), transaction, program.lower(), project.lower())
        return None if row is None else LoggedTransaction(**dict(row))

    async def documents(self, unit: Unit, transaction: int) -> list[LoggedDocument]:
        """See the port."""
        rows = await pg(unit).rows(
            "select name, doc_format, doc from transaction_documents where transaction = $1 order by id", transaction
        )
        return [LoggedDocument(**dict(row)) for row in rows]

    async def committed(self, unit: Unit, transaction: int, by: int) -> None:
        """See the port."""
        await pg(unit).run("update transactions set committed_by = $2 where id = $1", transaction, by)

    async def close(self, unit: Unit, transaction: int) -> None:
        """See the port."""
        await pg(unit).run("update transactions set closed = true where id = $1", transaction)

    async def set_state(self, unit: Unit, transaction: int, state: str, response: str | None = None) -> None:
        """See the port."""
        await pg(unit).run(
            "with s as (update transactions set state = $2, touched = null where id = $1 and state = 'PENDING'"
            " returning id) update transaction_documents d set response = $3::text::json from s"
            " where d.transaction = s.id and $3::text is not null",
            transaction,
            state,
            response,
        )

    async def touch(self, unit: Unit, transactions: Sequence[int], at: datetime) -> None:
        """See the port."""
        await pg(unit).run(
            "update transactions set touched = $2 where id = any($1::bigint[]) and state = 'PENDING'", transactions, at
        )

    async def abandon(self, unit: Unit, before: datetime) -> int:
        """See the port."""
        return await pg(unit).run(
            "update transactions set state = 'ERRORED' where state = 'PENDING' and (touched is null or touched < $1)",
            before,
        )

    async def set_project_state(self, unit: Unit, project: int, state: str, *, released: bool, at: datetime) -> None:
        """See the port."""
        await pg(unit).run(
            "update projects set state = $2, released = $3, updated = $4 where seq = $1", project, state, released, at
        )
