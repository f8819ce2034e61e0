"""Scope.covers and the WHERE made from it give one answer, for random scopes and projects."""

from __future__ import annotations

import asyncio

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from commensal.core.permissions import ROLES, Access, Right, Scope
from commensal.storage.postgres.database import PgDatabase
from commensal.storage.postgres.scope import scope_sql
from tests.conftest import TORTURE

NUMBERS = st.integers(1, 6)
SETS = st.frozensets(NUMBERS, max_size=4)
SCOPES = st.builds(
    Scope,
    everything=st.booleans(),
    programs=SETS,
    projects=SETS,
    public_level=st.none() | st.integers(0, 3),
    only_program=st.none() | NUMBERS,
)
PROJECTS = st.lists(st.tuples(NUMBERS, st.integers(0, 3)), min_size=1, max_size=6)
ACCESSES = st.builds(
    Access,
    site_admin=st.booleans(),
    public=st.booleans(),
    programs=st.dictionaries(NUMBERS, st.sampled_from(list(ROLES.values())), max_size=4),
    projects=st.dictionaries(NUMBERS, st.sampled_from(list(ROLES.values())), max_size=4),
    only_program=st.none() | NUMBERS,
)


def test_the_where_equals_covers(dsn):
    """One connection for all examples; the projects are a VALUES list, so no rows need to be written."""
    loop = asyncio.new_event_loop()
    database = PgDatabase(dsn, size=1)

    async def inside(scope: Scope, projects: list[tuple[int, int]], first: int) -> list[int]:
        condition, values = scope_sql(
            scope, first, program_column="x.owner", project_column="x.number", level_column="x.level"
        )
        async with database.read() as unit:
            rows = await unit.rows(
                "select number from unnest($1::bigint[], $2::bigint[], $3::smallint[]) x(number, owner, level) "
                f"where {'$4::text is not null and ' if first == 5 else ''}not not {condition} order by number",
                list(range(1, len(projects) + 1)),
                [program for program, _ in projects],
                [level for _, level in projects],
                *(["more"] if first == 5 else []),
                *values,
            )
        return [row["number"] for row in rows]

    @settings(max_examples=2_000 if TORTURE else 150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(scope=SCOPES, projects=PROJECTS, first=st.sampled_from([4, 5]))
    def check(scope: Scope, projects: list[tuple[int, int]], first: int) -> None:
        expected = [
            number
            for number, (program, level) in enumerate(projects, 1)
            if scope.covers(program=program, project=number, public_level=level)
        ]
        assert loop.run_until_complete(inside(scope, projects, first)) == expected
        if scope.empty:
            assert expected == []

    try:
        check()
    finally:
        loop.run_until_complete(database.close())
        loop.close()


@settings(max_examples=500, deadline=None)
@given(
    access=ACCESSES,
    right=st.sampled_from(list(Right)),
    program=NUMBERS,
    project=NUMBERS,
    level=st.integers(0, 3),
    by_grant_only=st.booleans(),
)
def test_a_scope_covers_what_the_rights_say(access, right, program, project, level, by_grant_only):
    scope = access.scope(right, by_grant_only=by_grant_only)
    if by_grant_only:
        held = access.granted(program=program, project=project)
    else:
        held = access.rights(program=program, project=project, public_level=level)
    assert scope.covers(program=program, project=project, public_level=level) == bool(held & right)


def test_the_text_depends_on_the_shape_only():
    first, _ = scope_sql(Scope(programs=frozenset({1, 2}), public_level=2), 3)
    second, values = scope_sql(Scope(programs=frozenset({9}), public_level=3), 3)
    assert first == second
    assert values == [[9], 3]
    assert scope_sql(Scope(), 1) == ("(false)", [])
    assert scope_sql(Scope(everything=True), 1) == ("(true)", [])
