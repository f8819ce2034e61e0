"""Private records: results, with all that hangs on them, that a public level does not show; by a grant one sees them.

``result_settings`` has a row for each: what is linked to one later, by any door, gets its own (a trigger of ``links``).
"""

# ruff: noqa: S608 - only our own text is put into statements

from __future__ import annotations

from collections.abc import Sequence

from commensal.core.permissions import Scope
from commensal.storage.ports import Unit
from commensal.storage.postgres.database import pg
from commensal.storage.postgres.scope import scope_sql

__all__ = ["PRIVATE_FILE", "any_private", "private_among", "shown_files", "shown_files_sql", "without_private"]

_HIDDEN = "(select record from result_settings where private)"
#: Tells of a row ``f`` of files whether it belongs to a private record.
PRIVATE_FILE = (
    "(f.record is not null and exists (select from result_settings x where x.record = f.record and x.private))"
)


async def any_private(unit: Unit, project: int | None = None) -> bool:
    """Tell whether there are private records, in a project where one is named."""
    if project is None:
        return bool(await pg(unit).value("select exists (select from result_settings where private)"))
    return bool(
        await pg(unit).value(
            "select exists (select from result_settings x join records r on r.seq = x.record "
            "where x.private and r.project = $1)",
            project,
        )
    )


async def private_among(unit: Unit, seqs: Sequence[int]) -> set[int]:
    """Return which of these records are private."""
    rows = await pg(unit).rows(
        "select record from result_settings where record = any($1::bigint[]) and private", list(seqs)
    )
    return {row[0] for row in rows}


def shown_files_sql(scope: Scope, first: int, file: str) -> tuple[str, list[object]]:
    """Return the condition that a file in ``scope`` is not that of a private record, or is read by a grant.

    ``file`` is a column with its number; parameters are numbered from ``first`` on.
    """
    if scope.everything or scope.public_level is None:
        return "(true)", []
    inside, values = scope_sql(scope.granted, first)
    own = f"h.project = any(array(select p.seq from projects p where {inside}))"
    text = (
        "not exists (select from public.files h join result_settings x on x.record = h.record "
        f"where x.private and h.seq = {file} and not {own})"
    )
    return text, values


async def shown_files(unit: Unit, scope: Scope, first: int, *, file: str = "f.seq") -> tuple[str, list[object]]:
    """Return the same for a long list: always true, after a short look, where there is no private record at all."""
    if scope.everything or scope.public_level is None or not await any_private(unit):
        return "(true)", []
    return shown_files_sql(scope, first, file)


def without_private(sql: str, granted: Scope, first: int) -> tuple[str, list[object]]:
    """Return a query of one column that sees no private record outside of ``granted``, nor a link with one.

    Its parameters are numbered from ``first`` on. Within the query, two common table expressions stand in the place
    of the tables, which PostgreSQL lays into each use of them.
    """
    inside, values = scope_sql(granted, first)
    own = f"(select p.seq from projects p where {inside})"
    text = (
        f"with records as not materialized (select r.* from public.records r where r.seq not in {_HIDDEN} "
        f"or r.project in {own}), "
        f"links as not materialized (select l.* from public.links l where (l.src not in {_HIDDEN} "
        f"and l.dst not in {_HIDDEN}) or l.project in {own}) select shown.* from ({sql}) shown"
    )
    return text, values
