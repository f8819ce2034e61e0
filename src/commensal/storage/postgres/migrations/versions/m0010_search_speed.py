"""Numbers of files are counted in one index: with the project, and no file twice.

Revision 0010. Of several numbers under one key only the least and the most are kept: ``<`` asks for a file's least,
``>`` for its most, so at most one row of a file passes.
"""

# ruff: noqa: S608 - only constants are put into statements

from __future__ import annotations

from alembic import op

from commensal.storage.postgres.migrations.versions import m0003_file_search

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_COLUMNS = "file, key, value, project, least, most"
#: From rows (file, project, key, low, high).
_ENDS = """select file, key, value, project, value = low, value = high from ends
            cross join lateral unnest(case when low = high then array[low] else array[low, high] end) value"""
#: The function as it was, but for its last statement. (0003 keeps words of equal numbers apart, 61 and 61.0, since
#: after it first landed: databases that are older get that from here.)
_REFRESH = next(one for one in m0003_file_search.STATEMENTS if one.startswith("create function file_search_refresh"))
_KEPT = _REFRESH.partition("insert into file_numbers")[0].replace("create function", "create or replace function")
_NUMBER = m0003_file_search._NUMBER  # noqa: SLF001 - a part of that function

STATEMENTS: list[str] = [
    "alter table file_numbers rename to file_numbers_before",
    """create table file_numbers (
        file bigint not null,
        key text collate "C" not null,
        value numeric not null,
        project bigint not null,
        least boolean not null,
        most boolean not null)""",
    f"""with ends as (
            select s.file, s.project, n.key, min(n.value) as low, max(n.value) as high
            from file_numbers_before n join file_search s on s.file = n.file group by s.file, n.key)
        insert into file_numbers ({_COLUMNS}) {_ENDS}""",
    "drop table file_numbers_before",
    "alter table file_numbers add primary key (key, value, file) include (project, least, most)",
    "create index file_numbers_file on file_numbers (file)",
    f"""{_KEPT}with ends as (
            select s.file, s.project, file_search_short(key) as key,
                min(one::numeric) as low, max(one::numeric) as high
            from file_search s
            cross join lateral jsonb_each(s.attrs) as each(key, value)
            cross join lateral file_search_values(value) one
            where s.file = any(wanted) and one ~ '{_NUMBER}'
            group by s.file, 3)
        insert into file_numbers ({_COLUMNS}) {_ENDS};
    end
    $body$""",
]


def upgrade() -> None:
    """Make everything."""
    connection = op.get_bind()
    for statement in STATEMENTS:
        connection.exec_driver_sql(statement)
