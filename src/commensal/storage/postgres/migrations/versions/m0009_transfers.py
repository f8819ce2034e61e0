"""Transfers: resumable uploads.

``growing``: bytes are added at the end, request by request. ``meta``: what the sender told about the file, as sent.
``fills``: ``file`` was there when the upload began.
``writer`` is the request that sends now, ``beat`` when it was last heard of, ``wanted`` that another one waits for it.

Revision 0009.
"""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

STATEMENTS: list[str] = [
    "alter table uploads add column growing boolean not null default false, add column meta text",
    "alter table uploads add column writer uuid, add column beat timestamptz",
    "create index uploads_beat on uploads (beat) where writer is not null",
    "alter table uploads add column wanted boolean not null default false",
    "alter table uploads add column fills boolean not null default false",
]


def upgrade() -> None:
    """Make everything."""
    for statement in STATEMENTS:
        op.execute(statement)
