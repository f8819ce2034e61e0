r"""Search among files: attributes, words and structure in one index, kept by triggers in the writer's transaction.

``file_search.tsv`` holds no positions, only lexemes: ``*`` (every file), ``w<word>``, ``a<key>\\x1f<value>``, and of
the structure ``cg<name>``, ``cd<name>``, ``cf<name>`` (group, dataset, file or folder). Phrases and inner wildcards
are checked again in ``words``.
"""

# ruff: noqa: S608 - only constants are put into statements

from __future__ import annotations

from alembic import op

from commensal.core.search_words import LOWER_FROM, LOWER_TO, SEPARATORS, SHORT_BYTES, SHORT_KEPT

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

#: Keys of a record that are no attribute of its file.
_IDENTITY = "{id,type,submitter_id,project_id,state,file_state,object_id,created_datetime,updated_datetime,metadata}"
#: Attributes that are found by filter only.
_UNSPOKEN = "{commensal:uuid,commensal:md5,commensal:size}"
#: A tsvector has room for 1 MB of lexemes: what goes into one row is cut well below.
_WORD_CHARACTERS = 100_000
_TERM_BYTES = 250_000
_CONTENTS = r"\.(h5|h5ad|zip|gz)$"
_UUID = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
_NUMBER = r"^[+-]?([0-9]{1,50}([.][0-9]{0,50})?|[.][0-9]{1,50})([eE][+-]?[0-9]{1,2})?$"

STATEMENTS = [
    # Narrow rows: counting half of a million files reads this heap, so all that is long must lie beside it, in TOAST.
    # PostgreSQL looks at that only for rows above 2 kB; the pad makes each row one, and is then compressed away.
    """create table file_search (
        file bigint primary key,
        project bigint not null,
        attrs jsonb not null,
        words text not null,
        tsv tsvector not null,
        pad text not null default repeat(' ', 2040)) with (toast_tuple_target = 160)""",
    (
        "alter table file_search alter column attrs set storage external, alter column words set storage external, "
        "alter column tsv set storage external, alter column pad set storage main"
    ),
    "create index file_search_project on file_search (project, file)",
    """create table file_numbers (
        file bigint not null,
        key text collate "C" not null,
        value numeric not null,
        primary key (key, value, file))""",
    "create index file_numbers_file on file_numbers (file)",
    """create table file_contents (
        file bigint primary key,
        blob text not null,
        tree json not null,
        words text not null,
        paths text not null,
        tsv tsvector not null,
        parsed boolean not null,
        reason text,
        made timestamptz not null default now())""",
    """create table file_jobs (
        file bigint primary key,
        due timestamptz not null default now(),
        attempts integer not null default 0)""",
    "create index file_jobs_due on file_jobs (due)",
    (
        "create index records_object_id on records (project, lower(right(props->>'object_id', 36))) "
        "where props ? 'object_id'"
    ),
    f"""create function file_search_short(x text) returns text language sql immutable parallel safe as $body$
        select case when octet_length(x) > {SHORT_BYTES} then left(x, {SHORT_KEPT}) || '#' || md5(x) else x end
    $body$""",
    f"""create function file_search_words(x text) returns text language sql immutable parallel safe as $body$
        select ' ' || btrim(regexp_replace(
            case when (x collate "C") ~ '[^\\u0001-\\u007F]' then translate(x, '{LOWER_FROM}', '{LOWER_TO}')
            else lower(x collate "C") end collate "C",
            '[{SEPARATORS}]+', ' ', 'g')) || ' '
    $body$""",
    """create function file_search_values(v jsonb) returns setof text language sql immutable parallel safe as $body$
        select case jsonb_typeof(e) when 'number' then trim_scale((e #>> '{}')::numeric)::text else e #>> '{}' end
        from jsonb_array_elements(case jsonb_typeof(v) when 'array' then v else jsonb_build_array(v) end) e
        where jsonb_typeof(e) in ('string', 'number', 'boolean')
    $body$""",
    """create function file_search_attributes(f files, props jsonb, extra jsonb) returns jsonb
    language sql stable as $body$
        select '{"Data Class": "Other"}'::jsonb
            || coalesce(props - '"""
    + _IDENTITY
    + """'::text[], '{}')
            || case jsonb_typeof(extra) when 'object' then extra when 'null' then '{}'
               else case when extra is null then '{}' else jsonb_build_object('commensal:metadata', extra) end end
            || jsonb_build_object('genestack:accession', 'GSF' || f.seq, 'genestack:name', f.name,
                'commensal:size', f.size, 'commensal:md5', encode(f.md5, 'hex'), 'commensal:uuid', f.uuid)
    $body$""",
    f"""create function file_search_refresh(wanted bigint[]) returns void language plpgsql as $body$
    begin
        if wanted is null then return; end if;
        -- Who changed the same files before this commits first; each statement below then sees it.
        perform from file_search where file = any(wanted) order by file for update;
        delete from file_numbers where file = any(wanted);
        delete from file_search s where s.file = any(wanted)
            and not exists (select from files f where f.seq = s.file and f.blob is not null);
        insert into file_search (file, project, attrs, words, tsv)
        select f.seq, f.project, a.attrs, w.words,
            array_to_tsvector(array['*'] || l.lexemes || t.terms) || coalesce(c.tsv, ''::tsvector)
        from files f
        left join lateral (
            select r.props, r.extra from records r
            where r.project = f.project and r.props ? 'object_id'
                and lower(right(r.props->>'object_id', 36)) = f.uuid::text
            order by r.seq limit 1) r on true
        left join file_contents c on c.file = f.seq and c.blob = f.blob
        cross join lateral (select file_search_attributes(f, r.props,
            case when r.props is null then f.extra else r.extra end) as attrs) a
        cross join lateral (
            select left(coalesce(string_agg(file_search_words(leaf), E'\\n'), ''), {_WORD_CHARACTERS})
                as words
            -- As text: 61 and 61.0 are equal, and have different words.
            from (select distinct value #>> '{{}}' as leaf
                  from jsonb_path_query(a.attrs - '{_UNSPOKEN}'::text[], 'strict $.**') value
                  where jsonb_typeof(value) in ('string', 'number', 'boolean')) leaves) w
        cross join lateral (
            select coalesce(array_agg(distinct 'w' || file_search_short(word)), '{{}}') as lexemes
            from string_to_table(translate(w.words, E'\\n', ' '), ' ') word where word <> '') l
        cross join lateral (
            select coalesce(array_agg(term), '{{}}') as terms from (
                select term, sum(octet_length(term)) over (order by term) as sofar from (
                    select distinct 'a' || file_search_short(key) || E'\\x1f' || file_search_short(one) as term
                    from jsonb_each(a.attrs) as each(key, value)
                    cross join lateral file_search_values(value) one) terms) cut
            where sofar <= {_TERM_BYTES}) t
        where f.seq = any(wanted) and f.blob is not null
        order by f.seq
        on conflict (file) do update set project = excluded.project, attrs = excluded.attrs, words = excluded.words,
            tsv = excluded.tsv;
        insert into file_numbers (file, key, value)
        select distinct s.file, file_search_short(key), one::numeric
        from file_search s
        cross join lateral jsonb_each(s.attrs) as each(key, value)
        cross join lateral file_search_values(value) one
        where s.file = any(wanted) and one ~ '{_NUMBER}'
        on conflict do nothing;
    end
    $body$""",
    f"""create function files_inserted() returns trigger language plpgsql as $body$
    begin
        perform file_search_refresh(array_agg(seq)) from changed;
        insert into file_jobs (file) select seq from changed where blob is not null and name ~* '{_CONTENTS}'
        on conflict (file) do update set due = now(), attempts = 0;
        return null;
    end
    $body$""",
    f"""create function files_updated() returns trigger language plpgsql as $body$
    begin
        delete from file_contents c using changed n join before o on o.seq = n.seq
        where c.file = n.seq and (n.blob is distinct from o.blob or n.name <> o.name);
        delete from file_jobs j using changed n join before o on o.seq = n.seq
        where j.file = n.seq and (n.blob is distinct from o.blob or n.name <> o.name);
        perform file_search_refresh(array_agg(seq)) from changed;
        insert into file_jobs (file)
        select n.seq from changed n join before o on o.seq = n.seq
        where (n.blob is distinct from o.blob or n.name <> o.name) and n.blob is not null and n.name ~* '{_CONTENTS}'
        on conflict (file) do update set due = now(), attempts = 0;
        return null;
    end
    $body$""",
    """create function files_deleted() returns trigger language plpgsql as $body$
    begin
        delete from file_contents c using before o where c.file = o.seq;
        delete from file_jobs j using before o where j.file = o.seq;
        perform file_search_refresh(array_agg(seq)) from before;
        return null;
    end
    $body$""",
    f"""create function record_of_file_changed() returns trigger language plpgsql as $body$
    declare ids text[];
    begin
        if tg_op <> 'DELETE' then ids := ids || lower(right(new.props->>'object_id', 36)); end if;
        if tg_op <> 'INSERT' then ids := ids || lower(right(old.props->>'object_id', 36)); end if;
        perform file_search_refresh(array_agg(f.seq))
        from (select distinct id::uuid as uuid from unnest(ids) id where id ~ '{_UUID}') named
        join files f on f.uuid = named.uuid;
        return null;
    end
    $body$""",
    (
        "create trigger files_inserted after insert on files referencing new table as changed "
        "for each statement execute function files_inserted()"
    ),
    (
        "create trigger files_updated after update on files referencing new table as changed old table as before "
        "for each statement execute function files_updated()"
    ),
    (
        "create trigger files_deleted after delete on files referencing old table as before "
        "for each statement execute function files_deleted()"
    ),
    # Rows without object_id cost the test of the condition only.
    (
        "create trigger record_of_file_inserted after insert on records for each row "
        "when (new.props ? 'object_id') execute function record_of_file_changed()"
    ),
    (
        "create trigger record_of_file_updated after update on records for each row "
        "when (new.props ? 'object_id' or old.props ? 'object_id') execute function record_of_file_changed()"
    ),
    (
        "create trigger record_of_file_deleted after delete on records for each row "
        "when (old.props ? 'object_id') execute function record_of_file_changed()"
    ),
    # Files that are there already.
    "select file_search_refresh(array_agg(seq)) from files where blob is not null",
    f"insert into file_jobs (file) select seq from files where blob is not null and name ~* '{_CONTENTS}'",
    # Made after the rows, which is how a large one is built fast.
    "create index file_search_tsv on file_search using gin (tsv)",
]


def upgrade() -> None:
    """Make the tables, functions and triggers, and fill them."""
    connection = op.get_bind()
    for statement in STATEMENTS:
        connection.exec_driver_sql(statement)
