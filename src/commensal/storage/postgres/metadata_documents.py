"""Metadata documents in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from commensal.core.metadata_documents import DocumentFilter, object_of
from commensal.core.permissions import Scope
from commensal.storage.ports import Unit
from commensal.storage.ports.metadata_documents import DocumentPlace, NewDocument, StoredDocument
from commensal.storage.postgres.database import pg
from commensal.storage.postgres.private_records import PRIVATE_FILE, shown_files
from commensal.storage.postgres.scope import scope_sql

__all__ = ["PgMetadataDocuments"]

_PLACED = (
    "metadata_documents d left join files f on f.uuid = d.object "
    "left join projects p on p.seq = coalesce(f.project, d.project)"
)

_FIND = f"""
select d.guid, d.data::text as text, coalesce(f.project, d.project) as project, p.program, p.public_level,
    coalesce({PRIVATE_FILE}, false) as private
from {_PLACED}
where d.guid = coalesce((select guid from metadata_documents where guid = $1),
                        (select guid from metadata_aliases where alias = $1))
"""  # noqa: S608 - only constants of this module are put in

_PLACES = """
select w.guid, d.guid is not null as known, coalesce(f.project, d.project) as project
from unnest($1::text[], $2::uuid[]) w (guid, object)
left join metadata_documents d on d.guid = w.guid left join files f on f.uuid = w.object
"""

#: Ordered, so that two batches never wait for each other.
_PUT = """
insert into metadata_documents as d (guid, object, project, data, made_by, created, updated)
select guid, object, project, text::jsonb, $5, $6, $6
from unnest($1::text[], $2::uuid[], $3::bigint[], $4::text[]) w (guid, object, project, text) order by guid
on conflict (guid) do """
_OVER = (
    "update set data = excluded.data, project = coalesce(excluded.project, d.project), updated = excluded.updated "
    "returning guid, xmax = 0 as made"
)


class PgMetadataDocuments:
    """See ``ports.metadata_documents.MetadataDocumentStore``."""

    async def find(self, unit: Unit, name: str) -> StoredDocument | None:
        """See the port."""
        row = await pg(unit).row(_FIND, name)
        return None if row is None else StoredDocument(*row)

    async def search(
        self, unit: Unit, scope: Scope | None, filters: Sequence[DocumentFilter], *, site: bool, limit: int, offset: int
    ) -> list[tuple[str, int]]:
        """See the port."""
        values: list[object] = [limit, offset, site]
        condition, shown = "(false)", "(true)"
        if scope is not None:
            condition, more = scope_sql(scope, len(values) + 1)
            values += more
            shown, more = await shown_files(unit, scope, len(values) + 1)
            values += more
        where = [
            f"(($3 and coalesce(f.project, d.project) is null) or (p.seq is not null and {condition}))",
            shown,
            *(_condition(one, values) for one in filters),
        ]
        rows = await pg(unit).rows(
            f"select d.guid, octet_length(d.data::text) as size from {_PLACED} "  # noqa: S608 - values are parameters
            f"where {' and '.join(where)} order by d.guid limit $1 offset $2",
            *values,
        )
        return [(row["guid"], row["size"]) for row in rows]

    async def texts(self, unit: Unit, guids: Sequence[str]) -> list[tuple[str, str]]:
        """See the port."""
        rows = await pg(unit).rows(
            "select guid, data::text from metadata_documents where guid = any($1::text[]) order by guid", list(guids)
        )
        return [(row[0], row[1]) for row in rows]

    async def places(self, unit: Unit, guids: Sequence[str]) -> list[DocumentPlace]:
        """See the port."""
        rows = await pg(unit).rows(_PLACES, list(guids), [object_of(guid) for guid in guids])
        return [DocumentPlace(*row) for row in rows]

    async def put(
        self, unit: Unit, documents: Sequence[NewDocument], *, overwrite: bool, who: int | None, at: datetime
    ) -> dict[str, bool]:
        """See the port."""
        rows = await pg(unit).rows(
            _PUT + (_OVER if overwrite else "nothing returning guid, true as made"),
            [document.guid for document in documents],
            [document.object for document in documents],
            [document.project for document in documents],
            [document.text for document in documents],
            who,
            at,
        )
        return {row["guid"]: row["made"] for row in rows}

    async def update(self, unit: Unit, guid: str, text: str, *, merge: bool, at: datetime) -> str | None:
        """See the port."""
        return await pg(unit).value(
            "update metadata_documents set data = case when $3 then data else '{}' end || $2::text::jsonb, "
            "updated = $4 where guid = $1 returning data::text",
            guid,
            text,
            merge,
            at,
        )

    async def delete(self, unit: Unit, guid: str) -> str | None:
        """See the port."""
        return await pg(unit).value("delete from metadata_documents where guid = $1 returning data::text", guid)

    async def aliases(self, unit: Unit, guid: str) -> list[str]:
        """See the port."""
        rows = await pg(unit).rows("select alias from metadata_aliases where guid = $1 order by alias", guid)
        return [row["alias"] for row in rows]

    async def add_aliases(self, unit: Unit, guid: str, aliases: Sequence[str]) -> list[str]:
        """See the port."""
        wanted = sorted(set(aliases))
        rows = await pg(unit).rows(
            "insert into metadata_aliases as a (alias, guid) select alias, $1 from unnest($2::text[]) alias "
            "on conflict (alias) do update set alias = excluded.alias where a.guid = $1 returning alias",
            guid,
            wanted,
        )
        given = {row["alias"] for row in rows}
        return [alias for alias in wanted if alias not in given]

    async def remove_aliases(self, unit: Unit, guid: str, aliases: Sequence[str] | None) -> int:
        """See the port."""
        return await pg(unit).run(
            "delete from metadata_aliases where guid = $1 and ($2::text[] is null or alias = any($2))",
            guid,
            None if aliases is None else list(aliases),
        )

    async def index_paths(self, unit: Unit) -> list[str]:
        """See the port."""
        rows = await pg(unit).rows("select path from metadata_index_paths order by path")
        return [row["path"] for row in rows]

    async def add_index_path(self, unit: Unit, path: str, at: datetime) -> bool:
        """See the port."""
        sql = "insert into metadata_index_paths (path, made) values ($1, $2) on conflict do nothing"
        return bool(await pg(unit).run(sql, path, at))

    async def remove_index_path(self, unit: Unit, path: str) -> bool:
        """See the port."""
        return bool(await pg(unit).run("delete from metadata_index_paths where path = $1", path))


def _condition(one: DocumentFilter, values: list[object]) -> str:
    """Return the condition of a filter, exact, and what an index can answer before it."""

    def parameter(value: object, cast: str) -> str:
        values.append(value)
        return f"${len(values)}::{cast}"

    at = f"(d.data #>> {parameter(list(one.path), 'text[]')})"
    if one.present:
        return f"(d.data ? {parameter(one.path[0], 'text')} and d.data #> ${len(values) - 1}::text[] is not null)"
    exact = f"{at} = any({parameter(list(one.values), 'text[]')})"
    candidates = one.candidates()
    if candidates is None:
        return f"(d.data ? {parameter(one.path[0], 'text')} and {exact})"
    return f"(d.data @> any({parameter(candidates, 'jsonb[]')}) and {exact})"
