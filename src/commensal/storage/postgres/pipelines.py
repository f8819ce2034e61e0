"""Pipelines and their modules in PostgreSQL: catalog objects of the site."""

# ruff: noqa: S608 - only our own text is put into statements

from __future__ import annotations

from typing import Any
from uuid import UUID

import asyncpg

from commensal.core.pipelines import PIPELINE, PIPELINE_MODULE, ModuleName, PipelineModule
from commensal.core.projects import CatalogObject
from commensal.storage.ports import Unit
from commensal.storage.ports.pipelines import ModuleFilter
from commensal.storage.postgres.catalog_objects import OBJECT_LIST, object_at
from commensal.storage.postgres.database import pg

__all__ = ["PgPipelines"]

_COLUMNS = 10
_PIPELINES = f"""
with hit as (select o.* from catalog_objects o where o.program is null and o.kind = '{PIPELINE}'
  and ($1::uuid is null or o.uuid = $1) and ($2::text is null or o.name_folded = $2)),
page as (select * from hit order by seq offset $3 limit $4)
select {OBJECT_LIST}, (select count(*) from hit) as total from page o order by o.seq
"""
_NAMES = (
    "select jsonb_agg(jsonb_build_array(d.uuid, d.body->>'name', d.body->>'version') order by d.seq) "
    f"from catalog_objects d where d.program is null and d.kind = '{PIPELINE_MODULE}' and "
)
#: What a module is shown with; ``o`` is the module.
_WITH = f"""
select {OBJECT_LIST}, {OBJECT_LIST.replace("o.", "q.")},
  ({_NAMES} o.body->'dependencies' ? d.uuid::text
     and d.uuid in (select x::uuid from jsonb_array_elements_text(o.body->'dependencies') x)) as needs,
  ({_NAMES} d.body->'dependencies' ? o.uuid::text) as needed_by
"""
_PIPELINE_OF = (
    f"join catalog_objects q on q.uuid = (o.body->>'pipeline')::uuid and q.program is null and q.kind = '{PIPELINE}'"
)
_MODULES = f"""
with hit as (select o.seq from catalog_objects o {_PIPELINE_OF}
  where o.program is null and o.kind = '{PIPELINE_MODULE}'
  and ($1::uuid is null or o.uuid = $1) and ($2::text is null or o.body->>'name' = $2)
  and ($3::text is null or o.body->>'pipeline' = $3) and ($4::bigint[] is null or o.seq = any($4))
  and ($5::uuid[] is null or o.uuid = any($5))),
page as (select seq from hit order by seq offset $6 limit $7)
{_WITH}, (select count(*) from hit) as total
from page join catalog_objects o on o.seq = page.seq {_PIPELINE_OF} order by o.seq
"""
_NAMED = (
    f"{_WITH} from catalog_objects o {_PIPELINE_OF} "
    f"where o.program is null and o.kind = '{PIPELINE_MODULE}' and o.name_folded = $1"
)


class PgPipelines:
    """Implements ``ports.pipelines.PipelineStore``."""

    async def pipelines(
        self, unit: Unit, *, uuid: UUID | None, name_folded: str | None, offset: int, limit: int
    ) -> tuple[list[CatalogObject], int]:
        """See the port."""
        rows = await pg(unit).rows(_PIPELINES, uuid, name_folded, offset, limit)
        return [object_at(row) for row in rows], rows[0]["total"] if rows else 0

    async def modules(
        self, unit: Unit, only: ModuleFilter, *, offset: int, limit: int
    ) -> tuple[list[PipelineModule], int]:
        """See the port."""
        rows = await pg(unit).rows(
            _MODULES,
            only.uuid,
            only.name,
            None if only.pipeline is None else str(only.pipeline),
            None if only.seqs is None else list(only.seqs),
            None if only.uuids is None else list(only.uuids),
            offset,
            limit,
        )
        return [_module(row) for row in rows], rows[0]["total"] if rows else 0

    async def module_named(self, unit: Unit, name_folded: str) -> PipelineModule | None:
        """See the port."""
        row = await pg(unit).row(_NAMED, name_folded)
        return None if row is None else _module(row)


def _module(row: asyncpg.Record) -> PipelineModule:
    return PipelineModule(
        CatalogObject(*row[:_COLUMNS]),
        CatalogObject(*row[_COLUMNS : 2 * _COLUMNS]),
        _names(row["needs"]),
        _names(row["needed_by"]),
    )


def _names(found: list[Any] | None) -> tuple[ModuleName, ...]:
    return tuple(ModuleName(UUID(uuid), name or "", version or "") for uuid, name, version in found or ())
