"""Samples, results and fields with all that they hang on: one thing by uuid, or by the names that lead to it."""

# ruff: noqa: S608 - only our own text is put into statements

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any
from uuid import UUID

from commensal.core.ids import is_uuid
from commensal.core.lineage import Address, Kinds, Lineage, ResultSettings
from commensal.core.names import fold, polly_form
from commensal.core.permissions import Scope
from commensal.core.projects import Program
from commensal.core.records import Record
from commensal.storage.ports import Unit
from commensal.storage.postgres.database import pg
from commensal.storage.postgres.lineage_lists import PgLineageLists
from commensal.storage.postgres.lineage_results import PgLineageResults
from commensal.storage.postgres.lineage_rows import (
    FIELD_ROW,
    PROGRAM_LIST,
    PROJECT_ROW,
    RESULT_ROW,
    SAMPLE_ROW,
    lineage_of,
    program_at,
    project_at,
    record_at,
    record_list,
)
from commensal.storage.postgres.scope import scope_sql

__all__ = ["PgLineages"]

_ABOVE = "join projects p on p.seq = {}.project join programs g on g.seq = p.program"
_SETTINGS = "left join result_settings x on x.record = a.seq"
#: A parameter, of an array where ``[]`` stands behind it.
_PARAMETER = re.compile(r"\$(\d+)((?:::\w+(?:\[\])?)?)")


@lru_cache(maxsize=256)
def _kept(sql: str) -> str:
    """Return a statement whose parameters stand in subqueries: their values then change no estimate, and its plan is
    kept, which saves most of what such a look-up costs.
    """

    def hidden(found: re.Match[str]) -> str:
        number, kind = found[1], found[2]
        return f"(select ${number}{kind}){kind}" if kind.endswith("[]") else f"(select ${number}{kind})"

    return _PARAMETER.sub(hidden, sql)


#: The sample that result ``a`` hangs on, if any; parameter: stored types of samples.
_SAMPLE_OF = (
    "left join lateral (select d.* from links l join records d on d.seq = l.dst "
    "where l.src = a.seq and l.dst_type = any({}::text[]) order by l.dst limit 1) s on true"
)
_OF_PROJECTS = (
    f"select {PROJECT_ROW} from projects p join programs g on g.seq = p.program "
    "where p.uuid = $1::uuid or p.seq = any($2::bigint[]) order by p.seq"
)
_OF_SAMPLE = (
    f"select {SAMPLE_ROW} from records s {_ABOVE.format('s')} "
    "where s.uuid = any($1::uuid[]) and s.type = any($2::text[])"
)
_OF_RESULT = (
    f"select {RESULT_ROW} from records a {_ABOVE.format('a')} {_SAMPLE_OF.format('$3')} {_SETTINGS} "
    "where a.uuid = $1::uuid and a.type = any($2::text[])"
)
_OF_FIELD = (
    f"select {FIELD_ROW} from records f {_ABOVE.format('f')} "
    "join lateral (select d.* from links l join records d on d.seq = l.dst "
    "where l.src = f.seq and l.dst_type = any($4::text[]) order by l.dst limit 1) a on true "
    f"{_SAMPLE_OF.format('$3')} {_SETTINGS} where f.uuid = $1::uuid and f.type = any($2::text[])"
)

# --- by names: $1 the program's name folded, $2 it as a uuid, $3 the project's name, $4 its code's form, $5 as a uuid,
# $6 the sample's name folded, $7 as a uuid, $8 stored types of samples, $9 the module, $10 as a uuid, $11 the
# replicate, $12 stored types of results, $13 the field, $14 as a uuid, $15 stored types of fields.
_PROGRAM_NAMED = "(g.title_folded = $1::text or g.code_folded = $1::text or g.uuid = $2::uuid)"
_PROJECT_NAMED = (
    "(lower({0}.title) = lower($3::text) or ({0}.polly_code = $4::text and lower({0}.code) = lower($3::text)) "
    "or {0}.uuid = $5::uuid)"
)
_PROJECT_ORDER = (
    "({0}.uuid is not distinct from $5::uuid) desc, (lower({0}.title) = lower($3::text)) desc, {0}.updated desc"
)
_SAMPLE_NAMED = """
join lateral (
  select r.* from (select * from records n where n.project = q.seq and n.sid_folded = $6::text offset 0) r
   where q.kind <> 'collection' and r.type = any($8::text[])
  union all
  select r.* from records r
   where q.kind <> 'collection' and r.uuid = $7::uuid and r.project = q.seq and r.type = any($8::text[])
  union all
  select r.* from members m join records r on r.seq = m.record
   where q.kind = 'collection' and m.collection = q.seq and (r.sid_folded = $6::text or r.uuid = $7::uuid)
     and r.type = any($8::text[])
) s on true
"""
_REPLICATE = "r.type = any($12::text[]) and ($11::text is null or r.props->>'replicate' = $11::text)"
_RESULT_OF_SAMPLE = f"""
join lateral (select r.* from links l join records r on r.seq = l.src
   where l.dst = s.seq and l.src_type = any($12::text[]) and {_REPLICATE}
     and (lower(r.props->>'module') = lower($9::text) or r.uuid = $10::uuid)) a on true
"""
#: Two arms, for two indexes.
_RESULT_OF_PROJECT = f"""
join lateral (select r.* from (
     select * from records r where r.project = p.seq and r.props ? 'module'
       and lower(r.props->>'module') = lower($9::text) and {_REPLICATE}
     union all
     select * from records r where r.uuid = $10::uuid and r.project = p.seq and {_REPLICATE}
       and lower(r.props->>'module') is distinct from lower($9::text)) r
   where not exists (select from links l where l.src = r.seq and l.dst_type = any($8::text[]))) a on true
"""
_FIELD_NAMED = """
join lateral (select r.* from links l join records r on r.seq = l.src
   where l.dst = a.seq and l.src_type = any($15::text[]) and r.type = any($15::text[])
     and (lower(r.props->>'name') = lower($13::text) or r.uuid = $14::uuid)) f on true
"""
_NO_SAMPLE = "left join lateral (select d.* from records d where false) s on true"
#: Where the address names a project ``q`` whose member was found, the row ends with it.
_THROUGH = "q.seq, q.uuid, q.program, '', q.code, q.polly_code, q.title, q.kind, q.mode, q.public_level"


class PgLineages(PgLineageLists, PgLineageResults):
    """Implements ``ports.lineages.LineageReads``."""

    async def of_projects(self, unit: Unit, *, uuid: UUID | None = None, seqs: Sequence[int] = ()) -> list[Lineage]:
        """See the port."""
        return [lineage_of(row) for row in await pg(unit).rows(_kept(_OF_PROJECTS), uuid, list(seqs))]

    async def of_sample(self, unit: Unit, kinds: Kinds, uuid: UUID) -> Lineage | None:
        """See the port."""
        row = await pg(unit).row(_kept(_OF_SAMPLE), [uuid], kinds.sample)
        return None if row is None else lineage_of(row)

    async def of_samples(self, unit: Unit, kinds: Kinds, uuids: Sequence[UUID]) -> list[Lineage]:
        """See the port."""
        return [lineage_of(row) for row in await pg(unit).rows(_OF_SAMPLE, list(uuids), kinds.sample)]

    async def of_result(self, unit: Unit, kinds: Kinds, uuid: UUID) -> Lineage | None:
        """See the port."""
        row = await pg(unit).row(_kept(_OF_RESULT), uuid, kinds.result, kinds.sample)
        return None if row is None else lineage_of(row)

    async def of_field(self, unit: Unit, kinds: Kinds, uuid: UUID) -> Lineage | None:
        """See the port."""
        row = await pg(unit).row(_kept(_OF_FIELD), uuid, kinds.field, kinds.sample, kinds.result)
        return None if row is None else lineage_of(row)

    async def program_by(self, unit: Unit, *, uuid: UUID | None = None, name: str | None = None) -> Program | None:
        """See the port."""
        if name is not None and not _clean(name):
            return None
        row = await pg(unit).row(
            f"select {PROGRAM_LIST} from programs g where {_PROGRAM_NAMED} order by "
            "(g.uuid is not distinct from $2::uuid) desc, (g.title_folded is not distinct from $1::text) desc, "
            "g.updated desc limit 1",
            None if name is None else fold(name),
            uuid if uuid is not None else _uuid(name),
        )
        return None if row is None else program_at(row)

    async def named(self, unit: Unit, kinds: Kinds, address: Address, granted: Scope) -> Lineage | None:
        """See the port."""
        texts = (address.program, address.project, address.sample, address.module, address.replicate, address.field)
        if not all(_clean(text) for text in texts if text is not None) or address.project is None:
            return None
        values: list[Any] = [fold(address.program), _uuid(address.program)]
        values += [address.project, polly_form(address.project), _uuid(address.project)]
        if address.sample is None and address.module is None:
            order = _PROJECT_ORDER.format("p")
            sql = (
                f"select {PROJECT_ROW} from programs g join projects p on p.program = g.seq "
                f"where {_PROGRAM_NAMED} and {_PROJECT_NAMED.format('p')} order by {order} limit 1"
            )
            row = await pg(unit).row(_kept(sql), *values)
            return None if row is None else lineage_of(row)
        sql, more = _named_below(kinds, address, granted)
        row = await pg(unit).row(_kept(sql), *values, *more)
        if row is None:
            return None
        if address.sample is None:
            return lineage_of(row)
        through = project_at((*row[-10:], "", False, {}, None, None, 0, None, None), 0)
        made = lineage_of(row[:-10])
        if through.seq == made.place.seq:
            return made
        return Lineage(made.program, made.project, made.sample, made.result, made.field, made.settings, through)

    async def fields_of(self, unit: Unit, kinds: Kinds, result: int) -> list[Record]:
        """See the port."""
        rows = await pg(unit).rows(
            f"select {record_list('f')} from links l join records f on f.seq = l.src "
            "where l.dst = $1 and l.src_type = any($2::text[]) order by f.seq",
            result,
            kinds.field,
        )
        return [record for row in rows if (record := record_at(row, 0)) is not None]

    async def set_settings(self, unit: Unit, records: Sequence[int], settings: ResultSettings) -> None:
        """See the port."""
        await pg(unit).run(
            "insert into result_settings (record, private, hidden, described_by) select r, $2, $3, $4 "
            "from unnest($1::bigint[]) r on conflict (record) do update set private = excluded.private, "
            "hidden = excluded.hidden, described_by = excluded.described_by",
            list(records),
            settings.private,
            settings.hidden,
            settings.described_by,
        )

    async def set_privacy_below(self, unit: Unit, record: int, *, private: bool) -> None:
        """See the port."""
        await pg(unit).run(
            "with recursive below (record) as (select src from links where dst = $1 "
            "  union select l.src from links l join below b on l.dst = b.record) "
            "insert into result_settings (record, private) select record, $2 from below "
            "on conflict (record) do update set private = excluded.private",
            record,
            private,
        )

    async def metadata_versions(self, unit: Unit, seq: int) -> list[tuple[Any, Any, dict[str, Any]]]:
        """See the port."""
        rows = await pg(unit).rows(
            "select at, coalesce(lead(at) over (order by n), at) as until, after from record_versions "
            "where seq = $1 and after is not null order by n",
            seq,
        )
        return [(row["at"], row["until"], row["after"]) for row in rows]


def _named_below(kinds: Kinds, address: Address, granted: Scope) -> tuple[str, list[Any]]:
    """Return the statement for what lies below a project, and its values from $6 on."""
    values: list[Any] = [None if address.sample is None else fold(address.sample), _uuid(address.sample), kinds.sample]
    if address.sample is not None:
        parts = [
            f"from programs h join projects q on q.program = h.seq {_SAMPLE_NAMED} {_ABOVE.format('s')}",
        ]
        where = f"{_PROGRAM_NAMED.replace('g.', 'h.')} and {_PROJECT_NAMED.format('q')}"
        order = _PROJECT_ORDER.format("q") + ", s.uuid is not distinct from $7::uuid desc, s.updated desc"
    else:
        parts = ["from programs g join projects p on p.program = g.seq"]
        where = f"{_PROGRAM_NAMED} and {_PROJECT_NAMED.format('p')} and $6::text is null and $7::uuid is null"
        order = _PROJECT_ORDER.format("p")
    if address.module is None:
        sql = f"select {SAMPLE_ROW}, {_THROUGH} {parts[0]} where {where} order by {order} limit 1"
        return sql, values
    values += [address.module, _uuid(address.module), address.replicate, kinds.result]
    columns = RESULT_ROW if address.field is None else FIELD_ROW
    if address.sample is None:
        parts += [_NO_SAMPLE, _RESULT_OF_PROJECT]
    else:
        columns = f"{columns}, {_THROUGH}"
        parts.append(_RESULT_OF_SAMPLE)
    if address.field is not None:
        values += [address.field, _uuid(address.field), kinds.field]
        parts.append(_FIELD_NAMED)
    parts.append(_SETTINGS)
    # What the caller may not see comes last, so that it is chosen, and refused, only where there is nothing else.
    inside, more = scope_sql(granted, 6 + len(values))
    order += f", a.uuid is not distinct from $10::uuid desc, (coalesce(x.private, false) and not {inside})"
    order += ", a.updated desc"
    if address.field is not None:
        order += ", f.uuid is not distinct from $14::uuid desc, f.updated desc"
    return f"select {columns} {' '.join(parts)} where {where} order by {order} limit 1", [*values, *more]


def _clean(text: str) -> bool:
    return "\0" not in text and len(text) <= 2_000 and not any("\ud800" <= sign <= "\udfff" for sign in text)


def _uuid(text: str | None) -> UUID | None:
    return UUID(text) if text is not None and is_uuid(text) else None
