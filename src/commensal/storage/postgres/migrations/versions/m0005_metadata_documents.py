"""Documents of the Gen3 metadata service: any JSON object under a GUID, aliases, filters by path and value.

Revision 0005.
"""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

STATEMENTS: list[str] = [
    # ``object`` is the uuid that the guid ends with: while a file has it, its project is the document's. ``project`` is
    # where the last such file was, so that a document does not become everybody's when its file is deleted.
    """create table metadata_documents (
        guid text collate "C" primary key,
        object uuid,
        project bigint,
        data jsonb not null,
        made_by bigint,
        created timestamptz not null,
        updated timestamptz not null)""",
    "create index metadata_documents_object on metadata_documents (object) where object is not null",
    # jsonb_ops, not jsonb_path_ops: filters ask for the mere presence of a key, too.
    "create index metadata_documents_data on metadata_documents using gin (data)",
    """create table metadata_aliases (
        alias text collate "C" primary key,
        guid text collate "C" not null references metadata_documents on delete cascade)""",
    "create index metadata_aliases_guid on metadata_aliases (guid)",
    """create table metadata_index_paths (
        path text collate "C" primary key,
        made timestamptz not null)""",
    """create function metadata_of_deleted_files() returns trigger language plpgsql as $body$
    begin
        update metadata_documents d set project = o.project from before o
        where d.object = o.uuid and d.project is distinct from o.project;
        return null;
    end
    $body$""",
    (
        "create trigger metadata_of_deleted_files after delete on files referencing old table as before "
        "for each statement execute function metadata_of_deleted_files()"
    ),
    """create function metadata_of_filled_file() returns trigger language plpgsql as $body$
    begin
        update metadata_documents set data = data || '{"_upload_status": "uploaded"}'
        where object = new.uuid and data ? '_upload_status';
        return null;
    end
    $body$""",
    # As in 0003, but for files without bytes: these are in no search, and most data files are about such.
    r"""create or replace function record_of_file_changed() returns trigger language plpgsql as $body$
    declare ids text[];
    begin
        if tg_op <> 'DELETE' then ids := ids || lower(right(new.props->>'object_id', 36)); end if;
        if tg_op <> 'INSERT' then ids := ids || lower(right(old.props->>'object_id', 36)); end if;
        perform file_search_refresh(array_agg(f.seq))
        from (select distinct id::uuid as uuid from unnest(ids) id
              where id ~ '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$') named
        join files f on f.uuid = named.uuid and f.blob is not null;
        return null;
    end
    $body$""",
    # Files whose bytes do not come cost the test of the condition only.
    (
        "create trigger metadata_of_filled_file after update on files for each row "
        "when (old.blob is null and new.blob is not null) execute function metadata_of_filled_file()"
    ),
]


def upgrade() -> None:
    """Make everything."""
    for statement in STATEMENTS:
        op.execute(statement)
