"""The floor of the index benchmark: the least work over HTTP that gives the same answers, in a process of its own.

Starlette on one uvicorn worker, asyncpg, the same tables and indexes. It knows who calls and what is sent: no rights,
no audit of reads, no validation.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

__all__ = ["main"]

_COLUMNS = (
    "f.uuid, f.name, f.size, f.md5, f.sha256, f.blob, f.change, f.created, f.updated, f.did_prefix, f.baseid, "
    "f.version, f.uploader, f.urls, f.urls_metadata, f.acl, f.authz, f.hashes, f.metadata, f.description, "
    "f.content_created, f.content_updated"
)
_GET = f"select {_COLUMNS} from files f where f.uuid = $1"
_BULK = f"select {_COLUMNS} from files f where f.uuid = any($1)"
#: One record with all that goes with it, in one statement.
_CREATE = """
with counted as (insert into counters (project, type, n, change) values ($1, 'commensal.file', 0, 1)
  on conflict (project, type) do update set change = counters.change + 1 returning change),
told as (insert into audit_events (who_label, door, route, address, request_id, action, target, result)
  values ('x', 'gen3', '', '', '', 'index.add', $2::uuid::text, 'ok')),
numbered as (select nextval('commensal_seq') as seq)
insert into files (seq, uuid, project, path, name, size, md5, state, change, baseid, urls, acl, metadata)
select seq, $2::uuid, $1, 'GSF' || seq || '/' || $3::text, $3, $4, $5, 'registered', change, $6, $7, $8, $9::text::jsonb
from numbered, counted
"""


def _shown(row: asyncpg.Record) -> dict[str, Any]:
    urls = row["urls"] or []
    return {
        "did": str(row["uuid"]),
        "baseid": row["baseid"],
        "rev": f"{row['change']:08x}",
        "size": row["size"],
        "file_name": row["name"],
        "version": row["version"],
        "uploader": row["uploader"],
        "urls": urls,
        "urls_metadata": {url: {} for url in urls},
        "acl": row["acl"],
        "authz": ["/programs/LAB/projects/FLOOR"],
        "hashes": {"md5": row["md5"].hex()},
        "metadata": msgspec.Raw(row["metadata"].encode()),
        "form": "object",
        "created_date": row["created"].isoformat(),
        "updated_date": row["updated"].isoformat(),
        "description": row["description"],
        "content_created_date": row["content_created"],
        "content_updated_date": row["content_updated"],
    }


def _app(dsn: str) -> Starlette:
    held: list[Any] = []

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        async with asyncpg.create_pool(dsn, min_size=1, max_size=10, server_settings={"jit": "off"}) as pool:
            held[:] = [pool, await pool.fetchval("select seq from projects where code = 'FLOOR'")]
            yield

    def answer(value: Any) -> Response:
        return Response(msgspec.json.encode(value), media_type="application/json")

    async def get(request: Request) -> Response:
        async with held[0].acquire() as connection:
            return answer(_shown(await connection.fetchrow(_GET, UUID(request.path_params["did"]))))

    async def bulk(request: Request) -> Response:
        dids = [UUID(did) for did in msgspec.json.decode(await request.body())]
        async with held[0].acquire() as connection:
            rows = await connection.fetch(_BULK, dids)
        return answer([_shown(row) for row in rows])

    async def create(request: Request) -> Response:
        body = msgspec.json.decode(await request.body())
        did, baseid = uuid4(), str(uuid4())
        async with held[0].acquire() as connection:
            await connection.execute(
                _CREATE, held[1], did, body["file_name"], body["size"], bytes.fromhex(body["hashes"]["md5"]), baseid,
                body["urls"], body["acl"], msgspec.json.encode(body["metadata"]).decode(),
            )  # fmt: skip
        return answer({"did": str(did), "baseid": baseid, "rev": "00000001"})

    return Starlette(
        routes=[
            Route("/index/index/{did}", get),
            Route("/index/bulk/documents", bulk, methods=["POST"]),
            Route("/index/index", create, methods=["POST"]),
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
