"""Conditions on rows: what the arguments of a query ask, and what the caller may see."""

# ruff: noqa: S608 - names come from the dictionary as quoted constants, values are parameters

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace

from commensal.core.graph.model import Match, Path, Step, Table, Where
from commensal.storage.postgres.graph.columns import Row
from commensal.storage.postgres.graph.text import Draft, all_of, any_of, literal

__all__ = ["conditions", "followed", "in_sight", "linked_only", "start_tests"]

_HEADS = {Table.RECORDS: "r", Table.PROJECTS: "p", Table.PROGRAMS: "g"}
_TABLES = {Table.RECORDS: "records", Table.PROJECTS: "projects", Table.PROGRAMS: "programs"}


def in_sight(draft: Draft, row: Row, near: Row | None = None) -> list[str]:
    """Return the conditions that the caller may see a row; coming from a row that he sees, its project is cheap."""
    if not row.in_project:
        listed = f"{row.alias}.listed"
        own = f"{row.alias}.seq in (select q.program from projects q where {draft.in_readable('q.seq')})"
        return [] if near is not None and near.in_project else [f"({listed} or {own})"]
    if near is None and row.table is Table.RECORDS:
        # The index on records begins with the project.
        return [f"{row.project} = any({draft.readable()})"]
    allowed = draft.in_readable(row.project)
    if near is None or not near.in_project:
        return [allowed]
    return [f"({row.project} = {near.project} or {allowed})"]


def start_tests(draft: Draft, row: Row, where: Where) -> list[str]:
    """Return the conditions on the first rows of a query: those that the caller may see, and what the query asks."""
    if where.never:
        return ["false"]
    if where.project_ids is None or not row.in_project:
        return [*in_sight(draft, row), *conditions(draft, row, where)]
    named = _project_ids(draft, row, where.project_ids, f" and {draft.in_readable('q.seq')}")
    return [named, *conditions(draft, row, replace(where, project_ids=None))]


def followed(draft: Draft, near: Row, step: Step) -> tuple[Row, str, list[str], str]:
    """Return the row at the far end of a link, the FROM, the joining conditions, and the column of its usual order."""
    far = Row(step.table, draft.alias(_HEADS[step.table]))
    if near.table is Table.PROJECTS and step.table is Table.PROGRAMS:
        return far, f"programs {far.alias}", [f"{far.alias}.seq = {near.alias}.program"], f"{far.alias}.seq"
    if near.table is Table.PROGRAMS and step.table is Table.PROJECTS:
        return far, f"projects {far.alias}", [f"{far.alias}.program = {near.alias}.seq"], f"{far.alias}.seq"
    link = draft.alias("l")
    here, there = ("src", "dst") if step.forward else ("dst", "src")
    joined = f"links {link} join {_TABLES[step.table]} {far.alias} on {far.alias}.seq = {link}.{there}"
    tests = [f"{link}.{here} = {near.alias}.seq", f"{link}.name = {literal(step.name)}"]
    tests.append(f"{link}.{there}_type = {literal(step.far)}")
    if near.table is not Table.RECORDS:
        # Numbers are unique over all tables, so the type of this end tells nothing more; named for the reader.
        tests.append(f"{link}.{here}_type = {literal(step.near)}" if not step.forward else "true")
    return far, joined, tests, f"{link}.{there}"


def linked_only(draft: Draft, near: Row, step: Step) -> str | None:
    """Return a subquery of the links themselves where the far rows need not be read; None where they do."""
    if near.table is not Table.RECORDS and step.table is not Table.RECORDS:
        return None
    if step.table is Table.PROGRAMS:
        return None
    link = draft.alias("l")
    here, there = ("src", "dst") if step.forward else ("dst", "src")
    project = f"{link}.dst_project" if step.forward else f"{link}.project"
    allowed = draft.in_readable(project)
    if near.in_project:
        allowed = f"({project} = {near.project} or {allowed})"
    return (
        f"from links {link} where {link}.{here} = {near.alias}.seq and {link}.name = {literal(step.name)} "
        f"and {link}.{there}_type = {literal(step.far)} and {allowed}"
    )


def _exists(draft: Draft, near: Row, step: Step) -> str:
    quick = linked_only(draft, near, step)
    if quick is not None:
        return f"exists (select 1 {quick})"
    far, source, tests, _ = followed(draft, near, step)
    return f"exists (select 1 from {source} where {all_of([*tests, *in_sight(draft, far, near)])})"


def _path(draft: Draft, near: Row, path: Path) -> str:
    far, source, tests, _ = followed(draft, near, path.step)
    tests += in_sight(draft, far, near)
    ends: list[str] = []
    if path.end is not None:
        own = conditions(draft, far, path.end)
        if not own and not path.then:
            return f"exists (select 1 from {source} where {all_of(tests)})"
        ends.append(all_of(own))
    ends += [_path(draft, far, one) for one in path.then]
    return f"exists (select 1 from {source} where {all_of([*tests, any_of(ends)])})"


def _reach(draft: Draft, near: Row, ways: Sequence[Path]) -> str:
    return any_of([_path(draft, near, way) for way in ways])


def _uuids(draft: Draft, texts: Sequence[str]) -> str:
    known: list[uuid.UUID] = []
    for text in texts:
        try:
            one = uuid.UUID(text)
        except ValueError:
            continue
        if str(one) == text:
            known.append(one)
    return draft.parameter(known, "uuid[]")


def conditions(draft: Draft, row: Row, where: Where) -> list[str]:
    """Return the conditions of a query on a row, joined as all of them hold."""
    if where.never or row.table is Table.NOTHING:
        return ["false"]
    a = row.alias
    records = row.table is Table.RECORDS
    found = [f"{a}.uuid = any({_uuids(draft, ids)})" for ids in where.ids]
    if where.submitter_ids is not None:
        if not records:
            return ["false"]
        folded = sorted({one.casefold() for one in where.submitter_ids})
        found.append(f"{a}.sid_folded = any({draft.parameter(folded, 'text[]')})")
        found.append(f"{a}.submitter_id = any({draft.parameter(sorted(set(where.submitter_ids)), 'text[]')})")
    if where.project_ids is not None:
        found.append(_project_ids(draft, row, where.project_ids))
    if where.search:
        wanted = draft.parameter(where.search.casefold(), "text")
        in_id = f"strpos({a}.uuid::text, {wanted}) > 0"
        found.append(f"(strpos({a}.sid_folded, {wanted}) > 0 or {in_id})" if records else in_id)
    for column, sign, at in (
        ("created", "<", where.created_before),
        ("created", ">", where.created_after),
        ("updated", "<", where.updated_before),
        ("updated", ">", where.updated_after),
    ):
        if at is not None:
            found.append(f"{a}.{column} {sign} {draft.parameter(at, 'timestamptz')}")
    found += [_match(draft, row, match) for match in where.matches]
    found += [f"({_match(draft, row, match)}) is not true" for match in where.excluded]
    found += [_exists(draft, row, step) for step in where.links_all]
    if where.links_any:
        found.append(any_of([_exists(draft, row, step) for step in where.links_any]))
    found += [f"not {_exists(draft, row, step)}" for step in where.links_none]
    found += [_reach(draft, row, ways) for ways in where.reach_all]
    if where.reach_any:
        found.append(any_of([_reach(draft, row, ways) for ways in where.reach_any]))
    found += [f"not {_reach(draft, row, ways)}" for ways in where.reach_none]
    return found


def _match(draft: Draft, row: Row, match: Match) -> str:
    if match.name == "project_id":
        return _project_ids(draft, row, [str(value) for value in match.values])
    return row.matches(draft, match)


def _project_ids(draft: Draft, row: Row, wanted: Sequence[str], limit: str = "") -> str:
    if not row.in_project:
        return "false"
    pairs = [one.split("-", 1) for one in dict.fromkeys(wanted) if "-" in one]
    programs = draft.parameter([pair[0] for pair in pairs], "text[]")
    codes = draft.parameter([pair[1] for pair in pairs], "text[]")
    return (
        f"{row.project} = any(array(select q.seq from unnest({programs}, {codes}) w(program, code) "
        "join programs h on h.code_folded = lower(w.program) and h.code = w.program "
        f"join projects q on q.program = h.seq and q.code = w.code{limit}))"
    )
