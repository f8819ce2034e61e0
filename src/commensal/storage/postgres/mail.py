"""E-mail that waits to be sent, in PostgreSQL."""

from __future__ import annotations

from datetime import datetime

from commensal.storage.ports import Unit
from commensal.storage.ports.mail import Letter
from commensal.storage.postgres.database import pg

__all__ = ["PgOutbox"]


class PgOutbox:
    """See ``ports.mail.Outbox``."""

    async def add(self, unit: Unit, recipient: str, subject: str, body: str, at: datetime) -> None:
        """See the port."""
        await pg(unit).run(
            "insert into outbox (recipient, subject, body, made, due) values ($1, $2, $3, $4, $4)",
            recipient,
            subject,
            body,
            at,
        )

    async def claim(self, unit: Unit, at: datetime, again: datetime, limit: int) -> list[Letter]:
        """See the port."""
        rows = await pg(unit).rows(
            """update outbox o set attempts = o.attempts + 1, due = $2
            from (select id from outbox where due <= $1 order by due, id limit $3 for update skip locked) taken
            where o.id = taken.id
            returning o.id, o.recipient, o.subject, o.body, o.attempts""",
            at,
            again,
            limit,
        )
        return [
            Letter(row["id"], row["recipient"], row["subject"], row["body"], row["attempts"])
            for row in sorted(rows, key=lambda row: row["id"])
        ]

    async def sent(self, unit: Unit, number: int, at: datetime) -> None:
        """See the port."""
        await pg(unit).run("update outbox set sent = $2, due = null, error = null, body = '' where id = $1", number, at)

    async def failed(self, unit: Unit, number: int, error: str, again: datetime | None) -> None:
        """See the port."""
        await pg(unit).run(
            """update outbox set error = $2, due = $3,
                body = case when $3::timestamptz is null then '' else body end
            where id = $1 and sent is null""",
            number,
            error,
            again,
        )
