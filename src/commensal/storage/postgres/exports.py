"""Exports from PostgreSQL: text that is made by the database and streamed by COPY, in flat memory."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager

import msgspec

from commensal.core.exported import Exported, ExportedLink, ExportShape
from commensal.core.permissions import Scope
from commensal.core.tabular.copied import Cell
from commensal.storage.ports import Unit
from commensal.storage.postgres.database import PgUnit, pg
from commensal.storage.postgres.export_cells import cell_list
from commensal.storage.postgres.export_cells import quoted as _quoted
from commensal.storage.postgres.private_records import any_private
from commensal.storage.postgres.scope import scope_sql

__all__ = ["PgExports"]

#: For one export. It may take an hour, for a slow client holds it up. Rows come from indexes in their order, one by
#: one: a sort would wait for all of them and put them into files, and processes that help with joins take more of the
#: machine than they save.
_SETTINGS = """
select set_config('statement_timeout', '3600s', true), set_config('max_parallel_workers_per_gather', '0', true),
  set_config('enable_sort', 'off', true), set_config('enable_hashjoin', 'off', true)
"""
#: Chunks that wait for a slow client; each is what one read of the connection gave.
_WAITING = 4

#: How the name and uuid of a link's target are found, by the kind of target.
_TARGETS = {
    "record": ("records", "submitter_id"),
    "project": ("projects", "code"),
    "program": ("programs", "code"),
}

#: What stands between the values of a line: a character that JSON text does not hold.
FIELD = "\x1f"
#: What an absent value is: an empty text.
ABSENT = '""'

#: A moment as Python writes it: without a fraction where there is none.
_TIME = (
    "to_char({0} at time zone 'UTC', case when extract(microseconds from {0})::int % 1000000 = 0"
    " then 'YYYY-MM-DD\"T\"HH24:MI:SS' else 'YYYY-MM-DD\"T\"HH24:MI:SS.US' end) || '+00:00'"
)
_COLUMNS = {
    "state": "r.state",
    "created_datetime": _TIME.format("r.created"),
    "updated_datetime": _TIME.format("r.updated"),
    "metadata": "r.extra::text",
}

_BY_IDS = """
select r.uuid::text as id, r.type, r.submitter_id, r.state, r.created, r.updated, r.props,
  r.extra::text as metadata,
  (select json_agg(json_build_array(l.name, coalesce(t.uuid, p.uuid, g.uuid), coalesce(t.submitter_id, p.code, g.code))
     order by l.name collate "C", coalesce(t.uuid, p.uuid, g.uuid))
   from links l left join records t on t.seq = l.dst
   left join projects p on p.seq = l.dst and l.dst_type = 'project'
   left join programs g on g.seq = l.dst and l.dst_type = 'program'
   where l.src = r.seq and l.name not like 'commensal.%')::text as links,
  o.code || '-' || q.code as project_id
  from records r join projects q on q.seq = r.project join programs o on o.seq = q.program
 where r.uuid = any($2::uuid[]) and r.project = $1 and r.type not like 'commensal.%' order by r.uuid
"""

_CHILDREN = """
with recursive below (seq) as (
  select seq from records where uuid = any($2::uuid[]) and project = $1
  union
  select l.src from below b join links l on l.dst = b.seq and l.project = $1 and l.name not like 'commensal.%')
select r.uuid::text as id from below b join records r on r.seq = b.seq limit $3
"""

_links = msgspec.json.Decoder(list[ExportedLink])


def _properties(shape: ExportShape) -> str:
    sql = "r.props"
    if shape.hidden:
        sql = f"({sql} - array[{', '.join(map(_quoted, shape.hidden))}])"
    if shape.columns:
        pairs = ", ".join(f"{_quoted(name)}, {_COLUMNS[name]}" for name in shape.columns)
        sql = f"({sql} || jsonb_strip_nulls(jsonb_build_object({pairs})))"
    return sql


def _joined(project: int, shape: ExportShape, many: Mapping[str, str]) -> str:
    """Return the FROM clause: each link n as ``t<n>`` (its only target) or, for many targets, as ``m<n>``.

    ``many`` gives the columns of the subquery of a link that may have many targets. Records come in the order in
    which they were made, which is that of the ids made here (UUIDv7): it is the order of the primary key.
    """
    parts = [" from records r"]
    for n, link in enumerate(shape.links):
        table, _ = _TARGETS[link.kind]
        where = f"l{n}.src = r.seq and l{n}.name = {_quoted(link.name)}"
        if link.many:
            inner = f"{many[link.name]} from links l{n} join {table} t{n} on t{n}.seq = l{n}.dst where {where}"
            parts.append(f" left join lateral (select {inner}) m{n} on true")
        else:
            parts.append(f" left join links l{n} on {where} left join {table} t{n} on t{n}.seq = l{n}.dst")
    parts.append(f" where r.project = {int(project)} and r.type = {_quoted(shape.type)} order by r.seq")
    return "".join(parts)


def _rows_sql(project: int, shape: ExportShape) -> str:
    columns = ["to_json(r.uuid)", "to_json(r.submitter_id)", _properties(shape)]
    many: dict[str, str] = {}
    for n, link in enumerate(shape.links):
        name = f"t{n}.{_TARGETS[link.kind][1]}"
        if link.many:
            many[link.name] = (
                f"string_agg(t{n}.uuid::text, ',' order by t{n}.uuid) as ids, "
                f"string_agg({name}, ',' order by t{n}.uuid) as names"
            )
            columns += [f"to_json(m{n}.ids)", f"to_json(m{n}.names)"]
        else:
            columns += [f"to_json(t{n}.uuid)", f"to_json({name})"]
    return f"select {', '.join(columns)}{_joined(project, shape, many)}"


def _objects_sql(project: int, project_id: str, shape: ExportShape, *, with_id: bool, keys: Mapping[str, str]) -> str:
    many: dict[str, str] = {}
    links: list[str] = []
    for n, link in enumerate(shape.links):
        key = keys[link.name]
        node = f"""'{{"node_id":"' || t{n}.uuid || '"'"""
        named = f"""'"{key}":' || to_json(t{n}.{_TARGETS[link.kind][1]})"""
        if key == "id":
            one = f"{node} || '}}'"
        elif with_id:
            one = f"{node} || ',' || {named} || '}}'"
        else:
            one = f"'{{' || {named} || '}}'"
        if link.many:
            many[link.name] = f"string_agg({one}, ',' order by t{n}.uuid) as targets"
            one = f"m{n}.targets"
        links.append(f""" || coalesce(',"{link.name}":[' || {one} || ']', '')""")
    head = msgspec.json.encode({"type": shape.type, "project_id": project_id})[:-1].decode().replace("'", "''")
    identity = """ || ',"id":"' || r.uuid || '"'""" if with_id else ""
    rest = f"coalesce(',' || nullif(substr({_properties(shape)}::text, 2), '}}'), '}}')"
    line = f"""'{head},"submitter_id":' || to_json(r.submitter_id){identity}{"".join(links)} || {rest}"""
    return f"select {line}{_joined(project, shape, many)}"


async def _copy(unit: PgUnit, sql: str, queue: asyncio.Queue[bytes | None], delimiter: str, null: str) -> None:
    """Put the lines that a statement gives into a queue, whole lines at a time, and None at the end."""
    rest = b""

    async def take(data: bytes) -> None:
        nonlocal rest
        end = data.rfind(b"\n") + 1
        if not end:
            rest += data
            return
        chunk, rest = rest + data[:end], data[end:]
        await queue.put(chunk)

    unit.sent(sql)
    try:
        await unit.raw.copy_from_query(  # pyright: ignore[reportUnknownMemberType]
            sql, output=take, format="text", delimiter=delimiter, null=null
        )
        if rest:
            await queue.put(rest)
    finally:
        await queue.put(None)


async def _chunks(
    queue: asyncio.Queue[bytes | None], task: asyncio.Task[None], *, json: bool
) -> AsyncGenerator[bytes, None]:
    while (chunk := await queue.get()) is not None:
        # COPY doubles every backslash; JSON text holds no other character that it escapes.
        yield chunk.replace(b"\\\\", b"\\") if json and b"\\" in chunk else chunk
    await task


@asynccontextmanager
async def _streamed(unit: PgUnit, sql: str, *, json: bool = True) -> AsyncGenerator[AsyncGenerator[bytes, None]]:
    await unit.run(_SETTINGS)
    queue: asyncio.Queue[bytes | None] = asyncio.Queue(_WAITING)
    marks = (FIELD, ABSENT) if json else ("\t", "")
    task = asyncio.create_task(_copy(unit, sql, queue, *marks))
    chunks = _chunks(queue, task, json=json)
    try:
        yield chunks
    finally:
        await chunks.aclose()
        if not task.done():
            task.cancel()
            while not task.done():
                with contextlib.suppress(asyncio.QueueEmpty):
                    queue.get_nowait()
                await asyncio.wait([task], timeout=0.05)
        with contextlib.suppress(asyncio.CancelledError):
            await task


class PgExports:
    """Implements ``ports.exports.ExportStore``."""

    @asynccontextmanager
    async def rows(self, unit: Unit, project: int, shape: ExportShape) -> AsyncGenerator[AsyncGenerator[bytes, None]]:
        """See the port."""
        async with _streamed(pg(unit), _rows_sql(project, shape)) as chunks:
            yield chunks

    @asynccontextmanager
    async def cells(
        self, unit: Unit, project: int, shape: ExportShape, cells: Sequence[Cell]
    ) -> AsyncGenerator[AsyncGenerator[bytes, None]]:
        """See the port."""
        columns, many = cell_list(cells, shape, _COLUMNS, _TARGETS)
        sql = f"select {', '.join(columns)}{_joined(project, shape, many)}"
        async with _streamed(pg(unit), sql, json=False) as chunks:
            yield chunks

    @asynccontextmanager
    async def objects(
        self, unit: Unit, project: int, project_id: str, shape: ExportShape, *, with_id: bool, keys: Mapping[str, str]
    ) -> AsyncGenerator[AsyncGenerator[bytes, None]]:
        """See the port."""
        sql = _objects_sql(project, project_id, shape, with_id=with_id, keys=keys)
        async with _streamed(pg(unit), sql) as chunks:
            yield chunks

    async def by_ids(self, unit: Unit, project: int, ids: Sequence[str]) -> list[Exported]:
        """See the port."""
        return [
            Exported(
                row["id"],
                row["type"],
                row["submitter_id"],
                row["state"],
                row["created"],
                row["updated"],
                row["props"],
                row["metadata"],
                _links.decode(row["links"] or "[]"),
                row["project_id"],
            )
            for row in await pg(unit).rows(_BY_IDS, project, ids)
        ]

    async def with_children(self, unit: Unit, project: int, ids: Sequence[str], limit: int) -> list[str]:
        """See the port."""
        return [row["id"] for row in await pg(unit).rows(_CHILDREN, project, ids, limit)]

    async def any_private(self, unit: Unit, project: int) -> bool:
        """See the port."""
        return await any_private(unit, project)

    async def counts(self, unit: Unit, scope: Scope, types: Sequence[str]) -> list[tuple[str, str, int]]:
        """See the port."""
        where, values = scope_sql(scope, 2)
        rows = await pg(unit).rows(
            "select g.code || '-' || p.code as project_id, w.type, coalesce(c.n, 0) as n"  # noqa: S608 - fixed text
            " from projects p join programs g on g.seq = p.program cross join unnest($1::text[]) as w (type)"
            f" left join counters c on c.project = p.seq and c.type = w.type where {where} and p.kind <> 'collection'"
            " order by 1, 2",
            types,
            *values,
        )
        return [(row["project_id"], row["type"], row["n"]) for row in rows]
