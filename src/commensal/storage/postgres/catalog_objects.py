"""Members of collections, and catalog objects, in PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from commensal.core.catalog import MemberRecord, ObjectVersion
from commensal.core.ids import is_uuid
from commensal.core.names import fold
from commensal.core.permissions import Scope
from commensal.core.projects import CatalogObject, Project
from commensal.storage.ports import Unit
from commensal.storage.ports.catalog import Ref
from commensal.storage.postgres.catalog import PROJECT_SELECT, project_of
from commensal.storage.postgres.database import pg, still_there
from commensal.storage.postgres.scope import scope_sql

__all__ = ["OBJECT_LIST", "PgCollectionStore", "PgObjectStore", "object_at"]

OBJECT_LIST = "o.seq, o.uuid, o.program, o.kind, o.name, o.body, o.version, o.made_by, o.created, o.updated"
_OBJECT = f"select {OBJECT_LIST} "


class PgCollectionStore:
    """See ``ports.catalog.CollectionStore``."""

    async def readable(self, unit: Unit, records: Sequence[int], scope: Scope) -> dict[int, tuple[int, str]]:
        """Return (project, type) of those records that are inside the scope."""
        condition, values = scope_sql(scope, 2)
        rows = await pg(unit).rows(
            "select r.seq, r.project, r.type from records r join projects p on p.seq = r.project "  # noqa: S608
            f"where r.seq = any($1::bigint[]) and {condition}",
            list(records),
            *values,
        )
        return {row["seq"]: (row["project"], row["type"]) for row in rows}

    async def add(
        self,
        unit: Unit,
        collection: int,
        records: Mapping[int, tuple[int, str]],
        *,
        added_by: int | None,
        added: datetime,
    ) -> int:
        """Add members."""
        order = sorted(records)
        return await pg(unit).run(
            "insert into members (collection, record, record_project, record_type, added_by, added) "
            "select $1, r, p, t, $5, $6 from unnest($2::bigint[], $3::bigint[], $4::text[]) x(r, p, t) "
            "on conflict do nothing",
            collection,
            order,
            [records[number][0] for number in order],
            [records[number][1] for number in order],
            added_by,
            added,
        )

    async def remove(self, unit: Unit, collection: int, records: Sequence[int]) -> int:
        """Remove members."""
        return await pg(unit).run(
            "delete from members where collection = $1 and record = any($2::bigint[])", collection, list(records)
        )

    async def list(
        self, unit: Unit, collection: int, scope: Scope, *, types: Sequence[str] | None, offset: int, limit: int
    ) -> tuple[list[MemberRecord], int]:
        """Return the members inside the scope, with their total."""
        condition, values = scope_sql(scope, 5)
        # The project of a member is read from the record, not from the member row: records move.
        rows = await pg(unit).rows(
            "with hit as (select r.seq, r.uuid, r.project, r.type, r.submitter_id, r.label, m.added "  # noqa: S608
            "from members m join records r on r.seq = m.record join projects p on p.seq = r.project "
            f"where m.collection = $1 and ($2::text[] is null or r.type = any($2)) and {condition}) "
            "select t.total, h.* from (select count(*) as total from hit) t "
            "left join (select * from hit order by seq offset $3 limit $4) h on true order by h.seq",
            collection,
            None if types is None else list(types),
            offset,
            limit,
            *values,
        )
        found = [
            MemberRecord(
                seq=row["seq"],
                uuid=row["uuid"],
                project=row["project"],
                type=row["type"],
                submitter_id=row["submitter_id"],
                label=row["label"],
                added=row["added"],
            )
            for row in rows
            if row["seq"] is not None
        ]
        return found, rows[0]["total"]

    async def of_record(self, unit: Unit, record: int, scope: Scope) -> list[Project]:
        """Return the collections inside the scope that have this record."""
        condition, values = scope_sql(scope, 2)
        rows = await pg(unit).rows(
            PROJECT_SELECT + "join members m on m.collection = p.seq "
            f"where m.record = $1 and p.kind = 'collection' and {condition} order by p.seq",
            record,
            *values,
        )
        return [project_of(row) for row in rows]


def object_at(row: asyncpg.Record) -> CatalogObject:
    """Return the object in a row with ``OBJECT_LIST``."""
    return CatalogObject(
        seq=row["seq"],
        uuid=row["uuid"],
        program=row["program"],
        kind=row["kind"],
        name=row["name"],
        body=row["body"],
        version=row["version"],
        made_by=row["made_by"],
        created=row["created"],
        updated=row["updated"],
    )


def _program_sql(scope: Scope, first: int, program: str) -> tuple[str, list[object]]:
    """Return the condition that a scope covers a program itself, or any project in it."""
    inside, values = scope_sql(scope, first)
    ways = [f"exists (select from projects p where p.program = {program} and {inside})"]
    limit = "true"
    if scope.only_program is not None:
        values.append(scope.only_program)
        limit = f"{program} = ${first + len(values) - 1}::bigint"
    if scope.everything:
        ways.append("true")
    elif scope.programs:
        values.append(sorted(scope.programs))
        ways.append(f"{program} = any(${first + len(values) - 1}::bigint[])")
    return f"({limit} and ({' or '.join(ways)}))", values


class PgObjectStore:
    """See ``ports.catalog.ObjectStore``."""

    async def find(self, unit: Unit, ref: Ref, *, lock: bool = False) -> CatalogObject | None:
        """Return an object by uuid or number."""
        held = " for no key update" if lock else ""
        if isinstance(ref, str) and is_uuid(ref):
            ref = UUID(ref)
        if isinstance(ref, UUID):
            row = await pg(unit).row(_OBJECT + "from catalog_objects o where o.uuid = $1" + held, ref)
        elif (number := _seq(ref)) is not None:
            row = await pg(unit).row(_OBJECT + "from catalog_objects o where o.seq = $1" + held, number)
        else:
            row = None
        return None if row is None else object_at(row)

    async def named(
        self, unit: Unit, program: int | None, kind: str, name_folded: str, *, lock: bool = False
    ) -> CatalogObject | None:
        """Return an object by kind and name."""
        row = await pg(unit).row(
            _OBJECT + "from catalog_objects o where o.program is not distinct from $1 and o.kind = $2 "
            "and o.name_folded = $3" + (" for no key update" if lock else ""),
            program,
            kind,
            name_folded,
        )
        return None if row is None else object_at(row)

    async def many(self, unit: Unit, scope: Scope, seqs: Sequence[int], *, site: bool) -> list[CatalogObject]:
        """Return the readable objects among these numbers."""
        readable, values = _program_sql(scope, 3, "o.program")
        rows = await pg(unit).rows(
            _OBJECT + "from catalog_objects o where o.seq = any($1::bigint[]) and "
            f"((o.program is null and $2) or (o.program is not null and {readable})) order by o.seq",
            list(seqs),
            site,
            *values,
        )
        return [object_at(row) for row in rows]

    async def add(
        self,
        unit: Unit,
        *,
        uuid: UUID,
        program: int | None,
        kind: str,
        name: str,
        name_folded: str,
        body: Mapping[str, Any],
        made_by: int | None,
        at: datetime,
    ) -> CatalogObject | None:
        """Make an object in version 1."""
        with still_there("program"):
            row = await pg(unit).row(
                "with o as (insert into catalog_objects (uuid, program, kind, name, name_folded, body, made_by, "  # noqa: S608
                "created, updated) values ($1, $2, $3, $4, $5, $6, $7, $8, $8) on conflict do nothing returning *), "
                "v as (insert into catalog_object_versions (seq, version, name, body, who, at) "
                "select seq, version, name, body, $7, $8 from o) " + _OBJECT + "from o",
                uuid,
                program,
                kind,
                name,
                name_folded,
                body,
                made_by,
                at,
            )
        return None if row is None else object_at(row)

    async def update(
        self,
        unit: Unit,
        seq: int,
        *,
        name: str,
        name_folded: str,
        body: Mapping[str, Any],
        who: int | None,
        at: datetime,
    ) -> CatalogObject | None:
        """Write the next version."""
        p = pg(unit)
        try:
            # A savepoint: the transaction goes on when the name is taken.
            async with p.raw.transaction():
                row = await p.row(
                    "with o as (update catalog_objects set name = $2, name_folded = $3, body = $4, "  # noqa: S608
                    "version = version + 1, updated = $6 where seq = $1 returning *), "
                    "v as (insert into catalog_object_versions (seq, version, name, body, who, at) "
                    "select seq, version, name, body, $5, $6 from o) " + _OBJECT + "from o",
                    seq,
                    name,
                    name_folded,
                    body,
                    who,
                    at,
                )
        except asyncpg.UniqueViolationError:
            return None
        return None if row is None else object_at(row)

    async def delete(self, unit: Unit, seq: int) -> None:
        """Remove an object; its versions go with it."""
        await pg(unit).run("delete from catalog_objects where seq = $1", seq)

    async def list(
        self,
        unit: Unit,
        scope: Scope,
        *,
        site: bool,
        kind: str | None,
        program: int | None,
        search: str,
        offset: int,
        limit: int,
    ) -> tuple[list[CatalogObject], int]:
        """Return the readable objects by name, with their total."""
        readable, values = _program_sql(scope, 7, "o.program")
        rows = await pg(unit).rows(
            "with hit as (select o.* from catalog_objects o where "  # noqa: S608 - our own text
            f"((o.program is null and $1) or (o.program is not null and {readable})) "
            "and ($2::text is null or o.kind = $2) and ($3::bigint is null or o.program = $3) "
            "and ($4 = '' or strpos(o.name_folded, $4) > 0)) "
            "select t.total, h.* from (select count(*) as total from hit) t left join "
            '(select * from hit order by kind collate "C", name collate "C", seq offset $5 limit $6) h on true '
            'order by h.kind collate "C", h.name collate "C", h.seq',
            site,
            kind,
            program,
            fold(search.replace("\0", "")),
            offset,
            limit,
            *values,
        )
        return [object_at(row) for row in rows if row["seq"] is not None], rows[0]["total"]

    async def program_readable(self, unit: Unit, program: int, scope: Scope) -> bool:
        """Tell whether the scope covers a program, or any project in it."""
        readable, values = _program_sql(scope, 2, "$1::bigint")
        return bool(await pg(unit).value(f"select {readable}", program, *values))

    async def versions(self, unit: Unit, seq: int) -> list[ObjectVersion]:
        """Return all versions, newest first."""
        rows = await pg(unit).rows(
            "select version, name, body, who, at from catalog_object_versions where seq = $1 order by version desc", seq
        )
        return [ObjectVersion(row["version"], row["name"], row["body"], row["who"], row["at"]) for row in rows]


def _seq(ref: str | int) -> int | None:
    if isinstance(ref, str):
        if not (ref.isascii() and ref.isdigit()):
            return None
        ref = int(ref[:20])
    return ref if 0 <= ref < 1 << 63 else None
