"""Index records: what the Gen3 index keeps of a file beyond its bytes, and aliases.

Revision 0004.
"""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

#: Null where nobody said anything: most files come through other doors, and null columns take no room.
#: ``authz``: paths below the file's own project begin with ``.`` instead of its path; null is the project itself.
_COLUMNS = """
    add column did_prefix text, add column baseid text, add column version text, add column uploader text,
    add column urls text[], add column urls_metadata jsonb, add column acl text[], add column authz text[],
    add column hashes jsonb, add column metadata jsonb, add column description text,
    add column content_created timestamptz, add column content_updated timestamptz"""
#: A file without bytes is in no search: its changes need not look there.
_INSERTED = r"""create or replace function files_inserted() returns trigger language plpgsql as $body$
    begin
        perform file_search_refresh(array_agg(seq)) from changed where blob is not null;
        insert into file_jobs (file) select seq from changed
        where blob is not null and name ~* '\.(h5|h5ad|zip|gz)$'
        on conflict (file) do update set due = now(), attempts = 0;
        return null;
    end
    $body$"""
_UPDATED = r"""create or replace function files_updated() returns trigger language plpgsql as $body$
    begin
        if not exists (select from changed where blob is not null)
            and not exists (select from before where blob is not null) then return null; end if;
        delete from file_contents c using changed n join before o on o.seq = n.seq
        where c.file = n.seq and (n.blob is distinct from o.blob or n.name <> o.name);
        delete from file_jobs j using changed n join before o on o.seq = n.seq
        where j.file = n.seq and (n.blob is distinct from o.blob or n.name <> o.name);
        perform file_search_refresh(array_agg(n.seq)) from changed n join before o on o.seq = n.seq
        where n.blob is not null or o.blob is not null;
        insert into file_jobs (file)
        select n.seq from changed n join before o on o.seq = n.seq
        where (n.blob is distinct from o.blob or n.name <> o.name) and n.blob is not null
            and n.name ~* '\.(h5|h5ad|zip|gz)$'
        on conflict (file) do update set due = now(), attempts = 0;
        return null;
    end
    $body$"""

STATEMENTS: list[str] = [
    f"alter table files {_COLUMNS}",
    f"alter table deleted_files {_COLUMNS}",
    # By project: a list goes through the projects of its scope, and takes the first of each.
    "create index files_did on files (project, ((coalesce(did_prefix, '') || uuid::text) collate \"C\"))",
    "create index files_baseid on files (baseid) where baseid is not null",
    "create index files_md5 on files (md5, size) where md5 is not null",
    "create index files_hashes on files using gin (hashes jsonb_path_ops) where hashes is not null",
    "create index files_urls on files using gin (urls) where urls is not null",
    """create table file_aliases (
        alias text collate "C" primary key,
        file bigint not null,
        made timestamptz not null default now())""",
    "create index file_aliases_file on file_aliases (file)",
    "create table deleted_file_aliases (like file_aliases, deletion bigint not null references deletions)",
    "create index deleted_files_uuid on deleted_files (uuid)",
    "create index deleted_file_aliases_deletion on deleted_file_aliases (deletion)",
    _INSERTED,
    _UPDATED,
]


def upgrade() -> None:
    """Make everything."""
    connection = op.get_bind()
    for statement in STATEMENTS:
        connection.exec_driver_sql(statement)
