"""Files: uploads, their parts, and what is known about the health of stored bytes.

Revision 0002.
"""

from alembic import op

revision = "0002"
down_revision = "0001"

STATEMENTS = [
    "alter table blobs add column checked timestamptz",
    "alter table blobs add column damaged timestamptz",
    "create index blobs_damaged on blobs (damaged) where damaged is not null",
    "create index blobs_checked on blobs (checked nulls first, key)",
    """create table uploads (
        uuid uuid primary key,
        project bigint not null,
        path text not null,
        file uuid not null,
        parts boolean not null,
        direct boolean not null,
        handle text not null,
        state text not null default 'registered',
        size bigint,
        md5 bytea,
        sha256 bytea,
        media_type text not null,
        record_type text,
        record_name text,
        extra jsonb,
        caller jsonb not null,
        user_seq bigint,
        error text,
        claimed timestamptz,
        created timestamptz not null,
        expires timestamptz not null)""",
    "create index uploads_verifying on uploads (claimed nulls first) where state = 'verifying'",
    "create index uploads_waiting on uploads (claimed nulls first) where state = 'registered' and direct and not parts",
    "create index uploads_expires on uploads (expires)",
    """create table upload_parts (
        upload uuid not null references uploads on delete cascade,
        number integer not null,
        size bigint not null,
        etag text not null,
        made timestamptz not null default now(),
        primary key (upload, number))""",
]


def upgrade() -> None:
    """Make everything."""
    for statement in STATEMENTS:
        op.execute(statement)
