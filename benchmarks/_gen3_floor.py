"""The floor of the Gen3 benchmark: the least work over HTTP that gives the same answers, in a process of its own.

Starlette on one uvicorn worker, asyncpg, the same database. It writes the same rows into the same tables and reads the
same rows with statements written for this one dictionary. It knows who calls and what is sent: no rights, no audit of
reads, no validation, no look-ups.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import asyncpg
import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from benchmarks._gen3_data import PROGRAM, dictionary
from benchmarks.graphql import QUERIES
from commensal.core.ids import uuid7_texts
from commensal.core.records import Target, Write
from commensal.storage.ports.records import Stamp
from commensal.storage.postgres.database import PgUnit
from commensal.storage.postgres.record_rows import (
    LINK_COLUMNS,
    RECORD_COLUMNS,
    VERSION_COLUMNS,
    first_version_rows,
    link_rows,
    record_rows,
    snapshot,
)
from commensal.storage.postgres.record_writes import copy_binary

__all__ = ["main"]

#: As the service's. Helpers of a backend are gone before their CPU time can be read, and save nothing on two cores.
_SETTINGS = {"jit": "off", "max_parallel_workers_per_gather": "0"}
_COLUMNS = "project, type, seq, uuid, submitter_id, sid_folded, state, props, change, created, updated"
#: One record with all that goes with it, in one statement; what is not in a table already comes as values.
_ONE = f"""
with numbered as (select nextval('commensal_seq') as seq),
counted as (insert into counters (project, type, n, change) values ($1, $2, 1, 1) on conflict (project, type)
  do update set n = counters.n + 1, change = counters.change + 1 returning change),
logged as (insert into transactions (program, project, project_seq, role, state, submitter_name, door)
  values ('{PROGRAM}', 'FLOOR', $1, 'update', 'SUCCEEDED', 'x', 'gen3') returning id),
document as (insert into transaction_documents (transaction, doc_format, doc, response)
  select id, 'json', $3, $4::text::json from logged),
made as (insert into records ({_COLUMNS})
  select $1, $2, seq, $5, $6, $6, 'validated', $7::text::jsonb, change, $8, $8 from numbered, counted),
linked as (insert into links (project, src, src_type, name, dst_project, dst, dst_type)
  select $1, seq, $2, $9, $1, $10::bigint, $11 from numbered),
version as (insert into record_versions (project, seq, n, type, door, transaction, action, at, after)
  select $1, seq, 1, $2, 'gen3', id, 'create', $8, $12::text::json from numbered, logged),
told as (insert into audit_events (who_label, door, route, address, request_id, action, target, result)
  values ('x', 'gen3', '', '', '', 'records.submit', '{PROGRAM}-FLOOR', 'ok'))
select id from logged
"""


@dataclass
class _Far:
    """The two ends of links that are written here: experiments of cases, cases of samples."""

    link: str
    type: str


_LINKS = {"case": _Far("experiments", "experiment"), "sample": _Far("cases", "case")}


class Floor:
    """The app's state: a pool, the project that is written to, and where its links point."""

    def __init__(self, pool: asyncpg.Pool, places: dict[str, int]) -> None:
        self.pool = pool
        self.places = places
        self.project = places["FLOOR"]
        self.known: dict[str, tuple[int, str]] = {}
        properties = dictionary()["sample"]["properties"]
        self.columns = [name for name in sorted(properties) if name not in _OUTSIDE]
        self.queries = {
            msgspec.json.encode({"query": query, "variables": {}}): (self._placed(sql), columns)
            for query, sql, columns, _ in QUERIES.values()
        }

    def _placed(self, sql: str) -> str:
        for code, number in self.places.items():
            sql = sql.replace("{" + code + "}", str(number))
        return sql

    # --- writing ----------------------------------------------------------------------------------

    def _write(self, document: dict[str, Any], seq: int, uuid: str) -> tuple[Write, Target]:
        far = _LINKS[document["type"]]
        name = document["submitter_id"]
        number, key = self.known[document[far.link]["submitter_id"]]
        write = Write(seq, uuid, document["type"], self.project, name)
        write.props = {key: value for key, value in document.items() if key not in ("type", "submitter_id", far.link)}
        write.extra, write.label, write.state, write.version = {}, None, "validated", 1
        target = Target(self.project, key, far.type, number)
        write.added = [(far.link, target)]
        write.links = {far.link: [target]}
        self.known[name] = (seq, uuid)
        return write, target

    async def submit(self, request: Request) -> Response:
        """Write a batch and answer with an entry for each record."""
        body = await request.body()
        if request.headers["content-type"] == "application/json":
            documents = msgspec.json.decode(body)
        else:
            documents = _documents(body.decode())
        now = datetime.now(UTC)
        uuids = uuid7_texts(int(time.time() * 1000), len(documents) if isinstance(documents, list) else 1)
        if isinstance(documents, dict):
            return await self._one(documents, body.decode(), uuids[0], now)
        entities = [
            {"valid": True, "action": "create", "type": document["type"], "id": uuid, "errors": [], "warnings": [],
             "unique_keys": [{"project_id": f"{PROGRAM}-FLOOR", "submitter_id": document["submitter_id"]}]}
            for document, uuid in zip(documents, uuids, strict=True)
        ]  # fmt: skip
        async with self.pool.acquire() as connection, connection.transaction():
            unit = PgUnit(connection)
            count, kind = len(documents), documents[0]["type"]
            row = await unit.row(
                "with logged as (insert into transactions (program, project, project_seq, role, state, submitter_name, "
                f"door) values ('{PROGRAM}', 'FLOOR', $1, 'update', 'SUCCEEDED', 'x', 'gen3') returning id), "
                "counted as (insert into counters (project, type, n, change) values ($1, $2, $3, 1) on conflict "
                "(project, type) do update set n = counters.n + excluded.n, change = counters.change + 1 "
                "returning change), numbers as (select nextval('commensal_seq') as v from generate_series(1, $3)) "
                "select (select id from logged) as id, (select change from counted) as change, "
                "(select min(v) from numbers) as first",
                *(self.project, kind, count),
            )
            assert row is not None
            stamp = Stamp(self.project, None, "gen3", now, row["id"], {kind: row["change"]})
            numbered = zip(documents, uuids, range(row["first"], row["first"] + count), strict=True)
            writes = [self._write(document, seq, uuid)[0] for document, uuid, seq in numbered]
            records, texts = record_rows(stamp, writes)
            await copy_binary(unit, "records", RECORD_COLUMNS, [records])
            await copy_binary(unit, "links", LINK_COLUMNS, [link_rows(stamp, writes)])
            await copy_binary(unit, "record_versions", VERSION_COLUMNS, [first_version_rows(stamp, writes, texts)])
            answer = msgspec.json.encode({"transaction_id": row["id"], "success": True, "entities": entities})
            await unit.run(
                "with told as (insert into audit_events (who_label, door, route, address, request_id, action, target, "
                f"result) values ('x', 'gen3', '', '', '', 'records.submit', '{PROGRAM}-FLOOR', 'ok')) "
                "insert into transaction_documents (transaction, doc_format, doc, response) "
                "values ($1, 'json', $2, $3::text::json)",
                *(row["id"], body.decode(), answer.decode()),
            )
        return Response(answer, media_type="application/json")

    async def _one(self, document: dict[str, Any], text: str, uuid: str, now: datetime) -> Response:
        write, target = self._write(document, 0, uuid)
        far = _LINKS[write.type]
        answer = msgspec.json.encode(
            {"success": True, "entities": [{"id": uuid, "type": write.type, "action": "create"}]}
        )
        async with self.pool.acquire() as connection:
            await connection.fetchval(
                _ONE, self.project, write.type, text, answer.decode(), uuid, write.submitter_id,
                msgspec.json.encode(write.props).decode(), now, far.link, target.seq, target.type,
                snapshot(write).decode(),
            )  # fmt: skip
        return Response(answer, media_type="application/json")

    # --- reading ----------------------------------------------------------------------------------

    async def learn(self, _: Request) -> Response:
        """Take up the ends of links, as a service would find them by a look-up."""
        async with self.pool.acquire() as connection:
            rows = await connection.fetch(
                "select seq, uuid::text as uuid, submitter_id from records where project = $1", self.project
            )
        self.known = {row["submitter_id"]: (row["seq"], row["uuid"]) for row in rows}
        return Response(b"")

    async def export(self, request: Request) -> Response:
        """Stream the samples of a project with all their columns: rows by COPY, made by the database."""
        place = self.places[request.path_params["project"]]
        source = (
            "from records r left join links l on l.src = r.seq and l.name = 'cases' left join records t on "
            f"t.seq = l.dst where r.project = {place} and r.type = 'sample' order by r.seq"
        )
        if request.path_params["format"] == "tsv":
            values = ", ".join(f"r.props ->> '{name}'" for name in self.columns)
            project = f"'{PROGRAM}-{request.path_params['project']}'"
            sql = f"select 'sample', r.uuid, {project}, r.submitter_id, {values}, t.uuid, t.submitter_id {source}"
        else:
            head = f'{{"type":"sample","project_id":"{PROGRAM}","submitter_id":'
            link = """ || ',"id":"' || r.uuid || '","cases":[{"node_id":"' || t.uuid || '","submitter_id":' || """
            rest = "to_json(t.submitter_id) || '}],' || substr(r.props::text, 2)"
            sql = f"select '{head}' || to_json(r.submitter_id){link}{rest} {source}"
        return StreamingResponse(self._copied(sql), media_type="application/octet-stream")

    async def _copied(self, sql: str) -> AsyncGenerator[bytes, None]:
        import asyncio

        queue: asyncio.Queue[bytes | None] = asyncio.Queue(4)
        async with self.pool.acquire() as connection:

            async def copy() -> None:
                await connection.copy_from_query(sql, output=lambda data: queue.put(bytes(data)))
                await queue.put(None)

            task = asyncio.create_task(copy())
            while (chunk := await queue.get()) is not None:
                yield chunk
            await task

    async def graphql(self, request: Request) -> Response:
        """Answer one of the known queries."""
        sql, columns = self.queries[await request.body()]
        async with self.pool.acquire() as connection:
            if columns:
                rows = await connection.fetch(sql)
                answer: Any = [dict(zip(columns, row, strict=False)) for row in rows]
            else:
                answer = await connection.fetchval(sql)
        return Response(msgspec.json.encode({"data": answer}), media_type="application/json")


_OUTSIDE = frozenset(
    ("id", "type", "submitter_id", "project_id", "state", "created_datetime", "updated_datetime", "cases")
)


def _documents(text: str) -> list[dict[str, Any]]:
    head, *lines = text.splitlines()
    names = head.split("\t")
    made: list[dict[str, Any]] = []
    for line in lines:
        row: dict[str, Any] = dict(zip(names, line.split("\t"), strict=True))
        link = _LINKS[row["type"]].link
        row[link] = {"submitter_id": row.pop(f"{link}.submitter_id")}
        made.append(row)
    return made


def _app(dsn: str) -> Starlette:
    held: list[Floor] = []

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        async with asyncpg.create_pool(dsn, min_size=1, max_size=10, server_settings=_SETTINGS) as pool:
            rows = await pool.fetch("select code, seq from projects")
            held.append(Floor(pool, {row["code"]: row["seq"] for row in rows}))
            yield

    def route(path: str, name: str, method: str) -> Route:
        async def call(request: Request) -> Response:
            return await getattr(held[0], name)(request)

        return Route(path, call, methods=[method])

    return Starlette(
        routes=[
            route("/submit", "submit", "PUT"),
            route("/learn", "learn", "POST"),
            route("/export/{project}/{format}", "export", "GET"),
            route("/graphql", "graphql", "POST"),
        ],
        lifespan=lifespan,
    )


def main(dsn: str, port: int) -> None:
    """Serve until killed."""
    from commensal.server.collector import calm_collector

    calm_collector()
    uvicorn.run(
        _app(dsn), host="127.0.0.1", port=port, access_log=False, log_level="warning", loop="uvloop",
        timeout_keep_alive=75,
    )  # fmt: skip


if __name__ == "__main__":
    import sys

    main(sys.argv[1], int(sys.argv[2]))
