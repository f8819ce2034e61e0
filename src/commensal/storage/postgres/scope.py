"""The one place where a Scope becomes SQL."""

from __future__ import annotations

from commensal.core.permissions import Scope

__all__ = ["scope_sql"]


def scope_sql(
    scope: Scope,
    first_parameter: int,
    *,
    program_column: str = "p.program",
    project_column: str = "p.seq",
    level_column: str = "p.public_level",
) -> tuple[str, list[object]]:
    """Return a condition on a project's columns, and the values of its parameters.

    The condition is in brackets, never null on columns that are not null, and equals
    ``Scope.covers`` on every row (tested). Parameters are numbered from ``first_parameter``. The
    text depends on the scope's shape only, not on its numbers, so prepared statements are reused.
    """
    values: list[object] = []

    def parameter(value: object, cast: str) -> str:
        values.append(value)
        return f"${first_parameter + len(values) - 1}::{cast}"

    if scope.empty:
        return "(false)", values
    limits: list[str] = []
    if scope.only_program is not None:
        limits.append(f"{program_column} = {parameter(scope.only_program, 'bigint')}")
    if not scope.everything:
        ways: list[str] = []
        if scope.projects:
            ways.append(f"{project_column} = any({parameter(sorted(scope.projects), 'bigint[]')})")
        if scope.programs:
            ways.append(f"{program_column} = any({parameter(sorted(scope.programs), 'bigint[]')})")
        if scope.public_level is not None:
            ways.append(f"{level_column} >= {parameter(scope.public_level, 'smallint')}")
        limits.append("(" + " or ".join(ways) + ")")
    return "(" + (" and ".join(limits) or "true") + ")", values
