"""Dump and restore give the same database; passwords stay out of argument lists."""

from __future__ import annotations

import asyncio
import stat

import asyncpg
import pytest

from commensal.errors import SetupError
from commensal.storage.embedded import find_all
from commensal.storage.embedded.backup import client_programs, dump_database, restore_database, server_major

SCHEMA = """
create schema "Odd name";
create table "Odd name".kinds (id int primary key, name text unique);
create table records (
    id uuid primary key default gen_random_uuid(),
    kind int references "Odd name".kinds deferrable,
    body jsonb not null,
    words tsvector generated always as (to_tsvector('simple', body::text)) stored
);
create index on records using gin (words);
create sequence numbers start 40;
create view counts as select kind, count(*) from records group by 1;
create function twice(n int) returns int language sql immutable as 'select n * 2';
insert into "Odd name".kinds select n, 'kind ' || n from generate_series(1, 7) n;
insert into records (kind, body) select n % 7 + 1, jsonb_build_object('n', n, 'µ', repeat('ä"\\', n % 50))
from generate_series(1, 3000) n;
select nextval('numbers'), nextval('numbers');
"""
PICTURE = """
select json_build_object(
    'kinds', (select json_agg(k order by id) from "Odd name".kinds k),
    'records', (select md5(string_agg(r::text, '|' order by id)) from records r),
    'counts', (select json_agg(c order by kind) from counts c),
    'next', (select last_value from numbers), 'twice', twice(21),
    'owners', (select json_agg(distinct tableowner) from pg_tables where schemaname in ('public', 'Odd name')),
    'indexes', (select json_agg(indexdef order by indexdef) from pg_indexes where schemaname in ('public', 'Odd name'))
)::text
"""


def fill(dsn):
    async def run():
        connection = await asyncpg.connect(dsn)
        await connection.execute(SCHEMA)
        await connection.close()

    asyncio.run(run())


def test_restored_database_is_equal(play):
    def scenario(kit):
        backup = kit.base / "database.dump"
        with kit.server(kit.ready(kit.base / "old")) as old:
            fill(old.app_dsn)
            picture = kit.query(old.app_dsn, PICTURE)
            dump_database(old.admin_dsn(), backup, bin_folder=old.bin)
            kit.query(old.app_dsn, "delete from records")
            with pytest.raises(SetupError, match="already holds 2 tables"):
                restore_database(old.app_dsn, backup, bin_folder=old.bin)
            assert kit.query(old.app_dsn, "select count(*) from records") == 0
        assert stat.S_IMODE(backup.stat().st_mode) == 0o600
        assert [path.name for path in kit.base.glob("*.part")] == []
        with kit.server(kit.ready(kit.base / "new")) as new:
            restore_database(new.app_dsn, backup, bin_folder=new.bin)
            assert kit.query(new.app_dsn, PICTURE) == picture
            assert '"commensal_app"' in picture

    play(scenario)


def test_damaged_backup_leaves_nothing(kit):
    backup = kit.base / "database.dump"
    with kit.server(kit.ready(kit.base / "old")) as old:
        fill(old.app_dsn)
        dump_database(old.admin_dsn(), backup, bin_folder=old.bin)
    content = backup.read_bytes()
    backup.write_bytes(content[: len(content) * 2 // 3])
    with kit.server(kit.ready(kit.base / "new")) as new:
        with pytest.raises(SetupError, match="cannot be restored"):
            restore_database(new.app_dsn, backup, bin_folder=new.bin)
        assert kit.query(new.app_dsn, "select count(*) from pg_tables where schemaname = 'public'") == 0
        with pytest.raises(SetupError, match="no backup file"):
            restore_database(new.app_dsn, kit.base / "missing", bin_folder=new.bin)
        backup.write_bytes(content)
        restore_database(new.app_dsn, backup, bin_folder=new.bin)
        assert kit.query(new.app_dsn, "select count(*) from records") == 3000


def test_failed_dump_keeps_the_earlier_one(kit):
    backup = kit.base / "database.dump"
    backup.write_bytes(b"earlier")
    server = kit.server(kit.ready())
    server.start()
    dsn, programs = server.admin_dsn(), server.bin
    server.stop()
    with pytest.raises(SetupError, match="cannot be dumped"):
        dump_database(dsn, backup, bin_folder=programs)
    assert backup.read_bytes() == b"earlier"
    assert sorted(path.name for path in kit.base.iterdir()) == ["data", "database.dump", "tmp"]
    with pytest.raises(SetupError, match="cannot be written"):
        dump_database(dsn, kit.base / "missing" / "x.dump", bin_folder=programs)


def test_server_elsewhere_of_every_major(kit, monkeypatch):
    for binaries in find_all():
        monkeypatch.setenv("COMMENSAL_PG_BIN", str(binaries.folder))
        with kit.server(kit.ready(kit.base / f"data{binaries.major}")) as server:
            monkeypatch.delenv("COMMENSAL_PG_BIN")
            dsn = server.app_dsn.replace("postgresql://", "postgresql+asyncpg://")
            assert server_major(dsn, find_all()[0]) == binaries.major
            assert client_programs(dsn).major == binaries.major
            kit.query(server.app_dsn, "create table t as select 5 as n")
            dump_database(dsn, kit.base / "one.dump")
            kit.query(server.app_dsn, "drop table t")
            restore_database(dsn, kit.base / "one.dump")
            assert kit.query(server.app_dsn, "select n from t") == 5


def test_programs_older_than_the_server_are_refused(kit, monkeypatch):
    majors = sorted(find_all(), key=lambda binaries: binaries.major)
    if len(majors) < 2:
        pytest.skip("needs PostgreSQL of two majors")
    monkeypatch.setenv("COMMENSAL_PG_BIN", str(majors[-1].folder))
    with kit.server(kit.ready()) as server:
        monkeypatch.setenv("COMMENSAL_PG_BIN", str(majors[0].folder))
        with pytest.raises(SetupError, match=rf"PostgreSQL {majors[-1].major}, and .* {majors[0].version}"):
            dump_database(server.app_dsn, kit.base / "x.dump")


def test_password_is_not_in_the_argument_list(kit, monkeypatch):
    """Programs that write down how they were called stand in for psql and pg_dump."""
    for name in ("psql", "pg_dump", "pg_restore"):
        program = kit.base / name
        program.write_text(
            '#!/bin/sh\nprintf \'%s\\n\' "$@" >> "${0%/*}/called"\n'
            'printf "%s" "$PGPASSWORD" > "${0%/*}/password"\necho 0\n'
        )
        program.chmod(0o755)
    (kit.base / "x").touch()
    secret = "p%40s%2Fs:w"
    for dsn in (
        f"postgresql://me:{secret}@db.example:5433/d?ssl=require",
        f"postgres://db/d?user=me&password={secret}",
    ):
        dump_database(dsn, kit.base / "x.dump", bin_folder=kit.base)
        restore_database(dsn, kit.base / "x", bin_folder=kit.base)
        called = (kit.base / "called").read_text()
        assert "s/s:w" not in called
        assert "%40" not in called
        assert (kit.base / "password").read_text() == "p@s/s:w"
    assert "postgresql://me@db.example:5433/d?sslmode=require" in called
    for cut in ("me:p/w@h/d", "me:1/w@h/d", "me:p?w@h/d", "me:1?w@h/d", "me:p#w@h/d"):
        with pytest.raises(SetupError, match="%2F"):
            dump_database(f"postgresql://{cut}", kit.base / "x.dump", bin_folder=kit.base)
    with pytest.raises(SetupError, match="postgresql://"):
        dump_database("mysql://x", kit.base / "x.dump", bin_folder=kit.base)
