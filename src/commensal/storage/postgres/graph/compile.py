"""One root field to one statement."""

# ruff: noqa: S608 - names come from the dictionary as quoted constants, values are parameters

from __future__ import annotations

from dataclasses import replace

from commensal.core.graph.model import AnyNodes, Count, DataNodes, LogCount, Logs, Nodes, Root, Table, Where
from commensal.storage.postgres.graph.columns import Row
from commensal.storage.postgres.graph.logs import log_count, logs
from commensal.storage.postgres.graph.nodes import any_nodes, data_nodes, nodes
from commensal.storage.postgres.graph.text import COUNTED, READABLE, Draft, all_of, literal
from commensal.storage.postgres.graph.where import conditions, start_tests

__all__ = ["compile_root"]


def compile_root(field: Root) -> tuple[str, list[object]]:
    """Return a statement, in which the caller's scopes have to be put, and the values of its parameters."""
    draft = Draft()
    if isinstance(field, Nodes):
        body = nodes(draft, field)
    elif isinstance(field, Count):
        body = _count(draft, field)
    elif isinstance(field, AnyNodes):
        body = any_nodes(draft, field)
    elif isinstance(field, DataNodes):
        body = data_nodes(draft, field)
    elif isinstance(field, Logs):
        body = logs(draft, field)
    else:
        assert isinstance(field, LogCount)
        body = log_count(draft, field)
    return draft.with_readable(body), draft.values


def _count(draft: Draft, field: Count) -> str:
    """Return the statement of a count; records are counted by project, because rights may differ.

    In projects that the caller may count but not read, fewer than ``min_count`` are left out; null when nothing but
    such projects could have given something and nothing is shown. Contract 5.4; design, "Rights".
    """
    if field.table is Table.NOTHING or field.where.never:
        return "select '0'"
    if field.table is not Table.RECORDS:
        row = Row(field.table, draft.alias("p" if field.table is Table.PROJECTS else "g"))
        name = "projects" if field.table is Table.PROJECTS else "programs"
        tests = start_tests(draft, row, field.where)
        return f"select count(*)::text from {name} {row.alias} where {all_of(tests) or 'true'}"
    least = draft.parameter(0, "bigint")
    projects = f"(select p.seq, {READABLE} as seen from projects p where p.kind <> 'collection' and {COUNTED})"
    kind = literal(field.type)
    named = Where(project_ids=field.where.project_ids)
    limit = all_of(conditions(draft, Row(Table.PROJECTS, "q"), named))
    if field.where == named:
        counts = (
            f"select q.seen, coalesce(c.n, 0) as n from {projects} q "
            f"left join counters c on c.project = q.seq and c.type = {kind} where {limit}"
        )
    else:
        row = Row(Table.RECORDS, draft.alias("r"))
        tests = ["c.n > 0", f"{row.alias}.type = {kind}", f"{row.alias}.project = q.seq"]
        tests += conditions(draft, row, replace(field.where, project_ids=None))
        # One index scan a project: the planner knows how many rows each has, which it does not of a list of projects.
        counts = (
            f"select q.seen, m.n from {projects} q left join counters c on c.project = q.seq and c.type = {kind} "
            f"cross join lateral (select count(*) as n from records {row.alias} where {all_of(tests)}) m where {limit}"
        )
    shown = f"sum(n) filter (where seen or n >= {least})"
    hidden = f"bool_or(not seen and n < {least})"
    return (
        f"select case when coalesce({shown}, 0) = 0 and {hidden} and not coalesce(bool_or(seen), false) "
        f"then 'null' else coalesce({shown}, 0)::text end from ({counts}) s"
    )
