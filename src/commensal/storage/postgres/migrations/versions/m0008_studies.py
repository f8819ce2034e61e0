"""What the curators of the Genestack ODM door keep: the history of projects, published versions, SCIM's external ids.

Revision 0008.
"""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

STATEMENTS: list[str] = [
    """create table project_versions (
        project bigint not null,
        n integer not null,
        at timestamptz not null,
        who bigint,
        door text not null default '',
        title text not null,
        properties jsonb not null,
        extra jsonb,
        primary key (project, n))""",
    # Projects that are there already begin their history here.
    """insert into project_versions (project, n, at, who, title, properties, extra)
        select seq, 1, updated, made_by, title, properties, extra from projects""",
    """create table study_publications (
        id bigint primary key default nextval('commensal_seq'),
        project bigint not null,
        message text not null,
        who bigint,
        at timestamptz not null)""",
    "create index study_publications_project on study_publications (project, at)",
    # ``resource`` is User or Group; ``seq`` the number of the account or group.
    """create table scim_external_ids (
        resource text not null,
        seq bigint not null,
        external_id text not null,
        primary key (resource, seq))""",
    "create index scim_external_ids_value on scim_external_ids (resource, external_id)",
]


def upgrade() -> None:
    """Make everything."""
    for statement in STATEMENTS:
        op.execute(statement)
