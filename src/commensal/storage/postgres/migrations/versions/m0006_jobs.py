"""Import jobs: a queue whose jobs are taken for a while by one process at a time.

Revision 0006.
"""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

STATEMENTS: list[str] = [
    """create table import_jobs (
        seq bigint primary key default nextval('commensal_seq'),
        kind text not null,
        status text not null,
        project bigint,
        digest bytea,
        request jsonb not null,
        caller jsonb not null,
        user_seq bigint,
        started_by text not null,
        result bigint,
        errors jsonb not null default '[]',
        attempts integer not null default 0,
        claim uuid,
        claimed timestamptz,
        created timestamptz not null,
        ended timestamptz)""",
    "create index import_jobs_digest on import_jobs (digest, seq) where digest is not null",
    ("create index import_jobs_open on import_jobs (seq) where status in ('STARTING', 'RUNNING', 'STOPPING')"),
]


def upgrade() -> None:
    """Make everything."""
    for statement in STATEMENTS:
        op.execute(statement)
