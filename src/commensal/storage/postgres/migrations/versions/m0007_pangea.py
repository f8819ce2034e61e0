"""Analysis results: who sees them, and their names as an index; tags; pipelines; names as words; work orders; buckets.

Revision 0007. A row in ``result_settings`` belongs to a result or a field and stays when that is deleted, so that an
undelete brings it back as it was; numbers are never given twice.
"""

from __future__ import annotations

from alembic import op

from commensal.storage.postgres.words import words

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

STATEMENTS: list[str] = [
    """create table result_settings (
        record bigint primary key,
        private boolean not null default false,
        hidden boolean not null default false,
        described_by bigint)""",
    "create index result_settings_private on result_settings (record) where private",
    # What is linked to a private record, by any door, is private.
    """create function links_private() returns trigger language plpgsql as $$ begin
        if exists (select from result_settings where private) then
            with recursive below (record) as (
                select m.src from made m join result_settings x on x.record = m.dst where x.private
                union select m.src from made m join below b on m.dst = b.record)
            insert into result_settings (record, private) select record, true from below
            on conflict (record) do update set private = true;
        end if;
        return null;
    end $$""",
    """create trigger links_private after insert on links referencing new table as made
        for each statement execute function links_private()""",
    # Results of a project or of a sample by module; no other record has the property.
    "create index records_module on records (project, lower(props->>'module')) where props ? 'module'",
    # ``target`` is the number of a record, project, collection or catalog object: numbers are unique over all of them.
    """create table tagged (
        tag bigint not null references catalog_objects on delete cascade,
        target bigint not null,
        payload text not null default '',
        made_by bigint,
        made timestamptz not null default now(),
        primary key (tag, target))""",
    "create index tagged_target on tagged (target)",
    "create index pipeline_modules_of on catalog_objects ((body->>'pipeline')) where kind = 'pipeline_module'",
    """create index pipeline_modules_need on catalog_objects using gin ((body->'dependencies'))
        where kind = 'pipeline_module'""",
    # Names as words (storage.postgres.words); of records only those of the type that samples usually have,
    # so that others are not slowed down.
    f"create index programs_words on programs using gin ({words('title')})",
    f"create index projects_words on projects using gin ({words('title')})",
    f"create index samples_words on records using gin ({words('submitter_id')}) where type = 'sample'",
    # --- work orders: ``kind`` is sample or group ------------------------------------------------
    """create table work_order_prototypes (
        seq bigint primary key default nextval('commensal_seq'),
        uuid uuid not null unique,
        kind text not null,
        name text not null,
        name_folded text not null,
        description text not null default '',
        made_by bigint,
        created timestamptz not null,
        updated timestamptz not null,
        unique (kind, name_folded))""",
    """create table work_order_users (
        prototype bigint not null references work_order_prototypes on delete cascade,
        user_seq bigint not null references users on delete cascade,
        primary key (prototype, user_seq))""",
    """create table work_order_parts (
        prototype bigint not null references work_order_prototypes on delete cascade,
        part bigint not null references work_order_prototypes on delete cascade,
        primary key (prototype, part))""",
    """create table job_order_prototypes (
        seq bigint primary key default nextval('commensal_seq'),
        uuid uuid not null unique,
        prototype bigint not null references work_order_prototypes on delete cascade,
        name text not null,
        name_folded text not null,
        description text not null default '',
        pipeline_module bigint,
        resources_needed jsonb not null default '{}',
        created timestamptz not null,
        updated timestamptz not null,
        unique (prototype, name_folded))""",
    # ``target``: the number of a sample or of a project. It may be deleted, and come back.
    """create table work_orders (
        seq bigint primary key default nextval('commensal_seq'),
        uuid uuid not null unique,
        prototype bigint not null references work_order_prototypes on delete cascade,
        target bigint not null,
        priority integer not null default 100,
        description text not null default '',
        made_by bigint,
        created timestamptz not null,
        updated timestamptz not null,
        unique (prototype, target))""",
    "create index work_orders_target on work_orders (target)",
    """create table work_order_links (
        group_order bigint not null references work_orders on delete cascade,
        work_order bigint not null references work_orders on delete cascade,
        primary key (group_order, work_order))""",
    "create index work_order_links_order on work_order_links (work_order)",
    """create table job_orders (
        seq bigint primary key default nextval('commensal_seq'),
        uuid uuid not null unique,
        work_order bigint not null references work_orders on delete cascade,
        name text not null,
        description text not null default '',
        status text not null default 'pending',
        pipeline_module bigint,
        analysis_result bigint,
        resources_needed jsonb not null default '{}',
        resources_used jsonb not null default '{}',
        created timestamptz not null,
        updated timestamptz not null)""",
    "create index job_orders_order on job_orders (work_order)",
    # --- foreign stores of bytes, and sealed keys to them; ``program`` may be deleted, and come back --------
    """create table buckets (
        seq bigint primary key default nextval('commensal_seq'),
        uuid uuid not null unique,
        program bigint not null,
        name text not null,
        endpoint_url text not null,
        made_by bigint,
        created timestamptz not null,
        unique (program, endpoint_url, name))""",
    """create table bucket_keys (
        seq bigint primary key default nextval('commensal_seq'),
        uuid uuid not null unique,
        bucket bigint not null references buckets on delete cascade,
        description text not null default '',
        public_key text not null,
        sealed bytea not null,
        made_by bigint,
        created timestamptz not null,
        updated timestamptz not null)""",
    "create index bucket_keys_bucket on bucket_keys (bucket)",
]


def upgrade() -> None:
    """Make everything."""
    for statement in STATEMENTS:
        op.execute(statement)
