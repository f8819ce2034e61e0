"""Search by the beginnings of words in names, in PostgreSQL."""

# ruff: noqa: S608 - only our own text is put into statements

from __future__ import annotations

from commensal.core.lineage import Kinds
from commensal.core.permissions import Scope
from commensal.storage.ports import Unit
from commensal.storage.ports.catalog import ProgramView
from commensal.storage.ports.name_search import NameHits
from commensal.storage.postgres.catalog import view_sql
from commensal.storage.postgres.database import pg
from commensal.storage.postgres.lineage_rows import PROGRAM_LIST, program_at
from commensal.storage.postgres.scope import scope_sql
from commensal.storage.postgres.words import words, words_query

__all__ = ["PgNameSearch"]

#: The type of which the index has the words; others are read through.
_INDEXED = "sample"


class PgNameSearch:
    """Implements ``ports.name_search.NameSearchStore``."""

    async def find(self, unit: Unit, kinds: Kinds, scope: Scope, view: ProgramView, text: str, limit: int) -> NameHits:
        """See the port."""
        query = words_query(text)
        if query is None:
            return NameHits((), (), ())
        p = pg(unit)
        values: list[object] = [query, limit]
        seen, more = view_sql(view, 3)
        programs = await p.rows(
            f"select {PROGRAM_LIST} from programs g where {words('g.title')} @@ to_tsquery('simple', $1) "
            f"and {seen} order by g.seq limit $2",
            *values,
            *more,
        )
        inside, more = scope_sql(scope, 3)
        projects = await p.rows(
            f"select p.seq from projects p where {words('p.title')} @@ to_tsquery('simple', $1) "
            f"and {inside} order by p.seq limit $2",
            *values,
            *more,
        )
        # Without an order: the first that are found will do, however many there are.
        arms: list[str] = []
        named = f"{words('r.submitter_id')} @@ to_tsquery('simple', $1) and {inside}"
        source = "select r.uuid from records r join projects p on p.seq = r.project where"
        if _INDEXED in kinds.sample:
            arms.append(f"(select * from ({source} r.type = '{_INDEXED}' and {named} limit $2) a)")
        others = [name for name in kinds.sample if name != _INDEXED]
        if others:
            more = [*more, others]
            arms.append(f"(select * from ({source} r.type = any(${len(more) + 2}::text[]) and {named} limit $2) b)")
        samples = await p.rows(f"{' union all '.join(arms)} limit $2", *values, *more)
        return NameHits(
            [row["uuid"] for row in samples], [row["seq"] for row in projects], [program_at(row) for row in programs]
        )
