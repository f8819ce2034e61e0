"""A small HTTP server that speaks the Gen3 wire as contracts/gen3.md 3.1, 4 and 5.1 write it down.

It keeps records by (type, submitter_id) in memory and can be told to misbehave as networks and busy servers do:
``plan`` holds, for the next requests of a path's end, what to answer instead.
"""

from __future__ import annotations

import base64
import csv
import io
import json
import threading
import time
import uuid
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

SUBMISSION = "/api/v0/submission"
DENIED = "You don't have access to this resource: user is unauthorized"


def token(issuer: str, purpose: str, *, begin: float, seconds: float) -> str:
    """A token of real JWT shape; its signature is a number that makes it unique."""

    def part(value: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    claims = {"pur": purpose, "iss": issuer, "sub": "7", "iat": int(begin), "exp": int(begin + seconds)}
    return f"{part({'alg': 'RS256', 'kid': 'k'})}.{part(claims)}.{uuid.uuid4().hex}"


class WireServer:
    """Use as a context manager. ``seen`` lists (method, path with query, headers, body) of every request."""

    def __init__(self) -> None:
        self.records: dict[tuple[str, str], dict[str, Any]] = {}
        self.projects: dict[str, list[str]] = {"KIDNEY": ["PILOT"]}
        self.seen: list[tuple[str, str, dict[str, str], bytes]] = []
        self.plan: list[tuple[str, Callable[[Any], bool]]] = []
        self.valid: set[str] = set()
        self.token_seconds = 1800.0
        self.most_rows: int | None = None
        self.transactions = 10
        handler = type("Handler", (_Handler,), {"wire": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.api_key = token(f"{self.url}/user", "api_key", begin=time.time(), seconds=30 * 86400)

    def __enter__(self) -> WireServer:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def asked(self, end: str) -> list[tuple[str, str, dict[str, str], bytes]]:
        return [one for one in self.seen if urlsplit(one[1]).path.endswith(end)]

    def next(self, end: str, answer: Callable[[Any], bool], times: int = 1) -> None:
        """Let ``answer(handler)`` meet the next requests of a path; True means it has answered."""
        self.plan += [(end, answer)] * times


def status(code: int, body: Any = None, **headers: str) -> Callable[[Any], bool]:
    def answer(handler: Any) -> bool:
        handler.send(code, {"message": f"status {code}"} if body is None else body, headers)
        return True

    return answer


def hang_up(handler: Any) -> bool:
    """Close the connection after the request was read, without an answer."""
    handler.close_connection = True
    handler.connection.close()
    return True


class _Handler(BaseHTTPRequestHandler):
    wire: WireServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None: ...

    def send(self, code: int, body: Any, headers: dict[str, str] | None = None) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(code)
        for name, value in (headers or {}).items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _any(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        self.wire.seen.append((self.command, self.path, dict(self.headers.items()), body))
        path = urlsplit(self.path).path
        for n, (end, answer) in enumerate(self.wire.plan):
            if path.endswith(end):
                del self.wire.plan[n]
                if answer(self):
                    return
                break
        if path == "/user/credentials/cdis/access_token":
            self._access_token(json.loads(body))
        elif path.startswith(SUBMISSION):
            self._submission([unquote(p) for p in path[len(SUBMISSION) :].split("/") if p], body)
        else:
            self.send(404, {"message": "not here"})

    do_GET = do_POST = do_PUT = do_DELETE = _any

    def _access_token(self, body: dict[str, Any]) -> None:
        if body.get("api_key") != self.wire.api_key:
            self.send(401, b"<html><p>Signature verification failed</p></html>")
            return
        made = token(f"{self.wire.url}/user", "access", begin=time.time(), seconds=self.wire.token_seconds)
        self.wire.valid.add(made)
        self.send(200, {"access_token": made})

    def _submission(self, parts: list[str], body: bytes) -> None:
        kind, _, given = self.headers.get("authorization", "").partition(" ")
        known = kind.lower() == "bearer" and given in self.wire.valid
        if parts[:1] == ["graphql"]:
            if not known:
                self.send(401, {"message": "Authentication Error: Signature has expired"})
                return
            self._graphql(json.loads(body))
        elif not parts:
            self.send(200, {"links": [f"/v0/submission/{name}" for name in self.wire.projects]})
        elif parts[0] not in self.wire.projects:
            self.send(404, {"message": f"program {parts[0]} not found"})
        elif not known:
            self.send(403, {"message": DENIED})
        elif len(parts) == 1:
            names = self.wire.projects[parts[0]]
            self.send(200, {"links": [f"/v0/submission/{parts[0]}/{name}" for name in names]})
        elif parts[2:] == ["export"]:
            self._export(body)
        else:
            self._write(f"{parts[0]}-{parts[1]}", body, dry=parts[2:] == ["_dry_run"])

    def _graphql(self, body: dict[str, Any]) -> None:
        if "nope" in body["query"]:
            self.send(400, {"data": None, "errors": ['Cannot query field "nope" on type "Root".']})
            return
        rows = [{"id": r["id"], "submitter_id": r["submitter_id"]} for r in self.wire.records.values()]
        first, offset = (
            int(body["query"].split(f"{key}: ")[1].split(",")[0].split(")")[0]) for key in ("first", "offset")
        )
        self.send(200, {"data": {"sample": sorted(rows, key=lambda r: r["id"])[offset : offset + first]}})

    def _export(self, body: bytes) -> None:
        query = {key: values[0] for key, values in parse_qs(urlsplit(self.path).query).items()} or json.loads(body)
        rows = sorted(self.wire.records.values(), key=lambda r: r["id"])
        if "ids" in query:
            rows = [row for row in rows if row["id"] in query["ids"].split(",")]
        head = "type\tid\tproject_id\tsubmitter_id\ttissue\n"
        text = head + "".join(
            "\t".join(str(row.get(k) or "") for k in ("type", "id", "project_id", "submitter_id", "tissue")) + "\n"
            for row in rows
        )
        self.send(200, text.encode(), {"Content-Disposition": "attachment; filename=sample.tsv"})

    def _write(self, project: str, body: bytes, *, dry: bool) -> None:
        media = self.headers.get("content-type", "")
        if media in ("text/tab-separated-values", "text/csv"):
            reader = csv.DictReader(io.StringIO(body.decode()), delimiter="\t" if "tab" in media else ",")
            documents: list[dict[str, Any]] = [dict(row) for row in reader if row.get("type")]
        else:
            parsed = json.loads(body)
            documents = parsed if isinstance(parsed, list) else [parsed]
        if self.wire.most_rows is not None and len(documents) > self.wire.most_rows:
            self.send(413, {"message": "the body is too large"})
            return
        self.wire.transactions += 1
        entities = [self._entity(project, document) for document in documents]
        bad = sum(1 for entity in entities if entity["errors"])
        created = sum(1 for entity in entities if entity["action"] == "create")
        good = not bad
        if good and not dry:
            for document, entity in zip(documents, entities, strict=True):
                self.wire.records[(document["type"], document["submitter_id"])] = {
                    **document,
                    "id": entity["id"],
                    "project_id": project,
                }
        noun = "entity" if bad == 1 else "entities"
        code = 200 if good or dry else 400
        answer = {
            "transaction_id": self.wire.transactions,
            "success": good,
            "code": code,
            "message": "Transaction successful." if good else f"Transaction aborted due to {bad} invalid {noun}.",
            "entities": entities,
            "entity_error_count": bad,
            "transactional_error_count": 0,
            "transactional_errors": [],
            "created_entity_count": created if good else 0,
            "updated_entity_count": len(entities) - created if good else 0,
        }
        self.send(code, answer)

    def _entity(self, project: str, document: dict[str, Any]) -> dict[str, Any]:
        known = self.wire.records.get((document["type"], document["submitter_id"]))
        errors = []
        if document.get("tissue") == "wood":
            text = "'wood' is not one of ['kidney', 'liver']"
            errors = [{"keys": ["tissue"], "message": text, "type": "ERROR"}]
        warnings = []
        if "state" in document:
            text = "Property 'state' (live) is a system property and will be ignored."
            warnings = [{"keys": ["state"], "message": text, "type": "INVALID_PERMISSIONS"}]
        return {
            "valid": not errors,
            "action": "update" if known else "create",
            "type": document["type"],
            "id": None if errors else (known["id"] if known else str(uuid.uuid4())),
            "errors": errors,
            "warnings": warnings,
            "unique_keys": [{"project_id": project, "submitter_id": document["submitter_id"]}],
        }
